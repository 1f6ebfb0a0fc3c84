//! The losses that the group survives now, and the failures that would lose an acknowledged update
//! (architecture, What loses what), in words made of the nodes that are connected, that vote and that have caught up. Pure.
//!
//! Never better than the facts: without a quorum the words promise nothing. Called by the status.

#[cfg(test)]
mod tests;

use consensus::ProposeError;
use ocs_proto::control::PeerLag;

use crate::role::{Role, RoleView};

/// A data node within so many entries counts as caught up: one batch.
const LAG_ENTRIES_MAX: u64 = 1024;

/// The facts behind the words.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    /// This node's name.
    pub(super) own: &'a str,
    /// Its role.
    pub(super) view: &'a RoleView,
    /// This node's knowledge of its peers.
    pub(super) peers: &'a [PeerLag],
    /// Why this node, as primary, takes no updates.
    pub(super) stopped: Option<ProposeError>,
    /// Why this node acknowledges no update; none: the node acknowledges.
    pub(super) own_silence: Option<&'static str>,
    /// Whether automatic failover is paused.
    pub(super) paused: bool,
    /// Whether an operator drained this node.
    pub(super) own_drained: bool,
}

/// Words for a node whose disk has no room.
pub(super) const DISK_FULL: &str = "is up, but does not acknowledge updates: its disk is full";
/// Words for a node with a write that does not end.
pub(super) const DISK_HANGS: &str = "is up, but does not acknowledge updates: its disk hangs";

impl<'a> Facts<'a> {
    fn witness_here(&self) -> bool {
        self.view.role == Role::Witness
    }

    /// Names of the nodes that hold records, this node first.
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

    /// Nodes that acknowledge nothing now, this node first, each with the reason.
    fn silent(&self) -> Vec<(&'a str, &'static str)> {
        let own = self.own_silence.map(|why| (self.own, why));
        let peers = self.peers.iter().filter_map(|peer| Some((peer.node.as_str(), silence(peer)?)));
        own.into_iter().chain(peers).collect()
    }

    /// Data nodes that lost their disk and are not voters again yet.
    fn joining(&self) -> Vec<&'a str> {
        let joining = self.peers.iter().filter(|peer| !peer.voter && !peer.witness);
        joining.map(|peer| peer.node.as_str()).collect()
    }

    fn behind(&self) -> Option<&'a PeerLag> {
        let far = |peer: &&PeerLag| peer.lag_entries.is_some_and(|lag| lag > LAG_ENTRIES_MAX);
        self.peers.iter().filter(|peer| peer.connected && peer.voter && !peer.witness).find(far)
    }

    /// Nodes that vote and acknowledge, this node first.
    fn acknowledging(&self) -> Vec<&'a str> {
        let own = self.own_silence.is_none().then_some(self.own);
        let peers = self.peers.iter().filter(|peer| peer.voter && silence(peer).is_none());
        own.into_iter().chain(peers.map(|peer| peer.node.as_str())).collect()
    }

    /// Names of the data nodes that vote and acknowledge; this node alone where none does.
    fn full_copies(&self) -> Vec<&'a str> {
        let witness = self.witness();
        let copies: Vec<&str> = self.acknowledging().into_iter().filter(|node| Some(*node) != witness).collect();
        if copies.is_empty() { vec![self.own] } else { copies }
    }

    /// The primary, while no other node takes over by itself.
    fn fixed_primary(&self) -> Option<&'a str> {
        self.paused.then_some(self.view.primary.as_str()).filter(|primary| !primary.is_empty())
    }

    /// Data nodes that an operator drained, this node first.
    fn drained(&self) -> Vec<&'a str> {
        let own = self.own_drained.then_some(self.own);
        let peers = self.peers.iter().filter(|peer| peer.drained && !peer.witness).map(|peer| peer.node.as_str());
        own.into_iter().chain(peers).collect()
    }

    /// Data nodes that take clients, as far as drains are concerned.
    fn taking_clients(&self) -> Vec<&'a str> {
        let drained = self.drained();
        self.data().into_iter().filter(|node| !drained.contains(node)).collect()
    }

    /// Nodes whose loss is not survived though every voter acknowledges, each with the effect of the loss.
    fn needed(&self) -> Vec<(&'a str, String)> {
        let fixed = self.fixed_primary().map(|primary| {
            let effect = "stops updates until it is back or `ocsctl resume`";
            (primary, format!("failover is paused, so the loss of the primary {primary} {effect}"))
        });
        let (drained, taking) = (self.drained(), self.taking_clients());
        let only = taking.first().filter(|_| taking.len() == 1 && !drained.is_empty()).map(|only| {
            let (are, undo) = (and_are(&drained), drained[0]);
            (*only, format!("{are} drained, so after the loss of {only} no node takes clients before `ocsctl drain {undo} --undo`"))
        });
        fixed.into_iter().chain(only).collect()
    }
}

/// Why a voter acknowledges nothing now; none: the voter acknowledges.
fn silence(peer: &PeerLag) -> Option<&'static str> {
    match peer {
        PeerLag { connected: false, .. } => Some("is down"),
        PeerLag { unconfirmed: true, .. } => Some("takes no part: the others have not confirmed its start"),
        PeerLag { disk_short: true, .. } => Some(DISK_FULL),
        PeerLag { disk_hangs: true, .. } => Some(DISK_HANGS),
        PeerLag { stalled: true, .. } => Some("is connected, but its log does not grow"),
        _ => None,
    }
}

/// The losses that the group survives now.
pub(super) fn survives(facts: &Facts<'_>) -> String {
    let silent = facts.silent();
    if !facts.view.confirmed {
        "not known: no quorum answers this node".to_owned()
    } else if facts.peers.is_empty() {
        "nothing: this is the only voter".to_owned()
    } else if let Some(joining) = facts.joining().first() {
        format!(
            "Degraded: {joining} has lost its disk and is not whole again; no loss of a disk of {} is survived",
            and(&facts.full_copies())
        )
    } else if !silent.is_empty() {
        degraded(facts, &silent)
    } else if facts.witness().is_none() && facts.peers.len() == 1 {
        "Updates stop while either node is down; no acknowledged update is lost unless both disks are".to_owned()
    } else if facts.taking_clients().is_empty() && !facts.drained().is_empty() {
        let drained = facts.drained();
        format!(
            "Degraded: {} drained, so no node takes clients before `ocsctl drain {} --undo`",
            and_are(&drained),
            drained[0]
        )
    } else if !facts.needed().is_empty() {
        all_but(facts, &facts.needed())
    } else if let Some(behind) = facts.behind() {
        format!("the loss of any one node, but a failover waits until {} has caught up", behind.node)
    } else {
        "the loss of any one node".to_owned()
    }
}

/// No node takes the place of these: of the primary while failover is paused, of the only node that takes clients.
fn all_but(facts: &Facts<'_>, needed: &[(&str, String)]) -> String {
    let all = std::iter::once(facts.own).chain(facts.peers.iter().map(|peer| peer.node.as_str()));
    let others: Vec<&str> = all.filter(|node| needed.iter().all(|(one, _)| one != node)).collect();
    let effects: Vec<&str> = needed.iter().map(|(_, effect)| effect.as_str()).collect();
    format!("the loss of {}; {}", or(&others), effects.join("; "))
}

/// At least one voter acknowledges nothing.
fn degraded(facts: &Facts<'_>, silent: &[(&str, &str)]) -> String {
    let why: Vec<String> = silent.iter().map(|(node, why)| format!("{node} {why}")).collect();
    let (why, left) = (no_clients(facts, why.join("; ")), facts.acknowledging());
    let quorum = facts.peers.len().div_ceil(2) + 1;
    if left.len() < quorum {
        format!("Degraded: {why}. Updates wait until one of them acknowledges again; what was acknowledged is not lost")
    } else if left.len() > quorum {
        format!("Degraded: {why}. Updates go on when one node more fails")
    } else {
        format!(
            "Degraded: {why}. If {} fails too, updates stop; no acknowledged update is lost unless both disks are",
            or(&left)
        )
    }
}

/// The reason with its effect on clients, where every data node that is up is drained.
fn no_clients(facts: &Facts<'_>, why: String) -> String {
    let (drained, silent) = (facts.drained(), facts.silent());
    let serves = |node: &&str| silent.iter().all(|(other, _)| other != node);
    match drained.first() {
        Some(first) if !facts.taking_clients().iter().any(serves) => {
            format!(
                "{why}; {} drained, so no node takes clients before `ocsctl drain {first} --undo`",
                and_are(&drained)
            )
        }
        _ => why,
    }
}

/// The failures that would lose an acknowledged update.
pub(super) fn loses(facts: &Facts<'_>) -> String {
    let (copies, data) = (facts.full_copies(), facts.data());
    let holders = facts.acknowledging();
    if !facts.view.confirmed {
        "Not known from here: nothing is lost while no disk is; bring back a node that is away".to_owned()
    } else if facts.peers.is_empty() {
        loss_of(&[facts.own])
    } else if !facts.joining().is_empty() {
        format!("{}: the witness's log holds only the newest updates", loss_of(&copies))
    } else if facts.silent().is_empty() && data.len() + usize::from(facts.witness().is_some()) > 2 {
        let all: Vec<&str> = data.iter().copied().chain(facts.witness()).collect();
        format!("Data loss would need two of the three disks ({}) to fail together", all.join(", "))
    } else {
        loss_of(&holders)
    }
}

/// A sentence for the disks that hold every acknowledged update.
pub(super) fn loss_of(disks: &[&str]) -> String {
    match disks {
        [] => "Nothing that was acknowledged is lost while no disk is".to_owned(),
        [one] => format!("Data loss would need only the disk of {one} to fail"),
        several => format!("Data loss would need the disks of {} to fail together", and(several)),
    }
}

/// Why updates are stopped, and the way out; empty: the group takes updates.
pub(super) fn updates_stopped(facts: &Facts<'_>, own_log_full: bool) -> String {
    // The first update would find out that there is no room.
    let full = facts.view.role == Role::Primary && facts.own_silence == Some(DISK_FULL);
    match facts.stopped.or(full.then_some(ProposeError::NoRoom)) {
        None | Some(ProposeError::NotPrimary) => String::new(),
        Some(ProposeError::LogFull) => log_full(facts, own_log_full),
        Some(ProposeError::NoRoom) => {
            format!("updates are stopped: no room on the disk of {}, or no file descriptors (see its log)", facts.own)
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
    listed(names, "and")
}

/// Names as the subject of a sentence, with its verb.
fn and_are(names: &[&str]) -> String {
    format!("{} {}", and(names), if names.len() == 1 { "is" } else { "are" })
}

fn or(names: &[&str]) -> String {
    listed(names, "or")
}

fn listed(names: &[&str], word: &str) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} {word} {last}", first.join(", ")),
    }
}
