//! The parts of a finished `status` or `role` that have a colour: roles, states, and the lines about faults.
//!
//! Never judges: words and sentences of the text decide. Called by the verbs through [`GroupView`].

use std::ops::Range;

use super::{GroupView, print};
use crate::print::colour::{Span, Style};

/// The colour of a cell by its text; none: without.
type OfCell = fn(&str) -> Option<Style>;

/// The columns with colours.
const COLUMNS: [(&str, OfCell); 3] = [("ROLE", of_role), ("HTTP", of_http), ("STATE", of_state)];
/// The words of a node without an answer, in either table.
const SILENT: [&str; 2] = ["unreachable", "TLS failed"];

impl GroupView {
    /// The coloured parts of the text of [`GroupView::status_table`] or [`GroupView::role_table`].
    pub(crate) fn colours(&self, text: &str) -> Vec<Span> {
        let mut spans = self.of_cells(text);
        let silent = self.nodes.iter().filter(|node| node.said.is_none());
        let silent = silent.map(|node| format!("{}: {}", node.node, node.error.as_deref().unwrap_or_default()));
        spans.extend(silent.filter_map(|line| of_line(text, &line, Style::Bad)));
        spans.extend(self.warnings().iter().filter_map(|line| of_line(text, line, Style::Doubtful)));
        let survives = self.primary().map(|said| said.survives.as_str()).filter(|line| line.starts_with("Degraded"));
        spans.extend(survives.and_then(|line| of_line(text, line, Style::Doubtful)));
        spans
    }

    /// The cells of the table: a row for each node, below the headers.
    fn of_cells(&self, text: &str) -> Vec<Span> {
        let mut rows = lines(text);
        let Some((_, headers)) = rows.next() else { return Vec::new() };
        let rows: Vec<_> = rows.filter(|(_, row)| !row.starts_with(' ')).take(self.nodes.len()).collect();
        let mut spans = Vec::new();
        for (header, style_of) in COLUMNS {
            let Some(column) = column(headers, header) else { continue };
            for (at, row) in &rows {
                let cell = cell(row, &column);
                let style = style_of(&row[cell.clone()]);
                spans.extend(style.map(|style| Span { range: at + cell.start..at + cell.end, style }));
            }
        }
        spans
    }
}

/// The lines of a text, each with its place.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split('\n').scan(0, |next, line| {
        let at = *next;
        *next += line.len() + 1;
        Some((at, line))
    })
}

/// The letters of a column: from its header to the next header.
fn column(headers: &str, header: &str) -> Option<Range<usize>> {
    let from = headers.match_indices(header).map(|(at, _)| at).find(|at| {
        let (before, behind) = (&headers[..*at], &headers[at + header.len()..]);
        (before.is_empty() || before.ends_with(' ')) && (behind.is_empty() || behind.starts_with(' '))
    })?;
    let behind = headers[from + header.len()..].find(|letter| letter != ' ');
    Some(from..behind.map_or(usize::MAX, |letters| from + header.len() + letters))
}

/// The bytes of a row in a column of letters, without the blanks around.
fn cell(row: &str, column: &Range<usize>) -> Range<usize> {
    let byte = |letter: usize| row.char_indices().nth(letter).map_or(row.len(), |(at, _)| at);
    let (from, to) = (byte(column.start), byte(column.end));
    let part = &row[from..to];
    let from = from + part.len() - part.trim_start().len();
    from..from + part.trim().len()
}

/// The place of a line that was shown as a paragraph.
fn of_line(text: &str, line: &str, style: Style) -> Option<Span> {
    let shown = print::paragraph(line);
    let at = text.find(&shown).filter(|_| !shown.is_empty())?;
    Some(Span { range: at..at + shown.len(), style })
}

fn of_role(cell: &str) -> Option<Style> {
    match cell {
        "primary" => Some(Style::Leading),
        _ if SILENT.contains(&cell) => Some(Style::Bad),
        "unknown" | "starting" => Some(Style::Doubtful),
        _ => cell.ends_with("(unconfirmed)").then_some(Style::Doubtful),
    }
}

fn of_http(cell: &str) -> Option<Style> {
    match cell {
        "running" | "listening" | "disabled" | "-" | "" => None,
        "failed" => Some(Style::Bad),
        _ => Some(Style::Doubtful),
    }
}

fn of_state(cell: &str) -> Option<Style> {
    match cell {
        "up" => Some(Style::Good),
        "" => None,
        _ if SILENT.contains(&cell) => Some(Style::Bad),
        _ => Some(Style::Doubtful),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_found_below_its_header_also_behind_letters_of_several_bytes() {
        let headers = "NODE  ROLE     HTTP     STATE";
        let row = "nöde  primary  running  up, start not confirmed";
        let part = |header| {
            let column = column(headers, header).unwrap();
            &row[cell(row, &column)]
        };
        assert_eq!((part("ROLE"), part("HTTP"), part("STATE")), ("primary", "running", "up, start not confirmed"));
        assert_eq!(column(headers, "TERM"), None);
        assert_eq!(column("PRIMARYROLE  ROLE", "ROLE"), Some(13..usize::MAX));
    }

    #[test]
    fn only_faults_and_the_role_that_acts_have_a_colour() {
        assert_eq!(of_role("primary"), Some(Style::Leading));
        assert_eq!((of_role("backup"), of_role("witness"), of_http("running")), (None, None, None));
        assert_eq!((of_role("backup (unconfirmed)"), of_role("TLS failed")), (Some(Style::Doubtful), Some(Style::Bad)));
        assert_eq!((of_state("up"), of_state("unreachable")), (Some(Style::Good), Some(Style::Bad)));
        assert_eq!(
            (of_state("up, does not acknowledge"), of_http("failed")),
            (Some(Style::Doubtful), Some(Style::Bad))
        );
    }

    #[test]
    fn a_line_is_found_as_the_paragraph_that_was_made_of_it() {
        let line = "b: disk full: ".to_owned() + &"a reason ".repeat(20);
        let text = format!("table\n{}\nrest", print::paragraph(&line));
        let span = of_line(&text, &line, Style::Bad).unwrap();
        assert!(text[span.range.clone()].contains('\n') && text[span.range.end..].starts_with("\nrest"), "{span:?}");
        assert_eq!(of_line(&text, "another line", Style::Bad), None);
    }
}
