//! Status as a person reads it: widths, each fact once, and the way out.

use ocs_proto::control::{CertificateInfo, GetRoleReply, PeerLag, Role, StatusReply};

use super::*;
use crate::print::status::said;

const PAUSED: &str =
    "automatic failover is paused: the role moves only by `ocsctl switchover`; `ocsctl resume` ends it";

fn node(name: &str, role: Role, reply: StatusReply) -> NodeView {
    let peers = ["a", "b", "w"].iter().filter(|peer| **peer != name);
    let peer = |peer: &&str| PeerLag { node: (*peer).to_owned(), connected: true, ..PeerLag::default() };
    let role = GetRoleReply {
        role: role.into(),
        confirmed: true,
        term: 5,
        mode: "witness".to_owned(),
        node: name.to_owned(),
        peers: peers.map(peer).collect(),
        ..GetRoleReply::default()
    };
    let reply = StatusReply { role: Some(role), http_proxy: "listening".to_owned(), ..reply };
    let said = Some(said(&reply, Some(0)));
    NodeView { node: name.to_owned(), endpoint: "h:1".to_owned(), reachable: true, error: None, said, silence: "" }
}

fn silent(name: &str) -> NodeView {
    let error = Some("unreachable (Connection refused (os error 111))".to_owned());
    NodeView {
        node: name.to_owned(),
        endpoint: "h:2".to_owned(),
        reachable: false,
        error,
        said: None,
        silence: "unreachable",
    }
}

fn group(primary: Option<&str>, nodes: Vec<NodeView>) -> GroupView {
    let answered = nodes.iter().filter(|node| node.said.is_some()).count();
    GroupView { primary: primary.map(str::to_owned), health: "whole", why: None, answered, reported: None, nodes }
}

fn warns(lines: &[&str]) -> StatusReply {
    StatusReply { warnings: lines.iter().map(|line| (*line).to_owned()).collect(), ..StatusReply::default() }
}

fn widest(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
}

#[test]
fn uptime_shows_the_two_largest_units() {
    let shown = [12, 125, 3725, 90_000].map(|seconds| uptime(Duration::from_secs(seconds)));
    assert_eq!(shown, ["12s", "2m 5s", "1h 2m", "1d 1h"]);
}

#[test]
fn an_unconfirmed_primary_is_shown_as_such() {
    let role = GetRoleReply { role: Role::Primary.into(), ..Default::default() };
    let view = said(&StatusReply { role: Some(role), ..StatusReply::default() }, None);
    assert_eq!((shown_role(&view).as_str(), state(&view)), ("primary (unconfirmed)", "up, unconfirmed"));
}

#[test]
fn advice_stands_among_the_warnings_once() {
    let words = "key control.operators: any certificate may order a switchover";
    let reply = StatusReply { advice: vec![words.to_owned()], ..StatusReply::default() };
    let nodes = vec![node("a", Role::Primary, reply.clone()), node("b", Role::Backup, reply)];
    let table = group(Some("a"), nodes).status_table().replace("\n  ", " ");
    assert_eq!(table.matches(words).count(), 1, "{table}");
}

#[test]
fn bringing_up_is_one_line_as_the_primary_says() {
    let words = "bringing records up: 7 of 9";
    let reply = StatusReply { bringing_up: words.to_owned(), ..StatusReply::default() };
    let nodes = vec![node("a", Role::Primary, reply.clone()), node("b", Role::Backup, reply)];
    assert_eq!(group(Some("a"), nodes).status_table().matches(words).count(), 1);
    let nodes = vec![node("a", Role::Primary, StatusReply::default())];
    assert!(!group(Some("a"), nodes).status_table().contains("bringing"));
}

#[test]
fn status_and_role_fit_80_columns_with_the_longest_values() {
    let long = StatusReply {
        commit_index: 123_456_789_012,
        applied_index: 123_456_789_012,
        http_address: "[2001:db8:1234:5678:9abc:def0:1234:5678]:65535".to_owned(),
        uptime_ms: 400 * 86_400_000,
        disk_short: true,
        survives: "Degraded: node-frankfurt-2 is up, but does not acknowledge updates: its disk is full. If node-frankfurt-1 or \
                   witness-amsterdam fails too, updates stop; no acknowledged update is lost unless both disks are"
            .to_owned(),
        loses: "Data loss would need the disks of node-frankfurt-1 and witness-amsterdam to fail together".to_owned(),
        formats: 1,
        formats_known: 2,
        ..warns(&["disk full: this node is up, but does not acknowledge updates; 12345678901 bytes are free in \
                   /srv/a/very/long/path/of/a/data/directory/which/has/no/blank/at/all/and/goes/on/for/long, \
                   node.disk_reserve_bytes is 67108864: free space there"])
    };
    let (first, second) = ("node-frankfurt-1", "node-frankfurt-2");
    let mut nodes =
        vec![node(first, Role::Primary, long.clone()), node(second, Role::Backup, long), silent("witness-amsterdam")];
    nodes[0].said.as_mut().unwrap().http_proxy = "restarting".to_owned();
    nodes[1].said.as_mut().unwrap().lag_entries = Some(12_345_678);
    let view = group(Some(first), nodes);
    for shown in [view.status_table(), view.role_table()] {
        assert!(widest(&shown) <= print::WIDTH, "{}: {shown}", widest(&shown));
    }
}

#[test]
fn the_release_of_every_node_is_told_once_and_each_one_while_they_differ() {
    let of = |release: &str| StatusReply { version: release.to_owned(), ..StatusReply::default() };
    let shown = |b: &str| {
        let nodes = vec![node("a", Role::Primary, of("1.2.0")), node("b", Role::Backup, of(b)), silent("w")];
        group(Some("a"), nodes).status_table()
    };
    assert!(shown("1.2.0").lines().any(|line| line == "version 1.2.0"), "{}", shown("1.2.0"));
    assert!(shown("1.3.0").lines().any(|line| line == "versions: a 1.2.0, b 1.3.0"), "{}", shown("1.3.0"));
}

#[test]
fn each_fact_is_told_once() {
    let lost = |ago: u32| format!("b is unreachable: last heard {ago} s ago");
    let (a, w) = (warns(&[PAUSED, &lost(7)]), warns(&[PAUSED, &lost(8)]));
    let view =
        group(Some("a"), vec![node("a", Role::Primary, a), silent("b"), node("w", Role::Witness, w)]).status_table();
    let flat = view.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(flat.matches("failover is paused").count(), 1, "{view}");
    assert!(!flat.contains("last heard"), "the row of b says it: {view}");
    assert_eq!(flat.matches("Connection refused").count(), 1, "{view}");
}

#[test]
fn a_backup_with_a_full_disk_is_up_and_does_not_acknowledge() {
    let of_b = "b is up, but does not acknowledge updates: its disk is full";
    let a = StatusReply { survives: format!("Degraded: {of_b}. If a or w fails too, updates stop"), ..warns(&[of_b]) };
    let b = StatusReply {
        disk_short: true,
        ..warns(&["disk full: this node is up, but does not acknowledge updates; 5 bytes are free in /data"])
    };
    let view = group(
        Some("a"),
        vec![node("a", Role::Primary, a), node("b", Role::Backup, b), node("w", Role::Witness, warns(&[of_b]))],
    );
    let shown = view.status_table();
    let flat = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(shown.lines().any(|line| line.starts_with("b ") && line.contains("up, does not acknowledge")), "{shown}");
    assert!(flat.contains("b: disk full: this node is up") && flat.contains("5 bytes are free in /data"), "{shown}");
    assert_eq!(flat.matches(of_b).count(), 1, "{shown}");
    assert!(!flat.contains("is lost") && !flat.contains("unreachable"), "{shown}");
}

/// A node without an answer from any other node.
fn cut_off(name: &str, role: Role) -> NodeView {
    let mut node = node(name, role, StatusReply::default());
    let said = node.said.as_mut().unwrap();
    said.confirmed = false;
    said.peers.iter_mut().for_each(|peer| peer.connected = false);
    node
}

fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_node_that_was_asked_alone_is_not_called_the_only_one_left() {
    for (name, role, others) in [("w", Role::Witness, "a and b"), ("a", Role::Unknown, "b and w")] {
        let shown = flat(&group(None, vec![cut_off(name, role)]).status_table());
        assert!(shown.contains(&format!("reaches no other one; {others} may serve all the same")), "{shown}");
        assert!(shown.contains("--endpoints"), "{shown}");
        for harm in ["force-primary", "restore", "is left"] {
            assert!(!shown.contains(harm), "{harm}: {shown}");
        }
    }
}

#[test]
fn where_the_witness_alone_answers_the_data_nodes_are_looked_at_before_a_restore() {
    let shown = group(None, vec![silent("a"), silent("b"), cut_off("w", Role::Witness)]).status_table();
    assert!(widest(&shown) <= print::WIDTH, "{shown}");
    let (look, restore) = ("First look at a and b on their own machines", "restore a backup");
    let at = |part: &str| flat(&shown).find(part).unwrap_or_else(|| panic!("{part}: {shown}"));
    assert!(at(look) < at(restore), "{shown}");
    assert!(!shown.contains("is left"), "{shown}");
}

#[test]
fn the_reason_why_a_start_waits_is_told_once() {
    let starts = StatusReply { starting: "waiting to join".to_owned(), ..warns(&["waiting to join"]) };
    let shown = flat(&group(None, vec![node("a", Role::Unknown, starts), silent("b")]).status_table());
    assert_eq!(shown.matches("waiting to join").count(), 1, "{shown}");
    assert!(shown.contains("a: waiting to join"), "{shown}");
}

#[test]
fn where_no_quorum_is_left_the_way_out_is_shown_by_its_commands() {
    let shown = group(None, vec![cut_off("a", Role::Unknown), silent("b"), silent("w")]).status_table();
    for part in
        ["ocsctl force-primary a --dry-run", "ocsctl force-primary a  ", "isolate b and w", "docs/two-of-three-lost.md"]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(widest(&shown) <= print::WIDTH, "{shown}");
    let whole = group(Some("a"), vec![node("a", Role::Primary, StatusReply::default()), silent("b"), silent("w")]);
    assert!(!whole.status_table().contains("force-primary"), "a quorum answers");
}

#[test]
fn a_word_and_its_reason_are_two_values_for_a_program() {
    let reply = StatusReply {
        http_proxy: "failed: port in use".to_owned(),
        http_proxy_pid: "4711".to_owned(),
        start: "asking: 1: no answer".to_owned(),
        ..StatusReply::default()
    };
    let view = serde_json::to_value(said(&reply, None)).unwrap();
    assert_eq!((&view["http_proxy"], &view["http_proxy_reason"]), (&"failed".into(), &"port in use".into()));
    assert_eq!((&view["start"], &view["start_reason"]), (&"asking".into(), &"1: no answer".into()));
    assert_eq!(view["http_proxy_pid"], 4711);
}

#[test]
fn the_certificate_that_ends_first_is_told_with_its_node_and_use() {
    let until = |usage: &str, not_after_s: u64| CertificateInfo {
        usage: usage.to_owned(),
        not_after_s,
        ..CertificateInfo::default()
    };
    let with = |certificates| StatusReply { certificates, ..StatusReply::default() };
    let a = with(vec![until("peer", 2_000_000_000), until("http", 1_999_999_999)]);
    let b = with(vec![until("peer", 2_000_000_001)]);
    let shown = group(Some("a"), vec![node("a", Role::Primary, a), node("b", Role::Backup, b)]).status_table();
    assert!(shown.lines().any(|line| line == "certificates: the first ends 2033-05-18T03:33:19Z (a, http)"), "{shown}");
    let none = group(Some("a"), vec![node("a", Role::Primary, StatusReply::default())]).status_table();
    assert!(!none.contains("certificates:"), "{none}");
}
