//! Requests of operators and nodes besides updates: handover, admission, pause, versions, the end of single-copy. The driver
//! answers a request once its change is committed or refused. Also how this node came to lead, for the history of the role.

use std::time::Instant;

use raft_log::Disk;
use tokio::sync::oneshot;

use super::{Driver, PeerFacts, SILENT};
use crate::{
    Machine, RaftId, Reign, TransferError,
    core::{JoinError, RaiseError},
    members,
};

/// The requested versions of formats and rules, and the way of the answer.
pub(super) type AskedRaise = (u32, u32, oneshot::Sender<Result<(), RaiseError>>);

impl<D: Disk, M: Machine> Driver<D, M> {
    pub(super) fn on_transfer(&mut self, to: RaftId, why: &str, answer: oneshot::Sender<Result<(), TransferError>>) {
        match self.core.transfer(to, why) {
            Ok(()) => self.transfer = Some(answer),
            Err(refusal) => {
                let _ = answer.send(Err(refusal));
            }
        }
    }

    /// R11 one-id-one-log: a node is admitted once the change is committed, and refused while its old id still speaks.
    pub(super) fn answer_joins(&mut self) {
        for (ask, answer) in std::mem::take(&mut self.joins) {
            if answer.is_closed() {
                continue;
            }
            let admitted = if self.is_heard(ask.number) {
                Err(JoinError::StillHeard)
            } else {
                self.core.admit(ask.number, ask.kind, ask.token)
            };
            match admitted {
                Ok(None) => self.joins.push((ask, answer)),
                Ok(Some(id)) => {
                    self.given.insert(ask.number, Instant::now());
                    let _ = answer.send(Ok(id)); // a caller that gave up asks again, under the same token
                }
                Err(refusal) => drop(answer.send(Err(refusal))),
            }
        }
    }

    pub(super) fn answer_pauses(&mut self) {
        for (paused, answer) in std::mem::take(&mut self.pauses) {
            if answer.is_closed() {
                continue;
            }
            match self.core.set_paused(paused) {
                Ok(false) => self.pauses.push((paused, answer)),
                Ok(true) => drop(answer.send(Ok(()))), // a caller that gave up can look
                Err(refusal) => drop(answer.send(Err(refusal))),
            }
        }
    }

    /// The cluster's versions are raised when the change is committed.
    pub(super) fn answer_raises(&mut self) {
        for (formats, rules_wanted, answer) in std::mem::take(&mut self.raises) {
            if answer.is_closed() {
                continue;
            }
            match self.core.raise(formats, rules_wanted) {
                Ok(false) => self.raises.push((formats, rules_wanted, answer)),
                Ok(true) => drop(answer.send(Ok(()))), // a caller that gave up can look
                Err(refusal) => drop(answer.send(Err(refusal))),
            }
        }
    }

    /// A node with a new id counts as heard before its first frame comes: a late request of an earlier process of that node would
    /// otherwise replace the new id.
    fn is_heard(&self, number: u16) -> bool {
        if self.given.get(&number).is_some_and(|given| given.elapsed() < SILENT) {
            return true;
        }
        self.peers.iter().any(|(id, seen)| members::number(*id) == number && seen.lately())
    }

    /// Whether enough voters were heard lately to decide anything without an operator.
    pub(super) fn quorum_heard(&self) -> bool {
        self.core.is_quorum(|id| id == self.config.core.id || self.peers.get(&id).is_some_and(PeerFacts::lately))
    }

    /// Tried at each tick while a caller waits: another change of the membership may be in flight first.
    pub(super) fn leave_single_copy(&mut self) {
        self.leaving_single_copy.retain(|answer| !answer.is_closed());
        if self.leaving_single_copy.is_empty() {
            return;
        }
        let result = match self.core.leave_single_copy() {
            Ok(false) => return,
            Ok(true) => Ok(()),
            Err(refusal) => Err(refusal),
        };
        for answer in self.leaving_single_copy.drain(..) {
            let _ = answer.send(result); // a caller that gave up asks again
        }
    }

    /// Notes, once a term, how this node came to serve.
    pub(super) fn note_reign(&mut self) {
        let (term, came) = self.core.reign();
        if self.core.serving() && self.reign.as_ref().is_none_or(|reign| reign.term != term) {
            let pause_ms = self.leader_seen.elapsed().as_millis() as u64;
            self.reign = Some(Reign { term, came: came.clone(), pause_ms });
        }
    }
}
