//! Lists of the stand-ins: a list takes a phone once, and none that is not a number.

use ocs_proto::{
    control::{DeleteListRequest, ExportRequest, ExportRows, ListInfo, PreviewImportRequest},
    outbound::{CreateList, Done, ImportBatch, ImportRow, Imported, RejectedRow, Reply, UserField, reply::Body},
};
use tonic::Status;

use super::{DoubleState, refused, reply};

pub(super) fn create(state: &mut DoubleState, asked: CreateList) -> Option<Reply> {
    if state.lists.contains_key(&asked.name) {
        return refused("CONFLICT", "There is a list of this name");
    }
    state.lists.insert(asked.name, Vec::new());
    reply(Body::Done(Done { event: "ListCreated".to_owned(), attributes: Vec::new(), records: None }))
}

/// Imports a batch, once.
pub(super) fn import(state: &mut DoubleState, batch: ImportBatch) -> Option<Reply> {
    if state.imports_refused > 0 {
        state.imports_refused -= 1;
        return refused("UNAVAILABLE", "There is no primary");
    }
    let key = (batch.import_id.to_vec(), batch.first_row);
    if let Some(known) = state.batches.get(&key) {
        return reply(Body::Imported(known.clone()));
    }
    if !state.lists.contains_key(&batch.list) {
        return refused("LIST_NOT_FOUND", "There is no such list");
    }
    let column = contact_info(&batch);
    state.columns_sent.clone_from(&batch.columns);
    state.rows_sent.extend(batch.rows.iter().map(|row| row.values.clone()));
    let rows = state.lists.get_mut(&batch.list).unwrap();
    let mut imported = Imported::default();
    for (number, row) in (batch.first_row..).zip(batch.rows) {
        let phone = row.values[column].clone();
        if !phone.starts_with('+') {
            imported.rejected.push(RejectedRow { row: number, reason: "not a phone".to_owned() });
        } else if rows.iter().any(|known| known[1] == phone) {
            imported.duplicates += 1;
        } else {
            imported.added += 1;
            let record_id = rows.len() + 1;
            rows.push([record_id.to_string(), phone, (record_id + 100).to_string()]);
        }
    }
    imported.added -= state.rows_uncounted;
    state.batches.insert(key, imported.clone());
    reply(Body::Imported(imported))
}

/// As an import, which is forgotten; a list that is to be created is empty.
pub(super) fn preview(state: &DoubleState, asked: PreviewImportRequest) -> Option<Reply> {
    let PreviewImportRequest { batch, create } = asked;
    let batch = batch.unwrap();
    if create == state.lists.contains_key(&batch.list) {
        return if create {
            refused("CONFLICT", "There is a list of this name")
        } else {
            refused("LIST_NOT_FOUND", "There is no such list")
        };
    }
    let column = contact_info(&batch);
    let bad = |(_, row): &(u64, ImportRow)| !row.values[column].starts_with('+');
    let stopped = |row: &&ImportRow| state.entries.iter().any(|entry| entry.form == row.values[column]);
    let (rows, no_call) = (batch.rows.len() as u64, batch.rows.iter().filter(stopped).count() as u64);
    let rejected: Vec<RejectedRow> = (batch.first_row..)
        .zip(batch.rows)
        .filter(bad)
        .map(|(row, _)| RejectedRow { row, reason: "not a phone".to_owned() })
        .collect();
    let imported = Imported { added: rows - rejected.len() as u64, rejected, no_call, ..Imported::default() };
    reply(Body::Imported(imported))
}

/// The place of the phone in the rows of a batch.
fn contact_info(batch: &ImportBatch) -> usize {
    batch.columns.iter().position(|column| column == "contact_info").unwrap()
}

/// All lists; a list that is being deleted shows once.
pub(super) fn show(state: &mut DoubleState) -> Vec<ListInfo> {
    let going = state.going.take().map(|(name, records)| ListInfo { name, records, ..ListInfo::default() });
    let info = |(name, rows): (&String, &Vec<_>)| ListInfo {
        name: name.clone(),
        records: rows.len() as u64,
        fields: if state.full { vec![UserField::default()] } else { Vec::new() },
        ..ListInfo::default()
    };
    state.lists.iter().map(info).chain(going).collect()
}

/// The columns of a list, then its rows by two; every record is Ready.
pub(super) fn export(state: &DoubleState, asked: ExportRequest) -> Result<Vec<ExportRows>, Status> {
    const ALL: [&str; 3] = ["record_id", "contact_info", "handle"];
    let ExportRequest { list, columns } = asked;
    let columns = if columns.is_empty() { ALL.map(str::to_owned).to_vec() } else { columns };
    let rows = state.lists.get(&list).ok_or_else(|| Status::not_found(format!("there is no list named {list}")))?;
    let value = |row: &[String; 3], column: &String| match ALL.iter().position(|all| all == column) {
        Some(place) => Some(row[place].clone()),
        None => (column == "record_status").then(|| "1".to_owned()),
    };
    let of = columns.clone();
    let row = |row: &[String; 3]| ImportRow { values: of.iter().filter_map(|column| value(row, column)).collect() };
    let mut messages = vec![ExportRows { columns, ..ExportRows::default() }];
    let more = rows.chunks(2).map(|rows| ExportRows { rows: rows.iter().map(row).collect(), ..ExportRows::default() });
    messages.extend(more);
    Ok(messages)
}

/// Deletes a list at once, unless the list has a record and the request lacks `in_use`.
pub(super) fn delete(state: &mut DoubleState, asked: DeleteListRequest) -> Option<Reply> {
    match (&state.too_early, state.lists.get(&asked.list)) {
        (Some(why), _) => refused("CONFLICT", why),
        (None, None) => refused("LIST_NOT_FOUND", "There is no such list"),
        (None, Some(rows)) if !rows.is_empty() && !asked.in_use => refused("CONFLICT", "The list is in use"),
        (None, Some(_)) => {
            let rows = state.lists.remove(&asked.list).unwrap_or_default();
            let late = state.records_before_deletion;
            state.going = (late > 0).then(|| (asked.list, rows.len() as u64 + late));
            reply(Body::Done(Done { event: "ListDeletionBegun".to_owned(), attributes: Vec::new(), records: None }))
        }
    }
}
