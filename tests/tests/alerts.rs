//! Holds alerts, runbooks and the tests of the alerts together: each alert is one name in four places.
//!
//! Reads the repository as text; starts nothing. `promtool` runs the tests of the alerts, where that program is installed.

#![allow(clippy::unwrap_used, reason = "a test that cannot read the repository fails")]

mod tree;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use tree::{children, root};

/// The sections of every runbook, in their order.
const SECTIONS: [&str; 4] = ["Meaning", "Look", "Cause", "Mend"];
const SEVERITIES: [&str; 2] = ["critical", "warning"];

/// An alert as the rules have it.
#[derive(Debug, Default)]
struct Alert {
    severity: String,
    /// How long its expression must hold; empty: fires at once.
    wait: String,
    summary: String,
    runbook: String,
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn alerts(rules: &str) -> BTreeMap<String, Alert> {
    let (mut alerts, mut name) = (BTreeMap::<String, Alert>::new(), "");
    for line in rules.lines().map(str::trim) {
        if let Some(begun) = line.strip_prefix("- alert: ") {
            assert!(alerts.insert(begun.to_owned(), Alert::default()).is_none(), "{begun} is there twice");
            name = begun;
        }
        let Some(alert) = alerts.get_mut(name) else { continue };
        for (key, member) in [
            ("severity: ", &mut alert.severity),
            ("for: ", &mut alert.wait),
            ("summary: ", &mut alert.summary),
            ("runbook_url: ", &mut alert.runbook),
        ] {
            if let Some(value) = line.strip_prefix(key) {
                value.clone_into(member);
            }
        }
    }
    alerts
}

fn shipped() -> BTreeMap<String, Alert> {
    let alerts = alerts(&read("deploy/prometheus/ocs.rules.yml"));
    assert!(alerts.len() > 40, "{alerts:?}");
    alerts
}

#[test]
fn every_alert_has_its_page_and_every_page_its_alert() {
    let alerts = shipped();
    let stem = |path: &std::path::PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
    let pages: BTreeSet<String> = children(&root().join("docs/runbooks")).iter().map(stem).collect();
    let named: BTreeSet<String> = alerts.keys().cloned().chain(["README".to_owned()]).collect();
    assert_eq!(pages, named, "left: docs/runbooks, right: the alerts");
    let contents = read("docs/runbooks/README.md");
    for (name, alert) in &alerts {
        assert_eq!(alert.runbook, format!("docs/runbooks/{name}.md"), "{name}");
        assert!(SEVERITIES.contains(&alert.severity.as_str()), "{name}: {}", alert.severity);
        assert!(alert.summary.ends_with(".\""), "{name}: the summary is a sentence");
        let row = format!("| [{name}]({name}.md) | {} |", alert.severity);
        assert!(contents.contains(&row), "docs/runbooks/README.md has no row {row}");
    }
}

#[test]
fn every_runbook_has_the_same_sections_and_commands_to_look_and_to_mend() {
    for (name, alert) in shipped() {
        let page = read(&format!("docs/runbooks/{name}.md"));
        let wait = if alert.wait.is_empty() { "at once".to_owned() } else { format!("for {}", alert.wait) };
        let head = format!("# {name}\n\nSeverity {}, {wait}.", alert.severity);
        assert!(page.starts_with(&head), "{name} begins with {head:?}");
        let sections: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(sections, SECTIONS, "{name}");
        for part in page.split("\n## ").skip(1) {
            let (title, text) = part.split_once('\n').unwrap();
            let commands = text.matches("```sh\n").count();
            assert_eq!(commands, usize::from(["Look", "Mend"].contains(&title)), "{name}, {title}");
            assert!(title != "Cause" || text.contains("\n- "), "{name} has a list of causes");
            assert!(text.trim().len() > 10, "{name}, {title}");
        }
    }
}

#[test]
fn every_alert_is_shown_firing_and_not_firing() {
    let tests = read("deploy/prometheus/ocs.rules.test.yml");
    let shown: BTreeSet<&str> = tests.lines().filter_map(|line| line.strip_prefix("  - name: ")).collect();
    let alerts = shipped();
    for name in alerts.keys() {
        for claim in [format!("{name} fires"), format!("{name} does not fire")] {
            assert!(shown.contains(claim.as_str()), "ocs.rules.test.yml does not show that {claim}");
        }
    }
    assert_eq!(shown.len(), 2 * alerts.len());
    assert_eq!(tests.matches("exp_alerts: []").count(), alerts.len());
}

#[test]
fn an_alert_is_read_with_its_members() {
    let rules = "groups:\n  - name: g\n    rules:\n      - alert: A\n        expr: up == 0\n        for: 1m\n        labels:\n          severity: warning\n      - alert: B\n";
    let alerts = alerts(rules);
    assert_eq!((alerts["A"].severity.as_str(), alerts["A"].wait.as_str()), ("warning", "1m"));
    assert_eq!(alerts["B"].wait, "");
}
