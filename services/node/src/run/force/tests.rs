//! Orders on real files, cut short after every step and executed again.

use consensus::Machine;
use data_dir::DataIdentity;
use node_config::{Member, MemberRole};
use ocs_proto::peer::{ConfState, Entry, SnapshotMark};
use raft_log::{Batch, HardState};
use tempfile::TempDir;

use super::*;

const LAST: u64 = 9;

fn config(home: &TempDir) -> Config {
    let member = |name: &str| Member {
        name: name.to_owned(),
        role: MemberRole::Data,
        peer: format!("127.0.0.1:{}", 7300),
        control: None,
    };
    let mut config = Config::default();
    config.node.name = "b".to_owned();
    config.node.data_dir = home.path().to_owned();
    config.cluster.mode = "pair".to_owned();
    config.cluster.nodes = vec![member("a"), member("b")];
    config.log.segment_bytes = 4 << 20;
    config
}

/// Tries again while a lock is taken: another test may be between fork and exec, and its child holds our files open.
fn unlocked<T>(mut attempt: impl FnMut() -> Result<T, RunError>) -> Result<T, RunError> {
    loop {
        match attempt() {
            Err(RunError::Io { source, .. }) if source.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(RunError::DataDir(data_dir::DataDirError::Locked { .. })) => {}
            Err(RunError::Store(store::StoreError::Locked(_))) => {}
            other => return other,
        }
        std::thread::yield_now();
    }
}

fn opened(config: &Config) -> DataDir {
    let identity = DataIdentity {
        cluster_id: config.cluster.id.clone(),
        cluster: config.cluster_id(),
        node: "b".to_owned(),
        kind: consensus::Kind::Data,
    };
    unlocked(|| Ok(DataDir::open(&config.node.data_dir, identity.clone(), true)?)).unwrap()
}

/// A member whose log has entries that its state lacks, and an order for it.
fn ordered(config: &Config) -> DataDir {
    let directory = opened(config);
    let (start, hard_state) = consensus::core::genesis(&[1, 2]);
    let disk = FileDisk::new(&open::log_dir(&directory)).unwrap();
    let mut log = Log::create(disk, open::log_config(config), start, hard_state).unwrap();
    let entries = (2..=LAST).map(|index| Entry { term: 3, index, ..Entry::default() }).collect();
    let hard_state = Some(HardState { term: 3, vote: 1, commit: 4 });
    log.append(&Batch { hard_state, entries, ..Batch::default() }).unwrap();
    directory.stamp().unwrap();
    directory
        .order(Forced { at_us: 1, epoch: 2, last_index: LAST, last_commit: 4, accept_loss: false, term: 0 })
        .unwrap();
    directory
}

/// The identity, log and state that a start finds.
fn found(config: &Config) -> (u64, u64, Option<Forced>, SnapshotMark, HardState, SnapshotMark) {
    let directory = opened(config);
    assert_eq!(directory.ordered(), None);
    let (_, recovered) = unlocked(|| open::log(config, &directory)).unwrap();
    let machine = open::machine_as_it_is(config, &directory).unwrap();
    assert!(recovered.empty);
    let (id, epoch) = (directory.raft_id(2), directory.epoch());
    (id, epoch, directory.forced(), recovered.start, recovered.hard_state, machine.applied())
}

#[test]
fn an_order_is_executed_whole_whatever_step_a_crash_comes_after() {
    for steps in 0..=STEPS.len() {
        let home = TempDir::new().unwrap();
        let config = config(&home);
        let directory = ordered(&config);
        unlocked(|| execute_steps(&config, &directory, steps)).unwrap();
        drop(directory); // the process dies
        let again = opened(&config);
        unlocked(|| execute(&config, &again)).unwrap();
        drop(again);
        let (id, epoch, forced, start, hard_state, state) = found(&config);
        assert_eq!((id, epoch), (members::forced_id(2, 2), 2), "after step {steps}");
        assert_eq!(forced.map(|forced| (forced.last_index, forced.term)), Some((LAST, 4)));
        assert_eq!((start.index, start.term), (LAST + 1, 4), "after step {steps}");
        assert_eq!(hard_state, HardState { term: 4, vote: 0, commit: LAST + 1 });
        let conf_state = start.conf_state.clone().unwrap();
        assert_eq!((conf_state.voters, conf_state.single_copy), (vec![id], true));
        assert_eq!(state, start, "the state has taken in the whole log");
        assert!(home.path().join("log.aside-1").exists() && !home.path().join("log.forced").exists());
    }
}

#[test]
fn a_new_log_that_a_crash_left_unfinished_is_made_again() {
    let home = TempDir::new().unwrap();
    let config = config(&home);
    let directory = ordered(&config);
    unlocked(|| execute_steps(&config, &directory, 1)).unwrap();
    let new = home.path().join("log.forced");
    fs::read_dir(&new).unwrap().for_each(|file| fs::write(file.unwrap().path(), b"torn").unwrap());
    unlocked(|| execute(&config, &directory)).unwrap();
    drop(directory);
    assert_eq!(found(&config).3.index, LAST + 1);
}

#[test]
fn without_an_order_nothing_happens_and_one_that_cannot_be_executed_changes_nothing() {
    let home = TempDir::new().unwrap();
    let config = config(&home);
    let directory = opened(&config);
    unlocked(|| execute(&config, &directory)).unwrap();
    let disk = FileDisk::new(&open::log_dir(&directory)).unwrap();
    let start = SnapshotMark { index: 50, term: 3, conf_state: Some(ConfState::default()) };
    drop(Log::create(disk, open::log_config(&config), start, HardState::default()).unwrap());
    directory.stamp().unwrap();
    let order = Forced { at_us: 1, epoch: 2, last_index: 50, last_commit: 50, accept_loss: true, term: 0 };
    directory.order(order.clone()).unwrap();
    let refused = unlocked(|| execute(&config, &directory)).unwrap_err().to_string();
    assert!(refused.contains("the log begins at 51"), "{refused}");
    assert_eq!((directory.ordered(), directory.epoch()), (Some(order), 1));
    assert_eq!(unlocked(|| open::log(&config, &directory)).unwrap().1.start.index, 50);
}
