//! Messages that no release sends, messages that every release sends, and messages that contradict a log.

use ocs_proto::peer::{ConfState, SnapshotMark};

use super::*;

const TERM: u64 = 5;
const COMMIT: u64 = 10;
const LAST: u64 = 12;

/// A follower of node 2 with entries 1 to 12 of term 5.
fn follower(term_of: &dyn Fn(u64) -> Option<u64>) -> Known<'_> {
    Known { id: 1, term: TERM, leader: 2, leads: false, commit: COMMIT, last: LAST, settled: true, rounds: 0, term_of }
}

fn here(index: u64) -> Option<u64> {
    (1..=LAST).contains(&index).then_some(TERM)
}

fn message(kind: MessageType) -> RaftMessage {
    RaftMessage { kind: kind as u32, to: 1, from: 2, term: TERM, ..RaftMessage::default() }
}

fn entry(index: u64) -> Entry {
    Entry { term: TERM, index, data: vec![1].into(), ..Entry::default() }
}

fn append() -> RaftMessage {
    let entries = vec![entry(LAST + 1), entry(LAST + 2)];
    RaftMessage { index: LAST, log_term: TERM, commit: LAST, entries, ..message(MessageType::MsgAppend) }
}

fn mark() -> SnapshotMark {
    let conf_state = ConfState { voters: vec![1, 2, 3], ..ConfState::default() };
    SnapshotMark { index: 20, term: TERM, conf_state: Some(conf_state) }
}

fn snapshot() -> RaftMessage {
    RaftMessage { snapshot: Some(mark()), ..message(MessageType::MsgSnapshot) }
}

fn question() -> RaftMessage {
    let context = [2_u64.to_be_bytes(), [7; 8], [9; 8]].concat();
    let entries = vec![Entry { data: context.into(), ..Entry::default() }];
    RaftMessage { term: 0, entries, ..message(MessageType::MsgReadIndex) }
}

fn asking() -> RaftMessage {
    RaftMessage {
        term: TERM + 1,
        index: LAST,
        log_term: TERM,
        commit: COMMIT,
        commit_term: TERM,
        priority: -1,
        context: b"CampaignTransfer"[..].into(),
        ..message(MessageType::MsgRequestVote)
    }
}

fn acknowledged() -> RaftMessage {
    RaftMessage { index: LAST, commit: COMMIT, ..message(MessageType::MsgAppendResponse) }
}

fn refused_by_a_follower(message: &RaftMessage) -> bool {
    matches!(check(message, &follower(&here)), Err(Refusal::Malformed(_)))
}

#[test]
fn what_every_release_sends_is_admitted() {
    let leader = Known { leads: true, leader: 1, ..follower(&here) };
    for message in [append(), snapshot(), asking(), question(), message(MessageType::MsgTimeoutNow)] {
        assert_eq!(check(&message, &follower(&here)), Ok(()), "{message:?}");
    }
    let hint = RaftMessage { reject: true, reject_hint: 3, log_term: 2, ..acknowledged() };
    for message in [acknowledged(), hint, question(), message(MessageType::MsgHeartbeatResponse)] {
        assert_eq!(check(&message, &leader), Ok(()), "{message:?}");
    }
    let far = RaftMessage { term: 1 << 40, ..append() };
    let empty = Known { term: 0, leader: 0, commit: 0, last: 0, ..follower(&|_| None) };
    assert_eq!(check(&far, &empty), Ok(()), "a node that joins knows no term");
}

#[test]
fn what_stays_at_home_or_is_of_no_kind_is_refused() {
    use MessageType as Type;
    for kind in [Type::MsgHup, Type::MsgBeat, Type::MsgPropose, Type::MsgTransferLeader, Type::MsgCheckQuorum] {
        assert!(refused_by_a_follower(&message(kind)), "{kind:?}");
    }
    for kind in [Type::MsgUnreachable, Type::MsgSnapStatus] {
        assert!(refused_by_a_follower(&message(kind)), "{kind:?}");
    }
    assert!(refused_by_a_follower(&RaftMessage { kind: 77, ..message(Type::MsgAppend) }));
}

#[test]
fn a_message_whose_numbers_cannot_be_is_refused() {
    let changes: [fn(&mut RaftMessage); 14] = [
        |message| message.from = 0,
        |message| message.from = 0x1_0001,
        |message| message.from = u64::MAX,
        |message| message.term = 0,
        |message| message.term = u64::MAX,
        |message| message.term = TERM + TERM_JUMP_MAX + 1,
        |message| message.index = u64::MAX,
        |message| message.commit = u64::MAX,
        |message| message.log_term = u64::MAX,
        |message| message.log_term = 0,
        |message| message.index = 0,
        |message| message.request_snapshot = 1,
        |message| message.priority = i64::MIN,
        |message| message.context = vec![0; CONTEXT_BYTES_MAX + 1].into(),
    ];
    for (at, change) in changes.iter().enumerate() {
        let mut changed = append();
        change(&mut changed);
        assert!(refused_by_a_follower(&changed), "change {at}");
    }
}

#[test]
fn entries_that_do_not_follow_one_another_or_that_no_log_has_are_refused() {
    let changes: [fn(&mut RaftMessage); 10] = [
        |message| message.entries[0].index = LAST,
        |message| message.entries[1].index = u64::MAX,
        |message| message.entries[1].term = TERM - 1,
        |message| message.entries[1].term = TERM + 1,
        |message| message.entries[0].term = 0,
        |message| message.entries[0].kind = 1,
        |message| message.entries[0].data = vec![0; ENTRY_BYTES_MAX + 1].into(),
        |message| message.entries[0].kind = 2, // its data is no change of the membership
        |message| message.log_term = TERM + 1,
        |message| message.snapshot = Some(mark()),
    ];
    for (at, change) in changes.iter().enumerate() {
        let mut changed = append();
        change(&mut changed);
        assert!(refused_by_a_follower(&changed), "change {at}");
    }
}

#[test]
fn a_question_without_its_one_name_is_refused() {
    assert!(refused_by_a_follower(&RaftMessage { entries: Vec::new(), ..question() }));
    assert!(refused_by_a_follower(&RaftMessage { term: TERM, ..question() }));
    let mut of_another = question();
    of_another.entries[0].data = [3_u64.to_be_bytes(), [7; 8]].concat().into();
    assert!(refused_by_a_follower(&of_another));
    let crowded = Known { rounds: ROUNDS_MAX, ..follower(&here) };
    assert!(check(&question(), &crowded).is_err());
}

#[test]
fn a_vote_before_it_was_asked_for_and_a_word_of_nobodys_leader_are_refused() {
    let vote = message(MessageType::MsgRequestVoteResponse);
    assert_eq!(check(&vote, &follower(&here)), Ok(()));
    let writing = Known { settled: false, ..follower(&here) };
    assert!(check(&vote, &writing).is_err());
    assert_eq!(check(&RaftMessage { reject: true, ..vote }, &writing), Ok(()));
    let unknown = Known { leader: 0, ..follower(&here) };
    assert!(check(&message(MessageType::MsgTimeoutNow), &unknown).is_err());
    let led_by_another = Known { leader: 3, ..follower(&here) };
    let leads = Known { leader: 1, leads: true, ..follower(&here) };
    for known in [&led_by_another, &leads] {
        for message in [append(), snapshot(), message(MessageType::MsgHeartbeat)] {
            assert!(matches!(check(&message, known), Err(Refusal::Malformed(_))), "{message:?}");
        }
    }
    let changes: [fn(&mut RaftMessage); 4] = [
        |asking| asking.log_term = 0,
        |asking| asking.index = 0,
        |asking| asking.commit = LAST + 1,
        |asking| asking.commit_term = TERM + 1,
    ];
    for change in changes {
        let mut changed = asking();
        change(&mut changed);
        assert!(refused_by_a_follower(&changed));
    }
}

#[test]
fn a_mark_that_raft_could_not_take_over_is_refused() {
    let without_voters = SnapshotMark { conf_state: Some(ConfState::default()), ..mark() };
    let later = SnapshotMark { term: TERM + 1, ..mark() };
    for wrong in [without_voters, later, SnapshotMark { index: u64::MAX, ..mark() }, SnapshotMark::default()] {
        assert!(refused_by_a_follower(&RaftMessage { snapshot: Some(wrong), ..snapshot() }));
    }
    assert!(refused_by_a_follower(&RaftMessage { snapshot: None, ..snapshot() }));
}

#[test]
fn what_contradicts_the_log_here_is_told_apart_from_what_is_wrong() {
    let contradiction = |message: &RaftMessage, known: &Known<'_>| match check(message, known) {
        Err(Refusal::Contradiction(contradiction)) => contradiction,
        other => panic!("{other:?} of {message:?}"),
    };
    let known = follower(&here);
    let beyond = RaftMessage { commit: LAST + 1, ..message(MessageType::MsgHeartbeat) };
    let expected = Contradiction::CommitBeyondLog { commit: LAST + 1, last: LAST };
    assert_eq!(contradiction(&beyond, &known), expected);
    let other = RaftMessage { index: COMMIT, log_term: TERM - 1, ..append() };
    let other = RaftMessage { entries: Vec::new(), ..other };
    let expected = Contradiction::CommittedEntry { index: COMMIT, ours: TERM, theirs: TERM - 1 };
    assert_eq!(contradiction(&other, &known), expected);
    let mut below = RaftMessage { index: COMMIT - 2, log_term: TERM - 2, ..append() };
    below.entries = vec![Entry { term: TERM - 2, ..entry(COMMIT - 1) }];
    assert!(matches!(contradiction(&below, &known), Contradiction::CommittedEntry { .. }));
    let other = SnapshotMark { index: COMMIT, term: TERM - 1, ..mark() };
    let other = RaftMessage { snapshot: Some(other), ..snapshot() };
    assert!(matches!(contradiction(&other, &known), Contradiction::CommittedEntry { .. }));
    let leader = Known { leads: true, leader: 1, ..follower(&here) };
    let expected = Contradiction::FollowerBeyondLog { theirs: LAST + 1, last: LAST };
    assert_eq!(contradiction(&RaftMessage { index: LAST + 1, ..acknowledged() }, &leader), expected);
    assert_eq!(contradiction(&RaftMessage { commit: LAST + 1, ..acknowledged() }, &leader), expected);
    let former = RaftMessage { term: TERM - 1, ..beyond };
    assert_eq!(check(&former, &known), Ok(()), "what is of a term that is over says nothing");
}
