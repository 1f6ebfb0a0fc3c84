//! Windows and calendars at changes of days and clocks.

use outbound::key;

use super::times::{AUTUMN_S, HOUR, NEW_YEAR_S, SPRING_S, callback, personal};
use crate::stage::{PAST, Stage, calendar};

#[test]
fn a_window_across_midnight_is_open_at_both_of_its_ends() {
    for (hour, open) in [(21, false), (22, true), (24, true), (29, true), (30, false), (46, true)] {
        let mut stage = Stage::new();
        let handle = stage.add("demo", &[(key::FROM, "79200"), (key::UNTIL, "21600")]);
        stage.go_to(NEW_YEAR_S + hour * HOUR);
        assert_eq!(stage.preview("a"), open.then_some(handle), "hour {hour}");
    }
}

#[test]
fn a_window_follows_the_wall_clock_of_its_zone_through_changes_of_clocks() {
    let table = [
        // from, till, UTC, open: 02:30 to 04:00 on a day without 02:30
        ("9000", "14400", SPRING_S + HOUR - 1, false),
        ("9000", "14400", SPRING_S + HOUR, true),
        ("9000", "14400", SPRING_S + 2 * HOUR, false),
        // 02:00 to 02:30 on a day that has it twice
        ("7200", "9000", AUTUMN_S, true),
        ("7200", "9000", AUTUMN_S + HOUR / 2, false),
        ("7200", "9000", AUTUMN_S + HOUR, true),
        // noon
        ("43200", "46800", SPRING_S + 10 * HOUR, true),
        ("43200", "46800", AUTUMN_S + 10 * HOUR, false),
        ("43200", "46800", AUTUMN_S + 11 * HOUR, true),
    ];
    for (from, till, at_s, open) in table {
        let mut stage = Stage::new();
        let pairs = [(key::FROM, from), (key::UNTIL, till), (key::TZ_NAME, "Europe/Berlin")];
        let handle = stage.add("demo", &pairs);
        stage.go_to(at_s);
        assert_eq!(stage.why(handle), (!open).then_some(3), "{from} to {till} at {at_s}");
        assert_eq!(stage.preview("a"), open.then_some(handle), "{from} to {till} at {at_s}");
    }
}

#[test]
fn a_calendar_binds_beside_the_window() {
    // Monday to Saturday, 08:00 to 20:00, but for a Tuesday
    let days: Vec<_> = (1..=6).map(|day| (day, 28_800, 72_000)).collect();
    for (at_s, open) in [
        (NEW_YEAR_S + 7 * HOUR, false),
        (NEW_YEAR_S + 8 * HOUR, true),
        (NEW_YEAR_S + 20 * HOUR, false),
        (NEW_YEAR_S + (24 + 10) * HOUR, false),
        (NEW_YEAR_S + (48 + 10) * HOUR, true),
        (NEW_YEAR_S + (6 * 24 + 10) * HOUR, false),
    ] {
        let mut stage = Stage::new();
        stage.redeclare(|declaration| declaration.calendars.push(calendar("c", &days, &["2024-01-02"])));
        stage.edit_list("demo", |list| list.calendar = "c".to_owned());
        let handle = stage.add("demo", &[]);
        stage.go_to(at_s);
        assert_eq!(stage.preview("a"), open.then_some(handle), "{at_s}");
    }
}

#[test]
fn windows_and_calendar_bind_callbacks_unless_the_list_says_otherwise() {
    for any_time in [false, true] {
        let mut stage = Stage::new();
        stage.redeclare(|declaration| declaration.calendars.push(calendar("c", &[], &[])));
        stage.edit_list("demo", |list| {
            list.callbacks_any_time = any_time;
            list.calendar = "c".to_owned();
        });
        let closed = [(key::FROM, "28800"), (key::UNTIL, "72000")];
        stage.add("demo", &closed);
        let callback = stage.add("demo", &[&closed[..], &callback(PAST)].concat());
        let own = stage.add("demo", &[&closed[..], &personal("a", PAST)].concat());
        assert_eq!(stage.why(callback), (!any_time).then_some(3));
        let taken = [stage.preview("a"), stage.preview("a"), stage.preview("a")];
        let expected = if any_time { [Some(own), Some(callback), None] } else { [None; 3] };
        assert_eq!(taken, expected, "callbacks_any_time: {any_time}");
    }
}
