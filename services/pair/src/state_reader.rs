//! The state of a node as the control API and the duties of the primary read it.
//!
//! Never writes. Implemented by the machine's reader, and by the tests' reader.

use std::{sync::Arc, time::Duration};

use outbound::{Answer, Answers, DoNotCallBatch, HistoryEntry, ImportBatch, ListInfo, Query, Refusal, Reply, Request};
use records::{BringUpRow, PhonesRow, Reach, ScheduledSwitchoverRow, Settings};

use crate::ApiTokens;

/// The records of a list, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListTally {
    /// Records that were counted.
    pub records: u64,
    /// Of these, records whose window is empty (from = till).
    pub never_open: u64,
    /// Of these, records behind the first hundred of their chain, which take no part in dialling.
    pub beyond_chain: u64,
    /// Of these, records that a client has taken and not given back.
    pub retrieved: u64,
    /// Of these, records that a request changed since the given moment.
    pub changed: u64,
    /// When the last record was added to the list, microseconds since 1970; 0: never, or under a rules version before 3.
    pub added_us: u64,
}

/// Counts of previews, in the entries that a process has applied.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PreviewCounts {
    /// Records handed out, by DBID of the campaign group and class.
    pub handed_out: std::collections::BTreeMap<(u32, records::HandOutClass), u64>,
    /// Answers without a record, by DBID of the campaign group.
    pub empty: std::collections::BTreeMap<u32, u64>,
    /// Records that were met on Do-Not-Call, and became NoCall.
    pub met_on_do_not_call: u64,
    /// Records that were met and that a contact limit held back.
    pub held_back: u64,
}

/// Counts of records that changed by themselves, in the entries that a process has applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DueCounts {
    /// Held records that went back, since no request came on them for `retrieved_timeout`.
    pub returned: u64,
    /// Personal callbacks that their agents did not fetch within `personal_callback_grace`.
    pub overdue: u64,
    /// Callbacks that were not handed out within `callback_expiry`.
    pub missed: u64,
}

/// The state of this node, checked against the rows on disk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StateCheck {
    /// Index of the state.
    pub index: u64,
    /// The digest as kept along the way.
    pub recorded: u128,
    /// The digest as recomputed from the rows.
    pub recomputed: u128,
    /// Number of the rows.
    pub rows: u64,
    /// The digests that this node has kept, with their indexes.
    pub kept: Vec<(u64, u128)>,
}

impl StateCheck {
    /// Whether the rows on disk are those that were written.
    pub fn equal(&self) -> bool {
        self.recorded == self.recomputed
    }
}

/// The state of this node, read at one index. Every method reads one consistent state.
pub trait StateReader: Send + Sync + 'static {
    /// Answers a request whose verb only reads.
    fn read(&self, request: &Request) -> Reply;

    /// Answers several such requests, in their order.
    fn read_all(&self, requests: &[&Request]) -> Vec<Reply>;

    /// As the read of a record by its handle, by list and record_id.
    fn read_by_id(&self, list: &str, record_id: u64) -> Reply;

    /// Stamp of the last command applied, microseconds since 1970; 0: none.
    fn last_stamp_us(&self) -> u64;

    /// Number of records in all lists.
    fn records(&self) -> u64;

    /// The rules version by which the group decides, as of the commands applied here. Called for every request: no lookup.
    fn rules_version(&self) -> u32;

    /// The options of the rules; none: rules version 1, and every node's own file.
    fn settings(&self) -> Option<Arc<Settings>>;

    /// The API tokens. A token whose revocation this node has decided is not among them. Called for every request over HTTP: no lookup.
    fn api_tokens(&self) -> Arc<ApiTokens>;

    /// The lists that a request reaches.
    fn reach(&self, request: &Request) -> Reach;

    /// The name of a list; `#` and its DBID when the list is gone.
    fn list_name(&self, dbid: u32) -> String;

    /// Keys of requests that map to no field and were ignored (spec 4), in the entries that this process has applied.
    fn ignored_keys(&self) -> u64;

    /// Updates by clients of HTTP, in the entries that this process has applied.
    fn client_updates(&self) -> u64;

    /// The time that passed by the stamps of the commands in the entries that this process has applied. A gap counts as a second at most:
    /// the time runs with the clock under updates, stands still without commands, and outruns the clock while this node catches up.
    fn stamped_time(&self) -> Duration;

    /// Counts of previews, in the entries that this process has applied.
    fn preview_counts(&self) -> PreviewCounts;

    /// Counts of records that changed by themselves, in the entries that this process has applied.
    fn due_counts(&self) -> DueCounts;

    /// How far rows are brought to the phone form of the rules, and the last handle given.
    fn phones(&self) -> (PhonesRow, u64);

    /// Whether a Due command stamped at this moment, microseconds since 1970, has anything to do. Called ten times a second: no scan.
    fn is_due(&self, now_us: u64) -> bool;

    /// How far records are brought up to the rules of campaigns, and the last handle given.
    fn bring_up(&self) -> (BringUpRow, u64);

    /// The scheduled switchover; none: nothing is scheduled.
    fn scheduled_switchover(&self) -> Option<ScheduledSwitchoverRow>;

    /// The reply that an import batch would get; `create`: after its list was created. Changes nothing.
    fn preview_import(&self, batch: ImportBatch, create: bool) -> Reply;

    /// The reply that a batch of Do-Not-Call entries would get. Changes nothing.
    fn preview_do_not_call(&self, batch: DoNotCallBatch) -> Reply;

    /// Counts the records of a list, a page at a time, while `go_on` returns true.
    ///
    /// # Errors
    /// There is no such list.
    fn tally(&self, list: &str, changed_since_us: u64, go_on: &dyn Fn() -> bool) -> Result<ListTally, Refusal>;

    /// Answers a question from one state.
    ///
    /// # Errors
    /// Why there is no answer: an unknown list or column, a text that is no number.
    fn query(&self, query: Query) -> Result<Answers, Refusal>;

    /// The list of that name, or all lists.
    fn lists(&self, name: Option<&str>) -> Vec<ListInfo> {
        let answers = self.query(Query::Lists { name: name.map(str::to_owned), after: None });
        let lists = |answer| match answer {
            Answer::Lists(page) => page.rows,
            _ => Vec::new(),
        };
        answers.into_iter().flatten().flat_map(lists).collect()
    }

    /// Changes of the role, oldest first, at most a hundred.
    fn history(&self) -> Vec<HistoryEntry> {
        let changes = |answer| match answer {
            Answer::History(changes) => changes,
            _ => Vec::new(),
        };
        self.query(Query::History).into_iter().flatten().flat_map(changes).collect()
    }

    /// Recomputes the digest from disk.
    ///
    /// # Errors
    /// The fault of a read.
    fn verify(&self) -> Result<StateCheck, String>;
}
