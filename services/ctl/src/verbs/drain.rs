//! `drain`: a node takes no more clients, and takes them again with `--undo`. The node decides whether the role can move.

use std::time::Duration;

use ocs_proto::control::{DrainReply, DrainRequest};
use serde::Serialize;

use crate::{
    cli::DrainArgs,
    cluster::Cluster,
    failure::Failure,
    group::{self, GroupAnswers},
    print::{self, Out},
};

/// Longer than a node's handover and its drain timeout.
const TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug, Serialize)]
struct View {
    node: String,
    drained: bool,
}

/// Asks the node.
pub(crate) async fn run(cluster: &Cluster, out: Out, args: &DrainArgs) -> Result<(), Failure> {
    let (node, undo) = (group::node_named(cluster, &args.node).await?, args.undo);
    if !undo && !args.force {
        leaves_another(&group::survey(cluster).await, &args.node)?;
    }
    let reply = node
        .call(cluster.timeout_or(TIMEOUT), |mut client| async move {
            Ok(client.drain(DrainRequest { undo }).await?.into_inner())
        })
        .await
        .map_err(|error| error.into_failure(&node.address))?;
    let DrainReply { done, reason, node } = reply;
    if !done {
        let not = if undo { "the drain is not taken back" } else { "not drained" };
        return Err(Failure::Refused(format!("{node}: {not}: {reason}")));
    }
    out.show(&View { node, drained: !undo }, line)
}

/// Fails if no other data node takes clients.
fn leaves_another(group: &GroupAnswers<'_>, node: &str) -> Result<(), Failure> {
    let others: Vec<_> = group.data_nodes().filter(|(seen, _)| group.name(seen) != node).collect();
    let takes_none =
        |state: &str| state.is_empty() || ["drained", "disabled", "failed"].iter().any(|word| state.starts_with(word));
    if others.iter().any(|(_, status)| !takes_none(&status.http_proxy)) {
        return Ok(());
    }
    let states = others.iter().map(|(seen, status)| format!("{}: {}", group.name(seen), status.http_proxy));
    let states = states.collect::<Vec<_>>().join(", ");
    let states = if states.is_empty() { "no other data node answers".to_owned() } else { states };
    Err(Failure::Refused(format!(
        "{node}: not drained: no other node takes clients ({states}): `ocsctl drain NODE --undo` there first, or --force"
    )))
}

fn line(view: &View) -> String {
    let node = print::visible(&view.node);
    if view.drained {
        format!("{node} takes no clients, its requests in flight are finished; `ocsctl drain {node} --undo` ends it")
    } else {
        format!("{node} takes clients again")
    }
}
