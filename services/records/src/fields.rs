//! User-defined fields: their kinds, their keys, their values in a record (spec 9).
//!
//! Values are text, checked on arrival against the field's kind. Never stored as floats.

use jiff::tz::TimeZone;
use outbound::{
    RULES_WITH_BODY_CHECKS, RULES_WITH_CAMPAIGNS, RULES_WITH_UNDOING, Refusal, RefusalCode, Request, UserField, Value,
    spec_under,
};

use crate::{
    columns, date_time,
    event::IGNORED_KEY_CHARS_MAX,
    names::hidden_letter,
    tables::{FieldRow, ListRow, RecordRow},
};

/// Letters of a varchar, at most.
const VARCHAR_MAX: usize = 65_535;
/// The kind of a field that an import makes out of an unknown column.
pub(crate) const IMPORTED_KIND: &str = "varchar(255)";
/// Keys named in the refusal of a form, at most.
const FORM_KEYS_SHOWN_MAX: usize = 3;

/// The kind of a field's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldKind {
    Int,
    Float,
    /// One letter, or none.
    Char,
    /// At most this many letters.
    Varchar(usize),
    /// A time in the format of GSW_DATE_TIME, kept as given.
    DateTime,
}

impl FieldKind {
    /// The kind of a word such as `varchar(32)`, in any case.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        let word = word.trim().to_ascii_lowercase();
        match word.as_str() {
            "int" => Some(Self::Int),
            "float" => Some(Self::Float),
            "char" => Some(Self::Char),
            "datetime" => Some(Self::DateTime),
            _ => {
                let letters: usize = word.strip_prefix("varchar(")?.strip_suffix(')')?.trim().parse().ok()?;
                (1..=VARCHAR_MAX).contains(&letters).then_some(Self::Varchar(letters))
            }
        }
    }

    /// The stored form of a value; none: not of this kind. Empty text is "no value" of every kind.
    pub(crate) fn check(self, text: &str) -> Option<String> {
        let letters = text.chars().count();
        let number = text.trim();
        match self {
            _ if text.is_empty() => Some(String::new()),
            Self::Int => number.parse::<i64>().ok().map(|number| number.to_string()),
            Self::Float => number.parse::<f64>().ok().filter(|float| float.is_finite()).map(|_| number.to_owned()),
            Self::Char => (letters <= 1).then(|| text.to_owned()),
            Self::Varchar(max) => (letters <= max).then(|| text.to_owned()),
            Self::DateTime => date_time::parse(text, &TimeZone::UTC).map(|_| text.to_owned()),
        }
    }

    /// The value in a reply: integers as numbers, all other kinds as text.
    pub(crate) fn show(self, stored: &str) -> Value {
        match (self, stored.parse()) {
            (Self::Int, Ok(number)) => Value::Int(number),
            _ => Value::text(stored),
        }
    }
}

impl FieldRow {
    /// The kind of the field's values; checked when the field was made.
    pub(crate) fn held(&self) -> FieldKind {
        FieldKind::parse(&self.kind).unwrap_or(FieldKind::Varchar(VARCHAR_MAX))
    }

    /// The attribute key of the field in requests and replies.
    pub(crate) fn key(&self) -> &str {
        if self.send_attribute.is_empty() { &self.column } else { &self.send_attribute }
    }
}

/// User-defined values of a request, by field.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct UserValues {
    /// Position in the list's fields, and the value to store.
    pub(crate) set: Vec<(usize, String)>,
    /// Keys of no field and of no attribute that the request uses, each shortened for an event.
    pub(crate) ignored: Vec<String>,
}

/// Reads the user-defined values of a request.
///
/// # Errors
/// BAD_VALUE with the key, for a value outside its field's kind.
pub(crate) fn user_values(request: &Request, list: &ListRow, version: u32) -> Result<UserValues, Refusal> {
    let mut values = UserValues::default();
    for (key, value) in other_pairs(request, version) {
        let Some(at) = field_of_key(list, key) else {
            let is_column = columns::sent_under(list, key).is_some();
            values.ignored.extend(told_key(request, key).filter(|_| !is_column));
            continue;
        };
        let (field, text) = (&list.fields[at], text_of(value));
        let stored = field.held().check(&text).ok_or_else(|| bad_value(key, field, &text, version))?;
        values.set.push((at, stored));
    }
    Ok(values)
}

/// The ignored keys, for a verb without user-defined values.
pub(crate) fn ignored_keys(request: &Request, list: &ListRow, version: u32) -> Vec<String> {
    let keys = other_pairs(request, version).map(|(key, _)| key).filter(|key| !is_of_list(list, key));
    keys.filter_map(|key| told_key(request, key)).collect()
}

/// Whether a key is that of a field or of a default column.
fn is_of_list(list: &ListRow, key: &str) -> bool {
    field_of_key(list, key).is_some() || columns::sent_under(list, key).is_some()
}

/// The pairs that are no attributes of the request. Attributes of other verbs count among these pairs from rules version 3 on;
/// earlier versions skip them silently.
fn other_pairs(request: &Request, version: u32) -> impl Iterator<Item = (&str, &Value)> {
    let is_passed_over = move |key: &str| version < RULES_WITH_BODY_CHECKS || request.verb.uses(key);
    request
        .attributes
        .iter()
        .filter(move |(key, _)| !spec_under(key, version).is_some_and(|spec| is_passed_over(spec.key)))
}

/// The reported part of an ignored key; none for a key of the query, which is ignored silently (spec 2).
fn told_key(request: &Request, key: &str) -> Option<String> {
    let is_told = !is_of_query(request, key);
    is_told.then(|| key.chars().take(IGNORED_KEY_CHARS_MAX).collect())
}

fn is_of_query(request: &Request, key: &str) -> bool {
    request.attributes.sent.query_keys.iter().any(|of_query| of_query == key)
}

/// Checks that a body was understood: of a form, at least one key is an attribute that the request uses, or a field; and of a list
/// that refuses unknown keys, every key is (spec 4).
///
/// # Errors
/// BAD_BODY with keys of the form, from rules version 3 on; BAD_VALUE with an unknown key, from rules version 5 on.
pub(crate) fn check_form(request: &Request, list: &ListRow, version: u32) -> Result<(), Refusal> {
    if request.attributes.sent.unknown_form && version >= RULES_WITH_BODY_CHECKS {
        check_any_known(request, list, version)?;
    }
    check_all_known(request, list, version)
}

/// Checks that a list which refuses unknown keys knows every key that an answer would name as ignored.
///
/// # Errors
/// BAD_VALUE with an unknown key, from rules version 5 on.
pub(crate) fn check_all_known(request: &Request, list: &ListRow, version: u32) -> Result<(), Refusal> {
    if !list.refuses_unknown_keys || version < RULES_WITH_CAMPAIGNS {
        return Ok(());
    }
    let Some(key) = ignored_keys(request, list, version).into_iter().next() else { return Ok(()) };
    let (verb, list) = (request.verb.name(), &list.name);
    let message = format!("{key:?} is no attribute of {verb} and no field of {list:?}, which refuses unknown keys");
    Err(Refusal::new(RefusalCode::BadValue, message))
}

/// Checks that a form has a key of the list's fields; its keys are no attributes of the request.
///
/// # Errors
/// BAD_BODY with keys of the form.
pub(crate) fn check_any_known(request: &Request, list: &ListRow, version: u32) -> Result<(), Refusal> {
    let pairs: Vec<_> = other_pairs(request, version).filter(|(key, _)| !is_of_query(request, key)).collect();
    if pairs.iter().any(|(key, _)| field_of_key(list, key).is_some()) {
        return Ok(());
    }
    let shown =
        |(key, _): &(&str, &Value)| format!("{:?}", key.chars().take(IGNORED_KEY_CHARS_MAX).collect::<String>());
    let keys: Vec<_> = pairs.iter().take(FORM_KEYS_SHOWN_MAX).map(shown).collect();
    let is_json = |text: &str| text.trim_start().starts_with(['{', '[']);
    let wraps_json = pairs.iter().any(|(_, value)| matches!(value, Value::Str(text) if is_json(text)));
    let advice = if wraps_json { "; a JSON object is a body by itself, without a key before it" } else { "" };
    // an attribute without a value is absent, together with its key
    let shown = if keys.is_empty() { String::new() } else { format!(": {}", keys.join(", ")) };
    let (verb, list) = (request.verb.name(), &list.name);
    let message = format!(
        "The body looks like a form none of whose keys is an attribute of {verb} or a field of {list:?}{shown}{advice}"
    );
    Err(Refusal::new(RefusalCode::BadBody, message))
}

fn bad_value(key: &str, field: &FieldRow, text: &str, version: u32) -> Refusal {
    let letters_max = match field.held() {
        FieldKind::Varchar(max) => Some(max),
        FieldKind::Char => Some(1),
        _ => None,
    };
    let message = match letters_max {
        Some(max) if version >= RULES_WITH_BODY_CHECKS => {
            format!("{key} is too long ({}; maximum {max})", text.chars().count())
        }
        _ => format!("{key} is not a value of its field, which is {}", field.kind),
    };
    Refusal::new(RefusalCode::BadValue, message)
}

fn text_of(value: &Value) -> String {
    match value {
        Value::Int(number) => number.to_string(),
        Value::Str(text) => text.clone(),
    }
}

/// The field of a key: by send_attribute, else by column (spec 9).
fn field_of_key(list: &ListRow, key: &str) -> Option<usize> {
    let sent = list.fields.iter().position(|field| field.send_attribute.eq_ignore_ascii_case(key));
    sent.filter(|_| !key.is_empty()).or_else(|| field_of_column(list, key))
}

/// The field of a column, in any case.
pub(crate) fn field_of_column(list: &ListRow, column: &str) -> Option<usize> {
    list.fields.iter().position(|field| field.column.eq_ignore_ascii_case(column))
}

/// The stored value of a field in a record; a record without a value has the field's default.
pub(crate) fn user_value<'a>(list: &'a ListRow, record: &'a RecordRow, at: usize) -> &'a str {
    record.user.get(at).unwrap_or(&list.fields[at].default)
}

/// Stores the value of a field in a record.
pub(crate) fn set_user_value(list: &ListRow, record: &mut RecordRow, at: usize, value: String) {
    let missing = list.fields.iter().take(at + 1).skip(record.user.len());
    record.user.extend(missing.map(|field| field.default.clone()));
    record.user[at] = value;
}

/// Checks a new field of a list.
///
/// # Errors
/// BAD_VALUE with the fault of the field.
pub(crate) fn check_new(field: &UserField, others: &[FieldRow], version: u32) -> Result<FieldRow, Refusal> {
    let refuse = |why: &str| Err(Refusal::new(RefusalCode::BadValue, format!("Field {:?} {why}", field.column)));
    let row = FieldRow::from(field);
    let Some(kind) = FieldKind::parse(&field.kind) else {
        return refuse("has a kind other than int, float, char, varchar(n) and datetime");
    };
    let hidden = || [&field.column, &field.send_attribute].into_iter().find_map(|name| hidden_letter(name));
    if version >= RULES_WITH_UNDOING
        && let Some(letter) = hidden()
    {
        let number = u32::from(letter);
        return refuse(&format!(
            "has a control, format or line-separator character, U+{number:04X}, in its name or send_attribute: rename it"
        ));
    }
    let known = [&field.column, &field.send_attribute].into_iter().any(|name| spec_under(name, version).is_some());
    let column_taken = |other: &FieldRow| other.column.eq_ignore_ascii_case(&row.column);
    let key_taken = |other: &FieldRow| other.key().eq_ignore_ascii_case(row.key());
    match () {
        () if field.column.trim().is_empty() || field.column.len() > 255 => {
            refuse("has no name, or one over 255 bytes")
        }
        () if field.send_attribute.len() > 255 => refuse("has a send_attribute over 255 bytes"),
        () if known => refuse("bears the name of an attribute of the protocol"),
        () if columns::is_default(&field.column, version) => refuse("bears the name of a column of every list"),
        () if others.iter().any(column_taken) => refuse("is there twice"),
        () if others.iter().any(key_taken) => refuse("has the key of another field"),
        () if kind.check(&field.default).is_none() => refuse("has a default that is not of its kind"),
        () => Ok(row),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked_against_their_kind() {
        let check = |kind: &str, text: &str| FieldKind::parse(kind).expect("a kind").check(text);
        assert_eq!(check("int", " 058"), Some("58".into()));
        assert_eq!(check("int", "5.8"), None);
        assert_eq!(check("float", "5.80"), Some("5.80".into()));
        assert_eq!(check("float", "NaN"), None);
        assert_eq!(check("char", "ab"), None);
        assert_eq!(check("VARCHAR(3)", "äöü"), Some("äöü".into()));
        assert_eq!(check("varchar(3)", "abcd"), None);
        assert_eq!(check("datetime", "12/24/2024 18:00"), Some("12/24/2024 18:00".into()));
        assert_eq!(check("datetime", "Christmas"), None);
        assert_eq!(check("int", ""), Some(String::new()));
        assert_eq!(FieldKind::parse("varchar(0)"), None);
        assert_eq!(FieldKind::parse("blob"), None);
    }
}
