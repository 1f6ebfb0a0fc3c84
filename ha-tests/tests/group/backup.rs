//! Backups: taken while the group serves, restored on empty nodes, made by the primary on its own.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use ocs_ha_tests::{Client, Cluster, NODES, until, until_some};
use serde_json::Value;

const ADD: &str = "/lists/demo?req=AddRecord";
const KEYED: &str = r#"{"GSW_PHONE":"+99970001"}"#;

/// Takes a backup and verifies its file without a node.
fn backup(cluster: &Cluster, name: &str) -> (String, Value) {
    let file = cluster.path(name).display().to_string();
    let told = cluster.ctl(&["backup", "create", &file, "-o", "json"]);
    assert_eq!(told.code, 0, "{}{}", told.out, told.err);
    let verified = cluster.ctl(&["backup", "verify", &file, "-o", "json"]);
    assert_eq!(verified.code, 0, "{}", verified.err);
    assert_eq!(verified.json(), told.json());
    (file, told.json())
}

/// Ends every node and moves its data directory aside.
fn lose_all(cluster: &mut Cluster) {
    NODES.iter().for_each(|node| cluster.kill(node));
    for node in NODES {
        fs::rename(cluster.settings().data(node), cluster.path(&format!("lost-{node}"))).unwrap();
    }
}

fn config(cluster: &Cluster, node: &str) -> String {
    cluster.settings().config(node).display().to_string()
}

fn is_alone(cluster: &Cluster, node: &str) -> bool {
    let ready = cluster.admin(node).send("GET", "/readyz", &[], "");
    ready.is_ok_and(|answer| answer.status == 200 && answer.body.contains(r#""mode":"single-copy""#))
}

fn forbidden(http: &mut Client) -> (u16, String) {
    http.post(ADD, r#"{"GSW_PHONE":"+99970002","GSW_REFERENCE_ID":"dnc"}"#).verdict()
}

#[test]
fn a_backup_taken_under_load_gives_empty_nodes_the_records_keys_and_handles_that_it_has() {
    let mut cluster = Cluster::start();
    cluster.create_list("demo");
    let mut http = cluster.http("a");
    let keyed = http.post_keyed(ADD, "one key", KEYED).handle();
    let stopped = http.post(ADD, r#"{"GSW_PHONE":"+99970002"}"#).handle();
    assert_eq!(http.post(&format!("/records/{stopped}?req=DoNotCall"), "").status, 200);

    let load = cluster.load("demo", 2);
    load.wait_more(30);
    let (_, early) = backup(&cluster, "early.ocsbackup");
    load.wait_more(30);
    let loaded = load.stop();
    cluster.wait_whole();
    let mut attempts = 0;
    // A duty of the primary may add an entry between the two.
    let (file, late, verified) = until_some("a backup and a verification are of one index", || {
        attempts += 1;
        // The order of a backup leaves a row in the audit behind the backup, a verification leaves none.
        let verified = cluster.ctl(&["verify", "-o", "json"]).json();
        let (file, late) = backup(&cluster, &format!("late-{attempts}.ocsbackup"));
        (verified["nodes"][0]["index"] == late["index"]).then_some((file, late, verified))
    });
    assert!(early["index"].as_u64() < late["index"].as_u64() && late["epoch"] == 1, "{early} {late}");
    assert_eq!(verified["nodes"][0]["recomputed"], late["digest"], "{verified}");
    let (rows, history) = (cluster.export_text("demo", "a"), cluster.ctl(&["history"]).fine());
    let highest = loaded.sent.iter().filter_map(|sent| sent.handle).max().unwrap();
    let running = cluster.run_node("a", &["--restore", &file]);
    assert!(running.code == 2 && running.err.contains("empty or absent"), "{}", running.err);

    lose_all(&mut cluster);
    let restored = cluster.ctl(&["backup", "restore", &file, "--config", &config(&cluster, "a"), "-o", "json"]);
    assert_eq!(restored.code, 0, "{}", restored.err);
    assert_eq!(restored.json()["index"], late["index"]);
    cluster.start_node("a", &[]);
    until("the restored node leads alone", || is_alone(&cluster, "a"));
    assert_eq!(cluster.export_text("demo", "a"), rows);
    ["b", "w"].iter().for_each(|node| cluster.start_node(node, &[]));
    until("the group becomes whole by itself", || cluster.of_node("a")["mode"] == "witness");
    cluster.wait_whole();
    cluster.assert_equal();
    until("the witness votes", || cluster.of_node("a")["survives"] == "the loss of any one node");
    assert_eq!(cluster.metric("a", "ocs_epoch"), 2.0);

    let mut http = cluster.http("b");
    assert_eq!(http.post_keyed(ADD, "one key", KEYED).handle(), keyed, "the key was forgotten");
    assert_eq!(forbidden(&mut http), (409, "DO_NOT_CALL".to_owned()));
    assert_eq!(cluster.export_text("demo", "b"), rows, "a replay and a refusal change nothing");
    let next = http.post(ADD, r#"{"GSW_PHONE":"+99970003"}"#).handle();
    assert!(next > highest, "handle {next} was given before: {highest}");
    let told = cluster.ctl(&["history"]).fine();
    let words = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("was restored into epoch 2"), "{told}");
    let known = history.lines().nth(1).unwrap().split_whitespace().next().unwrap();
    assert!(told.contains(known), "{told}");

    // A node of the epoch before: the group tells the node that its epoch is over, and the node joins as an empty one does.
    cluster.kill_with_proxy("b");
    fs::rename(cluster.settings().data("b"), cluster.path("b-of-epoch-2")).unwrap();
    fs::rename(cluster.path("lost-b"), cluster.settings().data("b")).unwrap();
    cluster.start_node("b", &[]);
    until("the old node gives its id up and votes under a new one", || {
        cluster.restart_if_ended("b");
        let peers = cluster.of_node("a")["peers"].clone();
        let b = peers.as_array().into_iter().flatten().find(|peer| peer["node"] == "b").cloned().unwrap_or_default();
        b["voter"] == true && b["raft_id"].as_u64().is_some_and(|id| id >> 32 == 1) && b["lag_entries"] == 0
    });
    cluster.assert_equal();
    assert!(cluster.export_text("demo", "b").contains("+99970003"));
}

/// Files of the schedule, oldest first.
fn files(directory: &PathBuf) -> Vec<String> {
    let listing = fs::read_dir(directory).into_iter().flatten();
    let names = listing.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".ocsbackup")).collect();
    names.sort();
    names
}

#[test]
fn the_primary_makes_backups_by_itself_keeps_a_few_and_says_so() {
    let mut cluster = Cluster::prepare(&[]);
    let directories = ["a", "b"].map(|node| cluster.path(&format!("backups-{node}")));
    let places = directories.each_ref().map(|directory| format!("backup.directory={}", directory.display()));
    let schedule = |place: &str| {
        ["--bootstrap", "--set", "backup.every=1s", "--set", "backup.keep=2", "--set", place].map(str::to_owned)
    };
    for (node, place) in ["a", "b"].into_iter().zip(&places) {
        let words = schedule(place);
        cluster.start_node(node, &words.each_ref().map(String::as_str));
    }
    cluster.start_node("w", &["--bootstrap"]);
    cluster.wait_whole();
    cluster.create_list("demo");
    cluster.move_primary("a");
    let [of_a, of_b] = &directories;
    until("the primary has made some", || cluster.metric("a", "ocs_backups_total") >= 4.0 && files(of_a).len() == 2);
    let last = until_some("status shows the last one", || {
        let last = cluster.of_node("a")["backups"]["last"].clone();
        last["file"].is_string().then_some(last)
    });
    assert!(last["file"].as_str().unwrap().starts_with(of_a.to_str().unwrap()), "{last}");
    assert!(cluster.metric("a", "ocs_backup_last_success_timestamp_seconds") > 1.7e9);
    assert!(cluster.ctl(&["status"]).fine().contains("last backup"));
    let newest = of_a.join(files(of_a).pop().unwrap());
    assert_eq!(fs::metadata(of_a).unwrap().permissions().mode() & 0o777, 0o700);
    let words = ["backup", "verify", newest.to_str().unwrap()];
    // The retention may remove this file meanwhile.
    assert!(cluster.ctl(&words).code == 0 || !newest.exists());

    let before = files(of_b).len();
    assert_eq!((before, cluster.metric("b", "ocs_backups_total")), (0, 0.0), "the backup writes none");
    cluster.move_primary("b");
    until("the new primary goes on", || !files(of_b).is_empty());

    // A backup directory that cannot be made is a failure that shows.
    until("a file is in the way of the directory", || {
        let _ = fs::remove_dir_all(of_b); // a backup may just arrive: then once more
        fs::write(of_b, "in the way").is_ok()
    });
    until("the failure is counted", || cluster.metric("b", "ocs_backup_failures_total") >= 1.0);
    let warnings = cluster.of_node("b")["warnings"].to_string();
    assert!(warnings.contains("the last backup failed"), "{warnings}");
}

#[test]
fn a_backup_is_restored_on_either_data_node_into_its_own_cluster_and_any_higher_epoch() {
    let mut cluster = Cluster::start();
    cluster.create_list("demo");
    let handle = cluster.http("a").post(ADD, KEYED).handle();
    let (file, _) = backup(&cluster, "b.ocsbackup");
    lose_all(&mut cluster);
    let set = ["--restore", &file, "--set", "cluster.id=another"];
    let foreign = cluster.run_node("b", &set);
    assert!(foreign.code == 2 && foreign.err.contains("backup of cluster \"test\""), "{}", foreign.err);
    let witness = cluster.run_node("w", &["--restore", &file]);
    assert!(witness.code == 2 && witness.err.contains("witness"), "{}", witness.err);
    assert!(!cluster.settings().data("b").exists() && !cluster.settings().data("w").exists());
    let words = ["backup", "restore", &file, "--config", &config(&cluster, "b"), "--epoch", "7"];
    cluster.ctl(&words).fine();
    cluster.start_node("b", &[]);
    until("the restored node leads alone", || is_alone(&cluster, "b"));
    assert_eq!(cluster.http("b").get(&format!("/records/{handle}")).attribute("GSW_PHONE"), "+99970001");
    assert_eq!(cluster.metric("b", "ocs_epoch"), 7.0);
    ["a", "w"].iter().for_each(|node| cluster.start_node(node, &[]));
    until("the group becomes whole by itself", || cluster.of_node("b")["mode"] == "witness");
    cluster.assert_equal();
}
