//! The attributes of a request, read with their range checked; refusals name the key.
//!
//! HTTP Proxy has already read the types of its requests. Native clients send text, so this module reads types again (spec 4).
//! Never decides. Called by the verbs.

use outbound::{Kind, Refusal, RefusalCode, Request, Value, spec_of};

/// A refusal of a value, by its key.
pub(crate) fn bad_value(key: &str, why: &str) -> Refusal {
    Refusal::new(RefusalCode::BadValue, format!("{key} {why}"))
}

/// The integer under a key: a number or its decimal text.
pub(crate) fn int(request: &Request, key: &str, min: i64, max: i64) -> Result<Option<i64>, Refusal> {
    let number = match request.attributes.get(key) {
        None => return Ok(None),
        Some(Value::Int(number)) => Some(*number),
        Some(Value::Str(text)) => text.trim().parse().ok(),
    };
    let refusal = || bad_value(key, &format!("must be a number from {min} to {max}"));
    number.filter(|number| (min..=max).contains(number)).map(Some).ok_or_else(refusal)
}

/// The text under a key; a number is its decimal text.
pub(crate) fn text(request: &Request, key: &str, letters_max: usize) -> Result<Option<String>, Refusal> {
    let text = match request.attributes.get(key) {
        None => return Ok(None),
        Some(Value::Int(number)) => number.to_string(),
        Some(Value::Str(text)) => text.clone(),
    };
    if text.chars().count() > letters_max {
        return Err(bad_value(key, &format!("must have at most {letters_max} letters")));
    }
    Ok(Some(text))
}

/// The value of an enumeration under a key: its number, or its name.
pub(crate) fn number(request: &Request, key: &str) -> Result<Option<i64>, Refusal> {
    let (Some(value), Some(Kind::Number(words))) = (request.attributes.get(key), spec_of(key).map(|spec| spec.kind))
    else {
        return Ok(None);
    };
    let number = match value {
        Value::Int(number) => Some(*number).filter(|number| words.contains(*number)),
        Value::Str(text) => words.parse(text),
    };
    number.map(Some).ok_or_else(|| bad_value(key, &format!("is no {}", words.name)))
}

/// The word of an enumeration under a key, aliases folded.
pub(crate) fn word(request: &Request, key: &str) -> Result<Option<&'static str>, Refusal> {
    let (Some(value), Some(Kind::Word(words))) = (request.attributes.get(key), spec_of(key).map(|spec| spec.kind))
    else {
        return Ok(None);
    };
    let word = match value {
        Value::Int(number) => words.parse(&number.to_string()),
        Value::Str(text) => words.parse(text),
    };
    word.map(Some).ok_or_else(|| bad_value(key, &format!("must be one of {}", words.words.join(", "))))
}
