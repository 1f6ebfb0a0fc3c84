//! Does the same harm again and again while updates arrive at a fixed rate, and counts their outcomes. Never touches a
//! process that is not an ocsd on this machine. Called by the verb `drill`.

mod bars;
mod check;
mod cut;
mod local;
mod prober;
mod report;
mod round;
mod sockets;

use std::{
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use http::HeaderValue;
use tokio::signal::unix::{SignalKind, signal};

pub(crate) use self::report::Report;
use self::{
    check::Check,
    prober::{Outcome, Probe, Prober},
    report::{Ran, Round},
};
use crate::{
    cli::DrillKind,
    cluster::Cluster,
    failure::Failure,
    front_ends,
    group::{self, GroupAnswers, wait_whole},
    http_client::{Target, Trust},
    orders,
};

/// Entries that a backup may be behind while updates arrive, and still count as caught up.
const LAG_MAX: u64 = 200;
/// How long updates may stay away before the round counts as failed.
const UNAVAILABLE_MAX: Duration = Duration::from_secs(60);
/// Attempts at a switchover in one round, refusals included.
const ATTEMPTS: u32 = 3;
/// Margin before and after a switchover in which a pause still counts.
const MARGIN: Duration = Duration::from_millis(500);
/// Interval of polling for awaited results; times are taken where events happen, not here.
const LOOK: Duration = Duration::from_millis(5);

/// The plan of a drill.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Which harm.
    pub(crate) kind: DrillKind,
    /// How often.
    pub(crate) rounds: u32,
    /// Updates a second.
    pub(crate) rate: u32,
    /// How long a round waits for the group to be whole.
    pub(crate) settle: Duration,
    /// Where updates go, in turn; empty: to the front ends that the nodes name.
    pub(crate) proxies: Vec<Target>,
    /// For HTTPS front ends that the nodes name.
    pub(crate) trust: Option<Trust>,
    /// `Authorization` of the updates.
    pub(crate) token: Option<HeaderValue>,
}

/// Runs the rounds, then compares the acknowledged updates with the list. A round that cannot be run ends the rounds, not the
/// comparison.
pub(crate) async fn run(cluster: &Cluster, mut plan: Plan, progress: impl Fn(&str)) -> Result<Report, Failure> {
    group::survey(cluster).await.require_primary()?; // a wrong address need not be waited for
    wait_whole(cluster, 0, plan.settle)
        .await
        .map_err(|why| Failure::Refused(format!("the group is not whole: {why}")))?;
    let group = group::survey(cluster).await;
    if !matches!(plan.kind, DrillKind::Switchover | DrillKind::LoseWitness) {
        refuse_while_paused(&group)?;
    }
    round::refuse_early(plan.kind, &group)?;
    if plan.proxies.is_empty() {
        plan.proxies = front_ends::of(&group, plan.trust.as_ref())?;
        Target::check_all(&plan.proxies).await?;
    }
    plan.proxies = Target::bearing(plan.proxies, plan.token.as_ref());
    front_ends::require_all(&plan.proxies).await?;
    let list = format!("drill-{}", SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis());
    orders::create_list(cluster, &list, "").await?;
    let prober = Prober::start(&list, plan.proxies.clone(), plan.rate);
    let drill = Drill { cluster, prober, plan, refusals: AtomicU32::new(0) };
    let (rounds, mut stopped) = drill.rounds(&progress).await;
    let probes = drill.prober.stop().await;
    if let Err(why) = wait_whole(cluster, 0, drill.plan.settle).await {
        stopped.get_or_insert(format!("the group is not whole after the drill: {why}"));
    }
    let (check, left_out) = check::run(cluster, &list, &probes).await?;
    let refusals = drill.refusals.load(Relaxed);
    let list_left = delete_list(cluster, &list, &check).await;
    progress(&match &list_left {
        None => format!("list {list} is being deleted"),
        Some(why) => format!("list {list} is left: {why}"),
    });
    let ran = Ran { list, list_left, wanted: drill.plan.rounds, rounds, refusals, stopped: stopped.or(left_out) };
    Ok(Report::new(drill.plan.kind, ran, &probes, &check))
}

/// Keeps the list of a drill that found a fault, as evidence. Returns why the list is left.
async fn delete_list(cluster: &Cluster, list: &str, check: &Check) -> Option<String> {
    if check.lost > 0 || check.duplicates > 0 {
        return Some("it shows what was lost or came twice".to_owned());
    }
    orders::delete_list(cluster, list, true).await.err().map(|failure| failure.to_string())
}

/// Refuses a drill that needs automatic failover while failover is paused.
fn refuse_while_paused(group: &GroupAnswers<'_>) -> Result<(), Failure> {
    let paused = group.seen.iter().filter_map(|seen| seen.role()).any(|role| role.failover_paused);
    if paused {
        let why = "automatic failover is paused: nobody would take over; `ocsctl resume` first";
        return Err(Failure::Refused(why.to_owned()));
    }
    Ok(())
}

struct Drill<'a> {
    cluster: &'a Cluster,
    plan: Plan,
    prober: Prober,
    /// Switchovers that were refused and asked for again.
    refusals: AtomicU32,
}

impl Drill<'_> {
    /// The rounds that could be run, and why not all. An interrupted drill undoes its harm before this returns.
    async fn rounds(&self, progress: impl Fn(&str)) -> (Vec<Round>, Option<String>) {
        let mut rounds = Vec::new();
        for number in 1..=self.plan.rounds {
            let round = tokio::select! {
                round = self.round() => round,
                () = told_to_end() => Err("interrupted".to_owned()),
            };
            match round {
                Ok(round) => {
                    progress(&round.line(self.plan.kind, number, self.plan.rounds));
                    rounds.push(round);
                }
                Err(why) => return (rounds, Some(format!("round {number}: {why}"))),
            }
        }
        (rounds, None)
    }

    /// A refused switchover changes nothing: the refusal is counted, and the switchover asked for again.
    async fn round(&self) -> Result<Round, String> {
        for _ in 1..ATTEMPTS {
            match self.attempt().await? {
                Ok(round) => return Ok(round),
                Err(_refusal) => self.refusals.fetch_add(1, Relaxed),
            };
        }
        self.attempt().await?
    }

    /// Polls the probes that have ended until `shows` finds a result in them.
    async fn until<T>(&self, limit: Duration, shows: impl Fn(&[Probe]) -> Option<T>) -> Option<T> {
        let began = Instant::now();
        while began.elapsed() < limit {
            if let Some(shown) = self.prober.look(|probes| shows(recent(probes, began))) {
                return Some(shown);
            }
            tokio::time::sleep(LOOK).await;
        }
        None
    }
}

/// Ctrl-C, SIGTERM, or the loss of the terminal.
async fn told_to_end() {
    let (Ok(mut terminate), Ok(mut hangup)) = (signal(SignalKind::terminate()), signal(SignalKind::hangup())) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = hangup.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

/// The updates that ended after a moment, or shortly before it: a poll need not read the others again.
fn recent(probes: &[Probe], moment: Instant) -> &[Probe] {
    // the updates stand in the order in which they ended
    let from = probes.partition_point(|probe| probe.done + MARGIN < moment);
    &probes[from..]
}

/// The longest time in a window without an acknowledged update, counted from the first acknowledgement on: before the first
/// one, no update was due yet.
fn longest_pause(probes: &[Probe], (from, to): (Instant, Instant)) -> Duration {
    let acked = recent(probes, from).iter().filter(|probe| probe.outcome == Outcome::Acked).map(|probe| probe.done);
    let mut last: Option<Instant> = None;
    let mut longest = Duration::ZERO;
    for done in acked {
        if let Some(last) = last
            && done > from
        {
            longest = longest.max(done.duration_since(last.max(from)));
        }
        last = Some(done);
        if done > to {
            break;
        }
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(began: Instant, sent_ms: u64, done_ms: u64, outcome: Outcome) -> Probe {
        let at = |ms| began + Duration::from_millis(ms);
        Probe { number: 0, proxy: 0, sent: at(sent_ms), done: at(done_ms), outcome }
    }

    #[test]
    fn a_pause_is_the_time_without_acknowledgement_and_a_failure_does_not_end_it() {
        let began = Instant::now();
        let acked = |done_ms| probe(began, done_ms, done_ms, Outcome::Acked);
        let failed = probe(began, 30, 40, Outcome::Failed(503));
        let probes = [acked(10), acked(20), failed, acked(75), acked(80), acked(200)];
        let window = (began + Duration::from_millis(5), began + Duration::from_millis(79));
        assert_eq!(longest_pause(&probes, window), Duration::from_millis(55));
    }

    #[test]
    fn a_pause_that_reaches_over_the_end_of_the_window_counts_whole() {
        let began = Instant::now();
        let acked = |done_ms| probe(began, done_ms, done_ms, Outcome::Acked);
        let window = (began, began + Duration::from_millis(100));
        assert_eq!(longest_pause(&[acked(10), acked(400)], window), Duration::from_millis(390));
    }

    #[test]
    fn the_time_before_the_first_probe_is_no_pause() {
        let began = Instant::now();
        let acked = |done_ms| probe(began, done_ms, done_ms, Outcome::Acked);
        let window = (began, began + Duration::from_millis(350));
        assert_eq!(longest_pause(&[acked(300), acked(310), acked(400)], window), Duration::from_millis(90));
    }

    #[test]
    fn an_update_sent_before_the_kill_does_not_end_the_outage() {
        let began = Instant::now();
        assert!(!probe(began, 1, 9, Outcome::Acked).acked_since(began + Duration::from_millis(5)));
        assert!(probe(began, 6, 9, Outcome::Acked).acked_since(began + Duration::from_millis(5)));
        assert!(!probe(began, 6, 9, Outcome::Unknown).acked_since(began + Duration::from_millis(5)));
    }
}
