//! Certificates while a group serves: swapped, refused, ending and over; and callers whose TLS is bad.

mod tls;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, SystemTime},
};

use ocs_ha_tests::{Cluster, NODES, Signal, until};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, date_time_ymd,
};

use self::tls::{client, get};

const ADD: &str = "/lists/demo?req=AddRecord";
/// Starting again helps.
const TEMPORARY: i32 = 75;
/// `ocsctl status --check` of a group that is not whole, or whose nodes warn.
const DEGRADED: i32 = 5;
const DAY_S: f64 = 86_400.0;

/// The HTTPS port of a data node.
fn https(cluster: &Cluster, node: &str) -> String {
    format!("{}:{}", cluster.settings().ip, if node == "a" { 8443 } else { 8444 })
}

/// The directory of a node's HTTPS certificate and of its authority.
fn https_dir(cluster: &Cluster, node: &str) -> PathBuf {
    cluster.path(&format!("https-{node}"))
}

/// Makes the certificate of a node's HTTPS port anew.
fn renew(cluster: &Cluster, dir: &Path, node: &str) {
    cluster.ctl(&["cert", "node", node, "--dir", &dir.display().to_string(), "--force"]).fine();
}

/// A prepared group whose data nodes have an HTTPS port beside the plain one; `more` stands in the table of that port.
fn with_https(set: &[&str], more: &str) -> Cluster {
    let cluster = Cluster::prepare(set);
    for node in ["a", "b"] {
        let (dir, plain) = (https_dir(&cluster, node), cluster.settings().address(node, "http"));
        cluster.ctl(&["cert", "ca", "--dir", &dir.display().to_string()]).fine();
        renew(&cluster, &dir, node);
        let file = cluster.settings().config(node);
        let single = format!("[http_proxy]\nlisten = \"{plain}\"\n");
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(&single), "{text}");
        let (listen, dir) = (https(&cluster, node), dir.display());
        let ports = format!(
            "\n[[http_proxy.listeners]]\nlisten = \"{plain}\"\n\n[[http_proxy.listeners]]\nlisten = \"{listen}\"\n\
             tls_certificate = \"{dir}/{node}.pem\"\ntls_key = \"{dir}/{node}.key\"\n{more}"
        );
        fs::write(&file, text.replace(&single, "[http_proxy]\n") + &ports).unwrap();
    }
    cluster
}

/// The certificate that a node's HTTPS port shows now.
fn shown(cluster: &Cluster, node: &str) -> Vec<u8> {
    let client = client(&https_dir(cluster, node), None);
    get(&https(cluster, node), "localhost", "/livez", &client).unwrap().shown
}

#[test]
fn certificates_are_swapped_under_load_and_no_handshake_fails() {
    const SWAPS: usize = 10;
    let mut cluster = with_https(&[], "");
    cluster.form();
    cluster.create_list("demo");
    let load = cluster.load("demo", 1);
    let stop = Arc::new(AtomicBool::new(false));
    let shakers: Vec<_> = (0..2)
        .map(|_| {
            let (stop, address) = (stop.clone(), https(&cluster, "a"));
            let client = client(&https_dir(&cluster, "a"), None);
            thread::spawn(move || {
                let (mut good, mut bad) = (0, Vec::new());
                while !stop.load(Ordering::Relaxed) {
                    match get(&address, "localhost", "/livez", &client) {
                        Ok(told) if told.answer.starts_with("HTTP/1.1 200") => good += 1,
                        other => bad.push(format!("{other:?}")),
                    }
                }
                (good, bad)
            })
        })
        .collect();
    for _ in 0..SWAPS {
        let before = shown(&cluster, "a");
        renew(&cluster, &https_dir(&cluster, "a"), "a");
        renew(&cluster, &cluster.settings().certs(), "a");
        until("the new certificate is shown", || shown(&cluster, "a") != before);
    }
    stop.store(true, Ordering::Relaxed);
    for shaker in shakers {
        let (good, bad) = shaker.join().unwrap();
        assert!(bad.is_empty(), "{bad:?}");
        assert!(good > SWAPS, "{good} handshakes only");
    }
    until("peers have the new certificate too", || cluster.log("a").contains("the certificate for peer was reloaded"));
    load.wait_more(20);
    let loaded = load.stop();
    loaded.assert_no_failure_at("a");
    loaded.assert_no_failure_at("b");
    assert_eq!(cluster.metric("a", "ocs_certificate_reload_failures_total"), 0.0);
    cluster.assert_equal();
}

#[test]
fn a_new_certificate_with_the_old_key_is_refused_and_the_former_pair_goes_on_until_both_fit() {
    for run_as in ["process", "task"] {
        let mut cluster = with_https(&[&format!("http_proxy.run_as={run_as}")], "");
        cluster.form();
        let (dir, next) = (https_dir(&cluster, "a"), cluster.path("next"));
        let before = shown(&cluster, "a");
        fs::create_dir(&next).unwrap();
        for file in ["ca.pem", "ca.key"] {
            fs::copy(dir.join(file), next.join(file)).unwrap();
        }
        renew(&cluster, &next, "a");

        fs::copy(next.join("a.pem"), dir.join("a.pem")).unwrap();
        let unusable = "ocs_certificate_files_unusable{use=\"http\"}";
        until("the failure is counted", || cluster.metric("a", unusable) == 1.0);
        assert!(cluster.metric("a", "ocs_certificate_reload_failures_total{use=\"http\"}") >= 1.0);
        let log = cluster.log("a");
        let told = "the certificate for http is not reloaded, the former one goes on: ";
        assert!(log.lines().any(|line| line.contains(told) && line.contains("the key does not belong")), "{log}");
        assert_eq!(shown(&cluster, "a"), before, "{run_as}");
        let ran = cluster.ctl(&["tls", "reload"]);
        assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
        assert!(ran.err.contains("a: the certificate for http was kept: "), "{}", ran.err);
        let warnings = cluster.of_node("a")["warnings"].to_string();
        assert!(warnings.contains("the new files for http are not in use"), "{warnings}");

        fs::copy(next.join("a.key"), dir.join("a.key")).unwrap();
        let ran = cluster.ctl(&["tls", "reload"]);
        assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
        assert_ne!(shown(&cluster, "a"), before, "{run_as}");
        until("the fault is over", || cluster.metric("a", unusable) == 0.0);

        // SIGHUP reads the files as well, and ends nothing.
        let pid = cluster.node("a").pid();
        renew(&cluster, &dir, "a");
        cluster.signal("a", Signal::HUP);
        until("SIGHUP is answered", || cluster.log("a").contains("reload: the configuration was read anew"));
        assert!(cluster.runs("a") && cluster.of_node("a")["pid"] == pid, "{run_as}");
    }
}

#[test]
fn a_certificate_that_ends_soon_is_told_in_log_status_and_metrics() {
    let mut cluster = Cluster::prepare(&[]);
    let certs = cluster.settings().certs().display().to_string();
    for (node, days) in [("a", "20"), ("b", "3")] {
        cluster.ctl(&["cert", "node", node, "--dir", &certs, "--days", days, "--force"]).fine();
    }
    cluster.form();
    // A day has passed once a second has.
    let left = [["ends in 20 days", "ends in 19 days"], ["ends in 3 days", "ends in 2 days"]];
    for (node, level, words) in [("a", " WARN ", left[0]), ("b", " ERROR ", left[1])] {
        let says = |text: &str| words.iter().any(|words| text.contains(words));
        let told = |line: &str| line.contains(level) && line.contains("the certificate for peer ") && says(line);
        let lines = cluster.log(node).lines().filter(|line| told(line)).count();
        assert_eq!(lines, 1, "{node}: {}", cluster.log(node));
        let warnings = cluster.of_node(node)["warnings"].to_string();
        assert!(says(&warnings), "{warnings}");
    }
    let status = cluster.ctl(&["status"]).out;
    let line = status.lines().find(|line| line.starts_with("certificates: the first ends ")).unwrap_or_default();
    assert!(line.ends_with("(b, peer)"), "{status}");
    assert_eq!(cluster.ctl(&["status", "--check"]).code, DEGRADED);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    let end = cluster.metric("b", "ocs_certificate_not_after_timestamp_seconds{use=\"peer\"}");
    assert!((2.0 * DAY_S..=3.0 * DAY_S).contains(&(end - now)), "{end}");
}

/// An authority of the test's own, whose certificates may end within seconds.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "test authority");
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Writes the files of every node, valid for so long from now on.
    fn issue(&self, cluster: &Cluster, valid: Duration) {
        let dir = cluster.settings().certs();
        fs::write(dir.join("ca.pem"), self.0.pem()).unwrap();
        for node in NODES {
            let mut params = CertificateParams::new(vec![node.to_owned()]).unwrap();
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(1970, 1, 1) + now + valid;
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
            let key = KeyPair::generate().unwrap();
            let certificate = params.signed_by(&key, &self.0).unwrap();
            fs::write(dir.join(format!("{node}.key")), key.serialize_pem()).unwrap();
            fs::write(dir.join(format!("{node}.pem")), certificate.pem()).unwrap();
        }
    }
}

#[test]
fn a_group_whose_certificates_are_over_goes_on_can_be_looked_at_and_takes_new_ones_without_a_restart() {
    const SHORT: Duration = Duration::from_secs(15);
    const LONG: Duration = Duration::from_secs(365 * 86_400);
    let mut cluster = Cluster::prepare(&[]);
    let authority = Authority::new();
    authority.issue(&cluster, LONG);
    cluster.form();
    cluster.create_list("demo");
    cluster.move_primary("a");

    authority.issue(&cluster, SHORT);
    let reloaded = |node: &&str| cluster.log(node).contains("the certificate for peer was reloaded");
    until("every node has a certificate that ends soon", || NODES.iter().all(reloaded));
    let over = |node: &&str| cluster.log(node).contains("the certificate for peer expired at ");
    until("every node says that its certificate is over", || NODES.iter().all(over));

    // Open connections go on, and the node can be looked at.
    assert_eq!(cluster.http("a").post(ADD, r#"{"GSW_PHONE":"+99981"}"#).status, 200);
    assert_eq!(cluster.admin("a").get("/livez").status, 200);
    assert!(cluster.metric("a", "ocs_certificate_not_after_timestamp_seconds{use=\"peer\"}") > 0.0);
    // A node that starts now waits for new files: its supervisor starts it again.
    assert_eq!(cluster.stop("b"), 0);
    let refused = cluster.run_node("b", &[]);
    assert_eq!(refused.code, TEMPORARY, "{}", refused.err);
    assert!(refused.err.contains("b.pem: the certificate expired at "), "{}", refused.err);
    assert_eq!(cluster.http("a").post(ADD, r#"{"GSW_PHONE":"+99982"}"#).status, 200);

    let (a, w) = (cluster.node("a").pid(), cluster.node("w").pid());
    authority.issue(&cluster, LONG);
    cluster.start_node("b", &[]);
    cluster.wait_whole();
    assert_eq!((cluster.node("a").pid(), cluster.node("w").pid()), (a, w));
    cluster.assert_equal();
    assert_eq!(cluster.export("demo", "b").len(), 2);
}

#[test]
fn each_bad_handshake_is_told_in_a_bounded_number_of_lines_with_its_reason_and_its_port() {
    const ATTEMPTS: usize = 10;
    let clients = |cluster: &Cluster| cluster.path("clients");
    // The placeholder stands for a directory of the group, which is there once the group is prepared.
    let mut cluster = with_https(&[], "client_certificates = \"required\"\nclient_ca = \"CLIENTS/ca.pem\"\n");
    cluster.make_certs(&clients(&cluster), "good", 365);
    cluster.make_certs(&clients(&cluster), "old", 0);
    cluster.make_certs(&cluster.path("foreign"), "other", 365);
    let certs = cluster.settings().certs();
    for node in NODES {
        let file = cluster.settings().config(node);
        let (text, dir) = (fs::read_to_string(&file).unwrap(), certs.display());
        let admin = format!(
            "\n[admin.tls]\nca = \"{dir}/ca.pem\"\ncertificate = \"{dir}/{node}.pem\"\nkey = \"{dir}/{node}.key\"\n"
        );
        let text = text.replace("CLIENTS", &clients(&cluster).display().to_string());
        fs::write(&file, text + &admin).unwrap();
    }
    cluster.form();
    let (address, server) = (https(&cluster, "a"), https_dir(&cluster, "a"));
    let ask = |name: &'static str, shows: Option<(&Path, &str)>| get(&address, name, "/livez", &client(&server, shows));
    let (dir, foreign) = (clients(&cluster), cluster.path("foreign"));
    assert!(ask("localhost", Some((dir.as_path(), "good"))).unwrap().answer.starts_with("HTTP/1.1 200"));
    for _ in 0..ATTEMPTS {
        ask("localhost", None).unwrap_err();
        ask("localhost", Some((dir.as_path(), "old"))).unwrap_err();
        ask("localhost", Some((foreign.as_path(), "other"))).unwrap_err();
        ask("elsewhere", Some((dir.as_path(), "good"))).unwrap_err();
        let plain = ocs_ha_tests::Client::new(&address).send("GET", "/livez", &[], "");
        assert!(plain.is_err(), "{plain:?}");
    }
    for (reason, words) in [
        ("no_certificate", "the caller shows no certificate"),
        ("expired", "the caller's certificate expired at "),
        ("other_authority", "the caller's certificate comes from another authority"),
        ("refused_by_caller", "the caller does not accept this certificate (BadCertificate)"),
        ("plain_http", "plain HTTP at a port that speaks TLS"),
    ] {
        let counted = format!("ocs_tls_refused_total{{port=\"http\",reason=\"{reason}\"}}");
        until(&counted, || cluster.metric("a", &counted) >= ATTEMPTS as f64);
        let line = format!("the HTTPS port {address} refused a caller: ");
        let log = cluster.log("a");
        let lines = log.lines().filter(|told| told.contains(&line) && told.contains(words)).count();
        assert!((1..=6).contains(&lines), "{reason}: {lines} lines\n{log}");
    }

    // The admin port answers on loopback without TLS for the process and its metrics, and for nothing else.
    let admin = cluster.settings().address("a", "admin");
    assert_eq!(cluster.admin("a").get("/livez").status, 200);
    assert_eq!(cluster.admin("a").get("/readyz").status, 403);
    get(&admin, "a", "/readyz", &client(&certs, None)).unwrap_err();
    let told = get(&admin, "a", "/readyz", &client(&certs, Some((certs.as_path(), "b")))).unwrap();
    assert!(told.answer.starts_with("HTTP/1.1 200"), "{told:?}");
    until("the admin port tells of the caller", || {
        cluster.log("a").contains("the admin port refused a caller: TLS: the caller shows no certificate")
    });
}
