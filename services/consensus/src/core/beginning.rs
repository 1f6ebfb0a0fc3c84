//! The beginning of a core: a new cluster, a joining node, and how far an opened log may count as applied.
//!
//! Pure. Called by [`super::Core::new`], and by the node that forms a cluster.

use ocs_proto::peer::{ConfState, SnapshotMark};
use raft_log::{Disk, HardState};

use super::{DiskContents, GENESIS};
use crate::{RaftId, Versions, eraft::snapshot_from_mark};

/// The witness's applied index: the commit index, as far as the memberships are known.
pub(super) fn witness_applied<D: Disk>(found: &DiskContents<D>, last: u64) -> u64 {
    up_to_unrecorded(found, found.hard_state.commit.max(found.start.index).min(last))
}

/// Not past an unrecorded change of the membership: that change takes effect once its entry is handed over again.
fn up_to_unrecorded<D: Disk>(found: &DiskContents<D>, committed: u64) -> u64 {
    let recorded = found.reader.conf_states().last().map_or(found.start.index, |(index, _)| *index);
    #[cfg(mutant)]
    if crate::mutant::on(crate::mutant::Mutant::MembershipNotReplayed) {
        return committed;
    }
    let unrecorded = found.reader.changes().into_iter().find(|index| (recorded + 1..=committed).contains(index));
    unrecorded.map_or(committed, |index| index - 1)
}

/// The mark at which a joining node's log begins: without entries and members, which the leader sends.
pub fn nothing() -> (SnapshotMark, HardState) {
    (SnapshotMark { index: 0, term: 0, conf_state: Some(ConfState::default()) }, HardState::default())
}

/// The index up to which Raft may count the log as applied. A fetched state can be ahead of its log: entries there that are not
/// known committed may differ from the entries that the state has applied, and the membership of the state is of a later index.
pub(super) fn data_applied<D: Disk>(found: &DiskContents<D>, last: u64) -> u64 {
    let (start, state) = (found.start.index, &found.state);
    #[cfg(mutant)]
    if crate::mutant::on(crate::mutant::Mutant::FetchedStateCommits) {
        return state.index.max(start).min(last);
    }
    if state.index <= start || found.reader.term(state.index) == Some(state.term) {
        return state.index.max(start).min(last);
    }
    up_to_unrecorded(found, found.hard_state.commit.min(state.index).clamp(start, last))
}

/// The mark at which a new cluster begins: both data nodes and the witness, as configured.
pub fn genesis(voters: &[RaftId]) -> (SnapshotMark, HardState) {
    genesis_at(voters, Versions::FIRST)
}

/// As [`genesis`], of a cluster that begins at the newest versions that all its nodes know.
pub fn genesis_at(voters: &[RaftId], versions: Versions) -> (SnapshotMark, HardState) {
    let told = |version: u32| if version > 1 { version } else { 0 }; // as the first release writes it
    let (formats, rules_wanted) = (told(versions.formats), told(versions.rules));
    let release = if formats > 0 { env!("CARGO_PKG_VERSION").to_owned() } else { String::new() };
    let conf_state = ConfState { voters: voters.to_vec(), formats, rules_wanted, release, ..ConfState::default() };
    let mark = SnapshotMark { index: GENESIS.0, term: GENESIS.1, conf_state: Some(conf_state) };
    debug_assert!(!snapshot_from_mark(&mark).is_empty());
    (mark, HardState { term: GENESIS.1, vote: 0, commit: GENESIS.0 })
}
