//! Health checks of load balancers: /livez, /readyz, /primary, /backup (spec 2; architecture, Failover), on the admin port and,
//! through the link, on HTTP Proxy's port.
//!
//! Never changes anything. Whether this process lives never depends on a peer. Called by `admin`, by the link, and by the
//! gRPC health service.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use serde_json::json;
use tokio::sync::watch;

use crate::{
    role::{Role, RoleService, RoleView},
    supervisor::ProxyStatus,
};

/// The state of a node that is not ready, since a write to its disk does not end.
const DISK_STALLED: &str = "disk stalled";

/// A health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The process runs.
    Live,
    /// The node could answer less than `hold_time` ago, and is not draining.
    Ready,
    /// The node can answer now.
    ReadyNow,
    /// The node is the primary, confirmed.
    Primary,
    /// The node is the backup, confirmed.
    Backup,
}

/// Answers health checks. Cheap to clone.
#[derive(Clone)]
pub struct Health {
    role: RoleService,
    hold_time: Duration,
    draining: Arc<watch::Sender<bool>>,
    /// The status of this node's HTTP Proxy, once there is one.
    proxy: Arc<OnceLock<watch::Receiver<ProxyStatus>>>,
}

impl Health {
    /// `hold_time`: how long requests are held, and so how long readiness outlasts a loss of the primary.
    pub fn new(role: RoleService, hold_time: Duration) -> Self {
        Self { role, hold_time, draining: Arc::default(), proxy: Arc::default() }
    }

    /// From now on this node is not ready: a stop or a drain has begun.
    pub fn drain(&self) {
        self.draining.send_replace(true);
    }

    /// Takes [`Health::drain`] back.
    pub fn undo_drain(&self) {
        self.draining.send_replace(false);
    }

    /// Whether a stop or a drain has begun, now and from now on.
    pub fn draining(&self) -> watch::Receiver<bool> {
        self.draining.subscribe()
    }

    /// From now on this node is ready only while its HTTP Proxy serves.
    pub fn follow_proxy(&self, status: watch::Receiver<ProxyStatus>) {
        let _ = self.proxy.set(status); // there is only one HTTP Proxy: the cell is still empty
    }

    /// The answer, and a JSON body with the reason, for a caller that asked through HTTP Proxy: the question proves that HTTP
    /// Proxy serves.
    pub async fn check_through_proxy(&self, check: Check) -> (bool, String) {
        self.answer(check, true).await
    }

    /// The answer, and a JSON body with the reason.
    pub async fn check(&self, check: Check) -> (bool, String) {
        self.answer(check, self.serves_http()).await
    }

    async fn answer(&self, check: Check, serves_http: bool) -> (bool, String) {
        let draining = *self.draining.borrow();
        let view = match check {
            Check::Live | Check::Ready => self.role.watch().borrow().clone(),
            Check::ReadyNow | Check::Primary | Check::Backup => self.role.ask().await,
        };
        let decided = decide(check, &view, self.role.answered_ago(), self.hold_time, draining);
        let status = self.role.status();
        let can = !is_readiness(check) || (serves_http && !status.fetching);
        let hangs = status.stall.is_some() && check != Check::Live;
        let ok = decided && can && !hangs;
        (ok, self.body(ok, &view, draining))
    }

    /// Whether the disk of this node hangs: then the node acknowledges nothing in any role.
    pub(crate) fn disk_hangs(&self) -> bool {
        self.role.status().stall.is_some()
    }

    /// A node whose HTTP Proxy is away, or stands still, serves no client on the port that the readiness check stands for.
    fn serves_http(&self) -> bool {
        self.proxy.get().is_none_or(|status| status.borrow().serves())
    }

    fn body(&self, ok: bool, view: &RoleView, draining: bool) -> String {
        let mut body = json!({
            "ok": ok,
            "node": self.role.roster().own().name,
            "role": view.role.word(),
            "confirmed": view.confirmed,
            "term": view.term,
            "primary": view.primary,
            "mode": self.role.mode(),
            "draining": draining,
            "failover_paused": self.role.status().paused_for != 0,
            "http_proxy": self.proxy.get().map(|status| status.borrow().state.clone()),
        });
        if self.disk_hangs() {
            body["state"] = DISK_STALLED.into();
        }
        body.to_string()
    }
}

/// A node whose state is being fetched can forward updates, but not answer reads: the node is ready only when both work and its
/// HTTP Proxy serves.
fn is_readiness(check: Check) -> bool {
    matches!(check, Check::Ready | Check::ReadyNow)
}

/// The table of the checks. Balancers should leave a draining node, though it still answers.
fn decide(check: Check, view: &RoleView, answered_ago: Option<Duration>, hold_time: Duration, draining: bool) -> bool {
    match check {
        Check::Live => true,
        _ if draining => false,
        Check::Ready => answered_ago.is_some_and(|ago| ago < hold_time),
        Check::ReadyNow => view.answers(),
        Check::Primary => view.confirmed && view.role == Role::Primary,
        Check::Backup => view.confirmed && view.role == Role::Backup,
    }
}

#[cfg(test)]
mod tests {
    use chassis::tasks::Tasks;
    use consensus::Status;
    use pair::fakes::{A, B, FakeGroup, status};

    use super::*;
    use crate::role::tests::roster;

    const HOLD: Duration = Duration::from_secs(5);

    fn view(role: Role, confirmed: bool) -> RoleView {
        let primary = if confirmed { "a".into() } else { String::new() };
        RoleView { role, confirmed, term: 3, primary }
    }

    fn ready(ago_ms: Option<u64>, draining: bool) -> bool {
        let ago = ago_ms.map(Duration::from_millis);
        decide(Check::Ready, &view(Role::Unknown, false), ago, HOLD, draining)
    }

    #[test]
    fn readiness_outlasts_the_loss_of_the_primary_by_hold_time() {
        assert!(ready(Some(0), false));
        assert!(ready(Some(4999), false), "both nodes would be taken out while requests are held");
        assert!(!ready(Some(5000), false));
        assert!(!ready(None, false), "never could answer");
        assert!(!ready(Some(0), true), "draining");
    }

    #[tokio::test]
    async fn a_node_that_fetches_its_state_is_backup_but_not_ready() {
        let (tasks, group) = (Tasks::new(), Arc::new(FakeGroup::new(status(3, B))));
        let role = RoleService::new(roster(), group.clone(), "witness", &tasks);
        let health = Health::new(role, HOLD);
        for (fetching, ready) in [(false, true), (true, false), (false, true)] {
            group.become_status(Status { fetching, ..status(3, B) });
            assert!(health.check(Check::Backup).await.0);
            assert_eq!(health.check(Check::Ready).await.0, ready);
            assert_eq!(health.check(Check::ReadyNow).await.0, ready);
            assert!(health.check(Check::Live).await.0);
        }
    }

    #[tokio::test]
    async fn a_node_whose_disk_hangs_lives_and_is_nobodys_choice() {
        let (tasks, group) = (Tasks::new(), Arc::new(FakeGroup::new(status(3, A))));
        let role = RoleService::new(roster(), group.clone(), "witness", &tasks);
        let health = Health::new(role, HOLD);
        assert!(health.check(Check::Primary).await.0);
        for of_log in [true, false] {
            let stall = Some(consensus::Stall { age_ms: 3000, of_log, alone: true });
            group.become_status(Status { stall, ..status(3, A) });
            assert!(health.check(Check::Live).await.0);
            for check in [Check::Ready, Check::ReadyNow, Check::Primary] {
                let (ok, body) = health.check(check).await;
                assert!(!ok && body.contains(r#""state":"disk stalled""#), "{check:?}: {body}");
            }
        }
        group.become_status(status(3, A));
        let (ok, body) = health.check(Check::Ready).await;
        assert!(ok && !body.contains("state"), "{body}");
    }

    #[tokio::test]
    async fn a_node_is_ready_only_while_its_http_proxy_serves_and_that_one_need_not_be_asked_about_itself() {
        let (tasks, group) = (Tasks::new(), Arc::new(FakeGroup::new(status(3, B))));
        let role = RoleService::new(roster(), group.clone(), "witness", &tasks);
        let health = Health::new(role, HOLD);
        let (told, proxy) = watch::channel(ProxyStatus::default());
        health.follow_proxy(proxy);
        assert!(health.check(Check::Backup).await.0); // a quorum has answered
        let states = [("starting", false), ("listening", true), ("failed: it stood still", false), ("disabled", true)];
        for (state, ready) in states {
            told.send_modify(|status| status.state = state.into());
            for check in [Check::Ready, Check::ReadyNow] {
                assert_eq!(health.check(check).await.0, ready, "{check:?}, {state}");
                assert!(health.check_through_proxy(check).await.0, "{check:?}, {state}");
            }
            assert!(health.check(Check::Backup).await.0 && health.check(Check::Live).await.0, "{state}");
            assert!(health.check(Check::Ready).await.1.contains(state), "{state}");
        }
    }

    #[test]
    fn checks_of_the_moment_have_no_grace() {
        let table = [
            (Check::ReadyNow, Role::Primary, true, true),
            (Check::ReadyNow, Role::Backup, true, true),
            (Check::ReadyNow, Role::Unknown, false, false),
            (Check::Primary, Role::Primary, true, true),
            (Check::Primary, Role::Backup, true, false),
            (Check::Primary, Role::Unknown, false, false),
            (Check::Backup, Role::Backup, true, true),
            (Check::Backup, Role::Primary, true, false),
            (Check::Live, Role::Unknown, false, true),
        ];
        for (check, role, confirmed, ok) in table {
            let decided = decide(check, &view(role, confirmed), Some(Duration::ZERO), HOLD, false);
            assert_eq!(decided, ok, "{check:?} of {role:?}");
        }
    }

    #[test]
    fn a_draining_node_lives_and_is_nobodys_choice() {
        let primary = view(Role::Primary, true);
        assert!(decide(Check::Live, &primary, None, HOLD, true));
        for check in [Check::Ready, Check::ReadyNow, Check::Primary] {
            assert!(!decide(check, &primary, Some(Duration::ZERO), HOLD, true));
        }
    }
}
