//! Behind a real load balancer: Debian's HAProxy with the configuration that we ship, changed in its addresses only.

use std::{fs, path::Path, process::Command};

use ocs_ha_tests::{Client, Cluster, Load, Process, Target, until};

const HAPROXY: &str = "/usr/sbin/haproxy";
const CLIENTS: usize = 6;

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

fn load(cluster: &Cluster) -> Load {
    let target = Target { home: "haproxy".to_owned(), addresses: vec![format!("{}:8000", cluster.settings().ip)] };
    Load::start("demo", &[target], CLIENTS)
}

#[test]
fn behind_haproxy_no_request_fails_during_switchovers_and_stops() {
    if !Path::new(HAPROXY).exists() {
        println!("skipped: {HAPROXY} is not installed (apt-get install haproxy)");
        return;
    }
    let mut cluster = Cluster::start();
    cluster.create_list("demo");
    let _balancer = balancer(&cluster);
    let load = load(&cluster);
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
