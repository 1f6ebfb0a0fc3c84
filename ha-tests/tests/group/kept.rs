//! Data directories that earlier releases left, with updates that stand in their logs alone: see `ha-tests/kept/README.md`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use ocs_ha_tests::{Answer, Client, Cluster, Ran, Row, program, rows};
use serde_json::Value;

/// The keys in an archive are old: here a key holds for a thousand years.
const KEYS_HOLD: &str = "rules.idempotency_hours=8760000";
/// Attributes that depend on the answering HTTP Proxy, and on the season.
const OF_NOW: [&str; 2] = ["GSW_RECORD_URI", "GSW_TZ_OFFSET"];
/// Entries of the log that the kept state of a data node lacks, at least.
const TAIL_MIN: u64 = 100;

/// One archive a release.
fn archives() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("kept");
    let mut found: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|ending| ending == "gz"));
    found.sort();
    found
}

fn unpack(archive: &Path, into: &Path) {
    fs::create_dir_all(into).unwrap();
    Ran::of(Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(into)).fine();
}

/// The index up to which the kept state of a node has applied its log. A copy is opened, since opening changes files.
fn applied(archive: &Path, cluster: &Cluster, node: &str) -> u64 {
    let copy = cluster.path("copy");
    unpack(archive, &copy);
    let ran = Ran::of(Command::new(program("examples/applied")).arg(copy.join(node).join("state")));
    fs::remove_dir_all(copy).unwrap();
    ran.fine().trim().parse().unwrap()
}

#[test]
fn a_data_directory_of_every_release_opens_with_all_that_was_acknowledged_and_goes_on() {
    let archives = archives();
    assert!(!archives.is_empty(), "no directory is kept");
    archives.iter().for_each(|archive| opens_and_goes_on(archive));
}

fn opens_and_goes_on(archive: &Path) {
    eprintln!("{}", archive.display());
    let mut cluster = Cluster::prepare(&[KEYS_HOLD]);
    let applied = ["a", "b"].map(|node| applied(archive, &cluster, node));
    unpack(archive, &cluster.path("data"));
    let told: Value = serde_json::from_slice(&fs::read(cluster.path("data/told.json")).unwrap()).unwrap();
    ["a", "b", "w"].iter().for_each(|node| cluster.start_node(node, &[]));
    cluster.wait_whole();
    for (node, applied) in ["a", "b"].into_iter().zip(applied) {
        let end = cluster.of_node(node)["applied_index"].as_u64().unwrap();
        assert!(applied > 0 && applied + TAIL_MIN < end, "the state of {node} had applied {applied} of {end}");
        let said = cluster.log(node);
        let loses = ["the state was fetched", "moved aside", "gives its Raft id up"];
        assert!(!loses.iter().any(|line| said.contains(line)), "{said}");
    }
    for node in ["a", "b"] {
        holds_what_was_told(&cluster, node, &told);
    }
    cluster.assert_equal();
    takes_updates(&cluster);
}

fn takes_updates(cluster: &Cluster) {
    cluster.create_list("after");
    let load = cluster.load("after", 2);
    load.wait_more(100);
    cluster.move_primary_under_load(cluster.other(cluster.primary()));
    load.wait_more(100);
    let loaded = load.stop();
    ["a", "b"].iter().for_each(|node| loaded.assert_no_failure_at(node));
    loaded.assert_exactly_once(cluster);
}

/// Records, Do-Not-Call entries, keys and the export match the answers that clients got, at the HTTP Proxy of a node.
fn holds_what_was_told(cluster: &Cluster, node: &str, told: &Value) {
    let mut door = cluster.http(node);
    for shown in told["shown"].as_array().unwrap() {
        let now = door.get(&format!("/records/{}", shown["GSW_RECORD_HANDLE"]));
        assert_eq!(now.status, 200, "{now:?}");
        shows(&now, shown);
    }
    for pair in told["acknowledged"].as_array().unwrap() {
        let now = door.get(&format!("/records/{}", pair[1]));
        assert_eq!((now.status, now.attribute("GSW_PHONE")), (200, pair[0].clone()), "{now:?}");
    }
    for phone in told["do_not_call"].as_array().unwrap() {
        let body = format!(r#"{{"GSW_PHONE":{phone},"GSW_REFERENCE_ID":"held"}}"#);
        let refused = door.post("/lists/kept?req=AddRecord", &body);
        assert_eq!(refused.verdict(), (409, "DO_NOT_CALL".to_owned()), "{refused:?}");
    }
    told["keys"].as_array().unwrap().iter().for_each(|key| replays(&mut door, key));
    exports(cluster, node, told["export"].as_str().unwrap());
}

/// An answer has every attribute that its client got.
fn shows(now: &Answer, told: &Value) {
    for (name, value) in told.as_object().unwrap().iter().filter(|(name, _)| !OF_NOW.contains(&name.as_str())) {
        assert_eq!(now.attribute(name), *value, "{name} of {now:?}");
    }
}

/// A kept key gets the answer of that time, refusals too.
fn replays(door: &mut Client, kept: &Value) {
    let text = |name: &str| kept[name].as_str().unwrap();
    let answer = door.post_keyed(text("target"), text("key"), text("body"));
    assert_eq!(answer.header("idempotent-replayed"), Some("true"), "{answer:?}");
    assert_eq!(answer.status, kept["status"], "{answer:?}");
    shows(&answer, &kept["answer"]);
}

/// The export has the rows and columns of that time; a later release may add columns.
fn exports(cluster: &Cluster, node: &str, told: &str) {
    let now = cluster.export("kept", node);
    let told = rows(told);
    assert_eq!(now.len(), told.len());
    let same = |(now, told): (&Row, &Row)| told.iter().all(|(column, value)| now.get(column) == Some(value));
    assert!(now.iter().zip(&told).all(same), "the export of {node} differs from what was told");
}
