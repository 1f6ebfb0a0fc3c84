//! Entries that the witness need not have at once: gathered for a moment, and sent as one frame.
//!
//! While the other data node answers, an update is durable on two disks without the witness, and each frame to the witness costs
//! a write, a sync and an answer. Only entries wait; any other frame to the witness takes them along. Called by `tell`.

use std::time::{Duration, Instant};

use ocs_proto::peer::RaftMessage;
use raft_log::Disk;

use super::Driver;
use crate::{Kind, Machine, eraft};

/// How long entries wait at most.
const WAIT: Duration = Duration::from_millis(5);
/// Bytes of entries that are not held any longer.
const BYTES_MAX: usize = 256 * 1024;

/// Messages that wait for the witness.
#[derive(Debug, Default)]
pub(super) struct Held {
    messages: Vec<RaftMessage>,
    bytes: usize,
    since: Option<Instant>,
}

impl Held {
    /// When the messages must leave; none: no message waits.
    pub(super) fn due(&self) -> Option<Instant> {
        self.since.map(|since| if self.bytes > BYTES_MAX { since } else { since + WAIT })
    }

    fn push(&mut self, message: RaftMessage) {
        self.bytes += message.entries.iter().map(|entry| entry.data.len()).sum::<usize>();
        self.since.get_or_insert_with(Instant::now);
        self.messages.push(message);
    }
}

impl<D: Disk, M: Machine> Driver<D, M> {
    /// Returns the message, or holds a message that may wait.
    pub(super) fn unless_held(&mut self, message: RaftMessage) -> Option<RaftMessage> {
        if self.may_wait(&message) {
            self.held.push(message);
            return None;
        }
        Some(message)
    }

    fn may_wait(&self, message: &RaftMessage) -> bool {
        let witness = |id| self.core.kind_of(id) == Kind::Witness;
        eraft::has_entries(message)
            && witness(message.to)
            && self.peers.iter().any(|(id, seen)| {
                let answers = seen.lately() && !seen.lost && !self.core.hangs(*id);
                answers && self.core.is_voter(*id) && !witness(*id)
            })
    }

    /// The held messages for a peer that is about to get another frame.
    pub(super) fn held_for(&mut self, to: u64) -> Vec<RaftMessage> {
        match self.held.messages.first() {
            Some(first) if first.to == to => std::mem::take(&mut self.held).messages,
            _ => Vec::new(),
        }
    }

    /// Sends the held messages that are due.
    pub(super) fn release_held(&mut self, now: Instant) {
        if self.held.due().is_some_and(|due| due <= now) {
            let held = std::mem::take(&mut self.held).messages;
            self.transmit(held[0].to, held);
        }
    }
}

#[cfg(test)]
mod tests {
    use ocs_proto::peer::Entry;

    use super::*;

    fn message(bytes: usize) -> RaftMessage {
        let entry = Entry { data: vec![1; bytes].into(), ..Entry::default() };
        RaftMessage { to: 3, entries: vec![entry], ..RaftMessage::default() }
    }

    #[test]
    fn what_came_first_says_when_all_of_it_goes_and_much_goes_at_once() {
        let mut held = Held::default();
        assert_eq!(held.due(), None);
        held.push(message(1));
        let due = held.due().unwrap();
        held.push(message(1));
        assert_eq!(held.due(), Some(due), "it waits no longer because more came");
        held.push(message(BYTES_MAX));
        assert_eq!(held.due(), Some(due - WAIT));
    }
}
