//! A data node whose log is good and whose state is gone: the claims that are forbidden until a state was fetched.

use consensus::{
    Kind,
    core::{Core, CoreConfig, DiskContents, genesis},
};
use ocs_proto::peer::{ConfChangeSingle, ConfChangeType, ConfChangeV2, ConfState, Entry, SnapshotMark};
use prost::Message;
use raft_log::{Batch, HardState, Log, LogConfig, MemDisk};

fn config() -> CoreConfig {
    CoreConfig {
        id: 1,
        kinds: vec![(1, Kind::Data), (2, Kind::Data), (3, Kind::Witness)],
        heartbeat_ticks: 2,
        election_ticks_min: 10,
        election_ticks_max: 20,
        seed: 1,
        boot: 1,
        cache_bytes_max: 4096,
    }
}

/// A log that begins after entry 100, on a new disk.
fn log(start: &SnapshotMark, hard_state: HardState) -> Log<MemDisk> {
    let log_config = LogConfig { cluster: [7; 16], node: 0, segment_bytes: 64 * 1024, prepare_ahead: false };
    Log::create(MemDisk::new(), log_config, start.clone(), hard_state).expect("a new log")
}

#[test]
fn nothing_may_be_read_from_a_state_that_is_still_to_be_fetched() {
    let (first, mut hard_state) = genesis(&[1, 2, 3]);
    let start = SnapshotMark { index: 100, ..first };
    hard_state.commit = start.index;
    let log = log(&start, hard_state);
    let found = DiskContents {
        reader: log.reader(),
        start: start.clone(),
        hard_state,
        state: SnapshotMark::default(),
        starts: None,
    };

    let mut core = Core::new(config(), found);
    assert_eq!(core.output().fetch, Some(100));
    assert_eq!(core.applied(), 0, "a read up to the log's start would be answered from an empty state");
    core.on_installed(start);
    assert_eq!(core.applied(), 100);
}

/// The process ended between a change of the membership and its record, after a newer state had been fetched.
#[test]
fn a_state_that_is_ahead_of_its_log_brings_no_membership_into_it() {
    let (first, mut hard_state) = genesis(&[1, 2, 3]);
    let start = SnapshotMark { index: 100, ..first };
    hard_state.commit = 104;
    let mut log = log(&start, hard_state);
    let learner = ConfChangeSingle { change_type: ConfChangeType::AddLearnerNode.into(), node_id: 0x1_0002 };
    let change = ConfChangeV2 { changes: vec![learner], ..ConfChangeV2::default() };
    let entry = |index| {
        let data = if index == 102 { change.encode_to_vec() } else { Vec::new() };
        Entry { kind: if index == 102 { 2 } else { 0 }, term: 1, index, data: data.into(), ..Entry::default() }
    };
    log.append(&Batch { entries: (101..=104).map(entry).collect(), ..Batch::default() }).expect("room");
    let later = ConfState { voters: vec![1, 3, 0x1_0002], ..ConfState::default() };
    let state = SnapshotMark { index: 110, term: 1, conf_state: Some(later) };

    let mut core = Core::new(config(), DiskContents { reader: log.reader(), start, hard_state, state, starts: None });
    let conf = core.conf_state();
    assert_eq!((conf.voters, conf.learners), (vec![1, 2, 3], vec![]), "the change is still to be handed over");
    core.output();
    let conf = core.conf_state();
    assert_eq!((conf.voters, conf.learners), (vec![1, 2, 3], vec![0x1_0002]));
}
