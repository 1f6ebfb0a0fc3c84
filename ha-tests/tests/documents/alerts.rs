//! Incident drills: each fault makes its alert fire in a real Prometheus, `ocsctl status` names the cause, and the commands of the
//! alert's runbook, unchanged, end the fire.

use std::{fs, path::Path, process::Command, time::Duration};

use ocs_ha_tests::{Ran, disk::SmallDisk, until, until_some_within};

use crate::{
    prometheus::{self, Prometheus, promtool},
    site::{Site, missing},
};

/// From the fault to the fire, and from the cure to its end: a window of the rules, and the time of the work itself.
const PATIENCE: Duration = Duration::from_secs(90);
/// The reserve of the small disk, and its size.
const RESERVE_BYTES: u64 = 16 << 20;
const DISK_BYTES: u64 = 256 << 20;

/// A fault that can be made in seconds.
struct Incident {
    /// The alert that fires for it, and so its runbook.
    alert: &'static str,
    /// Words of `ocsctl status` about the cause.
    status: &'static [&'static str],
    begin: fn(&mut Site),
}

const INCIDENTS: [Incident; 11] = [
    Incident { alert: "OcsNodeDown", status: &["b is unreachable", "Connection refused"], begin: lose_b },
    Incident { alert: "OcsPeerUnreachable", status: &["b is unreachable", "Connection refused"], begin: lose_b },
    Incident { alert: "OcsNoQuorum", status: &["no_primary"], begin: lose_b_and_w },
    Incident { alert: "OcsNoPrimary", status: &["failover is paused"], begin: lose_a_paused_primary },
    Incident { alert: "OcsFailoverPaused", status: &["automatic failover is paused"], begin: pause },
    Incident { alert: "OcsNodeDrained", status: &["drained"], begin: drain_b },
    Incident { alert: "OcsHttpProxyRestarting", status: &["http_proxy_restarts"], begin: kill_http_proxies },
    Incident {
        alert: "OcsCertificateEndsSoon",
        status: &["ends in 20 days", "ends in 19 days"],
        begin: shorten_certificate,
    },
    Incident { alert: "OcsCertificateFilesUnusable", status: &["a.pem"], begin: spoil_certificate },
    Incident { alert: "OcsBackupFails", status: &["the last backup failed"], begin: lose_the_backups },
    Incident { alert: "OcsBackupTooOld", status: &["the last backup"], begin: lose_the_backups },
];

fn lose_b(site: &mut Site) {
    site.cluster.move_primary("a");
    site.lose("b");
}

fn lose_b_and_w(site: &mut Site) {
    ["b", "w"].into_iter().for_each(|node| site.lose(node));
}

fn lose_a_paused_primary(site: &mut Site) {
    site.cluster.ctl(&["pause"]).fine();
    let primary = site.cluster.primary();
    site.lose(primary);
}

fn pause(site: &mut Site) {
    site.cluster.ctl(&["pause"]).fine();
}

fn drain_b(site: &mut Site) {
    site.cluster.ctl(&["drain", "b"]).fine();
}

fn kill_http_proxies(site: &mut Site) {
    for restarts in 1..=4 {
        let before = site.cluster.of_node("b")["http_proxy_restarts"].as_u64().unwrap_or_default();
        site.cluster.kill_proxy("b");
        until("another HTTP Proxy listens", || {
            let now = site.cluster.of_node("b");
            now["http_proxy_restarts"].as_u64() > Some(before) && now["http_proxy"] == "listening"
        });
        assert!(site.cluster.metric("b", "ocs_http_proxy_restarts_total") >= f64::from(restarts));
    }
}

fn copy(from: &Path, to: &Path, names: &[&str]) {
    for name in names {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

/// Makes certificates where the pages have them, on the machine of the authority.
fn certify(site: &Site, days: &str) {
    let (here, ca) = (site.cluster.path(""), site.cluster.path("ca"));
    if !ca.exists() {
        fs::create_dir(&ca).unwrap();
        copy(&here, &ca, &["ca.pem", "ca.key"]);
    }
    site.cluster.ctl(&["cert", "node", "a", "--dir", "ca", "--days", days, "--force"]).fine();
    copy(&ca, &here, &["a.key", "a.pem"]);
}

fn shorten_certificate(site: &mut Site) {
    certify(site, "20");
    site.cluster.ctl(&["tls", "reload"]).fine();
}

fn spoil_certificate(site: &mut Site) {
    certify(site, "365");
    fs::write(site.cluster.path("a.pem"), "half a fi").unwrap();
}

/// A file where the directory of the backups was, as where a share was not mounted.
fn lose_the_backups(site: &mut Site) {
    let backups = site.cluster.path("backups");
    let _ = fs::remove_file(site.cluster.path("backups.aside")); // of the incident before
    fs::remove_dir_all(&backups).unwrap();
    fs::write(backups, "not mounted").unwrap();
}

fn scheduled(dir: &Path, _node: &str) -> String {
    format!("\n[backup]\nevery = \"5s\"\nkeep = 2\ndirectory = \"{}\"\n", dir.join("backups").display())
}

/// Why no incident can be made here.
fn cannot() -> Option<String> {
    prometheus::missing().or_else(|| missing(&["curl"]))
}

fn until_fires(prometheus: &Prometheus, alert: &str, fires: bool) {
    let what = format!("{alert} {}", if fires { "fires" } else { "is over" });
    until_some_within(PATIENCE, &what, || (prometheus.fires(alert) == fires).then_some(()));
}

/// The fault, the fire, its words in the status, the commands of the runbook, and the end of the fire.
fn drill(site: &mut Site, prometheus: &Prometheus, incident: &Incident) {
    let Incident { alert, status, begin } = incident;
    println!("=== {alert}");
    until_fires(prometheus, alert, false);
    begin(site);
    until_fires(prometheus, alert, true);
    until("the status names the cause", || {
        let said = site.cluster.status().to_string();
        status.iter().any(|words| said.contains(words))
    });
    site.follow(&format!("runbooks/{alert}.md"), |_, _| {});
    until_fires(prometheus, alert, false);
    site.bring_back();
}

#[test]
fn incidents_fire_their_alerts_and_the_commands_of_the_runbooks_end_them() {
    if let Some(why) = cannot() {
        println!("{why}");
        return;
    }
    let mut site = Site::prepare(&[], scheduled);
    site.form();
    let prometheus = Prometheus::start(&site.cluster);
    INCIDENTS.iter().for_each(|incident| drill(&mut site, &prometheus, incident));
    site.cluster.assert_equal();
}

#[test]
fn a_disk_that_runs_full_fires_first_the_warning_and_then_the_alarm() {
    if let Some(why) = cannot() {
        println!("{why}");
        return;
    }
    let mut site = Site::prepare(&[&format!("node.disk_reserve_bytes={RESERVE_BYTES}")], |_, _| String::new());
    let disk = match SmallDisk::mount(&site.cluster.settings().data("b"), DISK_BYTES) {
        Ok(disk) => disk,
        Err(why) => {
            println!("skipped: {why}");
            return;
        }
    };
    site.form();
    let prometheus = Prometheus::start(&site.cluster);
    for (alert, left_bytes) in [("OcsDiskNearlyFull", 2 * RESERVE_BYTES), ("OcsDiskFull", 0)] {
        until_fires(&prometheus, alert, false);
        disk.fill(left_bytes);
        until_fires(&prometheus, alert, true);
        site.follow(&format!("runbooks/{alert}.md"), |_, section| {
            if section == "Mend" {
                disk.empty();
            }
        });
        until_fires(&prometheus, alert, false);
    }
    site.cluster.assert_equal();
}

#[test]
fn the_shipped_files_of_prometheus_and_the_page_of_a_node_pass_promtool() {
    if let Some(why) = cannot() {
        println!("{why}");
        return;
    }
    promtool(&["check", "rules", "ocs.rules.yml"]).fine();
    promtool(&["test", "rules", "ocs.rules.test.yml"]).fine();
    promtool(&["check", "config", "--syntax-only", "prometheus.yml"]).fine();
    let site = Site::start();
    for node in ["a", "w"] {
        let page = site.cluster.admin(node).get("/metrics");
        assert_eq!(page.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        let file = site.cluster.path("page.txt");
        fs::write(&file, page.body).unwrap();
        let check = format!("exec /usr/bin/promtool check metrics < '{}'", file.display());
        Ran::of(Command::new("sh").args(["-c", &check])).fine();
    }
}
