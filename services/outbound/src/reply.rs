//! The answer: an acknowledging event, a refusal, or the result of an import batch.

use crate::Value;

/// The reason of a refusal: the codes of the table in spec 6. HTTP Proxy maps each code to one status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalCode {
    /// The body is unreadable.
    BadBody,
    /// A value is of the wrong type or outside its range.
    BadValue,
    /// A mandatory attribute is absent.
    MissingAttribute,
    /// No or unknown `req`, or not for this resource.
    BadRequestName,
    /// The entrance wants a credential, and the request has none that is good.
    Unauthenticated,
    /// The credential does not reach the request: another scope, list or tenant.
    Forbidden,
    /// Unknown resource type or shape of path.
    BadResource,
    /// No record has the handle.
    RecordNotFound,
    /// No list has the name.
    ListNotFound,
    /// The record is already finalised.
    RecordFinalised,
    /// The state does not allow the request.
    Conflict,
    /// No campaign group has the DBID or name.
    GroupNotFound,
    /// No record has the phone.
    PhoneNotFound,
    /// No record has the customer id.
    CustomerNotFound,
    /// No tenant has the name.
    TenantNotFound,
    /// The phone or the customer is on the Do-Not-Call list.
    DoNotCall,
    /// The list takes a phone once, and has it.
    Duplicate,
    /// More records than one request may change.
    TooMany,
    /// An idempotency key with other content.
    KeyReused,
    /// The method does not fit.
    Method,
    /// The request was not complete in time.
    RequestTimeout,
    /// Input over a limit, or too many requests (message and attributes name the limit).
    Limit,
    /// Back-pressure: too many requests in flight. Shown as LIMIT with status 429.
    Busy,
    /// A bug; the log has the details.
    Internal,
    /// Certainly not applied: no primary, draining, disk full.
    Unavailable,
    /// Handed to a primary; applied or not applied.
    OutcomeUnknown,
    /// The record's row is not of a version that the request takes.
    PreconditionFailed,
}

const CODES: [(RefusalCode, &str); 27] = [
    (RefusalCode::BadBody, "BAD_BODY"),
    (RefusalCode::BadValue, "BAD_VALUE"),
    (RefusalCode::MissingAttribute, "MISSING_ATTRIBUTE"),
    (RefusalCode::BadRequestName, "BAD_REQUEST_NAME"),
    (RefusalCode::Unauthenticated, "UNAUTHENTICATED"),
    (RefusalCode::Forbidden, "FORBIDDEN"),
    (RefusalCode::BadResource, "BAD_RESOURCE"),
    (RefusalCode::RecordNotFound, "RECORD_NOT_FOUND"),
    (RefusalCode::ListNotFound, "LIST_NOT_FOUND"),
    (RefusalCode::RecordFinalised, "RECORD_FINALISED"),
    (RefusalCode::Conflict, "CONFLICT"),
    (RefusalCode::GroupNotFound, "GROUP_NOT_FOUND"),
    (RefusalCode::PhoneNotFound, "PHONE_NOT_FOUND"),
    (RefusalCode::CustomerNotFound, "CUSTOMER_NOT_FOUND"),
    (RefusalCode::TenantNotFound, "TENANT_NOT_FOUND"),
    (RefusalCode::DoNotCall, "DO_NOT_CALL"),
    (RefusalCode::Duplicate, "DUPLICATE"),
    (RefusalCode::TooMany, "TOO_MANY"),
    (RefusalCode::KeyReused, "KEY_REUSED"),
    (RefusalCode::Method, "METHOD"),
    (RefusalCode::RequestTimeout, "REQUEST_TIMEOUT"),
    (RefusalCode::Limit, "LIMIT"),
    (RefusalCode::Busy, "BUSY"),
    (RefusalCode::Internal, "INTERNAL"),
    (RefusalCode::Unavailable, "UNAVAILABLE"),
    (RefusalCode::OutcomeUnknown, "OUTCOME_UNKNOWN"),
    (RefusalCode::PreconditionFailed, "PRECONDITION_FAILED"),
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

    /// The code of a word; an unknown word (of a newer node) is [`RefusalCode::Internal`].
    pub fn parse(word: &str) -> Self {
        CODES.iter().find(|(_, known)| *known == word).map_or(Self::Internal, |(code, _)| *code)
    }
}

/// A business "no": the reason, the place, and the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The reason.
    pub code: RefusalCode,
    /// A sentence for a person.
    pub message: String,
    /// The subject of the refusal, for a program.
    pub attributes: Vec<(String, Value)>,
}

impl Refusal {
    /// A refusal without attributes.
    pub fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), attributes: Vec::new() }
    }

    /// Adds an attribute.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: Value) -> Self {
        self.attributes.push((key.into(), value));
        self
    }
}

/// An acknowledging event and its pairs, in the order of display; no key twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// For example `AddRecordAcknowledge`.
    pub event: String,
    /// The pairs without `GSW_USER_EVENT`.
    pub attributes: Vec<(String, Value)>,
    /// The records of `ChainedRecordsDataEnd`, each with its pairs; none: the event has no records.
    pub records: Option<Vec<Pairs>>,
}

/// Keys and values in the order of display.
pub type Pairs = Vec<(String, Value)>;

/// A rejected row of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedRow {
    /// The first row under the header is 1.
    pub row: u64,
    /// The reason, a sentence.
    pub reason: String,
}

/// The result of a batch of an import; rows = added + duplicates + rejected.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Imported {
    /// New records.
    pub added: u64,
    /// Rows with an existing record_id or (chain_id, chain_n).
    pub duplicates: u64,
    /// Added rows whose status Retrieved became Ready.
    pub made_ready: u64,
    /// Added rows whose phone is on Do-Not-Call: NoCall, from rules version 3 on.
    pub no_call: u64,
    /// The rejected rows.
    pub rejected: Vec<RejectedRow>,
}

/// The content of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplyBody {
    /// The request was done.
    Done(Done),
    /// The request was refused and changed nothing.
    Refused(Refusal),
    /// An import batch was applied.
    Imported(Imported),
    /// The command passed over as many records as a command may change, without an answer: the node proposes the request again.
    /// Remembered under no id, key or content.
    Again,
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The content.
    pub body: ReplyBody,
    /// The answer is that of an earlier request with the same key or content.
    pub replayed: bool,
    /// The read had no quorum: the answer is this node's possibly stale state (architecture, What loses what). Never set for an
    /// update.
    pub stale: bool,
}

impl Reply {
    /// An acknowledging event.
    pub fn done(event: impl Into<String>, attributes: Vec<(String, Value)>) -> Self {
        let done = Done { event: event.into(), attributes, records: None };
        Self { body: ReplyBody::Done(done), replayed: false, stale: false }
    }

    /// An acknowledging event with records.
    pub fn with_records(event: impl Into<String>, attributes: Pairs, records: Vec<Pairs>) -> Self {
        let done = Done { event: event.into(), attributes, records: Some(records) };
        Self { body: ReplyBody::Done(done), replayed: false, stale: false }
    }

    /// No answer yet: the node proposes the request again.
    pub const fn again() -> Self {
        Self { body: ReplyBody::Again, replayed: false, stale: false }
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
