//! A wrong state (R11 one-id-one-log; architecture, Storage): detected, kept from serving, replaced from the other data node,
//! reported.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::{path::Path, process::Command, thread};

use ocs_ha_tests::{Client, Cluster, Ran, program, until};

/// More than one digest's distance, in entries.
const ENTRIES: u64 = 1100;

/// Changes a record on the disk of a stopped node, so that only the content differs.
fn spoil(cluster: &Cluster, node: &str, phrase: &str) {
    let spoil = program("examples/spoil");
    let state = cluster.settings().data(node).join("state");
    Ran::of(Command::new(spoil).arg(state).arg(phrase)).fine();
}

fn applied(cluster: &Cluster, node: &str) -> u64 {
    cluster.of_node(node)["applied_index"].as_u64().unwrap_or(0)
}

/// Many small entries.
fn add_entries(cluster: &Cluster, entries: u64) {
    let (address, until_index) = (cluster.settings().address("a", "http"), applied(cluster, "a") + entries);
    let enough = AtomicBool::new(false);
    thread::scope(|scope| {
        for client in 0..3 {
            let (address, enough) = (&address, &enough);
            scope.spawn(move || {
                let mut http = Client::new(address);
                for number in (0..).take_while(|_| !enough.load(Relaxed)) {
                    let body = format!(r#"{{"GSW_PHONE":"+9996{client}{until_index}{number:05}"}}"#);
                    let answer = http.send("POST", "/lists/demo?req=AddRecord", &[], &body);
                    assert!(answer.is_ok_and(|answer| answer.status == 200));
                }
            });
        }
        until("many entries are applied", || {
            let there = applied(cluster, "a") >= until_index;
            enough.store(there, Relaxed);
            there
        });
    });
}

fn wait_replaced(cluster: &Cluster, node: &str, times: f64) {
    until(&format!("the state of {node} is replaced"), || {
        cluster.metric(node, "ocs_state_repairs_total") >= times && cluster.ctl(&["verify"]).code == 0
    });
    cluster.wait_whole();
    assert!(cluster.log(node).contains("it serves no more, and is fetched again"), "{}", cluster.log(node));
    assert!(Path::new(&cluster.settings().data(node).join("state.aside")).is_dir());
    let warnings = cluster.of_node(node)["warnings"].to_string();
    assert!(warnings.contains("the state was wrong and has been replaced"), "{warnings}");
    assert_eq!(cluster.export_text("demo", "a"), cluster.export_text("demo", "b"));
}

#[test]
fn a_state_that_is_wrong_is_found_by_digest_by_verify_and_by_scan_and_replaced_from_the_other_node() {
    let mut cluster = Cluster::with(&["store.persist_ms=200", "store.scan_interval_s=0"]);
    cluster.create_list("demo");
    let add = |cluster: &Cluster, phone: &str| {
        let body = format!(r#"{{"GSW_PHONE":"{phone}"}}"#);
        cluster.http("a").post("/lists/demo?req=AddRecord", &body).handle()
    };
    let first = add(&cluster, "+99955550001");
    add(&cluster, "+99955550002");
    add(&cluster, "+99955550003");
    cluster.move_primary("a");

    // The backup: the wrong row is used, the digests part at the next index with a digest.
    assert_eq!(cluster.stop("b"), 0);
    spoil(&cluster, "b", "+99955550001");
    cluster.start_node("b", &[]);
    cluster.wait_whole();
    let update = format!("/records/{first}?req=UpdateCallCompletionStats");
    assert_eq!(cluster.http("a").post(&update, r#"{"GSW_ATTEMPTS":3}"#).status, 200);
    add_entries(&cluster, ENTRIES);
    wait_replaced(&cluster, "b", 1.0);
    assert_eq!(cluster.metric("a", "ocs_state_repairs_total"), 0.0, "the node that was right was replaced");
    assert_eq!(cluster.primary(), "a");

    // The primary, asked by an operator: the node is named, and hands over.
    assert_eq!(cluster.stop("a"), 0);
    spoil(&cluster, "a", "+99955550002");
    cluster.start_node("a", &[]);
    cluster.wait_whole();
    cluster.move_primary("a");
    let ran = cluster.ctl(&["verify", "-o", "json"]);
    assert!(ran.code == 1 && ran.json()["wrong"][0] == "a" && ran.err.contains("a is wrong"), "{}{}", ran.out, ran.err);
    wait_replaced(&cluster, "a", 1.0);
    assert_eq!(cluster.primary(), "b");

    // By the scan.
    assert_eq!(cluster.stop("a"), 0);
    spoil(&cluster, "a", "+99955550003");
    cluster.start_node("a", &["--set", "store.scan_interval_s=1"]);
    cluster.wait_whole();
    wait_replaced(&cluster, "a", 1.0);
    until("a later scan finds nothing", || {
        cluster.metric("a", "ocs_state_scans_total") > cluster.metric("a", "ocs_state_scans_bad_total")
    });
    add(&cluster, "+99955550004");
    cluster.wait_whole();
    assert_eq!(cluster.ctl(&["verify"]).code, 0);
}
