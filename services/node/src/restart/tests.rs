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
    plays(&[
        (0, Event::Start, Some(Action::Spawn), Phase::Starting, Some(10)),
        (1, Event::Listening, None, Phase::Listening, None),
        (5, Event::Stop, Some(Action::Drain), Phase::Draining, Some(23)),
        (6, Event::PortClosed, None, Phase::Draining, Some(23)),
        (6, Event::LinkLost, None, Phase::Draining, Some(23)),
        (7, Event::PortAdded, None, Phase::Draining, Some(23)),
        (8, Event::Restart, None, Phase::Draining, Some(23)),
        (23, Event::Elapsed, Some(Action::Kill), Phase::Draining, None),
        (24, Event::Ended, None, Phase::Over, None),
        (25, Event::Start, None, Phase::Over, None),
        (26, Event::PortAdded, None, Phase::Over, None),
    ]);
}

#[test]
fn a_removed_port_ends_it_and_an_added_one_starts_it_again() {
    plays(&[
        (0, Event::Start, Some(Action::Spawn), Phase::Starting, Some(10)),
        (1, Event::Listening, None, Phase::Listening, None),
        (5, Event::PortRemoved, Some(Action::Drain), Phase::Draining, Some(23)),
        (6, Event::PortClosed, None, Phase::Draining, Some(23)),
        (7, Event::Ended, None, Phase::Idle, None),
        (8, Event::Restart, None, Phase::Idle, None),
        (9, Event::PortAdded, Some(Action::Spawn), Phase::Starting, Some(19)),
        (10, Event::Listening, None, Phase::Listening, None),
        (11, Event::Stop, Some(Action::Drain), Phase::Draining, Some(29)),
        (12, Event::Ended, None, Phase::Over, None),
    ]);
    plays(&[
        (0, Event::PortAdded, Some(Action::Spawn), Phase::Starting, Some(10)),
        (1, Event::Ended, None, Phase::Waiting, Some(11)),
        (2, Event::PortRemoved, None, Phase::Idle, None),
        (11, Event::Elapsed, None, Phase::Idle, None),
        (12, Event::Stop, None, Phase::Over, None),
    ]);
}

#[test]
fn a_port_that_comes_back_during_the_drain_is_opened_behind_it() {
    plays(&[
        (0, Event::Start, Some(Action::Spawn), Phase::Starting, Some(10)),
        (1, Event::Listening, None, Phase::Listening, None),
        (5, Event::PortRemoved, Some(Action::Drain), Phase::Draining, Some(23)),
        (6, Event::PortClosed, None, Phase::Draining, Some(23)),
        (7, Event::PortAdded, None, Phase::Draining, Some(23)),
        (8, Event::Ended, Some(Action::Spawn), Phase::Starting, Some(18)),
    ]);
}

#[test]
fn a_restart_replaces_it_as_soon_as_its_port_is_closed() {
    plays(&[
        (0, Event::Start, Some(Action::Spawn), Phase::Starting, Some(10)),
        (1, Event::Listening, None, Phase::Listening, None),
        (5, Event::Restart, Some(Action::Drain), Phase::Draining, Some(23)),
        (6, Event::PortClosed, Some(Action::Replace), Phase::Starting, Some(16)),
        (7, Event::Listening, None, Phase::Listening, None),
    ]);
}

#[test]
fn a_restart_of_one_that_never_says_that_its_port_is_closed_waits_for_its_end() {
    plays(&[
        (0, Event::Start, Some(Action::Spawn), Phase::Starting, Some(10)),
        (1, Event::Listening, None, Phase::Listening, None),
        (5, Event::Restart, Some(Action::Drain), Phase::Draining, Some(23)),
        (23, Event::Elapsed, Some(Action::Kill), Phase::Draining, None),
        (24, Event::Ended, Some(Action::Spawn), Phase::Starting, Some(34)),
    ]);
}

#[test]
fn a_stop_or_a_removed_port_during_a_restart_starts_nothing_more() {
    for (order, end) in [(Event::Stop, Phase::Over), (Event::PortRemoved, Phase::Idle)] {
        plays(&[
            (0, Event::Start, Some(Action::Spawn), Phase::Starting, Some(10)),
            (1, Event::Listening, None, Phase::Listening, None),
            (5, Event::Restart, Some(Action::Drain), Phase::Draining, Some(23)),
            (6, order, None, Phase::Draining, Some(23)),
            (7, Event::PortClosed, None, Phase::Draining, Some(23)),
            (8, Event::Ended, None, end, None),
        ]);
    }
}

#[test]
fn a_restart_between_two_starts_starts_at_once() {
    plays(&[
        (0, Event::Start, Some(Action::Spawn), Phase::Starting, Some(10)),
        (1, Event::BindFailed, None, Phase::Ending, Some(6)),
        (2, Event::Ended, None, Phase::Waiting, Some(12)),
        (3, Event::Restart, Some(Action::Spawn), Phase::Starting, Some(13)),
    ]);
}

#[test]
fn an_ordered_end_is_no_reason_for_the_alarm() {
    let mut life = life();
    life.on(Event::Start, secs(0));
    for round in 0..20 {
        life.on(Event::Listening, secs(round));
        life.on(Event::Restart, secs(round));
        assert_eq!(life.on(Event::PortClosed, secs(round)), Some(Action::Replace));
    }
    assert!(!life.alarm(secs(20)));
    assert_eq!((life.starts(), life.restarts()), (21, 20));
}

#[test]
fn one_that_ends_again_and_again_is_started_for_ever_at_the_same_pace() {
    let mut life = life();
    life.on(Event::Start, secs(0));
    for round in 0..1000 {
        let ended = secs(round * 11 + 1);
        life.on(Event::Ended, ended);
        assert_eq!(life.deadline(), Some(ended + secs(10)), "round {round}");
        assert_eq!(life.on(Event::Elapsed, ended + secs(10)), Some(Action::Spawn), "round {round}");
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
