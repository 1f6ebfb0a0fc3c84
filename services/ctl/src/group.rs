//! The group as all its nodes describe it at one moment. Never changes anything. Called by `status`, `role`,
//! `switchover`, `verify`, `wait` and `drill`.

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
pub(crate) struct Seen<'a> {
    /// The node as the command line names it.
    pub(crate) node: &'a Node,
    /// Its own description.
    pub(crate) status: Result<Box<StatusReply>, CallError>,
}

impl Seen<'_> {
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
struct Committed {
    /// Term of the primary: the log of another primary may have other entries behind this index.
    term: u64,
    /// Index of the last committed entry.
    index: u64,
}

/// The answers of all nodes, in the order of the command line.
#[derive(Debug)]
pub(crate) struct Group<'a> {
    /// One answer for each node.
    pub(crate) seen: Vec<Seen<'a>>,
}

/// Asks every node at the same time.
pub(crate) async fn survey(cluster: &Cluster) -> Group<'_> {
    let limit = cluster.timeout_or(SURVEY_TIMEOUT).min(SURVEY_TIMEOUT);
    let ask = |node| async move { Seen { node, status: status(node, limit).await } };
    Group { seen: join_all(cluster.nodes().iter().map(ask)).await }
}

async fn status(node: &Node, limit: Duration) -> Result<Box<StatusReply>, CallError> {
    node.call(limit, |mut client| async move { Ok(Box::new(client.status(StatusRequest {}).await?.into_inner())) })
        .await
}

impl Group<'_> {
    /// The confirmed primary; of two (the first answered a moment before the second took over) the primary of the later term.
    pub(crate) fn primary(&self) -> Option<&Seen<'_>> {
        self.seen.iter().filter(|seen| seen.is_confirmed_primary()).max_by_key(|seen| seen.term())
    }

    /// The primary, or the failure that tells no primary from no answer.
    pub(crate) fn require_primary(&self) -> Result<&Seen<'_>, Failure> {
        self.primary().ok_or_else(|| self.no_primary())
    }

    fn no_primary(&self) -> Failure {
        let silent: Vec<_> = self.silent().collect();
        let why = if silent.is_empty() { String::new() } else { format!(" ({})", silent.join("; ")) };
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
        let report = |seen: &Seen<'_>| {
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

    /// Fails unless the group is whole and no node has a warning.
    pub(crate) fn health(&self) -> Result<(), Failure> {
        self.known_primary()?;
        let why = self.not_whole(CHECK_LAG_MAX).or_else(|| self.warned());
        why.map_or(Ok(()), |why| Err(Failure::Degraded(why)))
    }

    fn warned(&self) -> Option<String> {
        let first = |seen: &Seen<'_>| Some(format!("{}: {}", self.name(seen), seen.status()?.warnings.first()?));
        self.seen.iter().find_map(first)
    }

    fn silent(&self) -> impl Iterator<Item = String> {
        let line = |seen: &Seen<'_>| Some(format!("{}: {}", self.name(seen), seen.status.as_ref().err()?));
        self.seen.iter().filter_map(line)
    }

    /// The name of a node: from its own answer, else from another node's configuration of its address, else the address.
    pub(crate) fn name(&self, seen: &Seen<'_>) -> String {
        if let Some(role) = seen.role() {
            return role.node.clone();
        }
        let address = &seen.node.address;
        let named = |status: &StatusReply| {
            status.controls.iter().find(|(_, control)| *control == address).map(|(name, _)| name.clone())
        };
        self.seen.iter().filter_map(Seen::status).find_map(named).unwrap_or_else(|| address.clone())
    }

    /// The node of this name, if that node answered.
    pub(crate) fn named(&self, name: &str) -> Option<&Seen<'_>> {
        self.seen.iter().find(|seen| seen.role().is_some_and(|role| role.node == name))
    }

    /// The nodes that answered and hold records.
    pub(crate) fn data_nodes(&self) -> impl Iterator<Item = (&Seen<'_>, &StatusReply)> {
        self.seen.iter().filter(|seen| !seen.is_witness()).filter_map(|seen| Some((seen, seen.status()?)))
    }

    /// The lag of a node's log, entries, as the primary knows it.
    pub(crate) fn lag(&self, node: &str) -> Option<u64> {
        self.peer(node)?.lag_entries
    }

    /// The node whose start is not confirmed, and the missing confirmations: by its own answer, or by the primary's.
    fn unconfirmed(&self) -> Option<String> {
        let of_itself = |seen: &Seen<'_>| {
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
    fn committed(&self) -> Option<Committed> {
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

    /// As [`Group::not_whole`]; a data node that has applied every entry committed at an `earlier` survey is not behind
    /// either: while updates go on, a backup is always some entries behind the newest one.
    fn not_whole_since(&self, lag_max: u64, earlier: Option<Committed>) -> Option<String> {
        if let Some(silent) = self.silent().next() {
            return Some(silent);
        }
        let starting = |seen: &Seen<'_>| Some(format!("{}: {}", self.name(seen), seen.starting()?));
        if let Some(starting) = self.seen.iter().find_map(starting) {
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

/// Surveys the group until every condition of [`Group::not_whole`] is met, for at most `limit`; the error then names the
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
fn of_this_reign(earlier: Option<Committed>, now: Option<Committed>) -> Option<Committed> {
    earlier.filter(|earlier| now.is_some_and(|now| now.term == earlier.term))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    fn cluster() -> Cluster {
        Cluster::new(&Cli::parse_from(["ocsctl", "--endpoints", "h:1,h:2,h:3", "role"]).reach, false).unwrap()
    }

    fn said(node: &str, role: Role, confirmed: bool, term: u64) -> Result<Box<StatusReply>, CallError> {
        let peers = ["a", "b", "w"].iter().filter(|peer| **peer != node);
        let lag = |peer: &&str| PeerLag {
            node: (*peer).to_owned(),
            connected: true,
            lag_entries: Some(0),
            witness: *peer == "w",
            ..PeerLag::default()
        };
        let role = GetRoleReply {
            role: role.into(),
            confirmed,
            term,
            node: node.to_owned(),
            peers: peers.map(lag).collect(),
            ..GetRoleReply::default()
        };
        Ok(Box::new(StatusReply {
            role: Some(role),
            commit_index: 100,
            applied_index: 100,
            http_proxy: "running".to_owned(),
            controls: [("b".to_owned(), "h:2".to_owned())].into(),
            ..StatusReply::default()
        }))
    }

    fn group(cluster: &Cluster, statuses: [Result<Box<StatusReply>, CallError>; 3]) -> Group<'_> {
        let seen = cluster.nodes().iter().zip(statuses).map(|(node, status)| Seen { node, status }).collect();
        Group { seen }
    }

    fn whole() -> [Result<Box<StatusReply>, CallError>; 3] {
        [said("a", Role::Primary, true, 5), said("b", Role::Backup, true, 5), said("w", Role::Witness, true, 5)]
    }

    #[tokio::test]
    async fn a_group_of_three_with_one_confirmed_primary_is_whole() {
        let cluster = cluster();
        let group = group(&cluster, whole());
        assert_eq!(group.not_whole(0), None);
        assert_eq!(group.name(group.primary().unwrap()), "a");
    }

    #[tokio::test]
    async fn an_unconfirmed_primary_is_no_primary() {
        let cluster = cluster();
        let mut statuses = whole();
        statuses[0] = said("a", Role::Primary, false, 5);
        assert!(matches!(group(&cluster, statuses).require_primary(), Err(Failure::NoPrimary(_))));
    }

    #[tokio::test]
    async fn of_two_confirmed_primaries_the_later_term_counts() {
        let cluster = cluster();
        let mut statuses = whole();
        statuses[1] = said("b", Role::Primary, true, 6);
        let group = group(&cluster, statuses);
        assert_eq!(group.name(group.primary().unwrap()), "b");
    }

    #[tokio::test]
    async fn a_silent_node_is_named_by_the_others_and_makes_the_group_not_whole() {
        let cluster = cluster();
        let mut statuses = whole();
        statuses[1] = Err(CallError::TimedOut);
        let group = group(&cluster, statuses);
        assert_eq!(group.not_whole(0), Some("b: no answer in time".to_owned()));
    }

    #[tokio::test]
    async fn a_node_that_starts_makes_the_group_not_whole_and_says_what_it_waits_for() {
        let cluster = cluster();
        let mut statuses = whole();
        statuses[2].as_mut().unwrap().starting = "waiting to join".to_owned();
        assert_eq!(group(&cluster, statuses).not_whole(0), Some("w: waiting to join".to_owned()));
    }

    /// A whole group, but for a backup that is ten entries behind.
    fn lagging(cluster: &Cluster) -> Group<'_> {
        let mut statuses = whole();
        statuses[1].as_mut().unwrap().applied_index = 90;
        group(cluster, statuses)
    }

    #[tokio::test]
    async fn a_backup_that_lags_makes_the_group_not_whole() {
        let cluster = cluster();
        let group = lagging(&cluster);
        assert_eq!(group.not_whole(9), Some("b: 10 entries behind".to_owned()));
        assert_eq!(group.not_whole(10), None);
    }

    #[tokio::test]
    async fn a_backup_that_has_applied_what_was_committed_at_an_earlier_look_has_caught_up() {
        let cluster = cluster();
        let group = lagging(&cluster);
        let earlier = |index| Some(Committed { term: 5, index });
        assert_eq!(group.committed(), earlier(100));
        assert_eq!(group.not_whole_since(0, earlier(90)), None, "updates went on meanwhile");
        assert_eq!(group.not_whole_since(0, earlier(91)), Some("b: 10 entries behind".to_owned()));
        assert_eq!(group.not_whole_since(0, None), Some("b: 10 entries behind".to_owned()));
    }

    #[test]
    fn what_was_committed_under_an_earlier_primary_does_not_count() {
        let of = |term, index| Some(Committed { term, index });
        assert_eq!(of_this_reign(of(5, 90), of(5, 100)), of(5, 90));
        assert_eq!(of_this_reign(of(5, 90), of(6, 100)), None);
        assert_eq!(of_this_reign(of(5, 90), None), None);
    }

    #[tokio::test]
    async fn rules_that_are_ordered_and_do_not_count_yet_make_the_group_not_whole() {
        let cluster = cluster();
        let by = |rules: u32, rules_wanted: u32, rules_known: u32| {
            let mut statuses = whole();
            let a = statuses[0].as_mut().unwrap();
            (a.rules, a.rules_wanted, a.rules_known) = (rules, rules_wanted, rules_known);
            group(&cluster, statuses).not_whole(0)
        };
        let why = "a: the group still decides by rules version 1, 3 is ordered".to_owned();
        assert_eq!(by(1, 3, 3), Some(why));
        assert_eq!(by(3, 3, 3), None);
        assert_eq!(by(2, 3, 2), None, "this release cannot raise them");
    }

    #[tokio::test]
    async fn a_start_that_the_others_have_not_confirmed_makes_the_group_not_whole() {
        let cluster = cluster();
        let asking = |node: usize, start: &str| {
            let mut statuses = whole();
            statuses[node].as_mut().unwrap().start = start.to_owned();
            statuses
        };
        for confirmed in ["", "confirmed"] {
            assert_eq!(group(&cluster, asking(1, confirmed)).not_whole(0), None, "{confirmed:?}");
        }
        for (node, name) in [(1, "b"), (2, "w")] {
            let group = group(&cluster, asking(node, "asking: 1: no answer"));
            let why = format!("{name}: the other voters have not confirmed its start (asking: 1: no answer)");
            assert_eq!(group.not_whole(0), Some(why));
            assert!(group.is_unconfirmed(name) && !group.is_unconfirmed("a"));
        }
        let mut statuses = whole();
        statuses[0].as_mut().unwrap().role.as_mut().unwrap().peers[0].unconfirmed = true;
        let group = group(&cluster, statuses);
        assert_eq!(group.not_whole(0), Some("b: the primary has not confirmed its start".to_owned()));
        assert!(group.is_unconfirmed("b"));
    }

    fn code(statuses: [Result<Box<StatusReply>, CallError>; 3]) -> u8 {
        let cluster = cluster();
        group(&cluster, statuses).health().err().map_or(0, |failure| failure.exit_code())
    }

    #[tokio::test]
    async fn a_check_tells_whole_degraded_without_primary_and_unreachable_apart() {
        let silent = || Err(CallError::TimedOut);
        let by = |primary: &str, mut said: Result<Box<StatusReply>, CallError>| {
            said.as_mut().unwrap().role.as_mut().unwrap().primary = primary.to_owned();
            said
        };
        assert_eq!(code(whole()), 0);
        let mut warns = whole();
        warns[1].as_mut().unwrap().warnings = vec!["disk full".to_owned()];
        assert_eq!(code(warns), 5, "a warning of any node");
        let [a, b, w] = whole();
        assert_eq!(code([a, silent(), w]), 5, "a node is down");
        assert_eq!(code([silent(), by("a", b), silent()]), 5, "a quorum told b that a is primary");
        let alone = || said("b", Role::Unknown, false, 5);
        assert_eq!(code([silent(), by("a", alone()), silent()]), 4, "no quorum confirms it");
        assert_eq!(code([silent(), alone(), silent()]), 4);
        assert_eq!(code([silent(), silent(), silent()]), 3);
    }

    #[tokio::test]
    async fn what_is_not_visible_from_here_is_said_so_with_what_others_report() {
        let cluster = cluster();
        let mut said = said("b", Role::Backup, true, 5);
        said.as_mut().unwrap().role.as_mut().unwrap().primary = "a".to_owned();
        let one = group(&cluster, [Err(CallError::TimedOut), said, Err(CallError::TimedOut)]);
        let line = "no primary visible from here (1 of 3 nodes answered); b reports that a is primary";
        assert_eq!(one.no_primary_line(), line);
        let none = group(&cluster, [const { Err(CallError::TimedOut) }; 3]);
        assert_eq!(none.no_primary_line(), "no primary visible from here (0 of 3 nodes answered)");
    }

    #[tokio::test]
    async fn no_answer_from_any_node_is_unreachable() {
        let cluster = cluster();
        let group = group(&cluster, [const { Err(CallError::TimedOut) }; 3]);
        assert!(matches!(group.require_primary(), Err(Failure::Unreachable(_))));
    }
}
