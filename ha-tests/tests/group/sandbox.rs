//! `ocsctl sandbox`: a pair with a campaign by one command, lines that work, a reset, and an end that leaves nothing of its own and
//! everything of others.

#[path = "../../../services/ctl/tests/verbs/json/schema.rs"]
mod schema;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use ocs_ha_tests::{Client, Ran, Signal, ocsctl, rows, runs, signal_to, until};
use serde_json::Value;

use self::schema::Schema;

/// The answers to the lines of a sandbox that carry an event, in their order; the fetched record goes to standard error.
const EVENTS: [&str; 5] =
    ["CampaignStarted", "RecordRescheduleAcknowledge", "RecordProcessedAcknowledge", "DoNotCallAcknowledge", "Error"];
/// Records of the list: two for each customer, and a callback.
const RECORDS: usize = 2001;

/// A sandbox, stopped and removed on drop.
struct Sandbox(PathBuf);

impl Sandbox {
    fn run(&self, words: &[&str]) -> Ran {
        let dir = self.0.display().to_string();
        Ran::of(&mut ocsctl("127.0.0.1:1", "", &[&["sandbox"], words, &["--dir", &dir]].concat()))
    }

    /// The result of a verb, in the form of the verb's file.
    fn json(&self, words: &[&str]) -> Value {
        let ran = self.run(&[words, &["-o", "json"]].concat());
        assert_eq!(ran.code, 0, "{words:?}: {}{}", ran.out, ran.err);
        let view = ran.json();
        require_form(words[0], &view);
        view
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if self.0.exists() {
            self.run(&["stop", "--remove"]);
        }
    }
}

/// Compares a result with the file of its verb in `docs/ocsctl-json`.
fn require_form(verb: &str, view: &Value) {
    let file = format!("docs/ocsctl-json/sandbox-{verb}.json");
    let schema = Schema::read(&Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(file));
    assert_eq!(schema.check(view), Ok(schema.objects()), "{verb}: {view}");
}

fn text<'a>(view: &'a Value, name: &str) -> &'a str {
    view[name].as_str().unwrap_or_else(|| panic!("no {name} in {view}"))
}

fn pids(view: &Value) -> Vec<u32> {
    let nodes = view["nodes"].as_array().unwrap();
    nodes.iter().filter_map(|node| node["pid"].as_u64()?.try_into().ok()).collect()
}

/// `ocsctl` for the nodes of a sandbox.
fn ctl(view: &Value, words: &[&str]) -> Ran {
    Ran::of(&mut ocsctl(text(view, "endpoints"), text(view, "proxies"), words))
}

/// The list without the callback, whose time is that of its start.
fn list(view: &Value) -> Vec<ocs_ha_tests::Row> {
    let mut rows = rows(&ctl(view, &["list", "export", "customers"]).fine());
    rows.retain(|row| row["record_id"] != RECORDS.to_string());
    rows
}

fn get(view: &Value, target: &str, token: &str) -> u16 {
    let address = text(view, "proxies").split(',').next().unwrap().trim_start_matches("http://").to_owned();
    let authorization = format!("Bearer {token}");
    Client::new(&address).must("GET", target, &[("Authorization", authorization.as_str())], "").status
}

/// Tries the lines that a sandbox shows, and compares the events of their answers.
fn try_lines(sandbox: &Sandbox) {
    let said = sandbox.run(&["start"]).fine(); // a sandbox that runs is shown again
    let lines = said.lines().map(str::trim);
    let lines = lines.filter(|line| ["curl ", "T=", "H="].iter().any(|begin| line.starts_with(begin)));
    let program: String = lines.map(|line| format!("{line}\necho\n")).collect();
    let ran = Ran::of(Command::new("bash").args(["-c", &program]));
    let answers =
        |output: &str| -> Vec<Value> { output.lines().filter_map(|line| serde_json::from_str(line).ok()).collect() };
    let came = answers(&ran.out);
    let events: Vec<&str> = came.iter().filter_map(|answer| answer["GSW_USER_EVENT"].as_str()).collect();
    assert_eq!(events, EVENTS, "{said}{}{}", ran.out, ran.err);
    assert!(came.iter().any(|answer| answer["GSW_ERROR_CODE"] == "DO_NOT_CALL"), "{}", ran.out);
    assert!(ran.out.contains("\"customers\""), "the REST interface answers: {}", ran.out);
    assert!(answers(&ran.err).iter().any(|answer| answer["GSW_USER_EVENT"] == "PreviewRecord"), "{}", ran.err);
}

#[test]
fn a_sandbox_is_started_tried_reset_and_removed_by_one_command_each() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox(dir.path().join("my box"));
    let view = sandbox.json(&["start"]);
    assert_eq!((view["running"].as_bool(), pids(&view).len()), (Some(true), 3), "{view}");
    let token = fs::read_to_string(text(&view, "token_file")).unwrap().trim().to_owned();
    assert_eq!((get(&view, "/records/1", &token), get(&view, "/records/1", "ocs_none")), (200, 401));
    let before = list(&view);
    assert_eq!(before.len() + 1, RECORDS);
    match Command::new("curl").arg("--version").output() {
        Ok(_) => try_lines(&sandbox),
        Err(_) => println!("skipped: curl is not installed, so the sandbox's curl lines cannot be tried"),
    }
    let words = ["bench", "--list", "customers", "--seconds", "1", "--clients", "2", "--json"];
    let token_file = ["--token-file", text(&view, "token_file")];
    let refused = ctl(&view, &[&words[..], &token_file].concat());
    assert!(refused.code == 1 && refused.err.contains("of campaign demo"), "{}", refused.err);
    for what in ["update", "get", "preview"] {
        let ran = ctl(&view, &[&words[..], &token_file, &["--what", what, "--yes"]].concat());
        assert_eq!(ran.code, 0, "{what}: {}{}", ran.out, ran.err);
        assert!(ran.json()["requests"].as_u64() > Some(0) && ran.json()["errors"] == 0, "{what}: {}", ran.out);
    }
    let own = ["bench", "--create-list", "--records", "200", "--seconds", "1", "--clients", "2", "--json"];
    let ran = ctl(&view, &[&own[..], &token_file].concat());
    assert!(ran.code == 0 && ran.json()["list_left"].is_null(), "{}{}", ran.out, ran.err);

    let reset = sandbox.json(&["reset"]);
    for same in ["endpoints", "proxies", "token_file"] {
        assert_eq!(reset[same], view[same], "{same}");
    }
    assert!(pids(&view).iter().all(|pid| !runs(*pid)) && pids(&reset).len() == 3, "{reset}");
    assert_eq!(list(&reset), before, "the campaign is back at its start");
    assert_eq!(get(&reset, "/records/1", &token), 200, "the token stays");

    let dir_of_sandbox = sandbox.0.clone();
    let ended = sandbox.run(&["stop", "--remove"]).fine();
    assert!(ended.contains("stopped: a, b, w") && !dir_of_sandbox.exists(), "{ended}");
    assert!(pids(&reset).iter().all(|pid| !runs(*pid)));
}

#[test]
fn a_killed_node_is_started_again_and_its_configuration_is_compared_with_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox(dir.path().join("s"));
    let view = sandbox.json(&["start"]);
    let killed = pids(&view)[1];
    signal_to(killed, Signal::KILL);
    until("the end of b", || !runs(killed));
    let status = sandbox.run(&["status", "-o", "json"]);
    assert_eq!((status.code, status.json()["nodes"][1]["pid"].as_u64()), (1, None), "{}", status.err);
    require_form("status", &status.json());
    let again = sandbox.json(&["start"]);
    let pid = |view: &Value, node: usize| view["nodes"][node]["pid"].as_u64();
    assert_eq!((pid(&again, 0), pid(&again, 2)), (pid(&view, 0), pid(&view, 2)), "the others went on");
    assert!(pid(&again, 1).is_some() && again["endpoints"] == view["endpoints"]);
    for condition in ["replicated", "version=0.0.0-none"] {
        let met = ctl(&again, &["--timeout", "10", "wait", "--for", condition]).code == 0;
        assert_eq!(met, condition == "replicated", "{condition}");
    }

    let shown = ctl(&again, &["config", "show", "b", "--given", "-o", "json"]).json();
    let keys = shown[0]["keys"].as_array().unwrap();
    let auth = keys.iter().find(|key| key["key"] == "http_proxy.auth").unwrap();
    assert_eq!((&auth["value"], &auth["source"]), (&"tokens".into(), &"file".into()));
    let same = ctl(&again, &["config", "diff", "--exit-code"]);
    assert!(same.code == 0 && same.out.contains("are the same"), "{}{}", same.out, same.err);
    let file = sandbox.0.join("b.toml");
    let changed = fs::read_to_string(&file).unwrap().replace("drain_timeout_ms = 5000", "drain_timeout_ms = 6000");
    fs::write(&file, changed).unwrap();
    let differs = ctl(&again, &["config", "diff", "-o", "json"]).json();
    let pending = &differs["on_disk"][0];
    assert_eq!((&pending["node"], &pending["key"]), (&"b".into(), &"limits.drain_timeout_ms".into()), "{differs}");
    assert_eq!((&pending["in_use"], &pending["next"]), (&5000.into(), &6000.into()));
    let checked = Ran::of(&mut ocsctl("127.0.0.1:1", "", &["config", "check", file.to_str().unwrap()]));
    assert_eq!(checked.code, 0, "{}{}", checked.out, checked.err);
    fs::write(&file, "[node]\nnam = \"b\"\n").unwrap();
    let checked = Ran::of(&mut ocsctl("127.0.0.1:1", "", &["config", "check", file.to_str().unwrap()]));
    assert!(checked.code == 2 && checked.out.contains("there is no such key"), "{}{}", checked.out, checked.err);

    let stopped = sandbox.json(&["stop"]);
    assert_eq!((&stopped["stopped"], &stopped["removed"]), (&serde_json::json!(["a", "b", "w"]), &false.into()));
    assert!(pids(&again).iter().all(|pid| !runs(*pid)), "{stopped}");
}

#[test]
fn a_directory_of_others_is_neither_taken_nor_removed() {
    let dir = tempfile::tempdir().unwrap();
    let notes = dir.path().join("notes.txt");
    fs::write(&notes, "mine").unwrap();
    let sandbox = Sandbox(dir.path().to_owned());
    for words in [&["start"][..], &["reset"], &["status"], &["stop"], &["stop", "--remove"]] {
        let ran = sandbox.run(words);
        assert!(ran.code == 1 && ran.err.contains("is no sandbox"), "{words:?}: {}", ran.err);
    }
    assert_eq!(names(dir.path()), ["notes.txt"]);
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}
