//! Declarations as text (spec 11): TOML in, the domain's declarations out, and the way back; and one thing as an object of JSON, under
//! the same keys. Every fault of a text has its line and its place.
//!
//! Never reads a file, never asks a node, and never decides whether a declaration fits a state. Called by `ocsctl apply`,
//! `ocsctl export-config`, and HTTP Proxy for the REST interface.

mod json;
mod reading;
#[cfg(test)]
mod tests;
mod things;
mod writing;

use outbound::declaration::Declaration;
use serde_json::{Map, Value};
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
    let declaration = declaration(text, &mut reading);
    reading.into_places().map(|places| (declaration, places))
}

/// The declaration of one thing. `word`: the key of the thing's table in a file, as `lists`. A member that is null is absent.
///
/// # Errors
/// The first fault, without a line: an unknown key, a wrong value, a name that is absent.
pub fn of_json(word: &str, thing: &Map<String, Value>) -> Result<Declaration, Fault> {
    let mut reading = Reading::of_object();
    let declaration = declaration(&json::to_toml(word, thing), &mut reading);
    let Err(faults) = reading.into_places() else { return Ok(declaration) };
    let first = faults.into_iter().next().expect("there is a fault");
    // the text of an object is always TOML, up to a depth
    let is_too_deep = first.path.is_empty();
    Err(if is_too_deep { Fault { message: "the object is nested too deeply".to_owned(), ..first } } else { first })
}

fn declaration(text: &str, reading: &mut Reading) -> Declaration {
    match DeTable::parse(text) {
        Ok(table) => things::declaration(&Section::root(table.get_ref()), reading),
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            let reason = error.message().lines().collect::<Vec<_>>().join(", ");
            reading.fault(at, "", format!("this is no TOML: {reason}"));
            Declaration::default()
        }
    }
}
