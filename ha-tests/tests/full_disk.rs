//! A node whose log waits for room on its disk still ends on SIGTERM.
//!
//! Needs the programs of the same build: `cargo build --workspace --bins` (`make test` does it).

#![allow(clippy::unwrap_used)] // a helper that cannot go on fails its test

use ocs_ha_tests::{Cluster, until};

#[test]
fn a_backup_whose_disk_is_full_ends_when_told_to_and_comes_back_whole() {
    let mut cluster = Cluster::with(&["limits.drain_timeout_ms=1000", "http_proxy.drain_timeout_ms=1000"]);
    cluster.create_list("demo");
    let backup = cluster.other(cluster.primary());
    assert_eq!(cluster.stop(backup), 0);
    cluster.start_node(backup, &["--set", "node.disk_reserve_bytes=9000000000000000"]);
    cluster.create_list("another");
    until("a write that waits for room", || cluster.log(backup).contains("the log's disk is full"));
    assert_eq!(cluster.stop(backup), 0);
    cluster.start_node(backup, &[]);
    cluster.wait_whole();
    cluster.assert_equal();
}
