//! The effect of an operator's force-primary on log and state, with the node stopped: the state takes in the whole log, and a
//! new log begins above that state, with this node as the only voter.
//!
//! Changes the state, never the old log. A second run after a crash ends in the same place. Called by the node
//! before anything is served.

use ocs_proto::peer::{ConfState, Entry, SnapshotMark};
use prost::Message as _;
use raft_log::{Disk, HardState, LogError, LogReader, Recovered};

use crate::{ApplyBatch, Kind, Machine, MachineError, RaftId, core::GENESIS, members};

/// Bytes of entries read and applied at a time.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The operator's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Force {
    /// The id of this node from now on, [`members::forced_id`].
    pub id: RaftId,
    /// The epoch that begins.
    pub epoch: u64,
}

/// Where the new log begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Beginning {
    /// Its mark: index and term of the state, and the forced membership.
    pub mark: SnapshotMark,
    /// Its first hard state: this node has voted for no candidate in this term.
    pub hard_state: HardState,
}

/// Why a node cannot be forced.
#[derive(Debug, thiserror::Error)]
pub enum ForceError {
    /// Entries that the log forgot are not in the state.
    #[error("the state reaches index {state} only, and the log begins at {first}: this node lacks updates in between")]
    NoState {
        /// Applied.
        state: u64,
        /// The log's first index.
        first: u64,
    },
    /// The state was found to be wrong, and was to be replaced.
    #[error("the state was found to be wrong, and there is nobody to fetch it from")]
    Doubted,
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The state failed, or this version does not know an entry.
    #[error(transparent)]
    Machine(#[from] MachineError),
}

/// Whether a membership is the one of this epoch.
pub fn is_of(mark: &SnapshotMark, epoch: u64) -> bool {
    mark.conf_state.as_ref().is_some_and(|conf| conf.epoch >= epoch)
}

/// Brings the state to the end of the log, whether its entries are known to be committed or not: they may have been
/// acknowledged. One more entry, without commands, gives the state the forced membership. The state is durable on return.
///
/// # Errors
/// [`ForceError`]: the log is unchanged.
pub fn bring_up<D: Disk, M: Machine>(
    force: Force,
    configured: &[(RaftId, Kind)],
    (reader, recovered): (&LogReader<D>, &Recovered),
    machine: &mut M,
) -> Result<Beginning, ForceError> {
    let found = machine.applied();
    if machine.doubted() {
        return Err(ForceError::Doubted);
    }
    if !is_of(&found, force.epoch) {
        let reached = apply_log(reader, recovered, machine)?;
        let term = recovered.hard_state.term.max(found.term).max(machine.applied().term) + 1;
        let known = memberships(recovered, &found);
        begin_epoch(force, (&known, configured), (reached + 1, term), machine)?;
    }
    beginning(machine)
}

/// Lets a state that came without a log, such as a backup's, begin a new epoch: one entry without commands above the state gives
/// that state the forced membership. The state is durable on return.
///
/// # Errors
/// [`ForceError`]: the state cannot be used.
pub fn begin_above<M: Machine>(
    force: Force,
    configured: &[(RaftId, Kind)],
    machine: &mut M,
) -> Result<Beginning, ForceError> {
    let found = machine.applied();
    let known: Vec<ConfState> = found.conf_state.into_iter().collect();
    let (index, term) = (found.index.max(GENESIS.0) + 1, found.term.max(GENESIS.1) + 1);
    begin_epoch(force, (&known, configured), (index, term), machine)?;
    beginning(machine)
}

/// Applies the one entry that gives the state the membership of the epoch.
fn begin_epoch<M: Machine>(
    force: Force,
    (known, configured): (&[ConfState], &[(RaftId, Kind)]),
    (index, term): (u64, u64),
    machine: &mut M,
) -> Result<(), ForceError> {
    let conf_state = members::forced(known, configured, force.id, force.epoch).encode_to_vec();
    let entry = Entry { term, index, ..Entry::default() };
    Ok(machine.apply(&ApplyBatch { entries: &[entry], conf_state: &conf_state }, &mut |_| {})?)
}

/// Makes the state durable; returns the beginning of the log above that state.
fn beginning<M: Machine>(machine: &mut M) -> Result<Beginning, ForceError> {
    machine.persist()?;
    let mark = machine.applied();
    let hard_state = HardState { term: mark.term, vote: 0, commit: mark.index };
    Ok(Beginning { mark, hard_state })
}

/// Applies the entries that the state lacks; returns the applied index. A fetched state may be ahead of its log, or the log may
/// hold other entries, which were never committed: the state alone counts then.
fn apply_log<D: Disk, M: Machine>(
    reader: &LogReader<D>,
    recovered: &Recovered,
    machine: &mut M,
) -> Result<u64, ForceError> {
    let (state, start) = (machine.applied(), &recovered.start);
    let anew = state.index == 0 && start.index <= GENESIS.0;
    if state.index < start.index && !anew {
        return Err(ForceError::NoState { state: state.index, first: start.index + 1 });
    }
    let joins = anew || reader.term(state.index) == Some(state.term);
    if !joins {
        return Ok(state.index);
    }
    // A change of the membership among these entries changes nothing any more.
    let conf_state = state.conf_state.or_else(|| start.conf_state.clone()).unwrap_or_default().encode_to_vec();
    let mut next = state.index.max(start.index) + 1;
    let until = recovered.last_index;
    #[cfg(mutant)]
    let until = {
        let known = recovered.hard_state.commit.max(state.index).min(until);
        crate::mutant::instead(crate::mutant::Mutant::ForcedDropsUncommitted, until, known)
    };
    while next <= until {
        let entries = reader.entries(next, until + 1, BATCH_BYTES_MAX)?;
        let last = entries.last().map_or(until, |entry| entry.index);
        machine.apply(&ApplyBatch { entries: &entries, conf_state: &conf_state }, &mut |_| {})?;
        next = last + 1;
    }
    Ok(until.max(state.index))
}

/// Every membership that this node knows, the newest last.
fn memberships(recovered: &Recovered, state: &SnapshotMark) -> Vec<ConfState> {
    let mut known: Vec<(u64, ConfState)> = recovered.conf_states.clone();
    known.extend(recovered.start.conf_state.clone().map(|conf| (recovered.start.index, conf)));
    known.extend(state.conf_state.clone().map(|conf| (state.index, conf)));
    known.sort_by_key(|(index, _)| *index);
    known.into_iter().map(|(_, conf)| conf).collect()
}
