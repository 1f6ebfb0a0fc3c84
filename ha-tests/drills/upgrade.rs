//! An older release is replaced under load, put back, and replaced for good: see `docs/drills/upgrade.md`. Called by `drill`.
//!
//! In odd rounds the newer release replaces the older one, in even rounds the older release comes back. The last round raises the group's
//! versions, if the newer release runs then.

use std::{collections::BTreeSet, fs, path::PathBuf};

use ocs_ha_tests::{
    Balancer, Cluster, Release,
    disk::bytes_below,
    drill::{DATA, Drill, Options, Round, Scenario, Stage},
    program, until, until_some,
};
use serde_json::{Value, json};

pub(crate) const DRILL: Drill =
    Drill { name: "upgrade", bar: None, network: false, scenario: || Box::new(Upgrade::default()) };

/// Versions are raised by an order alone, so that the older release can be put back until then.
const BY_ORDER: &str = "cluster.upgrade=manual";
/// Answers at every door between two steps.
const BETWEEN: u64 = 20;

/// Declared once the versions are raised: the older release knows no campaign.
const DECLARED: &str = r#"
[[lists]]
name = "previewed"

[[campaigns]]
name = "Upgrade"
lists = [{ list = "previewed" }]

[[campaign_groups]]
campaign = "Upgrade"
group = "Agents"
"#;
/// Records that the campaign hands out.
const PREVIEWED: usize = 20;

/// Both releases.
#[derive(Debug, Default)]
struct Upgrade {
    old: Release,
    new: Release,
    rounds: u32,
}

impl Scenario for Upgrade {
    fn start(&mut self, options: &Options) -> Result<Cluster, String> {
        let Some(programs) = options.old.clone() else {
            return Err("no older release was given: make upgrade OLD=DIRECTORY-OR-REVISION, or --old".to_owned());
        };
        if let Some(why) = Balancer::missing() {
            return Err(why);
        }
        let mut cluster = Cluster::prepare(&[]);
        self.rounds = options.rounds;
        self.old = Release { programs, set: Vec::new() };
        self.new = newer(&cluster);
        DATA.iter().chain(&["w"]).for_each(|node| cluster.install(node, &self.old));
        cluster.form();
        Ok(cluster)
    }

    fn prepare(&mut self, stage: &mut Stage) {
        stage.balancer = Some(Balancer::start(&stage.cluster));
    }

    fn round(&mut self, stage: &mut Stage) -> Round {
        let there = stage.number % 2 == 1;
        let (to, way) = if there { (&self.new, "there") } else { (&self.old, "back") };
        replace_all(stage, to);
        if there && stage.number == self.rounds {
            return Round::of(format!("there for good: {}", self.raise(stage)));
        }
        Round::of(way)
    }
}

/// The release under test. Its nodes wait for the order to raise the versions, if the release knows that setting.
fn newer(cluster: &Cluster) -> Release {
    let programs = program("ocsd").parent().expect("programs lie in a directory").to_owned();
    let knows = cluster.run_node("a", &["--check", "--set", BY_ORDER]).code == 0;
    Release { programs, set: knows.then(|| BY_ORDER.to_owned()).into_iter().collect() }
}

/// Replaces node by node, the witness first and the primary last. Every node is killed once while both releases run, and each release
/// leads the other.
fn replace_all(stage: &mut Stage, to: &Release) {
    let (primary, backup) = stage.roles();
    for node in ["w", backup] {
        replace(stage, node, to);
        stage.kill(node);
        stage.revive(node);
        everywhere(stage);
    }
    let killed = stage.kill(primary);
    stage.outage(backup, killed);
    stage.more(Balancer::NAME, BETWEEN);
    stage.revive(primary);
    everywhere(stage);
    for leads in [primary, backup] {
        stage.cluster.move_primary_under_load(leads);
        everywhere(stage);
    }
    replace(stage, primary, to);
    everywhere(stage);
}

/// Stops a node as planned, and starts it with other programs.
fn replace(stage: &mut Stage, node: &'static str, with: &Release) {
    stage.excuse(node);
    assert_eq!(stage.cluster.stop(node), 0, "{node} did not end well");
    stage.cluster.install(node, with);
    stage.cluster.start_node(node, &[]);
    stage.back(node);
}

/// Requests are answered at every door.
fn everywhere(stage: &Stage) {
    DATA.iter().chain(&[Balancer::NAME]).for_each(|door| stage.more(door, BETWEEN));
}

impl Upgrade {
    /// Raises the group's versions: updates go on, and the older release is refused. Otherwise returns the reason for skipping
    /// this.
    fn raise(&self, stage: &mut Stage) -> String {
        let cluster = &stage.cluster;
        if cluster.ctl(&["upgrade", "finalize", "--help"]).code != 0 {
            return "raising the versions: skipped, this ocsctl has no `upgrade finalize`".to_owned();
        }
        if self.new.set.is_empty() {
            return format!("raising the versions: skipped, this ocsd does not know {BY_ORDER}");
        }
        let [before, newest] = versions(&cluster.status());
        if before == newest {
            return format!("raising the versions: skipped, both releases know {newest:?}");
        }
        cluster.ctl(&["upgrade", "finalize"]).fine();
        until("the versions are raised", || versions(&cluster.status()) == [newest; 2]);
        everywhere(stage);
        works_off_a_campaign(stage);
        let (primary, backup) = stage.roles();
        let raises_formats = before.0 < newest.0; // a witness knows no rules
        let nodes = if raises_formats { &["w", backup, primary][..] } else { &[backup, primary] };
        for node in nodes.iter().copied() {
            if node == primary {
                stage.cluster.move_primary_under_load(backup);
            }
            self.refused(stage, node);
        }
        if raises_formats {
            self.not_taken_in(stage);
        }
        format!(
            "raised from {before:?} to {newest:?}, a campaign of {PREVIEWED} records is worked off, and the older release is refused"
        )
    }

    /// The older release does not start on a node's directory, names the unknown version, and changes nothing.
    fn refused(&self, stage: &mut Stage, node: &'static str) {
        stage.excuse(node);
        assert_eq!(stage.cluster.stop(node), 0, "{node} did not end well");
        let before = content(stage, node);
        stage.cluster.install(node, &self.old);
        let ran = stage.cluster.run_node(node, &[]);
        let complaints = ran.complaints().join("\n");
        let names = complaints.contains("format") || complaints.contains("version");
        assert!(ran.code != 0 && names, "{node} of the older release ended with {}: {}", ran.code, ran.err);
        let after = content(stage, node);
        let changed: Vec<_> = after.iter().filter(|file| !before.contains(file)).map(|(path, _)| path).collect();
        assert!(after == before, "{node} of the older release was refused and changed its directory: {changed:?}");
        stage.cluster.install(node, &self.new);
        stage.cluster.start_node(node, &[]);
        stage.back(node);
        everywhere(stage);
    }

    /// A witness of the older release with an empty directory is not taken in; a witness of the newer release is.
    fn not_taken_in(&self, stage: &mut Stage) {
        let data = stage.cluster.settings().data("w");
        for release in [&self.old, &self.new] {
            stage.excuse("w");
            stage.cluster.kill("w");
            fs::remove_dir_all(&data).expect("its data directory");
            stage.cluster.install("w", release);
            stage.cluster.start_node("w", &[]);
            if release.programs == self.old.programs {
                until("the older release is told why", || stage.cluster.log("w").contains("w is not taken in"));
                everywhere(stage);
            }
        }
        stage.back("w");
        everywhere(stage);
    }
}

/// A campaign is declared, loaded, and worked off at both doors: every record is handed out once. Previews wait until the records of
/// the older release are brought up.
fn works_off_a_campaign(stage: &Stage) {
    let cluster = &stage.cluster;
    fs::write(cluster.path("campaign.toml"), DECLARED).expect("a temporary file can be written");
    cluster.ctl(&["apply", "-f", "campaign.toml"]).fine();
    let mut doors = DATA.map(|node| cluster.http(node));
    let phones = (0..PREVIEWED).map(|number| json!({ "GSW_PHONE": format!("+99985{number:02}") }));
    let added = phones.zip([0usize, 1].iter().cycle()).map(|(body, door)| {
        let answer = doors[*door].post("/lists/previewed?req=AddRecord", &body.to_string());
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.handle()
    });
    let added: BTreeSet<u64> = added.collect();
    let loaded = doors[0].post("/campaigngroups/Upgrade@Agents?req=LoadCampaign", "");
    assert_eq!(loaded.status, 200, "{loaded:?}");
    let mut handed_out = BTreeSet::new();
    for door in [0usize, 1].iter().cycle().take(PREVIEWED + 1) {
        let answer = until_some("records are brought up", || {
            let answer = doors[*door].post("/campaigngroups/Upgrade@Agents?req=PreviewRecordRequest", "");
            (answer.status != 503).then_some(answer)
        });
        assert_eq!(answer.status, 200, "{answer:?}");
        if answer.attribute("GSW_USER_EVENT") == "PreviewRecord" {
            assert!(handed_out.insert(answer.handle()), "handed out twice: {answer:?}");
        }
    }
    assert_eq!(handed_out, added, "the campaign is not worked off");
}

/// Files that any start writes. A node counts its start before it reads its log, and only the log tells an older release of an
/// unknown rules version.
const OF_A_START: [&str; 4] = ["lock", "mark", "ocs-node.toml", "ocs-node.toml.new"];

/// Every file of a node except its lock, which names a process.
fn content(stage: &Stage, node: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = bytes_below(&stage.cluster.settings().data(node));
    files.retain(|(path, _)| path.file_name().is_some_and(|name| !OF_A_START.iter().any(|file| name == *file)));
    files
}

/// Formats and rules of the group, and the newest ones that the primary's release knows.
fn versions(status: &Value) -> [(u64, u64); 2] {
    let nodes = status["nodes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let primary = nodes.iter().find(|node| node["node"] == status["primary"]).unwrap_or(&Value::Null);
    let number = |name: &str| primary[name].as_u64().unwrap_or(0);
    [(number("formats"), number("rules")), (number("formats_known"), number("rules_known"))]
}
