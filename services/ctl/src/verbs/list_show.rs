//! `list show`: one list or all. Never changes anything.

use std::time::Duration;

use ocs_proto::control::{ListInfo, ShowListRequest};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    cli::ListShowArgs,
    cluster::Cluster,
    failure::Failure,
    print::{self, Out},
};

const RETRY_FOR: Duration = Duration::from_secs(15);

#[derive(Debug, Serialize)]
struct View {
    name: String,
    dbid: u32,
    time_zone: String,
    records: u64,
    next_record_id: u64,
    next_chain_id: u64,
    /// The list is being deleted with its records, which are gone for every client; `records` are those that are left.
    deleting: bool,
    /// Of a single list: records that the count covers; none: its nodes run an older release, or are busy.
    counted: Option<u64>,
    /// Of these, records whose window is empty, and which are never dialled.
    never_open: Option<u64>,
    /// Of these, records behind the first hundred of their chain, which take no part in dialling.
    beyond_chain: Option<u64>,
    fields: Vec<FieldView>,
    /// None: the default tenant.
    tenant: Option<String>,
    /// Column of the field that is the customer id.
    customer_id: Option<String>,
    treatments: Vec<String>,
    calendar: Option<String>,
    /// 0: any number.
    attempts_max: u32,
    /// None: its nodes run an older release.
    unique_phone: Option<String>,
    unknown_keys: &'static str,
    zone_by_phone: bool,
    callbacks_any_time: bool,
    record_history: bool,
    /// Columns of every list with the keys under which they travel too.
    send_attributes: Map<String, Value>,
    /// Different windows that the list's records have or had.
    windows: u32,
    /// Of these, windows that never open.
    windows_never_open: u32,
}

#[derive(Debug, Serialize)]
struct FieldView {
    column: String,
    kind: String,
    default: String,
    send_attribute: String,
}

/// Shows the lists, and of a single one its user-defined fields too.
pub(crate) async fn run(cluster: &Cluster, out: Out, args: &ListShowArgs) -> Result<(), Failure> {
    let request = ShowListRequest { name: args.name.clone().unwrap_or_default(), count: true };
    let ask = |mut client: crate::cluster::Client| {
        let request = request.clone();
        async move { Ok(client.show_list(request).await?.into_inner().lists) }
    };
    let lists = cluster.on_any(RETRY_FOR, ask).await?;
    match &args.name {
        Some(name) if lists.is_empty() => Err(Failure::Refused(format!("there is no list named {name}"))),
        one => out.show(&lists.into_iter().map(view).collect(), |views| table(views, one.is_some())),
    }
}

fn view(list: ListInfo) -> View {
    let field = |field: ocs_proto::outbound::UserField| FieldView {
        column: field.column,
        kind: field.kind,
        default: field.default,
        send_attribute: field.send_attribute,
    };
    View {
        name: list.name,
        dbid: list.dbid,
        time_zone: list.time_zone,
        records: list.records,
        next_record_id: list.next_record_id,
        next_chain_id: list.next_chain_id,
        deleting: list.deleting,
        counted: list.counts.map(|counts| counts.records),
        never_open: list.counts.map(|counts| counts.never_open),
        beyond_chain: list.counts.map(|counts| counts.beyond_chain),
        fields: list.fields.into_iter().map(field).collect(),
        tenant: given(list.tenant),
        customer_id: given(list.customer_id),
        treatments: list.treatments,
        calendar: given(list.calendar),
        attempts_max: list.attempts_max,
        unique_phone: given(list.unique_phone),
        unknown_keys: if list.refuses_unknown_keys { "refuse" } else { "ignore" },
        zone_by_phone: list.zone_by_phone,
        callbacks_any_time: list.callbacks_any_time,
        record_history: list.keeps_history,
        send_attributes: list.send_attributes.into_iter().map(|pair| (pair.key, pair.value.into())).collect(),
        windows: list.windows,
        windows_never_open: list.windows_never_open,
    }
}

fn given(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

#[allow(clippy::ptr_arg)] // the shape that `Out::show` hands on
fn table(views: &Vec<View>, with_fields: bool) -> String {
    let row = |view: &View| {
        let zone = if view.time_zone.is_empty() { "UTC" } else { view.time_zone.as_str() };
        let fields = view.fields.len().to_string();
        [shown(&view.name), view.dbid.to_string(), zone.to_owned(), view.records.to_string(), fields]
    };
    let mut text = print::table(&["list", "dbid", "time zone", "records", "user fields"], views.iter().map(row));
    for remark in views.iter().flat_map(remarks) {
        text = format!("{text}\n{remark}");
    }
    if let ([view], true) = (views.as_slice(), with_fields) {
        text = format!("{text}\n\n{}", declared(view));
    }
    let fields = views.iter().flat_map(|view| &view.fields).filter(|_| with_fields);
    let rows: Vec<_> =
        fields.map(|field| [&field.column, &field.kind, &field.default, &field.send_attribute]).collect();
    if !rows.is_empty() {
        let rows = rows.into_iter().map(|row| row.map(|cell| shown(cell)));
        text = format!("{text}\n\n{}", print::table(&["field", "kind", "default", "send attribute"], rows));
    }
    text
}

/// The declared properties of a list (spec 11).
fn declared(view: &View) -> String {
    let or = |text: &Option<String>, none: &str| shown(text.as_deref().unwrap_or(none));
    let yes_or_no = |flag| if flag { "yes" } else { "no" }.to_owned();
    let send = view.send_attributes.iter().map(|(column, key)| format!("{column} as {}", key.as_str().unwrap_or("")));
    let windows = match view.windows_never_open {
        0 => view.windows.to_string(),
        never => format!("{}, {never} of them never open (from = till)", view.windows),
    };
    let attempts = if view.attempts_max == 0 { "any number".to_owned() } else { view.attempts_max.to_string() };
    let pairs = [
        ("tenant", or(&view.tenant, "the default tenant")),
        ("customer id", or(&view.customer_id, "none")),
        ("treatments", joined(&view.treatments)),
        ("calendar", or(&view.calendar, "none")),
        ("windows", windows),
        ("attempts at most", attempts),
        ("a phone once", or(&view.unique_phone, "no")),
        ("unknown keys", view.unknown_keys.to_owned()),
        ("zone by phone", yes_or_no(view.zone_by_phone)),
        ("callbacks any time", yes_or_no(view.callbacks_any_time)),
        ("record history", yes_or_no(view.record_history)),
        ("travels too", joined(&send.collect::<Vec<_>>())),
    ];
    print::pairs(&pairs)
}

fn joined(texts: &[String]) -> String {
    if texts.is_empty() { "none".to_owned() } else { shown(&texts.join(", ")) }
}

fn shown(text: &str) -> String {
    print::visible(text).into_owned()
}

fn remarks(view: &View) -> Vec<String> {
    let name = shown(&view.name);
    let beyond_chain = view.beyond_chain.filter(|records| *records > 0).map(|records| {
        format!("{name}: {records} records stand behind the first 100 of their chain, and take no part in dialling")
    });
    let deleting = view.deleting.then(|| format!("{name} is being deleted: {} records are left", view.records));
    let never_open = view.never_open.filter(|records| *records > 0).map(|records| {
        let counted = view.counted.unwrap_or_default();
        let of = if counted < view.records { format!("the first {counted}") } else { counted.to_string() };
        format!("{name}: {records} of {of} records are never open (daily_from = daily_till), and never dialled")
    });
    deleting.into_iter().chain(never_open).chain(beyond_chain).collect()
}

#[cfg(test)]
mod tests {
    use ocs_proto::outbound::DeclaredPair;

    use super::*;

    fn list(name: &str) -> View {
        view(ListInfo { name: name.to_owned(), dbid: 101, records: 9, ..ListInfo::default() })
    }

    #[test]
    fn a_name_that_would_act_on_a_terminal_stays_in_its_row() {
        let text = table(&vec![list("a\nb\u{202e}\u{1b}[2J")], false);
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.contains("a\\nb\\u{202e}\\u{1b}[2J"), "{text}");
    }

    #[test]
    fn records_that_are_never_open_and_a_deletion_are_said() {
        assert_eq!(remarks(&list("demo")), Vec::<String>::new());
        let seen = View { deleting: true, counted: Some(9), never_open: Some(2), ..list("demo") };
        let never = "demo: 2 of 9 records are never open (daily_from = daily_till), and never dialled";
        assert_eq!(remarks(&seen), ["demo is being deleted: 9 records are left", never]);
        let part = View { counted: Some(4), never_open: Some(1), ..list("demo") };
        assert!(remarks(&part)[0].starts_with("demo: 1 of the first 4 records"), "{:?}", remarks(&part));
    }

    #[test]
    fn records_too_far_in_their_chain_are_said() {
        let seen = View { counted: Some(9), beyond_chain: Some(3), ..list("demo") };
        let wanted = "demo: 3 records stand behind the first 100 of their chain, and take no part in dialling";
        assert_eq!(remarks(&seen), [wanted]);
    }

    #[test]
    fn a_single_list_shows_what_is_declared_of_it() {
        let pair = DeclaredPair { key: "contact_info".into(), value: "phone".into() };
        let info = ListInfo {
            name: "renewals".into(),
            dbid: 101,
            customer_id: "CLIENT_ID".into(),
            treatments: vec!["busy-again".into(), "no-answer".into()],
            calendar: "weekdays".into(),
            attempts_max: 12,
            unique_phone: "open".into(),
            refuses_unknown_keys: true,
            send_attributes: vec![pair],
            windows: 7,
            windows_never_open: 1,
            ..ListInfo::default()
        };
        let text = table(&vec![view(info)], true);
        let wanted = [
            "LIST      DBID  TIME ZONE  RECORDS  USER FIELDS",
            "renewals  101   UTC        0        0",
            "",
            "tenant              the default tenant",
            "customer id         CLIENT_ID",
            "treatments          busy-again, no-answer",
            "calendar            weekdays",
            "windows             7, 1 of them never open (from = till)",
            "attempts at most    12",
            "a phone once        open",
            "unknown keys        refuse",
            "zone by phone       no",
            "callbacks any time  no",
            "record history      no",
            "travels too         contact_info as phone",
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), wanted);
    }
}
