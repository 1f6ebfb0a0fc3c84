//! `grpc.health.v1`, kept up to date: "" (the process lives), `ocs.ready`, `ocs.primary`.
//!
//! The same answers as `/livez`, `/readyz` and `/primary`; never an opinion of its own.

use std::time::Duration;

use chassis::tasks::{AtEnd, Tasks};
use tokio::sync::watch;
use tonic_health::{
    ServingStatus,
    pb::health_server::{Health as HealthRpc, HealthServer},
    server::{HealthReporter, health_reporter},
};

use crate::{
    health::{Check, Health},
    role::{Role, RoleView},
};

/// How often readiness is checked while the role does not change: the grace ends without an event.
const LOOK: Duration = Duration::from_millis(500);
const READY: &str = "ocs.ready";
const PRIMARY: &str = "ocs.primary";

/// The service, not ready for now, and the handle that keeps it up to date.
pub(super) async fn service() -> (HealthReporter, HealthServer<impl HealthRpc>) {
    let (reporter, server) = health_reporter();
    // Both names are known from the first call on.
    reporter.set_service_status(READY, ServingStatus::NotServing).await;
    reporter.set_service_status(PRIMARY, ServingStatus::NotServing).await;
    (reporter, server)
}

/// From now on the service follows the checks.
pub(super) fn follow(reporter: HealthReporter, checks: Health, role: watch::Receiver<RoleView>, tasks: &Tasks) {
    let stopping = tasks.stopping();
    tasks.spawn("grpc health", AtEnd::Log, async move {
        tokio::select! {
            () = keep(reporter, checks, role) => {}
            () = stopping.cancelled() => {}
        }
    });
}

async fn keep(reporter: HealthReporter, checks: Health, mut role: watch::Receiver<RoleView>) {
    let mut tick = tokio::time::interval(LOOK);
    loop {
        let view = role.borrow_and_update().clone();
        let (ready, _) = checks.check(Check::Ready).await;
        reporter.set_service_status(READY, serving(ready)).await;
        reporter
            .set_service_status(PRIMARY, serving(view.confirmed && view.role == Role::Primary && !checks.disk_hangs()))
            .await;
        tokio::select! {
            changed = role.changed() => if changed.is_err() { return },
            _ = tick.tick() => {}
        }
    }
}

fn serving(ok: bool) -> ServingStatus {
    if ok { ServingStatus::Serving } else { ServingStatus::NotServing }
}
