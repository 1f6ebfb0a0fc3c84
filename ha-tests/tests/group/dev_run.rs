//! `make run`'s script itself: a group in one terminal, curl lines that work, a campaign, everything gone after SIGTERM, and the same
//! data at the second start; a start that cannot work is refused in one line before anything starts.

use std::{
    collections::BTreeSet,
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use ocs_ha_tests::{Process, Ran, Signal, ocsctl, program, runs, until, until_some};
use serde_json::Value;

const RECORDS: u64 = 200;
/// Records of the script's campaign: two for each customer, and a callback.
const CAMPAIGN_RECORDS: u64 = 201;
/// The answers to the script's lines, in their order; the fetched record goes to standard error.
const EVENTS: [&str; 8] = [
    "AddRecordAcknowledge",
    "Record",
    "DoNotCallAcknowledge",
    "CampaignStarted",
    "RecordRescheduleAcknowledge",
    "RecordProcessedAcknowledge",
    "DoNotCallAcknowledge",
    "Error",
];
/// The contract of `make run`: Ctrl-C or SIGTERM ends every process within it.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// Offsets of one test, so that no two look for the same free ports at the same time.
const OFFSETS: u16 = 4000;

/// An offset at which every port of the script is free, below those that the system gives to clients.
fn free_offset(test: u16) -> u16 {
    let own = u16::try_from(std::process::id() % 200).unwrap() * 20;
    let free = |offset: &u16| {
        let ports = [7301, 7302, 7303, 7401, 7402, 7403, 7501, 7502, 7503, 8080, 8081];
        ports.iter().all(|port| TcpListener::bind(("127.0.0.1", port + offset)).is_ok())
    };
    (0..200).map(|step| 12_000 + test * OFFSETS + (own + step * 20) % OFFSETS).find(free).unwrap()
}

/// The script; ended in order when dropped, because the nodes are its children, not ours.
struct Script(Process);

fn command(dir: &Path, offset: u16, records: u64) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("deploy/dev/run.sh"));
    command
        .env("RUN_DIR", dir)
        .env("BIN_DIR", program("ocsd").parent().unwrap())
        .env("PORT_OFFSET", offset.to_string())
        .env("LIST_RECORDS", records.to_string());
    command
}

/// The refusal of the script, which has started nothing.
fn refused(command: &mut Command) -> String {
    let ran = Ran::of(command);
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    assert_eq!(ran.out.lines().count(), 1, "one line, not: {}{}", ran.out, ran.err);
    ran.out
}

impl Script {
    fn start(dir: &Path, offset: u16, records: u64, output: &Path) -> Self {
        Self(Process::start("run.sh", &mut command(dir, offset, records), output))
    }

    fn terminate(&mut self) -> i32 {
        self.0.signal(Signal::TERM);
        self.0.wait()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        if self.0.ended().is_none() {
            self.terminate();
        }
    }
}

/// The output of the script since its start, once the explanation is complete.
fn explained(script: &mut Script, output: &Path) -> String {
    until_some("the script is ready", || {
        let said = fs::read_to_string(output).unwrap_or_default();
        assert!(script.0.ended().is_none(), "the script ended: {said}");
        said.contains("Ctrl-C stops the nodes").then_some(said)
    })
}

/// The lines that the script offers for a try, as one program: each answer ends its line.
fn tries(said: &str) -> String {
    let lines = said.lines().map(str::trim).filter(|line| line.starts_with("curl ") || line.starts_with("H="));
    lines.map(|line| format!("{line}\necho\n")).collect()
}

/// The answers on an output, a line each.
fn answers(output: &str) -> Vec<Value> {
    output.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn pids(status: &Value) -> Vec<u32> {
    let nodes = status["nodes"].as_array().unwrap();
    let proxy = |node: &Value| node["http_proxy_pid"].as_u64().and_then(|pid| pid.try_into().ok());
    nodes.iter().flat_map(|node| [node["pid"].as_u64().map(|pid| pid as u32), proxy(node)]).flatten().collect()
}

#[test]
fn an_offset_that_is_no_number_of_ports_is_refused_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    for offset in ["abc", "-20", "1.5", "0x10", "57001", "1000000"] {
        let told = refused(command(&dir.path().join("run"), 0, 0).env("PORT_OFFSET", offset));
        assert!(told.contains(&format!("PORT_OFFSET={offset} is no number of 0 to 57000")), "{told}");
    }
    assert!(!dir.path().join("run").exists(), "nothing was made");
}

#[test]
fn one_command_runs_a_group_that_goes_on_with_its_data() {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("skipped: curl is not installed, so the script's curl lines cannot be tried");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (offset, run_dir) = (free_offset(0), dir.path().join("run"));
    let endpoints = [7401, 7402, 7403].map(|port| format!("127.0.0.1:{}", port + offset)).join(",");
    let ctl = |words: &[&str]| Ran::of(&mut ocsctl(&endpoints, "", words));
    let mut added = BTreeSet::new(); // a curl line within the replay window gets the answer of the first
    for start in 1..=2 {
        let output = dir.path().join(format!("output-{start}"));
        let mut script = Script::start(&run_dir, offset, RECORDS, &output);
        let said = explained(&mut script, &output);
        for node in ["a", "b", "w"] {
            assert!(said.lines().any(|line| line.starts_with(&format!("{node}   | "))), "no line of {node}: {said}");
        }
        assert!(said.contains("OCSCTL_ENDPOINTS=127.0.0.1:"), "no way for ocsctl: {said}");
        assert!(said.contains("primary") && said.contains("backup") && said.contains("witness"), "no roles: {said}");
        let ran = Ran::of(Command::new("bash").args(["-c", &tries(&said)]));
        let (came, fetched) = (answers(&ran.out), answers(&ran.err));
        let events: Vec<&str> = came.iter().filter_map(|answer| answer["GSW_USER_EVENT"].as_str()).collect();
        assert_eq!(events, EVENTS, "start {start}: {said}{}{}", ran.out, ran.err);
        assert_eq!(came[EVENTS.len() - 1]["GSW_ERROR_CODE"], "DO_NOT_CALL", "{}", ran.out);
        assert!(fetched.len() == 1 && fetched[0]["GSW_USER_EVENT"] == "PreviewRecord", "{}", ran.err);
        assert_eq!(fetched[0]["GSW_RECORD_HANDLE"], came[4]["GSW_RECORD_HANDLE"], "{}{}", ran.out, ran.err);
        added.insert(came[0]["GSW_RECORD_HANDLE"].as_u64());
        let status = ctl(&["status", "-o", "json"]).json();
        let records = RECORDS + CAMPAIGN_RECORDS + added.len() as u64;
        assert!(status["nodes"][0]["records"].as_u64() == Some(records), "start {start}: {status}");
        let pids = pids(&status);
        assert_eq!(pids.len(), 5, "{status}");

        let told = Instant::now();
        assert_eq!(script.terminate(), 0);
        until("every process is gone", || !pids.iter().any(|pid| runs(*pid)));
        assert!(told.elapsed() < ENDS_WITHIN, "it took {:?}", told.elapsed());
    }
}

#[test]
fn a_second_run_on_the_same_ports_touches_nothing_of_the_first_and_forms_its_own_group_later() {
    let dir = tempfile::tempdir().unwrap();
    let (offset, first_dir, second_dir) = (free_offset(1), dir.path().join("first"), dir.path().join("second"));
    // As an earlier script left the directory: marked as formed because another group answered, though no node of its own ever
    // formed a group.
    for node in ["a", "b", "w"] {
        fs::create_dir_all(second_dir.join("data").join(node)).unwrap();
    }
    fs::write(second_dir.join("formed"), "").unwrap();

    let output = dir.path().join("output-1");
    let mut first = Script::start(&first_dir, offset, 0, &output);
    explained(&mut first, &output);
    let said = refused(&mut command(&second_dir, offset, 0));
    for part in [format!("port {}", 7301 + offset), "in use by ocsd (pid ".into(), "PORT_OFFSET=".into()] {
        assert!(said.contains(&part), "{part}: {said}");
    }
    assert_eq!(first.terminate(), 0);

    let output = dir.path().join("output-2");
    let mut second = Script::start(&second_dir, offset, 0, &output);
    explained(&mut second, &output);
    assert_eq!(second.terminate(), 0);
}

#[test]
fn what_cannot_work_is_refused_in_one_line_before_anything_starts() {
    let dir = tempfile::tempdir().unwrap();
    let (offset, run_dir) = (free_offset(2), dir.path().join("run"));
    let plain = || command(&run_dir, offset, 0);

    let said = refused(plain().env("BIN_DIR", dir.path()));
    assert!(said.contains("run make build first"), "{said}");

    let taken = TcpListener::bind(("127.0.0.1", 7402 + offset)).unwrap();
    let said = refused(&mut plain());
    let holder = format!("(pid {})", std::process::id());
    for part in [format!("port {} is in use by ", 7402 + offset), holder, "PORT_OFFSET=".into()] {
        assert!(said.contains(&part), "{part}: {said}");
    }
    drop(taken);
    assert!(!run_dir.exists(), "something was made");

    let tools = dir.path().join("tools");
    fs::create_dir(&tools).unwrap();
    let df = "#!/bin/sh\necho 'Filesystem 1M-blocks Used Available Capacity Mounted'\necho 'x 400 100 300 25% /'\n";
    fs::write(tools.join("df"), df).unwrap();
    fs::set_permissions(tools.join("df"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let said = refused(plain().env("PATH", path));
    assert!(said.contains("needs 1 GB free in ") && said.contains("300 MB"), "{said}");

    let lock = fs::File::create(run_dir.join("lock")).unwrap();
    lock.lock().unwrap();
    let said = refused(&mut plain());
    assert!(said.contains("in use by another make run") && said.contains("RUN_DIR="), "{said}");
    drop(lock);

    fs::create_dir_all(run_dir.join("data/a")).unwrap();
    fs::write(run_dir.join("data/a/ocs-node.toml"), "").unwrap();
    fs::write(run_dir.join("formed"), "").unwrap();
    let said = refused(&mut plain());
    assert!(said.contains(&format!("rm -rf {}", run_dir.display())) && said.contains("of b w is missing"), "{said}");
}
