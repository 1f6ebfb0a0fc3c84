//! ReadIndex rounds in Raft: their beginning, the voters asked, the questions settled.
//!
//! The other data node and the leader are a quorum: while that node answers first, the leader does not ask the witness, which
//! saves a frame and its answer a round. Never asks fewer than a quorum. Called by `core`.

use raft::eraftpb::{Message, MessageType};
use raft_log::Disk;

use super::Core;
use crate::{Confirmed, Kind, RaftId};

/// Whether rounds leave the witness out.
#[derive(Debug, Default)]
pub(super) struct Spared {
    /// The other data node settled the last round.
    witness: bool,
    /// A round was settled since the last tick, or no round waited then.
    moved: bool,
}

impl<D: Disk> Core<D> {
    /// Begins a round with all waiting questions, unless a round is in flight.
    pub(super) fn begin_round(&mut self) {
        if self.rounds.due() {
            let context = self.rounds.begin();
            self.ask_quorum(&context);
        }
    }

    /// Repeats the round in flight, and asks every voter.
    pub(super) fn ask_again(&mut self) {
        self.spared.witness = false;
        let context = self.rounds.again();
        self.ask_quorum(&context);
    }

    fn ask_quorum(&mut self, context: &[u8]) {
        self.raw.read_index(context.to_vec());
        self.spare_witness(context);
        self.collect_answers();
    }

    /// Passes a peer's message to Raft, and follows its effect on rounds, this node's and those of followers.
    pub(super) fn step_round(&mut self, message: Message) -> Result<(), raft::Error> {
        let asked = message.get_msg_type() == MessageType::MsgReadIndex;
        let context = if asked { message.entries.first().map(|entry| entry.data.clone()) } else { None };
        let (from, before) = (message.from, self.raw.raft.pending_read_count());
        let stepped = self.raw.step(message);
        if let Some(context) = context {
            self.spare_witness(&context);
        }
        if self.leads() && self.raw.raft.pending_read_count() < before {
            self.spared = Spared { witness: self.is_quorum_with(from), moved: true };
        }
        stepped
    }

    /// Takes settled rounds at once, so that the term told is the one in which the quorum answered.
    pub(super) fn collect_answers(&mut self) {
        for state in std::mem::take(&mut self.raw.raft.read_states) {
            let confirmed = Confirmed { index: state.index, term: self.term(), leader: self.leader() };
            let settled = self.rounds.answered(&state.request_ctx);
            self.answers.extend(settled.into_iter().map(|question| (question, confirmed)));
        }
    }

    /// A round without an answer for a whole tick asks every voter: the data node is slow, or gone.
    pub(super) fn tick_round(&mut self) {
        let waits = self.raw.raft.pending_read_count() > 0;
        if waits && !self.spared.moved {
            self.ask_everybody();
        }
        self.spared.moved = !waits;
        if self.rounds.tick(self.config.heartbeat_ticks as u32) {
            self.ask_again();
        }
    }

    /// Repeats the round in flight with the witness, unless the round has asked the witness already.
    pub(super) fn ask_everybody(&mut self) {
        let spared = std::mem::take(&mut self.spared.witness);
        if spared && self.rounds.under_way() {
            self.ask_again();
        }
    }

    /// Takes back the question that Raft has just put for the witness.
    fn spare_witness(&mut self, context: &[u8]) {
        if !self.spared.witness || !self.leads() {
            return;
        }
        let asks =
            |message: &Message| message.get_msg_type() == MessageType::MsgHeartbeat && message.context == context;
        let mut messages = std::mem::take(&mut self.raw.raft.msgs);
        messages.retain(|message| !(asks(message) && self.kind_of(message.to) == Kind::Witness));
        self.raw.raft.msgs = messages;
    }

    /// Whether this leader and a data node are enough: as in two data nodes and a witness.
    fn is_quorum_with(&self, peer: RaftId) -> bool {
        let conf = self.raw.store().conf_state();
        let three = conf.voters.len() == 3 && conf.voters_outgoing.is_empty();
        three && self.is_voter(peer) && self.kind_of(peer) == Kind::Data
    }
}
