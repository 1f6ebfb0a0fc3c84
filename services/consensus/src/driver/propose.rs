//! Batches queued proposals into as few entries as the limits allow, which makes the throughput
//! (architecture, The way of one request).

use std::time::Instant;

use bytes::Bytes;
use ocs_proto::peer::Commands;
use prost::Message as _;
use raft_log::Disk;

use super::{BATCH_BYTES_MAX, Driver, PeerFacts, SILENT};
use crate::{Machine, Proposal, ProposeError};

/// Proposals that wait for a write at most; more are put into the log at once, whose own limits then hold.
const GATHERED_MAX: usize = 1024;

impl<D: Disk, M: Machine> Driver<D, M> {
    /// Batches all queued proposals into as few entries as the limits allow.
    pub(super) fn propose_queued(&mut self) {
        if self.proposals.is_empty() {
            return;
        }
        if let Some(refusal) = self.refusal() {
            return self.proposals.drain(..).for_each(|proposal| refuse(proposal, refusal));
        }
        if self.gathering() {
            return;
        }
        let term = self.core.term();
        let mut batch: Vec<Proposal<M::Id, M::Reply>> = Vec::new();
        let mut bytes = 0;
        for proposal in std::mem::take(&mut self.proposals) {
            if proposal.term != term {
                refuse(proposal, ProposeError::NotPrimary);
                continue;
            }
            if bytes > 0 && bytes + proposal.command.len() > BATCH_BYTES_MAX {
                self.propose_one(std::mem::take(&mut batch));
                bytes = 0;
            }
            bytes += proposal.command.len();
            batch.push(proposal);
        }
        if !batch.is_empty() {
            self.propose_one(batch);
        }
    }

    /// Proposals that come during a write are the next batch: a batch costs a sync on every node and two messages, so few large
    /// batches do far more than many small ones. Tried again at the latest when the log reports.
    fn gathering(&self) -> bool {
        let (_, last, durable) = self.core.log_range();
        last > durable && self.proposals.len() < GATHERED_MAX
    }

    pub(super) fn refusal(&self) -> Option<ProposeError> {
        if !self.core.serving() {
            Some(ProposeError::NotPrimary)
        } else if self.no_room {
            Some(ProposeError::NoRoom)
        } else if self.log_full() || self.a_peers_log_is_full() {
            Some(ProposeError::LogFull)
        } else {
            None
        }
    }

    /// Elections and changes of the membership still go into a log that is full: they are the way out.
    pub(super) fn log_full(&self) -> bool {
        self.log_bytes >= self.config.log_bytes_max
    }

    /// Whether a peer's log is full: new entries would have to go into that log too. A silent peer holds no update up.
    fn a_peers_log_is_full(&self) -> bool {
        let full = |seen: &PeerFacts| seen.log_full && seen.heard.is_some_and(|heard| heard.elapsed() < SILENT);
        self.peers.iter().any(|(id, seen)| full(seen) && self.core.members().iter().any(|(member, _)| member == id))
    }

    pub(super) fn propose_one(&mut self, batch: Vec<Proposal<M::Id, M::Reply>>) {
        let commands: Vec<Bytes> = batch.iter().map(|proposal| proposal.command.clone()).collect();
        let data = Bytes::from(Commands { commands }.encode_to_vec());
        let count = batch.len();
        match self.core.propose(data) {
            Ok(()) => {
                self.observer.batch(count);
                let since = Instant::now();
                batch.into_iter().for_each(|proposal| self.waiters.enter(proposal.id, proposal.waiter, since));
            }
            Err(refusal) => batch.into_iter().for_each(|proposal| refuse(proposal, refusal)),
        }
    }
}

/// Tells the proposer that the command was not put into the log.
pub(super) fn refuse<I, R>(proposal: Proposal<I, R>, refusal: ProposeError) {
    let _ = proposal.waiter.send(Err(refusal)); // a client that hung up needs no answer
}
