//! A log in a process that has no file descriptors left. Alone in its file: the limit is the whole process's.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage fails")]

use std::fs::File;

use ocs_proto::peer::{Entry, SnapshotMark};
use raft_log::{Batch, FileDisk, HardState, Log, LogConfig};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const SEGMENT_BYTES: u64 = 64 * 1024;

/// Opens files until there is no descriptor left.
fn take_all() -> Vec<File> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(128), maximum }).unwrap();
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

#[test]
fn a_log_goes_on_over_further_segments_with_the_descriptors_that_it_keeps() {
    let home = tempfile::tempdir().unwrap();
    for prepare_ahead in [false, true] {
        let config = LogConfig { cluster: [9; 16], node: 0, segment_bytes: SEGMENT_BYTES, prepare_ahead };
        let disk = FileDisk::new(&home.path().join(format!("{prepare_ahead}"))).unwrap();
        let mut log = Log::create(disk, config, SnapshotMark::default(), HardState::default()).unwrap();
        let (reader, taken) = (log.reader(), take_all());
        assert!(!taken.is_empty() && File::open("/dev/null").is_err());
        for index in 1..=100 {
            let data = vec![1; 4096].into();
            let entry = Entry { kind: 0, term: 1, index, data, context: Vec::new().into() };
            log.append(&Batch { entries: vec![entry], ..Batch::default() }).unwrap();
        }
        assert!(log.bytes() > 4 * SEGMENT_BYTES);
        assert_eq!(reader.entries(1, 101, usize::MAX).unwrap().len(), 100);
        drop(taken);
    }
}
