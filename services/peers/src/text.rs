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

/// The message of a status with its causes: a transport names the reason of a fault in its causes alone.
pub(super) fn with_causes(status: &Status) -> String {
    let mut words = status.message().to_owned();
    let mut cause = status.source();
    while let Some(error) = cause {
        let deeper = error.to_string();
        if !words.ends_with(&deeper) {
            words.push_str(": ");
            words.push_str(&deeper);
        }
        cause = error.source();
    }
    shown(&words)
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
