//! The members of a cluster: ids, numbers, incarnations, kinds; and changes of the membership in eraftpb's wire form
//! (R11 one-id-one-log; architecture, raft-rs).
//!
//! A Raft id is a node's number (low 16 bits) and its incarnation. The membership itself holds the newest id that a number ever
//! had, so that this id is replicated and kept with the membership. Pure. Called by `core`, `storage`.

use bytes::Bytes;
use ocs_proto::peer::{
    ChangeContext, ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2, ConfState, Member,
};
use prost::Message;
use raft::eraftpb;

use crate::{Kind, RaftId};

/// A node's number in the configuration, from 1: the same for all its ids.
pub const fn number(id: RaftId) -> u16 {
    (id & 0xffff) as u16
}

/// The incarnation of an id: grows with each new id of its node.
pub const fn incarnation(id: RaftId) -> u64 {
    id >> 16
}

/// The first incarnation of an epoch's ids, so that no id of one epoch is ever given in another: a node that was forced does not
/// know which ids the lost nodes gave.
pub const fn first_incarnation(epoch: u64) -> u64 {
    epoch.saturating_sub(1) << 16
}

/// The id under which a node is forced to lead alone in an epoch.
pub const fn forced_id(number: u16, epoch: u64) -> RaftId {
    number as u64 | first_incarnation(epoch) << 16
}

/// How the epochs of two nodes stand to each other; a node of a version that does not say its own is in the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Epochs {
    /// The nodes may speak.
    Same,
    /// An operator has forced this node's cluster since: the other node is told, and gives its Raft id up.
    TheirsOver,
    /// An operator forced another node: this node gives its Raft id up and joins again.
    OursOver,
}

/// Nothing is exchanged across epochs (R11).
pub fn epochs(ours: u64, theirs: u64) -> Epochs {
    #[cfg(mutant)]
    let theirs = crate::mutant::instead(crate::mutant::Mutant::LowerEpochHeard, theirs, theirs.max(ours));
    if theirs < ours {
        Epochs::TheirsOver
    } else if theirs > ours {
        Epochs::OursOver
    } else {
        Epochs::Same
    }
}

/// Ids that are in a membership: voters, learners, and leaving voters.
pub fn ids(conf: &ConfState) -> Vec<RaftId> {
    let mut ids: Vec<RaftId> = [&conf.voters, &conf.voters_outgoing, &conf.learners, &conf.learners_next]
        .into_iter()
        .flatten()
        .copied()
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// The newest id that a node ever had, as far as this membership knows; none: never a member.
pub fn newest(conf: &ConfState, number_of: u16) -> Option<RaftId> {
    let known = conf.members.iter().map(|member| member.id);
    known.chain(ids(conf)).filter(|id| number(*id) == number_of).max()
}

/// Whether an id is replaced for good: a membership that a primary tells lacks the id, and has a newer id of the same node. A
/// primary that does not know the id yet tells no newer id.
pub fn replaced(id: RaftId, told: &[RaftId]) -> bool {
    !told.contains(&id) && told.iter().any(|other| number(*other) == number(id) && *other > id)
}

/// The kind of the node with this id: as of its admission, else as configured under its number.
pub(crate) fn kind_of(conf: &ConfState, configured: &[(RaftId, Kind)], id: RaftId) -> Kind {
    let taken_in = conf.members.iter().find(|member| number(member.id) == number(id));
    let of_number = || configured.iter().find(|(known, _)| number(*known) == number(id)).map(|(_, kind)| *kind);
    match taken_in {
        Some(member) if member.witness => Kind::Witness,
        Some(_) => Kind::Data,
        None => of_number().unwrap_or(Kind::Data),
    }
}

/// The change that takes a node in under a new id, as a learner; a former learner of that node goes.
pub(crate) fn admission(conf: &ConfState, member: Member) -> ConfChangeV2 {
    let former = conf.learners.iter().filter(|id| number(**id) == number(member.id));
    let mut changes: Vec<ConfChangeSingle> = former.map(|id| single(ConfChangeType::RemoveNode, *id)).collect();
    changes.push(single(ConfChangeType::AddLearnerNode, member.id));
    let Member { id, witness, token } = member;
    let context = ChangeContext { id, witness, token, ..ChangeContext::default() };
    ConfChangeV2 { transition: ConfChangeTransition::Auto.into(), changes, context: context.encode_to_vec().into() }
}

/// The change that carries a setting of the cluster and changes no id; `voter`: any voter, which stays a voter.
pub(crate) fn setting(voter: RaftId, context: &ChangeContext) -> ConfChangeV2 {
    ConfChangeV2 {
        transition: ConfChangeTransition::Auto.into(),
        changes: vec![single(ConfChangeType::AddNode, voter)], // an empty change would mean to leave a joint membership
        context: context.encode_to_vec().into(),
    }
}

/// The context of a change, beside ids; bytes that this version does not know carry nothing.
pub(crate) fn context(change: &ConfChangeV2) -> ChangeContext {
    ChangeContext::decode(change.context.clone()).unwrap_or_default()
}

/// The one joint change that makes a learner a voter and takes out the replaced id.
pub(crate) fn replacement(conf: &ConfState, learner: RaftId) -> ConfChangeV2 {
    let former = conf.voters.iter().filter(|id| number(**id) == number(learner));
    let mut changes: Vec<ConfChangeSingle> = former.map(|id| single(ConfChangeType::RemoveNode, *id)).collect();
    changes.push(single(ConfChangeType::AddNode, learner));
    ConfChangeV2 { transition: ConfChangeTransition::Implicit.into(), changes, context: Bytes::new() }
}

/// The one joint change that gives a forced cluster its other voters back.
pub(crate) fn restoration(learners: &[RaftId]) -> ConfChangeV2 {
    let changes = learners.iter().map(|learner| single(ConfChangeType::AddNode, *learner)).collect();
    ConfChangeV2 { transition: ConfChangeTransition::Implicit.into(), changes, context: Bytes::new() }
}

/// The membership that an operator forces: this node alone, and the newest known ids of the others, none of which may come back.
pub(crate) fn forced(known: &[ConfState], configured: &[(RaftId, Kind)], id: RaftId, epoch: u64) -> ConfState {
    let mut numbers: Vec<u16> = known
        .iter()
        .flat_map(|conf| conf.members.iter().map(|member| member.id).chain(ids(conf)))
        .map(number)
        .collect();
    numbers.push(number(id));
    numbers.sort_unstable();
    numbers.dedup();
    let last = known.last().cloned().unwrap_or_default();
    let member = |of: &u16| {
        let newest = known.iter().filter_map(|conf| newest(conf, *of)).max();
        let newest = if *of == number(id) { id } else { newest? };
        Some(Member { id: newest, witness: kind_of(&last, configured, newest) == Kind::Witness, token: 0 })
    };
    let members = numbers.iter().filter_map(member).collect();
    let formats = known.iter().map(|conf| conf.formats).max().unwrap_or_default();
    let rules_wanted = known.iter().map(|conf| conf.rules_wanted).max().unwrap_or_default();
    let release = last.release;
    ConfState {
        voters: vec![id],
        members,
        epoch,
        single_copy: true,
        formats,
        rules_wanted,
        release,
        ..ConfState::default()
    }
}

/// The membership after a change: the ids as raft-rs made them, the table with a new id, and the settings. A second voter ends
/// the single-copy of a forced cluster.
pub(crate) fn after(before: &ConfState, now: ConfState, change: &ConfChangeV2) -> ConfState {
    let mut members = before.members.clone();
    let ChangeContext { id, witness, token, paused_for, formats, rules_wanted, release } = context(change);
    if id != 0 {
        members.retain(|known| number(known.id) != number(id));
        members.push(Member { id, witness, token });
        members.sort_unstable_by_key(|member| number(member.id));
    }
    let paused_for = paused_for.unwrap_or(before.paused_for);
    let single_copy = before.single_copy && now.voters.len() == 1;
    let formats = formats.unwrap_or(0).max(before.formats); // versions never go back
    let rules_wanted = rules_wanted.unwrap_or(0).max(before.rules_wanted);
    let release = if release.is_empty() { before.release.clone() } else { release };
    ConfState { members, paused_for, epoch: before.epoch, single_copy, formats, rules_wanted, release, ..now }
}

/// A change for raft-rs, by setters.
pub(crate) fn change_to_raft(change: &ConfChangeV2) -> eraftpb::ConfChangeV2 {
    let mut mapped = eraftpb::ConfChangeV2::default();
    mapped.set_transition(match change.transition() {
        ConfChangeTransition::Auto => eraftpb::ConfChangeTransition::Auto,
        ConfChangeTransition::Implicit => eraftpb::ConfChangeTransition::Implicit,
        ConfChangeTransition::Explicit => eraftpb::ConfChangeTransition::Explicit,
    });
    let changes = change.changes.iter().map(|change| {
        let mut single = eraftpb::ConfChangeSingle { node_id: change.node_id, ..Default::default() };
        single.set_change_type(match change.change_type() {
            ConfChangeType::AddNode => eraftpb::ConfChangeType::AddNode,
            ConfChangeType::RemoveNode => eraftpb::ConfChangeType::RemoveNode,
            ConfChangeType::AddLearnerNode => eraftpb::ConfChangeType::AddLearnerNode,
        });
        single
    });
    mapped.set_changes(changes.collect::<Vec<_>>().into());
    mapped
}

fn single(kind: ConfChangeType, id: RaftId) -> ConfChangeSingle {
    ConfChangeSingle { change_type: kind.into(), node_id: id }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conf(voters: &[u64], learners: &[u64]) -> ConfState {
        ConfState { voters: voters.to_vec(), learners: learners.to_vec(), ..ConfState::default() }
    }

    /// The expected bytes are those of raft-rs's own library.
    #[test]
    fn a_change_is_in_eraftpbs_wire_form() {
        let change = replacement(&conf(&[1, 2, 3], &[0x1_0002]), 0x1_0002);
        let bytes = change.encode_to_vec();
        assert_eq!(bytes, [8, 1, 18, 4, 8, 1, 16, 2, 18, 4, 16, 0x82, 0x80, 4], "tag by tag");
        let mapped = change_to_raft(&change);
        assert_eq!(mapped.changes.len(), 2);
        assert_eq!((mapped.changes[0].node_id, mapped.changes[1].node_id), (2, 0x1_0002));
    }

    #[test]
    fn the_newest_id_of_a_node_is_remembered_when_it_has_left() {
        let before = conf(&[1, 2, 3], &[0x1_0002]);
        let change = admission(&before, Member { id: 0x2_0002, witness: false, token: 7 });
        assert_eq!(change.changes.len(), 2, "the former learner goes");
        let now = after(&before, conf(&[1, 2, 3], &[0x2_0002]), &change);
        assert_eq!(newest(&now, 2), Some(0x2_0002));
        let left = after(&now, conf(&[1, 2, 3], &[]), &ConfChangeV2::default());
        assert_eq!(newest(&left, 2), Some(0x2_0002));
        assert_eq!(newest(&left, 1), Some(1));
        assert_eq!(newest(&left, 9), None);
    }

    #[test]
    fn a_setting_changes_no_id_and_stays_until_the_next_one() {
        let before =
            ConfState { members: vec![Member { id: 0x1_0002, witness: false, token: 7 }], ..conf(&[1, 3], &[]) };
        let paused = after(
            &before,
            conf(&[1, 3], &[]),
            &setting(1, &ChangeContext { paused_for: Some(1), ..Default::default() }),
        );
        assert_eq!((paused.paused_for, &paused.members), (1, &before.members));
        let joined =
            after(&paused, conf(&[1, 3], &[2]), &admission(&paused, Member { id: 2, witness: false, token: 7 }));
        assert_eq!(joined.paused_for, 1);
        let resumed = after(
            &joined,
            conf(&[1, 3], &[2]),
            &setting(1, &ChangeContext { paused_for: Some(0), ..Default::default() }),
        );
        assert_eq!(resumed.paused_for, 0);
    }

    #[test]
    fn an_id_is_replaced_where_a_newer_one_of_its_node_is_a_member_and_it_is_not() {
        assert!(replaced(0x1_0003, &[1, 2, 3, 0x2_0003]));
        assert!(!replaced(3, &[1, 2, 3, 0x2_0003]), "a voter until the newer one takes its place");
        assert!(!replaced(0x2_0003, &[1, 2, 0x1_0003]), "not known there yet");
        assert!(!replaced(0x1_0003, &[1, 2]) && !replaced(0x1_0003, &[]), "nothing is told of it");
    }

    #[test]
    fn a_kind_is_that_of_the_node_whatever_its_id() {
        let configured = [(1, Kind::Data), (3, Kind::Witness)];
        let mut known = conf(&[1, 3], &[]);
        assert_eq!(kind_of(&known, &configured, 0x1_0003), Kind::Witness);
        known.members = vec![Member { id: 0x1_0004, witness: true, token: 7 }];
        assert_eq!(kind_of(&known, &configured, 0x1_0004), Kind::Witness);
        assert_eq!(kind_of(&known, &configured, 9), Kind::Data);
    }
}
