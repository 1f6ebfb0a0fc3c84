//! Files of declarations, campaigns and campaign groups.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use ocs_proto::{
    control::{DeclarationFault, GetRecordReply, GroupInfo, HeldRecord, NotDialable},
    outbound::{Attribute, Done, Reply, Value, reply::Body, value::Kind},
};
use tokio::io::AsyncWriteExt;

use crate::{Double, Ran, ocsctl};

const FILE: &str = "\
[[lists]]
name = \"renewals\"
calendar = \"weekdays\"

[[campaigns]]
name = \"Renewals\"
lists = [{ list = \"renewals\", weight = 10 }]

[[campaign_groups]]
campaign = \"Renewals\"
group = \"Agents\"
";

fn write(directory: &Path, text: impl AsRef<[u8]>) -> PathBuf {
    let path = directory.join("site.toml");
    std::fs::write(&path, text).unwrap();
    path
}

async fn apply(double: &Double, file: &Path, more: &[&str]) -> Ran {
    ocsctl(double, &[&["apply", "-f", file.to_str().unwrap()][..], more].concat()).await
}

#[tokio::test]
async fn a_file_is_shown_then_applied_and_the_second_time_there_is_nothing_to_change() {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    let file = write(dir.path(), FILE);
    let dry = apply(&double, &file, &["--dry-run"]).await;
    assert_eq!((dry.code, dry.out.as_str()), (0, "list renewals: new\ndry run: nothing is changed\n"), "{}", dry.err);
    let told = apply(&double, &file, &["--dry-run", "--exit-code"]).await;
    assert_eq!((told.code, told.out.as_str()), (1, dry.out.as_str()), "{}", told.err);
    assert_eq!(double.state().revision, 0);

    let applied = apply(&double, &file, &["-o", "json"]).await;
    let wanted = serde_json::json!({ "revision": 0, "differences": ["list renewals: new"], "applied": true });
    assert_eq!((applied.code, applied.json()), (0, wanted), "{}", applied.err);
    let (revision, lists) = {
        let state = double.state();
        (state.revision, state.declared.lists.len())
    };
    assert_eq!((revision, lists), (1, 1));
    for more in [&[][..], &["--dry-run"], &["--dry-run", "--exit-code"]] {
        let again = apply(&double, &file, more).await;
        let wanted = "nothing to change: the group is as the file declares\n";
        assert_eq!((again.code, again.out.as_str()), (0, wanted), "{more:?}: {}", again.err);
    }
    assert_eq!(double.state().revision, 1);
}

#[tokio::test]
async fn a_file_comes_from_standard_input_too() {
    let double = Double::start().await;
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_ocsctl"));
    command.env("OCSCTL_ENDPOINTS", double.endpoints()).args(["apply", "-f", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(FILE.as_bytes()).await.unwrap();
    drop(stdin);
    let ran = child.wait_with_output().await.unwrap();
    assert_eq!(String::from_utf8(ran.stdout).unwrap(), "list renewals: new\napplied: 1 difference\n");
    assert_eq!((ran.status.code(), double.state().revision), (Some(0), 1));
}

#[tokio::test]
async fn every_bad_file_is_exit_code_2_with_its_line_and_no_node_hears_of_it() {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    let long = format!("# {}\n", "x".repeat(2 << 20));
    let files: [(&[u8], &str); 7] = [
        (
            b"[[lists]]\nname = \"a\"\ncalender = \"b\"\n",
            "site.toml:3: lists.a.calender: is no key of [[lists]]; there are",
        ),
        (
            b"[[lists]]\nname = \"a\"\nattempts_max = \"12\"\n",
            "site.toml:3: lists.a.attempts_max: takes a whole number",
        ),
        (b"[options]\n\nreject_pause 60\n", "site.toml:3: this is no TOML: "),
        (b"[options]\nreject_pause = 60 # \xff\n", "site.toml: a file of declarations is UTF-8, and byte 30"),
        (long.as_bytes(), "site.toml: a file of declarations has at most 1048576 bytes"),
        (
            b"[[lists]]\nname = \"a\"\n[[lists]]\nname = \"a\"\n",
            "site.toml:3: lists.a: is there twice: the first stands in line 1",
        ),
        (b"[[lists]]\nname = \"a\"\n\"x\\ny\" = 1\n", "site.toml:3: lists.a.x\\ny: is no key of [[lists]]; there are"),
    ];
    for (text, line) in files {
        let file = write(dir.path(), text);
        let ran = apply(&double, &file, &[]).await;
        assert!(ran.code == 2 && ran.err.contains(line), "{line}: {}", ran.err);
        assert_eq!((ran.err.lines().count(), ran.out.as_str()), (1, ""), "{}", ran.err);
    }
    let missing = apply(&double, &dir.path().join("none.toml"), &[]).await;
    assert!(missing.code == 2 && missing.err.contains("none.toml: No such file"), "{}", missing.err);
    let directory = apply(&double, dir.path(), &[]).await;
    assert!(directory.code == 2 && directory.err.contains("s a directory"), "{}", directory.err);
    assert_eq!(apply(&double, &dir.path().join("none.toml"), &["--exit-code"]).await.code, 2, "without --dry-run");
    assert_eq!(double.state().revision, 0);
}

#[tokio::test]
async fn of_very_many_faults_and_of_a_very_long_name_the_beginning_is_told() {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    let keys: String = (0..60).map(|n| format!("k{n} = 1\n")).collect();
    let file = write(dir.path(), format!("[[lists]]\nname = \"a\"\n{} = 1\n{keys}", "n".repeat(10_000)));
    let ran = apply(&double, &file, &[]).await;
    assert_eq!((ran.code, ran.err.lines().count()), (2, 51), "{}", ran.err);
    assert!(ran.err.contains("site.toml:3: lists.a.nnn") && ran.err.contains("nnn…: is no key of"), "{}", ran.err);
    assert!(ran.err.ends_with("site.toml: and 11 more faults\n") && ran.err.len() < 50_000, "{}", ran.err);
}

#[tokio::test]
async fn faults_that_a_node_finds_have_the_lines_of_the_file() {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    let file = write(dir.path(), FILE);
    let fault = |path: &str, message: &str| DeclarationFault { path: path.into(), message: message.into() };
    double.state().faults = vec![
        fault("campaign_groups.Renewals@Agents.dbid", "104 is taken"),
        fault("lists.renewals.calendar", "there is no calendar \"weekdays\""),
        fault("lists.old", "has records"),
    ];
    let ran = apply(&double, &file, &["--prune", "-o", "json"]).await;
    let (word, message) = ran.error();
    let file = file.display();
    let wanted = [
        format!("{file}: lists.old: has records"),
        format!("{file}:3: lists.renewals.calendar: there is no calendar \"weekdays\""),
        format!("{file}:9: campaign_groups.Renewals@Agents.dbid: 104 is taken"),
    ];
    assert_eq!((ran.code, word.as_str(), message), (2, "usage", wanted.join("\n")));
    assert_eq!(double.state().revision, 0);
}

#[tokio::test]
async fn another_revision_meanwhile_is_exit_code_1_and_changes_nothing() {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    let file = write(dir.path(), FILE);
    double.state().changes_meanwhile = true;
    let ran = apply(&double, &file, &[]).await;
    assert!(ran.code == 1 && ran.err.contains("changed meanwhile, nothing applied: run it again"), "{}", ran.err);
    assert!(double.state().declared.lists.is_empty());
}

#[tokio::test]
async fn an_application_of_unknown_outcome_that_had_succeeded_is_a_success() {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    let file = write(dir.path(), FILE);
    double.state().declarations_aborted = 1;
    let ran = apply(&double, &file, &[]).await;
    assert_eq!((ran.code, double.state().revision), (0, 1), "{}", ran.err);
}

#[tokio::test]
async fn nodes_of_an_older_release_are_named_in_one_line() {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    let file = write(dir.path(), FILE);
    double.state().knows_no_declarations = true;
    let ran = apply(&double, &file, &[]).await;
    assert!(ran.code == 1 && ran.err.contains("runs a release that does not know this order"), "{}", ran.err);
    assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
}

#[tokio::test]
async fn an_export_is_a_file_that_apply_takes_and_replaces_nothing_unasked() {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    let nothing = ocsctl(&double, &["export-config"]).await;
    assert_eq!((nothing.code, nothing.out.as_str()), (0, "# nothing is declared\n"), "{}", nothing.err);
    assert_eq!(apply(&double, &write(dir.path(), FILE), &[]).await.code, 0);
    let shown = ocsctl(&double, &["export-config"]).await;
    assert_eq!((shown.code, shown.out.as_str()), (0, FILE), "{}", shown.err);

    let place = dir.path().join("exported.toml");
    let export = ["export-config", "-o", place.to_str().unwrap()];
    assert_eq!(ocsctl(&double, &export).await.code, 0);
    assert_eq!(std::fs::read_to_string(&place).unwrap(), FILE);
    let again = ocsctl(&double, &export).await;
    assert!(again.code == 1 && again.err.contains("--force replaces it"), "{}", again.err);
    assert_eq!(ocsctl(&double, &[&export[..], &["--force"]].concat()).await.code, 0);
    let directory = ocsctl(&double, &["export-config", "-o", dir.path().to_str().unwrap(), "--force"]).await;
    assert!(directory.code == 1 && directory.err.contains("it is a directory"), "{}", directory.err);
    assert_eq!(ocsctl(&double, &["export-config", "-o", "json"]).await.code, 2);
    assert!(apply(&double, &place, &["--dry-run"]).await.out.starts_with("nothing to change"));
}

fn group() -> GroupInfo {
    let held = |agent: &str, handle| HeldRecord { agent: agent.into(), handle, since_us: 1_700_000_000_000_000 };
    GroupInfo {
        dbid: 101,
        name: "Renewals@Agents".into(),
        campaign: "Renewals".into(),
        campaign_dbid: 102,
        state: "Running".into(),
        held: vec![held("anna", 3), held("anna", 9)],
        held_total: 2,
    }
}

#[tokio::test]
async fn groups_are_shown_by_name_and_by_dbid() {
    let double = Double::start().await;
    double.state().groups = vec![group()];
    let wanted = "\
GROUP            DBID  STATE    HELD  OLDEST SINCE
Renewals@Agents  101   Running  2     2023-11-14T22:13:20Z
";
    let all = ocsctl(&double, &["group", "show"]).await;
    assert_eq!((all.code, all.out.as_str()), (0, wanted), "{}", all.err);
    for name in ["Renewals@Agents", "101"] {
        let one = ocsctl(&double, &["group", "show", name]).await;
        let agents = "\nAGENT  HOLDS  SINCE\nanna   2      2023-11-14T22:13:20Z\n";
        assert_eq!((one.code, one.out), (0, format!("{wanted}{agents}")), "{}", one.err);
    }
    let json = ocsctl(&double, &["group", "show", "-o", "json"]).await.json();
    assert_eq!((&json[0]["state"], &json[0]["held_total"]), (&"Running".into(), &2.into()));
    assert_eq!(json[0]["agents"][0]["handles"], serde_json::json!([3, 9]));
    let none = ocsctl(&double, &["group", "show", "none@Agents"]).await;
    assert!(none.code == 1 && none.err.contains("There is no campaign group"), "{}", none.err);
}

#[tokio::test]
async fn a_campaign_is_shown_with_its_lists_and_groups() {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    let limit = "\n[[contact_limits]]\nname = \"seven\"\ncampaign = \"Renewals\"\nmax = 7\n";
    assert_eq!(apply(&double, &write(dir.path(), format!("{FILE}{limit}")), &[]).await.code, 0);
    double.state().groups = vec![group()];
    let all = ocsctl(&double, &["campaign", "show"]).await;
    let wanted = "\
CAMPAIGN  DBID  GROUPS  LIMITS  LISTS
Renewals  0     1       1       renewals
";
    assert_eq!((all.code, all.out.as_str()), (0, wanted), "{}", all.err);
    let one = ocsctl(&double, &["campaign", "show", "Renewals"]).await;
    let wanted = "\
campaign        Renewals
dbid            0
tenant          the default tenant
contact limits  seven

LIST      WEIGHT
renewals  10

GROUP            DBID  STATE    HELD
Renewals@Agents  101   Running  2
";
    assert_eq!((one.code, one.out.as_str()), (0, wanted), "{}", one.err);
    let none = ocsctl(&double, &["campaign", "show", "none"]).await;
    assert!(none.code == 1 && none.err.contains("there is no campaign none"), "{}", none.err);
}

#[tokio::test]
async fn a_group_is_controlled_by_the_requests_of_clients() {
    let double = Double::start().await;
    for (verb, request, said) in [
        ("load", "LoadCampaign", "Renewals@Agents is loaded\n"),
        ("start", "StartDialing", "Renewals@Agents is started\n"),
        ("stop", "StopDialing", "Renewals@Agents is stopped\n"),
        ("unload", "UnloadCampaign", "Renewals@Agents is unloaded\n"),
        ("unload-now", "ForceUnloadCampaign", "Renewals@Agents is unloaded\n"),
    ] {
        let ran = ocsctl(&double, &["group", verb, "Renewals@Agents"]).await;
        assert_eq!((ran.code, ran.out.as_str()), (0, said), "{}", ran.err);
        let asked = double.state().controlled.pop().unwrap();
        assert_eq!((asked.group.as_str(), asked.request.as_str()), ("Renewals@Agents", request));
    }
    let json = ocsctl(&double, &["group", "load", "101", "-o", "json"]).await.json();
    assert_eq!(json["GSW_USER_EVENT"], "CampaignLoaded");
}

#[tokio::test]
async fn a_record_says_why_no_group_gets_it_now() {
    let double = Double::start().await;
    let handle = Attribute { key: "GSW_RECORD_HANDLE".into(), value: Some(Value { kind: Some(Kind::Int(15)) }) };
    let done = Done { event: "Record".into(), attributes: vec![handle], records: None };
    let why = NotDialable { condition: 3, reason: "its window opens at 08:00".into(), until_s: Some(1_700_000_000) };
    double.state().record = Some(GetRecordReply {
        reply: Some(Reply { body: Some(Body::Done(done)), replayed: false, stale: false }),
        not_dialable: Some(why),
        ..GetRecordReply::default()
    });
    let ran = ocsctl(&double, &["record", "get", "15"]).await;
    let wanted = "\
GSW_USER_EVENT     Record
GSW_RECORD_HANDLE  15

not dialable: its window opens at 08:00 (until 2023-11-14T22:13:20Z)
";
    assert_eq!((ran.code, ran.out.as_str()), (0, wanted), "{}", ran.err);
    let json = ocsctl(&double, &["record", "get", "15", "-o", "json"]).await.json();
    assert_eq!((&json["dialable"], &json["not_dialable"]["condition"]), (&false.into(), &3.into()));
}
