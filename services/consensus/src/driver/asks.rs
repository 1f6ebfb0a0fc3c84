//! What operators and nodes ask of the group beside updates: handing over, taking in, pausing; each is answered when it is
//! committed or refused. And how this node came to lead, for who keeps the history.

use std::time::Instant;

use tokio::sync::oneshot;

use super::{Driver, SILENT, Seen};
use crate::{
    Machine, RaftId, Reign, TransferError,
    core::{JoinError, RaiseError},
    log::Disk,
    members,
};

/// Versions of formats and rules that are asked for, and the way of the answer.
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

    /// R11 one-id-one-log: taken in when the change is committed; refused while the node's old id still speaks.
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
                    let _ = answer.send(Ok(id)); // who gave up asks again, under the same token
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
                Ok(true) => drop(answer.send(Ok(()))), // who gave up can look
                Err(refusal) => drop(answer.send(Err(refusal))),
            }
        }
    }

    /// The group's versions are raised when the change is committed.
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

    /// Who was just given an id counts as heard before its first frame comes: what an earlier process of that node had asked may
    /// come late, and would replace it.
    fn is_heard(&self, number: u16) -> bool {
        if self.given.get(&number).is_some_and(|given| given.elapsed() < SILENT) {
            return true;
        }
        self.peers.iter().any(|(id, seen)| members::number(*id) == number && seen.lately())
    }

    /// Whether enough voters were heard lately to decide anything without an operator.
    pub(super) fn quorum_heard(&self) -> bool {
        self.core.is_quorum(|id| id == self.config.core.id || self.peers.get(&id).is_some_and(Seen::lately))
    }

    /// Tried at each tick while somebody waits: the membership may be changing for another reason first.
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
            let _ = answer.send(result); // who gave up asks again
        }
    }

    /// This node serves: how it came to that, once a term.
    pub(super) fn note_reign(&mut self) {
        let (term, came) = self.core.reign();
        if self.core.serving() && self.reign.as_ref().is_none_or(|reign| reign.term != term) {
            let pause_ms = self.leader_seen.elapsed().as_millis() as u64;
            self.reign = Some(Reign { term, came: came.clone(), pause_ms });
        }
    }
}
