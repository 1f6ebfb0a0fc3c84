//! The body of a call as one JSON object, and the conditions of its headers.

use http::{HeaderMap, header};
use outbound::{Refusal, RefusalCode};
use serde_json::{Map, Value};

use crate::from_http::{self, Incoming, shown};

/// Tags of one `If-Match`, at most.
const TAGS_MAX: usize = 64;
/// Longest tag; a row's version is shorter.
const TAG_BYTES_MAX: usize = 128;

/// The members of the body; an empty body has none.
pub(super) fn of(incoming: &Incoming<'_>) -> Result<Map<String, Value>, Refusal> {
    from_http::check_coding(incoming.body, incoming.headers)?;
    if incoming.body.trim_ascii().is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(incoming.body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(no_object()),
        Err(error) => Err(Refusal::new(RefusalCode::BadBody, format!("the body is no JSON object: {error}"))),
    }
}

/// Refuses a body that is neither a JSON object nor empty: forms belong to the other interface.
pub(super) fn check_json(incoming: &Incoming<'_>) -> Result<(), Refusal> {
    let body = incoming.body.trim_ascii_start();
    if body.is_empty() || body.starts_with(b"{") { Ok(()) } else { Err(no_object()) }
}

/// Refuses a body where none is read: a client that narrows a call by members of a body would have the whole done.
pub(super) fn check_absent(incoming: &Incoming<'_>) -> Result<(), Refusal> {
    match of(incoming)?.is_empty() {
        true => Ok(()),
        false => Err(Refusal::new(RefusalCode::BadBody, "this operation takes no body; its query says everything")),
    }
}

fn no_object() -> Refusal {
    Refusal::new(RefusalCode::BadBody, "the body is no JSON object")
}

/// The text of a member; a number is its decimal text, `null` is absent.
pub(super) fn text(object: &Map<String, Value>, name: &str) -> Result<Option<String>, Refusal> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Number(number)) if number.is_i64() || number.is_u64() => Ok(Some(number.to_string())),
        Some(_) => Err(Refusal::new(RefusalCode::BadValue, format!("{name} is a text"))),
    }
}

/// A member that is true or false; absent: false.
pub(super) fn flag(object: &Map<String, Value>, name: &str) -> Result<bool, Refusal> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(Refusal::new(RefusalCode::BadValue, format!("{name} is true or false"))),
    }
}

/// Refuses a member that an operation does not know.
pub(super) fn check_keys(object: &Map<String, Value>, known: &[&str]) -> Result<(), Refusal> {
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => {
            let message = format!("{:?} is no member of this body; there are: {}", shown(key), known.join(", "));
            Err(Refusal::new(RefusalCode::BadValue, message))
        }
    }
}

/// Refuses a condition that the operation does not look at: a client would take the change for a conditional one.
pub(super) fn check_conditions(headers: &HeaderMap, takes_if_match: bool) -> Result<(), Refusal> {
    let unread = [header::IF_NONE_MATCH, header::IF_MATCH].into_iter();
    match unread.filter(|name| !(takes_if_match && *name == header::IF_MATCH)).find(|name| headers.contains_key(name)) {
        None => Ok(()),
        Some(name) => {
            let message = format!("{name} is no condition of this operation: PATCH of a record takes If-Match");
            Err(Refusal::new(RefusalCode::BadValue, message))
        }
    }
}

/// The tags of `If-Match`, without their quotes; none: no condition. A weak tag matches nothing, since the comparison is strong. A header
/// without a tag is refused: its client lost the tag, and wants no change without a condition.
pub(super) fn if_match(headers: &HeaderMap) -> Result<Vec<String>, Refusal> {
    let mut tags = Vec::new();
    for line in headers.get_all(header::IF_MATCH) {
        let line = line.to_str().map_err(|_| unreadable(""))?;
        for tag in line.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
            tags.push(of_tag(tag).ok_or_else(|| unreadable(tag))?);
        }
    }
    if tags.is_empty() && headers.contains_key(header::IF_MATCH) {
        return Err(unreadable(""));
    }
    if tags.len() > TAGS_MAX {
        return Err(Refusal::new(RefusalCode::Limit, format!("If-Match has more than {TAGS_MAX} tags")));
    }
    Ok(tags)
}

fn of_tag(tag: &str) -> Option<String> {
    if tag == "*" || tag.starts_with("W/\"") {
        return Some(tag.to_owned()).filter(|tag| tag.len() <= TAG_BYTES_MAX);
    }
    let inner = tag.strip_prefix('"')?.strip_suffix('"')?;
    (inner.len() <= TAG_BYTES_MAX && !inner.contains('"')).then(|| inner.to_owned())
}

fn unreadable(tag: &str) -> Refusal {
    Refusal::new(RefusalCode::BadValue, format!("If-Match has no tag in quotes, as an ETag is: {:?}", shown(tag)))
}
