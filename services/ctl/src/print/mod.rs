//! What a person or a program reads on standard output. The only room that writes there. Called by every verb.

pub(crate) mod status;
mod visible;

use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
};

use comfy_table::{Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

pub(crate) use self::visible::{visible, visible_lines};
use crate::{
    cli::{Format, FormatArg},
    failure::Failure,
};

/// Where and how results are shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Out {
    json: bool,
}

impl Out {
    /// The format behind the verb wins over the one before it.
    pub(crate) fn new(before: FormatArg, behind: FormatArg) -> Self {
        Self { json: behind.format.or(before.format) == Some(Format::Json) }
    }

    /// Shows a result: the document to a program, what `table` makes of it to a person.
    pub(crate) fn show<T: Serialize>(self, result: &T, table: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        if !self.json {
            return line(&table(result));
        }
        let text = json(result)?;
        if to_terminal() { line(&visible::visible_json(&text)) } else { line(&text) }
    }
}

/// Whether a person reads what is written here: letters that would act on a terminal are then shown as escapes.
pub(crate) fn to_terminal() -> bool {
    io::stdout().is_terminal()
}

fn json(result: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(result).map_err(|error| Failure::Refused(format!("cannot write JSON: {error}")))
}

/// Writes one line, or several.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(cannot_write)
}

/// A fault of standard output.
pub(crate) fn cannot_write(error: impl Display) -> Failure {
    Failure::Refused(format!("cannot write to standard output: {error}"))
}

/// Columns under headers, without frames.
pub(crate) fn table<R: IntoIterator<Item = String>>(headers: &[&str], rows: impl IntoIterator<Item = R>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(headers.iter().map(|header| header.to_uppercase()));
    for row in rows {
        table.add_row(row);
    }
    trimmed(&table.to_string())
}

/// Two columns, a name and a value each.
pub(crate) fn pairs<V: Display>(pairs: &[(&str, V)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines: Vec<_> = pairs.iter().map(|(name, value)| format!("{name:<width$}  {value}")).collect();
    lines.join("\n")
}

/// Without the blanks that the table leaves at the ends of lines and before the first column.
fn trimmed(table: &str) -> String {
    let lines: Vec<_> = table.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end()).collect();
    lines.join("\n")
}

/// A bar on standard error, drawn only when that is a terminal. Its position is in `total`'s unit, its message is free.
pub(crate) fn bar(total: u64) -> ProgressBar {
    const TEMPLATE: &str = "{wide_bar} {percent:>3} %  {msg}  ETA {eta}";
    let style = ProgressStyle::with_template(TEMPLATE).expect("the template is constant and valid");
    ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(10)).with_style(style)
}

/// As [`bar`], for bytes of which nobody knows how many come.
pub(crate) fn bytes_counter() -> ProgressBar {
    let style = ProgressStyle::with_template("{bytes}  {bytes_per_sec}").expect("the template is constant and valid");
    ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10)).with_style(style)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_headers_and_no_trailing_blanks() {
        let rows = [["a".to_owned(), "primary".to_owned()], ["b".to_owned(), "backup".to_owned()]];
        assert_eq!(table(&["node", "role"], rows), "NODE  ROLE\na     primary\nb     backup");
    }
}
