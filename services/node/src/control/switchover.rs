//! Planned switchover: the candidates for the primary's role, and the handover.
//!
//! Eligibility is a table of reasons, pure; the driver checks once more and aborts a transfer that does not complete
//! (architecture, Failover). Never moves leadership on another node than the leader: the answer names the leader.

use std::time::Instant;

use consensus::{RaftId, Status};
use ocs_proto::control::{Candidate, PeerLag, SwitchoverReply, SwitchoverRequest};

use crate::role::{Role, RoleService};

/// A target further behind cannot catch up within one batch.
const LAG_ENTRIES_MAX: u64 = 1024;

/// Hands over, or says why not and names the candidates. `by`: the caller, for the history.
pub(super) async fn switchover(role: &RoleService, asked: SwitchoverRequest, by: &str) -> SwitchoverReply {
    let view = role.ask().await;
    let (own, peers) = (role.roster().own().name.clone(), role.peers());
    let mut reply = SwitchoverReply { from: view.primary.clone(), ..Default::default() };
    if view.role != Role::Primary {
        reply.reason = match view.primary.as_str() {
            "" => format!("{own} is not the primary, and it knows of none"),
            primary => format!("{own} is not the primary: ask {primary}"),
        };
        return reply;
    }
    reply.candidates = candidates(&own, &peers);
    match choose(&reply.candidates, &asked.to) {
        Err(reason) => reply.reason = reason,
        Ok(to) if asked.dry_run => {
            reply.reason = format!("dry run: would hand over to {to}");
            reply.to = to;
        }
        Ok(to) => hand_over(role, to, by, &mut reply).await,
    }
    reply
}

async fn hand_over(role: &RoleService, to: String, by: &str, reply: &mut SwitchoverReply) {
    let Some(target) = id_of(role, &role.status(), &to) else {
        reply.reason = format!("{to} is no voter of the group");
        return;
    };
    let began = Instant::now();
    match role.group().transfer(target, &format!("switchover asked by {by}")).await {
        Ok(()) => {
            reply.done = true;
            reply.duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(to, by, duration_ms = reply.duration_ms, "handed over by request");
        }
        Err(error) => {
            reply.reason = format!("{to} did not take over: {error}");
            tracing::warn!(to, by, %error, "did not hand over");
        }
    }
    reply.to = to;
}

fn id_of(role: &RoleService, status: &Status, name: &str) -> Option<RaftId> {
    status.peers.iter().map(|peer| peer.id).find(|id| role.roster().name_of(*id) == name)
}

/// Every node, with the reason for or against its eligibility.
fn candidates(own: &str, peers: &[PeerLag]) -> Vec<Candidate> {
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

/// The requested node, or the first eligible node.
fn choose(candidates: &[Candidate], asked: &str) -> Result<String, String> {
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
