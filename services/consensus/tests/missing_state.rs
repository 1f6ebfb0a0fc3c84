//! A data node whose log is good and whose state is gone: what it must not claim until a state was fetched.

use consensus::{
    Kind,
    core::{Core, CoreConfig, Found, genesis},
    log::{Log, LogConfig, MemDisk},
};
use ocs_proto::peer::SnapshotMark;

#[test]
fn nothing_may_be_read_from_a_state_that_is_still_to_be_fetched() {
    let config = CoreConfig {
        id: 1,
        kinds: vec![(1, Kind::Data), (2, Kind::Data), (3, Kind::Witness)],
        heartbeat_ticks: 2,
        election_ticks_min: 10,
        election_ticks_max: 20,
        seed: 1,
        boot: 1,
        cache_bytes_max: 4096,
    };
    let (first, mut hard_state) = genesis(&[1, 2, 3]);
    let start = SnapshotMark { index: 100, ..first };
    hard_state.commit = start.index;
    let log_config = LogConfig { cluster: [7; 16], segment_bytes: 64 * 1024, prepare_ahead: false };
    let log = Log::create(MemDisk::new(), log_config, start.clone(), hard_state).expect("a new log");
    let found = Found { reader: log.reader(), start: start.clone(), hard_state, state: SnapshotMark::default() };

    let mut core = Core::new(config, found);
    assert_eq!(core.output().fetch, Some(100));
    assert_eq!(core.applied(), 0, "a read up to the log's start would be answered from an empty state");
    core.on_installed(start);
    assert_eq!(core.applied(), 100);
}
