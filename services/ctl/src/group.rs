//! The group as all its nodes describe it at one moment. Never changes anything. Called by `status`, `role`,
//! `switchover`, `verify`, `wait` and `drill`.

mod conditions;
#[cfg(test)]
mod tests;

use std::time::Duration;

use futures::future::join_all;
use ocs_proto::control::{GetRoleReply, PeerLag, Role, StatusReply, StatusRequest};

use crate::{
    call::CallError,
    cluster::{Cluster, Node},
    failure::Failure,
};

/// How long a node may take to describe itself.
const SURVEY_TIMEOUT: Duration = Duration::from_secs(3);

/// Entries that a data node may be behind in a group that is whole.
const CHECK_LAG_MAX: u64 = 1024;

/// A start that other voters have confirmed, as a status names it.
const CONFIRMED: &str = "confirmed";

/// The answer of one node, or the error of its call.
#[derive(Debug)]
pub(crate) struct NodeAnswer<'a> {
    /// The node as the command line names it.
    pub(crate) node: &'a Node,
    /// Its own description.
    pub(crate) status: Result<Box<StatusReply>, CallError>,
}

impl NodeAnswer<'_> {
    /// The node's description, if the node answered.
    pub(crate) fn status(&self) -> Option<&StatusReply> {
        self.status.as_deref().ok()
    }

    /// The node's own description of its role.
    pub(crate) fn role(&self) -> Option<&GetRoleReply> {
        self.status()?.role.as_ref()
    }

    /// Whether the node is a witness; false for a node without an answer.
    pub(crate) fn is_witness(&self) -> bool {
        self.role().is_some_and(|role| role.role() == Role::Witness)
    }

    fn is_confirmed_primary(&self) -> bool {
        self.role().is_some_and(|role| role.role() == Role::Primary && role.confirmed)
    }

    fn term(&self) -> u64 {
        self.role().map_or(0, |role| role.term)
    }

    /// The reason why its start waits; none: the node runs, gave no answer, or is of a release without that field.
    pub(crate) fn starting(&self) -> Option<&str> {
        self.status().map(|status| status.starting.as_str()).filter(|starting| !starting.is_empty())
    }

    /// The progress of a start that the other voters have not confirmed; none for a node of an older release.
    fn open_start(&self) -> Option<&str> {
        self.status().map(|status| status.start.as_str()).filter(|start| !matches!(*start, "" | CONFIRMED))
    }
}

/// A primary that is known by the word of another node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reported {
    /// The node that reports.
    pub(crate) by: String,
    /// The primary.
    pub(crate) primary: String,
    /// A quorum confirmed the primary to that node.
    pub(crate) confirmed: bool,
}

/// The commit index of a primary at one survey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Committed {
    /// Term of the primary: the log of another primary may have other entries behind this index.
    term: u64,
    /// Index of the last committed entry.
    index: u64,
}

/// The answers of all nodes, in the order of the command line.
#[derive(Debug)]
pub(crate) struct GroupAnswers<'a> {
    /// One answer for each node.
    pub(crate) seen: Vec<NodeAnswer<'a>>,
}

/// Asks every node at the same time.
pub(crate) async fn survey(cluster: &Cluster) -> GroupAnswers<'_> {
    let limit = cluster.timeout_or(SURVEY_TIMEOUT).min(SURVEY_TIMEOUT);
    let ask = |node| async move { NodeAnswer { node, status: status(node, limit).await } };
    GroupAnswers { seen: join_all(cluster.nodes().iter().map(ask)).await }
}

/// The node of this name, by its own answer.
pub(crate) async fn node_named<'a>(cluster: &'a Cluster, name: &str) -> Result<&'a Node, Failure> {
    let group = survey(cluster).await;
    group.required(name).map(|seen| seen.node)
}

async fn status(node: &Node, limit: Duration) -> Result<Box<StatusReply>, CallError> {
    node.call(limit, |mut client| async move { Ok(Box::new(client.status(StatusRequest {}).await?.into_inner())) })
        .await
}

impl<'a> GroupAnswers<'a> {
    /// The node of this name, if that node answered.
    pub(crate) fn named(&self, name: &str) -> Option<&NodeAnswer<'a>> {
        self.seen.iter().find(|seen| seen.role().is_some_and(|role| role.node == name))
    }

    /// The node of this name.
    ///
    /// # Errors
    /// That node did not answer: why each endpoint without an answer gave none, or the names of those that answered.
    pub(crate) fn required(&self, name: &str) -> Result<&NodeAnswer<'a>, Failure> {
        let silent = || {
            let causes: Vec<_> = self.silent().collect();
            if causes.is_empty() {
                let known: Vec<_> = self.seen.iter().map(|seen| self.name(seen)).collect();
                return Failure::Unreachable(format!(
                    "no node at --endpoints is {name:?}: {} answer",
                    known.join(", ")
                ));
            }
            let causes = causes.join("; ");
            Failure::Unreachable(format!("node {name:?} does not answer at any of --endpoints ({causes})"))
        };
        self.named(name).ok_or_else(silent)
    }
}

impl GroupAnswers<'_> {
    /// The confirmed primary; of two (the first answered a moment before the second took over) the primary of the later term.
    pub(crate) fn primary(&self) -> Option<&NodeAnswer<'_>> {
        self.seen.iter().filter(|seen| seen.is_confirmed_primary()).max_by_key(|seen| seen.term())
    }

    /// The primary, or the failure that tells no primary from no answer.
    pub(crate) fn require_primary(&self) -> Result<&NodeAnswer<'_>, Failure> {
        self.primary().ok_or_else(|| self.no_primary())
    }

    fn no_primary(&self) -> Failure {
        let causes: Vec<_> = self.silent().chain(self.waits()).collect();
        let why = if causes.is_empty() { String::new() } else { format!(" ({})", causes.join("; ")) };
        let line = format!("{}{why}", self.no_primary_line());
        if self.answered() == 0 { Failure::Unreachable(line) } else { Failure::NoPrimary(line) }
    }

    /// The view where no primary is: how many nodes answered, and their reports.
    pub(crate) fn no_primary_line(&self) -> String {
        let line = format!("no primary visible from here ({} of {} nodes answered)", self.answered(), self.seen.len());
        match self.reported() {
            Some(Reported { by, primary, confirmed: true }) => {
                format!("{line}; {by} reports that {primary} is primary")
            }
            Some(Reported { by, primary, .. }) => {
                format!("{line}; {by} reports that {primary} is primary, but no quorum confirms it")
            }
            None => line,
        }
    }

    /// Nodes that answered.
    pub(crate) fn answered(&self) -> usize {
        self.seen.iter().filter(|seen| seen.status.is_ok()).count()
    }

    /// A node's report that another node is primary; a report that a quorum confirmed comes first.
    pub(crate) fn reported(&self) -> Option<Reported> {
        let report = |seen: &NodeAnswer<'_>| {
            let role = seen.role().filter(|role| !role.primary.is_empty() && role.primary != role.node)?;
            Some(Reported { by: role.node.clone(), primary: role.primary.clone(), confirmed: role.confirmed })
        };
        self.seen.iter().filter_map(report).max_by_key(|report| report.confirmed)
    }

    /// Fails unless a primary is confirmed, by its own word or by the report of a node that asked a quorum.
    pub(crate) fn known_primary(&self) -> Result<(), Failure> {
        let reported = || self.reported().is_some_and(|report| report.confirmed);
        if self.primary().is_some() || reported() { Ok(()) } else { Err(self.no_primary()) }
    }

    /// Fails unless the group takes updates, is whole, and no node has a warning.
    pub(crate) fn health(&self) -> Result<(), Failure> {
        self.known_primary()?;
        let stopped = self.primary().and_then(NodeAnswer::status).map(|status| status.updates_stopped.as_str());
        if let Some(why) = stopped.filter(|why| !why.is_empty()) {
            return Err(Failure::NoPrimary(why.to_owned()));
        }
        let why = self.not_whole(CHECK_LAG_MAX).or_else(|| self.warned());
        why.map_or(Ok(()), |why| Err(Failure::Degraded(why)))
    }

    fn warned(&self) -> Option<String> {
        let first = |seen: &NodeAnswer<'_>| Some(format!("{}: {}", self.name(seen), seen.status()?.warnings.first()?));
        self.seen.iter().find_map(first)
    }

    fn silent(&self) -> impl Iterator<Item = String> {
        let line = |seen: &NodeAnswer<'_>| Some(format!("{}: {}", self.name(seen), seen.status.as_ref().err()?));
        self.seen.iter().filter_map(line)
    }

    /// The nodes that start, and why each start waits.
    fn waits(&self) -> impl Iterator<Item = String> {
        let line = |seen: &NodeAnswer<'_>| Some(format!("{}: {}", self.name(seen), seen.starting()?));
        self.seen.iter().filter_map(line)
    }

    /// The name of a node: from its own answer, else from another node's configuration of its address, else the address.
    pub(crate) fn name(&self, seen: &NodeAnswer<'_>) -> String {
        if let Some(role) = seen.role() {
            return role.node.clone();
        }
        let address = &seen.node.address;
        let named = |status: &StatusReply| {
            status.controls.iter().find(|(_, control)| *control == address).map(|(name, _)| name.clone())
        };
        self.seen.iter().filter_map(NodeAnswer::status).find_map(named).unwrap_or_else(|| address.clone())
    }

    /// Why no data node answers: the cause of each endpoint.
    pub(crate) fn no_data_node(&self) -> Failure {
        let causes: Vec<_> = self.silent().collect();
        let why = if causes.is_empty() { String::new() } else { format!(" ({})", causes.join("; ")) };
        Failure::Unreachable(format!("no data node answers{why}"))
    }

    /// The nodes that answered and hold records.
    pub(crate) fn data_nodes(&self) -> impl Iterator<Item = (&NodeAnswer<'_>, &StatusReply)> {
        self.seen.iter().filter(|seen| !seen.is_witness()).filter_map(|seen| Some((seen, seen.status()?)))
    }

    /// The lag of a node's log, entries, as the primary knows it.
    pub(crate) fn lag(&self, node: &str) -> Option<u64> {
        self.peer(node)?.lag_entries
    }

    /// The node whose start is not confirmed, and the missing confirmations: by its own answer, or by the primary's.
    fn unconfirmed(&self) -> Option<String> {
        let of_itself = |seen: &NodeAnswer<'_>| {
            Some(format!("{}: the other voters have not confirmed its start ({})", self.name(seen), seen.open_start()?))
        };
        let of_primary = || {
            let peer = self.primary()?.role()?.peers.iter().find(|peer| peer.unconfirmed)?;
            Some(format!("{}: the primary has not confirmed its start", peer.node))
        };
        self.seen.iter().find_map(of_itself).or_else(of_primary)
    }

    /// Whether a node runs and takes no part, since the others have not confirmed its start.
    pub(crate) fn is_unconfirmed(&self, node: &str) -> bool {
        let by_primary = self.peer(node).is_some_and(|peer| peer.unconfirmed);
        by_primary || self.named(node).is_some_and(|seen| seen.open_start().is_some())
    }

    /// The primary's commit index; none without a primary, or if its answer has no commit index.
    pub(crate) fn committed(&self) -> Option<Committed> {
        let primary = self.primary()?;
        let index = primary.status()?.commit_index;
        (index > 0).then(|| Committed { term: primary.term(), index })
    }

    fn peer(&self, node: &str) -> Option<&PeerLag> {
        self.primary()?.role()?.peers.iter().find(|peer| peer.node == node)
    }

    /// Why the group is not whole, in one line; none if every node answers, a confirmed primary is in touch with the others,
    /// every start is confirmed, the rules are those that were ordered, no data node is more than `lag_max` entries behind,
    /// and the HTTP Proxies run.
    pub(crate) fn not_whole(&self, lag_max: u64) -> Option<String> {
        self.not_whole_since(lag_max, None)
    }

    /// As [`GroupAnswers::not_whole`]; a data node that has applied every entry committed at an `earlier` survey is not behind
    /// either: while updates go on, a backup is always some entries behind the newest one.
    fn not_whole_since(&self, lag_max: u64, earlier: Option<Committed>) -> Option<String> {
        if let Some(silent) = self.silent().next() {
            return Some(silent);
        }
        if let Some(starting) = self.waits().next() {
            return Some(starting);
        }
        let Some(primary) = self.primary() else { return Some(self.no_primary().to_string()) };
        let peers = primary.role().map(|role| role.peers.as_slice()).unwrap_or_default();
        if let Some(peer) = peers.iter().find(|peer| !peer.connected) {
            return Some(format!("{}: not connected to the primary", peer.node));
        }
        if let Some(unconfirmed) = self.unconfirmed() {
            return Some(unconfirmed);
        }
        // a replaced node is a learner first, and has all entries a moment before its first vote
        if let Some(learner) = peers.iter().find(|peer| !peer.voter) {
            return Some(format!("{}: does not vote yet", learner.node));
        }
        if let Some(open) = primary.status().and_then(rules_are_raised) {
            return Some(format!("{}: {open}", self.name(primary)));
        }
        let commit = primary.status().map_or(0, |status| status.commit_index);
        self.data_nodes().find_map(|(seen, status)| {
            let name = self.name(seen);
            let behind = self.lag(&name).unwrap_or(0).max(commit.saturating_sub(status.applied_index));
            let caught_up = earlier.is_some_and(|earlier| status.applied_index >= earlier.index);
            if behind > lag_max && !caught_up {
                Some(format!("{name}: {behind} entries behind"))
            } else if !matches!(status.http_proxy.as_str(), "running" | "listening") {
                Some(format!("{name}: the HTTP front end is {}", status.http_proxy))
            } else {
                None
            }
        })
    }
}

/// In the first moments of a group, and of an upgrade that was just finalized, requests are still decided by the rules before.
fn rules_are_raised(primary: &StatusReply) -> Option<String> {
    let ordered = primary.rules_wanted.min(primary.rules_known);
    let rules = primary.rules;
    (rules < ordered).then(|| format!("the group still decides by rules version {rules}, {ordered} is ordered"))
}

/// Surveys the group until every condition of [`GroupAnswers::not_whole`] is met, for at most `limit`; the error then names the
/// fault. A data node has caught up once its applied index reaches the commit index of an earlier survey of this wait.
pub(crate) async fn wait_whole(cluster: &Cluster, lag_max: u64, limit: Duration) -> Result<(), String> {
    const PAUSE: Duration = Duration::from_millis(100);
    let began = std::time::Instant::now();
    let mut earlier = None;
    loop {
        let group = survey(cluster).await;
        earlier = of_this_reign(earlier, group.committed());
        let Some(why) = group.not_whole_since(lag_max, earlier) else { return Ok(()) };
        if began.elapsed() + PAUSE > limit {
            return Err(why);
        }
        earlier = earlier.or_else(|| group.committed());
        tokio::time::sleep(PAUSE).await;
    }
}

/// The commit index of an earlier survey, unless the primary has changed since.
pub(crate) fn of_this_reign(earlier: Option<Committed>, now: Option<Committed>) -> Option<Committed> {
    earlier.filter(|earlier| now.is_some_and(|now| now.term == earlier.term))
}
