//! DoNotCallBatch: enters Do-Not-Call entries of an operator or of a file. Requested through the control API.
//!
//! The state remembers an applied batch by (import id, its rows) for ever, as a batch of records: an import retried over a failover,
//! or restarted tomorrow, counts every row once. A bad row is rejected alone; an unknown scope refuses the whole batch. Never
//! changes a record: AddRecord, imports and previews stop the records that an entry is about, and ApplyDoNotCall marks them.

use jiff::tz::TimeZone;
use outbound::{
    DO_NOT_CALL_ROWS_MAX, DoNotCallBatch, DoNotCallRow, Imported, RULES_WITH_CAMPAIGNS, Refusal, RefusalCode,
    RejectedRow, Reply, ReplyBody,
};

use super::do_not_call::scope::{self, Scoped};
use crate::{
    date_time,
    dnc::{self, Given, Subjects},
    phone,
    rules::{MESSAGE_LETTERS_MAX, PHONE_LETTERS_MAX, TIME_MAX},
    stored_reply,
    tables::{ImportBatchRow, Key, Row, Table, import_prefix},
    turn::Turn,
    view::{Bound, View},
};

/// Bytes of an import id.
const IMPORT_ID_BYTES_MAX: usize = 64;
/// Letters of a source.
const SOURCE_LETTERS_MAX: usize = 255;
/// Takes the place of a list in the keys of remembered batches; no list has this DBID.
const NO_LIST: u32 = 0;

pub(crate) fn decide<V: View>(batch: &DoNotCallBatch, turn: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    check_version(turn)?;
    let scoped = scope::to_make(&batch.scope, turn)?;
    let last_row = check_rows(batch)?;
    if let Some(reply) = known(batch, last_row, turn) {
        return Ok(Reply { replayed: true, ..reply });
    }
    Ok(acknowledge(apply(batch, &scoped, last_row, turn)))
}

/// Refuses the command under a rules version without entries of operators.
pub(super) fn check_version<V: View>(turn: &Turn<'_, '_, V>) -> Result<(), Refusal> {
    if turn.version >= RULES_WITH_CAMPAIGNS {
        return Ok(());
    }
    let message = format!("An operator enters nothing on Do-Not-Call under rules version {}", turn.version);
    Err(Refusal::new(RefusalCode::Unavailable, message))
}

/// The batch's last row number.
fn check_rows(batch: &DoNotCallBatch) -> Result<u64, Refusal> {
    let refuse = |code, message: &str| Err(Refusal::new(code, message));
    let rows = batch.rows.len();
    if batch.import_id.is_empty() || batch.import_id.len() > IMPORT_ID_BYTES_MAX {
        return refuse(RefusalCode::BadValue, "An import id has 1 to 64 bytes");
    }
    if batch.source.chars().count() > SOURCE_LETTERS_MAX {
        return refuse(RefusalCode::BadValue, &format!("A source has at most {SOURCE_LETTERS_MAX} letters"));
    }
    if rows > DO_NOT_CALL_ROWS_MAX as usize {
        return refuse(RefusalCode::Limit, &format!("A batch has at most {DO_NOT_CALL_ROWS_MAX} rows"));
    }
    match batch.first_row.checked_add(rows as u64) {
        Some(end) if rows > 0 && batch.first_row > 0 => Ok(end - 1),
        _ => refuse(RefusalCode::BadValue, "A batch has rows, numbered from 1"),
    }
}

fn known<V: View>(batch: &DoNotCallBatch, last_row: u64, turn: &Turn<'_, '_, V>) -> Option<Reply> {
    match turn.overlay.get(&key_of(batch, last_row)) {
        Some(Row::ImportBatch(row)) => Some(stored_reply::decode(&row.reply)),
        _ => None,
    }
}

fn key_of(batch: &DoNotCallBatch, last_row: u64) -> Key {
    Key::ImportBatch { list: NO_LIST, import_id: batch.import_id.clone(), last_row, first_row: batch.first_row }
}

/// The batches of this import that share rows with this batch: the same file, cut in another way. No batch has more than
/// [`DO_NOT_CALL_ROWS_MAX`] rows, so a batch that ends further behind never reaches this batch.
fn taken_rows<V: View>(batch: &DoNotCallBatch, last_row: u64, turn: &Turn<'_, '_, V>) -> Vec<(u64, u64)> {
    let from =
        Key::ImportBatch { list: NO_LIST, import_id: batch.import_id.clone(), last_row: batch.first_row, first_row: 0 };
    let prefix = import_prefix(NO_LIST, &batch.import_id);
    let bound = Bound { table: Table::ImportBatch, from: from.encode().into_vec(), prefix };
    let rows = turn.overlay.next(&bound, 2 * DO_NOT_CALL_ROWS_MAX).into_iter().filter_map(|(key, _)| match key {
        Key::ImportBatch { first_row, last_row, .. } => Some((first_row, last_row)),
        _ => None,
    });
    let near = rows.take_while(|(_, last)| *last <= last_row.saturating_add(DO_NOT_CALL_ROWS_MAX.into()));
    near.filter(|(first, _)| *first <= last_row).collect()
}

fn apply<V: View>(batch: &DoNotCallBatch, scoped: &Scoped, last_row: u64, turn: &mut Turn<'_, '_, V>) -> Imported {
    let taken = taken_rows(batch, last_row, turn);
    let mut imported = Imported::default();
    for (row, asked) in (batch.first_row..).zip(&batch.rows) {
        if taken.iter().any(|(first, last)| (*first..=*last).contains(&row)) {
            imported.duplicates += 1;
            continue;
        }
        match take(asked, &batch.source, scoped, turn) {
            Ok(true) => imported.added += 1,
            Ok(false) => imported.duplicates += 1,
            Err(reason) => imported.rejected.push(RejectedRow { row, reason }),
        }
    }
    // the entries of an import make no event (spec 12)
    if batch.rows.len() == 1 && imported.added == 1 {
        dnc::tell_entered(&scoped.scope, turn.events);
    }
    remember(batch, last_row, &imported, turn);
    imported
}

/// Makes the entry of a row, or answers the reason for its rejection. Answers whether the entry is new.
fn take<V: View>(
    row: &DoNotCallRow,
    source: &str,
    scoped: &Scoped,
    turn: &mut Turn<'_, '_, V>,
) -> Result<bool, String> {
    let about = about(row, &scoped.tenant, turn)?;
    if row.message.chars().count() > MESSAGE_LETTERS_MAX {
        return Err(format!("message: must have at most {MESSAGE_LETTERS_MAX} letters"));
    }
    if let Some(expires_s) = row.expires_s {
        check_expiry(expires_s, turn)?;
    }
    let message = Some(row.message.clone()).filter(|message| !message.is_empty());
    let given = Given { message, source: source.to_owned(), expires_s: row.expires_s };
    Ok(dnc::enter(&scoped.scope, &about, given, turn))
}

/// Refuses an end that no entry can have: an entry that has expired stops nothing.
fn check_expiry<V: View>(expires_s: i64, turn: &Turn<'_, '_, V>) -> Result<(), String> {
    if !(0..=TIME_MAX).contains(&expires_s) {
        return Err(format!("expires: {expires_s} is no time from 1970 to 9999"));
    }
    if expires_s <= turn.now_s() {
        return Err(format!("expires: {} is past", date_time::show(expires_s, &TimeZone::UTC)));
    }
    Ok(())
}

fn about<V: View>(row: &DoNotCallRow, tenant: &str, turn: &Turn<'_, '_, V>) -> Result<Subjects, String> {
    let has = |text: &str| !text.trim().is_empty();
    match (has(&row.phone), has(&row.customer)) {
        (false, false) => Err("has neither a phone nor a customer_id".to_owned()),
        (true, true) => Err("has a phone and a customer_id: an entry is about one of them".to_owned()),
        (true, false) => of_phone(&row.phone, tenant, turn),
        (false, true) => {
            Subjects::check_customer(&row.customer).map_err(|why| format!("customer_id: {why}"))?;
            Ok(Subjects::of_customer(&row.customer))
        }
    }
}

fn of_phone<V: View>(phone: &str, tenant: &str, turn: &Turn<'_, '_, V>) -> Result<Subjects, String> {
    if phone.chars().count() > PHONE_LETTERS_MAX {
        return Err(format!("phone: must have at most {PHONE_LETTERS_MAX} letters"));
    }
    phone::check_number(phone).map_err(|why| format!("phone: {phone:?} {why}"))?;
    Ok(Subjects::of_phone(phone, tenant, turn))
}

fn remember<V: View>(batch: &DoNotCallBatch, last_row: u64, imported: &Imported, turn: &mut Turn<'_, '_, V>) {
    let reply = stored_reply::encode(&acknowledge(imported.clone()));
    let row = ImportBatchRow { stamp_us: turn.now_us, reply };
    turn.overlay.put(key_of(batch, last_row), Row::ImportBatch(row));
}

fn acknowledge(imported: Imported) -> Reply {
    Reply { body: ReplyBody::Imported(imported), replayed: false, stale: false }
}
