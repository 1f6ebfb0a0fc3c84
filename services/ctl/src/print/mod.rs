//! Standard output, for a person or a program. No other module writes there. Called by every verb.
//!
//! Never lets a foreign text act on a terminal: every line for a person passes [`line`], every cell of a table is one line, and the
//! letters of a JSON document that would act are escapes of JSON there. Standard error has the same rule, in the macro of the
//! root.

pub(crate) mod colour;
pub(crate) mod live;
pub(crate) mod status;

use std::{
    borrow::Cow,
    fmt::Display,
    io::{self, IsTerminal, Write},
};

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::{Timestamp, Unit};
use serde::Serialize;

use chassis::visible::visible_json;
pub(crate) use chassis::visible::{visible, visible_lines};

use self::colour::Span;
use crate::{
    cli::{Format, FormatArg},
    failure::Failure,
};

/// Columns of the narrowest terminal that output for a person fits.
pub(crate) const WIDTH: usize = 80;
/// A last column narrower than this is left to the layout of the whole table.
const LAST_WIDTH_MIN: usize = 20;

/// Where and how results are shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Out {
    json: bool,
}

impl Out {
    /// The format behind the verb wins over the format before it.
    pub(crate) fn new(before: FormatArg, behind: FormatArg) -> Self {
        Self { json: behind.format.or(before.format) == Some(Format::Json) }
    }

    /// Shows a result: to a program as a document, to a person as the text of `table`.
    pub(crate) fn show<T: Serialize>(self, result: &T, table: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        if !self.json {
            return line(&table(result));
        }
        document(&json(result)?)
    }

    /// As [`Out::show`], with colours for a person where they are chosen.
    pub(crate) fn show_in_colours<T: Serialize>(
        self,
        result: &T,
        table: impl FnOnce(&T) -> String,
        colours: impl FnOnce(&T, &str) -> Vec<Span>,
    ) -> Result<(), Failure> {
        if self.json {
            return document(&json(result)?);
        }
        let text = table(result);
        let spans = colours(result, &text);
        put(&format!("{}\n", shown(&text, spans)))
    }

    /// Whether a program reads the result.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }
}

/// Shows a program one of many results: a JSON document in a line.
pub(crate) fn json_line<T: Serialize>(result: &T) -> Result<(), Failure> {
    document(&serde_json::to_string(result).map_err(no_json)?)
}

fn document(text: &str) -> Result<(), Failure> {
    if to_terminal() { write(&visible_json(text)) } else { write(text) }
}

fn no_json(error: serde_json::Error) -> Failure {
    Failure::Refused(format!("cannot write JSON: {error}"))
}

/// Whether a person reads this output: letters that would act on a terminal are then shown as escapes.
pub(crate) fn to_terminal() -> bool {
    io::stdout().is_terminal()
}

fn json(result: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(result).map_err(no_json)
}

/// Writes one line for a person, or several.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    write(&visible_lines(text))
}

/// A text for a person, in colours where they are chosen: of a text with letters that would act, the escapes have none.
fn shown(text: &str, spans: Vec<Span>) -> String {
    match visible_lines(text) {
        Cow::Borrowed(safe) if colour::is_chosen() => colour::painted(safe, spans),
        safe => safe.into_owned(),
    }
}

fn write(text: &str) -> Result<(), Failure> {
    put(&format!("{text}\n"))
}

fn put(text: &str) -> Result<(), Failure> {
    bytes(text.as_bytes())
}

/// Writes bytes of our own, as they are.
pub(crate) fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(cannot_write)
}

/// A fault of standard output, met by a line or by a row of CSV.
pub(crate) fn cannot_write(error: impl Into<csv::Error>) -> Failure {
    let error: csv::Error = error.into();
    match error.kind() {
        csv::ErrorKind::Io(fault) if fault.kind() == io::ErrorKind::BrokenPipe => Failure::ReaderGone,
        _ => Failure::Refused(format!("cannot write to standard output: {error}")),
    }
}

/// Columns under headers, without frames, no wider than [`WIDTH`]: the last column takes the width that the others leave, in several lines.
pub(crate) fn table<R: IntoIterator<Item = String>>(headers: &[&str], rows: impl IntoIterator<Item = R>) -> String {
    let (headers, mut rows) = visible_cells(headers, rows);
    let others: usize = (0..headers.len().saturating_sub(1)).map(|column| width_of(column, &headers, &rows) + 2).sum();
    let room = WIDTH.saturating_sub(others);
    if room >= LAST_WIDTH_MIN {
        rows.iter_mut().filter_map(|row| row.last_mut()).for_each(|cell| *cell = wrapped(cell, room).join("\n"));
    }
    let mut table = Table::new();
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(WIDTH as u16 + 2); // a blank on each side, which is trimmed
    filled(table, headers, rows)
}

/// As [`table`] on a terminal; elsewhere each row is one line of any width, as programs that read lines expect.
pub(crate) fn row_table<R: IntoIterator<Item = String>>(headers: &[&str], rows: impl IntoIterator<Item = R>) -> String {
    if to_terminal() { table(headers, rows) } else { lines_table(headers, rows) }
}

fn lines_table<R: IntoIterator<Item = String>>(headers: &[&str], rows: impl IntoIterator<Item = R>) -> String {
    let (headers, rows) = visible_cells(headers, rows);
    let mut table = Table::new();
    table.set_content_arrangement(ContentArrangement::Disabled);
    filled(table, headers, rows)
}

type Cells = (Vec<String>, Vec<Vec<String>>);

fn visible_cells<R: IntoIterator<Item = String>>(headers: &[&str], rows: impl IntoIterator<Item = R>) -> Cells {
    let headers = headers.iter().map(|header| header.to_uppercase()).collect();
    let cells = |row: R| -> Vec<String> { row.into_iter().map(|cell| visible(&cell).into_owned()).collect() };
    (headers, rows.into_iter().map(cells).collect())
}

fn filled(mut table: Table, headers: Vec<String>, rows: Vec<Vec<String>>) -> String {
    table.load_style(presets::NOTHING);
    table.set_header(headers);
    for row in rows {
        table.add_row(row);
    }
    trimmed(&table.to_string())
}

fn width_of(column: usize, headers: &[String], rows: &[Vec<String>]) -> usize {
    let cells = rows.iter().filter_map(|row| row.get(column));
    cells.chain(headers.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
}

/// Two columns, a name and a value each; a value that is too long goes on below itself.
pub(crate) fn pairs<V: Display>(pairs: &[(&str, V)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let room = WIDTH.saturating_sub(width + 2).max(LAST_WIDTH_MIN);
    let lines: Vec<_> = pairs
        .iter()
        .map(|(name, value)| {
            let value = wrapped(&visible(&value.to_string()), room).join(&format!("\n{:width$}  ", ""));
            format!("{name:<width$}  {value}")
        })
        .collect();
    lines.join("\n")
}

/// A text in lines no wider than [`WIDTH`], those after the first indented.
pub(crate) fn paragraph(text: &str) -> String {
    wrapped(&visible(text), WIDTH - 2).join("\n  ")
}

/// Lines of at most so many characters, cut at blanks; a longer word is cut itself.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for line in text.split('\n') {
        if line.chars().count() <= width {
            lines.push(line.to_owned());
            continue;
        }
        let mut open = String::new();
        for word in line.split(' ').flat_map(|word| pieces(word, width)) {
            let used = open.chars().count();
            if used > 0 && used + 1 + word.chars().count() > width {
                lines.push(std::mem::take(&mut open));
            } else if used > 0 {
                open.push(' ');
            }
            open.push_str(&word);
        }
        lines.push(open);
    }
    lines
}

fn pieces(word: &str, width: usize) -> Vec<String> {
    let letters: Vec<char> = word.chars().collect();
    let pieces: Vec<String> = letters.chunks(width.max(1)).map(|piece| piece.iter().collect()).collect();
    if pieces.is_empty() { vec![String::new()] } else { pieces }
}

/// Without the blanks that the table leaves at the ends of lines and before the first column.
fn trimmed(table: &str) -> String {
    let lines: Vec<_> = table.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end()).collect();
    lines.join("\n")
}

/// A bar on standard error, drawn only on a terminal. Its position is in `total`'s unit, its message is free.
pub(crate) fn bar(total: u64) -> ProgressBar {
    const TEMPLATE: &str = "{wide_bar} {percent:>3} %  {msg}  ETA {eta}";
    let style = ProgressStyle::with_template(TEMPLATE).expect("the template is constant and valid");
    ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(10)).with_style(style)
}

/// As [`bar`], for an unknown number of bytes.
pub(crate) fn bytes_counter() -> ProgressBar {
    let style = ProgressStyle::with_template("{bytes}  {bytes_per_sec}").expect("the template is constant and valid");
    ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10)).with_style(style)
}

/// A number with a comma between groups of three digits.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A moment in seconds since 1970.
pub(crate) fn time_s(s: u64) -> String {
    time(s.saturating_mul(1_000_000))
}

/// A moment in microseconds since 1970, to the second.
pub(crate) fn time(us: u64) -> String {
    let time = i64::try_from(us).ok().and_then(|us| Timestamp::from_microsecond(us).ok());
    time.map_or_else(|| "?".to_owned(), |time| format!("{time:.0}"))
}

/// A moment in microseconds since 1970, UTC, to the millisecond.
pub(crate) fn time_ms(us: u64) -> String {
    let time = i64::try_from(us).ok().and_then(|us| Timestamp::from_microsecond(us).ok());
    let rounded = time.and_then(|time| time.round(Unit::Millisecond).ok());
    rounded.map_or_else(|| us.to_string(), |time| format!("{time:.3}"))
}

#[cfg(test)]
mod tests {
    use chassis::visible::acts;

    use super::*;

    #[test]
    fn a_table_has_headers_and_no_trailing_blanks() {
        let rows = [["a".to_owned(), "primary".to_owned()], ["b".to_owned(), "backup".to_owned()]];
        assert_eq!(table(&["node", "role"], rows), "NODE  ROLE\na     primary\nb     backup");
    }

    #[test]
    fn no_cell_pair_or_paragraph_begins_a_line_or_acts_on_a_terminal() {
        let hostile = "b\nFORGED\u{1b}[2J\u{202e}";
        let shown = [
            table(&["node", "role"], [[hostile.to_owned(), hostile.to_owned()]]),
            pairs(&[("name", hostile)]),
            paragraph(hostile),
        ];
        for text in shown {
            assert!(!text.lines().any(|line| line.trim_start().starts_with("FORGED")), "{text:?}");
            assert!(!text.chars().any(|letter| acts(letter) && letter != '\n'), "{text:?}");
            assert!(text.contains("\\nFORGED\\u{1b}[2J\\u{202e}"), "{text:?}");
        }
    }

    #[test]
    fn digits_stand_in_groups_of_three() {
        let shown = [0, 999, 1_000, 1_234_567].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
    }

    fn widest(text: &str) -> usize {
        text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
    }

    #[test]
    fn a_table_is_no_wider_than_a_terminal_and_loses_no_word() {
        let reason = "failover: no heartbeat of a for 1740 ms, and an operator had asked for it twice before";
        let row = ["2026-11-28T06:53:36.170Z".to_owned(), "node-frankfurt-1".to_owned(), reason.to_owned()];
        let shown = table(&["time", "to", "reason"], [row.clone(), row]);
        assert!(widest(&shown) <= WIDTH, "{shown}");
        let joined = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(reason.split(' ').all(|word| joined.contains(word)), "{shown}");
        let wide = ["x".repeat(60), "y".repeat(60), "z".repeat(60)];
        assert!(widest(&table(&["one", "two", "three"], [wide])) <= WIDTH);
    }

    #[test]
    fn a_row_is_one_line_where_no_terminal_reads() {
        let row = |phone: &str| [phone.to_owned(), "word ".repeat(50).trim_end().to_owned(), "x".repeat(90)];
        let shown = lines_table(&["phone", "message", "since"], [row("+1"), row("+2\nFORGED")]);
        assert_eq!(shown.lines().count(), 3, "{shown}");
        assert!(shown.lines().skip(1).all(|line| line.contains(&"word ".repeat(49)) && line.ends_with('x')), "{shown}");
        assert!(shown.contains("+2\\nFORGED"), "{shown}");
    }

    #[test]
    fn a_text_with_letters_that_act_has_no_colours_and_no_such_letter() {
        let span = || vec![Span { range: 0..1, style: colour::Style::Bad }];
        assert_eq!(shown("a\u{1b}[2J\nb", span()), "a\\u{1b}[2J\nb");
        assert_eq!(shown("a\nb", span()), "a\nb", "colours are not chosen here");
    }

    #[test]
    fn a_paragraph_and_a_pair_go_on_below_themselves() {
        let text = "word ".repeat(40) + &"letters".repeat(20);
        let shown = paragraph(&text);
        assert!(widest(&shown) <= WIDTH && shown.lines().skip(1).all(|line| line.starts_with("  ")), "{shown}");
        let shown = pairs(&[("name", text.as_str()), ("longer name", "value")]);
        assert!(widest(&shown) <= WIDTH && shown.ends_with("longer name  value"), "{shown}");
        assert_eq!(paragraph("short,  with two blanks"), "short,  with two blanks");
    }
}
