//! Signals to nodes and their HTTP Proxies: SIGTERM and SIGINT end a node after a handover, any other signal ends nothing.

use ocs_ha_tests::{Cluster, NODES, Signal, until};

/// A node's own lines, and those of its HTTP Proxy, which reloads nothing by itself.
fn hangups_said(cluster: &Cluster, node: &str) -> (usize, usize) {
    let log = cluster.log(node);
    let lines = |part| log.matches(part).count();
    (lines("reload: the configuration was read anew"), lines("nothing is reloaded here"))
}

#[test]
fn hup_usr1_usr2_and_alrm_end_neither_a_node_nor_its_http_proxy() {
    let mut cluster = Cluster::start();
    cluster.create_list("demo");
    let primary = cluster.primary();
    let before = NODES.map(|node| cluster.of_node(node));
    for signal in [Signal::USR1, Signal::USR2, Signal::ALARM, Signal::HUP] {
        NODES.iter().for_each(|node| cluster.signal(node, signal));
        for node in ["a", "b"] {
            cluster.signal_proxy(node, signal);
        }
    }
    until("each process says what it makes of SIGHUP", || {
        ["a", "b"].iter().all(|node| hangups_said(&cluster, node) == (1, 1)) && hangups_said(&cluster, "w") == (1, 0)
    });
    assert_eq!(cluster.primary(), primary);
    for (node, before) in NODES.iter().zip(before) {
        let now = cluster.of_node(node);
        for same in ["pid", "term", "http_proxy_pid", "http_proxy_restarts"] {
            assert_eq!(now[same], before[same], "{same} of {node}");
        }
    }
    assert_eq!(cluster.http(primary).post("/lists/demo?req=AddRecord", r#"{"GSW_PHONE":"+99971"}"#).status, 200);
}

#[test]
fn term_and_int_end_a_primary_after_it_handed_over() {
    let mut cluster = Cluster::start();
    for signal in [Signal::INT, Signal::TERM] {
        let primary = cluster.primary();
        cluster.signal(primary, signal);
        assert_eq!(cluster.node(primary).wait(), 0, "{signal:?}");
        assert!(cluster.log(primary).contains("handed over before the stop"), "{signal:?}: {}", cluster.log(primary));
        cluster.restart_if_ended(primary);
        cluster.wait_whole();
        assert_ne!(cluster.primary(), primary, "{signal:?}");
    }
}
