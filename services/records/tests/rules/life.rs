//! The life of a record under rules with campaigns: the tables of spec 9, Life of a record and Small print, a row a test or a line
//! of a test. A record is handed out here by a written row, as the hand-out leaves it.

use std::{collections::BTreeMap, sync::Arc};

use crate::common::{START_US, World, field, request};
use outbound::{
    Body, Handle, RECORD_STATUS, RULES_NEWEST, Reply, ReplyBody, Request, Setting, Value, call_result,
    declaration::{
        CampaignList, CampaignLists, Declaration, DeclaredCampaign, DeclaredGroup, DeclaredTenant, DeclaredTreatment,
        DeclaredZone,
    },
    key, record_status, record_type,
};
use records::{
    BringUpRow, Change, Changes, CustomersRow, Declared, DeclaredRow, Key, ListRow, PendingRow, RecordRow, Row, Table,
    View, canonical_phone, indexes_of,
};

/// DBIDs of the two lists: `demo` lives in Berlin, `other` in UTC.
const DEMO: u32 = 101;
const OTHER: u32 = 102;
/// The hour of the tests, UTC seconds: 01:00 in Berlin.
const NOW_S: i64 = (START_US / 1_000_000) as i64;
/// 10:00 in Berlin on the next day.
const TEN: &str = "01/02/2024 10:00";
const TEN_S: i64 = NOW_S + 33 * 3_600;
/// The GUID of the attempt that holds a record.
const GUID: &str = "ABABABABABABABABABABABABABABABAB";
/// Longer than the replay window.
const LATER_MS: u64 = 10_000;

type Pair<'a> = (&'a str, &'a str);

/// Records 1 to 3 are a chain of `demo`; 4, alone in `demo`, and 5, in `other`, have phone and customer of record 1.
fn world() -> World {
    let mut world = World::default();
    world.raise(RULES_NEWEST, Vec::new());
    world.create("demo", "Europe/Berlin", vec![field("OUTCOME", "varchar(20)"), field("CLIENT_ID", "varchar(64)")]);
    world.create("other", "UTC", vec![field("CUSTOMER", "varchar(64)")]);
    edit_list(&mut world, DEMO, |list| list.customer_column = "CLIENT_ID".into());
    edit_list(&mut world, OTHER, |list| list.customer_column = "CUSTOMER".into());
    add(&mut world, "demo", &[("GSW_PHONE", "+9991"), ("CLIENT_ID", "c7")]);
    add(&mut world, "demo", &[("GSW_PHONE", "+9992"), ("GSW_CHAIN_ID", "1")]);
    add(&mut world, "demo", &[("GSW_PHONE", "+9993"), ("GSW_CHAIN_ID", "1")]);
    add(&mut world, "demo", &[("GSW_PHONE", "(+999) 1"), ("CLIENT_ID", " c7 ")]);
    add(&mut world, "other", &[("GSW_PHONE", "+9991"), ("CUSTOMER", "c7")]);
    world
}

fn add(world: &mut World, list: &str, pairs: &[Pair<'_>]) {
    let reply = ask(world, "AddRecord", &format!("lists/{list}"), pairs);
    assert_eq!(code(&reply), "ok", "{reply:?}");
}

fn ask(world: &mut World, verb: &str, resource: &str, pairs: &[Pair<'_>]) -> Reply {
    world.ask(Body::Request(request(verb, resource, pairs)))
}

/// The reply to a request that must be done.
fn done(world: &mut World, verb: &str, resource: &str, pairs: &[Pair<'_>]) -> Reply {
    let reply = ask(world, verb, resource, pairs);
    assert_eq!(code(&reply), "ok", "{verb} {resource} {pairs:?}: {reply:?}");
    reply
}

/// `ok`, or the code of the refusal.
fn code(reply: &Reply) -> &'static str {
    match &reply.body {
        ReplyBody::Done(_) => "ok",
        ReplyBody::Refused(refusal) => refusal.code.word(),
        other => panic!("no answer to a request: {other:?}"),
    }
}

/// The value of a key in an answer or refusal.
fn value(reply: &Reply, key: &str) -> Option<Value> {
    let attributes = match &reply.body {
        ReplyBody::Done(done) => &done.attributes,
        ReplyBody::Refused(refusal) => &refusal.attributes,
        other => panic!("no answer to a request: {other:?}"),
    };
    attributes.iter().find(|(other, _)| other == key).map(|(_, value)| value.clone())
}

fn event(reply: &Reply) -> &str {
    match &reply.body {
        ReplyBody::Done(done) => &done.event,
        other => panic!("not done: {other:?}"),
    }
}

fn row(world: &World, handle: u64) -> RecordRow {
    records::record(&world.map, Handle(handle)).unwrap()
}

fn status(world: &World, handle: u64) -> &'static str {
    RECORD_STATUS.name_of(row(world, handle).record_status).unwrap()
}

fn statuses<const N: usize>(world: &World, handles: [u64; N]) -> [&'static str; N] {
    handles.map(|handle| status(world, handle))
}

/// Writes a row past the rules, with its index entries.
fn write(world: &mut World, key: &Key, row: Row) {
    let indexes = |row: &Row| indexes_of(key, row, canonical_phone);
    let mut rows: Vec<(Key, Option<Row>)> = Vec::new();
    let old = world.map.get(key);
    rows.extend(old.iter().flat_map(indexes).map(|(index, _)| (index, None)));
    rows.extend(indexes(&row).into_iter().map(|(index, entry)| (index, Some(entry))));
    rows.push((key.clone(), Some(row)));
    let last: BTreeMap<_, _> =
        rows.into_iter().map(|(key, new)| ((key.table(), key.encode().into_vec()), (key, new))).collect();
    let changes = last.into_values().map(|(key, new)| Change { old: world.map.get(&key), key, new }).collect();
    world.take(&[Reply::done("Written", Vec::new())], Changes(changes), Vec::new());
}

fn edit(world: &mut World, handle: u64, change: impl FnOnce(&mut RecordRow)) {
    let mut record = row(world, handle);
    change(&mut record);
    write(world, &Key::Record(Handle(handle)), Row::Record(Arc::new(record)));
}

fn edit_list(world: &mut World, dbid: u32, change: impl FnOnce(&mut ListRow)) {
    let mut list = ListRow::clone(&records::list(&world.map, dbid).unwrap());
    change(&mut list);
    write(world, &Key::List(dbid), Row::List(Arc::new(list)));
}

fn declare(world: &mut World, declaration: Declaration) {
    let row = DeclaredRow { revision: 1, declaration: Some(declaration), ..DeclaredRow::default() };
    write(world, &Key::Declared, Row::Declared(Arc::new(Declared::from(row))));
}

/// Hands a record out to agent `a`; the rest of its chain waits.
fn hold(world: &mut World, handle: u64) {
    let now_us = world.now_us;
    edit(world, handle, |record| {
        record.record_status = record_status::RETRIEVED;
        record.agent_before = std::mem::replace(&mut record.agent_id, "a".to_owned());
        (record.campaign_id, record.group_id) = (Some(7), Some(8));
        (record.held_since_us, record.changed_us) = (now_us, now_us);
        record.attempt_guid = vec![0xab; 16];
        record.waits = false;
    });
    let RecordRow { list, chain_id, .. } = row(world, handle);
    let chain: Vec<Handle> = records::chain(&world.map, list, chain_id).collect();
    for other in chain.into_iter().filter(|other| other.0 != handle) {
        edit(world, other.0, |record| record.waits = record.record_status == record_status::READY);
    }
}

fn is_held(record: &RecordRow) -> bool {
    record.held_since_us != 0 || record.attempts_set || record.pending.is_some() || !record.agent_before.is_empty()
}

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
/// A resource, attributes of a cancel; the cancelled handles, or the code of the refusal.
type CancelCase<'a> = (&'a str, &'a [Pair<'a>], Result<&'a [u64], &'a str>);

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

#[test]
fn a_cancel_ends_the_record_or_its_chain_whoever_holds_it() {
    let only = ["Cancelled", "Ready", "Ready", "Ready"];
    let all = ["Cancelled", "Cancelled", "Cancelled", "Ready"];
    let cases: [(&[Pair<'_>], [&str; 4]); 3] = [
        (&[], only),
        (&[("GSW_CHAIN_ATTR", "RecordOnly"), ("GSW_CALLING_LIST", "demo")], only),
        (&[("GSW_CHAIN_ATTR", "AllChain")], all),
    ];
    for (pairs, wanted) in cases {
        for held in [false, true] {
            let mut world = world();
            if held {
                hold(&mut world, 1);
                done(&mut world, "RecordReschedule", "records/1", &[("GSW_DATE_TIME", TEN)]);
            }
            let reply = done(&mut world, "RequestRecordCancel", "records/1", pairs);
            assert_eq!(event(&reply), "RecordCancelAcknowledge");
            assert_eq!(statuses(&world, [1, 2, 3, 4]), wanted, "{pairs:?}");
            let count = wanted.iter().filter(|status| **status == "Cancelled").count() as i64;
            assert_eq!(value(&reply, key::RECORDS), Some(Value::Int(count)));
            assert!(
                matches!(value(&reply, key::MESSAGE), Some(Value::Str(text)) if text.starts_with(&format!("{count} ")))
            );
            assert_eq!(value(&reply, key::RECORD_HANDLE), Some(Value::Int(1)));
            let record = row(&world, 1);
            assert!(record.call_result == call_result::CANCEL_RECORD && !is_held(&record), "{record:?}");
            assert_eq!([2, 3].map(|handle| row(&world, handle).waits), [false; 2], "nobody holds the chain");
            let late = ask(&mut world, "RecordProcessed", "records/1", &[("GSW_CALL_ATTEMPT_GUID", GUID)]);
            assert_eq!(code(&late), "RECORD_FINALISED", "the agent who held the record is told");
        }
    }
}

#[test]
fn a_cancel_by_phone_or_customer_finds_every_open_record_and_no_other() {
    let demo = ("GSW_CALLING_LIST", "demo");
    let all = ("GSW_CHAIN_ATTR", "AllChain");
    let cases: [CancelCase<'_>; 19] = [
        ("phones/+9991", &[], Ok(&[1, 4, 5])),
        ("phones/(+999)-1", &[("GSW_PHONE", "+999 1")], Ok(&[1, 4, 5])),
        ("phones/+9991", &[demo], Ok(&[1, 4])),
        ("phones/+9991", &[("GSW_CALLING_LIST", "101")], Ok(&[1, 4])),
        ("phones/+9991", &[("GSW_CALLING_LIST_DBID", "102")], Ok(&[5])),
        ("phones/+9991", &[demo, ("GSW_CALLING_LIST_DBID", "102")], Err("BAD_VALUE")),
        ("phones/+9991", &[all], Ok(&[1, 2, 3, 4, 5])),
        ("phones/+9991", &[all, demo], Ok(&[1, 2, 3, 4])),
        ("phones/+9992", &[], Ok(&[2])),
        ("phones/+9992", &[("GSW_CALLING_LIST", "other")], Err("PHONE_NOT_FOUND")),
        ("phones/+9990", &[], Err("PHONE_NOT_FOUND")),
        ("phones/-", &[], Err("PHONE_NOT_FOUND")),
        ("phones/+9991", &[("GSW_CALLING_LIST", "nowhere")], Err("LIST_NOT_FOUND")),
        ("phones/+9991", &[("GSW_PHONE", "+9992")], Err("BAD_VALUE")),
        ("customer_ids/c7", &[], Ok(&[1, 4, 5])),
        ("customer_ids/ c7 ", &[("GSW_CUSTOMER_ID", "c7")], Ok(&[1, 4, 5])),
        ("customer_ids/c7", &[all, demo], Ok(&[1, 2, 3, 4])),
        ("customer_ids/C7", &[], Err("CUSTOMER_NOT_FOUND")),
        ("customer_ids/c7", &[("GSW_CUSTOMER_ID", "c8")], Err("BAD_VALUE")),
    ];
    for (resource, pairs, wanted) in cases {
        let mut world = world();
        hold(&mut world, 1);
        let reply = ask(&mut world, "CancelRecord", resource, pairs);
        let cancelled: Vec<u64> = (1..=5).filter(|handle| status(&world, *handle) == "Cancelled").collect();
        assert_eq!(cancelled, wanted.unwrap_or_default(), "{resource} {pairs:?}: {reply:?}");
        let Ok(handles) = wanted else {
            assert_eq!(code(&reply), wanted.unwrap_err(), "{resource} {pairs:?}");
            continue;
        };
        assert_eq!(value(&reply, key::RECORDS), Some(Value::Int(handles.len() as i64)));
        let (kind, identifier) = resource.split_once('/').unwrap();
        let named = if kind == "phones" { key::PHONE } else { key::CUSTOMER_ID };
        assert_eq!(value(&reply, named), Some(Value::text(identifier)));
        assert_eq!(value(&reply, key::RECORD_HANDLE), None, "no handle");
    }
}

#[test]
fn a_cancel_by_phone_without_an_open_record_changes_none() {
    let mut world = world();
    (1..=3)
        .for_each(|status| edit(&mut world, [1, 4, 5][status - 1], |record| record.record_status = status as i64 + 2));
    for resource in ["phones/+9991", "customer_ids/c7"] {
        let before = statuses(&world, [1, 4, 5]);
        let reply = done(&mut world, "RecordCancel", resource, &[]);
        assert_eq!(value(&reply, key::RECORDS), Some(Value::Int(0)));
        assert!(matches!(value(&reply, key::MESSAGE), Some(Value::Str(text)) if text.starts_with("0 ")));
        assert_eq!(statuses(&world, [1, 4, 5]), before);
    }
}

#[test]
fn a_cancel_of_too_many_records_is_refused_whole() {
    for (resource, attr, records) in [
        ("records/1", "AllChain", 3),
        ("phones/+9991", "RecordOnly", 3),
        ("phones/+9991", "AllChain", 5),
        ("customer_ids/c7", "AllChain", 5),
    ] {
        let mut world = world();
        let setting = Setting { key: "records_per_request_max".into(), value: "2".into() };
        world.ask(Body::SetSettings(vec![setting]));
        let reply = ask(&mut world, "RequestRecordCancel", resource, &[("GSW_CHAIN_ATTR", attr)]);
        assert_eq!(code(&reply), "TOO_MANY", "{resource}");
        assert_eq!(value(&reply, key::RECORDS), Some(Value::Int(records)), "{resource} {attr}");
        assert_eq!(statuses(&world, [1, 2, 3, 4, 5]), ["Ready"; 5]);
        done(&mut world, "RequestRecordCancel", "phones/+9991", &[("GSW_CALLING_LIST", "demo")]);
    }
}

#[test]
fn a_list_that_is_being_deleted_has_no_phone_and_no_customer() {
    for (resource, missing) in [("phones/+9991", "PHONE_NOT_FOUND"), ("customer_ids/c7", "CUSTOMER_NOT_FOUND")] {
        let mut world = world();
        world.ask(Body::DeleteList("demo".into()));
        let reply = done(&mut world, "RequestRecordCancel", resource, &[]);
        assert_eq!(value(&reply, key::RECORDS), Some(Value::Int(1)));
        world.ask(Body::DeleteList("other".into()));
        world.wait_ms(LATER_MS);
        assert_eq!(code(&ask(&mut world, "RequestRecordCancel", resource, &[])), missing);
    }
}

#[test]
fn requests_by_customer_wait_until_the_customers_of_the_tenant_are_indexed() {
    let mut world = world();
    let customers = vec![CustomersRow { list: OTHER, record_id: 1 }];
    write(
        &mut world,
        &Key::BringUp,
        Row::BringUp(BringUpRow { done: true, handle: 5, customers, ..BringUpRow::default() }),
    );
    assert_eq!(code(&ask(&mut world, "RequestRecordCancel", "customer_ids/c7", &[])), "CONFLICT");
    done(&mut world, "RequestRecordCancel", "phones/+9991", &[]);
    edit_list(&mut world, OTHER, |list| list.tenant = "north".to_owned());
    done(&mut world, "RequestRecordCancel", "customer_ids/c7", &[]);
}

#[test]
fn a_phone_means_the_default_tenant_and_a_record_answers_for_its_own() {
    let tenants = || vec![DeclaredTenant { name: "north".to_owned(), dbid: Some(101), ..DeclaredTenant::default() }];
    for (tenant, resource, wanted) in [
        ("", "phones/+9991", Ok(vec![1, 4])),
        ("default", "phones/+9991", Ok(vec![1, 4])),
        ("north", "phones/+9991", Ok(vec![5])),
        ("north", "phones/+9992", Err("PHONE_NOT_FOUND")),
        ("south", "phones/+9991", Err("TENANT_NOT_FOUND")),
        ("", "records/5", Ok(vec![5])),
        ("north", "records/5", Ok(vec![5])),
        ("default", "records/5", Err("RECORD_NOT_FOUND")),
        ("north", "records/1", Err("RECORD_NOT_FOUND")),
        ("south", "records/1", Err("TENANT_NOT_FOUND")),
    ] {
        let mut world = world();
        declare(&mut world, Declaration { tenants: tenants(), ..Declaration::default() });
        edit_list(&mut world, OTHER, |list| list.tenant = "north".to_owned());
        let asked = Request { tenant: tenant.to_owned(), ..request("RequestRecordCancel", resource, &[]) };
        let reply = world.ask(Body::Request(asked));
        let cancelled: Vec<u64> = (1..=5).filter(|handle| status(&world, *handle) == "Cancelled").collect();
        assert_eq!(code(&reply), wanted.as_ref().err().copied().unwrap_or("ok"), "{tenant} {resource}: {reply:?}");
        assert_eq!(cancelled, wanted.unwrap_or_default(), "{tenant} {resource}");
    }
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

/// The requests on a record that need it open, with what they need.
const ON_AN_OPEN_RECORD: [(&str, &[Pair<'static>]); 6] = [
    ("UpdateCallCompletionStats", &[]),
    ("RecordProcessed", &[]),
    ("RecordReschedule", &[("GSW_DATE_TIME", TEN)]),
    ("ScheduledRecordReschedule", &[("GSW_DATE_TIME", TEN)]),
    ("RequestRecordCancel", &[]),
    ("RecordReject", &[]),
];

#[test]
fn an_answer_of_another_attempt_never_ends_the_attempt_that_holds_the_record() {
    let other = "0123456789ABCDEF0123456789ABCDEF";
    let lower = GUID.to_lowercase();
    for (verb, needs) in ON_AN_OPEN_RECORD {
        for (held, guid, wanted) in [
            (true, GUID, "ok"),
            (true, lower.as_str(), "ok"),
            (true, other, "CONFLICT"),
            (true, "7", "CONFLICT"),
            (false, other, if verb == "RecordReject" { "CONFLICT" } else { "ok" }),
        ] {
            let mut world = world();
            edit(&mut world, 4, |record| record.record_type = record_type::CAMPAIGN_CALLBACK);
            if held {
                hold(&mut world, 4);
            }
            let before = row(&world, 4);
            let pairs = [needs, &[("GSW_CALL_ATTEMPT_GUID", guid)]].concat();
            let reply = ask(&mut world, verb, "records/4", &pairs);
            assert_eq!(code(&reply), wanted, "{verb} {held} {guid}: {reply:?}");
            assert_eq!(row(&world, 4) == before, wanted != "ok", "{verb}");
        }
    }
    let mut world = world();
    hold(&mut world, 4);
    done(&mut world, "DoNotCall", "records/4", &[("GSW_CALL_ATTEMPT_GUID", other)]);
    assert_eq!(status(&world, 4), "Updated");
}

#[test]
fn a_finalised_record_takes_nothing_but_do_not_call_and_reads() {
    for finalised in record_status::UPDATED..=record_status::MISSED_CALLBACK {
        for (verb, needs) in ON_AN_OPEN_RECORD {
            let mut world = world();
            edit(&mut world, 1, |record| record.record_status = finalised);
            assert_eq!(code(&ask(&mut world, verb, "records/1", needs)), "RECORD_FINALISED", "{verb}");
            assert_eq!((row(&world, 1).record_status, status(&world, 2)), (finalised, "Ready"));
        }
        let mut world = world();
        edit(&mut world, 1, |record| record.record_status = finalised);
        for verb in ["GetRecord", "ChainedRecordRequest"] {
            assert_eq!(code(&records::read(&request(verb, "records/1", &[]), &world.map)), "ok", "{verb}");
        }
        done(&mut world, "DoNotCall", "records/1", &[]);
    }
}

#[test]
fn the_chain_of_a_record_is_shown_without_it_in_its_order() {
    let mut world = world();
    edit(&mut world, 3, |record| record.record_status = record_status::CHAIN_UPDATED);
    let read = |verb: &str, resource: &str| {
        let reply = records::read(&request(verb, resource, &[("GSW_REFERENCE_ID", "7")]), &world.map);
        let ReplyBody::Done(done) = &reply.body else { panic!("{verb} {resource}: {reply:?}") };
        done.clone()
    };
    let chain = read("ChainedRecordRequest", "records/2");
    assert_eq!(chain.event, "ChainedRecordsDataEnd");
    let head = [(key::CALLING_LIST, Value::text("demo")), (key::RECORD_HANDLE, Value::Int(2))];
    let head = head.into_iter().chain([(key::REFERENCE_ID, Value::Int(7))]);
    assert_eq!(chain.attributes, head.map(|(key, value)| (key.to_owned(), value)).collect::<Vec<_>>());
    let shown = |handle: u64| {
        let pairs = read("GetRecord", &format!("records/{handle}")).attributes;
        pairs.into_iter().filter(|(key, _)| key != key::REFERENCE_ID).collect::<Vec<_>>()
    };
    assert_eq!(chain.records, Some(vec![shown(1), shown(3)]));
    assert_eq!(read("ChainedRecordRequest", "records/4").records, Some(Vec::new()));
}

#[test]
fn a_repeated_request_by_phone_is_answered_again_until_a_record_of_it_changes() {
    let cancel = |world: &mut World| ask(world, "RequestRecordCancel", "phones/+9991", &[]);
    let mut world = world();
    assert!(!cancel(&mut world).replayed);
    let repeated = cancel(&mut world);
    assert!(repeated.replayed);
    assert_eq!(value(&repeated, key::RECORDS), Some(Value::Int(3)));
    done(&mut world, "UpdateRecord", "records/2", &[("GSW_ATTEMPTS", "1")]);
    assert!(cancel(&mut world).replayed, "another record of the chain is none of the phone's");

    // a record that was added since is found
    add(&mut world, "other", &[("GSW_PHONE", "+9991")]);
    let again = cancel(&mut world);
    assert!(!again.replayed);
    assert_eq!(value(&again, key::RECORDS), Some(Value::Int(1)));
    assert_eq!(status(&world, 6), "Cancelled");

    done(&mut world, "DoNotCall", "records/4", &[("GSW_CHAIN_ATTR", "RecordOnly")]);
    assert!(!cancel(&mut world).replayed, "another request has changed a record since");
}

#[test]
fn campaign_control_takes_part_in_keys_and_not_in_the_window() {
    let mut world = world();
    let lists = CampaignLists { lists: vec![CampaignList { list: "demo".to_owned(), weight: Some(10) }] };
    let campaign = DeclaredCampaign {
        name: "Renewals".to_owned(),
        dbid: Some(101),
        tenant: Some(String::new()),
        lists: Some(lists),
    };
    let group = DeclaredGroup {
        campaign: "Renewals".to_owned(),
        group: "Agents".to_owned(),
        dbid: Some(102),
        ..DeclaredGroup::default()
    };
    declare(
        &mut world,
        Declaration { campaigns: vec![campaign], campaign_groups: vec![group], ..Declaration::default() },
    );
    let contents = world.map.table(Table::Content).len();
    let mut load = |key: Option<&str>| {
        let idempotency_key = key.map(|key| key.as_bytes().to_vec());
        let asked = Request { idempotency_key, ..request("LoadCampaign", "campaigngroups/102", &[]) };
        let reply = world.ask(Body::Request(asked));
        assert_eq!(code(&reply), "ok", "{reply:?}");
        reply.replayed
    };
    assert_eq!([None, None].map(&mut load), [false, false]);
    assert_eq!([Some("balancer-1"), Some("balancer-1"), Some("balancer-2")].map(&mut load), [false, true, false]);
    assert_eq!([Some("mine"), Some("mine"), None].map(&mut load), [false, true, false]);
    assert_eq!(world.map.table(Table::Content).len(), contents + 2, "only a balancer's keys are contents");
}
