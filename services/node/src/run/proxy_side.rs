//! Messages from HTTP Proxy, handed to the parts: requests to the native door, health checks, counters.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use chassis::tasks::Tasks;
use dispatch::EncodedBody;
use futures::Stream;
use node_config::ProxySettings;
use ocs_proto::link::{self, ApiAnswer, ApiCall, HealthKind, RoleNotice, Stats};
use outbound::{Origin, Reply, Request};
use pair::{Door, wall_us};
use tokio::{sync::watch, time::Instant};

use super::spawn_quiet;
use crate::{
    certificates::Certificates,
    credentials::{Admission, Judge, Shown},
    health::{Check, Health},
    link::{ProxyHandler, Taken},
    metrics::Metrics,
    rest::Rest,
    role::{Role, RoleService, RoleView},
};

/// The node's side of the link.
pub(super) struct ProxySide {
    api: Arc<Door>,
    /// Judges by the settings of the newest HTTP Proxy.
    judge: RwLock<Arc<Judge>>,
    health: Health,
    metrics: Arc<Metrics>,
    certificates: Certificates,
    rest: Arc<Rest>,
    role: watch::Receiver<RoleNotice>,
    /// Of a million traces that begin at HTTP Proxy, so many are sampled.
    trace_millionths: u32,
}

impl ProxySide {
    /// Follows role, mode and drain for the headers that every answer bears.
    pub(super) fn new(
        settings: &ProxySettings,
        (api, rest): (Arc<Door>, Arc<Rest>),
        role: &RoleService,
        health: Health,
        (metrics, certificates): (Arc<Metrics>, Certificates),
        tasks: &Tasks,
    ) -> Self {
        let mut draining = health.draining();
        let (told, notices) = watch::channel(notice(&role.watch().borrow(), &role.status(), *draining.borrow()));
        let (mut views, mut group, stopping) = (role.watch(), role.group().status(), tasks.stopping());
        spawn_quiet(tasks, "role-header", async move {
            loop {
                let leaving = *draining.borrow_and_update();
                let now = notice(&views.borrow_and_update(), &group.borrow_and_update(), leaving);
                told.send_if_modified(|shown| {
                    *shown != now && {
                        *shown = now;
                        true
                    }
                });
                tokio::select! {
                    changed = views.changed() => if changed.is_err() { return },
                    changed = group.changed() => if changed.is_err() { return },
                    changed = draining.changed() => if changed.is_err() { return },
                    () = stopping.cancelled() => return,
                }
            }
        });
        let judge = RwLock::new(judge(settings, &api, &metrics));
        Self { api, judge, health, metrics, certificates, rest, role: notices, trace_millionths: 0 }
    }

    /// Has HTTP Proxy trace so many of a million requests; 0: none.
    pub(super) fn tracing(self, trace_millionths: u32) -> Self {
        Self { trace_millionths, ..self }
    }
}

fn judge(settings: &ProxySettings, api: &Door, metrics: &Metrics) -> Arc<Judge> {
    Arc::new(Judge::new(settings, api.engine().state().clone(), metrics.access_refusals(), wall_us))
}

fn notice(view: &RoleView, status: &consensus::Status, leaving: bool) -> RoleNotice {
    let role = match view.role {
        Role::Primary => "primary",
        Role::Backup => "backup",
        Role::Witness | Role::Unknown => "unknown",
    };
    RoleNotice { role: role.to_owned(), single_copy: status.single_copy, leaving }
}

fn from_now_on<T>(requests: Vec<Taken<T>>) -> Vec<(T, Instant)> {
    let now = Instant::now();
    requests.into_iter().map(|(request, deadline)| (request, now + deadline)).collect()
}

impl ProxySide {
    fn judge(&self) -> Arc<Judge> {
        self.judge.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ProxyHandler for ProxySide {
    fn updates(&self, updates: Vec<Taken<EncodedBody>>) -> impl Stream<Item = (usize, Reply)> + Send {
        self.api.updates(from_now_on(updates), Origin::Http)
    }

    async fn reads(&self, reads: Vec<Taken<Request>>) -> Vec<Reply> {
        self.api.reads(&from_now_on(reads)).await
    }

    fn admit(&self, shown: &Shown, request: &Request, settled: bool) -> Admission {
        self.judge().admit(shown, request, settled)
    }

    fn begins(&self, settings: &ProxySettings) {
        self.certificates.begins(settings);
        *self.judge.write().unwrap_or_else(PoisonError::into_inner) = judge(settings, &self.api, &self.metrics);
    }

    async fn catch_up(&self, within: Duration) -> bool {
        self.api.wait_until_readable(Instant::now() + within).await.is_ok()
    }

    async fn calls(&self, calls: Vec<ApiCall>) -> Vec<ApiAnswer> {
        let judge = self.judge();
        self.rest.answer(&judge, calls).await
    }

    async fn health(&self, kind: HealthKind) -> (bool, String) {
        let check = match kind {
            HealthKind::Primary => Check::Primary,
            HealthKind::Backup => Check::Backup,
            HealthKind::ReadyNow => Check::ReadyNow,
            HealthKind::Ready | HealthKind::Unspecified => Check::Ready,
        };
        self.health.check_through_proxy(check).await
    }

    fn role(&self) -> watch::Receiver<RoleNotice> {
        self.role.clone()
    }

    fn stats(&self, stats: Stats, serves: bool) {
        self.judge().count(stats.without_credential, stats.misplaced_credential);
        if serves { self.metrics.add(&stats) } else { self.metrics.add_requests(&stats) }
    }

    fn trace_millionths(&self) -> u32 {
        self.trace_millionths
    }

    fn certificates(&self, certificates: link::Certificates) {
        self.certificates.reported(certificates);
    }

    fn reloads(&self) -> watch::Receiver<u64> {
        self.certificates.orders()
    }
}
