//! The stamp and the lock, on a real file system.

use std::fs;

use tempfile::TempDir;

use super::*;

fn identity(node: &str) -> DataIdentity {
    DataIdentity { cluster_id: "demo".into(), cluster: [7; 16], node: node.into(), kind: Kind::Data }
}

fn formed(path: &Path) -> DataDir {
    let directory = DataDir::open(path, identity("a"), true).unwrap();
    directory.stamp().unwrap();
    directory
}

/// Every file with its content.
fn content(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<_> =
        entries(path).unwrap().into_iter().map(|name| (name.clone(), fs::read(path.join(name)).unwrap())).collect();
    all.sort();
    all
}

fn refused(path: &Path, identity: DataIdentity, bootstrap: bool) -> String {
    let before = content(path);
    let error = DataDir::open(path, identity, bootstrap).unwrap_err().to_string();
    assert_eq!(content(path), before, "a refusal changes nothing");
    assert!(!error.contains('\n'), "one line: {error}");
    error
}

#[test]
fn an_empty_directory_without_bootstrap_never_forms_a_group_but_joins_one_under_a_new_id() {
    let parent = TempDir::new().unwrap();
    let path = parent.path().join("data");
    let directory = DataDir::open(&path, identity("a"), false).unwrap();
    assert_eq!(directory.formation(), Formation::Joining);
    assert!(matches!(directory.boot(), Err(DataDirError::NotStamped { .. })));
    directory.join(0x3_0001, 2).unwrap();
    drop(directory);
    let again = DataDir::open(&path, identity("a"), false).unwrap();
    assert_eq!((again.formation(), again.raft_id(1), again.epoch()), (Formation::Formed, 0x3_0001, 2));
    assert_eq!(again.boot().unwrap() >> 32, 3, "request ids are of this incarnation");
}

#[test]
fn what_the_file_system_keeps_in_a_directory_is_neither_foreign_nor_removed() {
    for name in ["lost+found", ".snapshot", ".zfs", "aquota.user", "aquota.group", ".nfs000000001"] {
        let parent = TempDir::new().unwrap();
        let path = parent.path().join("data");
        fs::create_dir_all(path.join(name)).unwrap();
        DataDir::check_restore(&path, &identity("a")).unwrap();
        drop(formed(&path));
        assert!(path.join(name).is_dir(), "{name} was removed");
    }
}

#[test]
fn an_id_that_was_given_up_never_comes_back() {
    let parent = TempDir::new().unwrap();
    let path = parent.path().join("data");
    let directory = formed(&path);
    directory.give_up().unwrap();
    assert_eq!(directory.formation(), Formation::Joining);
    drop(directory);
    for bootstrap in [false, true] {
        let again = DataDir::open(&path, identity("a"), bootstrap).unwrap();
        assert_eq!(again.formation(), Formation::Joining, "not even with --bootstrap");
    }
}

#[test]
fn what_was_stamped_is_found_again() {
    let parent = TempDir::new().unwrap();
    let path = parent.path().join("deep/data");
    let directory = formed(&path);
    assert_eq!(directory.formation(), Formation::Formed);
    drop(directory);
    for bootstrap in [false, true] {
        let again = DataDir::open(&path, identity("a"), bootstrap).unwrap();
        assert_eq!(again.formation(), Formation::Formed);
        assert_eq!(again.raft_id(3), 3);
        assert_eq!(again.epoch(), 1);
    }
}

#[test]
fn every_start_has_an_incarnation_of_its_own() {
    let parent = TempDir::new().unwrap();
    let first = formed(parent.path());
    assert_eq!(first.incarnation(), 0);
    assert_eq!(first.boot().unwrap(), 1);
    assert_eq!(first.incarnation(), 1);
    drop(first);
    assert_eq!(DataDir::open(parent.path(), identity("a"), false).unwrap().boot().unwrap(), 2);
}

#[test]
fn who_was_heard_of_is_never_forgotten() {
    let parent = TempDir::new().unwrap();
    let directory = formed(parent.path());
    let id = 2 | (5 << 16);
    directory.heard_of(id).unwrap();
    let written = content(parent.path());
    directory.heard_of(id).unwrap();
    assert_eq!(content(parent.path()), written);
    drop(directory);
    let again = DataDir::open(parent.path(), identity("a"), false).unwrap();
    assert!(again.has_heard_of(id));
    assert!(!again.has_heard_of(2));
    assert!(again.has_heard_of_node(2));
    assert!(!again.has_heard_of_node(3));
}

#[test]
fn an_unstamped_directory_remembers_nobody_and_counts_no_start() {
    let parent = TempDir::new().unwrap();
    let directory = DataDir::open(parent.path(), identity("a"), true).unwrap();
    assert_eq!(directory.formation(), Formation::Forming);
    assert!(matches!(directory.heard_of(2), Err(DataDirError::NotStamped { .. })));
    assert!(matches!(directory.boot(), Err(DataDirError::NotStamped { .. })));
}

#[test]
fn a_directory_of_another_node_cluster_or_role_is_refused_by_name() {
    let parent = TempDir::new().unwrap();
    drop(formed(parent.path()));
    let node = refused(parent.path(), identity("b"), true);
    assert!(node.contains(STAMP_FILE) && node.contains("node \"a\"") && node.contains("node \"b\""), "{node}");
    let cluster = refused(parent.path(), DataIdentity { cluster_id: "other".into(), ..identity("a") }, false);
    assert!(cluster.contains("cluster \"demo\"") && cluster.contains("\"other\""), "{cluster}");
    let role = refused(parent.path(), DataIdentity { kind: Kind::Witness, ..identity("a") }, false);
    assert!(role.contains("role \"data\"") && role.contains("\"witness\""), "{role}");
    refused(parent.path(), DataIdentity { cluster: [8; 16], ..identity("a") }, false);
}

#[test]
fn a_directory_with_files_and_no_stamp_is_refused_even_to_bootstrap() {
    let parent = TempDir::new().unwrap();
    fs::write(parent.path().join("precious.db"), "x").unwrap();
    for bootstrap in [false, true] {
        assert!(refused(parent.path(), identity("a"), bootstrap).contains("precious.db"));
    }
}

#[test]
fn a_damaged_stamp_is_refused() {
    let parent = TempDir::new().unwrap();
    drop(formed(parent.path()));
    let file = parent.path().join(STAMP_FILE);
    let whole = fs::read_to_string(&file).unwrap();
    let halves = [&whole[..whole.len() / 2], "", "format = 1\n", "\u{0}\u{0}"];
    for text in halves {
        fs::write(&file, text).unwrap();
        assert!(refused(parent.path(), identity("a"), true).contains("damaged"), "{text:?}");
    }
    fs::write(&file, [0xff, 0xfe]).unwrap();
    assert!(refused(parent.path(), identity("a"), false).contains("damaged"));
}

#[test]
fn a_newer_stamp_is_refused_by_its_format() {
    let parent = TempDir::new().unwrap();
    drop(formed(parent.path()));
    let file = parent.path().join(STAMP_FILE);
    let newer = fs::read_to_string(&file).unwrap().replace("format = 1", "format = 3\nsurprise = true");
    fs::write(&file, sealed_again(&newer)).unwrap();
    assert!(refused(parent.path(), identity("a"), false).contains("format 3"));
    fs::write(&file, newer).unwrap();
    assert!(
        refused(parent.path(), identity("a"), false).contains("damaged"),
        "a format is believed under a checksum alone"
    );
}

/// A stamp whose content was changed on purpose.
fn sealed_again(text: &str) -> String {
    let covered = &text[..text.rfind("# sha256: ").unwrap()];
    format!("{covered}{}", stamp::seal(covered.as_bytes()))
}

/// A member with every field in use, and the bytes of its stamp.
fn eventful(path: &Path) -> Vec<u8> {
    let directory = formed(path);
    directory.boot().unwrap();
    [2, 3].into_iter().for_each(|id| directory.heard_of(id).unwrap());
    let order = Forced { at_us: 5, epoch: 2, last_index: 9, last_commit: 8, accept_loss: true, term: 0 };
    directory.order(order.clone()).unwrap();
    directory.obeyed(1 << 32 | 1, 4).unwrap();
    directory.order(Forced { epoch: 3, ..order }).unwrap();
    fs::read(path.join(STAMP_FILE)).unwrap()
}

#[test]
fn no_flipped_bit_of_a_stamp_is_believed() {
    let parent = TempDir::new().unwrap();
    let whole = eventful(parent.path());
    let file = parent.path().join(STAMP_FILE);
    for raised in [false, true] {
        let whole = if raised {
            let text = String::from_utf8(whole.clone()).unwrap();
            sealed_again(&text.replace("format = 1", "format = 2")).into_bytes()
        } else {
            whole.clone()
        };
        fs::write(&file, &whole).unwrap();
        let found = NodeFile::read(&file, &identity("a")).unwrap().unwrap();
        assert_eq!(found.is_raised(), raised);
        for (at, bit) in (0..whole.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut bad = whole.clone();
            bad[at] ^= 1 << bit;
            fs::write(&file, bad).unwrap();
            let refused = NodeFile::read(&file, &identity("a"));
            assert!(matches!(refused, Err(DataDirError::Damaged { .. })), "bit {bit} of byte {at}: {refused:?}");
        }
    }
}

#[test]
fn no_flipped_bit_of_the_mark_of_a_forming_is_believed() {
    let parent = TempDir::new().unwrap();
    drop(DataDir::open(parent.path(), identity("a"), true).unwrap());
    let file = parent.path().join(FORMING_FILE);
    let whole = fs::read(&file).unwrap();
    for (at, bit) in (0..whole.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut bad = whole.clone();
        bad[at] ^= 1 << bit;
        fs::write(&file, bad).unwrap();
        let refused = NodeFile::read(&file, &identity("a"));
        assert!(matches!(refused, Err(DataDirError::Damaged { .. })), "bit {bit} of byte {at}: {refused:?}");
    }
}

/// The stamp of an older version, which knows no checksum and reads every comment.
const OLDER: &str = r#"# Written by ocsd. Do not edit, copy or restore by hand: it says who this node is.
format = 1
cluster_id = "demo"
cluster = "07070707070707070707070707070707"
node = "a"
role = "data"
raft_incarnation = 0
boots = 7
epoch = 1
given_up = false
heard_of = [2, 3]
"#;

#[test]
fn a_stamp_of_an_older_version_is_read_and_gets_its_checksum_with_the_next_change() {
    let parent = TempDir::new().unwrap();
    let file = parent.path().join(STAMP_FILE);
    fs::write(&file, OLDER).unwrap();
    let directory = DataDir::open(parent.path(), identity("a"), false).unwrap();
    assert_eq!(directory.boot().unwrap(), 8);
    drop(directory);
    let text = fs::read_to_string(&file).unwrap();
    let lines = |text: &str| text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(lines(&text), lines(&OLDER.replace("boots = 7", "boots = 8")), "no new key until the raise");
    assert!(text.lines().last().unwrap().starts_with("# sha256: "), "{text}");
    let newer = OLDER.replace("format = 1", "format = 2");
    fs::write(&file, newer).unwrap();
    assert!(refused(parent.path(), identity("a"), false).contains("no checksum"), "required from format 2 on");
}

#[test]
fn a_stamp_that_was_raised_is_written_in_the_newest_format_from_then_on() {
    let parent = TempDir::new().unwrap();
    let directory = formed(parent.path());
    assert!(!directory.raised());
    directory.raise_formats(2).unwrap();
    directory.boot().unwrap();
    drop(directory);
    assert!(fs::read_to_string(parent.path().join(STAMP_FILE)).unwrap().contains("format = 2\n"));
    assert!(DataDir::open(parent.path(), identity("a"), false).unwrap().raised());
}

#[test]
fn a_damaged_stamp_of_this_node_is_kept_and_its_id_given_up_for_any_epoch() {
    let parent = TempDir::new().unwrap();
    let whole = eventful(parent.path());
    let file = parent.path().join(STAMP_FILE);
    let bad = String::from_utf8(whole).unwrap().replace("epoch = 2", "epoch = 6").into_bytes();
    fs::write(&file, &bad).unwrap();
    assert!(refused(parent.path(), identity("a"), false).contains("checksum"));
    for bootstrap in [false, true] {
        let directory = DataDir::open_damaged(parent.path(), identity("a"), bootstrap).unwrap();
        assert_eq!((directory.formation(), directory.epoch()), (Formation::Joining, 1));
        assert_eq!(fs::read(parent.path().join("ocs-node.toml.damaged-1")).unwrap(), bad);
    }
    assert!(!parent.path().join("ocs-node.toml.damaged-2").exists(), "the second start finds a whole one");
    let again = DataDir::open(parent.path(), identity("a"), false).unwrap();
    assert_eq!(again.formation(), Formation::Joining, "durably");
}

#[test]
fn an_id_whose_epoch_is_disputed_is_given_up_for_the_lower_one() {
    let parent = TempDir::new().unwrap();
    eventful(parent.path());
    let directory = DataDir::open(parent.path(), identity("a"), false).unwrap();
    assert_eq!(directory.epoch(), 2);
    directory.give_up_disputed(1).unwrap();
    drop(directory);
    let again = DataDir::open(parent.path(), identity("a"), false).unwrap();
    assert_eq!((again.formation(), again.epoch(), again.ordered()), (Formation::Joining, 1, None));
}

#[test]
fn every_start_draws_a_token_of_its_own() {
    let parent = TempDir::new().unwrap();
    let first = formed(parent.path()).start();
    assert_ne!(DataDir::open(parent.path(), identity("a"), false).unwrap().start(), first);
}

#[test]
fn a_second_opener_is_told_who_has_it() {
    let parent = TempDir::new().unwrap();
    let first = formed(parent.path());
    let error = refused(parent.path(), identity("a"), false);
    assert!(error.contains(&format!("in use by another process (pid {})", std::process::id())), "{error}");
    drop(first);
    DataDir::open(parent.path(), identity("a"), false).unwrap();
}

#[test]
fn of_many_that_open_at_once_one_gets_it() {
    let parent = TempDir::new().unwrap();
    drop(formed(parent.path()));
    let start = std::sync::Barrier::new(8);
    let opened: Vec<_> = std::thread::scope(|scope| {
        let open = || {
            start.wait();
            DataDir::open(parent.path(), identity("a"), false)
        };
        let openers: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        openers.into_iter().map(|opener| opener.join().unwrap()).collect()
    });
    assert_eq!(opened.iter().filter(|result| result.is_ok()).count(), 1);
    let locked = |result: &&Result<DataDir, _>| matches!(result, Err(DataDirError::Locked { .. }));
    assert_eq!(opened.iter().filter(locked).count(), 7);
}

#[test]
fn an_attempt_to_form_that_was_cut_short_starts_again_from_nothing() {
    let parent = TempDir::new().unwrap();
    let first = DataDir::open(parent.path(), identity("a"), true).unwrap();
    fs::create_dir(parent.path().join("log")).unwrap();
    fs::write(parent.path().join("log/segment"), "half").unwrap();
    drop(first);
    assert!(matches!(DataDir::open(parent.path(), identity("b"), true), Err(DataDirError::Foreign { .. })));
    assert!(parent.path().join("log").exists());
    let again = DataDir::open(parent.path(), identity("a"), true).unwrap();
    assert_eq!(again.formation(), Formation::Forming);
    assert!(!parent.path().join("log").exists());
}

#[test]
fn a_number_that_the_stamp_cannot_hold_is_never_written() {
    let parent = TempDir::new().unwrap();
    let path = parent.path().join("data");
    let directory = formed(&path);
    let before = content(&path);
    for epoch in [1 << 63, u64::MAX] {
        assert!(matches!(directory.give_up_for(epoch), Err(DataDirError::Unreadable { .. })));
    }
    assert!(matches!(directory.heard_of(u64::MAX), Err(DataDirError::Unreadable { .. })));
    assert_eq!(content(&path), before);
    assert_eq!((directory.formation(), directory.epoch()), (Formation::Formed, 1));
    directory.give_up_for(i64::MAX.unsigned_abs()).unwrap();
    drop(directory);
    assert_eq!(DataDir::open(&path, identity("a"), false).unwrap().epoch(), i64::MAX.unsigned_abs());
}

#[test]
fn a_node_with_many_ids_is_remembered_by_the_newest_of_them() {
    let parent = TempDir::new().unwrap();
    let directory = formed(&parent.path().join("data"));
    directory.heard_of(3).unwrap();
    for incarnation in 0..300 {
        directory.heard_of(2 | incarnation << 16).unwrap();
    }
    assert!(directory.has_heard_of(2 | 299 << 16) && !directory.has_heard_of(2));
    assert!(directory.has_heard_of_node(2) && directory.has_heard_of(3));
}

#[test]
fn the_stamp_of_before_is_the_next_ones_draft_and_never_read() {
    let parent = TempDir::new().unwrap();
    let path = parent.path().join("data");
    let directory = formed(&path);
    let boots = [directory.boot().unwrap(), directory.boot().unwrap()];
    assert_eq!(boots, [1, 2]);
    let draft = path.join(format!("{STAMP_FILE}.new"));
    assert!(fs::metadata(&draft).unwrap().len() > 0, "it has its room");
    fs::write(&draft, "x".repeat(10_000)).unwrap();
    drop(directory);
    let again = DataDir::open(&path, identity("a"), false).unwrap();
    assert_eq!(again.boot().unwrap(), 3);
}
