//! The health port: checks for programs without a client certificate, on data nodes and on the witness, and nothing else.

use ocs_ha_tests::{Client, Cluster, NODES, until};

fn status(address: &str, path: &str) -> u16 {
    Client::new(address).get(path).status
}

#[test]
fn every_node_answers_checks_without_tls_and_nothing_else() {
    let mut cluster = Cluster::prepare(&[]);
    let ip = cluster.settings().ip.clone();
    let address = |node: &str| {
        let number = NODES.iter().position(|name| *name == node).unwrap();
        format!("{ip}:{}", 7601 + number)
    };
    for node in NODES {
        cluster.give_environment(node, &[("OCS__HEALTH__LISTEN", &address(node))]);
    }
    cluster.form();
    let (primary, backup) = (cluster.primary(), cluster.other(cluster.primary()));
    for node in NODES {
        for path in ["/livez", "/healthz", "/readyz"] {
            assert_eq!(status(&address(node), path), 200, "{node} {path}");
        }
        for path in ["/metrics", "/", "/records/1", "/lists/demo?req=AddRecord"] {
            assert_eq!(status(&address(node), path), 404, "{node} {path}");
        }
    }
    for (node, at_primary, at_backup) in [(primary, 200, 503), (backup, 503, 200), ("w", 503, 503)] {
        assert_eq!((status(&address(node), "/primary"), status(&address(node), "/backup")), (at_primary, at_backup));
    }
    ["w", backup].into_iter().for_each(|node| cluster.kill(node));
    until("the primary alone is not ready", || status(&address(primary), "/readyz") == 503);
    assert_eq!(status(&address(primary), "/livez"), 200);
    assert!(cluster.metric(primary, "ocs_refused_total{port=\"health\"") >= 0.0);
    assert!(cluster.admin(primary).get("/metrics").body.contains("ocs_refused_total{port=\"health\""));
}

#[test]
fn without_the_setting_no_node_has_such_a_port() {
    let cluster = Cluster::start();
    assert!(!cluster.admin("a").get("/metrics").body.contains("port=\"health\""));
}
