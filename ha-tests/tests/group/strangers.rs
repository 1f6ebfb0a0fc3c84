//! Strangers at every port: thousands of connections of random bytes close no port, restart nothing and fill no log. The program
//! `scan` (`make scan`) does the same for longer, with the tools that strangers use.

use ocs_ha_tests::{
    Cluster, Release, program,
    strangers::{knock, ports},
};

const CONNECTIONS: u64 = 5000;
/// Lines that strangers cause in a node's log: one a minute and cause, and some of HTTP Proxy.
const LINES_MAX: usize = 60;

/// A group whose node `b` speaks HTTPS to its clients.
fn with_https() -> Cluster {
    let mut cluster = Cluster::prepare(&[]);
    let (certs, programs) = (cluster.settings().certs(), program("ocsd").parent().unwrap().to_owned());
    let set = vec![
        format!("http_proxy.tls_certificate=\"{}/b.pem\"", certs.display()),
        format!("http_proxy.tls_key=\"{}/b.key\"", certs.display()),
    ];
    cluster.install("b", &Release { programs, set });
    cluster.form();
    cluster
}

#[test]
fn thousands_of_connections_of_random_bytes_close_no_port_restart_nothing_and_fill_no_log() {
    let mut cluster = with_https();
    cluster.create_list("demo");
    let ports = ports(&cluster);
    let proxies = ["a", "b"].map(|node| cluster.proxy_pid(node).unwrap());
    let lines = |cluster: &Cluster, node| cluster.log(node).lines().count();
    let before = ["a", "b", "w"].map(|node| lines(&cluster, node));

    assert_eq!(knock(&ports, CONNECTIONS, 7), 0, "each port takes every connection");

    assert_eq!(cluster.http("a").get("/livez").status, 200);
    assert_eq!(cluster.admin("a").get("/livez").status, 200);
    assert_eq!(cluster.http("a").post("/lists/demo?req=AddRecord", r#"{"GSW_PHONE":"+99950000001"}"#).status, 200);
    cluster.wait_back(); // by control, and through the ports for peers
    assert_eq!(["a", "b"].map(|node| cluster.proxy_pid(node).unwrap()), proxies, "no restart");
    for (node, before) in ["a", "b", "w"].into_iter().zip(before) {
        assert!(cluster.runs(node), "{node}");
        let more = lines(&cluster, node) - before;
        assert!(more <= LINES_MAX, "{node}: {more} lines\n{}", cluster.log(node));
    }
    for port in ["admin", "control", "peer", "http"] {
        let refused = cluster.metric("a", &format!("ocs_refused_total{{port=\"{port}\","));
        assert!(refused > 0.0, "what {port} refused is counted");
    }
}
