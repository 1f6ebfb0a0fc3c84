//! The native door: answers the requests of HTTP Proxy's link and of the control API, on any data node.
//!
//! Reads ask a quorum and then the local state (R4 reads-ask-a-quorum); updates get their request id here, once, and go to the
//! primary by [`crate::forward`]. Never decides anything about a record, and never knows HTTP. Called by the link and by
//! the control API.

mod batch;
mod clocks;
mod encoded;
mod group;
mod stamp;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ocs_proto::control::{
    DoNotCallEntries, DoNotCallRequest, ExportRequest, ExportRows, HistoryEntry, ListInfo, VerifyReply,
};
use outbound::{Body, ImportBatch, Origin, RULES_WITH_SETTINGS, Refusal, RefusalCode, Reply, Request, RequestId};
use records::{PhonesRow, Settings};
use tokio::time::Instant;

pub(crate) use batch::{Answer, Awaited, heard, too_early, wall_us};
pub use batch::{DoorConfig, PrimaryDoor};
pub use clocks::{heard_ago, offset_us, walls};
pub use encoded::EncodedBody;
pub(crate) use encoded::is_whole;
pub use group::Group;
pub use stamp::{StampClock, odd_clocks};

use crate::forward::{Forward, Submission};

/// How long one round to a quorum may take before the read counts as held.
const ROUND: Duration = Duration::from_millis(200);

/// The records of a list, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListTally {
    /// Records that were counted.
    pub records: u64,
    /// Of these, records whose window is empty (from = till).
    pub never_open: u64,
    /// Of these, records that a client has taken and not given back.
    pub retrieved: u64,
    /// Of these, records that a request changed since the given moment.
    pub changed: u64,
    /// When the last record was added to the list, microseconds since 1970; 0: never, or under a rules version before 3.
    pub added_us: u64,
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

    /// How far rows are brought to the phone form of the rules, and the last handle given.
    fn phones(&self) -> (PhonesRow, u64);

    /// The reply that an import batch would get; `create`: after its list was created. Changes nothing.
    fn preview_import(&self, batch: ImportBatch, create: bool) -> Reply;

    /// The list of that name, or all lists.
    fn lists(&self, name: Option<&str>) -> Vec<ListInfo>;

    /// Counts the records of a list, a page at a time, while `go_on` returns true.
    ///
    /// # Errors
    /// There is no such list.
    fn tally(&self, list: &str, changed_since_us: u64, go_on: &dyn Fn() -> bool) -> Result<ListTally, Refusal>;

    /// Do-Not-Call entries from one state, in pieces; the first piece comes even without an entry.
    ///
    /// # Errors
    /// The requested text is no number, and has no entry.
    fn do_not_call(
        &self,
        request: &DoNotCallRequest,
    ) -> Result<Box<dyn Iterator<Item = DoNotCallEntries> + Send>, Refusal>;

    /// Changes of the role, oldest first, at most a hundred.
    fn history(&self) -> Vec<HistoryEntry>;

    /// The rows of a list from one state, in pieces; the first carries the columns.
    ///
    /// # Errors
    /// Why there is nothing to export: an unknown list or column.
    fn export(&self, request: &ExportRequest) -> Result<Box<dyn Iterator<Item = ExportRows> + Send>, Refusal>;

    /// Recomputes the digest from disk.
    ///
    /// # Errors
    /// The fault of a read.
    fn verify(&self) -> Result<VerifyReply, String>;
}

/// Gives request ids: each once, for ever (R7 unknown-is-not-failed).
#[derive(Debug)]
pub struct RequestIds {
    node: u32,
    incarnation: u64,
    token: u128,
    last: AtomicU64,
}

impl RequestIds {
    /// `incarnation` counts the starts of this node's process and never repeats, unless an older copy of the disk is put back;
    /// `token` is the start's own, random and not 0.
    pub fn new(node: u32, incarnation: u64, token: u128) -> Self {
        Self { node, incarnation, token, last: AtomicU64::new(0) }
    }

    /// An id for a group that decides by this version: an older release never sees a token.
    fn give(&self, rules_version: u32) -> RequestId {
        let counter = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let token = if rules_version < RULES_WITH_SETTINGS { 0 } else { self.token };
        RequestId { node: self.node, incarnation: self.incarnation, token, counter }
    }
}

/// The door of one data node.
pub struct OutboundApi {
    ids: RequestIds,
    forward: Arc<Forward>,
    group: Arc<dyn Group>,
    state: Arc<dyn StateReader>,
}

impl OutboundApi {
    /// Puts the door together.
    pub fn new(ids: RequestIds, forward: Arc<Forward>, group: Arc<dyn Group>, state: Arc<dyn StateReader>) -> Self {
        Self { ids, forward, group, state }
    }

    /// Marks the state here as wrong: the state serves no more, and is fetched from another data node.
    pub fn distrust(&self, reason: String) {
        self.group.distrust(reason);
    }

    /// Answers one request, on any data node, before `deadline`. Dropping the future ends the wait; an update that was handed
    /// over goes on.
    pub async fn answer(&self, body: Body, origin: Origin, deadline: Instant) -> Reply {
        match &body {
            Body::Request(request) if request.verb.reads() => self.read(request, deadline).await,
            _ => match Submission::new(self.give_id(), origin, EncodedBody::of(body), deadline) {
                Ok(submission) => self.forward.submit(&submission).await,
                Err(refused) => refused,
            },
        }
    }

    fn give_id(&self) -> RequestId {
        self.ids.give(self.state.rules_version())
    }

    /// Answers updates that came together, each before its deadline; calls `answered` with every reply and the place of its
    /// update, as soon as the reply is known.
    pub async fn answer_updates<F: Future<Output = ()> + Send>(
        &self,
        updates: Vec<(EncodedBody, Instant)>,
        origin: Origin,
        answered: impl Fn(usize, Reply) -> F + Send + Sync,
    ) {
        let (mut places, mut submissions) = (Vec::with_capacity(updates.len()), Vec::with_capacity(updates.len()));
        for (place, (body, deadline)) in updates.into_iter().enumerate() {
            match Submission::new(self.give_id(), origin, body, deadline) {
                Ok(submission) => {
                    places.push(place);
                    submissions.push(submission);
                }
                Err(refused) => answered(place, refused).await,
            }
        }
        self.forward.submit_all(&submissions, |at, reply| answered(places[at], reply)).await;
    }

    /// Answers reads, in their order. All requests are here before the quorum is asked, so one question is enough for all (R4);
    /// where the quorum does not answer, each request is held on its own.
    pub async fn answer_reads(&self, requests: &[(Request, Instant)]) -> Vec<Reply> {
        let Some(first) = requests.iter().map(|(_, deadline)| *deadline).min() else { return Vec::new() };
        if self.ask(first).await {
            return self.state.read_all(&requests.iter().map(|(request, _)| request).collect::<Vec<_>>());
        }
        let held = requests.iter().map(|(request, deadline)| async {
            let readable = self.wait_held(*deadline).await;
            self.read_if(readable, request)
        });
        futures::future::join_all(held).await
    }

    async fn read(&self, request: &Request, deadline: Instant) -> Reply {
        let readable = self.wait_until_readable(deadline).await;
        self.read_if(readable, request)
    }

    /// A read; where no quorum answered for `hold_time`, from this node's last state, marked stale
    /// (architecture, What loses what).
    fn read_if(&self, readable: Result<(), Reply>, request: &Request) -> Reply {
        match readable {
            Ok(()) => self.state.read(request),
            Err(_) if self.knows_a_state() => Reply { stale: true, ..self.state.read(request) },
            Err(refused) => refused,
        }
    }

    fn knows_a_state(&self) -> bool {
        let status = self.group.status().borrow().clone();
        status.applied > 0 && !status.fetching && !status.frozen
    }

    /// Completes when the local state has everything acknowledged before the call (R4).
    ///
    /// # Errors
    /// UNAVAILABLE: no quorum answered within `hold_time`, or too much is held.
    pub async fn wait_until_readable(&self, deadline: Instant) -> Result<(), Reply> {
        if self.ask(deadline).await { Ok(()) } else { self.wait_held(deadline).await }
    }

    /// The first question to a quorum, before the request counts as held.
    async fn ask(&self, deadline: Instant) -> bool {
        self.group.read(ROUND.min(deadline - Instant::now())).await.is_ok()
    }

    async fn wait_held(&self, deadline: Instant) -> Result<(), Reply> {
        let _held = self.forward.hold().enter(0).ok_or_else(|| unreadable("too many requests are held"))?;
        let left = self.forward.hold().time().saturating_sub(ROUND).min(deadline - Instant::now());
        self.group.read(left).await.map(|_| ()).map_err(|error| unreadable(&error.to_string()))
    }

    /// The state of this node, for callers that have waited with [`Self::wait_until_readable`].
    pub fn state(&self) -> &Arc<dyn StateReader> {
        &self.state
    }

    /// The way to the primary, for its counters and for forwarded requests.
    pub fn forward(&self) -> &Arc<Forward> {
        &self.forward
    }
}

/// The refusal of a read, which is known not to have changed anything.
fn unreadable(why: &str) -> Reply {
    Refusal::new(RefusalCode::Unavailable, format!("The record cannot be read now: {why}")).into()
}

#[cfg(test)]
pub(crate) mod tests;
