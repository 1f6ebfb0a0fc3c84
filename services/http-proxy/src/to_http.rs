//! [`outbound::Reply`] to HTTP: the one table of status codes, and the JSON of answers (spec 6).
//!
//! Never asks anything and never waits. Called by `serve`, once a request.

use std::io::Write;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use outbound::{Done, Refusal, RefusalCode, Reply, ReplyBody, Value, key};

use crate::charset::Charset;

/// Seconds after which a client should retry.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NODE: HeaderName = HeaderName::from_static("x-ocs-node");
const ROLE: HeaderName = HeaderName::from_static("x-ocs-role");
const MODE: HeaderName = HeaderName::from_static("x-ocs-mode");
const SINGLE_COPY: HeaderValue = HeaderValue::from_static("single-copy");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const STALE: HeaderName = HeaderName::from_static("x-ocs-stale");
/// The event of a record in the answer to ChainedRecordRequest.
const CHAINED: &str = "ChainedRecord";
/// The member of an answer that has these records.
const RECORDS: &str = "records";
/// Events whose answer names the record's URI.
const WITH_URI: [&str; 4] = ["AddRecordAcknowledge", "Record", "PreviewRecord", CHAINED];

/// Status and code of every refusal, and whether a client should retry later: the table of spec 6.
pub const STATUS: [(RefusalCode, StatusCode, &str, bool); 27] = [
    (RefusalCode::BadBody, StatusCode::BAD_REQUEST, "BAD_BODY", false),
    (RefusalCode::BadValue, StatusCode::BAD_REQUEST, "BAD_VALUE", false),
    (RefusalCode::MissingAttribute, StatusCode::BAD_REQUEST, "MISSING_ATTRIBUTE", false),
    (RefusalCode::BadRequestName, StatusCode::BAD_REQUEST, "BAD_REQUEST_NAME", false),
    (RefusalCode::Unauthenticated, StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", false),
    (RefusalCode::Forbidden, StatusCode::FORBIDDEN, "FORBIDDEN", false),
    (RefusalCode::BadResource, StatusCode::NOT_FOUND, "BAD_RESOURCE", false),
    (RefusalCode::RecordNotFound, StatusCode::NOT_FOUND, "RECORD_NOT_FOUND", false),
    (RefusalCode::ListNotFound, StatusCode::NOT_FOUND, "LIST_NOT_FOUND", false),
    (RefusalCode::RecordFinalised, StatusCode::NOT_FOUND, "RECORD_FINALISED", false),
    (RefusalCode::Conflict, StatusCode::CONFLICT, "CONFLICT", false),
    (RefusalCode::GroupNotFound, StatusCode::NOT_FOUND, "GROUP_NOT_FOUND", false),
    (RefusalCode::PhoneNotFound, StatusCode::NOT_FOUND, "PHONE_NOT_FOUND", false),
    (RefusalCode::CustomerNotFound, StatusCode::NOT_FOUND, "CUSTOMER_NOT_FOUND", false),
    (RefusalCode::TenantNotFound, StatusCode::NOT_FOUND, "TENANT_NOT_FOUND", false),
    (RefusalCode::DoNotCall, StatusCode::CONFLICT, "DO_NOT_CALL", false),
    (RefusalCode::Duplicate, StatusCode::CONFLICT, "DUPLICATE", false),
    (RefusalCode::TooMany, StatusCode::CONFLICT, "TOO_MANY", false),
    (RefusalCode::KeyReused, StatusCode::UNPROCESSABLE_ENTITY, "KEY_REUSED", false),
    (RefusalCode::Method, StatusCode::METHOD_NOT_ALLOWED, "METHOD", false),
    (RefusalCode::RequestTimeout, StatusCode::REQUEST_TIMEOUT, "REQUEST_TIMEOUT", false),
    (RefusalCode::Limit, StatusCode::BAD_REQUEST, "LIMIT", false),
    (RefusalCode::Busy, StatusCode::TOO_MANY_REQUESTS, "LIMIT", true),
    (RefusalCode::Internal, StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", false),
    (RefusalCode::Unavailable, StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", true),
    (RefusalCode::OutcomeUnknown, StatusCode::GATEWAY_TIMEOUT, "OUTCOME_UNKNOWN", false),
    (RefusalCode::PreconditionFailed, StatusCode::PRECONDITION_FAILED, "PRECONDITION_FAILED", false),
];

/// An answer that is not yet dressed in the headers that every answer carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// 200, or the status of the table.
    pub status: StatusCode,
    /// JSON, or nothing.
    pub body: Bytes,
    /// Whether `Retry-After` is sent.
    pub retry: bool,
    /// Whether `Idempotent-Replayed` is sent.
    pub replayed: bool,
    /// Whether `X-OCS-Stale` is sent.
    pub stale: bool,
    /// Value of `Allow`.
    pub allow: Option<&'static str>,
    /// Value of `WWW-Authenticate`.
    pub challenge: Option<&'static str>,
    /// Whether the connection ends after this answer.
    pub close: bool,
    /// Kind of the body.
    pub content: Content,
    /// Headers of this answer alone.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// The kind of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Content {
    /// JSON of the protocols, in the charset of answers.
    #[default]
    Protocol,
    /// JSON of the REST interface: UTF-8 always, as of all kinds below.
    Json,
    /// A refusal of the REST interface (RFC 9457).
    Problem,
    /// The page that reads the description of the interface.
    Html,
    /// Its script.
    Script,
    /// Its style.
    Style,
}

impl Content {
    /// The value of `Content-Type`; none: the charset of answers decides.
    fn media_type(self) -> Option<HeaderValue> {
        Some(match self {
            Self::Protocol => return None,
            Self::Json => JSON,
            Self::Problem => HeaderValue::from_static("application/problem+json"),
            Self::Html => HeaderValue::from_static("text/html; charset=utf-8"),
            Self::Script => HeaderValue::from_static("text/javascript; charset=utf-8"),
            Self::Style => HeaderValue::from_static("text/css; charset=utf-8"),
        })
    }
}

impl Answer {
    /// A plain answer.
    pub fn new(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            body: body.into(),
            retry: false,
            replayed: false,
            stale: false,
            allow: None,
            challenge: None,
            close: false,
            content: Content::Protocol,
            headers: Vec::new(),
        }
    }

    /// The answer to a request; `base` gives the start of a record's URI, for example `http://host:8080`.
    pub fn of_reply(reply: &Reply, base: impl Fn() -> String) -> Self {
        let answer = match &reply.body {
            ReplyBody::Done(done) => Self::new(StatusCode::OK, done_json(done, base)),
            ReplyBody::Refused(refusal) => Self::of_refusal(refusal),
            ReplyBody::Imported(_) | ReplyBody::Again => Self::of_refusal(&unfit_reply()),
        };
        Self { replayed: reply.replayed, stale: reply.stale, ..answer }
    }

    /// The answer to a request that was refused.
    pub fn of_refusal(refusal: &Refusal) -> Self {
        let row = STATUS.iter().find(|(code, ..)| *code == refusal.code).expect("every code has a row");
        let (_, status, word, retry) = *row;
        Self { retry, ..Self::new(status, error_json(refusal, word)) }
    }

    /// The answer to a body larger than the limit: 413, and the connection ends, because the rest of the body is never read.
    pub fn body_too_large(bytes_max: usize) -> Self {
        let refusal = Refusal::new(RefusalCode::Limit, format!("the body is larger than {bytes_max} bytes"));
        Self { status: StatusCode::PAYLOAD_TOO_LARGE, close: true, ..Self::of_refusal(&refusal) }
    }

    /// The same, and the connection ends after this answer.
    #[must_use]
    pub fn closing(self) -> Self {
        Self { close: true, ..self }
    }

    /// The same with an `Allow` header.
    #[must_use]
    pub fn allowing(self, allow: Option<&'static str>) -> Self {
        Self { allow, ..self }
    }

    /// The same with a `WWW-Authenticate` header.
    #[must_use]
    pub fn challenging(self, challenge: Option<&'static str>) -> Self {
        Self { challenge, ..self }
    }
}

/// A reply that belongs to no HTTP request: a fault of the node.
fn unfit_reply() -> Refusal {
    Refusal::new(RefusalCode::Internal, "the node gave an answer that does not fit; its log says more")
}

// === JSON ===

fn done_json(done: &Done, base: impl Fn() -> String) -> Vec<u8> {
    let mut json = Json::opening(&done.event);
    json.pairs(&done.event, &done.attributes, &base);
    if let Some(records) = &done.records {
        json.name(RECORDS);
        json.0.push(b'[');
        for (at, record) in records.iter().enumerate() {
            if at > 0 {
                json.0.push(b',');
            }
            json.open(CHAINED);
            json.pairs(CHAINED, record, &base);
            json.0.push(b'}');
        }
        json.0.push(b']');
    }
    json.closed()
}

fn error_json(refusal: &Refusal, word: &str) -> Vec<u8> {
    let mut json = Json::opening("Error");
    json.text(key::ERROR, &refusal.message);
    json.text(key::ERROR_CODE, word);
    refusal.attributes.iter().for_each(|(name, value)| json.pair(name, value));
    json.closed()
}

/// An object, written pair by pair, `GSW_USER_EVENT` first.
struct Json(Vec<u8>);

impl Json {
    fn opening(event: &str) -> Self {
        let mut json = Self(Vec::with_capacity(512));
        json.open(event);
        json
    }

    /// Begins an object.
    fn open(&mut self, event: &str) {
        self.0.push(b'{');
        self.string(key::USER_EVENT);
        self.0.push(b':');
        self.string(event);
    }

    /// The pairs of an event, and the URI of its record behind the handle where the event names one.
    fn pairs(&mut self, event: &str, pairs: &[(String, Value)], base: impl Fn() -> String) {
        let knows_uri = pairs.iter().any(|(name, _)| name == key::RECORD_URI);
        let wants_uri = !knows_uri && WITH_URI.contains(&event);
        for (name, value) in pairs {
            self.pair(name, value);
            if wants_uri
                && name == key::RECORD_HANDLE
                && let Value::Int(handle) = value
            {
                self.text(key::RECORD_URI, &format!("{}/records/{handle}", base()));
            }
        }
    }

    fn pair(&mut self, name: &str, value: &Value) {
        match value {
            Value::Str(text) => self.text(name, text),
            Value::Int(number) => {
                self.name(name);
                write!(self.0, "{number}").expect("a Vec takes every byte");
            }
        }
    }

    fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        self.string(text);
    }

    fn name(&mut self, name: &str) {
        self.0.push(b',');
        self.string(name);
        self.0.push(b':');
    }

    fn string(&mut self, text: &str) {
        serde_json::to_writer(&mut self.0, text).expect("text is always JSON");
    }

    fn closed(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }
}

// === headers ===

/// The node's role and mode, sent with every answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// As last confirmed: "primary", "backup" or "unknown".
    pub role: &'static str,
    /// By an operator's order updates are on one disk only.
    pub single_copy: bool,
}

/// The headers that every answer carries.
#[derive(Debug, Clone)]
pub struct Dress {
    /// Name of the node that read the request.
    pub node: HeaderValue,
    /// Option `http_custom_headers`.
    pub custom: Vec<(HeaderName, HeaderValue)>,
    /// Option `encoding`: the charset of every answer, whatever charset its request had (spec 4).
    pub charset: Charset,
}

impl Dress {
    /// Puts the headers on: the answer's own, then those that every answer carries. The body is in the charset of answers.
    pub fn put_on(&self, answer: Answer, standing: Standing) -> Response<Bytes> {
        let media_type = answer.content.media_type();
        let body = if media_type.is_none() { self.charset.encode_json(answer.body) } else { answer.body };
        let mut response = Response::new(body);
        *response.status_mut() = answer.status;
        let headers = response.headers_mut();
        headers.reserve(6 + self.custom.len());
        if answer.status != StatusCode::NO_CONTENT {
            headers.insert(header::CONTENT_TYPE, media_type.unwrap_or_else(|| self.content_type()));
        }
        headers.insert(NODE, self.node.clone());
        headers.insert(ROLE, HeaderValue::from_static(standing.role));
        if standing.single_copy {
            headers.insert(MODE, SINGLE_COPY);
        }
        if answer.retry {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        if answer.replayed {
            headers.insert(REPLAYED, HeaderValue::from_static("true"));
        }
        if answer.stale {
            headers.insert(STALE, HeaderValue::from_static("true"));
        }
        if let Some(allow) = answer.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        if let Some(challenge) = answer.challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if answer.close {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        headers.extend(self.custom.iter().cloned());
        headers.extend(answer.headers);
        response
    }

    /// `application/json`, which is UTF-8 unless a parameter says otherwise.
    fn content_type(&self) -> HeaderValue {
        if self.charset == Charset::UTF_8 {
            return JSON;
        }
        let named = format!("application/json; charset={}", self.charset.name());
        HeaderValue::from_str(&named).expect("a charset's name is ASCII")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_code_has_one_row() {
        for (code, ..) in STATUS {
            assert_eq!(STATUS.iter().filter(|row| row.0 == code).count(), 1, "{code:?}");
        }
    }

    #[test]
    fn each_record_of_a_chain_begins_with_its_event_and_has_its_uri() {
        let record =
            |handle| vec![(key::RECORD_HANDLE.to_owned(), Value::Int(handle)), ("city".to_owned(), Value::text("Ulm"))];
        let body = |records| {
            let reply = Reply::with_records("ChainedRecordsDataEnd", vec![], records);
            let body = Answer::of_reply(&reply, || "http://x:8080".to_owned()).body;
            String::from_utf8(body.to_vec()).unwrap()
        };
        let chained = |handle| {
            let uri = format!("http://x:8080/records/{handle}");
            let event = r#""GSW_USER_EVENT":"ChainedRecord""#;
            format!(r#"{{{event},"GSW_RECORD_HANDLE":{handle},"GSW_RECORD_URI":"{uri}","city":"Ulm"}}"#)
        };
        let end = r#"{"GSW_USER_EVENT":"ChainedRecordsDataEnd","records":["#;
        assert_eq!(body(vec![]), format!("{end}]}}"));
        assert_eq!(body(vec![record(16), record(17)]), format!("{end}{},{}]}}", chained(16), chained(17)));
    }
}
