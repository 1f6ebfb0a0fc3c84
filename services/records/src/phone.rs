//! Phones: the form in which they are compared (spec 9, OURS).
//!
//! Never changes what is stored: records keep phones as given.

/// Spaces, dots, dashes, slashes and parentheses dropped, a leading `00` is `+`; nothing else is guessed.
pub fn canonical_phone(given: &str) -> String {
    let kept = given.chars().filter(|letter| !letter.is_whitespace() && !".-/()".contains(*letter));
    let phone: String = kept.collect();
    match phone.strip_prefix("00") {
        Some(rest) => format!("+{rest}"),
        None => phone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phones_that_differ_in_punctuation_alone_are_the_same() {
        for given in ["+49 (30) 123-45.67", "0049/30/1234567", "00 49 30 1234567"] {
            assert_eq!(canonical_phone(given), "+49301234567");
        }
        assert_eq!(canonical_phone("030 1234567"), "0301234567");
        assert_eq!(canonical_phone("a@b.example"), "a@bexample");
    }
}
