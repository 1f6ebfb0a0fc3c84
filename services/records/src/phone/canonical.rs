//! The canonical form of spec 9, in the order of its steps, and the check of texts that have lost the number once written.
//!
//! Part of rules version 3: no step changes once that version is released. Called by `phone` alone.

use super::{international, letters};

/// Contact types whose contact_info need not be a number: e-mail, instant messaging.
const TEXT_TYPES: [i64; 2] = [10, 11];
/// Digits of a country code, at most.
const COUNTRY_DIGITS_MAX: u32 = 3;

/// The form in which phones are compared from rules version 3 on; of an address its lower case.
pub fn canonical_phone(given: &str) -> String {
    if is_address(given) {
        return given.chars().map(letters::lower).collect();
    }
    let mut plain = plain(without_fraction(unguarded(given)));
    drop_trunk_zero(&mut plain);
    international(plain.into_iter().filter(|letter| !letters::is_separator(*letter)).collect())
}

/// Whether a contact_info is an address and no phone.
pub(crate) fn is_address(given: &str) -> bool {
    given.contains('@')
}

/// Whether a contact_info of this type can be a phone or an address at all.
///
/// # Errors
/// Why not, to follow the attribute's name in a sentence.
pub(crate) fn check(given: &str, contact_info_type: i64) -> Result<(), &'static str> {
    if given.chars().any(|letter| letter.is_control() && !('\t'..='\r').contains(&letter)) {
        return Err("has a control character");
    }
    if is_address(given) {
        return Ok(());
    }
    let plain = plain(unguarded(given));
    if has_exponent(&plain) {
        return Err("is a number with an exponent, which has lost its digits: give the phone as text");
    }
    if !TEXT_TYPES.contains(&contact_info_type) && !plain.iter().any(char::is_ascii_digit) {
        return Err("has no digit");
    }
    Ok(())
}

/// Without `tel:`, an apostrophe and a spreadsheet's `="…"` around it.
fn unguarded(given: &str) -> &str {
    let blank = |letter: char| letter.is_whitespace() || letters::is_ignorable(letter);
    let mut text = given.trim_matches(blank);
    loop {
        let inner = strip_guard(text).trim_matches(blank);
        if inner.len() == text.len() {
            return text;
        }
        text = inner;
    }
}

fn strip_guard(text: &str) -> &str {
    if text.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("tel:")) {
        return &text[4..];
    }
    let formula = || text.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"'));
    text.strip_prefix('\'').or_else(formula).unwrap_or(text)
}

/// A whole number without the `.0` that a float has; any other dot is a separator.
fn without_fraction(text: &str) -> &str {
    let is_whole = |number: &&str| {
        let digits = number.strip_prefix('+').unwrap_or(number);
        !digits.is_empty() && digits.chars().all(|letter| letters::digit(letter).is_some())
    };
    text.strip_suffix(".0").filter(is_whole).unwrap_or(text)
}

/// Compatible letters as one, digits of any script as ASCII, and no format characters.
fn plain(text: &str) -> Vec<char> {
    let mut plain = Vec::with_capacity(text.len());
    for letter in text.chars().filter(|letter| !letters::is_ignorable(*letter)) {
        letters::push_plain(letter, &mut plain);
    }
    plain
}

/// Drops `(0)` behind `+` or `00` and one to three digits, with any separators.
fn drop_trunk_zero(text: &mut Vec<char>) {
    let Some(mut at) = country_code(text) else { return };
    let mut digits = 0;
    while at < text.len() && digits <= COUNTRY_DIGITS_MAX {
        if digits > 0 && text[at..].starts_with(&['(', '0', ')']) {
            text.drain(at..at + 3);
            return;
        }
        match text[at] {
            letter if letter.is_ascii_digit() => digits += 1,
            letter if letters::is_separator(letter) => {}
            _ => return,
        }
        at += 1;
    }
}

/// Where the digits behind `+` or `00` begin.
fn country_code(text: &[char]) -> Option<usize> {
    let first = text.iter().position(|letter| !letters::is_separator(*letter))?;
    match &text[first..] {
        ['+', ..] => Some(first + 1),
        ['0', '0', ..] => Some(first + 2),
        _ => None,
    }
}

/// Whether a text is a number as a spreadsheet shows a large one: `1.5E+10`.
fn has_exponent(plain: &[char]) -> bool {
    let text: String = plain.iter().filter(|letter| !letter.is_whitespace()).collect();
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else { return false };
    let unsigned = |number: &str| number.strip_prefix(['+', '-']).unwrap_or(number).to_owned();
    let digits = |number: &str| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa = unsigned(mantissa);
    let (whole, fraction) = mantissa.split_once(['.', ',']).unwrap_or((mantissa.as_str(), "0"));
    digits(whole) && (fraction.is_empty() || digits(fraction)) && digits(&unsigned(exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_number_is_the_same_number() {
        for given in [
            "+9995550100",
            "+999\u{2013}555\u{2013}0100",
            "+999\u{2010}555\u{2011}01\u{2012}00",
            "+999\u{2014}5550100",
            "+999\u{2212}555\u{2212}0100",
            "+999\u{ff0d}5550100",
            "+999\u{ad}5550100",
            "\u{200e}+9995550100",
            "\u{202a}+9995550100\u{202c}",
            "\u{2068}+9995550100\u{2069}",
            "+\u{ff19}\u{ff19}\u{ff19}\u{ff15}\u{ff15}\u{ff15}\u{ff10}\u{ff11}\u{ff10}\u{ff10}",
            "\u{ff0b}9995550100",
            "+\u{669}\u{669}\u{669}\u{665}\u{665}\u{665}\u{660}\u{661}\u{660}\u{660}",
            "\u{ff08}+999\u{ff09}5550100",
            "+999 (0)5550100",
            "00999 (0) 5550100",
            "(+999) (0) 555 0100",
            "tel:+999-555-0100",
            "TEL: +9995550100",
            "'+9995550100",
            "=\"+9995550100\"",
            " =\"'+9995550100\"\t",
            "+999\u{b7}5550100",
            "+999\u{2044}5550100",
            "+999\u{fe0f}5550100",
            "[+999] {555} 0100",
            "+9995550100\n",
            "+9995550100.0",
        ] {
            assert_eq!(canonical_phone(given), "+9995550100", "{given:?}");
        }
    }

    #[test]
    fn nothing_else_is_guessed() {
        for (given, form) in [
            ("12125550100.0", "12125550100"),
            ("1.212.555.0", "12125550"),
            ("1.0.0", "100"),
            ("030 (0) 12", "030012"),
            ("+4930 (0) 12", "+4930012"),
            ("+49 30 12 ext 5", "+493012ext5"),
            ("Anna@B.Example", "anna@b.example"),
            ("\u{c4}@b-c.example", "\u{e4}@b-c.example"),
            ("()", ""),
        ] {
            assert_eq!(canonical_phone(given), form, "{given:?}");
        }
    }

    #[test]
    fn what_no_longer_is_the_number_is_refused() {
        for given in ["12125550100E+0", "1.21255501E+10", "1.2126e+10", "9.99508E+11", "1,5E10", "+1e5", "'1.5E+10"] {
            assert!(check(given, 0).unwrap_err().contains("exponent"), "{given:?}");
        }
        for given in ["-", "()", "N/A", "+", "...", "null", "#REF!", "none", "abc", "hello world"] {
            assert_eq!(check(given, 1), Err("has no digit"), "{given:?}");
            assert_eq!(check(given, 10), Ok(()), "{given:?}");
        }
        for given in ["+9995550100\0", "\u{1b}+999", "a\u{85}@b"] {
            assert_eq!(check(given, 10), Err("has a control character"), "{given:?}");
        }
        for given in ["+999\n555\t01", "a@b", "\u{661}", "1e", "e5", "5 ext", "12e34x"] {
            assert_eq!(check(given, 0), Ok(()), "{given:?}");
        }
    }
}
