//! The words for the losses that a group survives, by mode and by fault.

use super::*;

fn view(role: Role, confirmed: bool) -> RoleView {
    RoleView { role, confirmed, term: 3, primary: "a".into() }
}

fn peer(node: &str, connected: bool) -> PeerLag {
    PeerLag { node: node.into(), connected, witness: node == "w", voter: true, ..PeerLag::default() }
}

fn words(view: &RoleView, peers: &[PeerLag]) -> (String, String) {
    let facts = facts(view, peers);
    (survives(&facts), loses(&facts))
}

fn facts<'a>(view: &'a RoleView, peers: &'a [PeerLag]) -> Facts<'a> {
    Facts { own: "a", view, peers, stopped: None, own_silence: None, paused: false, own_drained: false }
}

/// The rows of every mode in the table of losses (docs/architecture.md).
#[test]
fn each_row_of_what_loses_what_has_its_words() {
    let joining = PeerLag { voter: false, ..peer("b", true) };
    let behind = PeerLag { lag_entries: Some(5000), ..peer("b", true) };
    let full = |node| PeerLag { disk_short: true, ..peer(node, true) };
    for (row, peers, survives, loses) in [
        (
            "nothing",
            vec![peer("b", true), peer("w", true)],
            "the loss of any one node",
            "two of the three disks (a, b, w)",
        ),
        (
            "backup's process",
            vec![peer("b", false), peer("w", true)],
            "Degraded: b is down. If a or w fails too, updates stop",
            "disks of a and w",
        ),
        ("backup's disk", vec![joining, peer("w", true)], "b has lost its disk", "only the disk of a to fail:"),
        ("witness", vec![peer("b", true), peer("w", false)], "w is down. If a or b fails too", "disks of a and b"),
        ("backup far behind", vec![behind, peer("w", true)], "waits until b", "two of the three disks"),
        ("three, nothing", vec![peer("b", true), peer("c", true)], "the loss of any one", "(a, b, c) to fail"),
        ("three, one", vec![peer("b", true), peer("c", false)], "If a or b fails too", "disks of a and b"),
        ("pair", vec![peer("b", true)], "Updates stop while either node is down", "disks of a and b"),
        (
            "backup that stands still",
            vec![PeerLag { stalled: true, ..peer("b", true) }, peer("w", true)],
            "b is connected, but its log does not grow. If a or w fails",
            "disks of a and w",
        ),
        (
            "backup's disk is full",
            vec![full("b"), peer("w", true)],
            "b is up, but does not acknowledge updates: its disk is full. If a or w fails too",
            "disks of a and w",
        ),
        ("witness's disk is full", vec![peer("b", true), full("w")], "w is up, but does not", "disks of a and b"),
        ("both disks are full", vec![full("b"), full("w")], "Updates wait until", "only the disk of a"),
        ("single copy", vec![], "nothing: this is the only voter", "only the disk of a"),
    ] {
        let said = words(&view(Role::Primary, true), &peers);
        assert!(said.0.contains(survives) && said.1.contains(loses), "{row}: {said:?}");
        assert!(!said.0.contains("is lost,"), "no node is called lost: {}", said.0);
    }
    let two_of_three = words(&view(Role::Unknown, false), &[peer("b", false), peer("w", false)]);
    assert!(two_of_three.0.starts_with("not known") && two_of_three.1.starts_with("Not known"));
}

#[test]
fn a_node_whose_own_disk_is_full_or_hangs_does_not_count_itself() {
    let peers = [peer("b", true), peer("w", true)];
    for (why, stopped) in [(DISK_FULL, "updates are stopped: no room on the disk of a"), (DISK_HANGS, "")] {
        let view = view(Role::Primary, true);
        let facts = Facts { own_silence: Some(why), ..facts(&view, &peers) };
        assert!(
            survives(&facts).starts_with(&format!("Degraded: a {why}. If b or w fails too")),
            "{}",
            survives(&facts)
        );
        assert!(loses(&facts).contains("disks of b and w"), "{}", loses(&facts));
        assert!(updates_stopped(&facts, false).starts_with(stopped), "{}", updates_stopped(&facts, false));
        assert_eq!(updates_stopped(&facts, false).is_empty(), stopped.is_empty());
    }
    let view = view(Role::Backup, true);
    let facts = Facts { own_silence: Some(DISK_FULL), ..facts(&view, &peers) };
    assert_eq!(updates_stopped(&facts, false), "", "the primary takes them");
}

#[test]
fn a_peer_whose_disk_hangs_does_not_count() {
    let hangs = PeerLag { disk_hangs: true, ..peer("b", true) };
    let said = words(&view(Role::Primary, true), &[hangs, peer("w", true)]);
    assert!(said.0.contains("its disk hangs. If a or w fails too") && said.1.contains("disks of a and w"), "{said:?}");
}

#[test]
fn while_failover_is_paused_the_loss_of_the_primary_is_not_survived() {
    let (view, peers) = (view(Role::Primary, true), [peer("b", true), peer("w", true)]);
    let facts = Facts { paused: true, ..facts(&view, &peers) };
    assert_eq!(
        survives(&facts),
        "the loss of b or w; failover is paused, so the loss of the primary a stops updates until it is back or `ocsctl resume`"
    );
    assert!(loses(&facts).contains("two of the three disks"), "{}", loses(&facts));
}

#[test]
fn a_drained_node_counts_as_no_node_for_clients() {
    let (view, drained) = (view(Role::Primary, true), |node| PeerLag { drained: true, ..peer(node, true) });
    let peers = [drained("b"), peer("w", true)];
    let facts = facts(&view, &peers);
    let only = "b is drained, so after the loss of a no node takes clients before `ocsctl drain b --undo`";
    assert_eq!(survives(&facts), format!("the loss of b or w; {only}"));
    assert!(loses(&facts).contains("two of the three disks"), "its disk holds every update: {}", loses(&facts));
    let paused = "failover is paused, so the loss of the primary a stops updates until it is back or `ocsctl resume`";
    assert_eq!(survives(&Facts { paused: true, ..facts }), format!("the loss of b or w; {paused}; {only}"));
    let none = survives(&Facts { own_drained: true, ..facts });
    let said = "Degraded: a and b are drained, so no node takes clients before `ocsctl drain a --undo`";
    assert_eq!(none, said);
    let down = [PeerLag { connected: false, ..peer("b", true) }, peer("w", true)];
    let alone = survives(&Facts { own_drained: true, peers: &down, ..facts });
    let said = "Degraded: b is down; a is drained, so no node takes clients before `ocsctl drain a --undo`. If";
    assert!(alone.starts_with(said), "{alone}");
    let three = [drained("b"), peer("c", true)];
    assert_eq!(survives(&Facts { peers: &three, ..facts }), "the loss of any one node", "two others take clients");
    let of_two = [drained("b"), drained("c")];
    let left = survives(&Facts { peers: &of_two, ..facts });
    assert!(left.starts_with("the loss of b or c; b and c are drained, so after the loss of a"), "{left}");
    let gone = [PeerLag { connected: false, ..drained("b") }, peer("w", true)];
    assert!(survives(&Facts { peers: &gone, ..facts }).starts_with("Degraded: b is down. If a or w fails too"));
}

#[test]
fn a_log_that_is_full_is_named_with_the_way_out() {
    let full = PeerLag { log_full: true, ..peer("w", true) };
    let view = view(Role::Primary, true);
    let peers = [peer("b", false), full];
    let facts = Facts { stopped: Some(ProposeError::LogFull), ..facts(&view, &peers) };
    let said = updates_stopped(&facts, true);
    assert!(said.contains("the log of a and w has reached") && said.contains("`ocsctl node replace b`"), "{said}");
    assert_eq!(updates_stopped(&Facts { stopped: None, ..facts }, true), "");
    let disk = updates_stopped(&Facts { stopped: Some(ProposeError::NoRoom), ..facts }, false);
    assert!(disk.contains("no room on the disk of a"));
}
