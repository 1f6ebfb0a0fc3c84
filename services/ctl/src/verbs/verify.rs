//! `verify`: every data node recomputes its digest from its rows. The digest is compared with the recorded one, and across
//! nodes: at the current index if they share one, else at the newest index at which all of them kept a digest.
//! Names the wrong node and the consequence. Never repairs anything: a node that finds itself wrong does.

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

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
/// How often to ask nodes that stand at different indexes.
const ATTEMPTS: usize = 5;
/// Pause between two attempts: a node that is a moment behind moves meanwhile.
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Debug, Serialize)]
struct View {
    /// No difference was found.
    equal: bool,
    /// Whether the nodes were compared with each other.
    compared: bool,
    /// The index of the comparison; none: no comparison.
    compared_at: Option<u64>,
    /// Nodes whose rows differ from their recorded digest.
    wrong: Vec<String>,
    /// The meaning of the result and the remedy; empty: all is well.
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

/// Fails on any difference, on a node that stands still behind another, and on a data node that was not asked or compared.
pub(crate) async fn run(cluster: &Cluster, out: Out) -> Result<(), Failure> {
    let group = group::survey(cluster).await;
    let nodes: Vec<&Node> = group.data_nodes().map(|(seen, _)| seen.node).collect();
    if nodes.is_empty() {
        group.require_primary()?;
    }
    let view = compare_until_settled(cluster, &nodes).await?;
    out.show(&view, table)?;
    if !view.equal || (!view.compared && nodes.len() > 1) {
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
        None if !view.compared => Err(Failure::Refused(view.advice)),
        None => Ok(()),
    }
}

async fn compare_until_settled(cluster: &Cluster, nodes: &[&Node]) -> Result<View, Failure> {
    let first = ask_all(cluster, nodes).await?;
    let (mut view, mut settled) = compare(&first, None);
    for _ in 1..ATTEMPTS {
        if settled {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        (view, settled) = compare(&ask_all(cluster, nodes).await?, Some(&first));
    }
    Ok(view)
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

/// The verdict on the answers, and whether a further attempt could show more. `first`: earlier answers of the same nodes.
fn compare(replies: &[VerifyReply], first: Option<&[VerifyReply]>) -> (View, bool) {
    let nodes: Vec<NodeView> = replies.iter().map(NodeView::of).collect();
    let wrong: Vec<String> = nodes.iter().filter(|node| !node.equal).map(|node| node.node.clone()).collect();
    let together = replies.windows(2).all(|pair| pair[0].index == pair[1].index);
    let (compared_at, same) = if replies.len() < 2 {
        (None, true)
    } else if together {
        (replies.first().map(|one| one.index), recomputed_same(replies))
    } else {
        kept_same(replies)
    };
    let standing = first.map(|first| standing(replies, first)).unwrap_or_default();
    let all: Vec<&str> = nodes.iter().map(|node| node.node.as_str()).collect();
    let advice = if !wrong.is_empty() {
        advice_for_wrong(&wrong, all.len())
    } else if !same {
        advice_for_different(&all, compared_at, together)
    } else if !standing.is_empty() {
        advice_for_standing(&standing, &nodes)
    } else if let [alone] = all[..] {
        format!("{alone} agrees with itself; no other data node answered, so nothing was compared")
    } else if compared_at.is_none() {
        format!(
            "{} were not compared: they stand at different indexes and kept no digest at a common one; verify again when \
             fewer updates come",
            all.join(" and ")
        )
    } else {
        String::new()
    };
    let equal = wrong.is_empty() && same && standing.is_empty();
    let settled =
        together || !wrong.is_empty() || !same || (first.is_some() && standing.is_empty() && compared_at.is_some());
    (View { equal, compared: compared_at.is_some(), compared_at, wrong, advice, nodes }, settled)
}

impl NodeView {
    fn of(reply: &VerifyReply) -> Self {
        Self {
            node: reply.node.clone(),
            index: reply.index,
            rows: reply.rows,
            equal: reply.equal && reply.recorded == reply.recomputed,
            recorded: reply.recorded.clone(),
            recomputed: reply.recomputed.clone(),
        }
    }
}

fn recomputed_same(replies: &[VerifyReply]) -> bool {
    replies.windows(2).all(|pair| pair[0].recomputed == pair[1].recomputed)
}

/// The newest index at which every node has a digest, and whether these digests are equal.
fn kept_same(replies: &[VerifyReply]) -> (Option<u64>, bool) {
    let mut by_index: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
    for reply in replies {
        let kept = reply.kept.iter().map(|kept| (kept.index, kept.recorded.as_str()));
        let mut own: BTreeMap<u64, &str> = kept.collect();
        own.insert(reply.index, &reply.recorded);
        own.into_iter().for_each(|(index, digest)| by_index.entry(index).or_default().push(digest));
    }
    let common = by_index.into_iter().rev().find(|(_, digests)| digests.len() == replies.len());
    common.map_or((None, true), |(index, digests)| (Some(index), digests.windows(2).all(|pair| pair[0] == pair[1])))
}

/// Nodes that are behind another node and have not moved since the first answers.
fn standing(replies: &[VerifyReply], first: &[VerifyReply]) -> Vec<String> {
    let newest = replies.iter().map(|reply| reply.index).max().unwrap_or(0);
    let moved = |reply: &VerifyReply| first.iter().any(|one| one.node == reply.node && one.index != reply.index);
    replies.iter().filter(|reply| reply.index < newest && !moved(reply)).map(|reply| reply.node.clone()).collect()
}

fn advice_for_standing(standing: &[String], nodes: &[NodeView]) -> String {
    let places: Vec<String> = nodes.iter().map(|node| format!("{} at index {}", node.node, node.index)).collect();
    format!(
        "{} stands still behind another node ({}): they do not hold the same; see `ocsctl status`; if it does not catch up, \
         `ocsctl node replace` has it fetch everything again",
        standing.join(" and "),
        places.join(", ")
    )
}

fn advice_for_different(all: &[&str], index: Option<u64>, together: bool) -> String {
    let both = all.join(" and ");
    let place = index.filter(|_| !together).map(|index| format!(" at index {index}")).unwrap_or_default();
    format!(
        "{both} hold different data{place}. Repair starts automatically within 1,024 updates; run verify again then, and see \
         `ocsctl status`"
    )
}

fn advice_for_wrong(wrong: &[String], all: usize) -> String {
    let names = wrong.join(" and ");
    if wrong.len() == all {
        return format!(
            "{names}: rows on disk are not those that were written, and no data node is right: restore a backup"
        );
    }
    format!(
        "{names} is wrong: rows on disk are not those that were written; it stops serving and fetches its state from another \
         data node by itself; see `ocsctl status`, then verify again"
    )
}

/// Enough of a digest to compare by eye; JSON has all of it.
fn short(digest: &str) -> String {
    digest.chars().take(16).collect()
}

fn table(view: &View) -> String {
    let row = |node: &NodeView| {
        let equal = if node.equal { "yes" } else { "NO" };
        let numbers = [node.index.to_string(), node.rows.to_string()];
        let [index, rows] = numbers;
        [node.node.clone(), index, rows, short(&node.recorded), short(&node.recomputed), equal.to_owned()]
    };
    let table = print::table(&["node", "index", "rows", "recorded", "recomputed", "equal"], view.nodes.iter().map(row));
    let together = view.nodes.iter().all(|node| Some(node.index) == view.compared_at);
    let verdict = match view.compared_at {
        Some(_) if view.equal && together => "every digest is equal".to_owned(),
        Some(index) if view.equal => {
            format!("each node agrees with itself, and with the others at index {index}: updates keep moving them")
        }
        _ => view.advice.clone(),
    };
    format!("{table}\n{}", print::paragraph(&verdict))
}
