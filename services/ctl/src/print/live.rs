//! A result that is shown again and again: in place on a terminal, one below the other elsewhere, a document a line to a program.
//!
//! Leaves a terminal as found after each drawing, so that a watch may be killed at any time. Called by `status --watch`.

use std::io::{self, IsTerminal};

use rustix::termios::tcgetwinsize;
use serde::Serialize;

use super::{
    Out,
    colour::{END, Span},
};
use crate::failure::Failure;

/// Lines longer than the terminal is wide are cut during a drawing: a line that wraps would take two.
const CUT: &str = "\u{1b}[?7l";
const WRAP: &str = "\u{1b}[?7h";

/// See the module.
#[derive(Debug)]
pub(crate) struct Live {
    out: Out,
    in_place: bool,
    /// Lines of the last drawing.
    drawn: usize,
}

impl Live {
    /// Nothing is shown yet.
    pub(crate) fn new(out: Out) -> Self {
        Self { out, in_place: !out.is_json() && io::stdout().is_terminal(), drawn: 0 }
    }

    /// Shows the next result: to a person the heading and the text of `table`, in the colours of `colours`.
    ///
    /// # Errors
    /// Standard output takes no more.
    pub(crate) fn show<T: Serialize>(
        &mut self,
        result: &T,
        heading: &str,
        table: impl FnOnce(&T) -> String,
        colours: impl FnOnce(&T, &str) -> Vec<Span>,
    ) -> Result<(), Failure> {
        if self.out.is_json() {
            return super::json_line(result);
        }
        let text = table(result);
        let spans = colours(result, &text);
        let shown = format!("{heading}\n{}", super::shown(&text, spans));
        if !self.in_place {
            return super::put(&format!("{shown}\n"));
        }
        let (frame, drawn) = frame(&shown, self.drawn, rows());
        self.drawn = drawn;
        super::put(&frame)
    }

    /// The failure of a watch that Ctrl-C ends, below its last drawing.
    pub(crate) fn interrupted(&self) -> Failure {
        if self.in_place {
            let _ = super::put("\n"); // behind the letters that the terminal shows for Ctrl-C
        }
        Failure::Interrupted
    }
}

/// Rows of the terminal; none: not known.
fn rows() -> Option<usize> {
    let size = tcgetwinsize(io::stdout()).ok()?;
    Some(usize::from(size.ws_row)).filter(|rows| *rows > 0)
}

/// The drawing that takes the place of one of `drawn` lines, and its lines. A text that is higher than the terminal is cut: a
/// terminal that scrolled could not go back to its first line.
fn frame(text: &str, drawn: usize, rows: Option<usize>) -> (String, usize) {
    let all: Vec<&str> = text.lines().collect();
    let room = rows.map_or(all.len(), |rows| rows.saturating_sub(1).max(2));
    let up = if drawn > 0 { format!("\u{1b}[{drawn}F") } else { String::new() };
    let lines = all.len().min(room);
    let (kept, more) = if all.len() > room { (room - 1, all.len() - room + 1) } else { (lines, 0) };
    let mut shown = all[..kept].join("\n");
    if more > 0 {
        shown.push_str(&format!("{END}\n… {more} more lines: a higher terminal shows them"));
    }
    (format!("{up}\u{1b}[J{CUT}{shown}{END}\n{WRAP}"), lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawing_takes_the_place_of_the_one_before() {
        let (first, drawn) = frame("one\ntwo", 0, Some(24));
        assert_eq!((first.as_str(), drawn), ("\u{1b}[J\u{1b}[?7lone\ntwo\u{1b}[0m\n\u{1b}[?7h", 2));
        let (second, drawn) = frame("one\ntwo\nthree", drawn, Some(24));
        assert!(second.starts_with("\u{1b}[2F\u{1b}[J") && drawn == 3, "{second:?}");
        let (third, drawn) = frame("one", drawn, None);
        assert!(third.starts_with("\u{1b}[3F\u{1b}[J") && drawn == 1, "{third:?}");
    }

    #[test]
    fn a_drawing_is_never_as_high_as_the_terminal() {
        let text: Vec<String> = (1..=30).map(|line| format!("line {line}")).collect();
        let (cut, drawn) = frame(&text.join("\n"), 0, Some(10));
        assert_eq!((drawn, cut.lines().count()), (9, 10), "{cut:?}");
        assert!(cut.contains("line 8") && !cut.contains("line 9") && cut.contains("22 more lines"), "{cut:?}");
        let (whole, drawn) = frame(&text[..9].join("\n"), 0, Some(10));
        assert!(drawn == 9 && whole.contains("line 9") && !whole.contains("more lines"), "{whole:?}");
    }
}
