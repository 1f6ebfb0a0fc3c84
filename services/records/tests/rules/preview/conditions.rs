//! The seven conditions of spec 9, The next record: a record that fails a condition is not handed out, and the reason is told.

use outbound::{Handle, key, record_status, record_type};

use super::times::{HOUR, NEW_YEAR_S, callback, personal};
use crate::stage::{FUTURE, HOUR_S, PAST, PATH, Stage, calendar};

/// A record that is not dialable.
struct Wrong {
    /// The condition that the record fails.
    condition: u32,
    name: &'static str,
    make: fn(&mut Stage) -> u64,
    /// Makes the condition hold; none: not in this test.
    end: Option<fn(&mut Stage, u64)>,
}

fn wrongs() -> Vec<Wrong> {
    vec![
        Wrong {
            condition: 1,
            name: "a record that somebody holds",
            make: |stage| {
                stage.add("demo", &[]);
                stage.preview("b").unwrap()
            },
            end: Some(|stage, _| {
                stage.ask("ForceUnloadCampaign", PATH, &[]);
                stage.ask("LoadCampaign", PATH, &[]);
            }),
        },
        Wrong {
            condition: 1,
            name: "a finalised record",
            make: |stage| edited(stage, |record| record.record_status = record_status::UPDATED),
            end: Some(|stage, handle| stage.edit(handle, |record| record.record_status = record_status::READY)),
        },
        Wrong {
            condition: 1,
            name: "a record of the type NoCall",
            make: |stage| edited(stage, |record| record.record_type = record_type::NO_CALL),
            end: Some(|stage, handle| stage.edit(handle, |record| record.record_type = record_type::GENERAL)),
        },
        Wrong {
            condition: 1,
            name: "a record of the type Unknown",
            make: |stage| edited(stage, |record| record.record_type = 1),
            end: Some(|stage, handle| {
                stage.edit(handle, |record| record.record_type = record_type::CAMPAIGN_RESCHEDULED)
            }),
        },
        Wrong {
            condition: 2,
            name: "a callback before its time",
            make: |stage| stage.add("demo", &callback(FUTURE)),
            end: Some(|stage, _| stage.go_to(NEW_YEAR_S + 24 * HOUR)),
        },
        Wrong {
            condition: 2,
            name: "a record that a pause holds back",
            make: |stage| edited(stage, |record| record.not_before_s = Some(NEW_YEAR_S + 60)),
            end: Some(|stage, _| stage.go_to(NEW_YEAR_S + 60)),
        },
        Wrong {
            condition: 3,
            name: "a record outside its window",
            make: |stage| stage.add("demo", &[(key::FROM, "28800"), (key::UNTIL, "72000")]),
            end: Some(|stage, _| stage.go_to(NEW_YEAR_S + 8 * HOUR)),
        },
        Wrong {
            condition: 3,
            name: "a record with an empty window",
            make: |stage| stage.add("demo", &[(key::FROM, "28800"), (key::UNTIL, "28800")]),
            end: None,
        },
        Wrong {
            condition: 3,
            name: "a record outside its list's calendar",
            make: |stage| {
                stage.redeclare(|declaration| declaration.calendars.push(calendar("c", &[(1, 36_000, 72_000)], &[])));
                stage.edit_list("demo", |list| list.calendar = "c".to_owned());
                stage.add("demo", &[])
            },
            end: Some(|stage, _| stage.go_to(NEW_YEAR_S + 10 * HOUR)),
        },
        Wrong {
            condition: 4,
            name: "a record whose chain somebody holds",
            make: |stage| {
                let first = stage.add("demo", &[]);
                stage.preview("b").unwrap();
                stage.add_to_chain(first, &[])
            },
            end: None,
        },
        Wrong {
            condition: 4,
            name: "a record whose chain waits for a callback",
            make: |stage| {
                let first = stage.add("demo", &[]);
                stage.add_to_chain(first, &callback(FUTURE));
                first
            },
            end: None,
        },
        Wrong {
            condition: 4,
            name: "a callback behind an earlier one of its chain, which is another agent's",
            make: |stage| {
                let first = stage.add("demo", &personal("b", PAST));
                stage.add_to_chain(first, &callback("2023-12-31T23:01:00Z"))
            },
            end: None,
        },
        Wrong {
            condition: 5,
            name: "a callback behind one of its chain that is due at the same time, which is another agent's",
            make: |stage| {
                let first = stage.add("demo", &personal("b", PAST));
                stage.add_to_chain(first, &callback(PAST))
            },
            end: None,
        },
        Wrong {
            condition: 6,
            name: "a record whose phone is on Do-Not-Call",
            make: |stage| {
                let handle = stage.add("demo", &[]);
                stage.do_not_call([handle]);
                handle
            },
            end: None,
        },
        Wrong {
            condition: 7,
            name: "a record with all its attempts",
            make: |stage| {
                stage.edit_list("demo", |list| list.attempts_max = 3);
                stage.add("demo", &[(key::ATTEMPTS, "3")])
            },
            end: Some(|stage, _| {
                stage.edit_list("demo", |list| list.attempts_max = 4);
                stage.wait_s(HOUR_S);
            }),
        },
    ]
}

fn edited(stage: &mut Stage, change: fn(&mut records::RecordRow)) -> u64 {
    let handle = stage.add("demo", &[]);
    stage.edit(handle, change);
    handle
}

#[test]
fn a_record_that_fails_a_condition_is_not_handed_out_until_the_condition_holds() {
    for Wrong { condition, name, make, end } in wrongs() {
        let mut stage = Stage::new();
        let handle = make(&mut stage);
        assert_eq!(stage.why(handle), Some(condition), "{name}");
        assert_eq!(stage.preview("a"), None, "{name}");
        let Some(end) = end else { continue };
        end(&mut stage, handle);
        assert_eq!(stage.preview("a"), Some(handle), "{name} is handed out again");
    }
}

#[test]
fn a_record_that_meets_all_conditions_has_no_reason_against_it() {
    let mut stage = Stage::new();
    let handle = stage.add("demo", &[]);
    assert_eq!(stage.why(handle), None);
    assert_eq!(stage.preview("a"), Some(handle));
    assert_eq!(stage.why(999), None, "there is no such record");
}

#[test]
fn a_chain_gives_its_lowest_position_first_and_the_next_once_that_is_over() {
    let mut stage = Stage::new();
    let first = stage.add("demo", &[]);
    let second = stage.add_to_chain(first, &[]);
    assert_eq!((stage.why(first), stage.why(second)), (None, Some(5)));
    stage.edit(first, |record| record.record_status = record_status::UPDATED);
    assert_eq!((stage.why(first), stage.why(second)), (Some(1), None));
    assert_eq!(stage.preview("a"), Some(second));
}

#[test]
fn the_reason_tells_until_when() {
    let mut stage = Stage::new();
    stage.redeclare(|declaration| {
        declaration.calendars.push(calendar("c", &[(1, 28_800, 72_000), (2, 28_800, 72_000)], &["2024-01-01"]));
    });
    let window = stage.add("demo", &[(key::FROM, "28800"), (key::UNTIL, "72000")]);
    let due = stage.add("demo", &callback(FUTURE));
    let why = |stage: &Stage, handle| records::why_not_dialable(&stage.world.map, Handle(handle), stage.world.now_us);
    let found = why(&stage, window).unwrap();
    assert_eq!((found.condition, found.until_s), (3, Some(NEW_YEAR_S + 8 * HOUR)));
    assert!(found.reason.contains("08:00 to 20:00 in UTC"), "{}", found.reason);
    assert_eq!(why(&stage, due).unwrap().until_s, Some(NEW_YEAR_S + 24 * HOUR));
    stage.edit_list("demo", |list| list.calendar = "c".to_owned());
    stage.go_to(NEW_YEAR_S + 9 * HOUR);
    let found = why(&stage, window).unwrap();
    assert_eq!((found.condition, found.until_s), (3, Some(NEW_YEAR_S + 32 * HOUR)));
    assert!(found.reason.contains("calendar \"c\""), "{}", found.reason);
}
