//! Names that clients and operators give, and their letters (spec 4).
//!
//! The letters are tables of this crate, part of rules version 3. Called by the verbs, and by the node's control API.

use crate::{phone::is_format, rules::NAME_BYTES_MAX};

/// Whether a new list may have a name from rules version 3 on; existing lists keep their names.
///
/// # Errors
/// A sentence that describes a good name.
pub fn check_list_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Err("The name of a list has 1 to 255 bytes".to_owned());
    }
    if matches!(name, "." | "..") {
        return Err("The name of a list is neither . nor .., since a path cannot name it".to_owned());
    }
    match hidden_letter(name) {
        Some(letter) => {
            let number = u32::from(letter);
            Err(format!("The name of a list has no control, format or line-separator character; U+{number:04X} is one"))
        }
        None => Ok(()),
    }
}

/// The begin of a text, cut between characters to at most `bytes_max` bytes.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

/// The first invisible letter of a name.
pub(crate) fn hidden_letter(name: &str) -> Option<char> {
    name.chars().find(|letter| is_hidden(*letter))
}

/// Whether a letter moves the cursor, changes the direction of the text, ends the line, or is invisible.
fn is_hidden(letter: char) -> bool {
    letter.is_control() || is_format(letter) || matches!(letter, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_cannot_be_shown_or_reached_is_refused() {
        for (name, number) in [
            ("a\nb", "U+000A"),
            ("\u{1b}[31m", "U+001B"),
            ("a\u{202e}b", "U+202E"),
            ("a\u{200f}", "U+200F"),
            ("\0", "U+0000"),
            ("a\u{85}", "U+0085"),
            ("a\u{2028}b", "U+2028"),
            ("\u{feff}a", "U+FEFF"),
            ("\u{7f}", "U+007F"),
            ("a\u{34f}", "U+034F"),
        ] {
            assert!(check_list_name(name).unwrap_err().contains(number), "{name:?}");
        }
        for name in [".", ".."] {
            assert!(check_list_name(name).unwrap_err().contains("neither . nor .."), "{name:?}");
        }
        for name in ["", "x".repeat(256).as_str()] {
            assert!(check_list_name(name).unwrap_err().ends_with("1 to 255 bytes"));
        }
        for name in ["demo", "a b", "...", "a/b", "f\u{fc}r \u{5d0}", "\u{2708}\u{fe0f}", "x".repeat(255).as_str()] {
            assert_eq!(check_list_name(name), Ok(()), "{name:?}");
        }
    }
}
