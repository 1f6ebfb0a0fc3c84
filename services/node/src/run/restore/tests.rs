//! Backups restored on real files, and refused ones that change nothing.

use std::fs;

use consensus::{ApplyBatch, Machine};
use data_dir::{Formation, FormedBy, formed_by};
use node_config::{Member, MemberRole};
use ocs_proto::peer::{ConfState, Entry, Member as GroupMember};
use outbound::RequestId;
use pair::machine::RecordsMachine;
use prost::Message;
use raft_log::HardState;
use store::ArchiveOut;
use tempfile::TempDir;

use super::*;

const LAST: u64 = 90;
/// The epoch that the backup is of.
const EPOCH: u64 = 3;

fn config(data_dir: &Path) -> Config {
    let member =
        |name: &str, role| Member { name: name.to_owned(), role, peer: "127.0.0.1:7300".to_owned(), control: None };
    let mut config = Config::default();
    config.node.name = "a".to_owned();
    config.node.data_dir = data_dir.to_owned();
    config.cluster.nodes =
        vec![member("a", MemberRole::Data), member("b", MemberRole::Data), member("w", MemberRole::Witness)];
    config.log.segment_bytes = 4 << 20;
    config.store.cache_bytes = 8 << 20;
    config
}

/// A file with the state of a group whose node b was replaced before.
fn backup(home: &TempDir) -> PathBuf {
    backup_of(home, false)
}

/// As [`backup`]; `guarded`: a release with credentials formed the group.
fn backup_of(home: &TempDir, guarded: bool) -> PathBuf {
    let config = config(&home.path().join("source"));
    let state = home.path().join("source/state");
    let mut machine = RecordsMachine::open(&state, open::store_config(&config), open::rules(&config)).unwrap();
    let b = GroupMember { id: 0x2_0003_0002, witness: false, token: 7 };
    let conf_state = ConfState { voters: vec![1, b.id, 3], members: vec![b], epoch: EPOCH, ..ConfState::default() };
    let entry = Entry { term: 8, index: LAST, ..Entry::default() };
    let batch = ApplyBatch { entries: &[entry], conf_state: &conf_state.encode_to_vec() };
    machine.apply(&batch, &mut |_| {}).unwrap();
    let about = ArchiveHead {
        cluster_id: config.cluster.id.clone(),
        epoch: EPOCH,
        created_us: 1_790_000_000_000_000,
        guarded,
        ..ArchiveHead::default()
    };
    let bytes: Vec<u8> = ArchiveOut::new(&machine.reader().snapshot(), about).flat_map(Result::unwrap).collect();
    let file = home.path().join("b.ocsbackup");
    fs::write(&file, bytes).unwrap();
    file
}

fn order(file: &Path) -> RestoreOrder {
    RestoreOrder { file: file.to_owned(), epoch: None }
}

/// Refused, with nothing made where there was nothing.
fn refused(config: &Config, order: &RestoreOrder) -> RestoreError {
    let error = restore(config, order).unwrap_err();
    assert!(!error.to_string().contains('\n'), "{error}");
    assert!(!config.node.data_dir.exists(), "{error}");
    error
}

#[test]
fn a_restored_node_is_the_only_voter_of_a_new_epoch_above_the_backups_state() {
    let home = TempDir::new().unwrap();
    let (file, config) = (backup(&home), config(&home.path().join("a")));
    let restored = restore(&config, &order(&file)).unwrap();
    assert_eq!((restored.epoch, restored.index), (EPOCH + 1, LAST));

    let directory = DataDir::open(&config.node.data_dir, identity(&config).unwrap(), false).unwrap();
    let id = members::forced_id(1, EPOCH + 1);
    assert_eq!((directory.formation(), directory.raft_id(1), directory.epoch()), (Formation::Formed, id, EPOCH + 1));
    assert_eq!(directory.restored_from(), Some(restored));
    let (_log, recovered) = open::log(&config, &directory).unwrap();
    let machine = open::machine_as_it_is(&config, &directory).unwrap();
    assert_eq!((recovered.start.index, recovered.start.term, recovered.empty), (LAST + 1, 9, true));
    assert_eq!(recovered.hard_state, HardState { term: 9, vote: 0, commit: LAST + 1 });
    assert_eq!(machine.applied(), recovered.start);
    let conf = recovered.start.conf_state.unwrap();
    assert_eq!((conf.voters.as_slice(), conf.epoch, conf.single_copy), (&[id][..], EPOCH + 1, true));
    assert_eq!(members::newest(&conf, 2), Some(0x2_0003_0002), "no id that b ever had is given again");
}

#[test]
fn a_restored_directory_is_guarded_as_the_group_of_its_backup_was() {
    for guarded in [false, true] {
        let home = TempDir::new().unwrap();
        let (file, config) = (backup_of(&home, guarded), config(&home.path().join("a")));
        restore(&config, &order(&file)).unwrap();
        let formed = if guarded { FormedBy::Guarding } else { FormedBy::Earlier };
        assert_eq!(formed_by(&config.node.data_dir), formed);
    }
}

#[test]
fn the_id_of_a_request_names_the_epoch_of_the_node_that_gave_the_id() {
    let epoch = |incarnation| RequestId { node: 1, incarnation, ..RequestId::default() }.epoch();
    let home = TempDir::new().unwrap();
    let (file, config) = (backup(&home), config(&home.path().join("a")));
    restore(&config, &order(&file)).unwrap();
    let directory = DataDir::open(&config.node.data_dir, identity(&config).unwrap(), false).unwrap();
    assert_eq!(epoch(directory.boot().unwrap()), EPOCH + 1);
    for of_epoch in [1, 2, EPOCH_MAX] {
        let first = members::first_incarnation(of_epoch);
        assert_eq!([first, first + 0xffff].map(|incarnation| epoch(incarnation << 32 | 7)), [of_epoch; 2]);
    }
}

#[test]
fn an_operator_may_name_a_higher_epoch_and_no_lower_one() {
    let home = TempDir::new().unwrap();
    let (file, config) = (backup(&home), config(&home.path().join("a")));
    for epoch in [0, EPOCH, EPOCH_MAX + 1] {
        let error = refused(&config, &RestoreOrder { epoch: Some(epoch), ..order(&file) });
        assert!(matches!(error, RestoreError::Epoch { .. }) && error.exit_code() == exit::USAGE, "{error}");
    }
    let restored = restore(&config, &RestoreOrder { epoch: Some(9), ..order(&file) }).unwrap();
    assert_eq!(restored.epoch, 9);
}

#[test]
fn what_cannot_be_restored_is_refused_before_anything_is_changed() {
    let home = TempDir::new().unwrap();
    let (file, config) = (backup(&home), config(&home.path().join("a")));
    let whole = fs::read(&file).unwrap();
    let bad = home.path().join("bad");
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for (content, why) in [(&whole[..whole.len() - 1], "it is cut"), (&flipped, "damaged"), (b"PK", "no backup of ocs")]
    {
        fs::write(&bad, content).unwrap();
        let error = refused(&config, &order(&bad));
        assert!(error.to_string().contains(why) && error.exit_code() == exit::FAILED, "{error}");
    }
    let other =
        Config { cluster: node_config::Cluster { id: "other".into(), ..config.cluster.clone() }, ..config.clone() };
    let error = refused(&other, &order(&file));
    assert!(error.to_string().contains("backup of cluster \"ocs\"") && error.exit_code() == exit::USAGE, "{error}");
    let mut witness = config.clone();
    witness.node.name = "w".to_owned();
    assert!(refused(&witness, &order(&file)).to_string().contains("witness"));
    let error = refused(&config, &order(home.path()));
    assert!(error.to_string().contains("regular file"), "{error}");

    fs::create_dir(&config.node.data_dir).unwrap();
    fs::write(config.node.data_dir.join("letter.txt"), "dear").unwrap();
    let error = restore(&config, &order(&file)).unwrap_err();
    assert!(error.to_string().contains("letter.txt") && error.exit_code() == exit::USAGE, "{error}");
    assert_eq!(fs::read_dir(&config.node.data_dir).unwrap().count(), 1);
}

#[test]
fn a_restore_that_was_cut_short_is_done_again() {
    let home = TempDir::new().unwrap();
    let (file, config) = (backup(&home), config(&home.path().join("a")));
    let directory = DataDir::open_to_restore(&config.node.data_dir, identity(&config).unwrap()).unwrap();
    take_in(&config, &directory, &file).unwrap();
    drop(directory); // the process dies
    let started = DataDir::open(&config.node.data_dir, identity(&config).unwrap(), false);
    assert!(started.is_err_and(|error| error.to_string().contains("was cut short")));
    restore(&config, &order(&file)).unwrap();
}
