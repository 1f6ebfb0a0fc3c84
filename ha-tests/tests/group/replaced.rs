//! A node that lost everything comes back by itself under a new id and takes its old one's place (R11 one-id-one-log).

use std::fs;

use ocs_ha_tests::{Cluster, Load, NODES, Signal, until};

/// A group that takes updates.
fn under_load() -> (Cluster, Load) {
    let cluster = Cluster::start();
    cluster.create_list("demo");
    let load = cluster.load("demo", 2);
    load.wait_more(100);
    (cluster, load)
}

#[test]
fn a_data_node_that_lost_its_disk_joins_by_itself_and_can_be_primary_again() {
    let (mut cluster, load) = under_load();
    let (primary, lost) = (cluster.primary(), cluster.other(cluster.primary()));
    cluster.kill(lost);
    fs::remove_dir_all(cluster.settings().data(lost)).unwrap();
    load.wait_more(50);
    cluster.start_node(lost, &[]);
    cluster.wait_new_id(lost, 1);
    cluster.wait_back();
    load.wait_more(50);
    cluster.kill(primary); // the new id and the witness are a quorum; the group no longer needs the old id
    load.wait_more(50);
    assert_eq!(cluster.primary(), lost);
    cluster.start_node(primary, &[]);
    cluster.wait_back();
    load.stop().assert_exactly_once(&cluster);
    cluster.assert_equal();
}

#[test]
fn a_witness_that_lost_its_disk_joins_by_itself_and_carries_updates_again() {
    let (mut cluster, load) = under_load();
    cluster.kill("w");
    fs::remove_dir_all(cluster.settings().data("w")).unwrap();
    load.wait_more(50);
    cluster.start_node("w", &[]);
    cluster.wait_new_id("w", 1);
    cluster.wait_back();
    let (primary, backup) = (cluster.primary(), cluster.other(cluster.primary()));
    cluster.kill(backup);
    load.wait_more(50);
    assert_eq!(cluster.primary(), primary);
    cluster.start_node(backup, &[]);
    cluster.wait_back();
    load.stop().assert_exactly_once(&cluster);
    cluster.assert_equal();
}

/// A disk that counted as lost, and is put back after its node was taken in under a new id.
#[test]
fn a_node_on_an_old_disk_under_an_id_that_was_replaced_gives_it_up_and_joins_again() {
    let (mut cluster, load) = under_load();
    let lost = cluster.other(cluster.primary());
    let (data, old) = (cluster.settings().data(lost), cluster.settings().data(lost).with_extension("old"));
    cluster.kill(lost);
    fs::rename(&data, &old).unwrap();
    cluster.start_node(lost, &[]);
    cluster.wait_new_id(lost, 1);
    cluster.wait_back();
    load.wait_more(50);
    cluster.kill(lost);
    fs::remove_dir_all(&data).unwrap();
    fs::rename(&old, &data).unwrap();
    cluster.start_node(lost, &[]);
    cluster.wait_new_id(lost, 2);
    cluster.wait_back();
    assert!(cluster.log(lost).contains("Raft id was replaced by a newer one"), "it was not said why");
    load.wait_more(50);
    load.stop().assert_exactly_once(&cluster);
    cluster.assert_equal();
}

#[test]
fn empty_directories_form_no_group_unless_they_are_told_to() {
    let mut cluster = Cluster::prepare(&[]);
    NODES.iter().for_each(|node| cluster.start_node(node, &[]));
    for node in NODES {
        until("it says what it waits for", || cluster.log(node).contains("waits for the group to take this node in"));
        cluster.signal(node, Signal::TERM);
        assert_eq!(cluster.stop(node), 0);
        assert!(!cluster.settings().data(node).join("log").exists(), "{node} formed a group");
    }
}
