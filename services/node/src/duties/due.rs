//! The duty of due work: proposes commands for it, at most ten a second, and none while the state shows nothing due (spec 9, Life
//! of a record). The stamp decides which work is due; the look here only tells whether a command is worth its place in the log.
//! The state has all that is left, so that another primary goes on.

use std::{sync::Arc, time::Duration};

use outbound::{Body, DUE_RECORDS_MAX, Due, RULES_WITH_CAMPAIGNS, ReplyBody, Value};
use pair::{Door, wall_us};
use tokio::time::{Instant, MissedTickBehavior};

use super::{Duty, decide};

/// Interval of the look at the state, and shortest time between two commands.
const LOOK: Duration = Duration::from_millis(100);
/// Pause after a command that found nothing due, or that was not decided.
const PAUSE: Duration = Duration::from_secs(1);

/// Proposes commands for due work.
pub(crate) struct WhatIsDue {
    api: Arc<Door>,
    time: StampedTime,
}

impl WhatIsDue {
    /// Looks at the state behind this door.
    pub(crate) fn new(api: Arc<Door>) -> Self {
        Self { api, time: StampedTime::default() }
    }

    /// The rows of the state are read on a thread that may wait for the disk.
    async fn is_due(&mut self) -> bool {
        let state = self.api.engine().state().clone();
        if state.rules_version() < RULES_WITH_CAMPAIGNS {
            return false;
        }
        let (wall_us, mut time) = (wall_us(), self.time);
        let look = move || {
            let now_us = time.now_us(state.last_stamp_us(), wall_us, Instant::now());
            (time, state.is_due(now_us))
        };
        let Ok((time, is_due)) = tokio::task::spawn_blocking(look).await else { return false };
        self.time = time;
        is_due
    }

    /// Proposes one command; answers the count of its changes. None: the command was not decided.
    async fn propose(&self) -> Option<i64> {
        match decide(&self.api, Body::Due(Due { rows_max: DUE_RECORDS_MAX })).await {
            Ok(reply) => Some(changed(&reply)),
            Err(refusal) => {
                tracing::warn!("what is due is not done yet: {}", refusal.message);
                None
            }
        }
    }
}

impl Duty for WhatIsDue {
    const NAME: &'static str = "due";

    async fn perform(&mut self) {
        self.time = StampedTime::default();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            look.tick().await;
            if !self.is_due().await {
                continue;
            }
            let changed = self.propose().await;
            if changed == Some(0) {
                self.time.anchor(self.api.engine().state().last_stamp_us(), Instant::now());
            }
            if changed.is_none_or(|changed| changed == 0) {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Records and groups that a command changed.
fn changed(reply: &ReplyBody) -> i64 {
    let ReplyBody::Done(done) = reply else { return 0 };
    let count = |(name, value): &(String, Value)| match value {
        Value::Int(count) if name == "changed" => Some(*count),
        _ => None,
    };
    done.attributes.iter().find_map(count).unwrap_or(0)
}

/// Stamped time as far as this node can tell without a stamp: its wall clock, until a command that found nothing due has shown that
/// this clock runs ahead of the stamps; from then on the time that has passed since that command.
#[derive(Debug, Clone, Copy, Default)]
struct StampedTime {
    /// A stamp of the moment of its making.
    anchor: Option<(u64, Instant)>,
}

impl StampedTime {
    /// Now, microseconds since 1970; never before the last stamp.
    fn now_us(&mut self, last_stamp_us: u64, wall_us: u64, now: Instant) -> u64 {
        let Some((stamp_us, made)) = self.anchor else { return wall_us.max(last_stamp_us) };
        let passed_us = u64::try_from((now - made).as_micros()).unwrap_or(u64::MAX);
        let running_us = stamp_us.saturating_add(passed_us);
        if last_stamp_us > running_us {
            self.anchor(last_stamp_us, now);
        }
        running_us.max(last_stamp_us)
    }

    /// The last stamp was made now.
    fn anchor(&mut self, last_stamp_us: u64, now: Instant) {
        self.anchor = Some((last_stamp_us, now));
    }
}

#[cfg(test)]
mod tests {
    use chassis::tasks::Tasks;
    use dispatch::HoldConfig;
    use outbound::{Refusal, RefusalCode, Reply};
    use pair::fakes::{A, FakeGroup, NoPeers, Reader, Script, api_over, status, until};

    use super::*;

    #[test]
    fn the_wall_clock_counts_until_a_command_has_shown_the_stamps() {
        let (begun, mut time) = (Instant::now(), StampedTime::default());
        let at = |us| begun + Duration::from_micros(us);
        assert_eq!(time.now_us(100, 5_000, at(0)), 5_000);
        assert_eq!(time.now_us(7_000, 5_000, at(0)), 7_000, "the wall clock is behind");
        time.anchor(200, at(0));
        for (last_stamp_us, passed_us, now_us) in
            [(200, 0, 200), (200, 50, 250), (230, 50, 250), (400, 60, 400), (400, 70, 410), (300, 80, 420)]
        {
            let now = time.now_us(last_stamp_us, u64::MAX, at(passed_us));
            assert_eq!(now, now_us, "{last_stamp_us} {passed_us}");
        }
    }

    #[test]
    fn the_count_of_changes_is_read_from_the_acknowledgement_alone() {
        let pairs = |count| vec![("more".to_owned(), Value::Int(9)), ("changed".to_owned(), Value::Int(count))];
        assert_eq!(changed(&Reply::done("DueDone", pairs(3)).body), 3);
        assert_eq!(changed(&Reply::done("DueDone", Vec::new()).body), 0);
        assert_eq!(changed(&ReplyBody::Again), 0);
    }

    /// A primary whose state decides by this version, and the log of its group.
    fn primary(rules_version: u32, tasks: &Tasks) -> (Arc<Reader>, Arc<FakeGroup>, WhatIsDue) {
        let (state, group) = (Arc::new(Reader::at(rules_version)), Arc::new(FakeGroup::new(status(3, A))));
        let door = api_over(state.clone(), &group, Arc::new(NoPeers), HoldConfig::default(), tasks);
        (state, group, WhatIsDue::new(Arc::new(door)))
    }

    #[tokio::test]
    async fn a_command_is_worth_proposing_only_for_what_the_state_shows_due() {
        let tasks = Tasks::new();
        let (state, group, mut duty) = primary(RULES_WITH_CAMPAIGNS - 1, &tasks);
        state.come_due(0);
        assert!(!duty.is_due().await, "the rules have no campaigns");
        state.raise(RULES_WITH_CAMPAIGNS);
        assert!(duty.is_due().await);
        state.come_due(u64::MAX);
        assert!(!duty.is_due().await);
        assert!(group.proposed().is_empty());
    }

    #[tokio::test]
    async fn a_command_is_proposed_for_what_is_due_and_its_changes_are_counted() {
        let tasks = Tasks::new();
        let (state, group, mut duty) = primary(RULES_WITH_CAMPAIGNS, &tasks);
        let reply = |count| Reply::done("DueDone", vec![("changed".to_owned(), Value::Int(count))]);
        let refused = Refusal::new(RefusalCode::Unavailable, "no rules for it").into();
        group.script([reply(2), reply(0), refused].map(|reply| Script::Answer(Ok(reply))));
        let mut counts = Vec::new();
        for _ in 0..3 {
            counts.push(duty.propose().await);
        }
        assert_eq!(counts, [Some(2), Some(0), None]);
        state.come_due(0);
        let performed = tasks.stopping();
        let perform = async {
            tokio::select! {
                () = duty.perform() => {}
                () = performed.cancelled() => {}
            }
        };
        let proposed = async {
            until(|| group.proposed().len() > 3).await;
            tasks.stop();
        };
        tokio::join!(perform, proposed);
        let due = Body::Due(Due { rows_max: DUE_RECORDS_MAX });
        assert!(group.proposed().iter().all(|command| command.body == due), "{:?}", group.proposed());
    }
}
