//! Planned switchover over the control API: the answer to an operator.
//!
//! The candidates are judged in `handover`. Never moves leadership on another node than the leader: the answer names the leader.

use std::time::Instant;

use ocs_proto::control::{SwitchoverReply, SwitchoverRequest};

use crate::{
    handover::{self, candidates, choose},
    role::{Role, RoleService, RoleView},
};

/// Hands over, or says why not and names the candidates. `by`: the caller, for the history.
pub(super) async fn switchover(role: &RoleService, asked: SwitchoverRequest, by: &str) -> SwitchoverReply {
    let view = role.ask().await;
    let (own, peers) = (role.roster().own().name.clone(), role.peers());
    let mut reply = SwitchoverReply { from: view.primary.clone(), ..Default::default() };
    if let Some(reason) = not_primary(&own, &view) {
        reply.reason = reason;
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

/// The answer of a node that is not the primary; none: this node is.
pub(super) fn not_primary(own: &str, view: &RoleView) -> Option<String> {
    match view.primary.as_str() {
        _ if view.role == Role::Primary => None,
        "" => Some(format!("{own} is not the primary, and it knows of none")),
        primary => Some(format!("{own} is not the primary: ask {primary}")),
    }
}

async fn hand_over(role: &RoleService, to: String, by: &str, reply: &mut SwitchoverReply) {
    let began = Instant::now();
    match handover::hand_over(role, &to, &format!("switchover asked by {by}")).await {
        Ok(()) => {
            reply.done = true;
            reply.duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(to, by, duration_ms = reply.duration_ms, "handed over by request");
        }
        Err(reason) => {
            tracing::warn!(to, by, reason, "did not hand over");
            reply.reason = reason;
        }
    }
    reply.to = to;
}
