//! `node replace`: follows a node on its way back into the group under a new id; a running node is made to leave first.
//!
//! Never changes the membership: the node asks, and the primary takes the node in (R11 one-id-one-log). Ends when the node
//! votes and its old id is out, which is one step.

use std::time::{Duration, Instant};

use ocs_proto::control::{GiveUpRequest, PeerLag};
use serde::Serialize;

use crate::{
    cli::NodeReplaceArgs,
    cluster::Cluster,
    failure::Failure,
    group::{self, GroupAnswers},
    print::Out,
};

/// A large state takes its time.
const TIMEOUT: Duration = Duration::from_secs(600);
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// Pause between two surveys.
const LOOK: Duration = Duration::from_millis(500);

#[derive(Debug, Serialize)]
struct View {
    node: String,
    old_id: u64,
    new_id: u64,
    took_ms: u64,
}

/// The progress of a replacement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The node has not asked yet.
    Awaited,
    /// The node catches up as a learner; its lag, entries, if known.
    Learner(Option<u64>),
    /// The node is a voter, and the primary does not hear it yet.
    Silent,
    /// The node votes under this id.
    Voter(u64),
}

/// Checks, begins, and waits.
pub(crate) async fn run(cluster: &Cluster, out: Out, args: &NodeReplaceArgs) -> Result<(), Failure> {
    let (began, node) = (Instant::now(), args.node.as_str());
    let group = group::survey(cluster).await;
    let old = check(&group, node, args.live)?;
    if args.live {
        give_up(cluster, &group, node).await?;
        eprintln!("{node} is leaving the group and shutting down; restart it if systemd does not");
    } else {
        eprintln!(
            "{node} does not answer: start `ocsd` under that name, on any machine at its address, with an empty data directory"
        );
    }
    let new_id = wait(cluster, node, &old, began).await?;
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let view = View { node: node.to_owned(), old_id: old.raft_id, new_id, took_ms };
    out.show(&view, |view| format!("{} is a full member again, after {:.1} s", view.node, view.took_ms as f64 / 1000.0))
}

/// The primary's view of the node, if the node may be replaced.
fn check(group: &GroupAnswers<'_>, node: &str, live: bool) -> Result<PeerLag, Failure> {
    let refused = |why: String| Err(Failure::Refused(why));
    let primary = group.primary().ok_or_else(|| {
        let why = "only a primary takes a node in: bring one of the nodes back that are away";
        Failure::NoPrimary(format!(
            "{}; {why}",
            group.require_primary().err().map_or(String::new(), |error| error.to_string())
        ))
    })?;
    if group.name(primary) == node {
        return refused(format!("{node} is the primary: `ocsctl switchover` first"));
    }
    let peers = primary.role().map(|role| role.peers.as_slice()).unwrap_or_default();
    match peers.iter().find(|peer| peer.node == node) {
        None => refused(format!("the group has no node {node:?}")),
        Some(peer) if peer.connected && peer.voter && !live && group.is_unconfirmed(node) => refused(format!(
            "{node} runs, and the other voters have not confirmed its start: `ocsctl node replace {node} --live` has it leave and join \
             again"
        )),
        Some(peer) if peer.connected && peer.voter && !live => refused(format!(
            "{node} runs and is heard: nothing is to be replaced (with --live it leaves the group and joins again)"
        )),
        Some(peer) if !peer.connected && live => refused(format!("{node} is not heard: leave --live out")),
        Some(peer) => Ok(peer.clone()),
    }
}

async fn give_up(cluster: &Cluster, group: &GroupAnswers<'_>, node: &str) -> Result<(), Failure> {
    let seen = group.required(node)?;
    let limit = cluster.timeout_or(CALL_TIMEOUT).min(CALL_TIMEOUT);
    let call =
        seen.node.call(limit, |mut client| async move { Ok(client.give_up(GiveUpRequest {}).await?.into_inner()) });
    let reply = call.await.map_err(|error| error.into_failure(&seen.node.address))?;
    if reply.done {
        Ok(())
    } else {
        Err(Failure::Refused(format!("{node} does not leave the group: {}", reply.reason)))
    }
}

/// Surveys the group until the node votes under another id, and reports each step once.
async fn wait(cluster: &Cluster, node: &str, old: &PeerLag, began: Instant) -> Result<u64, Failure> {
    let mut told = None;
    loop {
        let step = step(&group::survey(cluster).await, node, old);
        if let Some(Step::Voter(id)) = step {
            return Ok(id);
        }
        if step != told
            && let Some(step) = step
        {
            eprintln!("{}", words(node, step));
            told = Some(step);
        }
        if began.elapsed() + LOOK > cluster.timeout_or(TIMEOUT) {
            let far = step.map_or("no primary is visible from here".to_owned(), |step| words(node, step));
            return Err(Failure::Refused(format!("not replaced in time, and it goes on by itself: {far}")));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The step that the primary reports; none without a primary.
fn step(group: &GroupAnswers<'_>, node: &str, old: &PeerLag) -> Option<Step> {
    let peers = &group.primary()?.role()?.peers;
    let peer = peers.iter().find(|peer| peer.node == node)?;
    let fresh = peer.raft_id != old.raft_id || !old.voter;
    Some(match (fresh, peer.voter, peer.connected) {
        (false, ..) => Step::Awaited,
        (true, false, _) => Step::Learner(peer.lag_entries),
        (true, true, false) => Step::Silent,
        (true, true, true) => Step::Voter(peer.raft_id),
    })
}

fn words(node: &str, step: Step) -> String {
    match step {
        Step::Awaited => format!("waiting for {node} to rejoin"),
        Step::Learner(Some(lag)) => {
            format!("{node} has rejoined as a learner and is catching up, {lag} entries behind")
        }
        Step::Learner(None) => format!("{node} has rejoined as a learner and is catching up"),
        Step::Silent => format!("{node} is a voter again, and does not answer yet"),
        Step::Voter(_) => format!("{node} is a full member again"),
    }
}
