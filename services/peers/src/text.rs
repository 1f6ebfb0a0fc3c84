//! A peer's words, on their way to a log line or a status: one line of bounded length.

use std::error::Error;

use chassis::visible::visible;
use tonic::Status;

/// Characters of a peer's words that are shown.
const SHOWN_MAX: usize = 200;

/// The words as one line: characters that end a line or move a cursor are escaped, the excess is cut.
pub(super) fn shown(words: &str) -> String {
    let kept: String = words.chars().take(SHOWN_MAX).collect();
    let mut line = visible(&kept).into_owned();
    if words.chars().nth(SHOWN_MAX).is_some() {
        line.push_str(&format!(" ... ({} bytes)", words.len()));
    }
    line
}

/// The message of a status with its deepest cause: a transport names the reason of a fault there alone, and some libraries add the
/// address of a page.
pub(super) fn with_cause(status: &Status) -> String {
    let mut deepest = None;
    let mut cause = status.source();
    while let Some(error) = cause {
        deepest = Some(error.to_string());
        cause = error.source();
    }
    let message = status.message();
    match deepest.filter(|deepest| !message.ends_with(deepest.as_str())) {
        Some(deepest) => shown(&format!("{message}: {}", deepest.split(": https://").next().unwrap_or_default())),
        None => shown(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_peer_stay_one_line_of_a_bounded_length() {
        assert_eq!(shown("node \"ü\""), "node \"ü\"");
        assert_eq!(shown("b\n2026-01-01 ERROR forged\u{1b}[2J"), "b\\n2026-01-01 ERROR forged\\u{1b}[2J");
        let long = shown(&"x".repeat(1 << 20));
        assert!(long.len() < 2 * SHOWN_MAX && long.ends_with("(1048576 bytes)"), "{long}");
    }
}
