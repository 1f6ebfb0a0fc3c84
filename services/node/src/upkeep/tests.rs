//! Orders about the process, over a configuration file of the test.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use pair::fakes::{A, B, FakeGroup, status};

use super::*;
use crate::{health::Check, role::tests::roster};

const FILE: &str = r#"
[node]
name = "a"

[cluster]
mode = "pair"
nodes = [
  { name = "a", role = "data", peer = "127.0.0.1:7301" },
  { name = "b", role = "data", peer = "127.0.0.1:7302" },
]
"#;

struct Stage {
    upkeep: Upkeep,
    health: Health,
    home: tempfile::TempDir,
    reloads: Arc<AtomicUsize>,
    _tasks: Tasks,
}

/// A node with this leader, and without an HTTP Proxy.
async fn stage(leader: u64) -> Stage {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("ocsd.toml");
    fs::write(&file, FILE).unwrap();
    let args = Args { config: Some(file), ..Args::default() };
    let config = Config::load(&args).unwrap();
    let (tasks, group) = (Tasks::new(), Arc::new(FakeGroup::new(status(3, leader))));
    let role = RoleService::new(roster(), group, "witness", &tasks);
    role.ask().await;
    let health = Health::new(role.clone(), Duration::from_secs(5));
    let reloads = Arc::new(AtomicUsize::new(0));
    let counted = reloads.clone();
    let reloader: Reloader = Arc::new(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { vec!["certificate of peer: read anew".to_owned()] })
    });
    let parts = UpkeepParts { args, config, role, health: health.clone(), proxy: None, reloaders: vec![reloader] };
    Stage { upkeep: Upkeep::new(parts, &tasks), health, home, reloads, _tasks: tasks }
}

impl Stage {
    async fn reload_with(&self, more: &str) -> Reloaded {
        fs::write(self.home.path().join("ocsd.toml"), format!("{FILE}{more}")).unwrap();
        self.upkeep.reload("a test").await
    }
}

const CERTIFICATE: &str = "certificate of peer: read anew";

#[tokio::test]
async fn each_changed_key_is_named_with_its_moment_and_files_are_read_anew_each_time() {
    let stage = stage(A).await;
    assert_eq!(stage.reload_with("").await.changes, [CERTIFICATE]);
    let now = stage.reload_with("[http_proxy]\nlisten = \"127.0.0.1:9\"\n[limits]\nhold_time_ms = 4000\n").await;
    assert_eq!(now.faults, Vec::<String>::new());
    assert_eq!(
        now.changes,
        [
            "key http_proxy.listen: counts for the next HTTP Proxy (`ocsctl proxy restart`)",
            "key limits.hold_time_ms: needs a restart of this node",
            CERTIFICATE
        ]
    );
    let again = stage.reload_with("[http_proxy]\nlisten = \"\"\n[limits]\nhold_time_ms = 4000\n").await;
    assert_eq!(
        again.changes,
        [
            "key http_proxy.listen: removed, so HTTP Proxy ends",
            "key limits.hold_time_ms: needs a restart of this node",
            CERTIFICATE
        ],
        "a key that needs a restart is named until then"
    );
    assert_eq!(stage.reloads.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_fault_keeps_everything_and_is_named() {
    let stage = stage(A).await;
    for (more, part) in [
        ("[limits]\nhold_time_ms = 99000\n", "key limits.hold_time_ms: must be less than"),
        ("[limits]\nhold_tim_ms = 1\n", "hold_tim_ms: there is no such key"),
        ("[limits\n", "not TOML"),
        ("[http_proxy]\nprogram = \"/nowhere/proxy\"\n", "http_proxy.program: /nowhere/proxy"),
    ] {
        let reloaded = stage.reload_with(more).await;
        assert!(reloaded.faults.len() == 1 && reloaded.faults[0].contains(part), "{more}: {reloaded:?}");
        assert!(!reloaded.faults[0].contains('\n') && reloaded.changes.is_empty(), "{reloaded:?}");
    }
    assert_eq!(stage.reloads.load(Ordering::Relaxed), 0, "nothing was read anew");
    fs::remove_file(stage.home.path().join("ocsd.toml")).unwrap();
    assert!(stage.upkeep.reload("a test").await.faults[0].contains("cannot be read"));
}

#[tokio::test]
async fn a_node_without_an_http_proxy_is_neither_drained_nor_given_another_one() {
    let stage = stage(B).await;
    assert!(stage.upkeep.drain("maria".to_owned()).await.unwrap_err().contains("witness"));
    assert!(stage.upkeep.undo_drain("maria".to_owned()).await.unwrap_err().contains("witness"));
    assert!(stage.upkeep.restart_proxy().await.unwrap_err().contains("witness"));
    assert!(stage.health.check(Check::Ready).await.0, "it stays ready");
}

/// Each pending key with its orders.
fn needs(shown: &ShownConfig) -> Vec<(&str, &[&'static str])> {
    shown.pending.iter().map(|pending| (pending.key.as_str(), pending.needs.as_slice())).collect()
}

#[tokio::test]
async fn the_configuration_in_use_is_shown_with_its_sources_and_with_what_another_reading_would_change() {
    let stage = stage(A).await;
    let shown = stage.upkeep.shown().await;
    assert_eq!((needs(&shown), shown.faults.clone(), shown.witness), (Vec::new(), Vec::new(), false));
    assert_eq!(shown.file, Some(stage.home.path().join("ocsd.toml")));
    let source = |key: &str| shown.keys.iter().find(|shown| shown.key == key).map(|shown| shown.source.word());
    assert_eq!(source("node.name"), Some("file"));
    assert_eq!(source("limits.hold_time_ms"), Some("default"));

    let more = "[http_proxy]\nlisten = \"127.0.0.1:9\"\n[limits]\nhold_time_ms = 4000\n[logging]\nfilter = \"warn\"\n";
    fs::write(stage.home.path().join("ocsd.toml"), format!("{FILE}{more}")).unwrap();
    let shown = stage.upkeep.shown().await;
    let wanted: [(&str, &[&str]); 3] = [
        ("http_proxy.listen", &["reload", "proxy restart"]),
        ("limits.hold_time_ms", &["restart"]),
        ("logging.filter", &["reload"]),
    ];
    assert_eq!(needs(&shown), wanted);
    let held = &shown.pending[1];
    assert_eq!((&held.in_use, &held.next), (&Some(5000_u64.into()), &Some(4000_u64.into())));
    assert!(shown.keys.iter().any(|key| key.key == held.key && key.value == held.in_use), "{:?}", shown.keys);
}

#[tokio::test]
async fn a_key_that_was_reloaded_and_needs_a_restart_is_pending_until_then_and_a_fault_is_named() {
    let stage = stage(A).await;
    stage.reload_with("[http_proxy]\nencoding = \"iso-8859-1\"\n[limits]\nhold_time_ms = 4000\n").await;
    let shown = stage.upkeep.shown().await;
    let wanted: [(&str, &[&str]); 1] = [("limits.hold_time_ms", &["restart"])];
    assert_eq!(needs(&shown), wanted, "no HTTP Proxy runs with the former charset");
    fs::write(stage.home.path().join("ocsd.toml"), format!("{FILE}[limits]\nhold_tim_ms = 1\n")).unwrap();
    let shown = stage.upkeep.shown().await;
    assert!(shown.pending.is_empty() && shown.faults[0].contains("hold_tim_ms: there is no such key"), "{shown:?}");
}
