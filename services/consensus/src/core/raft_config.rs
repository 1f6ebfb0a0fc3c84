//! The configuration of raft-rs: sizes of messages, elections, reads. Called by [`super::Core::new`].

use raft::{Config as RaftConfig, ReadOnlyOption};

use super::CoreConfig;
use crate::Kind;

/// Largest append message, bytes of entries.
const APPEND_BYTES_MAX: u64 = 512 * 1024;
/// The same of a witness, which has the log on disk and little memory: twice as much, twice as often, took it above 20 MiB.
const APPEND_BYTES_MAX_WITNESS: u64 = 64 * 1024;
/// Append messages on their way to one peer: together less than the transport's queue takes.
const INFLIGHT_MAX: usize = 64;
/// The same of a witness.
const INFLIGHT_MAX_WITNESS: usize = 4;
/// Committed entries that are handed over at a time, bytes.
const COMMITTED_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// The same of a witness, which only looks for changes of the membership in them.
const COMMITTED_BYTES_MAX_WITNESS: u64 = 256 * 1024;
/// Most bytes proposed and not yet committed.
const UNCOMMITTED_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The library's part of a core's configuration.
pub(super) fn raft_config(config: &CoreConfig, applied: u64) -> RaftConfig {
    #[cfg(mutant)]
    use crate::mutant::{Mutant, on};
    let (append_bytes_max, inflight_max, committed_bytes_max) = match config.kind() {
        Kind::Data => (APPEND_BYTES_MAX, INFLIGHT_MAX, COMMITTED_BYTES_MAX),
        Kind::Witness => (APPEND_BYTES_MAX_WITNESS, INFLIGHT_MAX_WITNESS, COMMITTED_BYTES_MAX_WITNESS),
    };
    RaftConfig {
        id: config.id,
        election_tick: config.election_ticks_min,
        min_election_tick: config.election_ticks_min,
        max_election_tick: config.election_ticks_max,
        heartbeat_tick: config.heartbeat_ticks,
        applied,
        max_size_per_msg: append_bytes_max,
        max_inflight_msgs: inflight_max,
        check_quorum: true,
        pre_vote: true,
        #[cfg(not(mutant))]
        read_only_option: ReadOnlyOption::Safe,
        #[cfg(mutant)]
        read_only_option: if on(Mutant::LeaseReads) { ReadOnlyOption::LeaseBased } else { ReadOnlyOption::Safe },
        // raft-rs would add entries to an empty append that stands further along: the follower would then acknowledge entries
        // that are not in its log
        batch_append: {
            #[cfg(not(mutant))]
            let joined = false;
            #[cfg(mutant)]
            let joined = on(Mutant::AppendsJoined);
            joined
        },
        // Followers learn the commit index with the next append, heartbeat or question: a frame and its answer less for each
        // follower and each batch, which is half of all.
        skip_bcast_commit: true,
        priority: if config.kind() == Kind::Witness { -1 } else { 0 },
        max_uncommitted_size: UNCOMMITTED_BYTES_MAX,
        max_committed_size_per_ready: committed_bytes_max,
    }
}
