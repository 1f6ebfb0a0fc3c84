//! Do-Not-Call entries of the stand-ins: phones are compared as given, and a text without a digit is no phone.

use ocs_proto::{
    control::{DoNotCallEntries, DoNotCallEntry, DoNotCallRequest},
    outbound::{
        ApplyDoNotCall, Attribute, DoNotCallBatch, DoNotCallRow, Done, Imported, RejectedRow, RemoveDoNotCall, Reply,
        Value, reply::Body, value,
    },
};
use tonic::Status;

use super::{DoubleState, refused, reply};

/// Records that one order looks at.
const LOOKED_MAX: usize = 2;
/// 2024-01-01T00:00:00Z.
const SINCE_US: u64 = 1_704_067_200_000_000;

/// The entries that a question asks for, behind the forms of its phone.
pub(super) fn find(state: &DoubleState, asked: &DoNotCallRequest) -> Result<Vec<DoNotCallEntries>, Status> {
    let DoNotCallRequest { phone, entries_max, .. } = asked;
    let most = if *entries_max == 0 { usize::MAX } else { usize::try_from(*entries_max).unwrap() };
    let found: Vec<_> = state.entries.iter().filter(|entry| is_asked_for(entry, asked)).take(most).cloned().collect();
    if let (true, Some(why)) = (found.is_empty() && !phone.is_empty(), no_number(phone)) {
        return Err(Status::invalid_argument(why));
    }
    let first = DoNotCallEntries { forms: vec![phone.clone()], entries: Vec::new() };
    let more = found.into_iter().map(|entry| DoNotCallEntries { forms: Vec::new(), entries: vec![entry] });
    Ok(std::iter::once(first).chain(more).collect())
}

/// Whether an entry is one of those that a question asks for.
fn is_asked_for(entry: &DoNotCallEntry, asked: &DoNotCallRequest) -> bool {
    match (asked.phone.as_str(), asked.customer.as_str()) {
        ("", "") => true,
        ("", customer) => entry.customer && entry.form == customer,
        (phone, _) => !entry.customer && entry.form == phone,
    }
}

/// Takes an entry back.
pub(super) fn take_back(state: &mut DoubleState, asked: &RemoveDoNotCall) -> Result<Option<Reply>, Status> {
    if let Some(why) = &state.too_early {
        return Ok(refused("CONFLICT", why));
    }
    let before = state.entries.len();
    state.entries.retain(|entry| !is_taken_back(entry, asked));
    let is_removed = state.entries.len() < before;
    if state.removals_aborted > 0 {
        state.removals_aborted -= 1;
        return Err(Status::aborted("the outcome is unknown"));
    }
    if let (false, true, Some(why)) = (is_removed, asked.customer.is_empty(), no_number(&asked.phone)) {
        return Ok(refused("BAD_VALUE", &why));
    }
    let attributes = vec![pair("removed", u64::from(is_removed))];
    Ok(reply(Body::Done(Done { event: "DoNotCallRemoved".to_owned(), attributes, records: None })))
}

/// Whether an entry is the one to take back.
fn is_taken_back(entry: &DoNotCallEntry, asked: &RemoveDoNotCall) -> bool {
    let form = if entry.customer { &asked.customer } else { &asked.phone };
    entry.form == *form
        && (&entry.tenant, &entry.campaign, &entry.list) == (&asked.tenant, &asked.campaign, &asked.list)
}

/// Makes the entries of a batch, once; `kept`: and keeps them.
pub(super) fn enter(state: &mut DoubleState, batch: DoNotCallBatch, kept: bool) -> Option<Reply> {
    if let Some(why) = &state.too_early {
        return refused("CONFLICT", why);
    }
    if state.imports_refused > 0 {
        state.imports_refused -= 1;
        return refused("UNAVAILABLE", "There is no primary");
    }
    let key = (batch.import_id.to_vec(), batch.first_row);
    if let Some(known) = state.batches.get(&key) {
        return reply(Body::Imported(known.clone())).map(|reply| Reply { replayed: true, ..reply });
    }
    let (mut entries, mut imported) = (state.entries.clone(), Imported::default());
    for (row, asked) in (batch.first_row..).zip(&batch.rows) {
        match entry(asked, &batch) {
            Err(reason) => imported.rejected.push(RejectedRow { row, reason }),
            Ok(entry) if entries.iter().any(|known| is_same(known, &entry)) => imported.duplicates += 1,
            Ok(entry) => {
                imported.added += 1;
                entries.push(entry);
            }
        }
    }
    if kept {
        state.entries = entries;
        state.batches.insert(key, imported.clone());
    }
    state.entries_sent.push(batch);
    reply(Body::Imported(imported))
}

fn entry(row: &DoNotCallRow, batch: &DoNotCallBatch) -> Result<DoNotCallEntry, String> {
    let DoNotCallRow { phone, customer, message, expires_s } = row.clone();
    let is_of_customer = phone.is_empty();
    if is_of_customer == customer.is_empty() {
        return Err("has neither a phone nor a customer_id, or both".to_owned());
    }
    let form = if is_of_customer { customer } else { phone };
    match no_number(&form) {
        Some(why) if !is_of_customer => Err(why),
        _ => Ok(DoNotCallEntry {
            given: form.clone(),
            form,
            since_us: SINCE_US,
            customer: is_of_customer,
            message,
            tenant: batch.tenant.clone(),
            campaign_dbid: u32::from(!batch.campaign.is_empty()),
            campaign: batch.campaign.clone(),
            list_dbid: u32::from(!batch.list.is_empty()),
            list: batch.list.clone(),
            source: batch.source.clone(),
            expires_s,
        }),
    }
}

/// The refusal of a phone that has no entry.
fn no_number(phone: &str) -> Option<String> {
    let has_digit = phone.bytes().any(|byte| byte.is_ascii_digit());
    (!has_digit).then(|| format!("The phone {phone:?} has no digit"))
}

fn is_same(one: &DoNotCallEntry, other: &DoNotCallEntry) -> bool {
    let parts =
        |entry: &DoNotCallEntry| (entry.form.clone(), entry.tenant.clone(), entry.list.clone(), entry.campaign.clone());
    one.customer == other.customer && parts(one) == parts(other)
}

/// Counts the next records of a list whose phone has an entry.
pub(super) fn apply(state: &DoubleState, asked: &ApplyDoNotCall) -> Option<Reply> {
    let Some(rows) = state.lists.get(&asked.list) else {
        return refused("LIST_NOT_FOUND", "There is no such list");
    };
    let record_id = |row: &[String; 3]| row[0].parse::<u64>().unwrap();
    let behind: Vec<_> = rows.iter().filter(|row| record_id(row) >= asked.from_record_id).collect();
    let looked = &behind[..behind.len().min(LOOKED_MAX)];
    let is_stopped = |row: &&&[String; 3]| state.entries.iter().any(|entry| !entry.customer && entry.form == row[1]);
    let marked = looked.iter().filter(is_stopped).count();
    let mut pairs = vec![pair("marked", marked as u64), pair("looked", looked.len() as u64)];
    pairs.extend(behind.get(LOOKED_MAX).map(|next| pair("next_record_id", record_id(next))));
    reply(Body::Done(Done { event: "DoNotCallApplied".to_owned(), attributes: pairs, records: None }))
}

fn pair(key: &str, number: u64) -> Attribute {
    let value = Value { kind: Some(value::Kind::Int(number.cast_signed())) };
    Attribute { key: key.to_owned(), value: Some(value) }
}
