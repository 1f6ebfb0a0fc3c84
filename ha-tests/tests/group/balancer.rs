//! Behind a real load balancer: Debian's HAProxy with the configuration that we ship, changed in its addresses only.

use std::{fs, path::Path, process::Command};

use ocs_ha_tests::{Client, Cluster, Load, Process, Target, until};

const HAPROXY: &str = "/usr/sbin/haproxy";
const CLIENTS: usize = 6;
/// Of the primary, one after the other.
const KILLS: usize = 5;

fn balancer(cluster: &Cluster) -> Process {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("deploy/haproxy.cfg");
    let text = fs::read_to_string(shipped).unwrap().replace("127.0.0.1", &cluster.settings().ip);
    fs::write(cluster.path("haproxy.cfg"), text).unwrap();
    let mut command = Command::new(HAPROXY);
    command.arg("-db").arg("-f").arg(cluster.path("haproxy.cfg"));
    let process = Process::start("haproxy", &mut command, &cluster.path("haproxy.log"));
    let address = format!("{}:8000", cluster.settings().ip);
    until("HAProxy forwards", || Client::new(&address).send("GET", "/livez", &[], "").is_ok_and(|a| a.status == 200));
    process
}

fn target(cluster: &Cluster) -> Target {
    Target { home: "haproxy".to_owned(), addresses: vec![format!("{}:8000", cluster.settings().ip)] }
}

fn installed() -> bool {
    Path::new(HAPROXY).exists()
}

#[test]
fn behind_haproxy_no_request_fails_during_switchovers_and_stops() {
    if !installed() {
        println!("skipped: {HAPROXY} is not installed (apt-get install haproxy)");
        return;
    }
    let mut cluster = Cluster::start();
    cluster.create_list("demo");
    let _balancer = balancer(&cluster);
    let load = Load::start("demo", &[target(&cluster)], CLIENTS);
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
        println!("skipped: {HAPROXY} is not installed (apt-get install haproxy)");
        return;
    }
    let mut cluster = Cluster::start();
    cluster.create_list("demo");
    let _balancer = balancer(&cluster);
    let load = Load::start_keyless("demo", &[target(&cluster)], CLIENTS);
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
