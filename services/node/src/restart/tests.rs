//! The life of HTTP Proxy, event by event.

use super::*;

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn life() -> Life {
    Life::new(Times { reconnect_timeout: secs(10), drain_timeout: secs(15) })
}

/// Each row: seconds, event, action, next phase, next deadline.
type Row = (u64, Event, Option<Action>, Phase, Option<u64>);

fn plays(rows: &[Row]) {
    let mut life = life();
    for (at, event, action, phase, deadline) in rows {
        assert_eq!(life.on(*event, secs(*at)), *action, "{event:?} at {at}");
        assert_eq!(life.phase(), *phase, "after {event:?} at {at}");
        assert_eq!(life.deadline(), deadline.map(secs), "after {event:?} at {at}");
    }
}

#[test]
fn one_that_ends_unexpectedly_is_started_again_after_the_reconnect_timeout() {
    plays(&[
        (0, Event::Start, Some(Action::Spawn), Phase::Starting, Some(10)),
        (1, Event::Listening, None, Phase::Listening, None),
        (50, Event::LinkLost, None, Phase::Ending, Some(55)),
        (51, Event::Ended, None, Phase::Waiting, Some(61)),
        (61, Event::Elapsed, Some(Action::Spawn), Phase::Starting, Some(71)),
        (62, Event::Listening, None, Phase::Listening, None),
        (63, Event::Ended, None, Phase::Waiting, Some(73)),
    ]);
}

#[test]
fn a_failed_bind_is_retried_at_the_same_pace() {
    plays(&[
        (0, Event::Start, Some(Action::Spawn), Phase::Starting, Some(10)),
        (1, Event::BindFailed, None, Phase::Ending, Some(6)),
        (2, Event::Ended, None, Phase::Waiting, Some(12)),
        (12, Event::Elapsed, Some(Action::Spawn), Phase::Starting, Some(22)),
    ]);
}

#[test]
fn one_that_does_not_end_by_itself_is_killed() {
    plays(&[
        (0, Event::Start, Some(Action::Spawn), Phase::Starting, Some(10)),
        (10, Event::Elapsed, Some(Action::Kill), Phase::Ending, None),
        (11, Event::Ended, None, Phase::Waiting, Some(21)),
    ]);
    plays(&[
        (0, Event::Start, Some(Action::Spawn), Phase::Starting, Some(10)),
        (1, Event::Listening, None, Phase::Listening, None),
        (2, Event::LinkLost, None, Phase::Ending, Some(7)),
        (7, Event::Elapsed, Some(Action::Kill), Phase::Ending, None),
    ]);
}

#[test]
fn one_that_stands_still_is_killed_and_started_again_after_the_reconnect_timeout() {
    plays(&[
        (0, Event::Start, Some(Action::Spawn), Phase::Starting, Some(10)),
        (1, Event::Listening, None, Phase::Listening, None),
        (4, Event::StandsStill, Some(Action::Kill), Phase::Ending, None),
        (4, Event::LinkLost, None, Phase::Ending, None),
        (4, Event::StandsStill, None, Phase::Ending, None),
        (5, Event::Ended, None, Phase::Waiting, Some(15)),
        (15, Event::Elapsed, Some(Action::Spawn), Phase::Starting, Some(25)),
    ]);
}

#[test]
fn a_stop_drains_and_then_kills() {
    for stop in [Event::Stop, Event::PortRemoved] {
        plays(&[
            (0, Event::Start, Some(Action::Spawn), Phase::Starting, Some(10)),
            (1, Event::Listening, None, Phase::Listening, None),
            (5, stop, Some(Action::Drain), Phase::Draining, Some(23)),
            (6, Event::LinkLost, None, Phase::Draining, Some(23)),
            (23, Event::Elapsed, Some(Action::Kill), Phase::Draining, None),
            (24, Event::Ended, None, Phase::Over, None),
            (25, Event::Start, None, Phase::Over, None),
        ]);
    }
}

#[test]
fn a_stop_between_two_starts_starts_nothing_more() {
    plays(&[
        (0, Event::Start, Some(Action::Spawn), Phase::Starting, Some(10)),
        (1, Event::Ended, None, Phase::Waiting, Some(11)),
        (2, Event::Stop, None, Phase::Over, None),
        (11, Event::Elapsed, None, Phase::Over, None),
    ]);
}

#[test]
fn ten_ends_in_ten_minutes_raise_the_alarm_and_time_takes_it_back() {
    let mut life = life();
    life.on(Event::Start, secs(0));
    for round in 0..10 {
        assert!(!life.alarm(secs(round * 60)));
        life.on(Event::Ended, secs(round * 60));
        life.on(Event::Elapsed, secs(round * 60 + 10));
    }
    assert_eq!(life.restarts(), 10);
    assert!(life.alarm(secs(599)));
    assert!(!life.alarm(secs(600)), "the first end is ten minutes ago");
}
