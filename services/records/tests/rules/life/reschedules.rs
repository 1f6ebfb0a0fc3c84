//! Reschedules: of a record that is held, of a Ready record, and their times.

use outbound::{
    Value,
    declaration::{Declaration, DeclaredZone},
    key, record_status, record_type,
};
use records::PendingRow;

use super::two_lists::{NOW_S, Pair, TEN, TEN_S, ask, code, declare, done, edit, event, hold, row, value, world};

/// The type, time and agent of a reschedule, or the refusal's code.
type Wanted = Result<(i64, i64, &'static str), &'static str>;

#[test]
fn a_reschedule_waits_with_a_retrieved_record_and_moves_a_ready_one_at_once() {
    const AT: Pair<'_> = ("GSW_DATE_TIME", TEN);
    const PERSONAL: Pair<'_> = ("GSW_CALLBACK_TYPE", "Personal");
    const AGENT: Pair<'_> = ("GSW_AGENT_ID", "b");
    let (campaign, personal) = (record_type::CAMPAIGN_RESCHEDULED, record_type::PERSONAL_RESCHEDULED);
    let cases: [(bool, &[Pair<'_>], Wanted); 9] = [
        (false, &[AT], Ok((campaign, TEN_S, ""))),
        (false, &[AT, AGENT], Ok((campaign, TEN_S, ""))),
        (false, &[AT, PERSONAL, AGENT], Ok((personal, TEN_S, "b"))),
        (false, &[AT, PERSONAL], Err("MISSING_ATTRIBUTE")),
        (true, &[AT], Ok((campaign, TEN_S, ""))),
        (true, &[AT, PERSONAL], Ok((personal, TEN_S, "a"))),
        (true, &[AT, PERSONAL, AGENT], Ok((personal, TEN_S, "b"))),
        (false, &[], Err("MISSING_ATTRIBUTE")),
        (false, &[AT, ("GSW_CALLBACK_TYPE", "Nobody")], Err("BAD_VALUE")),
    ];
    for (held, pairs, wanted) in cases {
        let mut world = world();
        if held {
            hold(&mut world, 1);
        }
        let before = row(&world, 1);
        let pairs = [pairs, &[("GSW_CALL_RESULT", "Answer"), ("OUTCOME", "later")]].concat();
        let reply = ask(&mut world, "RecordReschedule", "records/1", &pairs);
        let Ok((to_type, at_s, agent)) = wanted else {
            assert_eq!((code(&reply), row(&world, 1)), (wanted.unwrap_err(), before), "{pairs:?}");
            continue;
        };
        assert_eq!(event(&reply), "RecordRescheduleAcknowledge", "{pairs:?}");
        assert_eq!(value(&reply, key::DATE_TIME), Some(Value::text(TEN)));
        let (word, shown) =
            if to_type == personal { ("Personal", Some(Value::text(agent))) } else { ("Campaign", None) };
        assert_eq!((value(&reply, key::CALLBACK_TYPE), value(&reply, key::AGENT_ID)), (Some(Value::text(word)), shown));
        let record = row(&world, 1);
        assert_eq!((record.call_result, record.user[0].as_str()), (33, "later"), "what else is given");
        let moved = (to_type, Some(at_s), agent);
        if held {
            let pending = PendingRow { record_type: to_type, dial_sched_time: at_s, agent_id: agent.to_owned() };
            assert_eq!((record.record_status, record.pending), (record_status::RETRIEVED, Some(pending)), "{pairs:?}");
            assert_eq!((record.record_type, record.dial_sched_time), (record_type::GENERAL, None), "not yet");
        } else {
            assert_eq!((record.record_type, record.dial_sched_time, record.agent_id.as_str()), moved, "{pairs:?}");
            assert_eq!((record.record_status, record.pending), (record_status::READY, None), "{pairs:?}");
            assert_eq!([2, 3].map(|handle| row(&world, handle).waits), [true; 2], "the chain waits for the callback");
        }
    }
}

/// Attributes of a reschedule; the time in the state and in the answer, or the code of the refusal.
type RescheduleCase = (&'static [Pair<'static>], Result<(i64, &'static str), &'static str>);

#[test]
fn the_time_of_a_reschedule_is_read_in_its_zone_and_shown_in_that_of_the_record() {
    let cases: [RescheduleCase; 13] = [
        (&[("GSW_DATE_TIME", TEN)], Ok((TEN_S, TEN))),
        (&[("GSW_DATE_TIME", TEN), ("GSW_TZ_NAME", "America/New_York")], Ok((TEN_S + 6 * 3_600, "01/02/2024 16:00"))),
        (&[("GSW_DATE_TIME", TEN), ("GSW_TZ_NAME", "vic")], Ok((TEN_S - 10 * 3_600, "01/02/2024 00:00"))),
        (&[("GSW_DATE_TIME", TEN), ("GSW_TZ_NAME", "Nowhere/At_All")], Err("BAD_VALUE")),
        (&[("GSW_DATE_TIME", "2024-01-02T10:00:30")], Ok((TEN_S + 30, TEN))),
        (&[("GSW_DATE_TIME", "2024-01-02T10:00Z"), ("GSW_TZ_NAME", "vic")], Ok((TEN_S + 3_600, "01/02/2024 11:00"))),
        (&[("GSW_DATE_TIME", "01/01/2024 01:00")], Ok((NOW_S, "01/01/2024 01:00"))),
        (&[("GSW_DATE_TIME", "01/01/2024 00:59")], Err("CONFLICT")),
        (&[("GSW_DATE_TIME", "2023-12-31T23:59:59Z")], Err("CONFLICT")),
        (&[("GSW_DATE_TIME", "02/30/2024 10:00")], Err("BAD_VALUE")),
        (&[("GSW_DATE_TIME", "2024-01-02T10:00+25:00")], Err("BAD_VALUE")),
        // the hour that is left out, and the one that is doubled
        (&[("GSW_DATE_TIME", "03/31/2024 02:30")], Ok((1_711_848_600, "03/31/2024 03:30"))),
        (&[("GSW_DATE_TIME", "10/27/2024 02:30")], Ok((1_729_989_000, "10/27/2024 02:30"))),
    ];
    for (pairs, wanted) in cases {
        let mut world = world();
        let zone =
            DeclaredZone { name: "VIC".to_owned(), dbid: Some(122), time_zone: Some("Australia/Melbourne".to_owned()) };
        declare(&mut world, Declaration { time_zones: vec![zone], ..Declaration::default() });
        let reply = ask(&mut world, "RescheduleRecord", "records/1", pairs);
        let record = row(&world, 1);
        match wanted {
            Ok((at_s, shown)) => {
                assert_eq!(record.dial_sched_time, Some(at_s), "{pairs:?}: {reply:?}");
                assert_eq!(value(&reply, key::DATE_TIME), Some(Value::text(shown)), "{pairs:?}");
            }
            Err(wanted) => assert_eq!((code(&reply), record.dial_sched_time), (wanted, None), "{pairs:?}"),
        }
        assert_eq!((record.tz_name.as_str(), record.tz_dbid), ("", None), "the record's own zone stays");
    }
}

#[test]
fn a_later_reschedule_replaces_an_earlier_one() {
    let mut world = world();
    hold(&mut world, 1);
    for handle in [1, 4] {
        let resource = format!("records/{handle}");
        let personal = [("GSW_DATE_TIME", TEN), ("GSW_CALLBACK_TYPE", "Personal"), ("GSW_AGENT_ID", "b")];
        done(&mut world, "RecordReschedule", &resource, &personal);
        done(&mut world, "RecordReschedule", &resource, &[("GSW_DATE_TIME", "01/03/2024 10:00")]);
    }
    let (record_type, dial_sched_time) = (record_type::CAMPAIGN_RESCHEDULED, TEN_S + 86_400);
    let pending = PendingRow { record_type, dial_sched_time, agent_id: String::new() };
    assert_eq!(row(&world, 1).pending, Some(pending));
    let ready = row(&world, 4);
    assert_eq!((ready.record_type, ready.dial_sched_time), (record_type, Some(dial_sched_time)));
    assert_eq!(ready.agent_id, "");
}

#[test]
fn a_scheduled_reschedule_is_for_callbacks_alone() {
    for record_type in 0..=7 {
        let mut world = world();
        edit(&mut world, 4, |record| record.record_type = record_type);
        let reply = ask(&mut world, "ScheduledRecordReschedule", "records/4", &[("GSW_DATE_TIME", TEN)]);
        let wanted = if (3..=6).contains(&record_type) { "ok" } else { "CONFLICT" };
        assert_eq!(code(&reply), wanted, "{record_type}");
        if wanted == "ok" {
            assert_eq!(event(&reply), "ScheduledRecordRescheduleAcknowledge");
            assert_eq!(row(&world, 4).dial_sched_time, Some(TEN_S));
        }
    }
}
