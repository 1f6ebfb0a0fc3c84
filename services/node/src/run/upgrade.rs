//! Raises the group's versions once every node runs a release that knows them (R13 versions-are-replicated): by itself after ten
//! minutes, or, where `cluster.upgrade` is "manual", on an operator's order. Until then the older release can be put back.
//!
//! Acts only while this node is primary. Called by `run`.

use std::{sync::Arc, time::Duration};

use chassis::tasks::Tasks;
use outbound::{Origin, ReplyBody};
use pair::OutboundApi;
use tokio::time::Instant;

use super::{settings, spawn_quiet};
use crate::{config, data_dir::DataDir, role::RoleService, versions};

/// After all nodes have run the new release for so long, the older release is not expected back.
const SETTLED: Duration = Duration::from_secs(600);
/// Interval of the check of the releases.
const LOOK: Duration = Duration::from_secs(1);
/// Interval of the check whether the rules are to be raised.
const LOOK_AT_RULES: Duration = Duration::from_millis(200);
/// Deadline of an attempt to raise the rules.
const DEADLINE: Duration = Duration::from_secs(10);
/// Formats below which no rules version is raised.
const FORMATS_OF_RULES: u32 = 2;

/// Raises the versions from now on, if `auto`.
pub(super) fn keep(role: RoleService, auto: bool, tasks: &Tasks) {
    if !auto {
        return;
    }
    let stopping = tasks.stopping();
    spawn_quiet(tasks, "upgrade", async move {
        tokio::select! {
            () = raise_when_settled(role) => {}
            () = stopping.cancelled() => {}
        }
    });
}

async fn raise_when_settled(role: RoleService) {
    let mut since: Option<Instant> = None;
    loop {
        tokio::time::sleep(LOOK).await;
        let status = role.status();
        let due = status.serving && !versions::is_newest(&status);
        if !due || !versions::holding_up(&status, role.roster()).is_empty() {
            since = None;
            continue;
        }
        let settled = since.get_or_insert_with(Instant::now).elapsed() >= SETTLED;
        if settled && role.group().raise(versions::NEWEST).await.is_ok() {
            let (formats, rules) = (versions::NEWEST.formats, versions::NEWEST.rules);
            tracing::info!(
                formats,
                rules,
                "every node has run this release for ten minutes: the group's versions are raised"
            );
        }
    }
}

/// Proposes the raise of the rules, once the membership says that every data node knows them and the formats that they need are
/// raised.
pub(super) fn decide(role: RoleService, api: Arc<OutboundApi>, file: config::Rules, tasks: &Tasks) {
    let stopping = tasks.stopping();
    spawn_quiet(tasks, "rules version", async move {
        tokio::select! {
            () = raise_rules(role, api, file) => {}
            () = stopping.cancelled() => {}
        }
    });
}

/// Ends when the state has the newest version that this release decides.
async fn raise_rules(role: RoleService, api: Arc<OutboundApi>, file: config::Rules) {
    let mut view = role.watch();
    while api.state().rules_version() < versions::NEWEST.rules {
        view.mark_unchanged();
        let status = role.status();
        let (decides, wanted) = (api.state().rules_version(), status.rules_wanted.min(versions::NEWEST.rules));
        if !status.serving || status.formats < FORMATS_OF_RULES || wanted <= decides {
            let changed = tokio::time::timeout(LOOK_AT_RULES, view.changed()); // a new primary checks at once
            if matches!(changed.await, Ok(Err(_))) {
                return;
            }
            continue;
        }
        let reply = api.answer(settings::raise(&file, wanted), Origin::Control, Instant::now() + DEADLINE).await;
        if let ReplyBody::Refused(refusal) = reply.body {
            tracing::warn!("the rules version is not raised to {wanted} yet: {}", refusal.message);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Writes the identity file in the group's format once that format was raised: from then on an older release refuses the
/// directory.
pub(super) fn follow(role: &RoleService, directory: Arc<DataDir>, tasks: &Tasks) {
    let (mut status, stopping, tasks_of) = (role.group().status(), tasks.stopping(), tasks.clone());
    spawn_quiet(tasks, "formats of the data directory", async move {
        loop {
            let formats = status.borrow_and_update().formats;
            let (of_directory, written) = (directory.clone(), tokio::task::spawn_blocking);
            match written(move || of_directory.raise_formats(formats)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::error!("cannot write the identity file in format {formats}, so this node stops: {error}");
                    return tasks_of.stop();
                }
                Err(_) => return,
            }
            tokio::select! {
                changed = status.changed() => if changed.is_err() { return },
                () = stopping.cancelled() => return,
            }
        }
    });
}
