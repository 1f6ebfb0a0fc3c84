//! `list show`: one list or all. Never changes anything.

use std::time::Duration;

use ocs_proto::control::{ListInfo, ShowListRequest};
use serde::Serialize;

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
    fields: Vec<FieldView>,
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
        fields: list.fields.into_iter().map(field).collect(),
    }
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
    let fields = views.iter().flat_map(|view| &view.fields).filter(|_| with_fields);
    let rows: Vec<_> =
        fields.map(|field| [&field.column, &field.kind, &field.default, &field.send_attribute]).collect();
    if !rows.is_empty() {
        let rows = rows.into_iter().map(|row| row.map(|cell| shown(cell)));
        text = format!("{text}\n\n{}", print::table(&["field", "kind", "default", "send attribute"], rows));
    }
    text
}

fn shown(text: &str) -> String {
    print::visible(text).into_owned()
}

fn remarks(view: &View) -> Vec<String> {
    let name = shown(&view.name);
    let deleting = view.deleting.then(|| format!("{name} is being deleted: {} records are left", view.records));
    let never_open = view.never_open.filter(|records| *records > 0).map(|records| {
        let counted = view.counted.unwrap_or_default();
        let of = if counted < view.records { format!("the first {counted}") } else { counted.to_string() };
        format!("{name}: {records} of {of} records are never open (daily_from = daily_till), and never dialled")
    });
    deleting.into_iter().chain(never_open).collect()
}

#[cfg(test)]
mod tests {
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
}
