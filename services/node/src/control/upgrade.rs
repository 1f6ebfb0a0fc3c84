//! `Upgrade`: raises the versions of the group's formats and rules, once every node runs a release that knows them (R13).
//!
//! Never raises a version that a voter or a learner does not know, and answers "done" only when the state decides by the new
//! rules. Called by the control API.

use std::time::Duration;

use consensus::{RaiseError, Versions};
use ocs_proto::control::{UpgradeReply, UpgradeRequest};

use crate::{
    metrics::Sources,
    role::{Role, RoleView},
    versions::{self, NEWEST},
};

/// Longest wait for the raise and for the rules in the state; below the time for which `ocsctl` waits for the answer.
const RAISED_WITHIN: Duration = Duration::from_secs(10);
/// Interval of the checks of the state.
const LOOK: Duration = Duration::from_millis(50);

const BEING_RAISED: &str = "being raised: ask `ocsctl status`";

/// Raises the versions, or says which nodes keep the group from it.
pub(super) async fn finalize(sources: &Sources, limit: Duration, asked: UpgradeRequest) -> UpgradeReply {
    let view = sources.role.ask().await;
    let (status, before) = (sources.role.status(), decided(sources));
    let mut reply = UpgradeReply {
        formats: before.formats,
        formats_newest: NEWEST.formats,
        rules: before.rules,
        rules_newest: NEWEST.rules,
        ..UpgradeReply::default()
    };
    if view.role != Role::Primary {
        reply.reason = not_primary(&view);
        return reply;
    }
    reply.waits_for = versions::holding_up(&status, sources.role.roster());
    let ordered = versions::is_newest(&status);
    if is_newest(before) {
        reply.done = true;
    } else if !ordered && !reply.waits_for.is_empty() {
        reply.reason = "not every node is there and runs a release that knows the new versions".to_owned();
    } else if !asked.dry_run {
        match tokio::time::timeout(limit.min(RAISED_WITHIN), raise(sources, ordered)).await {
            Ok(Ok(())) => reply.done = true,
            Ok(Err(refusal)) => reply.reason = refusal.to_string(),
            Err(_) => reply.reason = BEING_RAISED.to_owned(),
        }
    } else if ordered {
        reply.reason = BEING_RAISED.to_owned();
    }
    reply
}

fn not_primary(view: &RoleView) -> String {
    match view.primary.as_str() {
        "" => "this node is not the primary, and it knows of none".to_owned(),
        primary => format!("this node is not the primary: ask {primary}"),
    }
}

/// The versions by which this node decides now: raised rules count once the state has them.
fn decided(sources: &Sources) -> Versions {
    let status = sources.role.status();
    let rules = sources.api.as_ref().map_or(status.rules_wanted, |api| api.engine().state().rules_version());
    Versions { formats: status.formats, rules }
}

fn is_newest(versions: Versions) -> bool {
    versions.formats >= NEWEST.formats && versions.rules >= NEWEST.rules
}

/// Ends when the state decides by the newest versions; `ordered`: the membership has them already.
async fn raise(sources: &Sources, ordered: bool) -> Result<(), RaiseError> {
    if !ordered {
        sources.role.group().raise(NEWEST).await?;
    }
    while !is_newest(decided(sources)) {
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}
