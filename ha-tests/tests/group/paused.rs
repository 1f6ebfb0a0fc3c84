//! Pausing of automatic failover, and the history of the role: on real processes, over the restart of every node.

use std::{
    thread,
    time::{Duration, Instant},
};

use ocs_ha_tests::{Client, Cluster, NODES, until, until_some};
use serde_json::Value;

/// More than the witness's patience of three election timeouts.
const LONG: Duration = Duration::from_secs(4);
const LOOK: Duration = Duration::from_millis(500);

/// No node becomes primary, and no node asks for votes, however long the pause lasts.
fn nobody_takes_over(cluster: &Cluster, nodes: &[&str]) {
    let began = Instant::now();
    while began.elapsed() < LONG {
        assert_eq!(cluster.status()["primary"], Value::Null);
        thread::sleep(LOOK);
    }
    for node in nodes {
        assert_eq!(cluster.of_node(node)["failover_paused"], true, "{node}");
    }
}

fn history(cluster: &Cluster, node: &str) -> Vec<Value> {
    let endpoint = cluster.settings().address(node, "control");
    // on a busy machine a quorum round may be late
    until_some("a confirmed history", || {
        let ran = cluster.ctl(&["--endpoints", &endpoint, "history", "-o", "json"]);
        let shown = (ran.code == 0).then(|| ran.json()).filter(|shown| shown["confirmed"] == true)?;
        shown["changes"].as_array().cloned()
    })
}

fn reasons(history: &[Value]) -> Vec<String> {
    history.iter().map(|change| change["reason"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Waits until the history ends with these entries.
fn history_ends(cluster: &Cluster, reason: &str, to: &str) {
    until(&format!("the history ends: {reason}"), || {
        history(cluster, to).last().is_some_and(|last| {
            last["reason"].as_str().is_some_and(|told| told.starts_with(reason)) && last["to"] == to
        })
    });
}

fn takes_updates(cluster: &Cluster, node: &str, phone: &str) {
    let added = Client::new(&cluster.settings().address(node, "http"))
        .post("/lists/demo?req=AddRecord", &format!(r#"{{"GSW_PHONE":"{phone}"}}"#));
    assert_eq!(added.status, 200, "{added:?}");
}

#[test]
fn while_failover_is_paused_the_role_moves_only_by_an_operator_over_the_restart_of_every_node() {
    let mut cluster = Cluster::start();
    cluster.create_list("demo");
    let (first, other) = (cluster.primary(), cluster.other(cluster.primary()));
    cluster.ctl(&["pause"]).fine();
    until("every node knows", || NODES.iter().all(|node| cluster.metric(node, "ocs_failover_paused ") == 1.0));
    assert!(cluster.admin("w").get("/livez").body.contains(r#""failover_paused":true"#));
    assert_eq!(cluster.ctl(&["drill", "kill", "--rounds", "1"]).code, 1, "a drill would kill for nothing");

    let before = history(&cluster, first);
    cluster.kill(first);
    nobody_takes_over(&cluster, &[other, "w"]);
    for node in [other, "w"] {
        assert_eq!(cluster.stop(node), 0);
        cluster.start_node(node, &[]);
    }
    until("they run", || [other, "w"].iter().all(|node| cluster.runs_whole(node)));
    nobody_takes_over(&cluster, &[other, "w"]);
    assert!(cluster.log(other).contains("automatic failover is paused"), "it was not said at the start");
    cluster.start_node(first, &[]);
    assert_eq!(cluster.wait_primary(), first);
    cluster.wait_whole();
    takes_updates(&cluster, other, "+9990001");
    until("it says why", || cluster.log(first).contains(&format!("{first} was primary before, and started again")));
    assert_eq!(history(&cluster, first), before, "the role has not moved");

    cluster.move_primary(other);
    history_ends(&cluster, "switchover asked by an operator", other);
    cluster.kill(other);
    nobody_takes_over(&cluster, &[first, "w"]);
    cluster.ctl(&["--timeout", "30", "resume"]).fine();
    assert_eq!(cluster.wait_primary(), first);
    takes_updates(&cluster, first, "+9990002");
    cluster.start_node(other, &[]);
    cluster.assert_equal();
    until("nobody is paused any more", || NODES.iter().all(|node| cluster.metric(node, "ocs_failover_paused ") == 0.0));
    history_ends(&cluster, "failover: an operator resumed it", first);
    assert_eq!(history(&cluster, first), history(&cluster, other), "whichever node is asked");
}

#[test]
fn the_history_keeps_why_the_role_moved_and_from_whom() {
    let mut cluster = Cluster::start();
    cluster.create_list("demo");
    let (first, other) = (cluster.primary(), cluster.other(cluster.primary()));
    history_ends(&cluster, "", first);
    until("the other one knows it too", || {
        reasons(&history(&cluster, other)).first().is_some_and(|reason| reason == "the group was formed")
    });
    let load = cluster.load("demo", 1);
    load.wait_more(20);
    cluster.kill(first);
    load.wait_more(20);
    history_ends(&cluster, "failover: ", other);
    cluster.start_node(first, &[]);
    cluster.wait_back();
    assert_eq!(cluster.stop(other), 0);
    load.wait_more(20);
    cluster.start_node(other, &[]);
    cluster.wait_back();
    load.stop().assert_exactly_once(&cluster);
    history_ends(&cluster, "handover before a stop", first);
    let all = history(&cluster, first);
    let failover = &all[all.len() - 2];
    assert_eq!((failover["from"].as_str(), failover["to"].as_str()), (Some(first), Some(other)), "{failover}");
    assert!(failover["pause_ms"].as_u64().is_some_and(|pause_ms| pause_ms < 60_000), "{failover}");
    let terms: Vec<u64> = all.iter().filter_map(|change| change["term"].as_u64()).collect();
    assert!(terms.is_sorted(), "{terms:?}");
}
