//! Raft's Ready as a numbered list of calls, in the library's order: the room that orders persist, send, apply.

use raft::{GetEntriesContext, Storage as _, eraftpb::EntryType};
use raft_log::{Batch, Disk};

use super::{Core, Output, Pending, Write, hard_state};
use crate::Kind;

/// Writes in flight beyond which an empty write is dropped with its messages, as a network may do: a follower whose
/// disk hangs would keep its answers to every heartbeat.
const WRITES_PENDING_MAX: usize = 4096;
/// Bytes of entries that are read at a time to catch up behind a fetched state.
const HELD_BYTES_MAX: u64 = 4 * 1024 * 1024;

impl<D: Disk> Core<D> {
    /// Everything to be done since the last call: Raft's Ready, step by step in the library's order.
    pub fn output(&mut self) -> Output {
        let mut output = Output::default();
        self.settle_pause();
        self.open_reign_if_due();
        self.begin_round(); // here and not at the first question: questions that came with it join the round
        while self.raw.has_ready() {
            self.one_ready(&mut output);
        }
        self.apply_held(&mut output);
        self.record_changes(&mut output);
        self.settle_transfer();
        self.take_start_messages(&mut output);
        output.answers = std::mem::take(&mut self.answers);
        output.fetch = self.fetch.take();
        output.transfer = self.transfer_result.take();
        let leads = (self.leads(), self.term());
        let led = std::mem::replace(&mut self.led, leads);
        output.overtaken = led.0 && led != leads;
        output
    }

    pub(super) fn one_ready(&mut self, output: &mut Output) {
        // 1. The changes since the last Ready.
        let mut ready = self.raw.ready();
        // 2. A leader's messages leave at once, beside its own write, once its term is durable.
        let sent: Vec<_> = ready.take_messages().into_iter().filter_map(crate::eraft::message_to_wire).collect();
        let (at_once, with_term) = if self.term_is_durable(ready.number()) { (sent, vec![]) } else { (vec![], sent) };
        output.messages.extend(at_once);
        // 3. A snapshot: the log restarts at its mark.
        let mut batch = Batch::default();
        if !ready.snapshot().is_empty() {
            let mark = crate::eraft::mark_of(ready.snapshot());
            self.raw.mut_store().reset(mark.clone());
            self.handed = mark.index;
            self.held_from = None; // the state stands at this mark
            batch.reset = Some(mark);
        }
        // 4. Entries: readable from memory before they are durable.
        let entries = ready.take_entries();
        self.raw.mut_store().append(&entries);
        batch.entries = entries.iter().map(crate::eraft::entry_to_wire).collect();
        // 5. Term, vote and commit go along whenever something is written.
        #[cfg(mutant)]
        let kept = !crate::mutant::on(crate::mutant::Mutant::VoteNotKept);
        #[cfg(not(mutant))]
        let kept = true;
        if (ready.must_sync() && kept) || !batch.entries.is_empty() {
            batch.hard_state = Some(hard_state(&self.raw.raft.hard_state()));
        }
        // 6. Promises to peers leave only when all this is durable.
        let promises = ready.take_persisted_messages().into_iter().filter_map(crate::eraft::message_to_wire);
        let then: Vec<_> = with_term.into_iter().chain(promises).collect();
        // 7. Raft goes on; the disk reports later.
        let number = ready.number();
        #[cfg(mutant)]
        let then = match crate::mutant::on(crate::mutant::Mutant::AcknowledgeBeforeSync) {
            true => {
                output.messages.extend::<Vec<_>>(then);
                Vec::new()
            }
            false => then,
        };
        let last = entries.last().map(|entry| (entry.index, entry.term));
        let committed = ready.take_committed_entries();
        self.raw.advance_append_async(ready);
        self.write(Write { number, batch, then, evidence: None }, last, output);
        // 8. Entries that are committed, and durable here, are to be applied.
        self.hand_over(committed, output);
    }

    /// Whether the term stands on the disk. A candidate writes the term before its requests for votes leave. The only voter
    /// elects itself in the call that raises the term, and after a crash before that write the same term would be opened a second
    /// time, with learners that hold entries of the first.
    fn term_is_durable(&mut self, number: u64) -> bool {
        let term = self.term();
        if self.term_written.0 != term {
            self.term_written = (term, number);
        }
        let raised_in = self.term_written.1;
        raised_in < number && self.pending.front().is_none_or(|pending| pending.number > raised_in)
    }

    pub(super) fn write(&mut self, write: Write, last: Option<(u64, u64)>, output: &mut Output) {
        self.written = write.number;
        if write.is_empty() && self.pending.is_empty() {
            output.messages.extend(write.then);
            self.raw.on_persist_ready(write.number);
            return;
        }
        if write.is_empty() && self.pending.len() >= WRITES_PENDING_MAX {
            return; // the next write's report covers this number
        }
        self.pending.push_back(Pending { number: write.number, last });
        let write = self.with_evidence(write);
        output.writes.push(write);
    }

    pub(super) fn hand_over(&mut self, committed: Vec<raft::eraftpb::Entry>, output: &mut Output) {
        let changes = committed.iter().filter(|entry| entry.get_entry_type() == EntryType::EntryConfChangeV2);
        changes.for_each(|change| self.apply_change(change));
        committed.iter().for_each(|entry| self.note_reign_of(entry));
        self.handed = committed.last().map_or(self.handed, |entry| entry.index);
        let reached = match self.config.kind() {
            Kind::Data => {
                if self.held_from.is_none() {
                    output.apply.extend(committed.iter().map(crate::eraft::entry_to_wire));
                }
                self.applied // a fetched state may be ahead of the entries handed over until now
            }
            Kind::Witness => self.handed, // the witness applies nothing, but Raft must see an advance (architecture, raft-rs)
        };
        self.on_applied(reached);
    }

    /// Applies the entries committed above an installed state, from the log, a piece at a time.
    fn apply_held(&mut self, output: &mut Output) {
        let Some(next) = self.held_from.filter(|_| !self.fetching) else { return };
        if next > self.handed {
            self.held_from = None; // the apply thread skips entries that the state holds already
            return;
        }
        let context = GetEntriesContext::empty(false);
        let entries = self.raw.store().entries(next, self.handed + 1, HELD_BYTES_MAX, context);
        let entries = entries.expect("entries that are not applied yet are in the log");
        self.held_from = entries.last().map(|entry| entry.index + 1).filter(|next| *next <= self.handed);
        output.apply.extend(entries.iter().map(crate::eraft::entry_to_wire));
    }
}
