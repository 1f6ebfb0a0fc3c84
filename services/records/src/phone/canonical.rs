//! The canonical form of spec 9, in the order of its steps, and the check for texts that have lost their number.
//!
//! Part of rules version 3: no step changes once that version is released. Called only by `phone`.

use std::ops::Range;

use super::{letters, with_plus};

/// Contact types with a free-text contact_info: e-mail, instant messaging.
const TEXT_TYPES: [i64; 2] = [10, 11];
/// Digits of a country code, at most.
const COUNTRY_DIGITS_MAX: u32 = 3;

/// The form in which phones are compared from rules version 3 on; for an address, its lower case.
pub fn canonical_phone(given: &str) -> String {
    if is_canonical(given) { given.to_owned() } else { step_by_step(given) }
}

/// Whether every step leaves a text as given: only digits, perhaps after `+`, and no leading `00`. Most numbers are so.
fn is_canonical(given: &str) -> bool {
    let digits = given.strip_prefix('+').unwrap_or(given);
    !digits.is_empty() && digits.bytes().all(|letter| letter.is_ascii_digit()) && !given.starts_with("00")
}

fn step_by_step(given: &str) -> String {
    if is_address(given) {
        return given.chars().map(letters::lower).collect();
    }
    let plain = plain(given);
    let number = without_fraction(unguarded(&plain));
    let zero = trunk_zero(number);
    let kept = |(at, letter): (usize, &char)| {
        let drops = zero.contains(&at) || letters::is_separator(*letter);
        (!drops).then_some(*letter)
    };
    with_plus(number.iter().enumerate().filter_map(kept).collect())
}

/// Whether a contact_info is an address.
pub(crate) fn is_address(given: &str) -> bool {
    given.contains('@')
}

/// Whether a contact_info of this type can be a phone or an address at all.
///
/// # Errors
/// The reason, as a text that follows the attribute's name in a sentence.
pub(crate) fn check(given: &str, contact_info_type: i64) -> Result<(), &'static str> {
    if is_canonical(given) {
        return Ok(());
    }
    if given.chars().any(|letter| letter.is_control() && !('\t'..='\r').contains(&letter)) {
        return Err("has a control character");
    }
    if is_address(given) {
        return Ok(());
    }
    let plain = plain(given);
    let text = unguarded(&plain);
    if has_exponent(text) {
        return Err("is a number with an exponent, which has lost its digits: give the phone as text");
    }
    if !TEXT_TYPES.contains(&contact_info_type) && !text.iter().any(char::is_ascii_digit) {
        return Err("has no digit");
    }
    Ok(())
}

/// The text without `tel:`, an apostrophe and a spreadsheet's `="…"` around the number.
fn unguarded(plain: &[char]) -> &[char] {
    let mut text = trimmed(plain);
    loop {
        let inner = trimmed(strip_guard(text));
        if inner.len() == text.len() {
            return text;
        }
        text = inner;
    }
}

fn strip_guard(text: &[char]) -> &[char] {
    match text {
        [t, e, l, ':', rest @ ..] if [t, e, l].map(char::to_ascii_lowercase) == ['t', 'e', 'l'] => rest,
        ['\'', rest @ ..] => rest,
        ['=', rest @ ..] => match trimmed(rest) {
            ['"', inner @ .., '"'] => inner,
            _ => text,
        },
        _ => text,
    }
}

/// The text without white space at both ends.
fn trimmed(text: &[char]) -> &[char] {
    let seen = |letter: &char| !letter.is_whitespace();
    match (text.iter().position(seen), text.iter().rposition(seen)) {
        (Some(first), Some(last)) => &text[first..=last],
        _ => &[],
    }
}

/// The text without the `.0` of a float or the `.00` of an amount after a whole number; any other dot is a separator.
fn without_fraction(text: &[char]) -> &[char] {
    let ([whole @ .., '.', '0'] | [whole @ .., '.', '0', '0']) = text else { return text };
    let digits = whole.strip_prefix(&['+']).unwrap_or(whole);
    let is_whole = digits.iter().all(|letter| letter.is_ascii_digit() || letter.is_whitespace());
    if is_whole && digits.iter().any(char::is_ascii_digit) { whole } else { text }
}

/// The letters with compatibility forms folded, digits of any script as ASCII, and format characters dropped.
fn plain(text: &str) -> Vec<char> {
    let mut plain = Vec::with_capacity(text.len());
    for letter in text.chars().filter(|letter| !letters::is_ignorable(*letter)) {
        letters::push_plain(letter, &mut plain);
    }
    plain
}

/// The place of a `(0)` after `+` or `00` and one to three digits, with any separators, and blanks in the parentheses; empty:
/// none.
fn trunk_zero(text: &[char]) -> Range<usize> {
    let Some(begin) = country_code(text) else { return 0..0 };
    let mut digits = 0;
    for (at, letter) in text.iter().enumerate().skip(begin) {
        match zero_in_parentheses(&text[at..]) {
            Some(letters) if digits > 0 => return at..at + letters,
            _ if letter.is_ascii_digit() && digits < COUNTRY_DIGITS_MAX => digits += 1,
            _ if letters::is_separator(*letter) => {}
            _ => break,
        }
    }
    0..0
}

/// The count of letters of a `(0)` at the beginning of a text.
fn zero_in_parentheses(text: &[char]) -> Option<usize> {
    let inner = text.strip_prefix(&['('])?;
    let close = inner.iter().position(|letter| *letter == ')')?;
    (trimmed(&inner[..close]) == ['0']).then_some(close + 2)
}

/// The begin of the digits after `+` or `00`.
fn country_code(text: &[char]) -> Option<usize> {
    let first = text.iter().position(|letter| !letters::is_separator(*letter))?;
    match &text[first..] {
        ['+', ..] => Some(first + 1),
        ['0', '0', ..] => Some(first + 2),
        _ => None,
    }
}

/// Whether a text is a number in a spreadsheet's notation for large numbers: `1.5E+10`.
fn has_exponent(text: &[char]) -> bool {
    let text: String = text.iter().filter(|letter| !letter.is_whitespace()).collect();
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
    fn a_number_that_is_written_in_its_form_is_what_every_step_leaves_of_it() {
        let texts = [
            "", "+", "0", "+0", "00", "+00", "000", "0049", "+0049", "49", "+49", "4900", "+4900", "1.0", "+1+1", "1 0",
        ];
        for text in texts {
            assert_eq!(canonical_phone(text), step_by_step(text), "{text}");
        }
        assert!(is_canonical("+0049") && !is_canonical("0049") && !is_canonical("+"));
        assert!(check("+49", 0).is_ok() && check("+", 0).is_err());
    }

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
            "+999 ( 0 ) 5550100",
            "+999(\u{a0}\u{ff10})5550100",
            "+9995550100\u{ff0e}\u{ff10}",
            "+9995550100.00",
            "+999 5550100.0",
            "\u{ff07}+9995550100",
            "\u{ff1d}\u{ff02}+9995550100\u{ff02}",
            "\u{ff54}\u{ff45}\u{ff4c}\u{ff1a}+9995550100",
            "= \"+9995550100\"",
            "=\"+9995550100.0\"",
            "+999\u{2d7}555\u{2d7}0100",
            "+999\u{2796}555\u{2043}0100",
            "+999\u{30fc}555\u{ff70}0100",
            "+999\u{34f}5550100",
            "\u{3164}+9995550100\u{2065}",
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
            ("555.000", "555000"),
            ("555.0000", "5550000"),
            ("1.212.555.00", "121255500"),
            (".0", "0"),
            ("+.0", "+0"),
            ("= 5", "=5"),
            ("+999 (0 0) 1", "+999001"),
            ("+999 (00) 1", "+999001"),
            ("+4930 1 (0) 2", "+4930102"),
        ] {
            assert_eq!(canonical_phone(given), form, "{given:?}");
        }
    }

    #[test]
    fn what_no_longer_is_the_number_is_refused() {
        for given in [
            "12125550100E+0",
            "1.21255501E+10",
            "1.2126e+10",
            "9.99508E+11",
            "1,5E10",
            "+1e5",
            "'1.5E+10",
            "\u{ff07}1.5\u{ff25}+10",
        ] {
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
