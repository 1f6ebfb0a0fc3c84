//! One record is one line: text from a stranger can neither make a record look like two, nor make a line exceed its bound. The
//! same holds for text and for JSON.

use std::{borrow::Cow, fmt};

use jiff::Timestamp;
use tracing::{Event, Subscriber};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use crate::visible::{acts, visible, visible_json};

/// Longest line, bytes; a cut line ends with a note.
const LINE_BYTES_MAX: usize = 16 * 1024;
/// Characters shown of a text from outside.
const SHOWN_CHARACTERS_MAX: usize = 64;

/// Formats with an inner format, and bounds the result.
pub(super) struct Bounded<F> {
    inner: F,
    bound: fn(&Event<'_>, &str) -> String,
}

impl<F> Bounded<F> {
    /// For a format of text.
    pub(super) fn text(inner: F) -> Self {
        Self { inner, bound: |_, line| one_line(line).into_owned() }
    }

    /// For a format that writes JSON: a record that is too long keeps its time, level and target, and a part of its text.
    pub(super) fn json(inner: F) -> Self {
        Self { inner, bound: bounded_json }
    }
}

impl<S, N, F> FormatEvent<S, N> for Bounded<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = String::new();
        self.inner.format_event(context, Writer::new(&mut line), event)?;
        writer.write_str(&(self.bound)(event, line.strip_suffix('\n').unwrap_or(&line)))?;
        writer.write_char('\n')
    }
}

fn bounded_json(event: &Event<'_>, line: &str) -> String {
    if line.len() > LINE_BYTES_MAX {
        let metadata = event.metadata();
        return short_json(metadata.level().as_str(), metadata.target(), line);
    }
    visible_json(line).into_owned()
}

/// A JSON object of the log, with its text in one line of a bounded length.
pub(super) fn short_json(level: &str, target: &str, text: &str) -> String {
    let (now, message) = (Timestamp::now(), json_text(&one_line(text)));
    format!("{{\"timestamp\":\"{now}\",\"level\":\"{level}\",\"message\":{message},\"target\":{}}}", json_text(target))
}

/// A JSON string of a text without letters that act.
fn json_text(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        if matches!(letter, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted.push('"');
    quoted
}

/// The text, escaped and cut unless already one line of a bounded length.
pub(super) fn one_line(text: &str) -> Cow<'_, str> {
    let end = (0..=LINE_BYTES_MAX.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    let (kept, rest) = text.split_at(end);
    if rest.is_empty() && !kept.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut line = visible(kept).into_owned();
    if !rest.is_empty() {
        line.push_str(&format!(" ... ({} bytes more)", rest.len()));
    }
    Cow::Owned(line)
}

/// A text from outside, as shown in the log and in answers: escaped, in quotes, and at most 64 characters.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rest = self.0.chars().skip(SHOWN_CHARACTERS_MAX).take(1).count();
        let kept: String = self.0.chars().take(SHOWN_CHARACTERS_MAX).collect();
        let kept = visible(&kept).replace('"', "\\\"");
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
    fn a_record_of_json_that_is_too_long_is_cut_and_stays_json() {
        let long = short_json("WARN", "rustls", &format!("a \"name\"\u{202e}\\{}", "x".repeat(2 * LINE_BYTES_MAX)));
        assert!(long.len() < LINE_BYTES_MAX + 256, "{}", long.len());
        let (head, tail) =
            (",\"level\":\"WARN\",\"message\":\"a \\\"name\\\"\\\\u{202e}\\\\x", "more)\",\"target\":\"rustls\"}");
        assert!(long.contains(head) && long.ends_with(tail), "{}", &long[..100]);
    }

    #[test]
    fn what_a_stranger_wrote_is_shown_escaped_and_cut() {
        assert_eq!(Shown("a\nb\"").to_string(), "\"a\\nb\\\"\"");
        let long = "x".repeat(1000);
        assert_eq!(Shown(&long).to_string(), format!("\"{}\" (cut, 1000 bytes)", "x".repeat(64)));
    }
}
