//! The end of a process (architecture, What loses what): no acknowledged update is lost, and none is applied twice.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use ocs_ha_tests::{Cluster, NODES, Signal, until};

/// Clients at each HTTP Proxy.
const CLIENTS: usize = 3;

fn started() -> Cluster {
    let cluster = Cluster::start();
    cluster.create_list("demo");
    cluster
}

#[test]
fn a_killed_primary_costs_the_other_proxys_clients_no_error_and_nobody_an_update() {
    let mut cluster = started();
    let load = cluster.load("demo", CLIENTS);
    load.wait_more(100);
    let (killed, survivor) = (cluster.primary(), cluster.other(cluster.primary()));
    let proxy = cluster.proxy_pid(killed).unwrap();
    cluster.kill(killed);
    load.wait_more(100);
    assert_eq!(cluster.primary(), survivor);
    cluster.wait_gone(proxy); // spec 10: the proxy ends when its connection with the node is lost
    cluster.start_node(killed, &[]);
    cluster.wait_back();
    assert_eq!(cluster.of_node(killed)["role"], "backup");
    load.wait_more(100);
    let loaded = load.stop();
    loaded.assert_no_failure_at(survivor);
    loaded.assert_exactly_once(&cluster);
}

#[test]
fn a_killed_backup_or_witness_costs_nothing_and_catches_up() {
    let mut cluster = started();
    let load = cluster.load("demo", CLIENTS);
    load.wait_more(50);
    let (primary, backup) = (cluster.primary(), cluster.other(cluster.primary()));
    cluster.kill(backup);
    load.wait_more(100);
    assert_eq!(cluster.primary(), primary);
    cluster.start_node(backup, &[]);
    cluster.wait_back();
    cluster.kill("w");
    load.wait_more(100);
    assert_eq!(cluster.primary(), primary);
    cluster.start_node("w", &[]);
    cluster.wait_back();
    load.wait_more(50);
    let loaded = load.stop();
    loaded.assert_no_failure_at(primary);
    loaded.assert_exactly_once(&cluster);
}

#[test]
fn what_was_acknowledged_is_there_after_all_three_were_killed_at_once() {
    let mut cluster = started();
    let load = cluster.load("demo", CLIENTS);
    load.wait_more(100);
    NODES.iter().for_each(|node| cluster.signal(node, Signal::KILL));
    NODES.iter().for_each(|node| cluster.kill(node));
    NODES.iter().for_each(|node| cluster.start_node(node, &[]));
    cluster.wait_back();
    load.wait_more(50);
    load.stop().assert_exactly_once(&cluster);
}

#[test]
fn with_two_of_three_lost_reads_say_that_they_are_stale_and_updates_are_refused() {
    let mut cluster = Cluster::with(&["limits.hold_time_ms=300"]);
    cluster.create_list("demo");
    let (primary, last) = (cluster.primary(), cluster.other(cluster.primary()));
    let handle = cluster.http(primary).post("/lists/demo?req=AddRecord", r#"{"GSW_PHONE":"+99970"}"#).handle();
    let read = format!("/records/{handle}");
    let confirmed = cluster.http(last).get(&read);
    assert_eq!((confirmed.status, confirmed.header("x-ocs-stale")), (200, None));
    cluster.kill(primary);
    cluster.kill("w");
    let known = cluster.http(last).get(&read);
    assert_eq!((known.status, known.header("x-ocs-stale")), (200, Some("true")), "{known:?}");
    let update = cluster.http(last).post(&format!("{read}?req=RecordProcessed"), "");
    assert!(matches!(update.status, 503 | 504), "{update:?}"); // this node may have become primary before the witness went
    cluster.start_node("w", &[]);
    until("reads are confirmed again", || {
        let answer = cluster.http(last).get(&read);
        answer.status == 200 && answer.header("x-ocs-stale").is_none()
    });
}

#[test]
fn a_switchover_under_load_fails_no_request_at_either_proxy() {
    let cluster = started();
    let load = cluster.load("demo", CLIENTS);
    for _ in 0..3 {
        load.wait_more(50);
        cluster.move_primary_under_load(cluster.other(cluster.primary()));
    }
    load.wait_more(50);
    let loaded = load.stop();
    loaded.assert_no_failure_at("a");
    loaded.assert_no_failure_at("b");
    loaded.assert_exactly_once(&cluster);
}

#[test]
fn a_primary_that_is_told_to_stop_hands_over_first() {
    let mut cluster = started();
    let mut round = || {
        let load = cluster.load("demo", CLIENTS);
        load.wait_more(50);
        let (stopped, survivor) = (cluster.primary(), cluster.other(cluster.primary()));
        assert_eq!(cluster.stop(stopped), 0);
        assert!(cluster.log(stopped).contains("handed over before the stop"));
        load.wait_more(50);
        assert_eq!(cluster.primary(), survivor);
        cluster.start_node(stopped, &[]);
        cluster.wait_back();
        let loaded = load.stop();
        loaded.assert_no_failure_at(survivor);
        loaded
    };
    let (first, second) = (round(), round());
    first.and(second).assert_exactly_once(&cluster);
}

/// The confirmed claims to be primary, by term.
fn confirmed_primaries(cluster: &Cluster, found: &mut BTreeMap<u64, Vec<&'static str>>) {
    for node in ["a", "b"] {
        if let Ok(answer) = cluster.admin(node).send("GET", "/primary", &[], "")
            && answer.status == 200
        {
            let term = answer.attribute("term").as_u64().unwrap();
            let nodes = found.entry(term).or_default();
            if !nodes.contains(&node) {
                nodes.push(node);
            }
        }
    }
}

#[test]
fn a_primary_that_was_frozen_is_replaced_and_answers_nothing_stale_when_it_thaws() {
    let mut cluster = started();
    let (frozen, survivor) = (cluster.primary(), cluster.other(cluster.primary()));
    let mut client = cluster.http(survivor);
    let handle = client.post("/lists/demo?req=AddRecord", r#"{"GSW_PHONE":"+9999990000001"}"#).handle();
    let load = cluster.load("demo", CLIENTS);
    load.wait_more(50);
    let mut primaries = BTreeMap::new();
    confirmed_primaries(&cluster, &mut primaries);

    cluster.signal(frozen, Signal::STOP);
    let thaw_at = Instant::now() + Duration::from_secs(3);
    // The survivor holds the update until it is primary itself: latency, not an error.
    let update = format!("/records/{handle}?req=UpdateCallCompletionStats");
    let updated = client.post_keyed(&update, "while-frozen", r#"{"GSW_ATTEMPTS":41}"#);
    assert_eq!(updated.status, 200, "{updated:?}");
    thread::sleep(thaw_at.saturating_duration_since(Instant::now())); // the freeze must last so long
    cluster.signal(frozen, Signal::CONT);
    // The old primary may still take itself for the leader; its answers must be current.
    let shown = cluster.http(frozen).get(&format!("/records/{handle}"));
    assert_eq!(shown.attribute("GSW_ATTEMPTS"), 41, "{shown:?}");
    for _ in 0..20 {
        confirmed_primaries(&cluster, &mut primaries);
    }
    cluster.wait_back();
    load.wait_more(50);
    confirmed_primaries(&cluster, &mut primaries);
    assert!(primaries.values().all(|nodes| nodes.len() == 1), "two primaries in one term: {primaries:?}");
    let loaded = load.stop();
    loaded.assert_no_failure_at(survivor);
    loaded.assert_exactly_once_beside(&cluster, &["+9999990000001"]);
}
