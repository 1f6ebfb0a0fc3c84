//! Phones: the forms for comparison (spec 9, OURS), and the check for texts that have lost their number.
//!
//! The form belongs to the rules version: versions 1 and 2 have the first form, version 3 the canonical form of spec 9. Never
//! changes a stored phone: records keep phones as given. Called by the verbs, by the index and by look-ups.

mod canonical;
mod forms;
mod letters;

pub use canonical::canonical_phone;
pub(crate) use canonical::{check, is_address};
pub(crate) use forms::{add_national, forms_declared, international};
pub(crate) use letters::is_format;
use outbound::RULES_WITH_PHONE_FORM;

/// The form of rules versions 1 and 2: drops spaces, dots, dashes, slashes and parentheses; a leading `00` becomes `+`.
pub fn first_phone_form(given: &str) -> String {
    let kept = given.chars().filter(|letter| !letter.is_whitespace() && !".-/()".contains(*letter));
    with_plus(kept.collect())
}

/// A leading `00` becomes `+`.
fn with_plus(phone: String) -> String {
    match phone.strip_prefix("00") {
        Some(rest) => format!("+{rest}"),
        None => phone,
    }
}

/// Whether a text can be a phone number or an address.
///
/// # Errors
/// The reason, as a text that follows the number in a sentence.
pub fn check_number(given: &str) -> Result<(), &'static str> {
    const OF_A_NUMBER: i64 = 0;
    check(given, OF_A_NUMBER)
}

/// The form in which a rules version compares phones.
pub fn phone_form(version: u32, given: &str) -> String {
    if version < RULES_WITH_PHONE_FORM { first_phone_form(given) } else { canonical_phone(given) }
}

/// The forms under which the state may have a phone, the version's own form first; until all rows are rewritten, the first form
/// too.
pub(crate) fn forms_to_ask(version: u32, rewritten: bool, given: &str) -> Vec<String> {
    let mut forms = vec![phone_form(version, given)];
    if version >= RULES_WITH_PHONE_FORM && !rewritten {
        forms.extend(Some(first_phone_form(given)).filter(|first| *first != forms[0]));
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phones_that_differ_in_punctuation_alone_are_the_same_in_both_forms() {
        for given in ["+49 (30) 123-45.67", "0049/30/1234567", "00 49 30 1234567"] {
            assert_eq!(first_phone_form(given), "+49301234567");
            assert_eq!(canonical_phone(given), "+49301234567");
        }
        assert_eq!([first_phone_form("030 1234567"), canonical_phone("030 1234567")], ["0301234567"; 2]);
        assert_eq!(first_phone_form("a@b.example"), "a@bexample");
    }

    #[test]
    fn the_first_form_is_asked_too_until_rows_are_rewritten() {
        let given = "+999\u{2013}555";
        assert_eq!(forms_to_ask(2, false, given), [given]);
        assert_eq!(forms_to_ask(3, false, given), ["+999555", given]);
        assert_eq!(forms_to_ask(3, true, given), ["+999555"]);
        assert_eq!(forms_to_ask(3, false, "+999 555"), ["+999555"]);
    }
}
