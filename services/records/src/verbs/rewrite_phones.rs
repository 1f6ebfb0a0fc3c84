//! RewritePhones: rewrites the next rows to the phone form of rules version 3, Do-Not-Call entries first, then records. The state
//! holds the progress, so a repeated command continues. Requested by the primary itself.
//!
//! Never changes a record: its index entry moves, and its phone stays as given.

use outbound::{Handle, REWRITTEN_ROWS_MAX, RULES_WITH_PHONE_FORM, Refusal, RefusalCode, Reply, RewritePhones, Value};

use crate::{
    canonical_phone, dnc, first_phone_form,
    tables::{DncSubject, EmptyRow, Key, PhonesRow, RecordRow, Row, Table},
    turn::Turn,
    view::{Bound, View},
};

pub(crate) fn decide<V: View>(asked: RewritePhones, turn: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    let mut phones = check(asked, turn)?;
    apply(asked.rows_max, &mut phones, turn);
    let reply = acknowledge(&phones);
    turn.counters.phones = Some(phones);
    Ok(reply)
}

/// The progress so far.
fn check<V: View>(asked: RewritePhones, turn: &Turn<'_, '_, V>) -> Result<PhonesRow, Refusal> {
    if turn.version < RULES_WITH_PHONE_FORM {
        let message = format!("Phones are not rewritten under rules version {}", turn.version);
        return Err(Refusal::new(RefusalCode::Unavailable, message));
    }
    if !(1..=REWRITTEN_ROWS_MAX).contains(&asked.rows_max) {
        let message = format!("A command rewrites 1 to {REWRITTEN_ROWS_MAX} rows, not {}", asked.rows_max);
        return Err(Refusal::new(RefusalCode::BadValue, message));
    }
    Ok(turn.counters.phones.clone().unwrap_or_default())
}

fn apply<V: View>(rows_max: u32, phones: &mut PhonesRow, turn: &mut Turn<'_, '_, V>) {
    if phones.done {
        return;
    }
    if phones.entries_done {
        rewrite_records(rows_max, phones, turn);
    } else {
        rewrite_entries(rows_max, phones, turn);
    }
}

fn rewrite_entries<V: View>(rows_max: u32, phones: &mut PhonesRow, turn: &mut Turn<'_, '_, V>) {
    let from = if phones.entry.is_empty() { Vec::new() } else { [phones.entry.as_slice(), &[0]].concat() };
    let rows = turn.overlay.next(&Bound { table: Table::Dnc, from, prefix: Vec::new() }, rows_max);
    phones.entries_done = rows.len() < rows_max as usize;
    let last = rows.last().filter(|_| !phones.entries_done);
    phones.entry = last.map(|(key, _)| key.encode().into_vec()).unwrap_or_default();
    for (key, row) in rows {
        if let (Key::Dnc(scope, DncSubject::Phone(phone)), Row::Dnc(entry)) = (key, row) {
            dnc::rewrite(&scope, &phone, &entry, turn);
        }
    }
}

fn rewrite_records<V: View>(rows_max: u32, phones: &mut PhonesRow, turn: &mut Turn<'_, '_, V>) {
    let from = Key::Record(Handle(phones.handle.saturating_add(1))).encode().into_vec();
    let rows = turn.overlay.uncached().next(&Bound { table: Table::Record, from, prefix: Vec::new() }, rows_max);
    phones.done = rows.len() < rows_max as usize;
    for (key, row) in rows {
        if let (Key::Record(handle), Row::Record(record)) = (key, row) {
            phones.handle = handle.0;
            move_index(handle, &record, turn);
        }
    }
    if phones.done {
        *phones = PhonesRow { done: true, ..PhonesRow::default() };
    }
}

fn move_index<V: View>(handle: Handle, record: &RecordRow, turn: &mut Turn<'_, '_, V>) {
    let [first, canonical] = [first_phone_form, canonical_phone].map(|form| form(&record.contact_info));
    if first != canonical {
        turn.overlay.remove(Key::RecordByPhone { phone: first, handle });
        turn.overlay.put(Key::RecordByPhone { phone: canonical, handle }, Row::RecordByPhone(EmptyRow));
    }
}

fn acknowledge(phones: &PhonesRow) -> Reply {
    Reply::done("PhonesRewritten", vec![("done".to_owned(), Value::Int(phones.done.into()))])
}
