//! Attributes: the only table of known keys (spec 8), and the sorted attributes of a request.

use std::collections::BTreeMap;

use crate::{
    RULES_FIRST, RULES_WITH_CAMPAIGNS,
    enumerations::{CALL_RESULT, CONTACT_INFO_TYPE, Enumeration, RECORD_STATUS, RECORD_TYPE, Word},
};

/// An attribute value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Value {
    /// A number; also an enumeration sent as a number.
    Int(i64),
    /// Text; a number given for a text attribute is its decimal text.
    Str(String),
}

/// The type of a known key's value, for reading and display.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A JSON number or its decimal string.
    Int,
    /// Text.
    Str,
    /// A number, the number as a string, or a name; shown as a number.
    Number(&'static Enumeration),
    /// A name of a small set; aliases are folded; shown as a name.
    Word(&'static Word),
    /// Any type, kept as sent (`GSW_REFERENCE_ID`: "type preserved").
    Any,
}

/// A known key.
#[derive(Debug, Clone, Copy)]
pub struct AttributeSpec {
    /// Upper case.
    pub key: &'static str,
    /// The type of its value.
    pub kind: Kind,
    /// The rules version that introduced the key: before it, a list may have a field of this name.
    pub since: u32,
}

/// Names of the known keys.
pub mod key {
    #![allow(missing_docs)] // spec 8 defines each key
    pub const RECORD_HANDLE: &str = "GSW_RECORD_HANDLE";
    pub const RECORD_URI: &str = "GSW_RECORD_URI";
    pub const PHONE: &str = "GSW_PHONE";
    pub const PHONE_TYPE: &str = "GSW_PHONE_TYPE";
    pub const RECORD_TYPE: &str = "GSW_RECORD_TYPE";
    pub const RECORD_STATUS: &str = "GSW_RECORD_STATUS";
    pub const CALL_RESULT: &str = "GSW_CALL_RESULT";
    pub const ATTEMPTS: &str = "GSW_ATTEMPTS";
    pub const DATE_TIME: &str = "GSW_DATE_TIME";
    pub const CALL_TIME: &str = "GSW_CALL_TIME";
    pub const FROM: &str = "GSW_FROM";
    pub const UNTIL: &str = "GSW_UNTIL";
    pub const TZ_NAME: &str = "GSW_TZ_NAME";
    pub const TZ_OFFSET: &str = "GSW_TZ_OFFSET";
    pub const AGENT_ID: &str = "GSW_AGENT_ID";
    pub const CALLBACK_TYPE: &str = "GSW_CALLBACK_TYPE";
    pub const CHAIN_ATTR: &str = "GSW_CHAIN_ATTR";
    pub const CHAIN_ID: &str = "GSW_CHAIN_ID";
    pub const CHAIN_N: &str = "GSW_CHAIN_N";
    pub const CUSTOMER_ID: &str = "GSW_CUSTOMER_ID";
    pub const TREATMENT: &str = "GSW_TREATMENT";
    pub const APPLICATION_ID: &str = "GSW_APPLICATION_ID";
    pub const CAMPAIGN_NAME: &str = "GSW_CAMPAIGN_NAME";
    pub const CALLING_LIST: &str = "GSW_CALLING_LIST";
    pub const CALLING_LIST_DBID: &str = "GSW_CALLING_LIST_DBID";
    pub const REFERENCE_ID: &str = "GSW_REFERENCE_ID";
    pub const MESSAGE: &str = "GSW_MESSAGE";
    pub const USER_EVENT: &str = "GSW_USER_EVENT";
    pub const ERROR: &str = "GSW_ERROR";
    pub const ERROR_CODE: &str = "GSW_ERROR_CODE";
    /// Only in answers: under rules version 2 a list may have a field of this name, so the table of known keys omits this key.
    pub const IGNORED: &str = "GSW_IGNORED";
    /// Only in answers, as `IGNORED`: the scope that a credential lacks.
    pub const SCOPE: &str = "GSW_SCOPE";
    /// Only in answers, as `IGNORED`: the version of a record's row, which the REST interface shows as an ETag.
    pub const ROW_VERSION: &str = "GSW_ROW_VERSION";
    /// Only in answers: the number of a record in its list. No field has this name, which is that of a column of every list.
    pub const RECORD_ID: &str = "record_id";
    /// Records that a request changed, or that are still held.
    pub const RECORDS: &str = "GSW_RECORDS";
    pub const CALL_ATTEMPT_GUID: &str = "GSW_CALL_ATTEMPT_GUID";
    pub const CAMPAIGN_GROUP_NAME: &str = "GSW_CAMPAIGN_GROUP_NAME";
    pub const CAMPAIGN_GROUP_DBID: &str = "GSW_CAMPAIGN_GROUP_DBID";
    pub const AGENT_REQ_TYPE: &str = "GSW_AGENT_REQ_TYPE";
}

static CALLBACK_TYPE: Word = Word { name: "GSW_CALLBACK_TYPE", words: &["Campaign", "Personal"], aliases: &[] };
static CHAIN_ATTR: Word = Word { name: "GSW_CHAIN_ATTR", words: &["AllChain", "RecordOnly"], aliases: &[] };
static TREATMENT: Word = Word {
    name: "GSW_TREATMENT",
    words: &["Campaign", "Personal"],
    aliases: &[("RecordTreatCampaign", "Campaign"), ("RecordTreatPersonal", "Personal")],
};

/// Every known key of the protocols with the type of its value (spec 4, 8).
pub static ATTRIBUTES: &[AttributeSpec] = &[
    known(key::RECORD_HANDLE, Kind::Int),
    known(key::RECORD_URI, Kind::Str),
    known(key::PHONE, Kind::Str),
    known(key::PHONE_TYPE, Kind::Number(&CONTACT_INFO_TYPE)),
    known(key::RECORD_TYPE, Kind::Number(&RECORD_TYPE)),
    known(key::RECORD_STATUS, Kind::Number(&RECORD_STATUS)),
    known(key::CALL_RESULT, Kind::Number(&CALL_RESULT)),
    known(key::ATTEMPTS, Kind::Int),
    known(key::DATE_TIME, Kind::Str),
    known(key::CALL_TIME, Kind::Int),
    known(key::FROM, Kind::Int),
    known(key::UNTIL, Kind::Int),
    known(key::TZ_NAME, Kind::Str),
    known(key::TZ_OFFSET, Kind::Int),
    known(key::AGENT_ID, Kind::Str),
    known(key::CALLBACK_TYPE, Kind::Word(&CALLBACK_TYPE)),
    known(key::CHAIN_ATTR, Kind::Word(&CHAIN_ATTR)),
    known(key::CHAIN_ID, Kind::Int),
    known(key::CHAIN_N, Kind::Int),
    known(key::CUSTOMER_ID, Kind::Str),
    known(key::TREATMENT, Kind::Word(&TREATMENT)),
    known(key::APPLICATION_ID, Kind::Int),
    known(key::CAMPAIGN_NAME, Kind::Str),
    known(key::CALLING_LIST, Kind::Str),
    known(key::CALLING_LIST_DBID, Kind::Int),
    known(key::REFERENCE_ID, Kind::Any),
    known(key::MESSAGE, Kind::Str),
    with_campaigns(key::RECORDS, Kind::Int),
    with_campaigns(key::CALL_ATTEMPT_GUID, Kind::Str),
    with_campaigns(key::CAMPAIGN_GROUP_NAME, Kind::Str),
    with_campaigns(key::CAMPAIGN_GROUP_DBID, Kind::Int),
];

const fn known(key: &'static str, kind: Kind) -> AttributeSpec {
    AttributeSpec { key, kind, since: RULES_FIRST }
}

const fn with_campaigns(key: &'static str, kind: Kind) -> AttributeSpec {
    AttributeSpec { key, kind, since: RULES_WITH_CAMPAIGNS }
}

/// The known key of a name, in any case.
pub fn spec_of(name: &str) -> Option<&'static AttributeSpec> {
    ATTRIBUTES.iter().find(|spec| spec.key.eq_ignore_ascii_case(name))
}

/// The key of a name that a rules version knows, in any case.
pub fn spec_under(name: &str, version: u32) -> Option<&'static AttributeSpec> {
    spec_of(name).filter(|spec| spec.since <= version)
}

/// Facts of the HTTP message that the rules need: only the list tells which unknown keys are its fields (spec 2, 4).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sent {
    /// Unknown keys that are only in the query: ignored silently unless the list has such fields.
    pub query_keys: Vec<String>,
    /// The body is a form without any key that its request uses ([`crate::Verb::uses`]): refused if the list has no such field
    /// either.
    pub unknown_form: bool,
    /// Versions of the record's row, any of which must be present (`If-Match`); empty: no condition. Part of a request's content.
    pub if_match: Vec<String>,
}

/// A sorted set of attributes. Known keys are upper case, user-defined keys as sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attributes {
    pairs: BTreeMap<String, Value>,
    /// The attributes' origin in the HTTP message; no part of a request's content but for `If-Match`.
    pub sent: Sent,
}

impl Attributes {
    /// Sets a value; the last value wins. A user-defined key replaces a key that differs only in case.
    pub fn set(&mut self, key: impl Into<String>, value: Value) {
        let key = key.into();
        if let Some(other) = self.pairs.keys().find(|known| known.eq_ignore_ascii_case(&key) && **known != key).cloned()
        {
            self.pairs.remove(&other);
        }
        self.pairs.insert(key, value);
    }

    /// The value under exactly this key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.pairs.get(key)
    }

    /// The integer under this key; none: absent or text.
    pub fn int(&self, key: &str) -> Option<i64> {
        match self.pairs.get(key) {
            Some(Value::Int(number)) => Some(*number),
            _ => None,
        }
    }

    /// The text under this key; none: absent or an integer.
    pub fn str(&self, key: &str) -> Option<&str> {
        match self.pairs.get(key) {
            Some(Value::Str(text)) => Some(text),
            _ => None,
        }
    }

    /// All pairs, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.pairs.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The pairs without the prefix of protocol keys: candidates for user-defined fields.
    pub fn user(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.iter().filter(|(key, _)| !key.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("GSW_")))
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether the set has no pair.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }
}

impl IntoIterator for Attributes {
    type Item = (String, Value);
    type IntoIter = std::collections::btree_map::IntoIter<String, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.pairs.into_iter()
    }
}

impl FromIterator<(String, Value)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(pairs: I) -> Self {
        let mut attributes = Self::default();
        pairs.into_iter().for_each(|(key, value)| attributes.set(key, value));
        attributes
    }
}

impl Value {
    /// A text value.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Str(text.into())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}
