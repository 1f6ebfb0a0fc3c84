//! One record is one line: text from a stranger can neither make a record look like two, nor make a line exceed its bound.

use std::{borrow::Cow, fmt};

use tracing::{Event, Subscriber};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

/// Longest line, bytes; a cut line ends with a note.
const LINE_BYTES_MAX: usize = 16 * 1024;
/// Characters shown of a text from outside.
const SHOWN_CHARACTERS_MAX: usize = 64;

/// Formats with the inner format, and reduces the result to one line.
pub(super) struct OneLine<F>(pub(super) F);

impl<S, N, F> FormatEvent<S, N> for OneLine<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        writer.write_str(&one_line(line.strip_suffix('\n').unwrap_or(&line)))?;
        writer.write_char('\n')
    }
}

/// The text, escaped and cut unless already one line of a bounded length.
pub(super) fn one_line(text: &str) -> Cow<'_, str> {
    let end = (0..=LINE_BYTES_MAX.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    let (kept, rest) = text.split_at(end);
    if rest.is_empty() && !kept.chars().any(breaks_a_line) {
        return Cow::Borrowed(text);
    }
    let mut line = escaped(kept.chars());
    if !rest.is_empty() {
        line.push_str(&format!(" ... ({} bytes more)", rest.len()));
    }
    Cow::Owned(line)
}

fn escaped(text: impl Iterator<Item = char>) -> String {
    let mut out = String::new();
    for character in text {
        if breaks_a_line(character) { out.extend(character.escape_default()) } else { out.push(character) }
    }
    out
}

/// Whether a character ends a line, moves the cursor, or changes the direction of text.
fn breaks_a_line(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text from outside, as shown in the log and in answers: escaped, in quotes, and at most 64 characters.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rest = self.0.chars().skip(SHOWN_CHARACTERS_MAX).take(1).count();
        let kept = escaped(self.0.chars().take(SHOWN_CHARACTERS_MAX)).replace('"', "\\\"");
        write!(out, "\"{kept}\"")?;
        if rest > 0 { write!(out, " (cut, {} bytes)", self.0.len()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_breaks_the_line_is_escaped_and_any_other_is_left_as_it_is() {
        assert!(matches!(one_line("node \"ü\" starts"), Cow::Borrowed(_)));
        assert_eq!(
            one_line("x\n2026-01-01 ERROR forged\u{2028}\u{1b}[2J"),
            "x\\n2026-01-01 ERROR forged\\u{2028}\\u{1b}[2J"
        );
    }

    #[test]
    fn a_line_has_a_longest_length() {
        let long = "ü".repeat(LINE_BYTES_MAX);
        let line = one_line(&long);
        assert!(line.len() < LINE_BYTES_MAX + 32 && line.ends_with(&format!(" ... ({LINE_BYTES_MAX} bytes more)")));
    }

    #[test]
    fn what_a_stranger_wrote_is_shown_escaped_and_cut() {
        assert_eq!(Shown("a\nb\"").to_string(), "\"a\\nb\\\"\"");
        let long = "x".repeat(1000);
        assert_eq!(Shown(&long).to_string(), format!("\"{}\" (cut, 1000 bytes)", "x".repeat(64)));
    }
}
