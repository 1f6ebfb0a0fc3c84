//! The numbers, the lists and the time for which an entry counts.

use outbound::{ApplyDoNotCall, Body, DoNotCallRow, DoNotCallScope, RemoveDoNotCall};
use records::DncScope;

use super::three_lists::{
    CAMPAIGN, NOW_S, OTHER, about_phone, add, ask, code, enter_one, entries, keys, lists, phone, scope, shown, world,
};

#[test]
fn an_entry_under_one_form_of_a_number_stops_each_form_that_the_tenant_declares() {
    let forms = ["+49 30 12345", "0049 (0)30 12345", "030/12345"];
    for of_entry in forms {
        for of_record in forms {
            let mut world = lists(1_000);
            enter_one(&mut world, scope("north", "", ""), about_phone(of_entry));
            let pairs = [("GSW_PHONE", of_record)];
            let refused = ask(&mut world, "AddRecord", "lists/north", &pairs);
            assert_eq!(code(&refused), "DO_NOT_CALL", "{of_entry} {of_record}");
            add(&mut world, "demo", &pairs);
            let (found, entries) = records::do_not_call_of(&world.map, of_record);
            assert_eq!(entries.len(), 1, "{of_entry} {of_record}");
            assert_eq!(found.len(), 2, "{found:?}");
            let removal =
                RemoveDoNotCall { phone: of_record.into(), tenant: "north".into(), ..RemoveDoNotCall::default() };
            assert_eq!(shown(&world.ask(Body::RemoveDoNotCall(removal)), "removed"), "1");
            add(&mut world, "north", &pairs);
        }
    }
    let mut world = lists(1_000);
    enter_one(&mut world, DoNotCallScope::default(), about_phone("030 12345"));
    add(&mut world, "demo", &[("GSW_PHONE", "+49 30 12345")]);
}

#[test]
fn an_expired_entry_counts_as_absent() {
    let mut world = world();
    let until = |seconds: i64| DoNotCallRow { expires_s: Some(NOW_S + seconds), ..about_phone("+9998") };
    enter_one(&mut world, DoNotCallScope::default(), until(60));
    let pairs = [("GSW_PHONE", "+9998")];
    assert_eq!(code(&ask(&mut world, "AddRecord", "lists/demo", &pairs)), "DO_NOT_CALL");
    world.wait_ms(60_000);
    add(&mut world, "demo", &pairs);

    let (.., before) = entries(&world).remove(0);
    let imported = enter_one(&mut world, DoNotCallScope::default(), until(3_600));
    assert_eq!((imported.added, imported.duplicates), (1, 0), "the expired entry is none");
    let (.., after) = entries(&world).remove(0);
    assert!(after.stamp_us > before.stamp_us && entries(&world).len() == 1);
    assert_eq!(code(&ask(&mut world, "AddRecord", "lists/other", &pairs)), "DO_NOT_CALL");
}

#[test]
fn an_entry_of_a_list_stops_this_list_and_an_entry_of_a_campaign_no_addition() {
    let mut world = world();
    enter_one(&mut world, scope("", "", "other"), about_phone("+9998"));
    enter_one(&mut world, scope("", "Renewals", ""), about_phone("+9997"));
    assert_eq!(keys(&world), [(DncScope::List(OTHER), phone("+9998")), (DncScope::Campaign(CAMPAIGN), phone("+9997"))]);
    for (list, of_phone, wanted) in
        [("other", "+9998", "DO_NOT_CALL"), ("demo", "+9998", "ok"), ("other", "+9997", "ok"), ("demo", "+9997", "ok")]
    {
        let reply = ask(&mut world, "AddRecord", &format!("lists/{list}"), &[("GSW_PHONE", of_phone)]);
        assert_eq!(code(&reply), wanted, "{list} {of_phone}");
    }
    let application = ApplyDoNotCall { list: "demo".into(), from_record_id: 0, rows_max: 500 };
    assert_eq!(shown(&world.ask(Body::ApplyDoNotCall(application)), "marked"), "0");
}

/// Each row: the ends of two entries about one phone, seconds from now, and the end that counts.
#[test]
fn an_entry_stands_until_the_later_of_the_ends_that_were_given() {
    for (first, second, end) in
        [(None, Some(60), None), (Some(60), None, None), (Some(60), Some(90), Some(90)), (Some(90), Some(60), Some(90))]
    {
        let mut world = world();
        let until = |seconds: Option<i64>| DoNotCallRow {
            expires_s: seconds.map(|seconds| NOW_S + seconds),
            ..about_phone("+9998")
        };
        enter_one(&mut world, DoNotCallScope::default(), until(first));
        enter_one(&mut world, DoNotCallScope::default(), until(second));
        let (.., row) = entries(&world).remove(0);
        assert_eq!(row.expires_s, end.map(|seconds| NOW_S + seconds), "{first:?} {second:?}");
    }
}
