//! An operator's work with `ocsctl` against real nodes: lists, imports, exports, replays, drills; and its exit codes.

use std::fs;

use ocs_ha_tests::{Cluster, NODES, Process, Ran, until};
use serde_json::{Value, json};

fn list(rows: u64) -> String {
    let mut text = "record_id,contact_info,contact_info_type,customer name\n".to_owned();
    (1..=rows).for_each(|id| text.push_str(&format!("{id},+9996{id:06},4,\"Doe, Jo {id}\"\n")));
    text
}

/// Counts of an import's closing line, which must add up.
fn counts(ran: &Ran) -> (u64, u64, u64, u64) {
    let view = ran.json();
    let of = |name: &str| view[name].as_u64().unwrap();
    let counts = (of("rows"), of("added"), of("duplicates"), of("rejected"));
    assert_eq!(counts.0, counts.1 + counts.2 + counts.3, "{view}");
    counts
}

#[test]
fn lists_are_created_imported_once_exported_and_replayed() {
    let cluster = Cluster::start();
    let file = cluster.path("list.csv");
    fs::write(&file, list(3000)).unwrap();
    let file = file.display().to_string();

    let ran = cluster.ctl(&["list", "create", "demo", "--from", &file, "-o", "json"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert_eq!(counts(&ran), (3000, 3000, 0, 0));
    assert_eq!(cluster.ctl(&["list", "create", "demo"]).code, 1);
    let again = cluster.ctl(&["list", "import", "demo", &file, "-o", "json"]);
    assert_eq!((again.code, counts(&again)), (0, (3000, 0, 3000, 0)));

    // An export is a file that can be imported: the round trip changes nothing but the handle.
    let export = cluster.path("export.csv").display().to_string();
    cluster.ctl(&["list", "export", "demo", "-o", &export]).fine();
    cluster.ctl(&["list", "create", "copy", "--from", &export]).fine();
    let without_handle = |list: &str, node: &str| -> Vec<String> {
        let text = cluster.export_text(list, node);
        let header: Vec<&str> = text.lines().next().unwrap().split(',').collect();
        let columns: Vec<&str> = header.into_iter().filter(|column| *column != "handle").collect();
        let ran = cluster.ctl(&["list", "export", list, "--node", node, "--columns", &columns.join(",")]);
        ran.fine().lines().map(str::to_owned).collect()
    };
    assert!(without_handle("demo", "a") == without_handle("copy", "b"), "the round trip changed something");
    assert!(cluster.export_text("demo", "a").contains("\"Doe, Jo 7\""));

    // Invalid rows are rejected one by one, with number and reason; an invalid file is rejected as a whole.
    let bad = "record_id,contact_info,daily_from\n1,+99967000001,0\n2,,0\n3,+99967000003,soon\n4,+99967000004,0,x\n\
               1,+99967000005,0\n";
    fs::write(cluster.path("bad.csv"), bad).unwrap();
    let ran = cluster.ctl(&["list", "create", "bad", "--from", "bad.csv", "-o", "json"]);
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    let (rows, added, _, rejected) = counts(&ran);
    assert!(rows == 5 && added >= 1 && rejected >= 3, "{}", ran.out);
    let rejects = fs::read_to_string(cluster.path("bad.rejects.csv")).unwrap();
    assert_eq!(rejects.lines().count() as u64, 1 + rejected, "{rejects}");
    assert!(rejects.starts_with("row,reason,"), "{rejects}");
    fs::write(cluster.path("none.csv"), "record_id,phone\n1,+1\n").unwrap();
    let ran = cluster.ctl(&["list", "create", "none", "--from", "none.csv"]);
    assert_eq!((ran.code, ran.err.lines().count()), (2, 1), "{}", ran.err);
    assert!(ran.err.contains("the header has no column contact_info"), "{}", ran.err);
    assert_eq!(cluster.ctl(&["list", "show", "none"]).code, 1, "a list was left behind");

    // A record by its list and id, then by its handle.
    let ran = cluster.ctl(&["record", "get", "--list", "demo", "--record-id", "7", "-o", "json"]);
    assert!(ran.out.contains("+9996000007"), "{}{}", ran.out, ran.err);

    // Replayed through both proxies in the order of each record; a second time nothing is applied again.
    let mut requests = String::new();
    for step in 1..=3 {
        for id in 1..=200 {
            let body = json!({"GSW_CALL_RESULT": 33, "GSW_ATTEMPTS": step});
            requests.push_str(&json!({"record_id": id, "req": "UpdateCallCompletionStats", "body": body}).to_string());
            requests.push('\n');
        }
    }
    fs::write(cluster.path("requests.jsonl"), requests).unwrap();
    let replay = || -> Value {
        let ran = cluster.ctl(&["replay", "--list", "demo", "requests.jsonl", "--connections", "8", "-o", "json"]);
        assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
        ran.json()
    };
    let report = replay();
    assert_eq!((&report["requests"], &report["succeeded"], &report["replayed"]), (&json!(600), &json!(600), &json!(0)));
    let state = cluster.export_text("demo", "a");
    let report = replay();
    assert_eq!((&report["succeeded"], &report["replayed"]), (&json!(600), &json!(600)));
    assert!(cluster.export_text("demo", "a") == state, "the second replay changed something");
    let attempts = cluster.ctl(&["list", "export", "demo", "--columns", "record_id,attempt"]).fine();
    assert_eq!(attempts.lines().filter(|line| line.ends_with(",3")).count(), 200);
    cluster.assert_equal();
}

#[test]
fn an_import_goes_on_by_itself_over_a_failover() {
    const ROWS: u64 = 60_000;
    let mut cluster = Cluster::start();
    fs::write(cluster.path("list.csv"), list(ROWS)).unwrap();
    cluster.create_list("demo");
    let mut import = started(&cluster, &["list", "import", "demo", "list.csv"]);
    until("the import is under way", || {
        cluster.of_node("a")["records"].as_u64().is_some_and(|records| records > ROWS / 20)
    });
    let killed = cluster.primary();
    cluster.kill(killed);
    cluster.start_node(killed, &[]);
    assert_eq!(import.wait(), 0, "{}", fs::read_to_string(cluster.path("ocsctl.log")).unwrap());
    cluster.assert_equal();
    assert_eq!(cluster.of_node(killed)["records"].as_u64(), Some(ROWS));
    assert!(cluster.export_text("demo", "a") == cluster.export_text("demo", "b"), "the exports differ");
}

/// `ocsctl` in the background.
fn started(cluster: &Cluster, words: &[&str]) -> Process {
    Process::start("ocsctl", &mut cluster.ctl_command(words), &cluster.path("ocsctl.log"))
}

/// The report of a drill, out of its whole output.
fn report(cluster: &Cluster) -> Value {
    let said = fs::read_to_string(cluster.path("ocsctl.log")).unwrap();
    let from = said.find("\n{").map_or(0, |at| at + 1);
    let until = said.rfind('}').unwrap_or_else(|| panic!("{said}"));
    serde_json::from_str(&said[from..=until]).unwrap_or_else(|error| panic!("{error}: {said}"))
}

#[test]
fn drills_move_and_kill_the_primary_and_find_nothing_lost_or_twice() {
    let mut cluster = Cluster::start();
    let ran = cluster.ctl(&["drill", "switchover", "--rounds", "3", "-o", "json"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let view = ran.json();
    let zeros = |view: &Value, names: &[&str]| names.iter().all(|name| view[name] == 0);
    assert!(view["rounds"] == 3 && zeros(&view, &["lost", "duplicates", "failed", "unknown"]), "{view}");

    let mut drill = started(&cluster, &["drill", "kill", "--rounds", "2", "-o", "json"]);
    until("the drill is over", || {
        NODES.into_iter().for_each(|node| cluster.restart_if_ended(node));
        drill.ended().is_some()
    });
    let (code, view) = (drill.wait(), report(&cluster));
    assert_eq!(code, 0, "{view}");
    assert!(view["rounds"] == 2 && zeros(&view, &["lost", "duplicates", "failed"]), "{view}");
    cluster.assert_equal();
}

#[test]
fn drills_pause_and_cut_off_the_primary_and_do_without_the_witness() {
    let cluster = Cluster::start();
    for kind in ["pause", "lose-witness", "partition"] {
        let ran = cluster.ctl(&["drill", kind, "--rounds", "2", "-o", "json"]);
        if ran.code == 1 && (ran.err.contains("needs root") || ran.err.contains("needs nftables")) {
            println!("skipped: {}", ran.err);
            continue;
        }
        assert_eq!(ran.code, 0, "{kind}: {}{}", ran.out, ran.err);
        let view = ran.json();
        let zeros = ["lost", "duplicates", "failed"].iter().all(|name| view[name] == 0);
        assert!(view["rounds"] == 2 && zeros, "{view}");
    }
    cluster.assert_equal();
}

#[test]
fn the_exit_code_tells_refused_from_unreachable_and_from_no_primary() {
    let mut cluster = Cluster::start();
    let code = |cluster: &Cluster, words: &[&str]| cluster.ctl(words).code;
    assert_eq!(code(&cluster, &["role"]), 0);
    assert_eq!(code(&cluster, &["switchover", "--to", "w"]), 1);
    assert_eq!(code(&cluster, &["list", "show", "nowhere"]), 1);
    assert_eq!(code(&cluster, &["nonsense"]), 2);
    assert_eq!(code(&cluster, &["list", "import", "demo"]), 2);
    cluster.kill("a");
    cluster.kill("b");
    for words in [&["role"][..], &["status"], &["switchover"]] {
        assert_eq!(code(&cluster, words), 4, "{words:?}");
    }
    let waited = cluster.ctl(&["--timeout", "1", "wait", "--for", "primary"]);
    assert_eq!((waited.code, waited.err.lines().count()), (4, 1), "{}", waited.err);
    cluster.kill("w");
    for words in [&["role"][..], &["status"], &["switchover"], &["list", "show"]] {
        let ran = cluster.ctl(words);
        assert_eq!((ran.code, ran.err.lines().count()), (3, 1), "{words:?}: {}", ran.err);
    }
}
