//! Orders about a running node: the configuration read anew, another HTTP Proxy, a drain. For both forms of HTTP Proxy.

use std::{fs, net::TcpStream};

use ocs_ha_tests::{Client, Cluster, NODES, Signal, until};

const ADD: &str = "/lists/demo?req=AddRecord";
/// Both forms of HTTP Proxy, as a setting.
const RUN_AS: [&str; 2] = ["http_proxy.run_as=process", "http_proxy.run_as=task"];

/// Replaces a part of a node's configuration file.
fn edit(cluster: &Cluster, node: &str, part: &str, by: &str) {
    let file = cluster.settings().config(node);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(part), "no {part:?} in {text}");
    fs::write(file, text.replace(part, by)).unwrap();
}

fn opens(address: &str) -> bool {
    TcpStream::connect(address).is_ok()
}

fn adds(address: &str, phone: &str) -> bool {
    Client::new(address).post(ADD, &format!(r#"{{"GSW_PHONE":"{phone}"}}"#)).status == 200
}

#[test]
fn a_changed_port_is_ignored_by_the_running_http_proxy_and_used_by_the_next_one() {
    for (number, run_as) in RUN_AS.iter().enumerate() {
        let cluster = Cluster::with(&[*run_as]);
        cluster.create_list("demo");
        let node = cluster.other(cluster.primary());
        let (old, new) = (cluster.settings().address(node, "http"), format!("{}:8090", cluster.settings().ip));
        edit(&cluster, node, &format!("listen = \"{old}\""), &format!("listen = \"{new}\""));
        let said = cluster.ctl(&["reload", node]).fine();
        let line = format!("{node}: key http_proxy.listen: counts for the next HTTP Proxy (`ocsctl proxy restart`)");
        assert_eq!(said.trim_end(), line);
        assert!(adds(&old, &format!("+9998{number}")) && !opens(&new), "the running one ignores it");
        let said = cluster.ctl(&["proxy", "restart", node]).fine();
        assert!(said.contains(&format!("{node}: another HTTP Proxy listens at {new}")), "{said}");
        assert!(adds(&new, &format!("+9997{number}")) && !opens(&old));
        assert_eq!(cluster.of_node(node)["http_proxy_restarts"], 1);
    }
}

#[test]
fn a_removed_port_ends_http_proxy_and_an_added_one_starts_it_while_the_node_stays() {
    for run_as in RUN_AS {
        let mut cluster = Cluster::with(&[run_as]);
        cluster.create_list("demo");
        let node = cluster.primary();
        let (before, address) = (cluster.of_node(node), cluster.settings().address(node, "http"));
        let listen = format!("listen = \"{address}\"");
        edit(&cluster, node, &listen, "listen = \"\"");
        cluster.signal(node, Signal::HUP);
        until("its HTTP Proxy has ended", || cluster.of_node(node)["http_proxy"] == "disabled");
        assert!(!opens(&address));
        assert_eq!(cluster.admin(node).get("/readyz").status, 200, "the node is whole without a port");
        edit(&cluster, node, "[http_proxy]\nlisten = \"\"", &format!("[http_proxy]\n{listen}"));
        cluster.signal(node, Signal::HUP);
        until("another one listens", || cluster.of_node(node)["http_proxy"] == "listening");
        assert!(adds(&address, "+99971"));
        let after = cluster.of_node(node);
        for same in ["pid", "role", "term"] {
            assert_eq!(after[same], before[same], "{same}");
        }
        let log = cluster.log(node);
        assert!(log.contains("key http_proxy.listen: removed, so HTTP Proxy ends"), "{log}");
        assert!(log.contains("key http_proxy.listen: added, so HTTP Proxy starts"), "{log}");
    }
}

#[test]
fn levels_count_at_once_other_keys_are_named_and_a_fault_keeps_everything() {
    let cluster = Cluster::start();
    let node = cluster.other(cluster.primary());
    let debug = |log: &str| log.lines().filter(|line| line.contains("DEBUG")).count();
    assert_eq!(debug(&cluster.log(node)), 0);
    edit(&cluster, node, "drain_timeout_ms = 5000\n", "drain_timeout_ms = 6000\n[logging]\nfilter = \"debug\"\n");
    let said = cluster.ctl(&["reload", node]).fine();
    assert!(said.contains(&format!("{node}: key logging.filter: counts now")), "{said}");
    assert!(said.contains(&format!("{node}: key limits.drain_timeout_ms: needs a restart of this node")), "{said}");
    until("lines of the new level", || debug(&cluster.log(node)) > 0);

    edit(&cluster, node, "filter = \"debug\"", "filter = \"node=loud\"");
    let ran = cluster.ctl(&["reload", node]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("key logging.filter: filter \"node=loud\" is not understood"), "{}", ran.out);
    edit(&cluster, node, "filter = \"node=loud\"", "filter = ");
    let ran = cluster.ctl(&["reload", "-o", "json"]);
    assert_eq!(ran.code, 1, "one of three has a fault");
    assert!(ran.out.contains("not TOML"), "{}", ran.out);
    let all = ran.json();
    let done = NODES.iter().zip(all.as_array().unwrap()).map(|(node, of_node)| {
        assert_eq!(of_node["node"], *node);
        of_node["done"] == true
    });
    assert_eq!(done.filter(|done| *done).count(), 2, "{}", ran.out);
    assert!(cluster.log(node).contains("the configuration was read and is not taken, everything stays as it is"));
}

#[test]
fn a_restart_under_load_loses_no_request_and_a_request_in_flight_is_answered() {
    for run_as in RUN_AS {
        let cluster = Cluster::with(&[run_as]);
        cluster.create_list("demo");
        let load = cluster.load("demo", 2);
        for _ in 0..5 {
            load.wait_more(20);
            cluster.ctl(&["proxy", "restart"]).fine(); // both, one after the other
        }
        load.wait_more(20);
        load.stop().assert_exactly_once(&cluster);
        assert_eq!(cluster.metric("a", "ocs_http_proxy_alarm"), 0.0, "ordered ends are no crashes");
    }
}

#[test]
fn a_drained_primary_hands_over_finishes_and_takes_clients_again_when_told() {
    for run_as in RUN_AS {
        let cluster = Cluster::with(&[run_as]);
        cluster.create_list("demo");
        let (drained, other) = (cluster.primary(), cluster.other(cluster.primary()));
        let load = cluster.load("demo", 2);
        load.wait_more(30);
        cluster.ctl(&["drain", drained]).fine();
        assert_eq!(cluster.primary(), other, "a drained node is no primary");
        assert!(!opens(&cluster.settings().address(drained, "http")));
        let ready = cluster.admin(drained).get("/readyz");
        assert_eq!((ready.status, ready.attribute("draining").as_bool()), (503, Some(true)), "{}", ready.body);
        let said = cluster.of_node(drained);
        assert_eq!((said["http_proxy"].as_str(), said["role"].as_str()), (Some("drained"), Some("backup")));
        assert!(said["warnings"].to_string().contains("an operator drained this node"), "{said}");
        assert_eq!(cluster.metric(drained, "ocs_drained"), 1.0);
        assert_eq!(cluster.ctl(&["status", "--check"]).code, 5);
        let only = format!("{drained} is drained, so after the loss of {other} no node takes clients");
        until("the losses that are survived", || cluster.of_node(other)["survives"].to_string().contains(&only));
        let why = format!("{drained} is drained and takes no clients: `ocsctl drain {drained} --undo` first");
        for order in [&["switchover", "--to", drained][..], &["switchover"], &["switchover", "--dry-run"]] {
            let ran = cluster.ctl(order);
            let said = ran.err.replace(&format!("{drained}: is drained"), &format!("{drained} is drained"));
            assert!(ran.code == 1 && said.contains(&why), "{order:?}: {}{}", ran.out, ran.err);
        }
        assert_eq!(cluster.primary(), other, "the role stays with the node that takes clients");

        cluster.ctl(&["drain", drained, "--undo"]).fine();
        until("it is ready", || cluster.admin(drained).get("/readyz").status == 200);
        assert_eq!(cluster.metric(drained, "ocs_drained"), 0.0);
        load.wait_more(30);
        let loaded = load.stop();
        loaded.assert_no_failure_at(other);
        loaded.assert_exactly_once(&cluster);
    }
}

#[test]
fn a_primary_that_cannot_hand_over_is_not_drained_and_serves_on() {
    let mut cluster = Cluster::start();
    cluster.create_list("demo");
    let (primary, other) = (cluster.primary(), cluster.other(cluster.primary()));
    assert_eq!(cluster.stop(other), 0);
    for (order, why) in [
        (&["drain", primary][..], "no other node takes clients (no other data node answers)"),
        (&["drain", primary, "--force"], "this node is primary, and no other node took over"),
    ] {
        let ran = cluster.ctl(order);
        assert_eq!(ran.code, 1, "{}", ran.out);
        assert!(ran.err.contains(why), "{}", ran.err);
    }
    assert_eq!(cluster.http(primary).post(ADD, r#"{"GSW_PHONE":"+99972"}"#).status, 200);
    assert_eq!(cluster.admin(primary).get("/readyz").status, 200);
    assert!(cluster.ctl(&["drain", "w"]).err.contains("a witness"), "there is nothing to drain");
}

#[test]
fn a_drained_node_stops_and_comes_back_undrained() {
    let mut cluster = Cluster::start();
    let node = cluster.other(cluster.primary());
    cluster.ctl(&["drain", node]).fine();
    assert_eq!(cluster.stop(node), 0);
    cluster.start_node(node, &[]);
    cluster.wait_whole();
}
