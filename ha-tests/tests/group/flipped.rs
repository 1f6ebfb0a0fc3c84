//! A flipped bit of a file that describes a node: the node mends the file, or says why it cannot, and no other node ends or
//! gives anything up.

use std::{
    fs,
    path::{Path, PathBuf},
};

use ocs_ha_tests::{Cluster, disk::segments};

/// Draws the bits; another seed draws others.
const SEED: u64 = 20_240_229;
/// Bytes of a segment's header, and of a slot of the mark, that are in use.
const HEADER_BYTES: u64 = 60;
const SLOT_BYTES: u64 = 40;

/// Numbers that are the same in every run.
struct Drawn(u64);

impl Drawn {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn flip(file: &Path, at: u64, bit: u64) {
    let mut bytes = fs::read(file).unwrap();
    bytes[usize::try_from(at).unwrap()] ^= 1 << bit;
    fs::write(file, bytes).unwrap();
}

/// The files of a node whose bits are flipped, and how many bytes of each are in use.
fn files(cluster: &Cluster, node: &str) -> Vec<(PathBuf, u64)> {
    let data = cluster.settings().data(node);
    let whole = |path: PathBuf| (path.clone(), fs::metadata(&path).unwrap().len());
    let mut files = vec![
        whole(data.join("ocs-node.toml")),
        (segments(cluster.settings(), node).pop().unwrap(), HEADER_BYTES),
        (data.join("log/mark"), SLOT_BYTES),
    ];
    if node != "w" {
        files.extend([whole(data.join("state/STAMP")), whole(data.join("state/NODE"))]);
    }
    files
}

fn asides(cluster: &Cluster, node: &str) -> Vec<String> {
    let entries = fs::read_dir(cluster.settings().data(node)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name.contains("aside")).collect()
}

#[test]
fn a_flipped_bit_of_a_stamp_or_a_header_is_mended_and_the_other_nodes_go_on() {
    let mut cluster = Cluster::start();
    cluster.create_list("demo");
    let load = cluster.load("demo", 2);
    load.wait_more(100);
    load.stop().assert_exactly_once_beside(&cluster, &[]);
    cluster.move_primary("a");
    let pid = cluster.node("a").pid();
    let mut drawn = Drawn(SEED);
    for node in ["b", "w"] {
        for nth in 0..files(&cluster, node).len() {
            assert_eq!(cluster.stop(node), 0);
            let (file, bytes) = files(&cluster, node).swap_remove(nth);
            let (at, bit) = (drawn.below(bytes), drawn.below(8));
            eprintln!("bit {bit} of byte {at} of {}", file.display());
            flip(&file, at, bit);
            cluster.start_node(node, &[]);
            cluster.wait_whole();
            assert!(cluster.runs("a") && cluster.node("a").pid() == pid, "the primary was started anew");
            assert_eq!(asides(&cluster, "a"), Vec::<String>::new());
        }
    }
    cluster.assert_equal();
}

/// The epoch of a stamp, with a checksum that shows the flip and without.
#[test]
fn a_node_whose_stamp_names_an_epoch_that_its_log_does_not_joins_anew_and_nobody_believes_it() {
    let mut cluster = Cluster::start();
    cluster.create_list("demo");
    cluster.move_primary("a");
    let stamp = cluster.settings().data("b").join("ocs-node.toml");
    let raise_epoch = |text: String| -> String { text.replace("epoch = 1", "epoch = 3") };
    let as_an_older_version = |text: String| -> String {
        let text = raise_epoch(text).replace(" is, and its last line is a checksum.", " is.");
        let text = text.replace("format = 2", "format = 1"); // where the checksum is missing the flip is no fault
        text.lines().filter(|line| !line.starts_with("# sha256")).map(|line| format!("{line}\n")).collect()
    };
    let changes: [(&dyn Fn(String) -> String, &str); 2] =
        [(&raise_epoch, "the stamp is damaged"), (&as_an_older_version, "name different epochs")];
    for (incarnation, (change, said)) in (1..).zip(changes) {
        assert_eq!(cluster.stop("b"), 0);
        fs::write(&stamp, change(fs::read_to_string(&stamp).unwrap())).unwrap();
        cluster.start_node("b", &[]);
        cluster.wait_new_id("b", incarnation);
        cluster.wait_whole();
        assert!(cluster.log("b").contains(said), "{}", cluster.log("b"));
        for node in ["a", "w"] {
            assert_eq!(asides(&cluster, node), Vec::<String>::new(), "{node} gave something up");
        }
    }
    assert_eq!(cluster.primary(), "a");
    cluster.assert_equal();
}

#[test]
fn a_node_refuses_another_ones_log_state_and_stamp_with_the_reason() {
    let mut cluster = Cluster::start();
    cluster.create_list("demo");
    cluster.move_primary("a");
    assert_eq!(cluster.stop("b"), 0);
    assert_eq!(cluster.stop("a"), 0);
    let (a, b) = (cluster.settings().data("a"), cluster.settings().data("b"));
    for (part, said) in [("log", "node with number 1"), ("state", "is of node \"a\""), ("ocs-node.toml", "node \"a\"")]
    {
        let kept = b.join("kept");
        fs::rename(b.join(part), &kept).unwrap();
        copy(&a.join(part), &b.join(part));
        let ran = cluster.run_node("b", &[]);
        assert!(ran.code != 0 && ran.err.contains(said), "{part}: {}", ran.err);
        if b.join(part).is_dir() {
            fs::remove_dir_all(b.join(part)).unwrap();
        }
        fs::rename(&kept, b.join(part)).unwrap();
    }
    ["a", "b"].into_iter().for_each(|node| cluster.start_node(node, &[]));
    cluster.wait_whole();
    cluster.assert_equal();
}

/// A whole directory.
fn copy(from: &Path, to: &Path) {
    if !from.is_dir() {
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let name = entry.unwrap().file_name();
        copy(&from.join(&name), &to.join(&name));
    }
}

#[test]
fn a_second_process_on_a_copied_directory_is_refused_and_both_addresses_are_named() {
    let mut cluster = Cluster::start();
    cluster.create_list("demo");
    cluster.move_primary("a");
    assert_eq!(cluster.stop("b"), 0);
    let copied = cluster.path("copied");
    copy(&cluster.settings().data("b"), &copied);
    cluster.start_node("b", &[]);
    cluster.wait_whole();
    let settings = [
        format!("node.data_dir=\"{}\"", copied.display()),
        "peer.listen=\"127.0.0.1:0\"".to_owned(),
        "control.listen=\"127.0.0.1:0\"".to_owned(),
        "admin.listen=\"127.0.0.1:0\"".to_owned(),
        "http_proxy.listen=\"\"".to_owned(),
    ];
    let words: Vec<&str> = settings.iter().flat_map(|pair| ["--set", pair]).collect();
    cluster.start_clone("b", "b.clone", &words);
    let said = "two processes have one identity: node number 2";
    ocs_ha_tests::until("the clone is named", || cluster.log("a").contains(said));
    ocs_ha_tests::until("the clone is told", || cluster.log("b.clone").contains(said));
    let log = cluster.log("a");
    let line = log.lines().find(|line| line.contains(said)).unwrap();
    let named = line.contains(" speaks from 127.") && line.contains(" from=127.");
    assert!(named, "the caller, and both addresses: {line}");
    cluster.ctl(&["list", "create", "more"]).fine();
    assert!(cluster.runs("b"));
}
