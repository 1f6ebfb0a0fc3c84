//! The answer: an acknowledging event, a refusal, or what became of an import batch.

use crate::Value;

/// Why a request was refused: the codes of the table in spec 6. HTTP Proxy maps each to one status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalCode {
    /// The body cannot be read.
    BadBody,
    /// A value is of the wrong type or outside its range.
    BadValue,
    /// A mandatory attribute is absent.
    MissingAttribute,
    /// No or unknown `req`, or not for this resource.
    BadRequestName,
    /// Unknown resource type or shape of path.
    BadResource,
    /// No record bears the handle.
    RecordNotFound,
    /// No list bears the name.
    ListNotFound,
    /// The record is already finalised.
    RecordFinalised,
    /// The state does not allow it.
    Conflict,
    /// The phone is on the Do-Not-Call list.
    DoNotCall,
    /// More records than one request may change.
    TooMany,
    /// An idempotency key with other content.
    KeyReused,
    /// The method does not fit.
    Method,
    /// The request was not complete in time.
    RequestTimeout,
    /// Something is too large, or there are too many requests (message and attributes say which).
    Limit,
    /// Too many requests in flight: come back later. Shown as LIMIT with status 429.
    Busy,
    /// A bug; the log says more.
    Internal,
    /// Known not to be applied: no primary, draining, disk full.
    Unavailable,
    /// Handed to a primary; not known whether it was applied.
    OutcomeUnknown,
}

const CODES: [(RefusalCode, &str); 19] = [
    (RefusalCode::BadBody, "BAD_BODY"),
    (RefusalCode::BadValue, "BAD_VALUE"),
    (RefusalCode::MissingAttribute, "MISSING_ATTRIBUTE"),
    (RefusalCode::BadRequestName, "BAD_REQUEST_NAME"),
    (RefusalCode::BadResource, "BAD_RESOURCE"),
    (RefusalCode::RecordNotFound, "RECORD_NOT_FOUND"),
    (RefusalCode::ListNotFound, "LIST_NOT_FOUND"),
    (RefusalCode::RecordFinalised, "RECORD_FINALISED"),
    (RefusalCode::Conflict, "CONFLICT"),
    (RefusalCode::DoNotCall, "DO_NOT_CALL"),
    (RefusalCode::TooMany, "TOO_MANY"),
    (RefusalCode::KeyReused, "KEY_REUSED"),
    (RefusalCode::Method, "METHOD"),
    (RefusalCode::RequestTimeout, "REQUEST_TIMEOUT"),
    (RefusalCode::Limit, "LIMIT"),
    (RefusalCode::Busy, "BUSY"),
    (RefusalCode::Internal, "INTERNAL"),
    (RefusalCode::Unavailable, "UNAVAILABLE"),
    (RefusalCode::OutcomeUnknown, "OUTCOME_UNKNOWN"),
];

impl RefusalCode {
    /// All, in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        CODES.iter().map(|(code, _)| *code)
    }

    /// The code on the wire.
    pub fn word(self) -> &'static str {
        CODES.iter().find(|(code, _)| *code == self).map(|(_, word)| *word).expect("every code has a word")
    }

    /// The code that a word means; an unknown one (a newer node's) is [`RefusalCode::Internal`].
    pub fn parse(word: &str) -> Self {
        CODES.iter().find(|(_, known)| *known == word).map_or(Self::Internal, |(code, _)| *code)
    }
}

/// A business "no": what, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub code: RefusalCode,
    /// One sentence for a person.
    pub message: String,
    /// What it is about, for a program.
    pub attributes: Vec<(String, Value)>,
}

impl Refusal {
    /// A refusal without attributes.
    pub fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), attributes: Vec::new() }
    }

    /// The same with one more attribute.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: Value) -> Self {
        self.attributes.push((key.into(), value));
        self
    }
}

/// An acknowledging event and its pairs, in the order in which they are shown; no key twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// For example `AddRecordAcknowledge`.
    pub event: String,
    /// The pairs, `GSW_USER_EVENT` left out.
    pub attributes: Vec<(String, Value)>,
}

/// A row of an import that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedRow {
    /// The first row under the header is 1.
    pub row: u64,
    /// One sentence.
    pub reason: String,
}

/// What became of one batch of an import; rows = added + duplicates + rejected.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Imported {
    /// Records that are new.
    pub added: u64,
    /// Rows whose record_id or (chain_id, chain_n) was there already.
    pub duplicates: u64,
    /// Of those added, rows whose status Retrieved became Ready.
    pub made_ready: u64,
    /// Of those added, rows whose phone is on Do-Not-Call: taken as NoCall, from rules version 3 on.
    pub no_call: u64,
    /// Rows not taken.
    pub rejected: Vec<RejectedRow>,
}

/// What a reply says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplyBody {
    /// It was done.
    Done(Done),
    /// It was refused; nothing changed.
    Refused(Refusal),
    /// An import batch was taken.
    Imported(Imported),
}

/// The answer to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// What it says.
    pub body: ReplyBody,
    /// It is the answer of an earlier request with the same key or content.
    pub replayed: bool,
    /// No quorum could be asked: it is what this node knew last (architecture, What loses what). Never of an update.
    pub stale: bool,
}

impl Reply {
    /// An acknowledging event.
    pub fn done(event: impl Into<String>, attributes: Vec<(String, Value)>) -> Self {
        Self { body: ReplyBody::Done(Done { event: event.into(), attributes }), replayed: false, stale: false }
    }

    /// A refusal.
    pub fn refused(refusal: Refusal) -> Self {
        Self { body: ReplyBody::Refused(refusal), replayed: false, stale: false }
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        Self::refused(refusal)
    }
}
