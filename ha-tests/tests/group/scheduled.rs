//! A switchover at a time to come: kept over a failover and restarts, done once; and backups on order over REST.

use std::{
    fs,
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use ocs_ha_tests::{Answer, Cluster, until};
use serde_json::Value;

const API: &str = "http_proxy.api=true";
const V1: &str = "/api/v1";

/// The moment so many seconds from now, as RFC 3339 writes it.
fn in_seconds(seconds: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let output = Command::new("date").args(["-u", "-d", &format!("@{}", now + seconds), "+%FT%TZ"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Reasons in the history that name a schedule, each with its new primary.
fn by_schedule(cluster: &Cluster) -> Vec<(String, String)> {
    let ran = cluster.ctl(&["history", "-o", "json"]);
    let shown = if ran.code == 0 { ran.json() } else { Value::Null };
    let changes = shown["changes"].as_array().cloned().unwrap_or_default();
    let text = |change: &Value, key: &str| change[key].as_str().unwrap_or_default().to_owned();
    let both = changes.iter().map(|change| (text(change, "reason"), text(change, "to")));
    both.filter(|(reason, _)| reason.starts_with("switchover scheduled")).collect()
}

fn scheduled(cluster: &Cluster) -> Value {
    let primary = cluster.wait_primary();
    cluster.of_node(primary)["scheduled_switchover"].clone()
}

fn code(answer: &Answer) -> (u16, String) {
    (answer.status, answer.attribute("code").as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_scheduled_switchover_survives_a_failover_and_is_done_once_by_the_primary_of_its_time() {
    let mut cluster = Cluster::start();
    let first = cluster.primary();
    let other = cluster.other(first);
    let at = in_seconds(20);
    cluster.ctl(&["switchover", "--at", &at]).fine();
    assert_eq!(scheduled(&cluster)["at"], at.as_str());
    assert_eq!(cluster.ctl(&["switchover", "--at", &in_seconds(60)]).code, 1, "one schedule at a time");

    cluster.kill(first);
    until("the other node takes over", || cluster.admin(other).get("/primary").status == 200);
    cluster.start_node(first, &[]);
    assert!(cluster.ctl(&["status"]).out.contains(&format!("switchover scheduled for {at}")));
    until("the role moves as scheduled", || by_schedule(&cluster).len() == 1);
    let (reason, to) = by_schedule(&cluster).remove(0);
    assert!(reason.contains(&at) && to == first, "{reason}: {to}");
    until("the schedule is over", || scheduled(&cluster).is_null());
    cluster.wait_whole();
    assert_eq!((by_schedule(&cluster).len(), cluster.primary()), (1, first), "the role moved once");
    let rows = cluster.ctl(&["audit", "--what", "Switchover", "-o", "json"]).fine();
    let ends: Vec<Value> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((ends.len(), &ends[0]["outcome"], &ends[0]["about"]), (1, &"done".into(), &first.into()), "{rows}");
    cluster.assert_equal();
}

#[test]
fn a_switchover_is_scheduled_for_a_moment_with_a_zone_and_cancelled_by_ctl_and_over_rest() {
    let cluster = Cluster::with(&[API]);
    let (primary, mut http) = (cluster.primary(), cluster.http(cluster.primary()));
    for (at, exit) in [("2099-01-01T03:00:00", 2), ("2020-01-01T03:00:00Z", 1), ("2099-01-01T03:00:00Z", 1)] {
        assert_eq!(cluster.ctl(&["switchover", "--at", at]).code, exit, "{at}");
    }
    let at = in_seconds(3600);
    let other = cluster.other(primary);
    let planned = http.post(&format!("{V1}/switchover?dry_run"), &format!(r#"{{"at":"{at}","to":"{other}"}}"#));
    assert_eq!((planned.status, planned.attribute("done")), (200, false.into()), "{planned:?}");
    let made = http.post(&format!("{V1}/switchover"), &format!(r#"{{"at":"{at}","to":"{other}"}}"#));
    assert_eq!((made.status, made.attribute("done")), (200, true.into()), "{made:?}");
    let shown = http.get(&format!("{V1}/cluster")).attribute("scheduled_switchover");
    assert_eq!((&shown["at"], &shown["to"]), (&at.as_str().into(), &other.into()));
    let again = http.post(&format!("{V1}/switchover"), &format!(r#"{{"at":"{}"}}"#, in_seconds(7200)));
    assert_eq!(code(&again), (409, "CONFLICT".to_owned()), "{again:?}");
    assert_eq!(code(&http.post(&format!("{V1}/switchover"), r#"{"att":"soon"}"#)), (400, "BAD_VALUE".to_owned()));
    assert_eq!(http.must("DELETE", &format!("{V1}/switchover"), &[], "").status, 204);
    assert_eq!(http.must("DELETE", &format!("{V1}/switchover"), &[], "").status, 404);
    cluster.ctl(&["switchover", "--at", &at]).fine();
    cluster.ctl(&["switchover", "--cancel"]).fine();
    assert_eq!(cluster.ctl(&["switchover", "--cancel"]).code, 1);
    assert_eq!(cluster.primary(), primary);
}

#[test]
fn a_backup_on_order_is_made_by_the_backup_node_unless_the_primary_is_asked_for() {
    let mut cluster = Cluster::prepare(&[API]);
    let directories = ["a", "b"].map(|node| cluster.path(&format!("backups-{node}")));
    for (node, directory) in ["a", "b"].into_iter().zip(&directories) {
        let place = format!("backup.directory={}", directory.display());
        cluster.start_node(node, &["--bootstrap", "--set", "backup.keep=1", "--set", &place]);
    }
    cluster.start_node("w", &["--bootstrap"]);
    cluster.wait_whole();
    cluster.create_list("demo");
    cluster.move_primary("a");
    let path = format!("{V1}/backups");
    let (mut of_a, mut of_b) = (cluster.http("a"), cluster.http("b"));
    let refused = of_a.post(&path, "");
    assert_eq!(code(&refused), (409, "CONFLICT".to_owned()), "{refused:?}");
    assert!(refused.body.contains("ask b"), "{refused:?}");
    let begun = of_b.post(&path, "");
    assert_eq!((begun.status, begun.attribute("scheduled")), (200, false.into()), "{begun:?}");
    until("the backup is made", || of_b.get(&path).attribute("last")["file"].is_string());
    assert_eq!(of_a.post(&path, r#"{"at_primary":true}"#).status, 200);
    until("the primary has made its own", || of_a.get(&path).attribute("last")["file"].is_string());
    for (node, directory) in ["a", "b"].into_iter().zip(&directories) {
        let files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        let [file] = files.as_slice() else { panic!("{node}: {files:?}") };
        cluster.ctl(&["backup", "verify", file.to_str().unwrap()]).fine();
        assert_eq!(cluster.metric(node, "ocs_backups_total"), 1.0, "{node}");
    }
}

#[test]
fn a_node_without_a_directory_makes_no_backup_of_its_own_and_says_what_is_missing() {
    let cluster = Cluster::with(&[API]);
    let refused = cluster.http("a").post(&format!("{V1}/backups"), r#"{"at_primary":true}"#);
    assert_eq!(code(&refused), (409, "CONFLICT".to_owned()), "{refused:?}");
    assert!(refused.body.contains("set backup.directory"), "{refused:?}");
    assert_eq!(cluster.http("a").get(&format!("{V1}/backups")).attribute("scheduled"), false);
}
