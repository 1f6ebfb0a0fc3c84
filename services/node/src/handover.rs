//! The handover of the primary's role to another data node: the candidates, the choice, and the transfer.
//!
//! Eligibility is a table of reasons, pure; the driver checks once more and aborts a transfer that does not complete
//! (architecture, Failover). Called by the control API for an operator's switchover, and by the duty of scheduled switchovers.

use consensus::{RaftId, Status};
use ocs_proto::control::{Candidate, PeerLag};

use crate::role::RoleService;

/// A target further behind cannot catch up within one batch.
const LAG_ENTRIES_MAX: u64 = 1024;

/// Hands the role over to a node, and returns once that node leads.
///
/// # Errors
/// Why the node did not take over, in words.
pub(crate) async fn hand_over(role: &RoleService, to: &str, reason: &str) -> Result<(), String> {
    let Some(target) = id_of(role, &role.status(), to) else { return Err(format!("{to} is no voter of the group")) };
    let handed = role.group().transfer(target, reason).await;
    handed.map_err(|error| format!("{to} did not take over: {error}"))
}

fn id_of(role: &RoleService, status: &Status, name: &str) -> Option<RaftId> {
    status.peers.iter().map(|peer| peer.id).find(|id| role.roster().name_of(*id) == name)
}

/// Every node, with the reason for or against its eligibility.
pub(crate) fn candidates(own: &str, peers: &[PeerLag]) -> Vec<Candidate> {
    let own = Candidate { node: own.to_owned(), eligible: false, reason: "is the primary already".to_owned() };
    let peer = |peer: &PeerLag| {
        let (eligible, reason) = match judge(peer) {
            Ok(reason) => (true, reason),
            Err(reason) => (false, reason),
        };
        Candidate { node: peer.node.clone(), eligible, reason }
    };
    std::iter::once(own).chain(peers.iter().map(peer)).collect()
}

fn judge(peer: &PeerLag) -> Result<String, String> {
    match peer.lag_entries {
        _ if peer.witness => Err("is a witness: it never serves".to_owned()),
        _ if !peer.connected => Err(unheard(peer)),
        _ if peer.disk_short => Err("has a full disk and acknowledges no updates".to_owned()),
        _ if peer.drained => {
            let node = &peer.node;
            Err(format!("is drained and takes no clients: `ocsctl drain {node} --undo` first"))
        }
        None => Err("has not yet said how far its log reaches".to_owned()),
        Some(lag) if lag > LAG_ENTRIES_MAX => Err(format!("is {lag} entries behind, at most {LAG_ENTRIES_MAX} may be")),
        Some(lag) => Ok(format!("is connected and {lag} entries behind")),
    }
}

fn unheard(peer: &PeerLag) -> String {
    match peer.last_heard_ms {
        Some(ago_ms) => format!("has not answered for {} s", ago_ms.div_ceil(1000)),
        None => "has not answered since this node's start".to_owned(),
    }
}

/// The requested node, or the first eligible node; empty: no node is requested.
///
/// # Errors
/// Why neither the requested node nor any other can take over.
pub(crate) fn choose(candidates: &[Candidate], asked: &str) -> Result<String, String> {
    if asked.is_empty() {
        let first = candidates.iter().find(|candidate| candidate.eligible);
        return first.map(|candidate| candidate.node.clone()).ok_or_else(|| "no node can take over".to_owned());
    }
    match candidates.iter().find(|candidate| candidate.node == asked) {
        None => Err(format!("there is no node {asked:?}")),
        Some(candidate) if candidate.eligible => Ok(candidate.node.clone()),
        Some(candidate) => Err(format!("{asked} {}", candidate.reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(node: &str, connected: bool, lag_entries: Option<u64>, witness: bool) -> PeerLag {
        PeerLag { node: node.into(), connected, lag_entries, witness, ..Default::default() }
    }

    #[test]
    fn each_candidate_has_its_reason() {
        let peers = [
            peer("b", true, Some(3), false),
            peer("c", false, Some(0), false),
            peer("d", true, Some(5000), false),
            peer("e", true, None, false),
            peer("w", true, Some(0), true),
            PeerLag { disk_short: true, ..peer("f", true, Some(0), false) },
            PeerLag { last_heard_ms: Some(2400), ..peer("g", false, Some(0), false) },
            PeerLag { drained: true, ..peer("h", true, Some(0), false) },
        ];
        let judged = candidates("a", &peers);
        let eligible: Vec<&str> =
            judged.iter().filter(|candidate| candidate.eligible).map(|candidate| candidate.node.as_str()).collect();
        assert_eq!(eligible, ["b"]);
        assert_eq!(choose(&judged, ""), Ok("b".to_owned()));
        for (asked, reason) in [
            ("a", "a is the primary already"),
            ("c", "c has not answered since this node's start"),
            ("f", "f has a full disk and acknowledges no updates"),
            ("g", "g has not answered for 3 s"),
            ("h", "h is drained and takes no clients: `ocsctl drain h --undo` first"),
            ("d", "d is 5000 entries behind, at most 1024 may be"),
            ("e", "e has not yet said how far its log reaches"),
            ("w", "w is a witness: it never serves"),
            ("x", "there is no node \"x\""),
        ] {
            assert_eq!(choose(&judged, asked), Err(reason.to_owned()));
        }
        assert_eq!(choose(&judged[4..], ""), Err("no node can take over".to_owned()));
    }
}
