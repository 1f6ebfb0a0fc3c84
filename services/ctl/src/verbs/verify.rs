//! `verify`: every data node recomputes its digest from its rows; compared with what it recorded, and across nodes.
//! Says which node is wrong and what comes of it. Never repairs anything: a node that finds itself wrong does.

use std::time::Duration;

use futures::future::join_all;
use ocs_proto::control::{VerifyReply, VerifyRequest};
use serde::Serialize;

use crate::{
    cluster::{Cluster, Node},
    failure::Failure,
    group,
    print::{self, Out},
};

/// Recomputing reads every row.
const TIMEOUT: Duration = Duration::from_secs(600);
/// How often to ask again when updates moved one node between two answers.
const ATTEMPTS: usize = 5;

#[derive(Debug, Serialize)]
struct View {
    equal: bool,
    /// Whether the nodes answered for the same index; otherwise they were not compared with each other.
    compared: bool,
    /// Nodes whose rows are not what they recorded.
    wrong: Vec<String>,
    /// What it means and what to do; empty: nothing.
    advice: String,
    nodes: Vec<NodeView>,
}

#[derive(Debug, Serialize)]
struct NodeView {
    node: String,
    index: u64,
    rows: u64,
    recorded: String,
    recomputed: String,
    equal: bool,
}

/// Fails on any difference, and when a data node could not be asked.
pub(crate) async fn run(cluster: &Cluster, out: Out) -> Result<(), Failure> {
    let group = group::survey(cluster).await;
    let nodes: Vec<&Node> = group.data_nodes().map(|(seen, _)| seen.node).collect();
    if nodes.is_empty() {
        group.require_primary()?;
    }
    let view = compare_until_comparable(cluster, &nodes).await?;
    out.show(&view, table)?;
    if !view.equal {
        return Err(Failure::Refused(view.advice));
    }
    // A silent node that some primary knows as witness has no records to verify.
    let witness = |name: &str| {
        let peers = group.seen.iter().filter_map(|seen| seen.role()).flat_map(|role| &role.peers);
        peers.into_iter().any(|peer| peer.witness && peer.node == name)
    };
    let silent = group.seen.iter().filter(|seen| seen.status.is_err()).map(|seen| group.name(seen));
    match silent.into_iter().find(|name| !witness(name)) {
        Some(name) => Err(Failure::Unreachable(format!("{name} does not answer and was not verified"))),
        None => Ok(()),
    }
}

async fn compare_until_comparable(cluster: &Cluster, nodes: &[&Node]) -> Result<View, Failure> {
    for _ in 1..ATTEMPTS {
        let view = compare(ask_all(cluster, nodes).await?);
        if view.compared || !view.equal {
            return Ok(view);
        }
    }
    Ok(compare(ask_all(cluster, nodes).await?))
}

async fn ask_all(cluster: &Cluster, nodes: &[&Node]) -> Result<Vec<VerifyReply>, Failure> {
    let limit = cluster.timeout_or(TIMEOUT);
    let asked = nodes.iter().map(|node| async move {
        node.call(limit, |mut client| async move { Ok(client.verify(VerifyRequest {}).await?.into_inner()) })
            .await
            .map_err(|error| error.into_failure(&node.address))
    });
    join_all(asked).await.into_iter().collect()
}

fn compare(replies: Vec<VerifyReply>) -> View {
    let compared = replies.windows(2).all(|pair| pair[0].index == pair[1].index);
    let same_index_same_digest = replies.iter().all(|one| {
        replies.iter().filter(|other| other.index == one.index).all(|other| other.recomputed == one.recomputed)
    });
    let own = replies.iter().all(|reply| reply.equal && reply.recorded == reply.recomputed);
    let node = |reply: VerifyReply| NodeView {
        node: reply.node,
        index: reply.index,
        rows: reply.rows,
        equal: reply.equal && reply.recorded == reply.recomputed,
        recorded: reply.recorded,
        recomputed: reply.recomputed,
    };
    let nodes: Vec<NodeView> = replies.into_iter().map(node).collect();
    let wrong: Vec<String> = nodes.iter().filter(|node| !node.equal).map(|node| node.node.clone()).collect();
    let equal = own && same_index_same_digest;
    View { equal, compared, advice: if equal { String::new() } else { advice(&wrong, &nodes) }, wrong, nodes }
}

fn advice(wrong: &[String], nodes: &[NodeView]) -> String {
    let all: Vec<&str> = nodes.iter().map(|node| node.node.as_str()).collect();
    if wrong.is_empty() {
        let both = all.join(" and ");
        return format!(
            "{both} differ, and each agrees with itself: within 1024 entries each looks what the log makes of it, and the one \
             that is wrong fetches its state from the other; see `ocsctl status`, then verify again"
        );
    }
    let names = wrong.join(" and ");
    if wrong.len() == all.len() {
        return format!(
            "{names}: rows on disk are not those that were written, and no data node is right: restore a backup"
        );
    }
    format!(
        "{names} is wrong: rows on disk are not those that were written; it stops serving and fetches its state from another \
         data node by itself; see `ocsctl status`, then verify again"
    )
}

fn table(view: &View) -> String {
    let row = |node: &NodeView| {
        let equal = if node.equal { "yes" } else { "NO" };
        let numbers = [node.index.to_string(), node.rows.to_string()];
        let [index, rows] = numbers;
        [node.node.clone(), index, rows, node.recorded.clone(), node.recomputed.clone(), equal.to_owned()]
    };
    let table = print::table(&["node", "index", "rows", "recorded", "recomputed", "equal"], view.nodes.iter().map(row));
    let verdict = match (view.equal, view.compared) {
        (false, _) => view.advice.as_str(),
        (true, true) => "every digest is equal",
        (true, false) => "each node agrees with itself; not compared with each other: updates kept moving them",
    };
    format!("{table}\n{verdict}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(node: &str, index: u64, recorded: &str, recomputed: &str) -> VerifyReply {
        let text = str::to_owned;
        let equal = recorded == recomputed;
        VerifyReply { node: text(node), index, recorded: text(recorded), recomputed: text(recomputed), rows: 3, equal }
    }

    #[test]
    fn equal_digests_at_the_same_index_are_equal() {
        let view = compare(vec![reply("a", 7, "ff", "ff"), reply("b", 7, "ff", "ff")]);
        assert!(view.equal && view.compared);
    }

    #[test]
    fn a_node_that_disagrees_with_itself_is_a_difference() {
        let view = compare(vec![reply("a", 7, "ff", "fe"), reply("b", 7, "ff", "ff")]);
        assert!(!view.equal && view.wrong == ["a"] && view.advice.starts_with("a is wrong"), "{view:?}");
        let view = compare(vec![reply("a", 7, "ff", "fe"), reply("b", 7, "ff", "fd")]);
        assert!(view.wrong == ["a", "b"] && view.advice.contains("restore a backup"), "{view:?}");
    }

    #[test]
    fn nodes_that_disagree_at_the_same_index_are_a_difference() {
        let view = compare(vec![reply("a", 7, "ff", "ff"), reply("b", 7, "ee", "ee")]);
        assert!(!view.equal && view.wrong.is_empty() && view.advice.starts_with("a and b differ"), "{view:?}");
    }

    #[test]
    fn digests_of_different_indexes_are_not_compared() {
        let view = compare(vec![reply("a", 7, "ff", "ff"), reply("b", 8, "ee", "ee")]);
        assert!(view.equal && !view.compared);
    }
}
