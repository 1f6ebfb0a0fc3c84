//! `Upgrade`: raises the versions of the group's formats and rules, once every node runs a release that knows them (R13).
//!
//! Never raises what a voter or a learner does not know. Called by the control API.

use std::time::Duration;

use ocs_proto::control::{UpgradeReply, UpgradeRequest};

use crate::{
    role::{Role, RoleService},
    versions::{self, NEWEST},
};

/// Raises the versions, or says which nodes keep the group from it.
pub(super) async fn finalize(role: &RoleService, limit: Duration, asked: UpgradeRequest) -> UpgradeReply {
    let view = role.ask().await;
    let status = role.status();
    let mut reply = UpgradeReply {
        formats: status.formats,
        formats_newest: NEWEST.formats,
        rules: status.rules_wanted,
        rules_newest: NEWEST.rules,
        ..UpgradeReply::default()
    };
    if view.role != Role::Primary {
        reply.reason = match view.primary.as_str() {
            "" => "this node is not the primary, and it knows of none".to_owned(),
            primary => format!("this node is not the primary: ask {primary}"),
        };
        return reply;
    }
    reply.waits_for = versions::holding_up(&status, role.roster());
    if versions::is_newest(&status) {
        reply.done = true;
    } else if !reply.waits_for.is_empty() {
        reply.reason = "not every node is there and runs a release that knows the new versions".to_owned();
    } else if !asked.dry_run {
        match tokio::time::timeout(limit, role.group().raise(NEWEST)).await {
            Ok(Ok(())) => reply.done = true,
            Ok(Err(refusal)) => reply.reason = refusal.to_string(),
            Err(_) => reply.reason = "it is not committed yet: run it again".to_owned(),
        }
    }
    reply
}
