//! The end of an attempt: updates, RecordProcessed with its treatments, and rejects.

use outbound::{
    Body, Setting, Value,
    declaration::{Declaration, DeclaredTreatment},
    key, record_status, record_type,
};

use super::two_lists::{
    DEMO, NOW_S, TEN, TEN_S, ask, code, declare, done, edit, edit_list, event, hold, is_held, row, status, statuses,
    value, world,
};

#[test]
fn an_update_sets_what_is_given_and_the_record_stays() {
    for held in [false, true] {
        let mut world = world();
        if held {
            hold(&mut world, 1);
        }
        let before = row(&world, 1);
        done(&mut world, "UpdateCallCompletionStats", "records/1", &[("GSW_CALL_RESULT", "Busy")]);
        done(&mut world, "UpdateCallCompletionStats", "records/1", &[("OUTCOME", "maybe")]);
        assert!(!row(&world, 1).attempts_set);
        done(&mut world, "UpdateRecord", "records/1", &[("GSW_ATTEMPTS", "4"), ("CLIENT_ID", "c8")]);
        let after = row(&world, 1);
        assert_eq!((after.call_result, after.attempt, after.attempts_set), (6, 4, held));
        assert_eq!((after.user[0].as_str(), after.customer.as_str()), ("maybe", "c8"));
        assert_eq!(after.changed_us, world.now_us, "the time of a Retrieved record counts from its last request");
        assert_eq!((after.record_status, after.pending), (before.record_status, None));
    }
}

#[test]
fn a_processed_record_is_updated_with_its_chain_and_its_attempt_counts_once() {
    for (held, updated, given, wanted) in [
        (false, None, None, 0),
        (false, None, Some("7"), 7),
        (false, Some("4"), None, 4),
        (true, None, None, 1),
        (true, None, Some("7"), 7),
        (true, Some("4"), None, 4),
        (true, Some("4"), Some("7"), 7),
    ] {
        let mut world = world();
        if held {
            hold(&mut world, 1);
        }
        if let Some(attempts) = updated {
            done(&mut world, "UpdateRecord", "records/1", &[("GSW_ATTEMPTS", attempts)]);
        }
        let mut pairs = vec![("GSW_CALL_RESULT", "Answer"), ("GSW_TREATMENT", "Personal"), ("OUTCOME", "sold")];
        pairs.extend(given.map(|attempts| ("GSW_ATTEMPTS", attempts)));
        let reply = done(&mut world, "RecordProcessed", "records/1", &pairs);
        assert_eq!(value(&reply, key::RECORD_STATUS), None, "the record is not Ready again");
        let record = row(&world, 1);
        assert_eq!((record.attempt, record.call_result, record.call_time), (wanted, 33, Some(NOW_S)));
        assert_eq!((record.user[0].as_str(), record.treatments.as_str()), ("sold", ""));
        assert!(!is_held(&record), "{record:?}");
        assert_eq!(statuses(&world, [1, 2, 3, 4]), ["Updated", "ChainUpdated", "ChainUpdated", "Ready"]);
    }
}

#[test]
fn a_pending_reschedule_is_carried_out_by_record_processed_and_the_rest_of_the_chain_stays() {
    for (callback, record_type, agent) in
        [("Campaign", record_type::CAMPAIGN_RESCHEDULED, ""), ("Personal", record_type::PERSONAL_RESCHEDULED, "a")]
    {
        let mut world = world();
        hold(&mut world, 1);
        let pairs = [("GSW_DATE_TIME", TEN), ("GSW_CALLBACK_TYPE", callback)];
        done(&mut world, "RecordReschedule", "records/1", &pairs);
        assert_eq!((status(&world, 1), row(&world, 1).record_type), ("Retrieved", record_type::GENERAL));
        let reply = done(&mut world, "RecordProcessed", "records/1", &[("GSW_CALL_RESULT", "Answer")]);
        assert_eq!(value(&reply, key::RECORD_STATUS), Some(Value::Int(record_status::READY)));
        assert_eq!(value(&reply, key::RECORD_TYPE), Some(Value::Int(record_type)));
        assert_eq!(value(&reply, key::DATE_TIME), Some(Value::text(TEN)));
        let record = row(&world, 1);
        assert_eq!((record.record_type, record.dial_sched_time), (record_type, Some(TEN_S)));
        assert_eq!((record.agent_id.as_str(), record.attempt), (agent, 1));
        assert!(!is_held(&record), "{record:?}");
        assert_eq!(statuses(&world, [1, 2, 3]), ["Ready"; 3]);
        assert_eq!([1, 2, 3].map(|handle| row(&world, handle).waits), [false, true, true]);
    }
}

/// A treatment of the result Busy.
fn treatment(action: &str) -> DeclaredTreatment {
    DeclaredTreatment {
        name: "busy".to_owned(),
        dbid: Some(101),
        call_result: Some(6),
        number: Some(1),
        action: Some(action.to_owned()),
        cycle_attempts: Some(3),
        interval: Some(30),
        increment: Some(0),
        at: Some(String::new()),
    }
}

#[test]
fn a_treatment_decides_what_becomes_of_record_and_chain() {
    const HALF_AN_HOUR_S: i64 = 30 * 60;
    let after = Some(NOW_S + HALF_AN_HOUR_S);
    let ready = ["Ready"; 3];
    for (action, wanted, own, next) in [
        ("RetryIn", ready, (record_type::CAMPAIGN_RESCHEDULED, after), None),
        ("Cycle", ready, (record_type::CAMPAIGN_RESCHEDULED, Some(NOW_S)), None),
        ("NextInChain", ["Ready", "Updated", "Ready"], (record_type::GENERAL, None), None),
        ("NextInChainAfter", ["Ready", "Updated", "Ready"], (record_type::GENERAL, None), after),
        ("AssignToGroup", ready, (record_type::GENERAL, None), None),
        ("MarkAsAgentError", ["Ready", "AgentError", "Ready"], (record_type::GENERAL, None), None),
        ("MarkDB", ["Ready", "Updated", "Ready"], (record_type::GENERAL, None), None),
        ("MarkAllChain", ["ChainUpdated", "Updated", "ChainUpdated"], (record_type::GENERAL, None), None),
    ] {
        let mut world = world();
        declare(&mut world, Declaration { treatments: vec![treatment(action)], ..Declaration::default() });
        edit_list(&mut world, DEMO, |list| list.treatments = vec!["busy".to_owned()]);
        hold(&mut world, 2);
        let reply = done(&mut world, "RecordProcessed", "records/2", &[("GSW_CALL_RESULT", "Busy")]);
        assert_eq!(statuses(&world, [1, 2, 3]), wanted, "{action}");
        let record = row(&world, 2);
        assert_eq!((record.record_type, record.dial_sched_time), own, "{action}");
        assert_eq!(record.treatments, "6.1.1", "{action}");
        let is_again = wanted[1] == "Ready";
        assert_eq!(value(&reply, key::RECORD_STATUS).is_some(), is_again, "{action}");
        let third = row(&world, 3);
        let is_next = next.is_some();
        assert_eq!(third.record_type == record_type::CAMPAIGN_RESCHEDULED, is_next, "{action}");
        assert_eq!((third.dial_sched_time, row(&world, 1).dial_sched_time), (next, None), "{action}");
    }
}

#[test]
fn a_personal_treatment_calls_again_for_the_agent_who_held_the_record() {
    let mut world = world();
    declare(&mut world, Declaration { treatments: vec![treatment("RetryIn")], ..Declaration::default() });
    edit_list(&mut world, DEMO, |list| list.treatments = vec!["busy".to_owned()]);
    hold(&mut world, 4);
    let pairs = [("GSW_CALL_RESULT", "Busy"), ("GSW_TREATMENT", "RecordTreatPersonal")];
    done(&mut world, "RecordProcessed", "records/4", &pairs);
    let record = row(&world, 4);
    assert_eq!((record.record_type, record.agent_id.as_str()), (record_type::PERSONAL_RESCHEDULED, "a"));
    assert_eq!(record.treatments, "6.1.1", "the column holds result, step and times");
}

#[test]
fn a_rejected_record_is_ready_as_it_was_and_its_chain_pauses() {
    let mut world = world();
    edit(&mut world, 1, |record| {
        (record.record_type, record.dial_sched_time) = (record_type::PERSONAL_CALLBACK, Some(NOW_S));
        record.agent_id = "own".to_owned();
    });
    edit(&mut world, 3, |record| (record.not_before_s, record.chain_paused) = (Some(NOW_S + 3_600), true));
    hold(&mut world, 1);
    done(&mut world, "RecordReschedule", "records/1", &[("GSW_DATE_TIME", TEN)]);
    let before = row(&world, 1);
    let reply = done(&mut world, "RecordReject", "records/1", &[("OUTCOME", "busy"), ("SHOE", "44")]);
    assert_eq!((event(&reply), value(&reply, key::IGNORED)), ("RecordRejectAcknowledge", Some(Value::text("SHOE"))));
    let record = row(&world, 1);
    assert_eq!((record.record_status, record.record_type), (record_status::READY, record_type::PERSONAL_CALLBACK));
    assert_eq!((record.dial_sched_time, record.agent_id.as_str()), (Some(NOW_S), "own"));
    assert_eq!((record.attempt, record.call_result, record.call_time), (before.attempt, before.call_result, None));
    assert_eq!((record.campaign_id, record.group_id, record.user[0].as_str()), (None, None, "busy"));
    assert!(!is_held(&record), "{record:?}");
    assert_eq!(
        [1, 2, 3, 4].map(|handle| row(&world, handle).not_before_s),
        [Some(NOW_S + 60), Some(NOW_S + 60), Some(NOW_S + 3_600), None],
        "a longer pause stays"
    );
    assert_eq!(code(&ask(&mut world, "RecordReject", "records/1", &[])), "CONFLICT", "Ready now");
}

#[test]
fn the_pause_of_a_chain_holds_for_a_record_that_a_limit_held_back() {
    let mut world = world();
    edit(&mut world, 2, |record| record.not_before_s = Some(NOW_S + 3_600));
    hold(&mut world, 1);
    done(&mut world, "RecordReject", "records/1", &[]);
    done(&mut world, "UpdateCallCompletionStats", "records/2", &[]);
    let paused = row(&world, 2);
    assert_eq!(
        (paused.not_before_s, paused.chain_paused),
        (Some(NOW_S + 60), true),
        "the limit is asked behind the pause"
    );
}

#[test]
fn the_pause_of_a_rejected_record_is_an_option() {
    let mut world = world();
    world.ask(Body::SetSettings(vec![Setting { key: "reject_pause".into(), value: "5".into() }]));
    hold(&mut world, 4);
    done(&mut world, "RecordReject", "records/4", &[]);
    assert_eq!(row(&world, 4).not_before_s, Some(NOW_S + 5));
}
