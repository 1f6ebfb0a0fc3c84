//! A log at its limit (R1 forget-what-both-have): updates stop with a reason, reads go on, nothing is dropped, and `ocsctl node
//! replace` is the way out. Also the memory of the witness.

use std::fs;

use ocs_ha_tests::{Answer, Cluster, until, until_some};
use serde_json::Value;

use crate::replacing::{replaced, replacing};

/// The smallest log that the configuration allows: four segments.
const BYTES_MAX: &str = "log.bytes_max=16777216";
/// More requests than the log can hold.
const POSTS_MAX: usize = 200;
/// The bar is 20 MiB for the optimised build; half of that is the program itself, and the test's build is larger.
const WITNESS_KIB_MAX: u64 = 40 * 1024;

/// The longest value that is taken, bytes.
const VALUE_BYTES: usize = 60_000;

/// An update that takes so many times [`VALUE_BYTES`] in the log.
fn add(cluster: &Cluster, node: &str, number: usize, values: usize) -> Answer {
    let junk: String = (0..values).map(|value| format!(r#","JUNK{value}":"{}""#, "x".repeat(VALUE_BYTES))).collect();
    let body = format!(r#"{{"GSW_PHONE":"+9996{number:06}"{junk}}}"#);
    cluster.http(node).post("/lists/demo?req=AddRecord", &body)
}

/// Whether a node, as status shows it, misses another one.
fn misses(node: &Value, lost: &str) -> bool {
    node["peers"].as_array().unwrap().iter().any(|peer| peer["node"] == lost && peer["connected"] == false)
}

#[test]
fn a_log_at_its_limit_stops_updates_and_a_replaced_node_lets_them_go_on() {
    let mut cluster = Cluster::with(&[BYTES_MAX]);
    cluster.create_list("demo");
    let (primary, lost) = (cluster.primary(), cluster.other(cluster.primary()));
    let handle = add(&cluster, primary, 0, 0).handle();
    cluster.kill(lost);
    until("it is missed", || misses(&cluster.of_node(primary), lost));
    let known = cluster.of_node(primary)["last_index"].as_u64().unwrap(); // the lost node has no entry after this one
    let refused = (1..POSTS_MAX).map(|number| add(&cluster, primary, number, 8)).find(|answer| answer.status != 200);
    let refused = refused.expect("the log reaches its limit");
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.body.contains("log.bytes_max"), "the reason is not named: {}", refused.body);

    // A quorum still elects, and reads go on.
    cluster.kill(primary);
    cluster.start_node(primary, &[]);
    assert_eq!(cluster.wait_primary(), primary);
    until("reads go on", || cluster.http(primary).get(&format!("/records/{handle}")).status == 200);
    assert_eq!(add(&cluster, primary, 1000, 0).status, 503);
    let node = cluster.of_node(primary);
    let stopped = node["updates_stopped"].as_str().unwrap_or_default().to_owned();
    assert!(stopped.contains(&format!("`ocsctl node replace {lost}`")), "{stopped}");
    assert_eq!(cluster.metric(primary, "ocs_log_full "), 1.0);
    for node in [primary, "w"] {
        let first = cluster.of_node(node)["first_index"].as_u64().unwrap();
        assert!(first <= known + 1, "{node} begins at {first}; the lost node may have no more than {known}");
    }

    let child = replacing(&cluster, &[lost]);
    fs::remove_dir_all(cluster.settings().data(lost)).unwrap();
    cluster.start_node(lost, &[]);
    let view = replaced(child);
    assert_eq!(view["new_id"].as_u64().map(|id| id >> 16), Some(1), "{view}");
    until("updates go on by themselves", || add(&cluster, primary, 1001, 0).status == 200);
    cluster.assert_equal();
    assert_eq!(cluster.of_node(primary)["updates_stopped"], "");
}

/// The peak resident size of a process, without its program: the code of an unoptimised build is larger than all data.
fn peak_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let kib = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap()
    };
    kib("VmHWM:") - kib("RssFile:")
}

#[test]
fn a_witness_stays_small_under_load_with_large_requests_and_after_a_start_with_a_long_log() {
    let mut cluster = Cluster::start();
    cluster.create_list("demo");
    let (primary, backup) = (cluster.primary(), cluster.other(cluster.primary()));
    cluster.kill(backup); // no entry is forgotten meanwhile
    let load = cluster.load("demo", 4);
    load.wait_more(500);
    for number in 0..60 {
        assert_eq!(add(&cluster, primary, number, 15).status, 200);
    }
    load.stop();
    let pid = cluster.node("w").pid();
    let loaded = peak_kib(pid);
    assert!(loaded < WITNESS_KIB_MAX, "under load: {loaded} KiB");
    // The witness starts with a log of 50 MB, and feeds the backup from it.
    assert_eq!(cluster.stop("w"), 0);
    cluster.start_node("w", &[]);
    cluster.kill(primary);
    cluster.start_node(backup, &[]);
    until_some("the backup is primary, fed by the witness", || (cluster.status()["primary"] == backup).then_some(()));
    let started = peak_kib(cluster.node("w").pid());
    assert!(started < WITNESS_KIB_MAX, "after a start: {started} KiB");
    cluster.start_node(primary, &[]);
    cluster.assert_equal();
}
