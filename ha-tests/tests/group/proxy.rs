//! The life of HTTP Proxy (spec 10): whatever befalls the proxy, its node stays, says so, and starts the proxy again.

use std::{
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

use ocs_ha_tests::{Cluster, Signal, signal_to, until, until_some};

const ADD: &str = "/lists/demo?req=AddRecord";
/// Both forms of HTTP Proxy, as a setting.
const RUN_AS: [&str; 2] = ["http_proxy.run_as=process", "http_proxy.run_as=task"];

#[test]
fn an_http_proxy_that_ends_is_started_again_and_its_node_keeps_its_role() {
    let mut cluster = Cluster::start();
    cluster.create_list("demo");
    let primary = cluster.primary();
    let before = cluster.of_node(primary);
    for restarts in 1..=2 {
        let old = cluster.proxy_pid(primary).unwrap();
        cluster.kill_proxy(primary);
        until("another HTTP Proxy listens", || {
            let now = cluster.of_node(primary);
            now["http_proxy"] == "listening" && now["http_proxy_restarts"] == restarts
        });
        assert_ne!(cluster.proxy_pid(primary), Some(old));
        assert_eq!(cluster.metric(primary, "ocs_http_proxy_restarts_total"), f64::from(restarts));
    }
    let after = cluster.of_node(primary);
    for same in ["role", "term", "pid"] {
        assert_eq!(after[same], before[same], "{same}");
    }
    let body = r#"{"GSW_PHONE":"+99961","GSW_UNHEARD_OF":"x","no_such_field":"y"}"#;
    assert_eq!(cluster.http(primary).post(ADD, body).status, 200);
    let log = cluster.log(primary);
    assert_eq!(log.matches("the HTTP front end ended: signal: 9").count(), 2, "the node says how it ended");
    // HTTP Proxy has no log of its own: its lines stand in the node's log.
    assert!(log.contains("http_proxy: HTTP Proxy listens"), "{log}");
}

#[test]
fn a_port_in_use_ends_http_proxy_and_not_the_node_and_is_tried_again() {
    for run_as in RUN_AS {
        a_port_in_use(run_as);
    }
}

fn a_port_in_use(run_as: &str) {
    let mut cluster = Cluster::with(&[run_as]);
    cluster.create_list("demo");
    let (primary, backup) = (cluster.primary(), cluster.other(cluster.primary()));
    assert_eq!(cluster.stop(backup), 0);
    let taken = TcpListener::bind(cluster.settings().address(backup, "http")).unwrap();
    cluster.start_node(backup, &[]);
    let failed = until_some("the node says that the port is in use", || {
        let now = cluster.of_node(backup);
        let why = now["http_proxy_reason"].as_str().unwrap_or_default().to_owned();
        let is_warned = now["warnings"].to_string().contains("HTTP front end: failed");
        let stands = now["role"] == "backup" && now["confirmed"] == true;
        (now["http_proxy"] == "failed" && is_warned && stands).then_some(why)
    });
    assert!(failed.contains("in use"), "{failed}");
    assert_eq!(cluster.metric(backup, "ocs_http_proxy_up"), 0.0);
    let said = "the HTTP front end cannot serve: ";
    assert!(cluster.log(backup).lines().any(|line| line.contains(said) && line.contains("in use")));
    assert!(cluster.runs(backup));
    // Meanwhile the node does its part: it stores the updates that the other node takes.
    assert_eq!(cluster.http(primary).post(ADD, r#"{"GSW_PHONE":"+99962"}"#).status, 200);

    drop(taken);
    cluster.wait_whole();
    assert_eq!(cluster.http(backup).post(ADD, r#"{"GSW_PHONE":"+99963"}"#).status, 200);
    until("it is up", || cluster.metric(backup, "ocs_http_proxy_up") == 1.0);
    cluster.assert_equal();
}

/// The node promises 3 s; a busy machine may be late.
const NOTICED_WITHIN: Duration = Duration::from_secs(6);

#[test]
fn an_http_proxy_that_stands_still_is_noticed_killed_and_started_anew() {
    let mut cluster = Cluster::with(&["http_proxy.reconnect_timeout_ms=3000"]);
    cluster.create_list("demo");
    let primary = cluster.primary();
    let before = cluster.of_node(primary);
    assert_eq!(cluster.admin(primary).get("/readyz").status, 200);
    let began = Instant::now();
    let old = cluster.signal_proxy(primary, Signal::STOP);
    until("the node is not ready", || cluster.admin(primary).get("/readyz").status == 503);
    assert!(began.elapsed() < NOTICED_WITHIN, "{:?}", began.elapsed());
    let said = cluster.of_node(primary);
    assert!(said["http_proxy_reason"].as_str().is_some_and(|why| why.contains("stood still")), "{said}");
    assert!(cluster.admin(primary).get("/readyz").body.contains("stood still"));
    cluster.wait_gone(old);
    until("another HTTP Proxy listens", || cluster.admin(primary).get("/readyz").status == 200);
    assert_ne!(cluster.proxy_pid(primary), Some(old));
    let after = cluster.of_node(primary);
    for same in ["role", "term", "pid"] {
        assert_eq!(after[same], before[same], "{same}");
    }
    assert_eq!(cluster.http(primary).post(ADD, r#"{"GSW_PHONE":"+99965"}"#).status, 200);
}

#[test]
fn a_node_that_was_paused_with_its_http_proxy_does_not_take_the_pause_for_its_fault() {
    let mut cluster = Cluster::start();
    let backup = cluster.other(cluster.primary());
    let proxy = cluster.signal_proxy(backup, Signal::STOP);
    cluster.signal(backup, Signal::STOP);
    thread::sleep(2 * NOTICED_WITHIN / 3); // the pause
    cluster.signal(backup, Signal::CONT);
    thread::sleep(Duration::from_millis(600)); // the node checks twice a proxy that still stands
    signal_to(proxy, Signal::CONT);
    cluster.wait_whole();
    thread::sleep(NOTICED_WITHIN); // the time in which a stop would be noticed
    assert_eq!(cluster.proxy_pid(backup), Some(proxy));
    assert_eq!(cluster.of_node(backup)["http_proxy_restarts"], 0);
}

#[test]
fn http_proxy_can_be_a_task_of_its_node() {
    let mut cluster = Cluster::with(&["http_proxy.run_as=task"]);
    cluster.create_list("demo");
    for node in ["a", "b"] {
        assert_eq!(cluster.proxy_pid(node), Some(cluster.node(node).pid()));
        assert_eq!(
            cluster.http(node).post(ADD, &format!(r#"{{"GSW_PHONE":"+99964","GSW_REFERENCE_ID":"{node}"}}"#)).status,
            200
        );
    }
    let load = cluster.load("demo", 2);
    load.wait_more(30);
    let (stopped, survivor) = (cluster.primary(), cluster.other(cluster.primary()));
    assert_eq!(cluster.stop(stopped), 0);
    load.wait_more(30);
    cluster.start_node(stopped, &[]);
    cluster.wait_back();
    let loaded = load.stop();
    loaded.assert_no_failure_at(survivor);
    loaded.assert_exactly_once_beside(&cluster, &["+99964"]);
}

#[test]
fn no_orphan_stays_when_a_node_is_killed() {
    let mut cluster = Cluster::start();
    for node in ["a", "b"] {
        let proxy = cluster.proxy_pid(node).unwrap();
        cluster.kill(node);
        cluster.wait_gone(proxy);
        cluster.start_node(node, &[]);
        cluster.wait_whole();
        assert_ne!(cluster.proxy_pid(node), Some(proxy), "another one opened the port");
    }
}

#[test]
fn ten_ends_in_ten_minutes_raise_an_alarm_and_every_end_is_followed_by_a_start() {
    let mut cluster = Cluster::start();
    let backup = cluster.other(cluster.primary());
    for ends in 1..=10 {
        assert_eq!(cluster.metric(backup, "ocs_http_proxy_alarm"), 0.0, "{ends}");
        cluster.kill_proxy(backup);
        until("another HTTP Proxy listens", || {
            let now = cluster.of_node(backup);
            now["http_proxy"] == "listening" && now["http_proxy_restarts"] == ends
        });
    }
    assert_eq!(cluster.metric(backup, "ocs_http_proxy_alarm"), 1.0);
    let warnings = cluster.of_node(backup)["warnings"].to_string();
    assert!(warnings.contains("crashed ten times within ten minutes"), "{warnings}");
    assert!(cluster.log(backup).contains("the HTTP front end crashed ten times within ten minutes"));
}

#[test]
fn the_log_of_http_proxy_is_in_its_nodes_log_under_its_name_up_to_its_last_line() {
    let mut cluster = Cluster::start();
    let backup = cluster.other(cluster.primary());
    let proxy = cluster.signal_proxy(backup, Signal::ABORT);
    cluster.wait_gone(proxy);
    until("another HTTP Proxy listens", || cluster.of_node(backup)["http_proxy"] == "listening");
    let listens = "http_proxy: HTTP Proxy listens";
    until("both have said so, once each", || cluster.log(backup).matches(listens).count() == 2);
    let log = cluster.log(backup);
    let place = |part: &str| log.find(part).unwrap_or_else(|| panic!("no {part:?} in {log}"));
    assert!(
        place(listens) < place("the HTTP front end ended: signal: 6"),
        "its lines come before the line about its end"
    );
}
