//! The machine behind the log: takes entries, decides them by `records` on the state in `store`, gives replies, and counts and
//! logs events.
//!
//! Lives on the apply thread, the only thread that writes the state. Never contains rules, and knows nothing of the callers.
//! Called by `consensus`; put together by `run`, which gives every other part a [`RecordsReader`].

mod access;
mod audit;
mod declared;
mod do_not_call;
mod entry;
mod export;
mod group_rules;
mod judge;
mod lists;
mod outbox;
mod preview;
mod reader;
mod records_page;
mod tally;
mod told;
mod transfer;

use std::path::Path;

use consensus::{ApplyBatch, FetchedState, Machine, MachineError};
use ocs_proto::peer::{ConfState, Entry, SnapshotMark};
use outbound::{Body, Reply, RequestId};
use prost::Message;
use records::{Changes, Event, Overlay, Rules, decide_on};
use store::{AppliedMark, DIGEST_INTERVAL, IndexRebuild, Store, StoreConfig, StoreError};

use access::Tokens;
use group_rules::GroupRules;
pub use group_rules::UnknownRules;
pub use judge::{Finding, found, judge, replay, rows};
pub use reader::RecordsReader;
use told::Told;
pub use transfer::{StateOut, take_in};

use crate::traced;

/// Bytes of entries that one batch of the store may hold, as many as an entry: an import puts ten thousand records into them, half a
/// second of work, after which the apply thread shows that it makes progress.
const BATCH_BYTES_MAX: usize = 256 << 10;

/// Replies are given in groups of this size while the rest of a batch is still being decided: their clients go on meanwhile.
const ANSWERED_TOGETHER: usize = 16;

/// Called on the apply thread with each failed write of the state, before the machine returns it. May block: no entry is applied
/// afterwards.
pub type OnFault = Box<dyn FnMut(&StoreError) + Send>;

/// The state of calling lists, changed only by the log.
pub struct RecordsMachine {
    store: Store,
    rules: Rules,
    group_rules: GroupRules,
    tokens: Tokens,
    told: Told,
    on_fault: OnFault,
}

impl RecordsMachine {
    /// Opens the state in `dir`, or an empty one. `rules` decide until the state has settings, and must be the same on every node.
    ///
    /// # Errors
    /// A store that does not open; [`StoreError::may_be_set_aside`] says what to do.
    pub fn open(dir: &Path, config: StoreConfig, rules: Rules) -> Result<Self, StoreError> {
        Self::open_telling(dir, config, rules, &mut |_| {})
    }

    /// As [`RecordsMachine::open`]; `tell` gets the progress of a rebuild of the indexes ([`Store::open_telling`]).
    ///
    /// # Errors
    /// As [`RecordsMachine::open`].
    pub fn open_telling(
        dir: &Path,
        config: StoreConfig,
        rules: Rules,
        tell: &mut dyn FnMut(IndexRebuild),
    ) -> Result<Self, StoreError> {
        let store = Store::open_telling(dir, config, tell)?;
        let group_rules = GroupRules::new(store.settings());
        let tokens = Tokens::of(&store.reader().snapshot());
        Ok(Self { store, rules, group_rules, tokens, told: Told::new(), on_fault: Box::new(|_| {}) })
    }

    /// Sets the function that is called with failed writes.
    pub fn on_fault(&mut self, on_fault: OnFault) {
        self.on_fault = on_fault;
    }

    /// Whether this release knows the rules by which the group decides.
    ///
    /// # Errors
    /// The release does not know the rules: the node must not start.
    pub fn check_rules(&self) -> Result<(), UnknownRules> {
        group_rules::check(self.store.settings())
    }

    /// The state for every other thread.
    pub fn reader(&self) -> RecordsReader {
        RecordsReader::new(self.store.reader(), self.group_rules.clone(), self.tokens.clone(), self.told.counts())
    }

    /// Decides some entries in order, answers, and writes them as one batch.
    fn apply_together(
        &mut self,
        entries: &[Entry],
        conf_state: &[u8],
        answer: &mut dyn FnMut(Replies),
    ) -> Result<(), MachineError> {
        let Some(last) = entries.last() else { return Ok(()) };
        let decided = self.decide_together(entries, answer)?;
        let (changes, events) = self.heard(decided)?;
        let mark = AppliedMark { index: last.index, term: last.term, conf_state: conf_state.to_vec() };
        let written = self.store.write(&changes, &mark);
        self.heard(written)?;
        self.group_rules.show(self.store.settings());
        events.iter().for_each(|event| self.told.take(event));
        Ok(())
    }

    /// Decides some entries in order and answers: the changes and the events of all. The inner error is a fault below the view:
    /// every read since then answered none, so neither a reply nor a change of the run may be used.
    fn decide_together(
        &self,
        entries: &[Entry],
        answer: &mut dyn FnMut(Replies),
    ) -> Result<Result<(Changes, Vec<Event>), StoreError>, MachineError> {
        let view = self.store.view();
        let mut overlay = Overlay::new(&view);
        let (mut replies, mut events, mut counts) = (Vec::new(), Vec::new(), self.told.begin_run());
        let mut give = |replies: Replies| view.check().map(|()| answer(replies));
        for entry in entries {
            for command in entry::commands(entry)? {
                counts.take(command.origin, command.stamp_us);
                let span = traced::applying(&command.id);
                let reply = decide_on(&command, &mut overlay, &self.rules, &mut events);
                if let Some(span) = span {
                    span.end(Vec::new(), false);
                }
                if matches!(command.body, Body::CreateToken(_) | Body::RevokeToken(_)) {
                    self.tokens.show(&overlay); // before the reply: a token that is taken back counts no longer
                }
                replies.push((command.id, reply));
                if replies.len() == ANSWERED_TOGETHER
                    && let Err(fault) = give(std::mem::take(&mut replies))
                {
                    return Ok(Err(fault));
                }
            }
        }
        self.told.add_run(&counts);
        Ok(give(replies).map(|()| (overlay.into_changes(), events)))
    }

    fn heard<T>(&mut self, done: Result<T, StoreError>) -> Result<T, MachineError> {
        done.map_err(|error| {
            (self.on_fault)(&error);
            MachineError::Store(error.to_string())
        })
    }
}

type Replies = Vec<(RequestId, Reply)>;

impl Machine for RecordsMachine {
    type Id = RequestId;
    type Reply = Reply;

    fn applied(&self) -> SnapshotMark {
        snapshot_mark(self.store.applied())
    }

    fn apply(&mut self, batch: &ApplyBatch<'_>, answer: &mut dyn FnMut(Replies)) -> Result<(), MachineError> {
        together(batch.entries).try_for_each(|entries| self.apply_together(entries, batch.conf_state, answer))
    }

    fn persist(&mut self) -> Result<u64, MachineError> {
        let persisted = self.store.persist();
        self.heard(persisted)
    }

    fn digest(&self) -> Option<(u64, u128)> {
        self.store.newest_digest()
    }

    fn digest_at(&self, index: u64) -> Option<u128> {
        self.store.digest_at(index)
    }

    fn doubted(&self) -> bool {
        self.store.doubted()
    }

    fn doubt(&mut self, doubted: bool) -> Result<(), MachineError> {
        let marked = self.store.doubt(doubted);
        self.heard(marked)
    }

    fn install(&mut self, source: FetchedState) -> Result<SnapshotMark, MachineError> {
        let installed = self.store.install(&source.directory).map(snapshot_mark);
        let installed = self.heard(installed)?;
        let stop = |unknown: UnknownRules| MachineError::Entry { index: installed.index, reason: unknown.to_string() };
        self.check_rules().map_err(stop)?;
        self.group_rules.show(self.store.settings());
        self.tokens.show(&self.store.reader().snapshot());
        Ok(SnapshotMark { conf_state: installed.conf_state.or(source.mark.conf_state), ..installed })
    }
}

/// The entries in runs of one batch each: at most [`BATCH_BYTES_MAX`] unless one entry is larger, and no run across an index
/// whose digest is kept.
fn together(entries: &[Entry]) -> impl Iterator<Item = &[Entry]> {
    let mut rest = entries;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let full = |entry: &Entry| {
            bytes += entry.data.len();
            bytes >= BATCH_BYTES_MAX || entry.index.is_multiple_of(DIGEST_INTERVAL)
        };
        let length = rest.iter().position(full).map_or(rest.len(), |at| at + 1);
        let (run, behind) = rest.split_at(length);
        rest = behind;
        (!run.is_empty()).then_some(run)
    })
}

/// A mark without a membership stays without one: consensus then takes the membership with which its log began.
fn snapshot_mark(applied: &AppliedMark) -> SnapshotMark {
    let decode = |bytes: &[u8]| ConfState::decode(bytes).ok().filter(|_| !bytes.is_empty());
    SnapshotMark { index: applied.index, term: applied.term, conf_state: decode(&applied.conf_state) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(indexes: &[(u64, usize)]) -> Vec<Vec<u64>> {
        let entry =
            |(index, bytes): &(u64, usize)| Entry { index: *index, data: vec![0; *bytes].into(), ..Entry::default() };
        let entries: Vec<Entry> = indexes.iter().map(entry).collect();
        together(&entries).map(|run| run.iter().map(|entry| entry.index).collect()).collect()
    }

    #[test]
    fn a_batch_ends_where_a_digest_is_kept_and_where_it_is_full() {
        assert_eq!(runs(&[]), Vec::<Vec<u64>>::new());
        assert_eq!(runs(&[(1022, 1), (1023, 0), (1024, 1), (1025, 1)]), [vec![1022, 1023, 1024], vec![1025]]);
        assert_eq!(runs(&[(1, BATCH_BYTES_MAX - 1), (2, 1), (3, 1)]), [vec![1, 2], vec![3]]);
        assert_eq!(runs(&[(1, BATCH_BYTES_MAX * 2), (2, 0)]), [vec![1], vec![2]]);
    }
}
