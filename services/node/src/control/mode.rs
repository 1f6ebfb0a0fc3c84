//! `SetMode`: ends single-copy once another data node has caught up, or names the nodes that the configured mode still lacks.
//!
//! Never sets another mode than the configured one: the configuration names the nodes.

use std::time::Duration;

use consensus::{Kind, ModeError, PeerStatus};
use ocs_proto::control::{SetModeReply, SetModeRequest};

use crate::role::{Member, Role, RoleService};

/// Ends single-copy, or says why not.
pub(super) async fn set(
    role: &RoleService,
    configured: &'static str,
    limit: Duration,
    asked: SetModeRequest,
) -> SetModeReply {
    let mut reply = SetModeReply { mode: role.mode().to_owned(), ..Default::default() };
    let view = role.ask().await;
    let refusal = match view.primary.as_str() {
        _ if asked.mode != configured => Some(format!(
            "the configuration says {configured:?}: change cluster.mode and cluster.nodes on every node first"
        )),
        _ if view.role == Role::Primary => None,
        "" => Some("this node is not the primary, and it knows of none".to_owned()),
        primary => Some(format!("this node is not the primary: ask {primary}")),
    };
    if let Some(reason) = refusal {
        reply.reason = reason;
        return reply;
    }
    match tokio::time::timeout(limit, role.group().leave_single_copy()).await {
        Ok(Ok(())) => reply.done = true,
        Ok(Err(ModeError::NoCopy)) => {
            reply.reason = format!("{}: updates would still be on one disk only", ModeError::NoCopy)
        }
        Ok(Err(refusal)) => reply.reason = refusal.to_string(),
        Err(_) => reply.reason = "the new voters have not confirmed it yet: run it again".to_owned(),
    }
    let (status, own) = (role.status(), role.roster().own());
    let others = role.roster().members().iter().filter(|member| member.name != own.name);
    reply.missing = others.filter_map(|member| missing(member, role, &status.peers, status.last_index)).collect();
    reply.mode = role.mode().to_owned();
    reply
}

/// The reason why a node does not vote yet.
fn missing(member: &Member, role: &RoleService, peers: &[PeerStatus], last_index: u64) -> Option<String> {
    let name = &member.name;
    let what = if member.kind == Kind::Witness { "witness" } else { "data node" };
    let peer = peers.iter().find(|peer| role.roster().name_of(peer.id) == *name);
    match peer {
        None => Some(format!("{what} {name} has not joined yet")),
        Some(peer) if peer.voter => None,
        Some(PeerStatus { matched: None | Some(0), .. }) => {
            Some(format!("{what} {name} has joined and has nothing yet"))
        }
        Some(PeerStatus { matched: Some(matched), .. }) => {
            Some(format!("{what} {name} is learning, {} entries behind", last_index.saturating_sub(*matched)))
        }
    }
}
