//! The duty of a scheduled switchover: behind its time the primary has the group decide the next step, and hands the role over where the
//! state says so.
//!
//! The state keeps the schedule and decides that the role moves once, so that another primary goes on. The stamp decides whether the
//! time has come or has passed; the look here only tells whether a command is worth its place in the log.

use std::{sync::Arc, time::Duration};

use chassis::moment;
use outbound::{Body, Done, DueSwitchover, RULES_WITH_SCHEDULED_SWITCHOVER, ReplyBody, Value, switchover_event};
use pair::{Door, wall_us};
use records::ScheduledSwitchoverRow;

use super::{Duty, decide};
use crate::{
    handover::{candidates, choose, hand_over},
    role::RoleService,
};

/// Interval of the look at the schedule.
const LOOK: Duration = Duration::from_secs(1);
/// Pause between two attempts to hand over.
const PAUSE: Duration = Duration::from_secs(4);
/// Longest time of one attempt.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// Carries scheduled switchovers out.
pub(crate) struct ScheduledSwitchover {
    /// The role, and the group behind it.
    pub(crate) role: RoleService,
    /// Where the steps are decided.
    pub(crate) api: Arc<Door>,
}

impl Duty for ScheduledSwitchover {
    const NAME: &'static str = "scheduled switchover";

    async fn perform(&mut self) {
        let (mut of, mut why) = (0, String::new());
        loop {
            tokio::time::sleep(LOOK).await;
            let Some(row) = self.come_due().await else { continue };
            let known = if of == row.at_s { why.as_str() } else { "" };
            if let Err(reason) = self.step(&row, known).await {
                if reason != known {
                    tracing::warn!(at = moment::text_of(row.at_s), reason, "a scheduled switchover is not done yet");
                }
                (of, why) = (row.at_s, reason);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

impl ScheduledSwitchover {
    /// The schedule whose time has come by this node's clock.
    async fn come_due(&self) -> Option<ScheduledSwitchoverRow> {
        let state = self.api.engine().state().clone();
        if state.rules_version() < RULES_WITH_SCHEDULED_SWITCHOVER {
            return None;
        }
        let row = tokio::task::spawn_blocking(move || state.scheduled_switchover()).await.ok().flatten()?;
        (wall_us() / 1_000_000 >= row.at_s).then_some(row)
    }

    /// Has the group decide, and hands over where the state says so. `why`: the reason of the last failure; empty: none.
    ///
    /// # Errors
    /// Why the role did not move.
    async fn step(&self, row: &ScheduledSwitchoverRow, why: &str) -> Result<(), String> {
        let (node, term) = (self.role.roster().own().name.clone(), self.role.status().term);
        let due = DueSwitchover { at_s: row.at_s, node, term, why: why.to_owned() };
        match decide(&self.api, Body::DueSwitchover(due)).await {
            Ok(ReplyBody::Done(done)) if done.event == switchover_event::BEGUN => return self.attempt(row).await,
            Ok(ReplyBody::Done(done)) => tell(&done),
            Ok(_) => {}
            Err(refusal) => tracing::debug!("a scheduled switchover waits: {}", refusal.message),
        }
        Ok(())
    }

    async fn attempt(&self, row: &ScheduledSwitchoverRow) -> Result<(), String> {
        let own = &self.role.roster().own().name;
        let to = choose(&candidates(own, &self.role.peers()), &row.to)?;
        tracing::info!(to, at = moment::text_of(row.at_s), "hands over as scheduled");
        let reason = reason(row);
        let handed = tokio::time::timeout(ATTEMPT_TIMEOUT, hand_over(&self.role, &to, &reason)).await;
        handed.unwrap_or_else(|_| Err(format!("{to} did not take over in time")))
    }
}

/// The reason in the history of the role.
fn reason(ScheduledSwitchoverRow { at_s, principal, address, .. }: &ScheduledSwitchoverRow) -> String {
    let by = match (principal.as_str(), address.as_str()) {
        ("", "") => "a caller without a name".to_owned(),
        ("", address) => format!("a caller without a name ({address})"),
        (principal, "") => principal.to_owned(),
        (principal, address) => format!("{principal} ({address})"),
    };
    format!("switchover scheduled for {} by {by}", moment::text_of(*at_s))
}

/// The end of a schedule, for the log.
fn tell(done: &Done) {
    let details = done.attributes.iter().find_map(|(key, value)| match value {
        Value::Str(text) if key == switchover_event::DETAILS => Some(text.as_str()),
        _ => None,
    });
    let details = details.unwrap_or_default();
    if done.event == switchover_event::LAPSED {
        tracing::warn!(details, "a scheduled switchover has lapsed: the role has not moved");
    } else {
        tracing::info!(details, "a scheduled switchover is done");
    }
}

#[cfg(test)]
mod tests {
    use chassis::tasks::Tasks;
    use dispatch::HoldConfig;
    use outbound::{Refusal, RefusalCode, Reply};
    use pair::{
        RaftGroup,
        fakes::{A, B, FakeGroup, NoPeers, Reader, Script, api_over, status},
    };

    use super::*;
    use crate::role::tests::roster;

    fn row(at_s: u64, to: &str) -> ScheduledSwitchoverRow {
        ScheduledSwitchoverRow { at_s, to: to.to_owned(), principal: "maria".into(), ..Default::default() }
    }

    /// Node a as primary over a state under this version, with b near or away.
    fn primary(rules_version: u32, is_near: bool, tasks: &Tasks) -> (Arc<Reader>, Arc<FakeGroup>, ScheduledSwitchover) {
        let mut of_group = status(3, A);
        if is_near {
            let now = std::time::Instant::now();
            of_group.peers.iter_mut().for_each(|peer| (peer.matched, peer.heard) = (Some(12), Some(now)));
        }
        let (state, group) = (Arc::new(Reader::at(rules_version)), Arc::new(FakeGroup::new(of_group)));
        let role = RoleService::new(roster(), group.clone(), "witness", tasks);
        let api = api_over(state.clone(), &group, Arc::new(NoPeers), HoldConfig::default(), tasks);
        (state, group, ScheduledSwitchover { role, api: Arc::new(api) })
    }

    #[tokio::test]
    async fn a_schedule_counts_from_its_time_on_and_only_under_rules_that_know_schedules() {
        let tasks = Tasks::new();
        let (state, _, duty) = primary(RULES_WITH_SCHEDULED_SWITCHOVER - 1, true, &tasks);
        state.schedule(Some(row(1, "")));
        assert_eq!(duty.come_due().await, None);
        state.raise(RULES_WITH_SCHEDULED_SWITCHOVER);
        assert_eq!(duty.come_due().await, Some(row(1, "")));
        for absent in [None, Some(row(u64::MAX, ""))] {
            state.schedule(absent);
            assert_eq!(duty.come_due().await, None);
        }
    }

    #[tokio::test]
    async fn the_role_moves_only_where_the_state_says_that_the_primary_is_to_hand_over() {
        let tasks = Tasks::new();
        let (_, group, duty) = primary(RULES_WITH_SCHEDULED_SWITCHOVER, true, &tasks);
        let reply = |event: &str| Script::Answer(Ok(Reply::done(event, Vec::new())));
        let gone = Refusal::new(RefusalCode::Conflict, "No switchover is scheduled for that time");
        group.script([
            Script::Answer(Ok(gone.into())),
            reply(switchover_event::DONE),
            reply(switchover_event::LAPSED),
            reply(switchover_event::BEGUN),
        ]);
        for _ in 0..3 {
            duty.step(&row(1, ""), "").await.unwrap();
            assert_eq!(group.status().borrow().leader, A);
        }
        duty.step(&row(1, "b"), "b was away").await.unwrap();
        assert_eq!(group.status().borrow().leader, B);
        let proposed = group.proposed();
        let Body::DueSwitchover(due) = &proposed[3].body else { panic!("{proposed:?}") };
        assert_eq!((due.at_s, due.node.as_str(), due.term, due.why.as_str()), (1, "a", 3, "b was away"));
    }

    #[tokio::test]
    async fn an_attempt_without_a_candidate_says_why() {
        let tasks = Tasks::new();
        let (_, group, duty) = primary(RULES_WITH_SCHEDULED_SWITCHOVER, false, &tasks);
        let begun = || Script::Answer(Ok(Reply::done(switchover_event::BEGUN, Vec::new())));
        group.script([begun(), begun()]);
        assert_eq!(duty.step(&row(1, ""), "").await, Err("no node can take over".to_owned()));
        let away = "b has not answered since this node's start".to_owned();
        assert_eq!(duty.step(&row(1, "b"), "").await, Err(away));
        assert_eq!(group.status().borrow().leader, A);
    }

    #[test]
    fn the_history_names_time_and_caller() {
        let at = "switchover scheduled for 2023-11-14T22:13:20Z by";
        let at_s = 1_700_000_000;
        assert_eq!(reason(&row(at_s, "")), format!("{at} maria"));
        let with_address = ScheduledSwitchoverRow { address: "10.0.0.9:4711".into(), ..row(at_s, "") };
        assert_eq!(reason(&with_address), format!("{at} maria (10.0.0.9:4711)"));
        let nameless = ScheduledSwitchoverRow { principal: String::new(), ..row(at_s, "") };
        assert_eq!(reason(&nameless), format!("{at} a caller without a name"));
    }
}
