//! A follower and a leader of two histories (R12 disks-are-evidence): no message that contradicts a committed entry reaches the
//! Raft library, which would end the process, and the follower follows no leader from then on.

use std::collections::BTreeSet;

use bytes::Bytes;
use consensus::{
    Kind, StartStanding,
    core::{Core, CoreConfig, DiskContents, StartMessage, genesis},
    evidence::{Evidence, Start},
};
use ocs_proto::peer::{
    Entry, Head, PeerFrame, RaftMessage, Start as WireStart, StartAnswer, StartCheck, StartVerdict, VoterEvidence,
};
use raft_log::{Log, LogConfig, MemDisk};

const OWN: u64 = 2;
const TOKEN: [u8; 16] = [2; 16];
const APPEND: u32 = 3;
const REQUEST_VOTE: u32 = 5;
const VOTE: u32 = 6;
const HEARTBEAT: u32 = 8;

fn follower() -> (Core<MemDisk>, Log<MemDisk>) {
    member_of(&[1, 2, 3], &[])
}

/// Node 2 in a cluster of these voters and learners.
fn member_of(voters: &[u64], learners: &[u64]) -> (Core<MemDisk>, Log<MemDisk>) {
    let disk = MemDisk::new();
    let config = LogConfig { segment_bytes: 64 * 1024, prepare_ahead: false, ..log_config() };
    let (mut mark, hard_state) = genesis(voters);
    mark.conf_state.as_mut().expect("a group begins with one").learners = learners.to_vec();
    let log = Log::create(disk, config, mark.clone(), hard_state).expect("a new log");
    let mut evidence = Evidence::default();
    evidence.begin(OWN, 1, [1; 16]);
    let start: Start = evidence.begin(OWN, 1, TOKEN);
    let found = DiskContents {
        reader: log.reader(),
        start: mark.clone(),
        hard_state,
        state: mark,
        starts: Some((evidence, start)),
    };
    let config = CoreConfig {
        id: OWN,
        kinds: vec![(1, Kind::Data), (2, Kind::Data), (3, Kind::Witness)],
        heartbeat_ticks: 2,
        election_ticks_min: 10,
        election_ticks_max: 20,
        seed: 7,
        boot: 1,
        cache_bytes_max: 4096,
    };
    (Core::new(config, found), log)
}

fn log_config() -> LogConfig {
    LogConfig { cluster: [7; 16], node: 0, segment_bytes: 64 * 1024, prepare_ahead: false }
}

fn head(from: u64, term: u64, last_index: u64) -> Head {
    Head {
        from,
        term,
        last_index,
        formats_min: 1,
        formats_max: 2,
        start: vec![from as u8; 16].into(),
        ..Head::default()
    }
}

fn confirm(core: &mut Core<MemDisk>) {
    confirm_by(core, 1);
    confirm_by(core, 3);
}

fn confirm_by(core: &mut Core<MemDisk>, from: u64) {
    let token = Bytes::copy_from_slice(&TOKEN);
    let answer = StartAnswer { token, verdict: StartVerdict::Yes.into(), ..StartAnswer::default() };
    core.step(PeerFrame { head: Some(head(from, 1, 1)), start_answer: Some(answer), ..PeerFrame::default() });
}

/// The check of a node's first start.
fn check(from: u64) -> PeerFrame {
    let start = WireStart { counter: 1, token: vec![from as u8; 16].into() };
    let check =
        StartCheck { start: Some(start.clone()), starts: vec![start], term: 1, last_index: 1, ..StartCheck::default() };
    PeerFrame { head: Some(head(from, 1, 1)), start_check: Some(check), ..PeerFrame::default() }
}

fn candidate(from: u64, term: u64) -> PeerFrame {
    let message = RaftMessage {
        kind: REQUEST_VOTE,
        to: OWN,
        from,
        term,
        index: 1,
        log_term: 1,
        commit: 1,
        commit_term: 1,
        ..RaftMessage::default()
    };
    PeerFrame { head: Some(head(from, term, 1)), messages: vec![message], ..PeerFrame::default() }
}

/// Votes that leave, after the writes for which they wait.
fn votes(core: &mut Core<MemDisk>) -> usize {
    let output = core.output();
    let promised = output.writes.iter().flat_map(|write| &write.then);
    promised.chain(&output.messages).filter(|message| message.kind == VOTE && !message.reject).count()
}

fn append(from: u64, term: u64, before: (u64, u64), entries: &[(u64, u64)], commit: u64) -> PeerFrame {
    let entry =
        |(index, term): &(u64, u64)| Entry { index: *index, term: *term, data: vec![1].into(), ..Entry::default() };
    let message = RaftMessage {
        kind: APPEND,
        to: OWN,
        from,
        term,
        index: before.0,
        log_term: before.1,
        entries: entries.iter().map(entry).collect(),
        commit,
        ..RaftMessage::default()
    };
    let last = entries.last().map_or(before.0, |(index, _)| *index);
    PeerFrame { head: Some(head(from, term, last)), messages: vec![message], ..PeerFrame::default() }
}

fn work(core: &mut Core<MemDisk>, log: &mut Log<MemDisk>) {
    for write in core.output().writes {
        log.append(&write.batch).expect("a disk in memory");
        core.on_written(write.number);
    }
    core.output();
}

/// A follower that has committed entries up to 4, of term 2 under leader 1.
fn committed() -> (Core<MemDisk>, Log<MemDisk>) {
    let (mut core, mut log) = follower();
    confirm(&mut core);
    core.step(append(1, 2, (1, 1), &[(2, 2), (3, 2), (4, 2)], 4));
    work(&mut core, &mut log);
    assert_eq!((core.commit(), core.frozen()), (4, false));
    (core, log)
}

#[test]
fn a_start_that_nobody_confirmed_acknowledges_nothing() {
    let (mut core, mut log) = follower();
    core.step(append(1, 2, (1, 1), &[(2, 2)], 2));
    work(&mut core, &mut log);
    assert_eq!(core.commit(), 1);
    assert!(matches!(core.start_standing(), StartStanding::Asking(_)));
    confirm(&mut core);
    assert_eq!(core.start_standing(), StartStanding::Confirmed);
    core.step(append(1, 2, (1, 1), &[(2, 2)], 2));
    work(&mut core, &mut log);
    assert_eq!(core.commit(), 2);
}

#[test]
fn another_entry_where_one_is_committed_is_a_contradiction_and_ends_nobody() {
    let (mut core, mut log) = committed();
    core.step(append(3, 3, (2, 2), &[(3, 3), (4, 3), (5, 3)], 5));
    work(&mut core, &mut log);
    assert!(core.frozen() && core.contradiction().contains("another entry"), "{}", core.contradiction());
    assert_eq!((core.commit(), core.leader()), (4, 0), "it follows nobody");
    (0..100).for_each(|_| core.tick());
    assert!(core.output().messages.is_empty(), "it asks for no votes");
}

#[test]
fn a_leader_that_ends_below_what_is_committed_is_a_contradiction() {
    let (mut core, mut log) = committed();
    let message = RaftMessage { kind: HEARTBEAT, to: OWN, from: 3, term: 3, commit: 2, ..RaftMessage::default() };
    core.step(PeerFrame { head: Some(head(3, 3, 3)), messages: vec![message.clone()], ..PeerFrame::default() });
    work(&mut core, &mut log);
    assert!(!core.frozen(), "heads come late");
    for _ in 0..100 {
        core.step(PeerFrame { head: Some(head(3, 3, 3)), messages: vec![message.clone()], ..PeerFrame::default() });
        core.tick();
    }
    assert!(core.frozen() && core.contradiction().contains("entries up to 3"), "{}", core.contradiction());
}

#[test]
fn a_leader_that_counts_what_is_not_here_is_a_contradiction() {
    let (mut core, _log) = committed();
    let message = RaftMessage { kind: HEARTBEAT, to: OWN, from: 3, term: 3, commit: 9, ..RaftMessage::default() };
    core.step(PeerFrame { head: Some(head(3, 3, 9)), messages: vec![message], ..PeerFrame::default() });
    assert!(core.frozen() && core.contradiction().contains("counts entry 9"), "{}", core.contradiction());
}

#[test]
fn an_entry_that_was_not_committed_may_be_replaced() {
    let (mut core, mut log) = committed();
    core.step(append(1, 2, (4, 2), &[(5, 2)], 4));
    work(&mut core, &mut log);
    core.step(append(3, 3, (4, 2), &[(5, 3)], 5));
    work(&mut core, &mut log);
    assert_eq!((core.commit(), core.frozen()), (5, false));
}

#[test]
fn a_candidate_whose_start_is_not_known_here_gets_no_vote() {
    let (mut core, _log) = follower();
    confirm(&mut core);
    core.step(candidate(3, 2));
    assert_eq!(votes(&mut core), 0, "its vote for itself could not be held against an older disk of it");
    core.step(check(3));
    core.step(candidate(3, 2));
    assert_eq!(votes(&mut core), 1);
}

#[test]
fn a_start_is_named_until_every_voter_remembers_a_later_one() {
    let (mut core, _log) = follower();
    let named = |core: &Core<MemDisk>| core.evidence().map_or(0, |evidence| evidence.own_starts());
    for from in [1, 3] {
        let older = Head { formats_min: 0, formats_max: 0, start: Bytes::new(), ..head(from, 1, 1) };
        core.step(PeerFrame { head: Some(older), ..PeerFrame::default() });
    }
    assert_eq!(core.start_standing(), StartStanding::Confirmed, "an older release counts as a yes");
    assert_eq!(named(&core), 2, "and remembers nothing");
    confirm_by(&mut core, 1);
    assert_eq!(named(&core), 2);
    confirm_by(&mut core, 3);
    assert_eq!(named(&core), 1);
}

/// The nodes that a core asks within a second.
fn asked(core: &mut Core<MemDisk>) -> Vec<u64> {
    (0..60).for_each(|_| core.tick());
    let asked: BTreeSet<u64> = core.output().starts.into_iter().map(|(to, _)| to).collect();
    asked.into_iter().collect()
}

/// An unconfirmed voter may run on an older copy of its disk: its memory goes when the newest copy is put back.
#[test]
fn a_voter_that_confirmed_a_start_before_its_own_was_is_asked_again() {
    let (mut core, _log) = follower();
    for from in [1, 3] {
        let token = Bytes::copy_from_slice(&TOKEN);
        let answer = StartAnswer { token, verdict: StartVerdict::Yes.into(), ..StartAnswer::default() };
        let head = Head { unconfirmed: from == 3, ..head(from, 1, 1) };
        core.step(PeerFrame { head: Some(head), start_answer: Some(answer), ..PeerFrame::default() });
    }
    assert_eq!(core.start_standing(), StartStanding::Confirmed, "both count");
    assert_eq!(
        core.evidence().map(Evidence::own_starts),
        Some(2),
        "the former start is named to the one that may forget"
    );
    assert_eq!(asked(&mut core), [3]);
    confirm_by(&mut core, 3);
    assert!(asked(&mut core).is_empty());
    assert_eq!(core.evidence().map(Evidence::own_starts), Some(1));
}

/// The voters of a quorum may all have missed the entries that an older copy lacks, while the voter beside the quorum has them.
#[test]
fn a_quorum_confirms_a_start_once_the_other_voter_had_time_to_refuse() {
    let (mut core, _log) = follower();
    confirm_by(&mut core, 3);
    assert!(matches!(core.start_standing(), StartStanding::Asking(_)), "node 1 may know better");
    let known = VoterEvidence { id: OWN, term: 1, index: 9, ..VoterEvidence::default() };
    let token = Bytes::copy_from_slice(&TOKEN);
    let verdict = StartVerdict::No.into();
    let refusal = StartAnswer { token, verdict, known: Some(known), ..StartAnswer::default() };
    core.step(PeerFrame { head: Some(head(1, 1, 9)), start_answer: Some(refusal), ..PeerFrame::default() });
    assert!(matches!(core.start_standing(), StartStanding::Old(_)));

    let (mut core, _log) = follower();
    (0..100).for_each(|_| core.tick());
    confirm_by(&mut core, 3);
    (0..39).for_each(|_| core.tick());
    assert!(matches!(core.start_standing(), StartStanding::Asking(_)), "the time begins with the quorum");
    core.tick();
    assert_eq!(core.start_standing(), StartStanding::Confirmed, "node 1 is away");
}

#[test]
fn only_the_only_voter_does_without_the_word_of_another_one() {
    let silent_for_long = |voters: &[u64], learners: &[u64]| {
        let (mut core, _log) = member_of(voters, learners);
        (0..100).for_each(|_| core.tick());
        core
    };
    assert_eq!(silent_for_long(&[OWN], &[1, 3]).start_standing(), StartStanding::Confirmed);
    let mut learner = silent_for_long(&[1], &[OWN, 3]);
    assert!(matches!(learner.start_standing(), StartStanding::Asking(_)), "the only voter is another node");
    assert_eq!(asked(&mut learner), [1, 3], "whoever may know a later membership is asked too");
    confirm_by(&mut learner, 3);
    assert!(matches!(learner.start_standing(), StartStanding::Asking(_)), "a yes of a learner decides nothing");
    assert_eq!(asked(&mut learner), [1, 3], "the learner may be a voter by now, and this node too");
}

#[test]
fn a_voter_of_a_later_membership_confirms_where_the_only_voter_of_an_earlier_one_is_gone() {
    let (mut behind, _log) = member_of(&[1], &[OWN, 3]);
    let answer_of = |voters: &[u64], learners: &[u64]| {
        let (mut core, _log) = member_of(voters, learners); // node 2, asked by node 1
        core.step(check(1));
        let answers = core.output().evidence.expect("a table with its answers").then;
        let Some((1, StartMessage::Answer(answer))) = answers.into_iter().next() else { panic!("no answer to node 1") };
        answer
    };
    assert!(!answer_of(&[3], &[1, OWN]).enough);
    assert!(!answer_of(&[OWN], &[1, 3]).enough, "that node is no voter");
    let answer = answer_of(&[1, OWN, 3], &[]);
    assert!(answer.enough);
    let answer = StartAnswer { token: Bytes::copy_from_slice(&TOKEN), ..answer };
    let told = PeerFrame { head: Some(head(3, 1, 1)), start_answer: Some(answer.clone()), ..PeerFrame::default() };
    behind.step(told);
    assert_eq!(behind.start_standing(), StartStanding::Confirmed);

    let (mut learner, _log) = member_of(&[1, 3], &[OWN]);
    confirm_by(&mut learner, 3);
    (0..100).for_each(|_| learner.tick());
    assert!(matches!(learner.start_standing(), StartStanding::Asking(_)), "node 3 does not count this node yet");
    learner.step(PeerFrame { head: Some(head(3, 1, 1)), start_answer: Some(answer), ..PeerFrame::default() });
    (0..100).for_each(|_| learner.tick());
    assert_eq!(learner.start_standing(), StartStanding::Confirmed, "node 1 is gone");
}

#[test]
fn the_only_voter_says_nothing_in_a_term_that_its_disk_does_not_hold_yet() {
    let (mut core, _log) = member_of(&[OWN], &[1, 3]);
    let mut held = None;
    for _ in 0..100 {
        core.tick();
        let output = core.output();
        let raised = output.writes.iter().find(|write| write.batch.hard_state.is_some_and(|state| state.term > 1));
        if let Some(raised) = raised.filter(|_| held.is_none()) {
            assert!(core.leads() && output.messages.is_empty(), "{:?}", output.messages);
            held = Some((raised.number, raised.then.len()));
        } else if held.is_some() {
            assert!(output.messages.is_empty(), "a learner may hold entries of this term: {:?}", output.messages);
        }
    }
    let (number, with_the_write) = held.expect("the only voter leads");
    assert!(with_the_write > 0, "what it has to say leaves with the write");
    core.on_written(number + 1_000);
    core.tick();
    core.tick();
    assert!(!core.output().messages.is_empty(), "its term is durable");
}
