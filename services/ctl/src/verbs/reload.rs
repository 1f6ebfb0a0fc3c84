//! `reload`: nodes read their configuration and certificates anew. The nodes decide from when a change counts.

use std::time::Duration;

use futures::future::join_all;
use ocs_proto::control::{ReloadReply, ReloadRequest};
use serde::Serialize;

use crate::{
    cli::ReloadArgs,
    cluster::{Cluster, Node},
    failure::Failure,
    group,
    print::{Out, visible},
};

/// A node reads files only.
const TIMEOUT: Duration = Duration::from_secs(15);

#[derive(Debug, Serialize)]
struct View {
    node: String,
    /// False: the configuration has a fault, and nothing changes.
    done: bool,
    faults: Vec<String>,
    changes: Vec<String>,
}

/// Fails where a node does not answer or has a configuration with a fault; the other nodes reload all the same.
pub(crate) async fn run(cluster: &Cluster, out: Out, args: &ReloadArgs) -> Result<(), Failure> {
    let nodes = match &args.node {
        Some(name) => vec![group::node_named(cluster, name).await?],
        None => cluster.nodes().iter().collect(),
    };
    let answers = join_all(nodes.iter().map(|node| ask(cluster, node))).await;
    let (views, failures): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    let views: Vec<View> = views.into_iter().flatten().collect();
    if !views.is_empty() {
        out.show(&views, |views| views.iter().flat_map(lines).collect::<Vec<_>>().join("\n"))?;
    }
    if let Some(failure) = failures.into_iter().find_map(Result::err) {
        return Err(failure);
    }
    match views.iter().find(|view| !view.done) {
        Some(view) => {
            Err(Failure::Refused(format!("{}: the configuration has a fault, and nothing was changed", view.node)))
        }
        None => Ok(()),
    }
}

async fn ask(cluster: &Cluster, node: &Node) -> Result<View, Failure> {
    let limit = cluster.timeout_or(TIMEOUT);
    let reply = node
        .call(limit, |mut client| async move { Ok(client.reload(ReloadRequest {}).await?.into_inner()) })
        .await
        .map_err(|error| error.into_failure(&node.address))?;
    let ReloadReply { node, done, faults, changes } = reply;
    Ok(View { node, done, faults, changes })
}

/// A line for each fault or change, with the node in front.
fn lines(view: &View) -> Vec<String> {
    let (node, told) = (visible(&view.node), if view.done { &view.changes } else { &view.faults });
    if told.is_empty() {
        return vec![format!("{node}: nothing has changed")];
    }
    told.iter().map(|line| format!("{node}: {}", visible(line))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(done: bool, faults: &[&str], changes: &[&str]) -> View {
        let owned = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
        View { node: "a".to_owned(), done, faults: owned(faults), changes: owned(changes) }
    }

    #[test]
    fn each_fault_or_change_is_a_line_of_its_node() {
        let changes = ["key logging.filter: counts now", "key raft.tick_ms: needs a restart of this node"];
        assert_eq!(lines(&view(true, &[], &changes)), changes.map(|change| format!("a: {change}")));
        assert_eq!(lines(&view(false, &["ocsd.toml, line 3: not TOML"], &[])), ["a: ocsd.toml, line 3: not TOML"]);
        assert_eq!(lines(&view(true, &[], &[])), ["a: nothing has changed"]);
    }
}
