//! What the group survives now, and what it would take to lose an acknowledged update: design 1's "What loses what", in words
//! made of who is connected, who votes and who has caught up. Pure.
//!
//! Never better than the facts: where no quorum answers, nothing is promised. Called by the status.

use consensus::ProposeError;
use ocs_proto::control::PeerLag;

use crate::role::{Role, RoleView};

/// A data node within so many entries counts as caught up: one batch.
const LAG_ENTRIES_MAX: u64 = 1024;

/// What the words are made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    /// This node's name.
    pub(super) own: &'a str,
    /// Its role.
    pub(super) view: &'a RoleView,
    /// What it knows of the others.
    pub(super) peers: &'a [PeerLag],
    /// Why it, as primary, takes no updates.
    pub(super) stopped: Option<ProposeError>,
}

impl<'a> Facts<'a> {
    fn witness_here(&self) -> bool {
        self.view.role == Role::Witness
    }

    /// Names of the nodes that hold records, this one first.
    fn data(&self) -> Vec<&'a str> {
        let own = (!self.witness_here()).then_some(self.own);
        let others = self.peers.iter().filter(|peer| !peer.witness).map(|peer| peer.node.as_str());
        own.into_iter().chain(others).collect()
    }

    fn witness(&self) -> Option<&'a str> {
        let of_peers = || self.peers.iter().find(|peer| peer.witness).map(|peer| peer.node.as_str());
        if self.witness_here() { Some(self.own) } else { of_peers() }
    }

    fn gone(&self) -> Vec<&'a PeerLag> {
        self.peers.iter().filter(|peer| !peer.connected || peer.unconfirmed).collect()
    }

    fn gone_names(&self) -> Vec<&'a str> {
        self.gone().into_iter().map(|peer| peer.node.as_str()).collect()
    }

    /// Data nodes that lost their disk and are not voters again yet.
    fn joining(&self) -> Vec<&'a str> {
        let joining = self.peers.iter().filter(|peer| !peer.voter && !peer.witness);
        joining.map(|peer| peer.node.as_str()).collect()
    }

    /// A data node that is there, lacks entries and takes none: no copy of what it lacks.
    fn stalled(&self) -> Option<&'a str> {
        let stalled = |peer: &&&PeerLag| peer.stalled && peer.connected && !peer.witness;
        self.peers.iter().find(|peer| stalled(&peer)).map(|peer| peer.node.as_str())
    }

    fn behind(&self) -> Option<&'a PeerLag> {
        let far = |peer: &&PeerLag| peer.lag_entries.is_some_and(|lag| lag > LAG_ENTRIES_MAX);
        self.peers.iter().filter(|peer| peer.connected && peer.voter && !peer.witness).find(far)
    }

    /// Names of the data nodes that are there and vote.
    fn full_copies(&self) -> Vec<&'a str> {
        let missing = |node: &&str| {
            self.joining().contains(node) || self.gone_names().contains(node) || self.stalled() == Some(*node)
        };
        self.data().into_iter().filter(|node| !missing(node)).collect()
    }
}

/// What the group survives now.
pub(super) fn survives(facts: &Facts<'_>) -> String {
    let lost = and(&facts.gone_names());
    if !facts.view.confirmed {
        "not known: no quorum answers this node".to_owned()
    } else if facts.peers.is_empty() {
        "nothing: this is the only voter".to_owned()
    } else if let Some(joining) = facts.joining().first() {
        format!("no loss of a disk of {}: {joining} has lost its own and is not whole yet", and(&facts.full_copies()))
    } else if let Some(stalled) = facts.stalled() {
        format!("no loss of a disk of {}: {stalled} is connected, but its log does not grow", and(&facts.full_copies()))
    } else if facts.witness().is_none() && facts.peers.len() == 1 {
        "no loss without a pause: updates stop when either node is lost, and nothing is lost with it".to_owned()
    } else if let (true, Some(behind)) = (lost.is_empty(), facts.behind()) {
        format!("the loss of any one node, but a failover waits until {} has caught up", behind.node)
    } else if lost.is_empty() {
        "the loss of any one node".to_owned()
    } else if facts.witness().is_none() {
        format!("no further loss without a pause: {lost} is lost, the others hold every update")
    } else if facts.gone().iter().all(|peer| peer.witness) {
        format!("no further loss without a pause: {lost} is lost, both data nodes hold every update")
    } else {
        format!("no further loss without a pause: {lost} is lost, one full copy is left beside the witness's log")
    }
}

/// What it would take to lose an acknowledged update.
pub(super) fn loses(facts: &Facts<'_>) -> String {
    let (copies, data) = (and(&facts.full_copies()), facts.data());
    let witness = facts.witness();
    if !facts.view.confirmed {
        "not known from here: nothing is lost while no disk is; bring back a node that is away".to_owned()
    } else if facts.peers.is_empty() {
        format!("the disk of {}", facts.own)
    } else if !facts.joining().is_empty() {
        format!("the disk of {copies}: the witness's log holds only the newest")
    } else if let (Some(witness), false) =
        (witness, facts.stalled().is_none() && facts.gone().iter().all(|peer| peer.witness))
    {
        format!("the disks of {copies} and {witness}")
    } else if facts.gone().is_empty() && data.len() + usize::from(witness.is_some()) > 2 {
        let all: Vec<&str> = data.iter().copied().chain(witness).collect();
        format!("the disks of two of {} at once, for what the third does not have yet", and(&all))
    } else {
        format!("the disks of {copies}")
    }
}

/// Why no updates are taken, and the way out; empty: they are.
pub(super) fn updates_stopped(facts: &Facts<'_>, own_log_full: bool) -> String {
    match facts.stopped {
        None | Some(ProposeError::NotPrimary) => String::new(),
        Some(ProposeError::LogFull) => log_full(facts, own_log_full),
        Some(ProposeError::NoRoom) => {
            format!("updates are stopped: no room on the disk of {}, or no descriptors (its log says which)", facts.own)
        }
        Some(other) => format!("updates are stopped: {other}"),
    }
}

fn log_full(facts: &Facts<'_>, own_log_full: bool) -> String {
    let peers = facts.peers.iter().filter(|peer| peer.log_full).map(|peer| peer.node.as_str());
    let full: Vec<&str> = own_log_full.then_some(facts.own).into_iter().chain(peers).collect();
    let away: Vec<&str> =
        facts.gone().into_iter().filter(|peer| !peer.witness).map(|peer| peer.node.as_str()).collect();
    let why = match away.first() {
        Some(node) => format!("{node} is away: bring it back, or `ocsctl node replace {node}`"),
        None => "a data node is behind: they go on when it has caught up".to_owned(),
    };
    format!("updates are stopped: the log of {} has reached log.bytes_max, since {why}", and(&full))
}

fn and(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(role: Role, confirmed: bool) -> RoleView {
        RoleView { role, confirmed, term: 3, primary: "a".into() }
    }

    fn peer(node: &str, connected: bool) -> PeerLag {
        PeerLag { node: node.into(), connected, witness: node == "w", voter: true, ..PeerLag::default() }
    }

    fn words(view: &RoleView, peers: &[PeerLag]) -> (String, String) {
        let facts = Facts { own: "a", view, peers, stopped: None };
        (survives(&facts), loses(&facts))
    }

    /// Each row of "What loses what", in every mode.
    #[test]
    fn each_row_of_what_loses_what_has_its_words() {
        let joining = PeerLag { voter: false, ..peer("b", true) };
        let behind = PeerLag { lag_entries: Some(5000), ..peer("b", true) };
        for (row, peers, survives, loses) in [
            ("nothing", vec![peer("b", true), peer("w", true)], "the loss of any one node", "two of a, b and w"),
            (
                "backup's process",
                vec![peer("b", false), peer("w", true)],
                "b is lost, one full copy",
                "disks of a and w",
            ),
            ("backup's disk", vec![joining, peer("w", true)], "b has lost its own", "the disk of a:"),
            ("witness", vec![peer("b", true), peer("w", false)], "w is lost, both data nodes", "disks of a and b"),
            ("backup far behind", vec![behind, peer("w", true)], "waits until b", "two of a, b and w"),
            ("three, nothing", vec![peer("b", true), peer("c", true)], "the loss of any one", "two of a, b and c"),
            ("three, one", vec![peer("b", true), peer("c", false)], "c is lost, the others", "disks of a and b"),
            ("pair", vec![peer("b", true)], "no loss without a pause", "disks of a and b"),
            (
                "backup that stands still",
                vec![PeerLag { stalled: true, ..peer("b", true) }, peer("w", true)],
                "b is connected, but its log does not grow",
                "disks of",
            ),
            ("single copy", vec![], "nothing: this is the only voter", "the disk of a"),
        ] {
            let said = words(&view(Role::Primary, true), &peers);
            assert!(said.0.contains(survives) && said.1.contains(loses), "{row}: {said:?}");
        }
        let two_of_three = words(&view(Role::Unknown, false), &[peer("b", false), peer("w", false)]);
        assert!(two_of_three.0.starts_with("not known") && two_of_three.1.starts_with("not known"));
    }

    #[test]
    fn a_log_that_is_full_is_named_with_the_way_out() {
        let full = PeerLag { log_full: true, ..peer("w", true) };
        let view = view(Role::Primary, true);
        let peers = [peer("b", false), full];
        let facts = Facts { own: "a", view: &view, peers: &peers, stopped: Some(ProposeError::LogFull) };
        let said = updates_stopped(&facts, true);
        assert!(said.contains("the log of a and w has reached") && said.contains("`ocsctl node replace b`"), "{said}");
        assert_eq!(updates_stopped(&Facts { stopped: None, ..facts }, true), "");
        let disk = updates_stopped(&Facts { stopped: Some(ProposeError::NoRoom), ..facts }, false);
        assert!(disk.contains("no room on the disk of a"));
    }
}
