//! Acknowledging events: their pairs in the order of the examples of spec 6.
//!
//! Never adds GSW_RECORD_URI: HTTP Proxy does, since only it knows its address. Called by the verbs.

use outbound::{Handle, RULES_WITH_BODY_CHECKS, Reply, Request, Value, key};

/// Ignored keys that an answer names (spec 8).
const IGNORED_KEYS_MAX: usize = 10;

/// The pairs of an acknowledging event, growing.
pub(crate) struct Acknowledge {
    pairs: Vec<(String, Value)>,
    reference_id: Option<Value>,
}

impl Acknowledge {
    /// Begins with what every request may bring along and gets back.
    pub(crate) fn to(request: &Request) -> Self {
        let echo = |key: &str| request.attributes.get(key).map(|value| (key.to_owned(), value.clone()));
        let pairs = [key::APPLICATION_ID, key::CAMPAIGN_NAME].into_iter().filter_map(echo).collect();
        Self { pairs, reference_id: request.attributes.get(key::REFERENCE_ID).cloned() }
    }

    /// One more pair; a key that is there already keeps its value.
    pub(crate) fn pair(mut self, key: &str, value: impl Into<Value>) -> Self {
        if !self.pairs.iter().any(|(other, _)| other == key) {
            self.pairs.push((key.to_owned(), value.into()));
        }
        self
    }

    /// One more pair of text.
    pub(crate) fn text(self, key: &str, text: &str) -> Self {
        self.pair(key, Value::text(text))
    }

    /// A pair, where there is a value.
    pub(crate) fn maybe(self, key: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.pair(key, value),
            None => self,
        }
    }

    /// List and handle, as every acknowledgement of a record begins.
    pub(crate) fn record(self, list: &str, handle: Handle) -> Self {
        self.text(key::CALLING_LIST, list).pair(key::RECORD_HANDLE, int(handle.0))
    }

    /// The keys of the request that were ignored, where there are some: named from rules version 3 on.
    pub(crate) fn ignored(self, keys: &[String], version: u32) -> Self {
        if keys.is_empty() || version < RULES_WITH_BODY_CHECKS {
            return self;
        }
        let named = keys[..keys.len().min(IGNORED_KEYS_MAX)].join(",");
        self.text(key::IGNORED, &named)
    }

    /// The reply.
    pub(crate) fn done(self, event: &str) -> Reply {
        let reference_id = self.reference_id.clone();
        Reply::done(event, self.maybe(key::REFERENCE_ID, reference_id).pairs)
    }
}

/// A counter of the state as a value; counters stay far below 2^63.
pub(crate) fn int(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}
