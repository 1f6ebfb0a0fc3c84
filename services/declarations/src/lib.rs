//! Declarations as text (spec 11): TOML in, the domain's declarations out, and the way back. Every fault of a text has its line
//! and its place.
//!
//! Never reads a file, never asks a node, and never decides whether a declaration fits a state. Called by `ocsctl apply` and
//! `ocsctl export-config`.

mod reading;
#[cfg(test)]
mod tests;
mod things;
mod writing;

use outbound::declaration::Declaration;
use toml::de::DeTable;

pub use reading::{Fault, Places};
use reading::{Reading, Section};
pub use writing::to_toml;

/// The declaration of a text, with the lines of its parts.
///
/// # Errors
/// All faults in the order of their lines: a text that is no TOML, each unknown key, each wrong value, each name that is there
/// twice.
pub fn parse(text: &str) -> Result<(Declaration, Places), Vec<Fault>> {
    let mut reading = Reading::new(text);
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            let reason = error.message().lines().collect::<Vec<_>>().join(", ");
            reading.fault(at, "", format!("this is no TOML: {reason}"));
            return reading.into_places().map(|places| (Declaration::default(), places));
        }
    };
    let declaration = things::declaration(&Section::root(table.get_ref()), &mut reading);
    reading.into_places().map(|places| (declaration, places))
}
