//! Entries that operators make, apply and take back.

use std::sync::Arc;

use outbound::{
    ApplyDoNotCall, Body, DoNotCallBatch, DoNotCallRow, DoNotCallScope, Effect, RemoveDoNotCall, ReplyBody, key,
};
use records::{DncRow, DncScope, Event, Key, Row, View};

use super::three_lists::{
    CAMPAIGN, NORTH, NOW_S, OTHER, about_phone, add, ask, code, customer, enter, enter_one, entries, file, keys,
    marked, phone, put, scope, shown, stop, tenant, world,
};

#[test]
fn each_row_of_a_batch_is_entered_stands_already_or_is_rejected_with_its_reason() {
    let mut world = world();
    let row = |phone: &str, customer: &str| DoNotCallRow { customer: customer.into(), ..about_phone(phone) };
    let rows = vec![
        row("+9991", ""),
        row("00999-1", ""),
        row("", " c7 "),
        row("", ""),
        row("+9992", "c8"),
        row("nobody", ""),
        row("1.5E+10", ""),
        row(&"1".repeat(129), ""),
        row("", &"c".repeat(1_025)),
        DoNotCallRow { message: "m".repeat(256), ..about_phone("+9993") },
        DoNotCallRow { expires_s: Some(-1), ..about_phone("+9994") },
        DoNotCallRow { expires_s: Some(i64::MAX), ..about_phone("+9995") },
    ];
    let imported = enter(&mut world, file("f", 5, rows));
    assert_eq!((imported.added, imported.duplicates, imported.rejected.len()), (2, 1, 9));
    let reasons: Vec<_> = imported.rejected.iter().map(|row| (row.row, row.reason.as_str())).collect();
    for ((row, reason), (wanted, begins)) in reasons.into_iter().zip([
        (8, "has neither a phone nor a customer_id"),
        (9, "has a phone and a customer_id"),
        (10, "phone: \"nobody\" has no digit"),
        (11, "phone: \"1.5E+10\" is a number with an exponent"),
        (12, "phone: must have at most 128 letters"),
        (13, "customer_id: must have 1 to 1024 bytes"),
        (14, "message: must have at most 255 letters"),
        (15, "expires: -1 is no time"),
        (16, "expires: 9223372036854775807 is no time"),
    ]) {
        assert!(row == wanted && reason.starts_with(begins), "row {row}: {reason}");
    }
    assert_eq!(keys(&world), [(tenant(""), phone("+9991")), (tenant(""), customer("c7"))]);
    assert_eq!(marked(&world), Vec::<u64>::new(), "no record changes");
}

#[test]
fn a_batch_is_applied_once_however_often_and_however_cut_it_comes() {
    let mut world = world();
    let rows = |phones: &[&str]| phones.iter().map(|phone| about_phone(phone)).collect::<Vec<_>>();
    let first = enter(&mut world, file("f", 1, rows(&["+1", "+2", "x"])));
    assert_eq!((first.added, first.duplicates, first.rejected.len()), (2, 0, 1));
    let removal = RemoveDoNotCall { phone: "+1".into(), ..RemoveDoNotCall::default() };
    world.ask(Body::RemoveDoNotCall(removal));
    let again = world.ask(Body::DoNotCallBatch(file("f", 1, rows(&["+1", "+2", "x"]))));
    assert!(again.replayed && again.body == ReplyBody::Imported(first));
    assert_eq!(keys(&world), [(tenant(""), phone("+2"))], "what was taken back stays so");
    let otherwise = enter(&mut world, file("f", 2, rows(&["+2", "x", "+3"])));
    assert_eq!((otherwise.added, otherwise.duplicates, otherwise.rejected.len()), (1, 2, 0));
    let other = enter(&mut world, file("g", 1, rows(&["+1", "+2"])));
    assert_eq!((other.added, other.duplicates), (1, 1));
}

#[test]
fn a_standing_entry_keeps_its_time_and_its_end_and_takes_a_message() {
    let mut world = world();
    let everywhere = DoNotCallScope::default;
    stop(&mut world, "phones/+9991", &[("GSW_MESSAGE", "asked")]);
    let (.., first) = entries(&world).remove(0);
    enter_one(&mut world, everywhere(), about_phone("(+999) 1"));
    assert_eq!(entries(&world)[0].2, first, "nothing was given");
    let row = DoNotCallRow { message: "again".into(), expires_s: Some(NOW_S + 90), ..about_phone("+9991") };
    assert_eq!(enter_one(&mut world, everywhere(), row).duplicates, 1);
    let (.., after) = entries(&world).remove(0);
    assert_eq!(after, DncRow { message: "again".into(), ..first });
}

#[test]
fn a_batch_for_an_unknown_scope_or_without_sense_is_refused_whole() {
    let everywhere = DoNotCallScope::default;
    let one = || file("f", 1, vec![about_phone("+1")]);
    for (asked, wanted) in [
        (DoNotCallBatch { scope: scope("south", "", ""), ..one() }, "TENANT_NOT_FOUND"),
        (DoNotCallBatch { scope: scope("", "", "nowhere"), ..one() }, "LIST_NOT_FOUND"),
        (DoNotCallBatch { scope: scope("north", "", "demo"), ..one() }, "LIST_NOT_FOUND"),
        (DoNotCallBatch { scope: scope("default", "", "north"), ..one() }, "LIST_NOT_FOUND"),
        (DoNotCallBatch { scope: scope("", "Nothing", ""), ..one() }, "BAD_VALUE"),
        (DoNotCallBatch { scope: scope("north", "Renewals", ""), ..one() }, "BAD_VALUE"),
        (DoNotCallBatch { scope: scope("", "Renewals", "demo"), ..one() }, "BAD_VALUE"),
        (DoNotCallBatch { import_id: Vec::new(), ..one() }, "BAD_VALUE"),
        (DoNotCallBatch { import_id: vec![0; 65], ..one() }, "BAD_VALUE"),
        (DoNotCallBatch { first_row: 0, ..one() }, "BAD_VALUE"),
        (DoNotCallBatch { rows: Vec::new(), ..one() }, "BAD_VALUE"),
        (DoNotCallBatch { source: "s".repeat(256), ..one() }, "BAD_VALUE"),
        (DoNotCallBatch { rows: vec![about_phone("+1"); 501], ..one() }, "LIMIT"),
    ] {
        let mut world = world();
        assert_eq!(code(&world.ask(Body::DoNotCallBatch(asked.clone()))), wanted, "{:?}", asked.scope);
        assert_eq!(entries(&world), []);
    }
    for (named, key) in [
        (everywhere(), tenant("")),
        (scope("default", "", ""), tenant("")),
        (scope("north", "", ""), tenant("north")),
        (scope("north", "", "north"), DncScope::List(NORTH)),
        (scope("", "", "102"), DncScope::List(OTHER)),
        (scope("default", "201", ""), DncScope::Campaign(CAMPAIGN)),
    ] {
        let mut world = world();
        enter_one(&mut world, named, about_phone("+1"));
        assert_eq!(keys(&world), [(key, phone("+1"))]);
    }
}

#[test]
fn readers_of_events_hear_of_a_single_entry_and_never_of_a_files() {
    let mut world = world();
    let is_entry = |event: &Event| matches!(event, Event::Effect(Effect::DoNotCallEntered { .. }));
    enter(&mut world, file("f", 1, vec![about_phone("+1"), about_phone("+2")]));
    assert!(!world.events.iter().any(is_entry));
    enter_one(&mut world, scope("", "", "other"), about_phone("+3"));
    assert!(world.events.contains(&Event::Effect(Effect::DoNotCallEntered { list: Some(OTHER) })));
    enter_one(&mut world, scope("", "", "other"), about_phone("+3"));
    assert!(!world.events.iter().any(is_entry), "the entry stood already");
}

#[test]
fn an_application_marks_the_open_records_of_a_list_in_the_order_of_their_ids() {
    let mut world = world();
    for at in 10..15 {
        add(&mut world, "demo", &[("GSW_PHONE", &format!("+99{at}"))]);
    }
    ask(&mut world, "RecordProcessed", "records/4", &[]);
    enter(&mut world, file("f", 1, vec![about_phone("+9991"), about_phone("+9911"), about_phone("+9914")]));
    let (mut from_record_id, mut looked, mut steps) = (0, 0, Vec::new());
    loop {
        let asked = ApplyDoNotCall { list: "demo".into(), from_record_id, rows_max: 3 };
        let reply = world.ask(Body::ApplyDoNotCall(asked));
        steps.push(shown(&reply, "marked"));
        looked += shown(&reply, "looked").parse::<u64>().unwrap();
        match shown(&reply, "next_record_id").parse() {
            Ok(next) => from_record_id = next,
            Err(_) => break,
        }
    }
    assert_eq!((steps.concat(), looked), ("1110".to_owned(), 9), "a chain's other records and finalised ones stay");
    assert_eq!(marked(&world), [1, 8, 11], "no record of another list");
    for (list, rows_max, wanted) in
        [("nowhere", 1, "LIST_NOT_FOUND"), ("demo", 0, "BAD_VALUE"), ("demo", 501, "BAD_VALUE")]
    {
        let asked = ApplyDoNotCall { list: list.into(), from_record_id: 0, rows_max };
        assert_eq!(code(&world.ask(Body::ApplyDoNotCall(asked))), wanted);
    }
}

#[test]
fn an_entry_is_taken_back_by_its_scope_and_its_subject() {
    let scopes = [scope("", "", ""), scope("north", "", ""), scope("", "", "other"), scope("", "Renewals", "")];
    for (at, taken_back) in scopes.iter().enumerate() {
        for of_customer in [false, true] {
            let mut world = world();
            let (phone, customer) = if of_customer { ("", "c8") } else { ("+9998", "") };
            for scope in scopes.clone() {
                let row = DoNotCallRow { phone: phone.into(), customer: customer.into(), ..DoNotCallRow::default() };
                enter_one(&mut world, scope, row);
            }
            let before = keys(&world);
            let DoNotCallScope { tenant, campaign, list } = taken_back.clone();
            let removal = RemoveDoNotCall { phone: phone.into(), customer: customer.into(), tenant, campaign, list };
            let reply = world.ask(Body::RemoveDoNotCall(removal.clone()));
            assert_eq!(shown(&reply, "removed"), "1", "{taken_back:?}");
            assert_eq!(shown(&reply, key::CUSTOMER_ID), customer);
            let gone: Vec<_> =
                before.into_iter().filter(|key| !keys(&world).contains(key)).map(|(scope, _)| scope).collect();
            let wanted = [
                DncScope::Tenant(String::new()),
                self::tenant("north"),
                DncScope::List(OTHER),
                DncScope::Campaign(CAMPAIGN),
            ];
            assert_eq!(gone, [wanted[at].clone()]);
            assert_eq!(shown(&world.ask(Body::RemoveDoNotCall(removal)), "removed"), "0");
        }
    }
}

#[test]
fn the_dbid_of_a_list_or_campaign_that_is_gone_still_names_the_scope_of_its_entries() {
    let mut world = world();
    enter_one(&mut world, scope("", "", "other"), about_phone("+1"));
    enter_one(&mut world, scope("", "Renewals", ""), about_phone("+1"));
    world.ask(Body::DeleteList("other".into()));
    world.ask(Body::DeleteRecords(outbound::DeleteRecords { list: OTHER, rows_max: 500 }));
    put(&mut world, vec![(Key::Declared, Row::Declared(Arc::default()))]);
    let removal = |list: &str, campaign: &str| RemoveDoNotCall {
        phone: "+1".into(),
        list: list.into(),
        campaign: campaign.into(),
        ..RemoveDoNotCall::default()
    };
    for (named, wanted) in [
        (removal("other", ""), "LIST_NOT_FOUND"),
        (removal("", "Renewals"), "BAD_VALUE"),
        (removal("102", ""), "ok"),
        (removal("", "201"), "ok"),
        (RemoveDoNotCall { customer: "c7".into(), ..removal("", "") }, "BAD_VALUE"),
    ] {
        assert_eq!(code(&world.ask(Body::RemoveDoNotCall(named.clone()))), wanted, "{named:?}");
    }
    assert_eq!(entries(&world), []);
}

#[test]
fn entries_of_a_phone_or_customer_are_found_in_every_scope() {
    let mut world = world();
    for scope in [scope("", "Renewals", ""), scope("", "", "other"), scope("north", "", ""), scope("", "", "")] {
        enter_one(&mut world, scope.clone(), about_phone("+9998"));
        enter_one(&mut world, scope, DoNotCallRow { customer: "c8".into(), ..DoNotCallRow::default() });
    }
    let scopes = [tenant(""), tenant("north"), DncScope::List(OTHER), DncScope::Campaign(CAMPAIGN)];
    let of = |found: Vec<(Key, DncRow)>| -> Vec<DncScope> {
        let scope = |(key, _)| match key {
            Key::Dnc(scope, _) => scope,
            other => panic!("no entry: {other:?}"),
        };
        found.into_iter().map(scope).collect()
    };
    assert_eq!(of(records::do_not_call_of(&world.map, "00999-8").1), scopes);
    assert_eq!(of(records::do_not_call_of_customer(&world.map, " c8")), scopes);
    assert!(records::do_not_call_of(&world.map, "+9997").1.is_empty());
    assert!(world.map.get(&Key::Dnc(tenant(""), phone("+9998"))).is_some());
}
