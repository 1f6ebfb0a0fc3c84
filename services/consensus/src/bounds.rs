//! Bounds of the values in a peer's frames: heads, ids, memberships, text. Pure; [`crate::core`] has the bounds of Raft's
//! messages.
//!
//! Never decides whether a peer is believed: a value within its bounds may still be wrong. Called before a frame is looked at,
//! by the node's guard and by the driver, and by the core for marks.

use std::collections::HashSet;

use ocs_proto::peer::{ConfState, Head, SnapshotMark, VoterEvidence};

use crate::{RaftId, members};

/// Highest epoch. The incarnations of its ids fit into 32 bits ([`members::first_incarnation`]), so that an id fits into 48 and
/// every number of the stamp into the 63 bits that its file format knows.
pub const EPOCH_MAX: u64 = 0xffff;
/// Highest index and term: sums of two of them stay within 64 bits.
pub const INDEX_MAX: u64 = 1 << 62;
/// The same for terms.
pub const TERM_MAX: u64 = 1 << 62;
/// Ids that a head or a membership names at most, a list.
pub const MEMBERS_MAX: usize = 256;
/// Longest reason for a handover, bytes.
pub const REASON_BYTES_MAX: usize = 1024;
/// Messages of one frame.
pub const MESSAGES_MAX: usize = 65_536;

const INCARNATION_MAX: u64 = u32::MAX as u64;
const DIGEST_BYTES: usize = 16;
const TOKEN_BYTES: usize = 16;

/// Whether a cluster can have given an id: the id has a number, and an incarnation of an epoch within its bounds.
pub fn is_id(id: RaftId) -> bool {
    members::number(id) != 0 && members::incarnation(id) <= INCARNATION_MAX
}

/// Looks at a head's numbers and lengths.
///
/// # Errors
/// Which field is out of its bounds.
pub fn head(head: &Head) -> Result<(), &'static str> {
    let index = |value: u64| value <= INDEX_MAX;
    all(&[
        (head.epoch <= EPOCH_MAX, "an epoch that cannot be"),
        (is_id(head.from), "a sender that cannot be"),
        (head.term <= TERM_MAX, "a term that cannot be"),
        (index(head.data_durable), "a durable index that cannot be"),
        (index(head.applied), "an applied index that cannot be"),
        (index(head.digest_index), "a digest of an index that cannot be"),
        (index(head.vouched_index), "a vouched index that cannot be"),
        (head.digest.is_empty() || head.digest.len() == DIGEST_BYTES, "a digest of another length"),
        (head.members.len() <= MEMBERS_MAX, "too many members"),
        (head.members.iter().all(|id| is_id(*id)), "a member that cannot be"),
        (is_line(&head.handing_over), "a reason that is too long or no single line"),
        (index(head.last_index), "a last index that cannot be"),
        (head.start.is_empty() || head.start.len() == TOKEN_BYTES, "a start of another length"),
        (head.evidence.len() <= MEMBERS_MAX, "too much evidence"),
        (head.evidence.iter().all(is_evidence), "evidence that cannot be"),
    ])
}

fn is_evidence(known: &VoterEvidence) -> bool {
    let token = known.start.as_ref().is_none_or(|start| start.token.len() == TOKEN_BYTES);
    token && is_id(known.id) && known.term <= TERM_MAX && known.index <= INDEX_MAX
}

/// Checks a snapshot's mark: raft-rs must make the very same membership of its membership.
///
/// # Errors
/// The rule that the mark breaks.
pub fn mark(mark: &SnapshotMark) -> Result<(), &'static str> {
    let conf_state = mark.conf_state.as_ref().ok_or("a mark without a membership")?;
    all(&[
        ((1..=INDEX_MAX).contains(&mark.index), "a mark at an index that cannot be"),
        ((1..=TERM_MAX).contains(&mark.term), "a mark of a term that cannot be"),
    ])?;
    membership(conf_state)
}

/// Checks a membership by the rules that raft-rs asserts at a takeover, and by ours.
fn membership(conf: &ConfState) -> Result<(), &'static str> {
    let lists = [&conf.voters, &conf.learners, &conf.voters_outgoing, &conf.learners_next];
    let distinct = |ids: &[RaftId]| ids.iter().collect::<HashSet<_>>().len() == ids.len();
    let apart = |ids: &[RaftId], others: &[RaftId]| ids.iter().all(|id| !others.contains(id));
    let joint = !conf.voters_outgoing.is_empty();
    all(&[
        (lists.iter().all(|ids| ids.len() <= MEMBERS_MAX) && conf.members.len() <= MEMBERS_MAX, "too many members"),
        (!conf.voters.is_empty(), "a membership without voters"),
        (lists.into_iter().flatten().all(|id| is_id(*id)), "a member that cannot be"),
        (conf.members.iter().all(|member| is_id(member.id)), "a known node that cannot be"),
        (lists.iter().all(|ids| distinct(ids)), "a member twice"),
        (apart(&conf.learners, &conf.voters), "a learner that votes"),
        (apart(&conf.learners, &conf.voters_outgoing), "a learner that still votes"),
        (apart(&conf.learners_next, &conf.voters), "a next learner that votes"),
        (apart(&conf.learners_next, &conf.learners), "a next learner that learns already"),
        (conf.learners_next.iter().all(|id| conf.voters_outgoing.contains(id)), "a next learner that never voted"),
        (joint || !conf.auto_leave, "a membership that is to be left and is not joint"),
        (conf.paused_for == 0 || is_id(conf.paused_for), "a pause for a node that cannot be"),
        (conf.epoch <= EPOCH_MAX, "an epoch that cannot be"),
    ])
}

fn is_line(text: &str) -> bool {
    text.len() <= REASON_BYTES_MAX && !text.chars().any(char::is_control)
}

/// The first claim that does not hold.
pub(crate) fn all(claims: &[(bool, &'static str)]) -> Result<(), &'static str> {
    match claims.iter().find(|(holds, _)| !holds) {
        Some((_, otherwise)) => Err(otherwise),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use ocs_proto::peer::Member;

    use super::*;

    fn sane() -> Head {
        Head {
            format: 1,
            epoch: 2,
            from: members::forced_id(3, 2),
            term: 7,
            digest: vec![0; 16].into(),
            members: vec![1, 2, 3],
            handing_over: "an operator's switchover".into(),
            ..Head::default()
        }
    }

    #[test]
    fn a_head_whose_numbers_cannot_be_is_refused_field_by_field() {
        assert_eq!(head(&sane()), Ok(()));
        let changes: [fn(&mut Head); 12] = [
            |head| head.epoch = 1 << 63,
            |head| head.epoch = EPOCH_MAX + 1,
            |head| head.from = 0,
            |head| head.from = u64::MAX,
            |head| head.term = u64::MAX,
            |head| head.data_durable = u64::MAX,
            |head| head.applied = INDEX_MAX + 1,
            |head| head.digest_index = u64::MAX,
            |head| head.vouched_index = u64::MAX,
            |head| head.digest = vec![0; 15].into(),
            |head| head.members = vec![1; MEMBERS_MAX + 1],
            |head| head.handing_over = "done\nERROR all is lost".into(),
        ];
        for (at, change) in changes.iter().enumerate() {
            let mut changed = sane();
            change(&mut changed);
            assert!(head(&changed).is_err(), "change {at}");
        }
    }

    #[test]
    fn ids_of_the_highest_epoch_fit_into_what_the_stamp_can_hold() {
        let id = members::forced_id(u16::MAX, EPOCH_MAX);
        assert!(is_id(id) && id < 1 << 48);
        assert!(((members::incarnation(id) + 0xffff) << 32 | u64::from(u32::MAX)) >> 32 <= INCARNATION_MAX);
        assert!(!is_id(members::forced_id(1, EPOCH_MAX + 3)));
    }

    fn marked(change: impl FnOnce(&mut ConfState)) -> Result<(), &'static str> {
        let mut conf_state = ConfState {
            voters: vec![1, 0x1_0002, 3],
            voters_outgoing: vec![1, 2, 3],
            auto_leave: true,
            members: vec![Member { id: 0x1_0002, witness: false, token: 7 }],
            ..ConfState::default()
        };
        change(&mut conf_state);
        mark(&SnapshotMark { index: 9, term: 2, conf_state: Some(conf_state) })
    }

    #[test]
    fn a_membership_that_raft_could_not_take_over_is_refused() {
        assert_eq!(marked(|_| {}), Ok(()));
        assert!(marked(|conf| conf.voters.clear()).is_err());
        assert!(marked(|conf| conf.voters.push(1)).is_err());
        assert!(marked(|conf| conf.voters.push(0)).is_err());
        assert!(marked(|conf| conf.learners.push(3)).is_err());
        assert!(marked(|conf| conf.learners.push(2)).is_err());
        assert!(marked(|conf| conf.learners_next.push(9)).is_err());
        assert_eq!(marked(|conf| conf.learners_next.push(2)), Ok(()));
        assert!(marked(|conf| conf.voters_outgoing.clear()).is_err());
        assert!(marked(|conf| conf.epoch = 1 << 63).is_err());
        assert!(mark(&SnapshotMark { index: 9, term: 2, conf_state: None }).is_err());
        let without_place = SnapshotMark { index: 0, term: 2, conf_state: Some(ConfState::default()) };
        assert!(mark(&without_place).is_err());
    }
}
