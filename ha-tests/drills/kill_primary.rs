//! kill -9 of the primary, again and again: see `docs/drills/kill-primary.md`. Called by `drill`, and by drills whose clients meet
//! the same fault.

use std::{
    thread,
    time::{Duration, Instant},
};

use ocs_ha_tests::drill::{Bar, Drill, Plain, Round, Stage};

pub(crate) const DRILL: Drill =
    Drill { name: "kill-primary", bar: Some(Bar::KILL), network: false, scenario: || Box::new(Plain(round)) };

/// Time from one kill to the next in [`every_five_seconds`].
const PACE: Duration = Duration::from_secs(5);

pub(crate) fn round(stage: &mut Stage) -> Round {
    let (killed, outage) = kill(stage, |_, _| ());
    Round::with_outage(format!("kill {killed}"), outage)
}

/// Kills the primary so many times, every five seconds or as soon as the group is whole again; the first kill comes after five
/// seconds. `excused`: nodes whose HTTP Proxies may fail from each kill on. `while_down` gets the stage and the node after the other node has taken over. Returns the longest outage.
pub(crate) fn every_five_seconds(
    stage: &mut Stage,
    kills: u32,
    excused: &[&'static str],
    mut while_down: impl FnMut(&mut Stage, &'static str),
) -> Duration {
    let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
    for _ in 0..kills {
        thread::sleep(PACE.saturating_sub(last.elapsed())); // the pace of the kills
        last = Instant::now();
        excused.iter().for_each(|node| stage.excuse(node));
        let (_, outage) = kill(stage, &mut while_down);
        longest = longest.max(outage);
    }
    longest
}

/// Kills the primary, and starts the node again. Returns the node, and the time to the first update that was acknowledged after
/// the kill.
fn kill(stage: &mut Stage, while_down: impl FnOnce(&mut Stage, &'static str)) -> (&'static str, Duration) {
    let (primary, backup) = stage.roles();
    let killed = stage.kill(primary);
    let outage = stage.outage(backup, killed);
    while_down(stage, primary);
    stage.more(backup, 20);
    stage.revive(primary);
    (primary, outage)
}
