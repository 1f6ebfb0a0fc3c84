//! Behind a real load balancer no client notices the stop or the death of a node.

use ocs_ha_tests::{Balancer, Cluster, Load};

const CLIENTS: usize = 6;
/// Of the primary, one after the other.
const KILLS: usize = 5;

/// Prints the reason where there is no balancer.
fn installed() -> bool {
    let missing = Balancer::missing();
    missing.iter().for_each(|why| eprintln!("skipped: {why}"));
    missing.is_none()
}

#[test]
fn behind_haproxy_no_request_fails_during_switchovers_and_stops() {
    if !installed() {
        return;
    }
    let mut cluster = Cluster::start();
    cluster.create_list("demo");
    let balancer = Balancer::start(&cluster);
    let load = Load::start("demo", &[balancer.target()], CLIENTS);
    load.wait_more(200);
    for _ in 0..2 {
        cluster.move_primary_under_load(cluster.other(cluster.primary()));
        load.wait_more(200);
    }
    // The primary's node is stopped, then the backup's.
    for _ in 0..2 {
        for node in [cluster.primary(), cluster.other(cluster.primary())] {
            assert_eq!(cluster.stop(node), 0);
            load.wait_more(200);
            cluster.start_node(node, &[]);
            cluster.wait_back();
            load.wait_more(200);
        }
    }
    let loaded = load.stop();
    loaded.assert_no_failure_at("haproxy");
    loaded.assert_exactly_once(&cluster);
}

#[test]
fn behind_haproxy_no_request_without_a_key_fails_or_comes_twice_when_the_primary_is_killed() {
    if !installed() {
        return;
    }
    let mut cluster = Cluster::start();
    cluster.create_list("demo");
    let balancer = Balancer::start(&cluster);
    let load = Load::start_keyless("demo", &[balancer.target()], CLIENTS);
    load.wait_more(200);
    for _ in 0..KILLS {
        let killed = cluster.primary();
        cluster.kill_with_proxy(killed);
        load.wait_more(200);
        cluster.start_node(killed, &[]);
        cluster.wait_back();
        load.wait_more(200);
    }
    let loaded = load.stop();
    loaded.assert_no_failure_at("haproxy");
    loaded.assert_exactly_once(&cluster);
}
