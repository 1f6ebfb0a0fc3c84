//! ImportBatch: rows of a file become records of a list. Requested through the control API.
//!
//! The state remembers an applied batch by (list, import id, its rows) for ever: an import retried over a failover, or restarted
//! tomorrow, adds no record twice, even without a record_id in its rows. A bad row is rejected alone; a bad header refuses the
//! whole batch.

mod chain_ends;

use std::sync::Arc;

use chain_ends::ChainEnds;
use outbound::{
    ImportBatch, Imported, RULES_WITH_CAMPAIGNS, RULES_WITH_NO_CALL_IMPORTS, RULES_WITH_PHONE_FORM, Refusal,
    RefusalCode, RejectedRow, Reply, ReplyBody, UserField, record_status,
};

use super::{add_record, room, target, unique};
use crate::{
    columns::{self, Column, Draft},
    customers, dnc,
    fields::{self, IMPORTED_KIND, field_of_column, set_user_value},
    phone, stored_reply,
    tables::{FieldRow, ImportBatchRow, Key, ListCountersRow, ListRow, RecordRow, Row, Table, import_prefix},
    turn::Turn,
    view::{Bound, View},
    windows, zones,
};

/// Bytes of an import id.
const IMPORT_ID_BYTES_MAX: usize = 64;

/// The destination of a column's cells.
enum CellTarget {
    Column(&'static Column),
    /// Position in the list's fields.
    Field(usize),
    /// `handle`: the import assigns new handles.
    Nowhere,
}

/// A batch with a checked header.
struct Plan {
    dbid: u32,
    /// The list with the fields that the header adds.
    list: ListRow,
    counters: ListCountersRow,
    places: Vec<CellTarget>,
    last_row: u64,
    /// Rows that a differently cut batch of the same import has already added: first and last.
    taken: Vec<(u64, u64)>,
    chain_ends: ChainEnds,
}

/// The outcome of a row.
enum Taken {
    Added { made_ready: bool, no_call: bool },
    Duplicate,
}

pub(crate) fn decide<V: View>(batch: &ImportBatch, turn: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    let (dbid, list) = target::find_list(turn.overlay, &batch.list)?;
    let last_row = check_rows(batch, turn)?;
    if let Some(reply) = known(batch, dbid, last_row, turn) {
        return Ok(Reply { replayed: true, ..reply });
    }
    let plan = check(batch, dbid, Arc::unwrap_or_clone(list), last_row, turn)?;
    Ok(acknowledge(apply(batch, plan, turn)))
}

/// The batch's last row number.
fn check_rows<V: View>(batch: &ImportBatch, turn: &Turn<'_, '_, V>) -> Result<u64, Refusal> {
    let refuse = |code, message: &str| Err(Refusal::new(code, message));
    let rows = batch.rows.len();
    if batch.import_id.is_empty() || batch.import_id.len() > IMPORT_ID_BYTES_MAX {
        return refuse(RefusalCode::BadValue, "An import id has 1 to 64 bytes");
    }
    if rows > turn.rules.import_rows_max {
        return refuse(RefusalCode::Limit, &format!("A batch has at most {} rows", turn.rules.import_rows_max));
    }
    match batch.first_row.checked_add(rows as u64) {
        Some(end) if rows > 0 && batch.first_row > 0 => Ok(end - 1),
        _ => refuse(RefusalCode::BadValue, "A batch has rows, numbered from 1"),
    }
}

fn known<V: View>(batch: &ImportBatch, list: u32, last_row: u64, turn: &Turn<'_, '_, V>) -> Option<Reply> {
    match turn.overlay.get(&key_of(batch, list, last_row)) {
        Some(Row::ImportBatch(row)) => Some(stored_reply::decode(&row.reply)),
        _ => None,
    }
}

fn key_of(batch: &ImportBatch, list: u32, last_row: u64) -> Key {
    Key::ImportBatch { list, import_id: batch.import_id.clone(), last_row, first_row: batch.first_row }
}

fn check<V: View>(
    batch: &ImportBatch,
    dbid: u32,
    mut list: ListRow,
    last_row: u64,
    turn: &Turn<'_, '_, V>,
) -> Result<Plan, Refusal> {
    let counters = turn.list_counters(dbid, &list);
    let mut places = Vec::with_capacity(batch.columns.len());
    for (at, name) in batch.columns.iter().enumerate() {
        if batch.columns[..at].iter().any(|other| other.trim().eq_ignore_ascii_case(name.trim())) {
            return Err(Refusal::new(RefusalCode::BadValue, format!("Column {name:?} is there twice")));
        }
        places.push(place(name.trim(), &mut list, turn)?);
    }
    let is_contact =
        |place: &CellTarget| matches!(place, CellTarget::Column(column) if column.name == columns::CONTACT_INFO);
    if !places.iter().any(is_contact) {
        return Err(Refusal::new(RefusalCode::BadValue, "The file has no column contact_info"));
    }
    let taken = taken_rows(batch, dbid, last_row, turn);
    let chain_ends = ChainEnds::read(dbid, counters.next_chain_id, &named_chains(batch, &places), turn.overlay);
    Ok(Plan { dbid, list, counters, places, last_row, taken, chain_ends })
}

/// The destination of a column's cells; an unknown column becomes a user-defined field.
fn place<V: View>(name: &str, list: &mut ListRow, turn: &Turn<'_, '_, V>) -> Result<CellTarget, Refusal> {
    if let Some(column) = columns::named(list, name, turn.version) {
        return Ok(CellTarget::Column(column));
    }
    if name.eq_ignore_ascii_case(columns::HANDLE) {
        return Ok(CellTarget::Nowhere);
    }
    if let Some(at) = field_of_column(list, name) {
        return Ok(CellTarget::Field(at));
    }
    if let Some(column) = columns::sent_under(list, name).and_then(|column| columns::named(list, column, turn.version))
    {
        return Ok(CellTarget::Column(column));
    }
    let fields_max = turn.rules.fields_max;
    if list.fields.len() >= fields_max {
        let message = format!("Column {name:?} would be user-defined field {}, {fields_max} may be", fields_max + 1);
        return Err(Refusal::new(RefusalCode::BadValue, message));
    }
    let [column, kind] = [name, IMPORTED_KIND].map(str::to_owned);
    let field = UserField { column, kind, default: String::new(), send_attribute: String::new() };
    let row: FieldRow = fields::check_new(&field, &list.fields, turn.version)?;
    list.fields.push(row);
    Ok(CellTarget::Field(list.fields.len() - 1))
}

/// The chain_ids in the rows; a cell that is no chain_id is told when its row is read.
fn named_chains(batch: &ImportBatch, places: &[CellTarget]) -> Vec<u64> {
    let is_chain = |place: &CellTarget| matches!(place, CellTarget::Column(column) if column.name == columns::CHAIN_ID);
    let Some(at) = places.iter().position(is_chain) else { return Vec::new() };
    batch.rows.iter().filter_map(|row| row.values.get(at)?.trim().parse().ok()).collect()
}

/// The batches of this import that share rows with this batch: the same file, cut in another way. No batch has more than
/// `import_rows_max` rows, so a batch that ends further behind never reaches this batch.
fn taken_rows<V: View>(batch: &ImportBatch, list: u32, last_row: u64, turn: &Turn<'_, '_, V>) -> Vec<(u64, u64)> {
    let import_id = batch.import_id.clone();
    let from = Key::ImportBatch { list, import_id, last_row: batch.first_row, first_row: 0 }.encode().into_vec();
    let bound = Bound { table: Table::ImportBatch, from, prefix: import_prefix(list, &batch.import_id) };
    let rows_max = turn.rules.import_rows_max;
    let limit = u32::try_from(rows_max).unwrap_or(u32::MAX).saturating_mul(2);
    let rows = turn.overlay.next(&bound, limit).into_iter().filter_map(|(key, _)| match key {
        Key::ImportBatch { first_row, last_row, .. } => Some((first_row, last_row)),
        _ => None,
    });
    let near = rows.take_while(|(_, last)| *last <= last_row.saturating_add(rows_max as u64));
    near.filter(|(first, _)| *first <= last_row).collect()
}

fn apply<V: View>(batch: &ImportBatch, mut plan: Plan, turn: &mut Turn<'_, '_, V>) -> Imported {
    let mut imported = Imported::default();
    for (row, values) in (batch.first_row..).zip(&batch.rows) {
        if plan.taken.iter().any(|(first, last)| (*first..=*last).contains(&row)) {
            imported.duplicates += 1;
            continue;
        }
        match take(&values.values, &mut plan, turn) {
            Ok(Taken::Duplicate) => imported.duplicates += 1,
            Ok(Taken::Added { made_ready, no_call }) => {
                imported.added += 1;
                imported.made_ready += u64::from(made_ready);
                imported.no_call += u64::from(no_call);
            }
            Err(reason) => imported.rejected.push(RejectedRow { row, reason }),
        }
    }
    turn.put_list(plan.dbid, plan.list, plan.counters);
    remember(batch, plan.dbid, plan.last_row, &imported, turn);
    imported
}

/// Adds the record of a row, or answers the reason for its rejection.
fn take<V: View>(cells: &[String], plan: &mut Plan, turn: &mut Turn<'_, '_, V>) -> Result<Taken, String> {
    let mut draft = read(cells, plan)?;
    check_phone(&draft.record, turn)?;
    if draft.record_id.is_some_and(|record_id| has_id(plan.dbid, record_id, turn)) {
        return Ok(Taken::Duplicate);
    }
    if turn.version >= RULES_WITH_CAMPAIGNS {
        draft.record = of_list(draft.record, &plan.list, turn)?;
    }
    let no_call = is_stopped(&draft.record, plan, turn);
    if no_call {
        draft.record = dnc::marked(draft.record);
    }
    let made_ready = draft.record.record_status == record_status::RETRIEVED;
    if made_ready {
        draft.record.record_status = record_status::READY;
    }
    let (record, joins_chain) = give_ids(draft, plan, turn)?;
    if turn.version >= RULES_WITH_CAMPAIGNS {
        windows::note(&record, turn);
    }
    plan.chain_ends.note(record.chain_id, record.chain_n);
    turn.add_record(&mut plan.counters, record, joins_chain);
    Ok(Taken::Added { made_ready, no_call })
}

/// The record of a row with its zone and customer, from rules version 5 on; rejected where the list has its phone, or has no room
/// for its window.
fn of_list<V: View>(mut record: RecordRow, list: &ListRow, turn: &Turn<'_, '_, V>) -> Result<RecordRow, String> {
    if list.zone_by_phone && zones::is_without(&record) {
        record = add_record::by_phone(list, record, turn);
    }
    if let Some(holder) = unique::holder(&record, list, turn) {
        return Err(format!("contact_info: the list takes a phone once, and record handle {holder} has this one"));
    }
    windows::check(&record, turn).map_err(|refusal| refusal.message)?;
    record.customer = customers::value_of(list, &record);
    Ok(record)
}

/// Whether Do-Not-Call stops calls to the phone of a row, or from rules version 5 on to its customer: exports must not offer such a
/// record for dialling.
fn is_stopped<V: View>(record: &RecordRow, plan: &Plan, turn: &Turn<'_, '_, V>) -> bool {
    match turn.version {
        ..RULES_WITH_NO_CALL_IMPORTS => false,
        RULES_WITH_NO_CALL_IMPORTS..RULES_WITH_CAMPAIGNS => dnc::stops(plan.dbid, &record.contact_info, turn),
        _ => dnc::stops_record(record, &plan.list, None, turn),
    }
}

fn read(cells: &[String], plan: &Plan) -> Result<Draft, String> {
    if cells.len() != plan.places.len() {
        return Err(format!("{} values under {} columns", cells.len(), plan.places.len()));
    }
    let mut draft = Draft { record: columns::blank(plan.dbid), record_id: None, chain_id: None, chain_n: None };
    for (place, cell) in plan.places.iter().zip(cells).filter(|(_, cell)| !cell.is_empty()) {
        match place {
            CellTarget::Nowhere => {}
            CellTarget::Column(column) => {
                (column.read)(&mut draft, cell).map_err(|why| format!("{}: {why}", column.name))?
            }
            CellTarget::Field(at) => read_field(*at, cell, &plan.list, &mut draft.record)?,
        }
    }
    if draft.record.contact_info.trim().is_empty() {
        return Err("contact_info: is empty".to_owned());
    }
    Ok(draft)
}

/// Rejects a text that has lost its number, from rules version 3 on (spec 9).
fn check_phone<V: View>(record: &RecordRow, turn: &Turn<'_, '_, V>) -> Result<(), String> {
    let RecordRow { contact_info, contact_info_type, .. } = record;
    if turn.version < RULES_WITH_PHONE_FORM {
        return Ok(());
    }
    phone::check(contact_info, *contact_info_type).map_err(|why| format!("contact_info: {contact_info:?} {why}"))
}

fn read_field(at: usize, cell: &str, list: &ListRow, record: &mut RecordRow) -> Result<(), String> {
    let field = &list.fields[at];
    let value = field.held().check(cell).ok_or_else(|| format!("{}: {cell:?} is no {}", field.column, field.kind))?;
    set_user_value(list, record, at, value);
    Ok(())
}

/// The record with its ids, those of the row, else new ids, and whether its chain has other records; a row without a chain position
/// extends its chain.
fn give_ids<V: View>(draft: Draft, plan: &Plan, turn: &mut Turn<'_, '_, V>) -> Result<(RecordRow, bool), String> {
    let Plan { dbid: list, counters, .. } = *plan;
    let (chain_id, chain_n, joins_chain) = match draft.chain_id {
        Some(chain_id) => {
            let end = plan.chain_ends.of(list, chain_id, turn.overlay);
            (chain_id, place_in_chain(list, chain_id, (end, draft.chain_n), turn)?, end.is_some())
        }
        None => (turn.new_chain_id(list, &counters), draft.chain_n.unwrap_or(0), false),
    };
    let record_id = draft.record_id.unwrap_or_else(|| turn.new_record_id(list, &counters));
    Ok((RecordRow { record_id, chain_id, chain_n, ..draft.record }, joins_chain))
}

/// The position in a chain that a row names, else the position behind the chain's end. `end`: the chain's last position.
fn place_in_chain<V: View>(
    list: u32,
    chain_id: u64,
    (end, given): (Option<u64>, Option<u64>),
    turn: &Turn<'_, '_, V>,
) -> Result<u64, String> {
    let chain_n = given.unwrap_or_else(|| end.map_or(0, |end| end.saturating_add(1)));
    if turn.version >= RULES_WITH_CAMPAIGNS && end.is_some_and(|end| !room::is_behind(end, list, chain_id, turn)) {
        return Err(format!("chain_id: {}", room::no_room(chain_id).message));
    }
    let is_within = end.is_some_and(|end| chain_n <= end);
    if is_within && turn.overlay.get(&Key::RecordByChain { list, chain_id, chain_n }).is_some() {
        return Err(format!("chain_n: chain {chain_id} has another record at {chain_n}"));
    }
    Ok(chain_n)
}

fn has_id<V: View>(list: u32, record_id: u64, turn: &Turn<'_, '_, V>) -> bool {
    turn.overlay.get(&Key::RecordById { list, record_id }).is_some()
}

fn remember<V: View>(batch: &ImportBatch, list: u32, last_row: u64, imported: &Imported, turn: &mut Turn<'_, '_, V>) {
    let reply = stored_reply::encode(&acknowledge(imported.clone()));
    let row = ImportBatchRow { stamp_us: turn.now_us, reply };
    turn.overlay.put(key_of(batch, list, last_row), Row::ImportBatch(row));
}

fn acknowledge(imported: Imported) -> Reply {
    Reply { body: ReplyBody::Imported(imported), replayed: false, stale: false }
}
