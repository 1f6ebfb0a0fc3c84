//! Bodies and queries to pairs: the content decides the form of a body, never its `Content-Type` (spec 4, MEASURED).
//!
//! Knows nothing of attributes; `value` decides the meaning of a value. Called by `from_http` alone.

use std::{borrow::Cow, fmt};

use http::{HeaderMap, header};
use outbound::{Refusal, RefusalCode, key};
use percent_encoding::percent_decode;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{ATTRIBUTES_MAX, TENANT_BYTES_MAX, foreign, shown, value::Raw};
use crate::charset::Charset;

/// White space around the content of a body.
const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

/// First and last of the invisible marks that stand before a number where a text was copied: direction marks, joiners, byte-order
/// marks, soft hyphens, variation selectors.
const INVISIBLE: [(char, char); 9] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{202a}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
];

/// Longest text before the plus of a number, its escapes included, bytes: a phone of more letters is refused anyhow.
const GUARD_BYTES_MAX: usize = 2048;

/// Bare plus signs before the number of a phone that are looked at: each look reads all that stands before the sign.
const PLUSES_MAX: usize = 64;

/// Pieces of a form or a query, far more than the attributes that a request may have: beyond them nothing is decoded.
const PIECES_MAX: usize = 1024;

/// A pair as the client sent it.
pub(super) type Pair<'a> = (Cow<'a, str>, Raw<'a>);

/// A query, its own parameters set apart.
#[derive(Debug, Default)]
pub(super) struct Query<'a> {
    /// The action.
    pub(super) req: Option<Cow<'a, str>>,
    /// Empty: the default tenant.
    pub(super) tenant: String,
    /// Everything else, in order.
    pub(super) pairs: Vec<Pair<'a>>,
}

/// The attributes of a body.
#[derive(Debug, Default)]
pub(super) struct Content<'a> {
    /// In the order in which they stand.
    pub(super) pairs: Vec<Pair<'a>>,
    /// The pairs were written as a form.
    pub(super) is_form: bool,
}

/// Takes a query apart; in it a `+` is a space.
pub(super) fn query_pairs(query: &str) -> Result<Query<'_>, Refusal> {
    let mut result = Query::default();
    for (name, value) in form_pairs(query, Charset::UTF_8, "query")? {
        if name.eq_ignore_ascii_case("req") {
            result.req = Some(value);
        } else if name.eq_ignore_ascii_case("tenant") {
            if value.len() > TENANT_BYTES_MAX {
                let message = format!("the name of a tenant may have {TENANT_BYTES_MAX} bytes");
                return Err(Refusal::new(RefusalCode::Limit, message));
            }
            result.tenant = value.into_owned();
        } else {
            result.pairs.push((name, Raw::Text(value)));
        }
    }
    Ok(result)
}

/// The charset that the `Content-Type` names, else the configured one.
pub(super) fn charset(headers: &HeaderMap, default: Charset) -> Result<Charset, Refusal> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let parameters = content_type.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let mut named = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    let Some((_, label)) = named.next() else { return Ok(default) };
    let label = label.trim().trim_matches(['"', '\'']);
    if label.is_empty() {
        return Ok(default);
    }
    Charset::for_label(label)
        .ok_or_else(|| Refusal::new(RefusalCode::BadBody, format!("the charset {:?} is not known", shown(label))))
}

/// Refuses a body under a `Content-Encoding` other than identity.
pub(crate) fn check_coding(body: &[u8], headers: &HeaderMap) -> Result<(), Refusal> {
    if body.is_empty() {
        return Ok(());
    }
    let lines = headers.get_all(header::CONTENT_ENCODING).iter();
    let mut codings = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    match codings.find(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity")) {
        Some(coding) => Err(foreign::compressed(&String::from_utf8_lossy(coding))),
        None => Ok(()),
    }
}

/// The text of a body, and the charset that counted: a byte-order mark wins over the named one.
pub(super) fn decode(body: &[u8], charset: Charset) -> Result<(Cow<'_, str>, Charset), Refusal> {
    charset.decode(body).map_err(|used| foreign::no_text(body, used.name()))
}

/// The attributes of a body: `{` first is JSON, else `k=v` pairs are a form, and a blank body says nothing.
///
/// # Errors
/// BAD_BODY for anything else: a body that is not understood changes nothing (spec 4).
pub(super) fn content(text: &str, charset: Charset) -> Result<Content<'_>, Refusal> {
    let text = text.trim_matches(BLANKS);
    if text.starts_with('{') {
        return Ok(Content { pairs: json_members(text)?, is_form: false });
    }
    if text.is_empty() {
        return Ok(Content::default());
    }
    foreign::check_form(text)?;
    let pairs = form_pairs(text, charset, "body")?;
    let pairs = pairs.into_iter().map(|(name, value)| (name, Raw::Text(value))).collect();
    Ok(Content { pairs, is_form: true })
}

// === forms ===

/// Name and value, their escapes undone.
type FormPair<'a> = (Cow<'a, str>, Cow<'a, str>);

fn form_pairs<'a>(text: &'a str, charset: Charset, place: &str) -> Result<Vec<FormPair<'a>>, Refusal> {
    let charset = charset.of_escapes();
    let pieces = text.split('&').filter(|piece| !piece.is_empty());
    if pieces.clone().nth(PIECES_MAX).is_some() {
        return Err(Refusal::new(RefusalCode::Limit, format!("more than {ATTRIBUTES_MAX} attributes")));
    }
    let pairs = pieces.map(|piece| {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        let name = form_text(name, charset)?;
        let value = form_value(&name, value, charset)?;
        Some((name, value))
    });
    pairs.collect::<Option<Vec<_>>>().ok_or_else(|| {
        Refusal::new(RefusalCode::BadBody, format!("an escape in the {place} is not {}", charset.name()))
    })
}

/// The value of a form; a phone whose number begins with a bare `+` keeps this `+`, as its client meant it (spec 2).
fn form_value<'a>(name: &str, value: &'a str, charset: Charset) -> Option<Cow<'a, str>> {
    let meant = if name.eq_ignore_ascii_case(key::PHONE) { meant_plus(value, charset) } else { None };
    let Some(at) = meant else { return form_text(value, charset) };
    let (before, number) = (form_text(&value[..at], charset)?, form_text(&value[at + 1..], charset)?);
    Some(Cow::Owned(format!("{before}+{number}")))
}

/// Where the bare `+` of a phone's number stands: the last one before the number, unless an escaped `+` begins the number.
fn meant_plus(value: &str, charset: Charset) -> Option<usize> {
    let is_before_the_number = |at: &usize| {
        *at <= GUARD_BYTES_MAX && form_text(&value[..*at], charset).is_some_and(|before| is_guard(&before))
    };
    let bare = value.match_indices('+').map(|(at, _)| at);
    let last = bare.take(PLUSES_MAX).take_while(is_before_the_number).last()?;
    let number = form_text(&value[last + 1..], charset)?;
    let escaped = number.split_once('+').is_some_and(|(before, _)| is_guard(before));
    (!escaped).then_some(last)
}

/// Whether a text before a number says nothing: blanks, brackets, invisible marks, `tel:`, and the guards of spreadsheets.
fn is_guard(text: &str) -> bool {
    let text = text.trim_matches(is_passed_over);
    text.is_empty() || text.eq_ignore_ascii_case("tel:")
}

/// Whether a letter may stand before the plus of a number: the canonical form drops such a letter (spec 9).
fn is_passed_over(letter: char) -> bool {
    letter.is_whitespace()
        || matches!(letter, '\'' | '"' | '=' | '(' | ')' | '[' | ']' | '{' | '}')
        || matches!(letter, '\u{ff08}' | '\u{ff09}' | '\u{ff3b}' | '\u{ff3d}' | '\u{ff5b}' | '\u{ff5d}')
        || INVISIBLE.iter().any(|(first, last)| (*first..=*last).contains(&letter))
}

/// Undoes the escapes of a form; none if the bytes are not text in this charset.
///
/// The escapes and the letters around them are the bytes of one text: in Shift_JIS the second byte of a character may be a letter.
fn form_text(text: &str, charset: Charset) -> Option<Cow<'_, str>> {
    if !text.bytes().any(|byte| byte == b'%' || byte == b'+') {
        return Some(Cow::Borrowed(text));
    }
    if !text.contains('%') {
        return Some(Cow::Owned(text.replace('+', " ")));
    }
    let spaced = text.replace('+', " ");
    let bytes: Vec<u8> = percent_decode(&charset.encode(&spaced)?).collect();
    charset.decode_unmarked(&bytes).map(|text| Cow::Owned(text.into_owned()))
}

// === JSON ===

fn json_members(text: &str) -> Result<Vec<Pair<'_>>, Refusal> {
    let members: Members<'_> = serde_json::from_str(text).map_err(|error| bad_json(&error))?;
    members.0.into_iter().map(|(name, raw)| Ok((name.0, json_value(raw.get())?))).collect()
}

fn json_value(raw: &str) -> Result<Raw<'_>, Refusal> {
    Ok(match raw.as_bytes().first() {
        Some(b'"') => Raw::Text(serde_json::from_str::<Text<'_>>(raw).map_err(|error| bad_json(&error))?.0),
        Some(b'n') => Raw::Absent,
        Some(b't' | b'f') => Raw::Unfit("a boolean"),
        Some(b'[') => Raw::Unfit("an array"),
        Some(b'{') => Raw::Unfit("an object"),
        _ => Raw::Number(raw),
    })
}

fn bad_json(error: &serde_json::Error) -> Refusal {
    Refusal::new(RefusalCode::BadBody, format!("the body is no JSON object: {error}"))
}

/// Text that borrows from the body unless escapes must be undone.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The members of an object as they stand, duplicates too.
struct Members<'a>(Vec<(Text<'a>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor).map(Members)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Vec<(Text<'de>, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut members = Vec::with_capacity(8);
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}
