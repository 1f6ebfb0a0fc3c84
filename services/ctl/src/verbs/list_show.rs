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
    let request = ShowListRequest { name: args.name.clone().unwrap_or_default() };
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
        fields: list.fields.into_iter().map(field).collect(),
    }
}

#[allow(clippy::ptr_arg)] // the shape that `Out::show` hands on
fn table(views: &Vec<View>, with_fields: bool) -> String {
    let row = |view: &View| {
        let zone = if view.time_zone.is_empty() { "UTC" } else { view.time_zone.as_str() };
        let fields = view.fields.len().to_string();
        [view.name.clone(), view.dbid.to_string(), zone.to_owned(), view.records.to_string(), fields]
    };
    let mut text = print::table(&["list", "dbid", "time zone", "records", "user fields"], views.iter().map(row));
    let fields = views.iter().flat_map(|view| &view.fields).filter(|_| with_fields);
    let rows: Vec<_> =
        fields.map(|field| [&field.column, &field.kind, &field.default, &field.send_attribute]).collect();
    if !rows.is_empty() {
        let rows = rows.into_iter().map(|row| row.map(Clone::clone));
        text = format!("{text}\n\n{}", print::table(&["field", "kind", "default", "send attribute"], rows));
    }
    text
}
