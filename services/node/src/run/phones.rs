//! Brings Do-Not-Call entries and index entries to the phone form of the group's rules version, a few hundred rows a command, once that
//! version is raised (R13 versions-are-replicated). Until all are, look-ups ask both forms.
//!
//! Acts only while this node is primary; the state names the next rows. Called by `run`.

use std::{sync::Arc, time::Duration};

use chassis::tasks::Tasks;
use outbound::{Body, Origin, REWRITTEN_ROWS_MAX, RULES_WITH_PHONE_FORM, ReplyBody, RewritePhones};
use pair::OutboundApi;
use tokio::time::Instant;

use super::spawn_quiet;
use crate::role::RoleService;

/// Interval of the check whether rows are to be rewritten.
const LOOK: Duration = Duration::from_secs(1);
/// Pause between two commands, so that clients' updates go first.
const PAUSE: Duration = Duration::from_millis(10);
/// Deadline of a command.
const DEADLINE: Duration = Duration::from_secs(10);

/// Rewrites rows from now on, until every row is rewritten.
pub(super) fn rewrite(role: RoleService, api: Arc<OutboundApi>, tasks: &Tasks) {
    let stopping = tasks.stopping();
    spawn_quiet(tasks, "phones", async move {
        tokio::select! {
            () = rewrite_all(role, api) => {}
            () = stopping.cancelled() => {}
        }
    });
}

/// Ends when the state says that every row is rewritten.
async fn rewrite_all(role: RoleService, api: Arc<OutboundApi>) {
    while !api.state().phones().0.done {
        if !role.status().serving || api.state().rules_version() < RULES_WITH_PHONE_FORM {
            tokio::time::sleep(LOOK).await;
            continue;
        }
        let body = Body::RewritePhones(RewritePhones { rows_max: REWRITTEN_ROWS_MAX });
        let reply = api.answer(body, Origin::Control, Instant::now() + DEADLINE).await;
        if let ReplyBody::Refused(refusal) = reply.body {
            tracing::warn!("phones are not brought to the form of the rules yet: {}", refusal.message);
            tokio::time::sleep(LOOK).await;
        }
        tokio::time::sleep(PAUSE).await;
    }
}
