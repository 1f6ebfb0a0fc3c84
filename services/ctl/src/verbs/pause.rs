//! `pause` and `resume` of automatic failover. Never retries by itself: the result is that of one attempt.

use std::time::Duration;

use futures::future::join_all;
use ocs_proto::control::{PauseReply, PauseRequest};
use serde::Serialize;

use crate::{
    call::CallError,
    cluster::{Cluster, Node},
    failure::Failure,
    group,
    print::Out,
};

/// Longer than a node's own deadline of 10 s, so that the node's answer comes first.
const TIMEOUT: Duration = Duration::from_secs(15);

#[derive(Debug, Serialize)]
struct View {
    failover_paused: bool,
}

/// Asks the primary.
pub(crate) async fn pause(cluster: &Cluster, out: Out) -> Result<(), Failure> {
    let group = group::survey(cluster).await;
    let primary = group.require_primary()?;
    let reply = ask(cluster, primary.node, true).await.map_err(|error| error.into_failure(&primary.node.address))?;
    if !reply.done {
        return Err(Failure::Refused(format!("not paused: {}", reply.reason)));
    }
    out.show(&View { failover_paused: true }, |_| {
        "automatic failover is paused: the role moves only by `ocsctl switchover`".to_owned()
    })
}

/// Asks every node, since there may be no primary: the nodes that answer then elect one. The success of a single node is
/// enough.
pub(crate) async fn resume(cluster: &Cluster, out: Out) -> Result<(), Failure> {
    let answers = join_all(cluster.nodes().iter().map(|node| ask(cluster, node, false))).await;
    if !answers.iter().flatten().any(|reply| reply.done) {
        return Err(refusal(cluster.nodes(), answers));
    }
    out.show(&View { failover_paused: false }, |_| "automatic failover is resumed".to_owned())
}

fn refusal(nodes: &[Node], answers: Vec<Result<PauseReply, CallError>>) -> Failure {
    let silent = answers.iter().all(|answer| answer.as_ref().is_err_and(CallError::is_silence));
    let why =
        |answer: Result<PauseReply, CallError>| answer.map_or_else(|error| error.to_string(), |reply| reply.reason);
    let lines = nodes.iter().zip(answers).map(|(node, answer)| format!("{}: {}", node.address, why(answer)));
    let line = format!("not resumed: {}", lines.collect::<Vec<_>>().join("; "));
    if silent { Failure::Unreachable(line) } else { Failure::Refused(line) }
}

async fn ask(cluster: &Cluster, node: &Node, paused: bool) -> Result<PauseReply, CallError> {
    let limit = cluster.timeout_or(TIMEOUT);
    node.call(limit, |mut client| async move { Ok(client.pause(PauseRequest { paused }).await?.into_inner()) }).await
}
