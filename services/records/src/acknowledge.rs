//! Acknowledging events: their pairs in the order of the examples of spec 6.
//!
//! Never adds GSW_RECORD_URI: only HTTP Proxy knows its own address and adds this pair. Called by the verbs.

use outbound::{Handle, Pairs, RULES_WITH_BODY_CHECKS, RULES_WITH_OFFSET_BOUND, Reply, Request, Value, key};

/// Ignored keys that an answer names (spec 8).
const IGNORED_KEYS_MAX: usize = 10;

/// The pairs of an acknowledging event, growing.
pub(crate) struct Acknowledge {
    pairs: Vec<(String, Value)>,
    reference_id: Option<Value>,
}

impl Acknowledge {
    /// Begins without pairs, for an event whose own pairs come first. The reference stands at the end of every event.
    pub(crate) fn plain(request: &Request) -> Self {
        Self { pairs: Vec::new(), reference_id: request.attributes.get(key::REFERENCE_ID).cloned() }
    }

    /// Begins with the pairs that every request may carry and gets echoed.
    pub(crate) fn to(request: &Request) -> Self {
        let echo = |key: &str| request.attributes.get(key).map(|value| (key.to_owned(), value.clone()));
        let pairs = [key::APPLICATION_ID, key::CAMPAIGN_NAME].into_iter().filter_map(echo).collect();
        Self { pairs, reference_id: request.attributes.get(key::REFERENCE_ID).cloned() }
    }

    /// Begins the pairs of a record among others, which echoes nothing.
    pub(crate) fn of_record() -> Self {
        Self { pairs: Vec::new(), reference_id: None }
    }

    /// The pairs of a record among others.
    pub(crate) fn into_pairs(self) -> Pairs {
        self.pairs
    }

    /// Adds a pair; a key already present keeps its value.
    pub(crate) fn pair(mut self, key: &str, value: impl Into<Value>) -> Self {
        if !self.pairs.iter().any(|(other, _)| other == key) {
            self.pairs.push((key.to_owned(), value.into()));
        }
        self
    }

    /// Adds a pair of text.
    pub(crate) fn text(self, key: &str, text: &str) -> Self {
        self.pair(key, Value::text(text))
    }

    /// Adds a pair if the value is present.
    pub(crate) fn maybe(self, key: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.pair(key, value),
            None => self,
        }
    }

    /// Adds list and handle, the first pairs of every acknowledgement of a record.
    pub(crate) fn record(self, list: &str, handle: Handle) -> Self {
        self.text(key::CALLING_LIST, list).pair(key::RECORD_HANDLE, int(handle.0))
    }

    /// Adds the ignored keys of the request, if any; from rules version 3 on.
    pub(crate) fn ignored(self, keys: &[String], version: u32) -> Self {
        if keys.is_empty() || version < RULES_WITH_BODY_CHECKS {
            return self;
        }
        let shown = |key: &String| match key.as_str() {
            "" if version >= RULES_WITH_OFFSET_BOUND => "\"\"".to_owned(),
            key => key.to_owned(),
        };
        let named: Vec<String> = keys.iter().take(IGNORED_KEYS_MAX).map(shown).collect();
        self.text(key::IGNORED, &named.join(","))
    }

    /// The reply.
    pub(crate) fn done(self, event: &str) -> Reply {
        Reply::done(event, self.with_reference())
    }

    /// The reply, with records.
    pub(crate) fn done_with(self, event: &str, records: Vec<Pairs>) -> Reply {
        Reply::with_records(event, self.with_reference(), records)
    }

    fn with_reference(self) -> Pairs {
        let reference_id = self.reference_id.clone();
        self.maybe(key::REFERENCE_ID, reference_id).pairs
    }
}

/// A counter of the state as a value; counters stay far below 2^63.
pub(crate) fn int(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}
