//! The group as nodes that answer, contradict each other or stay silent describe it.

use clap::Parser;

use super::*;
use crate::cli::{AwaitedRole, Cli};

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
        voter: true,
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

fn group(cluster: &Cluster, statuses: Statuses) -> GroupAnswers<'_> {
    let seen = cluster.nodes().iter().zip(statuses).map(|(node, status)| NodeAnswer { node, status }).collect();
    GroupAnswers { seen }
}

type Statuses = [Result<Box<StatusReply>, CallError>; 3];

fn whole() -> Statuses {
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

#[tokio::test]
async fn an_order_that_needs_a_primary_is_told_which_nodes_still_start_and_why() {
    let cluster = cluster();
    let starts = |node: &str, waits: &str| {
        let mut starts = said(node, Role::Unknown, false, 0);
        starts.as_mut().unwrap().starting = waits.to_owned();
        starts
    };
    let nodes = [starts("a", "waiting for b"), Err(CallError::TimedOut), starts("w", "waiting for b")];
    let refused = group(&cluster, nodes).require_primary().unwrap_err().to_string();
    let told = "(b: no answer in time; a: waiting for b; w: waiting for b)";
    assert!(refused.contains("2 of 3 nodes answered") && refused.contains(told), "{refused}");
}

/// A whole group, but for a backup that is ten entries behind.
fn lagging(cluster: &Cluster) -> GroupAnswers<'_> {
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

#[tokio::test]
async fn a_node_that_does_not_vote_yet_makes_the_group_not_whole() {
    let cluster = cluster();
    let mut statuses = whole();
    statuses[0].as_mut().unwrap().role.as_mut().unwrap().peers[0].voter = false;
    assert_eq!(group(&cluster, statuses).not_whole(0), Some("b: does not vote yet".to_owned()));
}

fn code(statuses: Statuses) -> u8 {
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
    let mut stopped = whole();
    stopped[0].as_mut().unwrap().updates_stopped = "updates are stopped: no room on the disk of a".to_owned();
    assert_eq!(code(stopped), 4, "the primary takes no updates");
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

#[tokio::test]
async fn a_node_that_is_asked_for_by_name_is_named_with_the_reason_of_each_silence() {
    let cluster = cluster();
    let [a, _, w] = whole();
    let group = group(&cluster, [a, Err(CallError::Unreachable("Connection refused".to_owned())), w]);
    assert_eq!(group.required("w").unwrap().node.address, "h:3");
    let silent = group.required("b").unwrap_err();
    assert_eq!(silent.exit_code(), 3);
    let line = "node \"b\" does not answer at any of --endpoints (b: unreachable (Connection refused))";
    assert_eq!(silent.to_string(), line);
    let all = self::group(&cluster, whole());
    assert_eq!(all.required("x").unwrap_err().to_string(), "no node at --endpoints is \"x\": a, b, w answer");
}

#[tokio::test]
async fn updates_are_replicated_once_every_disk_has_them_and_every_data_node_has_applied_them() {
    let cluster = cluster();
    let with = |change: &dyn Fn(&mut Statuses)| {
        let mut statuses = whole();
        statuses[2].as_mut().unwrap().applied_index = 0; // a witness applies nothing
        change(&mut statuses);
        let group = group(&cluster, statuses);
        group.is_replicated(group.committed())
    };
    assert_eq!(with(&|_| {}), Ok(()));
    let lacks = |node: &str, entries| Err(Failure::Refused(format!("not replicated: {node} lacks {entries} entries")));
    let witness_behind = |all: &mut Statuses, lag| {
        let peers = &mut all[0].as_mut().unwrap().role.as_mut().unwrap().peers;
        peers.iter_mut().find(|peer| peer.node == "w").unwrap().lag_entries = lag;
    };
    assert_eq!(with(&|all| witness_behind(all, Some(40))), lacks("w", 40));
    assert_eq!(with(&|all| witness_behind(all, None)), lacks("w", 100), "an unknown lag is no replication");
    assert_eq!(with(&|all| all[1].as_mut().unwrap().applied_index = 99), lacks("b", 1));
    assert!(matches!(with(&|all| all[1] = Err(CallError::TimedOut)), Err(Failure::Refused(_))), "a node is away");
    let silent = with(&|all| all.iter_mut().for_each(|one| *one = Err(CallError::TimedOut)));
    assert!(matches!(silent, Err(Failure::Unreachable(_))), "{silent:?}");
    let no_primary = with(&|all| all[0] = said("a", Role::Backup, true, 5)).unwrap_err();
    assert!(no_primary.to_string().contains("no primary visible from here"), "{no_primary}");
}

#[tokio::test]
async fn a_node_is_drained_once_its_http_front_end_says_so_and_a_silent_one_is_not() {
    let cluster = cluster();
    let mut statuses = whole();
    assert!(
        group(&cluster, whole()).is_drained("b").unwrap_err().to_string().contains("its HTTP front end is running")
    );
    statuses[1].as_mut().unwrap().http_proxy = "drained".to_owned();
    assert_eq!(group(&cluster, statuses).is_drained("b"), Ok(()));
    let mut statuses = whole();
    statuses[1] = Err(CallError::TimedOut);
    assert_eq!(group(&cluster, statuses).is_drained("b").unwrap_err().exit_code(), 3);
}

#[tokio::test]
async fn a_release_is_that_of_every_node() {
    let cluster = cluster();
    let mut statuses = whole();
    statuses.iter_mut().for_each(|status| status.as_mut().unwrap().version = "0.2.0".to_owned());
    statuses[1].as_mut().unwrap().version = "0.1.0".to_owned();
    let mixed = group(&cluster, statuses);
    assert_eq!(mixed.runs_release("0.2.0"), Err(Failure::Refused("b runs 0.1.0, not 0.2.0".to_owned())));
    assert_eq!(group(&cluster, whole()).runs_release(""), Ok(()));
}

#[tokio::test]
async fn a_role_is_the_nodes_own_word_and_a_primary_is_confirmed() {
    let cluster = cluster();
    let group_of_three = group(&cluster, whole());
    for (node, role) in [("a", AwaitedRole::Primary), ("b", AwaitedRole::Backup), ("w", AwaitedRole::Witness)] {
        assert_eq!(group_of_three.has_role(node, role), Ok(()));
    }
    let not = group_of_three.has_role("b", AwaitedRole::Primary).unwrap_err();
    assert_eq!(not, Failure::Refused("b is not primary: it is backup".to_owned()));
    let mut statuses = whole();
    statuses[0] = said("a", Role::Primary, false, 5);
    let not = group(&cluster, statuses).has_role("a", AwaitedRole::Primary).unwrap_err();
    assert!(not.to_string().contains("no quorum confirms it"), "{not}");
    assert_eq!(group_of_three.has_role("z", AwaitedRole::Backup).unwrap_err().exit_code(), 3);
}
