//! The policy as tables: a state of the update, an outcome or a wake-up, and the decision.

use outbound::ReplyBody;

use super::*;
use crate::Target;

const HERE: Standing = Standing { era: 3, target: Some(Target(1)) };
const THERE: Standing = Standing { era: 4, target: Some(Target(2)) };
const HERE_AGAIN: Standing = Standing { era: 5, target: Some(Target(1)) };
const NOWHERE: Standing = Standing { era: 4, target: None };

const HOLD: u64 = 5_000;
const DEADLINE: u64 = 10_000;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn now(at_ms: u64, standing: Standing) -> Now {
    Now { at: ms(at_ms), standing }
}

/// An update whose first attempt was made at `tried`.
fn fresh(tried: Standing) -> Course {
    let id = RequestId { node: 1, incarnation: 1, token: 0, counter: 7 };
    Course::new(id, ms(DEADLINE), ms(HOLD), tried)
}

/// An update that was handed over: the outcome of its first attempt, at the beginning, is not known.
fn handed(tried: Standing) -> Course {
    let mut course = fresh(tried);
    assert_eq!(course.on(Heard::Lost, || now(0, tried)), Step::Wait(ms(5)));
    course.again_at = None;
    course
}

fn reply() -> Reply {
    Reply::done("AddRecordAcknowledge", Vec::new())
}

fn refusal() -> Reply {
    Refusal::new(RefusalCode::Internal, "no").into()
}

/// A decision, short.
#[derive(Debug, PartialEq)]
enum Short {
    Attempt,
    WaitMs(u64),
    Done,
    Refused(RefusalCode, &'static str),
}

use Short::{Attempt, Done, WaitMs};

/// The decision; of a refusal, whether its message contains the expected part.
fn short(step: Step, expected: &Short) -> Short {
    let reply = match step {
        Step::Attempt => return Attempt,
        Step::Wait(until) => return WaitMs(u64::try_from(until.as_millis()).unwrap()),
        Step::Answer(reply) => reply,
    };
    match reply.body {
        ReplyBody::Refused(refusal) => {
            let part = match expected {
                Short::Refused(_, part) if refusal.message.contains(part) => *part,
                _ => "another message",
            };
            Short::Refused(refusal.code, part)
        }
        _ => Done,
    }
}

const UNKNOWN: RefusalCode = RefusalCode::OutcomeUnknown;
const NOT_APPLIED: RefusalCode = RefusalCode::Unavailable;

#[test]
fn every_outcome_of_an_attempt_has_its_decision() {
    use NotTaken::{Busy, NoRoom, NotServing, Refused};
    let not = Heard::NotTaken;
    let full = || not(NoRoom("the log is full".into()));
    for (case, mut course, heard, at, expected) in [
        ("a reply", fresh(HERE), Heard::Reply(reply()), now(1, HERE), Done),
        ("a late reply", handed(HERE), Heard::Reply(reply()), now(DEADLINE, NOWHERE), Done),
        ("not yet", fresh(HERE), Heard::Reply(Reply::again()), now(1, HERE), Attempt),
        ("not yet, and lost", fresh(HERE), Heard::Reply(Reply::again()), now(1, NOWHERE), Attempt),
        (
            "not yet, and too late",
            fresh(HERE),
            Heard::Reply(Reply::again()),
            now(DEADLINE, HERE),
            Short::Refused(NOT_APPLIED, "not applied: the deadline passed"),
        ),
        // not handed over
        ("no primary", fresh(NOWHERE), not(NotServing), now(1, NOWHERE), WaitMs(1 + HOLD)),
        ("not reached", fresh(HERE), not(NotServing), now(1, HERE), WaitMs(6)),
        ("not reached, and moved", fresh(HERE), not(NotServing), now(1, THERE), Attempt),
        ("not reached, and lost", fresh(HERE), not(NotServing), now(1, NOWHERE), WaitMs(6)),
        (
            "too late",
            fresh(HERE),
            not(NotServing),
            now(DEADLINE, THERE),
            Short::Refused(NOT_APPLIED, "the deadline passed"),
        ),
        ("busy", fresh(HERE), not(Busy), now(1, THERE), Short::Refused(RefusalCode::Busy, "come back later")),
        ("full", fresh(HERE), full(), now(1, THERE), Short::Refused(NOT_APPLIED, "not applied: the log is full")),
        ("refused", fresh(HERE), not(Refused(refusal())), now(1, HERE), Short::Refused(RefusalCode::Internal, "no")),
        ("lost", fresh(HERE), Heard::Lost, now(1, HERE), WaitMs(6)),
        ("lost, and moved", fresh(HERE), Heard::Lost, now(1, HERE_AGAIN), Attempt),
        ("moved", fresh(HERE), Heard::Moved(THERE), now(1, HERE), Attempt),
        (
            "lost at the end",
            fresh(HERE),
            Heard::Lost,
            now(DEADLINE, HERE),
            Short::Refused(UNKNOWN, "the deadline passed"),
        ),
        // handed over
        ("then not taken", handed(HERE), not(NotServing), now(9, HERE), WaitMs(14)),
        ("then busy", handed(HERE), not(Busy), now(9, HERE), WaitMs(14)),
        ("then full", handed(HERE), full(), now(9, HERE), WaitMs(14)),
        ("then refused", handed(HERE), not(Refused(refusal())), now(9, THERE), Attempt),
        ("then not yet", handed(HERE), Heard::Reply(Reply::again()), now(9, HERE), Attempt),
        (
            "then not yet, and too late",
            handed(HERE),
            Heard::Reply(Reply::again()),
            now(DEADLINE, HERE),
            Short::Refused(UNKNOWN, "the deadline passed"),
        ),
        (
            "then too late",
            handed(HERE),
            not(Busy),
            now(DEADLINE, THERE),
            Short::Refused(UNKNOWN, "the deadline passed"),
        ),
    ] {
        assert_eq!(short(course.on(heard, || at), &expected), expected, "{case}");
    }
}

#[test]
fn every_wake_up_has_its_decision() {
    let waiting = |mut course: Course, tried: Standing| {
        let step = course.on(Heard::NotTaken(NotTaken::NotServing), || now(0, tried));
        assert!(matches!(step, Step::Wait(_)));
        course
    };
    let (without, with) = (|| waiting(fresh(NOWHERE), NOWHERE), || waiting(fresh(HERE), HERE));
    for (case, mut course, at, expected) in [
        ("a primary comes", without(), now(9, HERE_AGAIN), Attempt),
        ("none comes", without(), now(9, NOWHERE), WaitMs(HOLD)),
        ("none came", without(), now(HOLD, HERE), Short::Refused(NOT_APPLIED, "there was no primary for too long")),
        ("a pause ends", with(), now(5, HERE), Attempt),
        ("a pause goes on", with(), now(4, HERE), WaitMs(5)),
        ("the primary moves", with(), now(1, THERE), Attempt),
        ("the primary goes", with(), now(1, NOWHERE), WaitMs(HOLD)),
        ("never reached", with(), now(HOLD, HERE), Short::Refused(NOT_APPLIED, "could not be reached for too long")),
        ("handed over", waiting(handed(HERE), HERE), now(HOLD, HERE), Short::Refused(UNKNOWN, "could not be reached")),
    ] {
        assert_eq!(short(course.on_wake(at), &expected), expected, "{case}");
    }
}

#[test]
fn an_attempt_without_an_answer_is_given_up_once_updates_go_elsewhere_or_at_the_deadline() {
    for (at, heard) in [
        (now(1, HERE), None),
        (now(1, NOWHERE), None),
        (now(1, THERE), Some(Heard::Moved(THERE))),
        (now(1, HERE_AGAIN), Some(Heard::Moved(HERE_AGAIN))),
        (now(DEADLINE, HERE), Some(Heard::Lost)),
    ] {
        assert_eq!(fresh(HERE).unanswered(at), heard, "{at:?}");
    }
}

#[test]
fn pauses_double_up_to_their_limit_and_hold_time_counts_from_the_first_wait() {
    let (mut course, mut at, mut pauses) = (fresh(HERE), 100, Vec::new());
    loop {
        match course.on(Heard::NotTaken(NotTaken::NotServing), || now(at, HERE)) {
            Step::Wait(until) => {
                let until = u64::try_from(until.as_millis()).unwrap();
                pauses.push(until - at);
                at = until;
            }
            step => panic!("{step:?}"),
        }
        match course.on_wake(now(at, HERE)) {
            Step::Attempt => assert_eq!(course.attempt(HERE), course.id),
            Step::Answer(_) => break,
            step => panic!("{step:?}"),
        }
    }
    assert_eq!(pauses[..7], [5, 10, 20, 40, 80, 100, 100]);
    assert_eq!(at, 100 + HOLD);
}

#[test]
fn holding_ends_at_the_deadline_where_that_comes_first() {
    let mut course = Course { deadline: ms(30), ..fresh(NOWHERE) };
    let step = course.on(Heard::NotTaken(NotTaken::NotServing), || now(1, NOWHERE));
    assert_eq!(step, Step::Wait(ms(30)));
}

#[test]
fn every_attempt_goes_under_one_id() {
    let mut course = fresh(HERE);
    assert_eq!([course.attempt(THERE), course.attempt(HERE_AGAIN)], [fresh(HERE).id; 2]);
}

#[test]
fn an_update_without_a_place_is_told_by_whether_it_was_handed_over() {
    for (course, code) in [(fresh(HERE), NOT_APPLIED), (handed(HERE), UNKNOWN)] {
        let expected = Short::Refused(code, "too much is held");
        assert_eq!(short(Step::Answer(course.not_held()), &expected), expected);
    }
}
