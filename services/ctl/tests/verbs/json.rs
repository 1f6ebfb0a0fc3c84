//! The form of every result as JSON is frozen: each verb's output fits its file in `docs/ocsctl-json`, and every object of the
//! file was in an output, so that no field can be added, renamed or removed unnoticed.

mod schema;
mod storage;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use ocs_proto::{
    control::{
        AuditEntry, GetRecordReply, GroupInfo, HeldRecord, NotDialable, PendingKey, RecordChange, ScheduledSwitchover,
        UpgradeReply,
    },
    outbound::{Attribute, Done, Reply, Value, reply::Body, value::Kind},
};
use serde_json::Value as Json;

use self::{
    schema::Schema,
    storage::{FOLDER, Storage},
};
use crate::{Double, Ran, backups::backup, nobody, ocsctl_at, ran_with, traffic::campaign};

/// Verbs about nodes that `ocsctl` starts itself: the end-to-end test of the sandbox compares their outputs with the files.
const OF_REAL_NODES: [&str; 4] = ["sandbox-reset", "sandbox-start", "sandbox-status", "sandbox-stop"];

/// The directory of the files.
fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ocsctl-json")
}

/// Outputs by the name of the file: the words of the verb, joined by `-`.
#[derive(Default)]
struct Outputs(BTreeMap<String, Vec<Json>>);

impl Outputs {
    /// Runs a verb against a double and keeps its output.
    async fn add(&mut self, double: &Double, name: &str, words: &[&str]) {
        self.add_at(&double.endpoints(), name, words).await;
    }

    async fn add_at(&mut self, endpoints: &str, name: &str, words: &[&str]) {
        let ran = ocsctl_at(endpoints, &[words, &["-o", "json"]].concat()).await;
        self.keep(name, &ran);
    }

    /// An output is a document, or a document a line.
    fn keep(&mut self, name: &str, ran: &Ran) {
        assert!(!ran.out.trim().is_empty(), "{name}: {}", ran.err);
        let whole = serde_json::from_str(&ran.out).map(|document| vec![document]);
        let lines = |_| ran.out.lines().map(serde_json::from_str).collect::<Result<Vec<Json>, _>>();
        let documents = whole.or_else(lines).unwrap_or_else(|error| panic!("{name}: {error}: {}", ran.out));
        self.0.entry(name.to_owned()).or_default().extend(documents);
    }
}

#[tokio::test]
async fn every_output_of_every_verb_fits_its_file_and_no_object_of_a_file_is_without_an_output() {
    let mut outputs = Outputs::default();
    of_the_group(&mut outputs).await;
    of_orders(&mut outputs).await;
    of_lists(&mut outputs).await;
    of_declarations(&mut outputs).await;
    of_do_not_call(&mut outputs).await;
    of_credentials(&mut outputs).await;
    of_backups(&mut outputs).await;
    of_traffic(&mut outputs).await;
    of_contexts(&mut outputs).await;
    of_configurations(&mut outputs).await;
    of_storages(&mut outputs).await;
    let faults: Vec<String> = outputs.0.iter().flat_map(|(name, documents)| faults(name, documents)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let files = fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path());
    let files: BTreeSet<String> = files.map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    let compared: BTreeSet<String> = outputs.0.into_keys().chain(OF_REAL_NODES.map(str::to_owned)).collect();
    assert_eq!(compared, files, "left: outputs, right: docs/ocsctl-json");
}

/// The faults of a verb's outputs, and the objects of its file that no output had.
fn faults(name: &str, documents: &[Json]) -> Vec<String> {
    let schema = Schema::read(&directory().join(format!("{name}.json")));
    let (mut found, mut faults) = (BTreeSet::new(), Vec::new());
    for document in documents {
        match schema.check(document) {
            Ok(more) => found.extend(more),
            Err(more) => faults.extend(more.into_iter().map(|fault| format!("{name}: {fault}"))),
        }
    }
    if faults.is_empty() {
        let absent = schema.objects().into_iter().filter(|object| !found.contains(object));
        faults.extend(absent.map(|object| format!("{name}: no output has the object #{object}")));
    }
    faults
}

async fn of_the_group(outputs: &mut Outputs) {
    let double = Double::start().await;
    (double.state().full, double.state().scheduled) = (true, Some(ScheduledSwitchover::default()));
    let b = double.endpoints().split(',').nth(1).unwrap().to_owned();
    let b_alone = format!("{},{b}", nobody().await);
    for (name, words) in [("status", &["status"][..]), ("role", &["role"])] {
        outputs.add(&double, name, words).await;
        outputs.add_at(&b_alone, name, words).await;
    }
    for name in ["history", "verify", "reload"] {
        outputs.add(&double, name, &[name]).await;
    }
    outputs.add(&double, "tls-reload", &["tls", "reload"]).await;
    outputs.add(&double, "settings-show", &["settings", "show"]).await;
    outputs.add(&double, "settings-set", &["settings", "set", "replay_window_ms=7"]).await;
    let entry = AuditEntry { number: 1, what: "Switchover".into(), outcome: "done".into(), ..AuditEntry::default() };
    double.state().audit = vec![AuditEntry { number: 2, ..entry.clone() }, entry];
    outputs.add(&double, "audit", &["audit"]).await;
    outputs.keep("error", &failure(&double).await);
    for endpoints in [double.endpoints(), b_alone] {
        outputs.keep("status-watch", &watched(&endpoints).await);
    }
}

/// The last line of standard error as an output.
async fn failure(double: &Double) -> Ran {
    let ran = ocsctl_at(&double.endpoints(), &["record", "get", "15", "-o", "json"]).await;
    assert_eq!(ran.code, 1, "{}", ran.err);
    Ran { out: ran.err.clone(), ..ran }
}

/// The first line of a watch.
async fn watched(endpoints: &str) -> Ran {
    use tokio::io::{AsyncBufReadExt, BufReader};
    let mut command = crate::command();
    command.env("OCSCTL_ENDPOINTS", endpoints).args(["status", "--watch=60", "-o", "json"]);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let line = BufReader::new(child.stdout.take().unwrap()).lines().next_line().await.unwrap().unwrap();
    Ran { code: 0, out: line, err: String::new() }
}

async fn of_orders(outputs: &mut Outputs) {
    let double = Double::start().await;
    for name in ["pause", "resume", "switchover"] {
        outputs.add(&double, name, &[name]).await;
    }
    let at = "2026-12-01T04:00:00+01:00";
    for words in [&["--at", at, "--dry-run"][..], &["b", "--at", at], &["--cancel"]] {
        outputs.add(&double, "switchover", &[&["switchover"][..], words].concat()).await;
    }
    outputs.add(&double, "proxy-restart", &["proxy", "restart"]).await;
    outputs.add(&double, "drain", &["drain", "b"]).await;
    outputs.add(&double, "mode-set", &["mode", "set", "witness"]).await;
    let reply =
        UpgradeReply { done: true, formats: 1, formats_newest: 2, rules: 6, rules_newest: 7, ..Default::default() };
    let double = Double::start().await;
    (double.state().upgrade, double.state().may_be_forced) = (Some(reply), true);
    outputs.add(&double, "upgrade-finalize", &["upgrade", "finalize"]).await;
    outputs.add(&double, "force-primary", &["force-primary", "b", "--dry-run"]).await;
    outputs.add(&double, "node-replace", &["node", "replace", "b", "--live"]).await;
}

async fn of_lists(outputs: &mut Outputs) {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    double.state().full = true;
    let file = dir.path().join("calls.csv");
    fs::write(&file, "contact_info,NOTE\n+1,x\n+2,y\n").unwrap();
    let file = file.to_str().unwrap();
    outputs.add(&double, "list-create", &["list", "create", "empty"]).await;
    outputs.add(&double, "list-create", &["list", "create", "preview", "--from", file, "--dry-run"]).await;
    outputs.add(&double, "list-create", &["list", "create", "demo", "--from", file]).await;
    outputs.add(&double, "list-import", &["list", "import", "demo", file]).await;
    outputs.add(&double, "list-import", &["list", "import", "demo", file, "--dry-run"]).await;
    outputs.add(&double, "list-show", &["list", "show"]).await;
    outputs.add(&double, "list-delete", &["list", "delete", "demo", "--yes", "--in-use"]).await;
    let handle = Attribute { key: "GSW_RECORD_HANDLE".into(), value: Some(Value { kind: Some(Kind::Int(15)) }) };
    let done = Done { event: "Record".into(), attributes: vec![handle], records: None };
    double.state().record = Some(GetRecordReply {
        reply: Some(Reply { body: Some(Body::Done(done)), replayed: false, stale: false }),
        not_dialable: Some(NotDialable {
            condition: 3,
            reason: "its window is shut".into(),
            until_s: Some(1_700_000_000),
        }),
        changes: vec![RecordChange { what: "RecordProcessed".into(), ..RecordChange::default() }],
        ..GetRecordReply::default()
    });
    outputs.add(&double, "record-get", &["record", "get", "15", "--history"]).await;
}

async fn of_declarations(outputs: &mut Outputs) {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    let file = dir.path().join("site.toml");
    let text = "[[lists]]\nname = \"renewals\"\n\n[[campaigns]]\nname = \"Renewals\"\nlists = [{ list = \"renewals\", weight = 10 }]\n";
    fs::write(&file, text).unwrap();
    outputs.add(&double, "apply", &["apply", "-f", file.to_str().unwrap()]).await;
    let held = HeldRecord { agent: "anna".into(), handle: 3, since_us: 1_700_000_000_000_000 };
    double.state().groups = vec![GroupInfo {
        dbid: 101,
        name: "Renewals@Agents".into(),
        campaign: "Renewals".into(),
        campaign_dbid: 102,
        state: "Running".into(),
        held: vec![held],
        held_total: 1,
    }];
    outputs.add(&double, "campaign-show", &["campaign", "show"]).await;
    outputs.add(&double, "campaign-show", &["campaign", "show", "Renewals"]).await;
    outputs.add(&double, "group-show", &["group", "show"]).await;
    for verb in ["load", "start", "stop", "unload", "unload-now"] {
        outputs.add(&double, &format!("group-{verb}"), &["group", verb, "Renewals@Agents"]).await;
    }
}

async fn of_do_not_call(outputs: &mut Outputs) {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    double.state().lists.insert("demo".to_owned(), vec![["1", "+1", "101"].map(str::to_owned)]);
    outputs.add(&double, "dnc-add", &["dnc", "add", "+1"]).await;
    outputs.add(&double, "dnc-add", &["dnc", "add", "+1", "--list", "demo"]).await;
    outputs.add(&double, "dnc-list", &["dnc", "list"]).await;
    outputs.add(&double, "dnc-check", &["dnc", "check", "+1"]).await;
    outputs.add(&double, "dnc-apply", &["dnc", "apply", "demo"]).await;
    outputs.add(&double, "dnc-remove", &["dnc", "remove", "+1"]).await;
    let file = dir.path().join("day.csv");
    fs::write(&file, "+7\n+8\n").unwrap();
    let file = file.to_str().unwrap();
    outputs.add(&double, "dnc-import", &["dnc", "import", file, "--dry-run"]).await;
    outputs.add(&double, "dnc-import", &["dnc", "import", file]).await;
}

async fn of_credentials(outputs: &mut Outputs) {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    outputs.add(&double, "token-create", &["token", "create", "crm", "--scopes", "read"]).await;
    outputs.add(&double, "token-list", &["token", "list"]).await;
    let id = outputs.0["token-create"][0]["id"].as_str().unwrap().to_owned();
    outputs.add(&double, "token-revoke", &["token", "revoke", &id]).await;
    let home = dir.path().to_str().unwrap();
    outputs.add(&double, "cert-ca", &["cert", "ca", "--dir", home]).await;
    outputs.add(&double, "cert-node", &["cert", "node", "a", "--dir", home]).await;
    outputs.add(&double, "cert-operator", &["cert", "operator", "alice", "--dir", home]).await;
}

async fn of_backups(outputs: &mut Outputs) {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    double.state().backup = backup(dir.path());
    let (file, ocsd) = (dir.path().join("b.ocsbackup"), ocsd(dir.path()));
    let file = file.to_str().unwrap();
    outputs.add(&double, "backup-create", &["backup", "create", file]).await;
    outputs.add(&double, "backup-verify", &["backup", "verify", file]).await;
    let restore = ["backup", "restore", file, "--config", "none.toml", "--ocsd", &ocsd];
    outputs.add(&double, "backup-restore", &restore).await;
}

/// A program that takes every backup and every configuration.
fn ocsd(directory: &Path) -> String {
    let program = directory.join("ocsd");
    fs::write(&program, "#!/bin/sh\nexit 0\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    program.to_str().unwrap().to_owned()
}

async fn of_storages(outputs: &mut Outputs) {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    let storage = Storage::with(backup(dir.path())).await;
    let file = dir.path().join("fetched");
    for (name, words) in [
        ("backup-fetch", &["backup", "fetch", FOLDER, file.to_str().unwrap()][..]),
        ("backup-list", &["backup", "list", FOLDER]),
        ("backup-prune", &["backup", "prune", FOLDER, "--keep", "1", "--dry-run"]),
    ] {
        outputs.add(&double, name, &[words, &["--s3-endpoint", &storage.url]].concat()).await;
    }
}

async fn of_configurations(outputs: &mut Outputs) {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    let key = "http_proxy.encoding".to_owned();
    let pending = PendingKey { key, in_use: "\"\"".to_owned(), next: "\"utf-8\"".to_owned(), needs: Vec::new() };
    (double.state().hold_time_ms_of_b, double.state().pending_of_b) = (Some(4000), vec![pending]);
    double.state().fault_of_b = Some("b.toml, line 3: not TOML".to_owned());
    outputs.add(&double, "config-show", &["config", "show"]).await;
    outputs.add(&double, "config-diff", &["config", "diff"]).await;
    outputs.add(&double, "config-check", &["config", "check", "a.toml", "--ocsd", &ocsd(dir.path())]).await;
}

async fn of_traffic(outputs: &mut Outputs) {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    let file = campaign(&double, &dir);
    outputs.add(&double, "replay", &["replay", file.to_str().unwrap(), "--list", "demo"]).await;
    outputs.add(&double, "drill", &["drill", "switchover", "--rounds", "1"]).await;
    let load = ["bench", "--create-list", "--records", "5", "--clients", "1", "--seconds", "1"];
    outputs.add(&double, "bench", &load).await;
}

async fn of_contexts(outputs: &mut Outputs) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("contexts.toml");
    for (name, words) in [
        ("context-set", &["context", "set", "demo", "endpoints=a:7401"][..]),
        ("context-use", &["context", "use", "demo"]),
        ("context-list", &["context", "list"]),
        ("context-show", &["context", "show"]),
        ("context-remove", &["context", "remove", "demo"]),
    ] {
        let ran = ran_with(&[("OCS_CONTEXTS", file.to_str().unwrap())], &[words, &["-o", "json"]].concat()).await;
        outputs.keep(name, &ran);
    }
}
