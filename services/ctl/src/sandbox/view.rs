//! A sandbox as its user sees it: the processes, the addresses, and lines to try. Never starts or stops anything. Called by `sandbox`
//! and by the verb that shows it.

use std::path::Path;

use serde::Serialize;

use super::{
    NODES,
    addresses::Purpose,
    demo::{GROUP, LIST},
    home::Home,
    process,
};
use crate::{failure::Failure, print};

/// The state of a sandbox.
#[derive(Debug, Serialize)]
pub(crate) struct SandboxView {
    dir: String,
    /// Every node's process runs.
    running: bool,
    nodes: Vec<NodeView>,
    /// Control addresses, comma-separated, as `--endpoints` takes them.
    endpoints: String,
    /// Base URLs of the HTTP front ends, comma-separated, as `--proxies` takes them.
    proxies: String,
    token_file: String,
    list: &'static str,
    group: &'static str,
}

#[derive(Debug, Serialize)]
struct NodeView {
    node: &'static str,
    /// `data` or `witness`.
    kind: &'static str,
    /// None: the process does not run.
    pid: Option<u32>,
    control: Option<String>,
    admin: Option<String>,
    http: Option<String>,
    log: String,
}

impl SandboxView {
    /// As the directory and the processes say.
    pub(super) fn of(home: &Home) -> Result<Self, Failure> {
        let plan = home.plan()?;
        let node = |node: &'static str| {
            let address = |purpose| plan.as_ref().and_then(|plan| plan.addresses.of(node, purpose));
            NodeView {
                node,
                kind: if node == "w" { "witness" } else { "data" },
                pid: process::running(home, node).map(|process| process.pid),
                control: address(Purpose::Control),
                admin: address(Purpose::Admin),
                http: address(Purpose::Http),
                log: home.log(node).display().to_string(),
            }
        };
        let nodes: Vec<NodeView> = NODES.into_iter().map(node).collect();
        let joined = |addresses: Option<Vec<String>>| addresses.unwrap_or_default().join(",");
        Ok(Self {
            dir: home.dir().display().to_string(),
            running: nodes.iter().all(|node| node.pid.is_some()),
            endpoints: joined(plan.as_ref().map(|plan| plan.addresses.endpoints())),
            proxies: joined(plan.as_ref().map(|plan| plan.addresses.proxies())),
            nodes,
            token_file: home.token().display().to_string(),
            list: LIST,
            group: GROUP,
        })
    }

    /// Whether every node's process runs.
    pub(crate) fn runs(&self) -> bool {
        self.running
    }

    /// The processes, for a person.
    pub(crate) fn table(&self) -> String {
        let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        let row = |node: &NodeView| {
            let process = node.pid.map_or("does not run".to_owned(), |pid| pid.to_string());
            [node.node.to_owned(), node.kind.to_owned(), process, or_none(&node.control), or_none(&node.http)]
        };
        let table = print::table(&["node", "kind", "process", "control", "http"], self.nodes.iter().map(row));
        format!("{table}\n\nin {}, logs in {}", shell(&self.dir), shell(&format!("{}/log", self.dir)))
    }

    /// The processes, and lines to try.
    pub(crate) fn explained(&self) -> String {
        format!("{}\n\n{}", self.table(), self.tries(&own_name()))
    }

    /// The handle of the record that an agent has fetched is H in the lines behind it.
    fn tries(&self, ocsctl: &str) -> String {
        let proxy = |place: usize| self.proxies.split(',').nth(place).unwrap_or_default();
        let (a, b, group, list) = (proxy(0), proxy(1), self.group, self.list);
        let (token, dir) = (shell(&self.token_file), shell(&self.dir));
        let lines = [
            "Try, one after the other, in one shell:".to_owned(),
            format!("  T=\"Authorization: Bearer $(cat {token})\""),
            format!("  curl -s -H \"$T\" '{b}/campaigngroups/{group}'"),
            format!(
                "  H=$(curl -s -H \"$T\" '{a}/campaigngroups/{group}?req=PreviewRecordRequest' -d '{{\"GSW_AGENT_ID\":\"ann\"}}' | tee \
                 /dev/stderr | sed 's/.*\"GSW_RECORD_HANDLE\":\\([0-9]*\\).*/\\1/')"
            ),
            format!(
                "  curl -s -H \"$T\" \"{b}/records/$H?req=RecordReschedule\" -d \
                 '{{\"GSW_DATE_TIME\":\"12/24/2035 10:00\",\"GSW_CALLBACK_TYPE\":\"Campaign\"}}'"
            ),
            format!(
                "  curl -s -H \"$T\" \"{a}/records/$H?req=RecordProcessed\" -d '{{\"GSW_CALL_RESULT\":\"Answer\"}}'"
            ),
            format!("  curl -s -H \"$T\" -X POST '{b}/phones/+99970000999?req=DoNotCall'"),
            format!("  curl -s -H \"$T\" '{a}/lists/{list}?req=AddRecord' -d '{{\"GSW_PHONE\":\"+999 (7000) 0999\"}}'"),
            format!("  curl -s -H \"$T\" '{a}/api/v1/lists'"),
            String::new(),
            format!("  export OCSCTL_ENDPOINTS={} OCSCTL_TOKEN_FILE={token}", self.endpoints),
            format!("  {ocsctl} status"),
            format!("  {ocsctl} switchover"),
            format!("  {ocsctl} bench --create-list --seconds 5"),
            format!("  {ocsctl} sandbox reset --dir {dir}           # the campaign back at its start"),
            format!("  {ocsctl} sandbox stop --remove --dir {dir}   # everything gone"),
        ];
        lines.join("\n")
    }
}

/// This program as the user called it.
fn own_name() -> String {
    let called = std::env::args().next().unwrap_or_else(|| "ocsctl".to_owned());
    shell(&called)
}

/// A text as one word of a shell.
fn shell(text: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+@:,".contains(letter);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The line about a sandbox that was stopped.
pub(crate) fn stopped(dir: &Path, nodes: &[String], removed: Option<&[String]>) -> String {
    let dir = shell(&dir.display().to_string());
    let stopped = match nodes {
        [] => "no process of the sandbox ran".to_owned(),
        nodes => format!("stopped: {}", nodes.join(", ")),
    };
    match removed {
        None => format!("{stopped}; the data stays in {dir} (`ocsctl sandbox start` goes on with it)"),
        Some([]) => format!("{stopped}; {dir} is removed"),
        Some(left) => format!("{stopped}; the sandbox is removed, and {dir} stays with {}", left.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::{addresses::Addresses, home::Plan};

    #[test]
    fn a_sandbox_is_shown_with_its_addresses_and_lines_that_a_shell_takes() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::make(&dir.path().join("my box")).unwrap();
        assert!(!SandboxView::of(&home).unwrap().runs(), "nothing was started");
        let addresses = Addresses::free().unwrap();
        home.save(&Plan { cluster_id: "x".into(), addresses: addresses.clone() }).unwrap();
        let view = SandboxView::of(&home).unwrap();
        assert!(view.table().contains("does not run") && view.table().contains(&addresses.endpoints()[2]));
        let tries = view.tries("ocsctl");
        for part in [
            format!("curl -s -H \"$T\" '{}/lists/customers?req=AddRecord'", addresses.proxies()[0]),
            format!("export OCSCTL_ENDPOINTS={} ", addresses.endpoints().join(",")),
        ] {
            assert!(tries.contains(&part), "{part}: {tries}");
        }
        assert!(tries.contains("my box'") && tries.contains("sandbox stop --remove --dir '"), "{tries}");
        let json = serde_json::to_value(&view).unwrap();
        assert_eq!((json["running"].as_bool(), json["nodes"][2]["http"].as_str()), (Some(false), None));
    }

    #[test]
    fn the_end_of_a_sandbox_names_its_processes_and_the_files_that_stay() {
        let (dir, nodes) = (Path::new("box"), ["a".to_owned(), "w".to_owned()]);
        assert!(stopped(dir, &nodes, None).starts_with("stopped: a, w; the data stays in box"));
        assert_eq!(stopped(dir, &[], Some(&[])), "no process of the sandbox ran; box is removed");
        let left = ["notes.txt".to_owned()];
        assert!(stopped(dir, &nodes, Some(&left)).ends_with("box stays with notes.txt"));
    }

    #[test]
    fn a_word_of_a_shell_is_quoted_where_it_must_be() {
        assert_eq!(shell("/tmp/a-b_c.d"), "/tmp/a-b_c.d");
        assert_eq!(shell("my box"), "'my box'");
        assert_eq!(shell("it's"), "'it'\\''s'");
        assert_eq!(shell(""), "''");
    }
}
