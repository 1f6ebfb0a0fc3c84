//! The files of a node belong to its user alone, whatever the umask at its start.

use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::Path,
};

use ocs_ha_tests::{Cluster, NODES, Ran, masked};

/// A umask that takes no right away.
const OPEN: &str = "000";

#[test]
fn under_an_open_umask_data_keys_and_sockets_belong_to_their_user_alone() {
    let mut cluster = Cluster::prepare(&[]);
    let certs = cluster.path("certs-again");
    let make = cluster.ctl_command(&["certs", "--dir", &certs.display().to_string(), "--nodes", "a,b,w"]);
    Ran::of(&mut masked(&make, OPEN)).fine();
    NODES.iter().for_each(|node| cluster.start_node_masked(node, OPEN, &["--bootstrap"]));
    cluster.wait_whole();
    cluster.create_list("demo");

    let mut open = Vec::new();
    let keys = fs::read_dir(&certs).unwrap().map(|entry| entry.unwrap().path());
    let keys: Vec<_> = keys.filter(|path| path.extension().is_some_and(|ending| ending == "key")).collect();
    assert!(keys.len() >= NODES.len(), "a key for each node: {keys:?}");
    keys.iter().for_each(|key| collect_open(key, &mut open));
    for node in NODES {
        let data = cluster.settings().data(node);
        assert!(data.join("log").exists(), "{node} has no log in {}", data.display());
        collect_open(&data, &mut open);
    }
    assert!(open.is_empty(), "open to others than their user: {open:#?}");
}

/// Collects entries that are not private: directories are 0700, files 0600, and sockets give others nothing.
fn collect_open(path: &Path, open: &mut Vec<String>) {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return, // the running node removes merged files
        found => found.unwrap(),
    };
    let (kind, mode) = (found.file_type(), found.mode() & 0o7777);
    let private = if kind.is_dir() {
        mode == 0o700
    } else if kind.is_socket() {
        mode & 0o077 == 0
    } else {
        mode == 0o600
    };
    if !private {
        open.push(format!("{mode:o} {}", path.display()));
    }
    if kind.is_dir() {
        let entries = fs::read_dir(path).into_iter().flatten(); // none: removed meanwhile
        entries.for_each(|entry| collect_open(&entry.unwrap().path(), open));
    }
}
