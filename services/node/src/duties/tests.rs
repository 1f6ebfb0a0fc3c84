//! The runner of duties, with a duty that tells of its begin and its end.

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::*;

/// A duty that tells of its begin and its end; `ends`: returns at once.
struct Told {
    told: UnboundedSender<&'static str>,
    ends: bool,
}

struct AtDrop(UnboundedSender<&'static str>);

impl Drop for AtDrop {
    fn drop(&mut self) {
        let _ = self.0.send("over"); // the test has ended
    }
}

impl Duty for Told {
    const NAME: &'static str = "told";

    async fn perform(&mut self) {
        let _over = AtDrop(self.told.clone());
        self.told.send("begins").unwrap();
        if !self.ends {
            std::future::pending().await
        }
    }
}

fn view(role: Role) -> RoleView {
    RoleView { role, confirmed: role != Role::Unknown, term: 1, primary: "a".into() }
}

/// A duty under way, on a node that is backup. The task ends with the sender of the role.
fn performed(ends: bool) -> (watch::Sender<RoleView>, UnboundedReceiver<&'static str>, Tasks) {
    let (role, of_duty) = watch::channel(view(Role::Backup));
    let (told, hears) = unbounded_channel();
    let duty = Told { told, ends };
    let tasks = Tasks::new();
    tasks.spawn(Told::NAME, AtEnd::Quiet, while_primary(of_duty, duty));
    (role, hears, tasks)
}

#[tokio::test]
async fn a_duty_is_performed_on_the_confirmed_primary_alone_and_dropped_with_the_role() {
    let (role, mut hears, tasks) = performed(false);
    for other in [Role::Unknown, Role::Backup] {
        role.send_replace(view(other));
        tokio::task::yield_now().await;
        assert!(hears.try_recv().is_err(), "{other:?}");
        role.send_replace(view(Role::Primary));
        assert_eq!(hears.recv().await, Some("begins"));
        role.send_replace(view(other));
        assert_eq!(hears.recv().await, Some("over"), "{other:?}");
    }
    drop(role);
    assert!(tasks.drain(Duration::from_secs(10)).await, "the task goes on without a role");
}

#[tokio::test]
async fn a_duty_without_work_left_is_performed_again_at_the_next_time_as_primary_alone() {
    let (role, mut hears, tasks) = performed(true);
    for _ in 0..2 {
        role.send_replace(view(Role::Primary));
        assert_eq!([hears.recv().await, hears.recv().await], [Some("begins"), Some("over")]);
        role.send_replace(RoleView { term: 2, ..view(Role::Primary) });
        tokio::task::yield_now().await;
        assert!(hears.try_recv().is_err(), "no work is left in this time as primary");
        role.send_replace(view(Role::Backup));
        tokio::task::yield_now().await;
    }
    drop(role);
    assert!(tasks.drain(Duration::from_secs(10)).await, "the task goes on without a role");
}
