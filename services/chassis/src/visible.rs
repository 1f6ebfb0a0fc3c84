//! Escapes for letters of foreign texts that would act on a terminal, or on the reader of a log, instead of being seen.
//!
//! The only list of such letters: the log, the peers' words and every line that `ocsctl` prints take it from here. Never cuts a
//! text.

use std::borrow::Cow;

/// A text in one line in which every letter is visible.
pub fn visible(text: &str) -> Cow<'_, str> {
    if text.chars().any(acts) { Cow::Owned(escaped(text, |_| false)) } else { Cow::Borrowed(text) }
}

/// The same for a text of several lines.
pub fn visible_lines(text: &str) -> Cow<'_, str> {
    let is_line_end = |letter| letter == '\n';
    if text.chars().any(|letter| acts(letter) && !is_line_end(letter)) {
        Cow::Owned(escaped(text, is_line_end))
    } else {
        Cow::Borrowed(text)
    }
}

/// A JSON document that says the same: such letters stand in texts alone, where JSON has escapes of its own.
pub fn visible_json(json: &str) -> Cow<'_, str> {
    let must_be_escaped = |letter| acts(letter) && letter != '\n';
    if !json.chars().any(must_be_escaped) {
        return Cow::Borrowed(json);
    }
    let mut shown = String::with_capacity(json.len());
    for letter in json.chars() {
        if must_be_escaped(letter) {
            let mut units = [0; 2];
            letter.encode_utf16(&mut units).iter().for_each(|unit| shown.push_str(&format!("\\u{unit:04x}")));
        } else {
            shown.push(letter);
        }
    }
    Cow::Owned(shown)
}

fn escaped(text: &str, stays: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if acts(letter) && !stays(letter) { shown.extend(letter.escape_default()) } else { shown.push(letter) }
    }
    shown
}

/// Moves the cursor, ends the line, turns the direction of the text, or takes no room.
pub fn acts(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{ad}' | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_act_are_shown_as_escapes_and_all_others_stay() {
        assert_eq!(visible("a\u{1b}[31m\0\n\u{202e}z"), "a\\u{1b}[31m\\u{0}\\n\\u{202e}z");
        assert_eq!(visible_lines("one\u{7f}\ntwo\u{2028}"), "one\\u{7f}\ntwo\\u{2028}");
        for text in ["+49 30 1", "f\u{fc}r \u{5d0}\u{5d1}", "\u{1f468}\u{200d}\u{1f467}", "a\\b"] {
            assert!(matches!(visible(text), Cow::Borrowed(same) if same == text), "{text:?}");
        }
    }

    #[test]
    fn a_json_document_has_no_letter_that_acts_and_says_what_it_said() {
        let json = "{\"name\": \"a\u{85}b\u{202e}c\u{feff}\"}\n";
        assert_eq!(visible_json(json), "{\"name\": \"a\\u0085b\\u202ec\\ufeff\"}\n");
        assert!(matches!(visible_json("{\"name\": \"f\u{fc}r\"}\n"), Cow::Borrowed(_)));
    }
}
