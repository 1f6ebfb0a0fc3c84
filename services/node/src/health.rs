//! Health checks of load balancers: /livez, /readyz, /primary, /backup (spec 2; design 1, "Hold"), on the admin port and,
//! through the link, on HTTP Proxy's port.
//!
//! Never changes anything. Whether this process lives never depends on a peer. Called by `admin`, by the link, and by the
//! gRPC health service.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::json;

use crate::role::{Role, RoleService, RoleView};

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The process runs.
    Live,
    /// Could answer less than `hold_time` ago, and is not draining.
    Ready,
    /// Can answer now.
    ReadyNow,
    /// Is the primary, confirmed.
    Primary,
    /// Is the backup, confirmed.
    Backup,
}

/// Answers health checks. Cheap to clone.
#[derive(Clone)]
pub struct Health {
    role: RoleService,
    hold_time: Duration,
    draining: Arc<AtomicBool>,
}

impl Health {
    /// `hold_time`: for how long requests are held, and so for how long readiness outlasts a loss of the primary.
    pub fn new(role: RoleService, hold_time: Duration) -> Self {
        Self { role, hold_time, draining: Arc::default() }
    }

    /// From now on this node is not ready: it is stopping.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// The answer, and a JSON body that says why.
    pub async fn check(&self, check: Check) -> (bool, String) {
        let draining = self.draining.load(Ordering::Relaxed);
        let view = match check {
            Check::Live | Check::Ready => self.role.watch().borrow().clone(),
            Check::ReadyNow | Check::Primary | Check::Backup => self.role.ask().await,
        };
        let ok = decide(check, &view, self.role.answered_ago(), self.hold_time, draining) && !self.lacks_state(check);
        (ok, self.body(ok, &view, draining))
    }

    /// A node whose state is being fetched can forward updates, but not answer reads: until it can do both it is not ready.
    fn lacks_state(&self, check: Check) -> bool {
        matches!(check, Check::Ready | Check::ReadyNow) && self.role.status().fetching
    }

    fn body(&self, ok: bool, view: &RoleView, draining: bool) -> String {
        json!({
            "ok": ok,
            "node": self.role.roster().own().name,
            "role": view.role.word(),
            "confirmed": view.confirmed,
            "term": view.term,
            "primary": view.primary,
            "mode": self.role.mode(),
            "draining": draining,
            "failover_paused": self.role.status().paused_for != 0,
        })
        .to_string()
    }
}

/// The table of the checks. A draining node is nobody's choice, though it still answers.
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

    use super::*;
    use crate::{
        outbound_api::tests::{B, FakeGroup, status},
        role::tests::roster,
    };

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
