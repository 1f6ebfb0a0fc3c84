//! Pausing and resuming of automatic failover: asks the group, bounded in time, and says why not.
//!
//! Never decides which node may become primary: consensus does. Called by the control API.

use std::time::Duration;

use consensus::PauseError;
use ocs_proto::control::{PauseReply, PauseRequest};

use crate::role::{Role, RoleService};

/// Pauses on the primary; resumes there, or, without a primary, on the node that received the call.
pub(super) async fn set_paused(role: &RoleService, asked: PauseRequest, deadline: Duration) -> PauseReply {
    let own = &role.roster().own().name;
    let reason = match tokio::time::timeout(deadline, role.group().set_paused(asked.paused)).await {
        Ok(Ok(())) => match role.ask().await {
            now if now.role == Role::Primary => return PauseReply { done: true, reason: String::new() },
            // A node that is cut off does not know that another node has taken over (R5 leader-is-not-primary).
            _ => format!("no quorum confirms that {own} is the primary: ask again"),
        },
        Ok(Err(PauseError::NotPrimary)) => match role.watch().borrow().primary.as_str() {
            "" => format!("{own} is not the primary, and it knows of none"),
            primary => format!("{own} is not the primary: ask {primary}"),
        },
        Ok(Err(error @ PauseError::Stopped)) => error.to_string(),
        Err(_) => format!("no quorum agreed within {} s; it is settled as soon as one does", deadline.as_secs()),
    };
    PauseReply { done: false, reason }
}
