//! HTTP to [`outbound::Request`]: pure translation, or a refusal (spec 2, 3, 4).
//!
//! Never does IO and never asks the node. The meaning of a path segment, a query parameter, a header or a byte of a body is
//! decided here and nowhere else. Called by `serve`, once a request.

mod authority;
mod body;
mod foreign;
mod names;
mod path;
mod value;

use http::{HeaderMap, Method};
use outbound::{Attributes, Refusal, RefusalCode, Request, Resource, ResourceType, Sent, Value, Verb, key, spec_of};

pub use self::authority::host;
pub(crate) use self::body::check_coding;
use crate::charset::Charset;

/// Attributes a request may carry, query and body together (spec 4, OURS).
pub const ATTRIBUTES_MAX: usize = 256;
/// Largest key of an attribute, bytes (spec 4, OURS).
pub const KEY_BYTES_MAX: usize = 255;
/// Largest value of an attribute, bytes (spec 4, OURS).
pub const VALUE_BYTES_MAX: usize = 64 * 1024;
/// Largest idempotency key, bytes (spec 6, Exactly once).
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;
/// Largest name of a tenant, and largest identifier in a path, its escapes undone, bytes (OURS).
pub const TENANT_BYTES_MAX: usize = 255;
/// See [`TENANT_BYTES_MAX`].
pub const IDENTIFIER_BYTES_MAX: usize = 1024;
/// Characters of a client's text that a message quotes.
const SHOWN_CHARS_MAX: usize = 64;

/// One HTTP request, its body read.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path, still percent-encoded.
    pub path: &'a str,
    /// The query, still percent-encoded.
    pub query: Option<&'a str>,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The whole body.
    pub body: &'a [u8],
    /// Charset of a body that names none (option `encoding`).
    pub encoding: Charset,
}

/// The translation of an HTTP request.
#[derive(Debug, PartialEq, Eq)]
pub enum Translated {
    /// A request for the node.
    Request(Request),
    /// `OPTIONS`: the methods of that resource.
    Options(&'static str),
}

/// Why a request is refused before any rule is applied.
#[derive(Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The refusal that the client gets.
    pub refusal: Refusal,
    /// The verb, if its name was recognised.
    pub verb: Option<Verb>,
    /// Value of the `Allow` header of a 405.
    pub allow: Option<&'static str>,
}

impl From<Refusal> for Rejected {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, verb: None, allow: None }
    }
}

/// Translates one request.
pub fn from_http(incoming: &Incoming<'_>) -> Result<Translated, Rejected> {
    let (kind, resource) = path::resource(incoming.path)?;
    if *incoming.method == Method::OPTIONS {
        return Ok(Translated::Options(allow(kind)));
    }
    let query = body::query_pairs(incoming.query.unwrap_or_default())?;
    let verb = verb(incoming.method, kind, query.req.as_deref())?;
    request(incoming, resource?, verb, query).map(Translated::Request).map_err(|refusal| Rejected {
        refusal,
        verb: Some(verb),
        allow: None,
    })
}

/// The methods of a verb that changes state (spec 3).
const CHANGING: &str = "POST, PUT, OPTIONS";

/// The methods of a resource type (spec 3).
fn allow(kind: ResourceType) -> &'static str {
    if read_without_name(kind).is_some() { "GET, POST, PUT, OPTIONS" } else { CHANGING }
}

/// The verb of a GET without `req` (spec 3).
fn read_without_name(kind: ResourceType) -> Option<Verb> {
    match kind {
        ResourceType::Records => Some(Verb::GetRecord),
        ResourceType::CampaignGroups => Some(Verb::CampaignStatusRequest),
        ResourceType::Phones | ResourceType::CustomerIds | ResourceType::Lists => None,
    }
}

/// The verb of method and `req` together (spec 3: POST and PUT take every verb, GET only verbs that read).
fn verb(method: &Method, kind: ResourceType, req: Option<&str>) -> Result<Verb, Rejected> {
    let changes = *method == Method::POST || *method == Method::PUT;
    match req {
        _ if !changes && *method != Method::GET => Err(wrong_method(method, allow(kind))),
        Some(name) => {
            let verb = names::verb(kind, name)?;
            if changes || verb.reads() { Ok(verb) } else { Err(wrong_method(method, CHANGING)) }
        }
        None if changes => Err(names::absent(kind).into()),
        None => read_without_name(kind).ok_or_else(|| wrong_method(method, allow(kind))),
    }
}

fn wrong_method(method: &Method, allow: &'static str) -> Rejected {
    let message = format!("{} is not allowed here; allowed: {allow}", shown(method.as_str()));
    Rejected { refusal: Refusal::new(RefusalCode::Method, message), verb: None, allow: Some(allow) }
}

fn request(
    incoming: &Incoming<'_>,
    resource: Resource,
    verb: Verb,
    query: body::Query<'_>,
) -> Result<Request, Refusal> {
    let idempotency_key = idempotency_key(incoming.headers)?;
    body::check_coding(incoming.body, incoming.headers)?;
    let charset = body::charset(incoming.headers, incoming.encoding)?;
    let (text, charset) = body::decode(incoming.body, charset)?;
    let content = body::content(&text, charset)?;
    check_limits(&query.pairs, &content.pairs)?;
    let (attributes, sent) = attributes(verb, query.pairs, content)?;
    let mut attributes = without_identifying(attributes, &resource)?;
    attributes.sent = sent;
    Ok(Request { verb, resource, attributes, tenant: query.tenant, principal: String::new(), idempotency_key })
}

fn check_limits(of_query: &[body::Pair<'_>], of_body: &[body::Pair<'_>]) -> Result<(), Refusal> {
    if of_query.len() + of_body.len() > ATTRIBUTES_MAX {
        let message = format!("more than {ATTRIBUTES_MAX} attributes");
        return Err(Refusal::new(RefusalCode::Limit, message));
    }
    if let Some((name, _)) = of_query.iter().chain(of_body).find(|(name, _)| name.len() > KEY_BYTES_MAX) {
        let message = format!("{:?}: a key may have {KEY_BYTES_MAX} bytes", shown(name));
        return Err(Refusal::new(RefusalCode::Limit, message));
    }
    Ok(())
}

/// The attributes of query and body, of which the body wins, and the facts about their origin that the rules need.
fn attributes(
    verb: Verb,
    of_query: Vec<body::Pair<'_>>,
    content: body::Content<'_>,
) -> Result<(Attributes, Sent), Refusal> {
    let unknown_form = content.is_form && !content.pairs.iter().any(|(name, _)| value::is_used(name, verb));
    let (mut attributes, mut sent) = (Attributes::default(), Sent { unknown_form, ..Sent::default() });
    for (name, raw) in last_wins(of_query) {
        if let Some((key, value)) = value::read(&name, raw)? {
            if spec_of(&key).is_none() {
                sent.query_keys.push(key.clone());
            }
            attributes.set(key, value);
        }
    }
    for (name, raw) in last_wins(content.pairs) {
        if let Some((key, value)) = value::read(&name, raw)? {
            sent.query_keys.retain(|of_query| !of_query.eq_ignore_ascii_case(&key));
            attributes.set(key, value);
        }
    }
    Ok((attributes, sent))
}

/// Only the last pair of a key counts, even a `null` (spec 4).
fn last_wins(pairs: Vec<body::Pair<'_>>) -> impl Iterator<Item = body::Pair<'_>> {
    let is_last = |(at, (name, _)): (usize, &body::Pair<'_>)| {
        !pairs[at + 1..].iter().any(|(later, _)| later.eq_ignore_ascii_case(name))
    };
    let kept: Vec<bool> = pairs.iter().enumerate().map(is_last).collect();
    pairs.into_iter().zip(kept).filter_map(|(pair, kept)| kept.then_some(pair))
}

/// Drops the attribute that repeats the identifier of the path (spec 5).
///
/// A handle and a customer that differ are refused here. Only the node compares phones in all their forms, and knows the names of
/// DBIDs: another phone, list or campaign group than that of the path stays an attribute, for the rules to compare.
fn without_identifying(attributes: Attributes, resource: &Resource) -> Result<Attributes, Refusal> {
    let Some((identifying, of_path)) = identifying(resource) else { return Ok(attributes) };
    match attributes.get(identifying) {
        None => Ok(attributes),
        Some(value) if is_same(resource, value, &of_path) => {
            Ok(attributes.iter().filter(|(name, _)| *name != identifying).map(owned).collect())
        }
        Some(_) if matches!(resource, Resource::Record(_) | Resource::Customer(_)) => {
            let message = format!("{identifying} differs from the {:?} of the path", shown(&resource.identifier()));
            Err(Refusal::new(RefusalCode::BadValue, message))
        }
        Some(_) => Ok(attributes),
    }
}

/// The attribute that says the same as the path, and its value there; none: a handle that no record can have.
fn identifying(resource: &Resource) -> Option<(&'static str, Value)> {
    Some(match resource {
        Resource::Record(handle) => (key::RECORD_HANDLE, Value::Int(i64::try_from(handle.0).ok()?)),
        Resource::Phone(phone) => (key::PHONE, Value::text(phone)),
        Resource::Customer(customer) => (key::CUSTOMER_ID, Value::text(customer)),
        Resource::List(list) => (key::CALLING_LIST, Value::text(list)),
        Resource::CampaignGroup(group) => match group.parse() {
            Ok(dbid) => (key::CAMPAIGN_GROUP_DBID, Value::Int(dbid)),
            Err(_) => (key::CAMPAIGN_GROUP_NAME, Value::text(group)),
        },
    })
}

/// Whether a value is that of the path; blanks around a customer id do not count (spec 2).
fn is_same(resource: &Resource, value: &Value, of_path: &Value) -> bool {
    match (resource, value, of_path) {
        (Resource::Customer(_), Value::Str(value), Value::Str(of_path)) => value.trim() == of_path.trim(),
        _ => value == of_path,
    }
}

/// The request of a verb on a resource whose attributes are those of the body alone, for the REST interface.
pub(crate) fn of_body(
    incoming: &Incoming<'_>,
    resource: Resource,
    verb: Verb,
    tenant: String,
) -> Result<Request, Refusal> {
    request(incoming, resource, verb, body::Query { tenant, ..body::Query::default() })
}

/// The part of a client's text that a message quotes: a large request does not cause a large answer.
pub(crate) fn shown(text: &str) -> &str {
    text.char_indices().nth(SHOWN_CHARS_MAX).map_or(text, |(end, _)| &text[..end])
}

fn owned((name, value): (&str, &Value)) -> (String, Value) {
    (name.to_owned(), value.clone())
}

/// The client's key of a request, 1 to 255 bytes.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<Vec<u8>>, Refusal> {
    let mut keys = headers.get_all("idempotency-key").iter();
    let Some(key) = keys.next() else { return Ok(None) };
    let bytes = key.as_bytes();
    if keys.any(|other| other != key) {
        return Err(Refusal::new(RefusalCode::BadValue, "more than one Idempotency-Key"));
    }
    if bytes.is_empty() || bytes.len() > IDEMPOTENCY_KEY_BYTES_MAX {
        let message = format!("Idempotency-Key must have 1 to {IDEMPOTENCY_KEY_BYTES_MAX} bytes");
        return Err(Refusal::new(RefusalCode::BadValue, message));
    }
    Ok(Some(bytes.to_vec()))
}
