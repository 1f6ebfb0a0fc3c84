//! Bad input: each is refused in one clear line, with an exit code that says whether starting again helps, and changes nothing.

use std::fs;

use ocs_ha_tests::{Cluster, Ran, until};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

/// Wrong use or configuration: starting again changes nothing.
const USAGE: i32 = 2;
/// A passing obstacle is in the way.
const TEMPORARY: i32 = 75;

#[track_caller]
fn refused(ran: &Ran, code: i32, because: &[&str]) {
    assert_eq!(ran.code, code, "{}", ran.err);
    let complaints = ran.complaints();
    assert_eq!(complaints.len(), 1, "one line, not: {}", ran.err);
    because.iter().for_each(|word| assert!(complaints[0].contains(word), "{word:?} is not in {}", complaints[0]));
}

fn tls(dir: &str, node: &str) -> String {
    format!("peer.tls={{ca=\"{dir}/ca.pem\",certificate=\"{dir}/{node}.pem\",key=\"{dir}/{node}.key\"}}")
}

#[test]
fn a_configuration_that_cannot_be_is_refused_in_one_line_before_anything_is_made() {
    let cluster = Cluster::prepare(&[]);
    let ip = cluster.settings().ip.clone();
    assert_eq!(cluster.run_node("a", &["--check"]).code, 0);

    // A wrong key, in the file and on the command line.
    let file = cluster.settings().config("b");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("segment_bytes", "segment_byte")).unwrap();
    refused(&cluster.run_node("b", &["--bootstrap"]), USAGE, &["segment_byte", "b.toml"]);
    let set = |pair: &str| cluster.run_node("a", &["--bootstrap", "--set", pair]);
    refused(&set("node.nmae=a"), USAGE, &["nmae"]);

    // A mode that does not exist, one with the wrong nodes; ports off loopback without TLS.
    refused(&set("cluster.mode=solo"), USAGE, &["cluster.mode", "\"solo\""]);
    refused(&set("cluster.mode=three"), USAGE, &["cluster.nodes", "\"three\"", "here are 2 and 1"]);
    refused(&set("control.listen=0.0.0.0:7401"), USAGE, &["control.tls", "required off loopback"]);
    refused(&set("admin.listen=0.0.0.0:7501"), USAGE, &["admin.tls", "required off loopback"]);
    refused(&set("node.name=c"), USAGE, &["node.name", "\"c\""]);
    refused(&set("http_proxy.reconnect_timeout_ms=99"), USAGE, &["http_proxy.reconnect_timeout_ms", "100"]);

    // Certificates: another node's, an expired one.
    let certs = cluster.settings().certs().display().to_string();
    refused(&set(&tls(&certs, "b")), USAGE, &["peer.tls", "does not name \"a\""]);
    let old = cluster.path("old");
    cluster.make_certs(&old, "a", 0);
    let expired = tls(&old.display().to_string(), "a");
    until("the certificate has expired", || cluster.run_node("a", &["--check", "--set", &expired]).code == TEMPORARY);
    refused(&set(&expired), TEMPORARY, &["old/a.pem", "expired"]);
    // Files that a tool may still write; a setting that is missing is a person's.
    refused(&set(&tls("/nowhere", "a")), TEMPORARY, &["peer.tls", "/nowhere/ca.pem", "cannot be read"]);
    refused(&set("http_proxy.tls_certificate=a.pem"), USAGE, &["http_proxy.tls_certificate", "belong together"]);
    refused(&set("http_proxy.listeners=[{listen=\"127.0.0.1:1\"}]"), USAGE, &["http_proxy.listeners", "stand beside"]);

    assert!(!cluster.path("data").exists(), "something was made");
    assert_eq!(cluster.run_node("a", &["--check", "--set", &format!("admin.listen={ip}:7599")]).code, 0);
}

#[test]
fn a_port_that_nobody_guards_is_refused_in_a_directory_of_this_release_and_an_earlier_one_warns() {
    const OPEN: [&str; 2] = ["--set", "http_proxy.listen=0.0.0.0:0"];
    const WRITTEN: [&str; 2] = ["--set", "http_proxy.auth=none"];
    let because = ["http_proxy.auth", "0.0.0.0:0", "auth = \"none\""];
    let warning = "warning: key http_proxy.auth: other machines reach http_proxy.listen";
    let mut cluster = Cluster::prepare(&[]);
    let run = |cluster: &Cluster, words: &[&str]| cluster.run_node("a", &[words, &OPEN].concat());
    refused(&run(&cluster, &["--bootstrap"]), USAGE, &because);
    assert!(!cluster.path("data").exists(), "something was made");
    let unknown = run(&cluster, &["--check"]);
    assert!(unknown.code == 0 && unknown.err.contains(warning), "a group may take this node in: {}", unknown.err);

    cluster.form();
    assert_eq!(cluster.stop("a"), 0);
    for words in [&[][..], &["--check"]] {
        refused(&run(&cluster, words), USAGE, &because);
    }
    let written = run(&cluster, &[&["--check"][..], &WRITTEN].concat());
    assert!(written.code == 0 && !written.err.contains("warning"), "{}", written.err);

    fs::remove_file(cluster.settings().data("a").join("guarded")).unwrap(); // as an earlier release left it
    let checked = run(&cluster, &["--check"]);
    assert!(checked.code == 0 && checked.err.contains(warning), "{}", checked.err);
    cluster.start_node("a", &OPEN);
    cluster.wait_whole();
    assert!(cluster.log("a").contains("WARN") && cluster.log("a").contains("nothing says who may ask there"));
    let status = cluster.ctl(&["status"]).fine().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(status.contains("nothing says who may ask there"), "{status}");
}

#[test]
fn a_replaced_node_of_a_group_of_this_release_guards_its_port_too() {
    let mut cluster = Cluster::start();
    let node = cluster.other(cluster.primary());
    assert_eq!(cluster.stop(node), 0);
    fs::remove_dir_all(cluster.settings().data(node)).unwrap();
    let open = ["--set", "http_proxy.listen=0.0.0.0:0"];
    refused(&cluster.run_node(node, &open), USAGE, &["http_proxy.auth", "auth = \"none\""]);
    refused(&cluster.run_node(node, &open), USAGE, &["http_proxy.auth"]);
    cluster.start_node(node, &[]);
    cluster.wait_whole();
}

#[test]
fn a_node_uses_its_own_directory_and_no_other_and_never_a_second_identity() {
    let mut cluster = Cluster::start();
    cluster.create_list("demo");
    let (primary, backup) = (cluster.primary(), cluster.other(cluster.primary()));
    let of = |node: &str| cluster.settings().data(node);
    let (theirs, own, aside) = (of(primary), of(backup), cluster.path("aside"));

    // In use, another node's, another group's.
    refused(&cluster.run_node(primary, &[]), TEMPORARY, &["in use by another process"]);
    assert_eq!(cluster.stop(backup), 0);
    let foreign = format!("node.data_dir=\"{}\"", theirs.display());
    refused(&cluster.run_node(backup, &["--set", &foreign]), USAGE, &["belongs to node", primary, backup]);
    refused(&cluster.run_node(backup, &["--set", "cluster.id=other"]), USAGE, &["belongs to cluster", "test", "other"]);
    refused(&cluster.run_node(backup, &["--bootstrap", "--set", "cluster.id=other"]), USAGE, &["belongs to cluster"]);

    // A node that lost everything was a member: such a node may not vote again as a new one.
    fs::rename(&own, &aside).unwrap();
    refused(&cluster.run_node(backup, &["--bootstrap"]), USAGE, &["has heard of this node before"]);
    refused(&cluster.run_node(backup, &["--bootstrap"]), USAGE, &["has heard of this node before"]);
    let _ = fs::remove_dir_all(&own);
    fs::rename(&aside, &own).unwrap();

    // A port in use, other than HTTP Proxy's: without its port a node cannot be operated, and does not start.
    let taken = format!("control.listen={}", cluster.settings().address(primary, "control"));
    refused(&cluster.run_node(backup, &["--set", &taken]), TEMPORARY, &["cannot listen for control", "in use"]);
    let taken = format!("peer.listen={}", cluster.settings().address(primary, "peer"));
    refused(&cluster.run_node(backup, &["--set", &taken]), TEMPORARY, &["in use"]);

    // None of this changed anything: the node goes on, with --bootstrap too.
    assert_eq!(cluster.http(primary).post("/lists/demo?req=AddRecord", r#"{"GSW_PHONE":"+9996"}"#).status, 200);
    cluster.start_node(backup, &["--bootstrap"]);
    cluster.assert_equal();
    assert_eq!(cluster.export("demo", backup).len(), 1);
}

/// Whether a peer's door opens for a client with a certificate of this authority in this name.
fn gets_in(cluster: &Cluster, certs: &std::path::Path, name: &str) -> bool {
    let pem = |file: &str| fs::read(certs.join(file)).unwrap();
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(fs::read(cluster.settings().certs().join("ca.pem")).unwrap()))
        .identity(Identity::from_pem(pem(&format!("{name}.pem")), pem(&format!("{name}.key"))))
        .domain_name("a");
    let endpoint = Endpoint::from_shared(format!("https://{}", cluster.settings().address("a", "peer"))).unwrap();
    let endpoint = endpoint.tls_config(tls).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let Ok(channel) = endpoint.connect().await else { return false };
        // The handshake of TLS 1.3 ends before the server has looked at our certificate: ask something.
        let asked = tonic_health::pb::health_client::HealthClient::new(channel)
            .check(tonic_health::pb::HealthCheckRequest::default())
            .await;
        asked.is_err_and(|status| status.code() == tonic::Code::Unimplemented)
    })
}

#[test]
fn a_stranger_is_refused_at_the_peers_door_and_the_group_goes_on() {
    let cluster = Cluster::start();
    cluster.create_list("demo");
    let load = cluster.load("demo", 1);
    // Of our authority, but no configured node; and a node's name from another authority.
    cluster.make_certs(&cluster.settings().certs(), "a,b,w,stranger", 365);
    cluster.make_certs(&cluster.path("other"), "b", 365);
    assert!(gets_in(&cluster, &cluster.settings().certs(), "b"), "the test's own way in is wrong");
    assert!(!gets_in(&cluster, &cluster.settings().certs(), "stranger"));
    assert!(!gets_in(&cluster, &cluster.path("other"), "b"));
    until("the stranger was named", || cluster.log("a").contains("its certificate names no configured node"));
    until("both were told", || cluster.log("a").matches("the peer port refused").count() >= 2);
    load.wait_more(20);
    let loaded = load.stop();
    loaded.assert_no_failure_at("a");
    loaded.assert_no_failure_at("b");
    loaded.assert_exactly_once(&cluster);
}
