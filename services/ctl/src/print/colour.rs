//! Colours of a finished text. Every text says the same without them: a colour only leads the eye.
//!
//! Never colours an unfinished text, whose widths would change. Called by `print` alone.

use std::{
    env,
    ffi::{OsStr, OsString},
    io::{self, IsTerminal},
    ops::Range,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use clap::ColorChoice;

use crate::cli::ColorWhen;

/// Whether standard output has colours: chosen once, before a verb runs.
static CHOSEN: AtomicBool = AtomicBool::new(false);
/// Back to the terminal's own colours.
pub(super) const END: &str = "\u{1b}[0m";

/// The meaning of a part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// The role that acts.
    Leading,
    /// As wanted.
    Good,
    /// A fault that leaves the group at work.
    Doubtful,
    /// A part that is lost.
    Bad,
}

impl Style {
    fn begin(self) -> &'static str {
        match self {
            Self::Leading => "\u{1b}[1;32m",
            Self::Good => "\u{1b}[32m",
            Self::Doubtful => "\u{1b}[33m",
            Self::Bad => "\u{1b}[1;31m",
        }
    }
}

/// A part of a text with its meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    /// Bytes of the text.
    pub(crate) range: Range<usize>,
    /// The meaning.
    pub(crate) style: Style,
}

/// Decides whether standard output has colours.
pub(crate) fn choose(when: ColorWhen) {
    let variable = |name: &str| env::var_os(name);
    CHOSEN.store(wanted(when, io::stdout().is_terminal(), variable), Relaxed);
}

/// See [`choose`].
pub(super) fn is_chosen() -> bool {
    CHOSEN.load(Relaxed)
}

fn wanted(when: ColorWhen, terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let is_refused = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_dumb = variable("TERM").as_deref() == Some(OsStr::new("dumb"));
    match when {
        ColorWhen::Always => true,
        ColorWhen::Never => false,
        ColorWhen::Auto => terminal && !is_refused && !is_dumb,
    }
}

/// The choice that the words of a command line make for the help, which is shown before any verb is known.
pub(crate) fn of_words(words: &[OsString]) -> ColorChoice {
    let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    let apart = words.windows(2).filter(|pair| pair[0] == "--color").map(|pair| pair[1]);
    let joined = words.iter().filter_map(|word| word.strip_prefix("--color="));
    match apart.chain(joined).next_back() {
        Some("always") => ColorChoice::Always,
        Some("never") => ColorChoice::Never,
        _ => ColorChoice::Auto,
    }
}

/// The text with its colours. A span that lies within another one, or outside the text, is left out.
pub(super) fn painted(text: &str, mut spans: Vec<Span>) -> String {
    spans.sort_by_key(|span| span.range.start);
    let (mut shown, mut at) = (String::with_capacity(text.len() + 16 * spans.len()), 0);
    for Span { range, style } in spans {
        let (Some(before), Some(part)) = (text.get(at..range.start), text.get(range.clone())) else { continue };
        shown.extend([before, style.begin(), part, END]);
        at = range.end;
    }
    shown.push_str(&text[at..]);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_stand_on_a_terminal_alone_unless_they_are_asked_for_or_refused() {
        use ColorWhen::{Always, Auto, Never};
        for (when, terminal, set, shown) in [
            (Auto, true, None, true),
            (Auto, false, None, false),
            (Auto, true, Some(("NO_COLOR", "1")), false),
            (Auto, true, Some(("NO_COLOR", "")), true),
            (Auto, true, Some(("TERM", "dumb")), false),
            (Auto, true, Some(("TERM", "xterm")), true),
            (Always, false, Some(("NO_COLOR", "1")), true),
            (Never, true, None, false),
        ] {
            let variable = |name: &str| set.filter(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
            assert_eq!(wanted(when, terminal, variable), shown, "{when:?} {terminal} {set:?}");
        }
    }

    #[test]
    fn the_help_has_colours_as_the_last_option_says() {
        let of = |words: &str| of_words(&words.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(of("ocsctl --help"), ColorChoice::Auto);
        assert_eq!(of("ocsctl --color never --help"), ColorChoice::Never);
        assert_eq!(of("ocsctl --color=never status --color=always"), ColorChoice::Always);
    }

    #[test]
    fn a_painted_text_without_its_colours_is_the_text() {
        let span = |range, style| Span { range, style };
        let (leading, bad) = (span(0..4, Style::Leading), span(7..8, Style::Bad));
        let left_out = [span(1..2, Style::Good), span(90..99, Style::Good)];
        let shown = painted("für a b", [vec![bad, leading], left_out.to_vec()].concat());
        assert_eq!(shown, "\u{1b}[1;32mfür\u{1b}[0m a \u{1b}[1;31mb\u{1b}[0m");
    }
}
