//! One round of each kind of drill. Never touches a process before `local` has found that the process is an ocsd on this
//! machine. Called by `drill`.

use std::time::{Duration, Instant};

use super::{
    Drill, LAG_MAX, MARGIN, UNAVAILABLE_MAX,
    cut::{self, Cut},
    local::{self, Process},
    longest_pause,
    prober::Probe,
    report::Round,
};
use crate::{
    cli::DrillKind,
    cluster::Node,
    failure::Failure,
    group::{self, GroupAnswers, NodeAnswer, wait_whole},
    orders,
};

/// How long a node is kept away at least: beyond the longest election timeout, 20 ticks of 50 ms.
const AWAY: Duration = Duration::from_millis(1200);

/// Why a drill cannot be run here, before anything is changed.
pub(crate) fn refuse_early(kind: DrillKind, group: &GroupAnswers<'_>) -> Result<(), Failure> {
    let primary = group.require_primary()?;
    match kind {
        DrillKind::Switchover => Ok(()),
        DrillKind::Kill | DrillKind::Pause => local::process(primary).map(drop),
        DrillKind::LoseWitness => local::process(witness(group)?).map(drop),
        DrillKind::Partition => cut::possible(local::process(primary)?, &others(group, primary)?),
    }
}

/// The witness, where the group has one.
fn witness<'g>(group: &'g GroupAnswers<'_>) -> Result<&'g NodeAnswer<'g>, Failure> {
    let none = || Failure::Refused("no node that answers is a witness".to_owned());
    group.seen.iter().find(|seen| seen.is_witness()).ok_or_else(none)
}

/// The processes of all nodes but one.
fn others(group: &GroupAnswers<'_>, one: &NodeAnswer<'_>) -> Result<Vec<Process>, Failure> {
    let others = group.seen.iter().filter(|seen| seen.node.address != one.node.address);
    others.map(local::process).collect()
}

impl Drill<'_> {
    /// The inner error is a refused switchover, which may be asked for again; the outer error ends the drill.
    pub(super) async fn attempt(&self) -> Result<Result<Round, String>, String> {
        self.healthy().await?;
        tokio::time::sleep(Duration::from_micros(rand::random_range(0..250_000))).await; // any phase of the heartbeat
        let group = group::survey(self.cluster).await;
        let primary = group.require_primary().map_err(said)?;
        let name = group.name(primary);
        match self.plan.kind {
            DrillKind::Switchover => self.switchover(primary.node, name, Instant::now()).await,
            DrillKind::Kill => self.kill(local::process(primary).map_err(said)?, name).await.map(Ok),
            DrillKind::Pause => {
                let (stopped, moment) = local::process(primary).and_then(Process::stop).map_err(said)?;
                self.away(stopped, moment, name).await.map(Ok)
            }
            DrillKind::Partition => {
                let process = local::process(primary).map_err(said)?;
                let (cut, moment) = Cut::off(process, &others(&group, primary).map_err(said)?).map_err(said)?;
                self.away(cut, moment, name).await.map(Ok)
            }
            DrillKind::LoseWitness => {
                let process = witness(&group).and_then(local::process).map_err(said)?;
                self.lose_witness(process, primary.node, name).await
            }
        }
    }

    /// The group is whole, and an update was just acknowledged through each proxy.
    async fn healthy(&self) -> Result<(), String> {
        wait_whole(self.cluster, LAG_MAX, self.plan.settle).await?;
        let since = Instant::now();
        let each = |probes: &[Probe]| {
            let acked = |proxy: usize| probes.iter().any(|probe| probe.proxy == proxy && probe.acked_since(since));
            (0..self.plan.proxies.len()).all(acked).then_some(())
        };
        self.until(self.plan.settle, each)
            .await
            .ok_or_else(|| "not every HTTP front end acknowledges updates".to_owned())
    }

    /// Looks for the longest pause from shortly before `from` on.
    async fn switchover(&self, primary: &Node, node: String, from: Instant) -> Result<Result<Round, String>, String> {
        let reply = orders::switch_over(self.cluster, primary, "", false).await.map_err(said)?;
        if !reply.done {
            return Ok(Err(orders::refusal(&reply)));
        }
        let ended = Instant::now();
        let past_it = |probes: &[Probe]| probes.iter().any(|probe| probe.acked_since(ended + MARGIN)).then_some(());
        self.until(UNAVAILABLE_MAX, past_it).await.ok_or("no update was acknowledged after it")?;
        let pause = self.prober.look(|probes| longest_pause(probes, (from - MARGIN, ended + MARGIN)));
        Ok(Ok(Round { node, unavailable: pause, down: None }))
    }

    /// The witness stands still beyond an election timeout, updates go on, the role moves, the witness comes back.
    /// Only the primary is asked meanwhile: a question to all would wait for the witness.
    async fn lose_witness(
        &self,
        witness: Process,
        primary: &Node,
        node: String,
    ) -> Result<Result<Round, String>, String> {
        let (stopped, moment) = witness.stop().map_err(said)?;
        tokio::time::sleep(AWAY).await;
        let round = self.switchover(primary, node, moment).await;
        drop(stopped);
        round
    }

    async fn kill(&self, process: Process, node: String) -> Result<Round, String> {
        let killed = process.kill().map_err(said)?;
        let unavailable = self.first_elsewhere(killed, &node).await?;
        self.healthy().await.map_err(|why| format!("after {node} was killed (is it supervised?): {why}"))?;
        Ok(Round { node, unavailable, down: Some((killed, Instant::now())) })
    }

    /// Keeps the primary away by a guard, beyond an election timeout, and lets it come back.
    async fn away<G>(&self, guard: G, moment: Instant, node: String) -> Result<Round, String> {
        let unavailable = self.first_elsewhere(moment, &node).await?;
        tokio::time::sleep_until((moment + AWAY).into()).await;
        drop(guard);
        self.healthy().await.map_err(|why| format!("after {node} was away: {why}"))?;
        Ok(Round { node, unavailable, down: Some((moment, Instant::now())) })
    }

    /// The time from a moment to the first update sent after it and acknowledged through another node's proxy.
    async fn first_elsewhere(&self, moment: Instant, node: &str) -> Result<Duration, String> {
        let through_another = |probes: &[Probe]| {
            let others = probes.iter().filter(|probe| self.prober.node_of(probe.proxy).as_deref() != Some(node));
            others.filter(|probe| probe.acked_since(moment)).map(|probe| probe.done).min()
        };
        let first = self.until(UNAVAILABLE_MAX, through_another).await;
        let first = first.ok_or_else(|| format!("no update was acknowledged without {node}"))?;
        Ok(first.duration_since(moment))
    }
}

fn said(failure: Failure) -> String {
    failure.to_string()
}
