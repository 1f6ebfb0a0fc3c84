//! The decision, case by case; and both states wrong in the same moment.

use super::*;

const WRONG: &str = "a test says so";

fn here(id: RaftId, leads: bool) -> Here {
    Here { id, leader: 1, leads, fetching: false, distrusting: false }
}

fn other(id: RaftId) -> Other {
    Other { id, lively: true, ready: true, vouched: 0, able: true }
}

/// A node that differs from its peer at an index, and the result of its own look.
fn differing(peer: RaftId, found: Option<&str>) -> Repair {
    let mut repair = Repair::default();
    let compared = repair.compare(peer, (1024, 7), |_| Some(8)).unwrap();
    assert_eq!((compared.ours, compared.theirs), (8, 7));
    match found {
        Some(why) => repair.distrust(why.to_owned(), here(1, false)),
        None => repair.vouch(1024, here(1, false)),
    }
    repair
}

#[test]
fn a_state_goes_only_while_another_data_node_can_serve_in_its_place() {
    for (leads, peer, due) in [
        (false, other(2), true),
        (true, other(2), true),
        (false, Other { lively: false, ..other(2) }, false),
        (false, Other { ready: false, ..other(2) }, false),
        (true, Other { able: false, ..other(2) }, false),
        (false, Other { able: false, ..other(2) }, true),
    ] {
        let mut repair = differing(2, Some(WRONG));
        assert_eq!(repair.due(here(1, leads), &[peer]), due, "{leads} {peer:?}");
        assert_eq!((repair.wanted(), repair.reason.as_str()), (!due, if due { WRONG } else { "" }));
    }
    assert!(!differing(2, Some(WRONG)).due(Here { fetching: true, ..here(1, false) }, &[other(2)]));
    assert!(!differing(2, Some(WRONG)).due(here(1, false), &[]), "alone it serves on");
    assert!(!Repair::default().due(here(1, false), &[other(2)]), "nothing is wrong");
}

#[test]
fn where_neither_can_be_shown_wrong_the_backup_yields_once() {
    let primary = Other { vouched: 1024, ..other(1) };
    let mut backup = differing(1, None);
    assert!(!backup.due(here(2, false), &[other(1)]), "the primary has not looked yet");
    assert!(!differing(2, None).due(Here { leader: 1, ..here(1, true) }, &[Other { vouched: 1024, ..other(2) }]));
    assert!(backup.due(here(2, false), &[primary]));
    backup.installed(Here { distrusting: true, ..here(2, false) }, true);
    backup.compare(1, (2048, 7), |_| Some(8)).unwrap();
    backup.vouch(2048, here(2, false));
    assert!(!backup.due(here(2, false), &[Other { vouched: 2048, ..other(1) }]), "it has another cause");
}

#[test]
fn who_yielded_to_a_primary_that_died_keeps_its_state_as_the_next_primary() {
    let replacing = Here { fetching: true, distrusting: true, ..here(2, false) };
    let (primary, dead) = (Other { vouched: 1024, ..other(1) }, Other { lively: false, vouched: 1024, ..other(1) });
    let mut backup = differing(1, None);
    assert!(backup.due(here(2, false), &[primary]));
    assert_eq!([0; 3].map(|_| backup.fetch_failed(replacing, &[dead])), [false, false, true]);
    assert!(!backup.due(here(2, true), &[primary]) && !backup.wanted());
    assert!(backup.due(here(2, false), &[primary]), "it is the backup again, and nothing has changed");

    let mut elected = differing(1, None);
    assert!(!elected.due(here(2, false), &[dead]) && elected.wanted());
    assert!(!elected.due(Here { leader: 2, ..here(2, true) }, &[primary]) && !elected.wanted());
}

#[test]
fn a_digest_is_compared_once_and_agreement_ends_a_difference() {
    let mut repair = differing(2, None);
    assert_eq!(repair.compare(2, (1024, 7), |_| Some(8)), None);
    assert_eq!(repair.compare(2, (2048, 7), |_| None), None, "not here yet");
    assert!(repair.compare(2, (2048, 7), |_| Some(7)).is_some());
    assert_eq!(repair.differs_at, 0);
}

#[test]
fn what_was_found_of_a_state_that_has_gone_is_not_held_against_the_next_one() {
    let replacing = Here { fetching: true, distrusting: true, ..here(2, false) };
    let firm = Other { vouched: 2048, ..other(1) };
    let mut repair = differing(1, Some(WRONG));
    assert!(repair.due(here(2, false), &[other(1)]));
    repair.compare(1, (2048, 7), |_| Some(8)).unwrap();
    repair.vouch(2048, replacing); // a difference that was noticed before, looked into late
    assert!(!repair.due(replacing, &[firm]));
    repair.installed(replacing, true);
    assert!(!repair.due(here(2, false), &[firm]) && !repair.wanted());

    let mut behind = differing(1, Some(WRONG));
    behind.installed(Here { fetching: true, ..here(2, false) }, false);
    assert!(behind.wanted(), "the state here went on while another one came");
    behind.installed(Here { fetching: true, ..here(2, false) }, true);
    assert!(!behind.wanted(), "a snapshot took its place");
}

/// A data node of two: the facts in its heads, and the other node's view of them.
struct Node {
    id: RaftId,
    repair: Repair,
    distrusting: bool,
    /// The node whose state this node has.
    state: RaftId,
}

impl Node {
    fn wrong(id: RaftId) -> Self {
        let repair = differing(3 - id, Some(WRONG));
        Self { id, repair, distrusting: false, state: id }
    }

    fn here(&self) -> Here {
        Here { fetching: self.distrusting, distrusting: self.distrusting, ..here(self.id, self.id == 1) }
    }

    fn seen(&self) -> Other {
        Other { ready: !self.distrusting, ..other(self.id) }
    }

    fn tick(&mut self, other: Other) {
        self.distrusting |= self.repair.due(self.here(), &[other]);
    }

    /// `given`: the state of the other node; none: the other node gives none.
    fn fetched(&mut self, given: Option<RaftId>, other: Other) {
        match given {
            Some(state) => {
                self.repair.installed(self.here(), true);
                (self.state, self.distrusting) = (state, false);
            }
            None if self.repair.fetch_failed(self.here(), &[other]) => self.distrusting = false,
            None => {}
        }
    }
}

/// Both nodes act in lockstep, each on the other's last head: the worst timing.
#[test]
fn of_two_that_are_wrong_at_once_one_serves_and_both_end_with_one_state() {
    let (mut one, mut two) = (Node::wrong(1), Node::wrong(2));
    let mut both_out = 0;
    for _ in 0..20 {
        let seen = (one.seen(), two.seen());
        one.tick(seen.1);
        two.tick(seen.0);
        both_out += u32::from(one.distrusting && two.distrusting);
        let seen = (one.seen(), two.seen());
        let gives = |node: &Node| (!node.distrusting).then_some(node.state);
        let given = (gives(&two), gives(&one));
        if one.distrusting {
            one.fetched(given.0, seen.1);
        }
        if two.distrusting {
            two.fetched(given.1, seen.0);
        }
    }
    assert!(both_out <= 2, "nobody served {both_out} times");
    assert_eq!(one.state, two.state);
    assert!(!one.distrusting && !two.distrusting && !one.repair.wanted() && !two.repair.wanted());
}

#[test]
fn one_whose_peer_lost_its_state_serves_again_whatever_its_number() {
    for id in [1, 2] {
        let mut node = Node::wrong(id);
        node.tick(other(3 - id));
        assert!(node.distrusting);
        let stateless = Other { ready: false, ..other(3 - id) };
        (0..3).for_each(|_| node.fetched(None, stateless));
        assert!(!node.distrusting && node.repair.wanted(), "node {id}");
        node.tick(stateless);
        assert!(!node.distrusting, "it serves until the other one can");
        node.tick(other(3 - id));
        assert!(node.distrusting);
    }
}

#[test]
fn one_whose_peer_dies_meanwhile_serves_again_and_is_replaced_when_the_peer_is_back() {
    let dead = Other { lively: false, ..other(2) };
    let mut alone = Node::wrong(1);
    alone.tick(other(2));
    (0..2).for_each(|_| alone.fetched(None, dead));
    assert!(alone.distrusting, "it may only be slow");
    alone.fetched(None, dead);
    assert!(!alone.distrusting && alone.repair.wanted(), "a wrong answer is an alarm, no answer is an outage");
    alone.tick(dead);
    assert!(!alone.distrusting);
    alone.tick(other(2));
    assert!(alone.distrusting);
}
