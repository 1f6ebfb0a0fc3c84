//! Questions about the state of a machine: counts, Do-Not-Call entries and the audit, page by page.

use outbound::{
    Answer, AuditEntry, AuditFilter, Body, Cursor, DoNotCallBatch, DoNotCallEntry, DoNotCallRow, Page, Query,
    RULES_NEWEST, RaiseRules, Refusal, RefusalCode, Resource, Setting, Value, Verb, key,
};
use pair::{StateReader, machine::RecordsReader};

use super::{apply, command, create_list, entry, import, open, raised_command, request};

/// The pages of a Do-Not-Call question.
fn do_not_call(
    reader: &RecordsReader,
    phone: &str,
    entries_max: u64,
    after: Option<Cursor>,
) -> Result<Vec<Page<DoNotCallEntry>>, Refusal> {
    let phone = (!phone.is_empty()).then(|| phone.to_owned());
    let page = |answer| match answer {
        Answer::DoNotCall { page, .. } => page,
        other => panic!("{other:?}"),
    };
    Ok(reader.query(Query::DoNotCall { phone, customer: None, entries_max, after })?.map(page).collect())
}

#[test]
fn records_are_counted_by_what_they_are_and_entries_come_page_by_page() {
    let dir = tempfile::tempdir().unwrap();
    let mut machine = open(dir.path());
    let never_open = |n: u64| {
        let attributes =
            [(key::PHONE, Value::text(format!("+777{n}"))), (key::FROM, Value::Int(8)), (key::UNTIL, Value::Int(8))];
        request(Verb::AddRecord, Resource::List("demo".into()), &attributes)
    };
    apply(&mut machine, &[entry(1, &[command(1, create_list())]), entry(2, &[command(2, import(1, 500))])]);
    apply(&mut machine, &[entry(3, &[command(3, never_open(1)), command(4, never_open(2))])]);
    let stop = |handle: u64, counter: u64| {
        command(counter, request(Verb::DoNotCall, Resource::Record(outbound::Handle(handle)), &[]))
    };
    apply(&mut machine, &[entry(4, &[stop(1, 5), stop(2, 6), stop(3, 7)])]);
    let reader = machine.reader();
    let counted = reader.tally("demo", 0, &|| true).unwrap();
    assert_eq!((counted.records, counted.never_open, counted.retrieved), (502, 2, 0));
    assert_eq!(reader.tally("demo", 0, &|| false).unwrap().records, 0, "told to end at once");
    assert!(reader.tally("none", 0, &|| true).is_err());

    let entries = |phone: &str, entries_max| {
        let pages = do_not_call(&reader, phone, entries_max, None).unwrap();
        pages.into_iter().flat_map(|page| page.rows).map(|entry| entry.form).collect::<Vec<_>>()
    };
    assert_eq!(entries("", u64::MAX), ["+15550000001", "+15550000002", "+15550000003"]);
    assert_eq!(entries("", 2).len(), 2);
    assert_eq!(entries("+1 555 000-0002", u64::MAX), ["+15550000002"]);
    assert!(entries("+777", u64::MAX).is_empty());
    assert!(entries("hello", u64::MAX).is_empty(), "any text is a phone to rules version 1");
    let next = do_not_call(&reader, "", 2, None).unwrap().remove(0).next;
    let behind = do_not_call(&reader, "", u64::MAX, next).unwrap();
    assert_eq!(behind[0].rows[0].form, "+15550000003", "goes on behind the page");
}

#[test]
fn a_look_up_of_what_is_no_number_is_refused_unless_an_entry_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut machine = open(dir.path());
    let raise = RaiseRules { to: RULES_NEWEST, settings: Vec::new(), release: "0.1.0".to_owned() };
    let of_type = [(key::PHONE, Value::text("hello")), (key::PHONE_TYPE, Value::Int(11))];
    let message = [(key::MESSAGE, Value::text("by chat"))];
    let bodies = [
        Body::RaiseRules(raise),
        create_list(),
        request(Verb::AddRecord, Resource::List("demo".into()), &of_type),
        request(Verb::DoNotCall, Resource::Record(outbound::Handle(1)), &message),
    ];
    for (at, body) in (1..).zip(bodies) {
        apply(&mut machine, &[entry(at, &[raised_command(at, body)])]);
    }
    let reader = machine.reader();
    let asked = |phone: &str| do_not_call(&reader, phone, u64::MAX, None);
    let refused = |phone: &str| asked(phone).err().map(|refusal| refusal.message).unwrap();
    assert!(refused("1.5E+10").contains("an exponent"));
    assert_eq!(refused("hullo"), "The phone \"hullo\" has no digit");
    let entries: Vec<_> = asked("hello").unwrap().remove(0).rows;
    assert_eq!((entries[0].form.as_str(), entries[0].message.as_str()), ("hello", "by chat"));
    assert_eq!(asked("+9991").unwrap().remove(0).rows.len(), 0);
}

#[test]
fn entries_of_a_customer_are_found_and_an_expired_entry_is_listed_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut machine = open(dir.path());
    let raise = RaiseRules { to: RULES_NEWEST, settings: Vec::new(), release: "0.1.0".to_owned() };
    let row = |phone: &str, customer: &str, expires_s| DoNotCallRow {
        phone: phone.to_owned(),
        customer: customer.to_owned(),
        expires_s,
        ..DoNotCallRow::default()
    };
    // the commands have stamps of second 1,700,000,000
    let end_s = Some(1_700_000_001);
    let rows = vec![row("+9991", "", end_s), row("", "c7", None)];
    let batch =
        DoNotCallBatch { import_id: vec![1], first_row: 1, source: "day.csv".to_owned(), rows, ..Default::default() };
    for (at, body) in (1..).zip([Body::RaiseRules(raise), Body::DoNotCallBatch(batch)]) {
        apply(&mut machine, &[entry(at, &[raised_command(at, body)])]);
    }
    let reader = machine.reader();
    let of_customer = |customer: &str| {
        let customer = Some(customer.to_owned());
        let query = Query::DoNotCall { phone: None, customer, entries_max: u64::MAX, after: None };
        let mut answers = reader.query(query).unwrap_or_else(|refusal| panic!("{refusal:?}"));
        match answers.next() {
            Some(Answer::DoNotCall { page, .. }) => page.rows,
            other => panic!("{other:?}"),
        }
    };
    let found = of_customer(" c7 ");
    assert_eq!((found[0].form.as_str(), found[0].customer, found[0].source.as_str()), ("c7", true, "day.csv"));
    assert!(of_customer("c8").is_empty());
    assert!(do_not_call(&reader, "+9991", u64::MAX, None).unwrap()[0].rows.is_empty(), "it has expired");
    let all = do_not_call(&reader, "", u64::MAX, None).unwrap().remove(0).rows;
    assert_eq!(all.iter().map(|entry| entry.expires_s).collect::<Vec<_>>(), [end_s, None]);
}

/// The pages of the audit.
fn audited(
    reader: &RecordsReader,
    filter: AuditFilter,
    rows_max: u64,
    after: Option<Cursor>,
) -> Result<Vec<Page<AuditEntry>>, Refusal> {
    let page = |answer| match answer {
        Answer::Audit(page) => page,
        other => panic!("{other:?}"),
    };
    Ok(reader.query(Query::Audit { filter, rows_max, after })?.map(page).collect())
}

fn numbers(pages: &[Page<AuditEntry>]) -> Vec<u64> {
    pages.iter().flat_map(|page| &page.rows).map(|row| row.number).collect()
}

#[test]
fn the_audit_is_read_in_pages_by_a_filter_and_goes_on_behind_a_cursor() {
    const ROWS: u64 = 1_205;
    let dir = tempfile::tempdir().unwrap();
    let mut machine = open(dir.path());
    let raise = RaiseRules { to: RULES_NEWEST, settings: Vec::new(), release: "0.1.0".to_owned() };
    apply(&mut machine, &[entry(1, &[raised_command(1, Body::RaiseRules(raise))])]);
    let set = |at: u64| {
        let setting = Setting { key: "reject_pause".into(), value: (1 + at % 50).to_string() };
        raised_command(at, Body::SetSettings(vec![setting]))
    };
    apply(&mut machine, &[entry(2, &(2..=ROWS).map(set).collect::<Vec<_>>())]);
    let reader = machine.reader();
    let all = audited(&reader, AuditFilter::default(), u64::MAX, None).unwrap();
    assert_eq!(numbers(&all), (1..=ROWS).collect::<Vec<_>>());
    assert_eq!(
        all.iter().map(|page| (page.rows.len(), page.next.is_some())).collect::<Vec<_>>(),
        [(1_000, true), (205, false)]
    );
    let behind = audited(&reader, AuditFilter::default(), u64::MAX, all[0].next.clone()).unwrap();
    assert_eq!(numbers(&behind)[0], 1_001);

    let few = audited(&reader, AuditFilter::default(), 3, None).unwrap();
    assert_eq!((numbers(&few), few.len()), (vec![1, 2, 3], 1));
    let more = audited(&reader, AuditFilter::default(), 2, few[0].next.clone()).unwrap();
    assert_eq!(numbers(&more), [4, 5], "goes on behind the rows of the page");

    let rows: Vec<&AuditEntry> = all.iter().flat_map(|page| &page.rows).collect();
    let (since_us, until_us) = (Some(rows[9].at_us), Some(rows[19].at_us));
    let within = audited(&reader, AuditFilter { since_us, until_us, ..Default::default() }, u64::MAX, None).unwrap();
    assert_eq!(numbers(&within), (10..=19).collect::<Vec<_>>());
    let since = AuditFilter { since_us, ..AuditFilter::default() };
    let of_another_question = audited(&reader, since, 2, few[0].next.clone()).unwrap();
    assert_eq!(numbers(&of_another_question), [10, 11], "its cursor stands before the first wanted row");
    let raised = AuditFilter { what: Some("raiserules".into()), ..AuditFilter::default() };
    assert_eq!(numbers(&audited(&reader, raised, u64::MAX, None).unwrap()), [1]);
    let nobodys = AuditFilter { principal: Some("nobody".into()), ..AuditFilter::default() };
    let none = audited(&reader, nobodys, u64::MAX, None).unwrap();
    assert!(numbers(&none).is_empty() && none[0].next.is_some(), "a page looks at so many rows, and no more");
    let wrong = audited(&reader, AuditFilter::default(), 1, Some(Cursor(vec![1])));
    assert_eq!(wrong.err().map(|refusal| refusal.code), Some(RefusalCode::BadValue));
}
