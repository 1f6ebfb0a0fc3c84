//! Requests of another attempt, finalised records, the chain of a record, and repeats.

use outbound::{
    Body, ReplyBody, Request, Value,
    declaration::{CampaignList, CampaignLists, Declaration, DeclaredCampaign, DeclaredGroup},
    key, record_status, record_type,
};
use records::Table;

use super::two_lists::{GUID, Pair, TEN, add, ask, code, declare, done, edit, hold, row, status, value, world};
use crate::common::{World, request};

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
