//! The proof that an operator forced a cluster: the membership in a log, not a number in a greeting.
//!
//! A node that is told of a higher epoch gives its Raft id up for good, so the log of the telling node has to show that epoch
//! first. Pure. Called by the node, for its own log and for the proof of a peer.

use ocs_proto::peer::{ConfState, EpochProofReply, SnapshotMark};
use raft_log::{Disk, LogReader};

use crate::members::{first_incarnation, incarnation};

/// The epoch of a cluster that was never forced.
const EPOCH_FIRST: u64 = 1;
/// Ids of a higher epoch would not be distinct ([`first_incarnation`]).
pub const EPOCH_MAX: u64 = u32::MAX as u64;

/// Why a claim of a higher epoch is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// The peer was admitted and has received no log yet.
    #[error("its log holds no membership yet")]
    Empty,
    /// The log does not show the epoch that its node claims.
    #[error("its log is of epoch {of_log}")]
    Lower {
        /// The epoch in its log.
        of_log: u64,
    },
    /// No operator reaches such an epoch.
    #[error("there is no epoch {0}")]
    TooHigh(u64),
    /// A forced cluster has no ids of an earlier epoch, and gives none.
    #[error("a voter of its log, {0}, has an id of an earlier epoch")]
    Voter(u64),
    /// A log belongs to one epoch alone.
    #[error("its log begins in epoch {0}")]
    Start(u64),
}

/// The epoch of a membership; none: a membership without voters has no known epoch.
pub fn epoch_of(membership: &ConfState) -> Option<u64> {
    (!membership.voters.is_empty()).then_some(membership.epoch.max(EPOCH_FIRST))
}

/// The proof that this node's log gives to a peer of a lower epoch.
pub fn shown<D: Disk>(log: &LogReader<D>) -> EpochProofReply {
    let (start, hard_state) = (log.start(), log.hard_state());
    let membership = log.conf_states().pop().map(|(_, conf)| conf).or_else(|| start.conf_state.clone());
    EpochProofReply {
        start: Some(start),
        membership,
        term: hard_state.term,
        commit: hard_state.commit,
        ..EpochProofReply::default()
    }
}

/// The epoch that a peer's log proves, above `ours`.
///
/// # Errors
/// [`Unproven`]: nothing is to be given up.
pub fn check(shown: &EpochProofReply, ours: u64) -> Result<u64, Unproven> {
    let membership = shown.membership.as_ref().ok_or(Unproven::Empty)?;
    let epoch = epoch_of(membership).ok_or(Unproven::Empty)?;
    if epoch <= ours {
        return Err(Unproven::Lower { of_log: epoch });
    }
    if epoch > EPOCH_MAX {
        return Err(Unproven::TooHigh(epoch));
    }
    let mut voters = membership.voters.iter().chain(&membership.voters_outgoing);
    if let Some(earlier) = voters.find(|id| incarnation(**id) < first_incarnation(epoch)) {
        return Err(Unproven::Voter(*earlier));
    }
    match shown.start.as_ref().and_then(|start: &SnapshotMark| epoch_of(start.conf_state.as_ref()?)) {
        Some(begun) if begun != epoch => Err(Unproven::Start(begun)),
        _ => Ok(epoch),
    }
}

#[cfg(test)]
mod tests {
    use raft_log::{HardState, Log, LogConfig, MemDisk};

    use super::*;
    use crate::{
        core::{genesis, nothing},
        members::{forced, forced_id},
    };

    fn shown_by(start: SnapshotMark) -> EpochProofReply {
        let config = LogConfig { cluster: [9; 16], node: 2, segment_bytes: 64 * 1024, prepare_ahead: false };
        let log = Log::create(MemDisk::new(), config, start, HardState { term: 7, vote: 0, commit: 20 }).unwrap();
        shown(&log.reader())
    }

    fn forced_at(epoch: u64) -> SnapshotMark {
        let before = genesis(&[1, 2, 3]).0.conf_state.unwrap();
        let conf_state = forced(&[before], &[], forced_id(2, epoch), epoch);
        SnapshotMark { index: 20, term: 7, conf_state: Some(conf_state) }
    }

    #[test]
    fn a_forced_log_proves_its_epoch_to_every_lower_one() {
        let proof = shown_by(forced_at(3));
        assert_eq!((proof.term, proof.commit), (7, 20));
        assert_eq!(check(&proof, 1), Ok(3));
        assert_eq!(check(&proof, 2), Ok(3));
        assert_eq!(check(&proof, 3), Err(Unproven::Lower { of_log: 3 }));
    }

    #[test]
    fn a_log_that_was_never_forced_or_not_fed_yet_proves_nothing() {
        assert_eq!(check(&shown_by(genesis(&[1, 2, 3]).0), 1), Err(Unproven::Lower { of_log: 1 }));
        assert_eq!(check(&shown_by(nothing().0), 1), Err(Unproven::Empty));
        assert_eq!(check(&EpochProofReply::default(), 1), Err(Unproven::Empty));
    }

    #[test]
    fn a_membership_that_no_operator_can_have_forced_proves_nothing() {
        let mut proof = shown_by(forced_at(2));
        proof.membership.as_mut().unwrap().voters = vec![forced_id(2, 2), 1];
        assert_eq!(check(&proof, 1), Err(Unproven::Voter(1)));
        let mut proof = shown_by(genesis(&[1, 2, 3]).0);
        proof.membership.as_mut().unwrap().epoch = 2;
        assert_eq!(check(&proof, 1), Err(Unproven::Voter(1)), "a number alone is not enough");
        let mut proof = shown_by(forced_at(2));
        proof.membership = forced_at(3).conf_state;
        assert_eq!(check(&proof, 1), Err(Unproven::Start(2)));
        let mut proof = shown_by(forced_at(2));
        proof.membership.as_mut().unwrap().epoch = u64::MAX;
        assert_eq!(check(&proof, 1), Err(Unproven::TooHigh(u64::MAX)));
    }
}
