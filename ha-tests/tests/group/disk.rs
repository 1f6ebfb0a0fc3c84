//! Disks that lose or spoil data (R10 and R11): a corrupt log is never cut, a torn log is cut, and a data node gets lost data
//! from the other node.

use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::Duration,
};

use ocs_ha_tests::{
    Client, Cluster,
    disk::{bytes_below, change, end_of, flip, segments, spoil},
    until_some_within,
};
use serde_json::Value;

/// Pause between two calls of status, which take processor time from the nodes.
const LOOK: Duration = Duration::from_millis(500);
/// Fifteen thousand entries: ten seconds where nothing else runs.
const STUFFING: Duration = Duration::from_secs(400);

fn add_some(cluster: &Cluster) {
    let load = cluster.load("demo", 2);
    load.wait_more(60);
    load.stop().assert_exactly_once_beside(cluster, &[]);
}

#[test]
fn a_torn_tail_is_cut_and_a_corrupt_log_is_kept_untouched_while_its_node_joins_under_a_new_id() {
    let mut cluster = Cluster::start();
    cluster.create_list("demo");
    add_some(&cluster);
    let (primary, backup) = (cluster.primary(), cluster.other(cluster.primary()));

    // Bytes behind the end are a torn write: the node cuts them, says so, and goes on.
    assert_eq!(cluster.stop(backup), 0);
    let segment = segments(cluster.settings(), backup).pop().unwrap();
    change(&segment, end_of(&segment), |bytes| bytes.iter_mut().for_each(|byte| *byte = 0xA5));
    cluster.start_node(backup, &[]);
    cluster.wait_whole();
    assert!(cluster.log(backup).contains("of a torn write"), "the cut was not said");

    // One durable bit, on the backup and on the witness, whose log is a copy of every update.
    for node in [backup, "w"] {
        assert_eq!(cluster.stop(node), 0);
        let segment = segments(cluster.settings(), node).pop().unwrap();
        flip(&segment);
        let data = cluster.settings().data(node);
        let before = bytes_below(&data.join("log"));
        cluster.start_node(node, &[]);
        cluster.wait_new_id(node, 1);
        cluster.wait_whole();
        assert!(cluster.log(node).contains("is damaged at byte"), "{}", cluster.log(node));
        let bytes = |files: Vec<(PathBuf, Vec<u8>)>| files.into_iter().map(|(_, bytes)| bytes).collect::<Vec<_>>();
        assert!(bytes(bytes_below(&data.join("log.aside-1"))) == bytes(before), "a corrupt log was changed");
    }
    assert_eq!(cluster.primary(), primary);
    add_some_more(&cluster);
}

/// After damage was mended the group takes updates as before.
fn add_some_more(cluster: &Cluster) {
    let mut client = cluster.http("a");
    for number in 0..20 {
        let added = client.post("/lists/demo?req=AddRecord", &format!(r#"{{"GSW_PHONE":"+9998{number:04}"}}"#));
        assert_eq!(added.status, 200, "{added:?}");
    }
    cluster.assert_equal();
    assert_eq!(cluster.export_text("demo", "a"), cluster.export_text("demo", "b"));
}

#[test]
fn a_node_that_lost_its_state_gets_it_back_from_the_log_or_from_the_other_node() {
    let mut cluster = Cluster::start();
    cluster.create_list("demo");
    add_some(&cluster);
    let backup = cluster.other(cluster.primary());

    // Lost, while the log still has all entries: applied again.
    assert_eq!(cluster.stop(backup), 0);
    fs::remove_dir_all(cluster.settings().data(backup).join("state")).unwrap();
    cluster.start_node(backup, &[]);
    cluster.assert_equal();
    assert!(!cluster.log(backup).contains("the state was fetched"));

    // Spoilt: moved aside, said, and made anew.
    cluster.kill(backup);
    let state = cluster.settings().data(backup).join("state");
    fs::write(state.join("STAMP"), b"nonsense").unwrap();
    cluster.start_node(backup, &[]);
    cluster.assert_equal();
    assert!(cluster.log(backup).contains("it is moved aside"), "it was not said");
    add_some_more(&cluster);
}

#[test]
fn a_state_that_the_log_cannot_make_anew_is_fetched_while_the_other_node_serves() {
    let mut cluster = Cluster::with(&["store.persist_ms=200"]);
    cluster.create_list("demo");
    let (primary, backup) = (cluster.primary(), cluster.other(cluster.primary()));
    stuff_until_cut(&cluster);

    assert_eq!(cluster.stop(backup), 0);
    fs::remove_dir_all(cluster.settings().data(backup).join("state")).unwrap();
    let load = cluster.load("demo", 2);
    load.wait_more(20);
    cluster.start_node(backup, &[]);
    cluster.wait_back();
    load.wait_more(20);
    load.stop().assert_no_failure_at(primary);
    cluster.assert_equal();
    assert_eq!(cluster.log(backup).matches("the state was fetched").count(), 1);
    assert!(cluster.export_text("demo", "a") == cluster.export_text("demo", "b"), "the exports differ");

    // Spoilt in the files of the engine, where the log cannot help either.
    cluster.kill(backup);
    spoil(&cluster.settings().data(backup).join("state"));
    cluster.start_node(backup, &[]);
    cluster.assert_equal();
    assert!(cluster.log(backup).contains("it is moved aside"), "it was not said");
    assert_eq!(cluster.log(backup).matches("the state was fetched").count(), 2);
    assert!(cluster.export_text("demo", "a") == cluster.export_text("demo", "b"), "the exports differ");
}

/// Many small entries, by few clients so that few requests meet in one entry, until both nodes have forgotten the first.
fn stuff_until_cut(cluster: &Cluster) {
    const CLIENTS: usize = 3;
    let enough = AtomicBool::new(false);
    let address = cluster.settings().address(cluster.primary(), "http");
    let stuff = |client: usize| {
        let mut http = Client::new(&address);
        for number in 0.. {
            let body = format!(r#"{{"GSW_PHONE":"+9997{client}{number:07}"}}"#);
            assert_eq!(http.post("/lists/demo?req=AddRecord", &body).status, 200);
            if enough.load(Relaxed) {
                return;
            }
        }
    };
    let cut =
        |node: &Value| node["role"] == "witness" || node["first_index"].as_u64().is_some_and(|first| first > 1000);
    thread::scope(|scope| {
        let _ends_with_this = Ends(&enough);
        let stuff = &stuff;
        for client in 0..CLIENTS {
            scope.spawn(move || stuff(client));
        }
        until_some_within(STUFFING, "both logs were cut", || {
            thread::sleep(LOOK);
            cluster.status()["nodes"].as_array().is_some_and(|nodes| nodes.iter().all(cut)).then_some(())
        });
    });
}

/// Tells the clients to end, however the wait ended: a scope waits for them.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}
