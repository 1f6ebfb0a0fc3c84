//! The duties of the primary: periodic work of the group, one file per duty.
//!
//! A duty is performed only while this node is the confirmed primary, and is dropped in the instant of another role. The work
//! itself is a command that `records` decides: a duty that is dropped between two commands has lost nothing, and the next primary
//! goes on from the state. Never decides about the role. Called by `run`.

mod bring_up;
mod deletions;
mod due;
mod history;
mod phones;
mod restored;
mod scheduled_switchover;
mod versions;

use std::{future::Future, sync::Arc, time::Duration};

use chassis::tasks::{AtEnd, Tasks};
use outbound::{Body, Origin, Refusal, ReplyBody};
use pair::Door;
use tokio::{sync::watch, time::Instant};

use crate::role::{Role, RoleService, RoleView};

pub(crate) use bring_up::BringingUp;
pub(crate) use deletions::{Deletions, Remaining};
pub(crate) use due::WhatIsDue;
pub(crate) use history::{Begun, History};
pub(crate) use phones::Phones;
pub(crate) use restored::Restoration;
pub(crate) use scheduled_switchover::ScheduledSwitchover;
pub(crate) use versions::{Formats, Rules};

/// Deadline of a command.
const DEADLINE: Duration = Duration::from_secs(10);

/// Work of the primary.
pub(crate) trait Duty: Send + 'static {
    /// The name of its task.
    const NAME: &'static str;

    /// Does the work of one time as primary. Is dropped, at any await, once this node is not the confirmed primary; returns when
    /// this time as primary has no more work.
    fn perform(&mut self) -> impl Future<Output = ()> + Send;
}

/// Starts the duties of one node.
pub(crate) struct Duties {
    role: RoleService,
    tasks: Tasks,
}

impl Duties {
    /// Follows this role.
    pub(crate) fn new(role: RoleService, tasks: &Tasks) -> Self {
        Self { role, tasks: tasks.clone() }
    }

    /// Performs the duty each time this node becomes the confirmed primary.
    pub(crate) fn assign<D: Duty>(&self, duty: D) {
        let (view, stopping) = (self.role.watch(), self.tasks.stopping());
        self.tasks.spawn(D::NAME, AtEnd::Quiet, async move {
            tokio::select! {
                () = while_primary(view, duty) => {}
                () = stopping.cancelled() => {}
            }
        });
    }
}

/// Ends with the sender of the role.
async fn while_primary<D: Duty>(mut view: watch::Receiver<RoleView>, mut duty: D) {
    let is_primary = |view: &RoleView| view.role == Role::Primary;
    while view.wait_for(is_primary).await.is_ok() {
        let mut after = view.clone();
        let over = async { after.wait_for(|view| !is_primary(view)).await.is_err() };
        let gone = tokio::select! {
            biased;
            gone = over => gone,
            () = duty.perform() => view.wait_for(|view| !is_primary(view)).await.is_err(),
        };
        if gone {
            return;
        }
    }
}

/// Has the group decide a command of a duty.
async fn decide(api: &Arc<Door>, body: Body) -> Result<ReplyBody, Refusal> {
    match api.answer(body, Origin::Control, Instant::now() + DEADLINE).await.body {
        ReplyBody::Refused(refusal) => Err(refusal),
        reply => Ok(reply),
    }
}

#[cfg(test)]
mod tests;
