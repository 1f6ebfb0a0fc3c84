//! Records for clients, from one state: one record, and pages of a list's records (spec 13).
//!
//! A page goes in an order whose keys never change, so that its cursor stays good over any change between two pages: record_id; of a
//! phone or a customer the handle; of a chain the chain_n. Looks at a bounded number of records. Called by the reader.

use std::sync::Arc;

use outbound::{
    Answer, Handle, LOOKED_AT_MAX, PAGE_RECORDS_MAX, Page, Pairs, RecordFilter, RecordName, RecordsBy, RecordsQuery,
    Refusal, RefusalCode, Value, key, record_status, record_type,
};
use records::{
    ListRow, RecordRow, View, bring_up, callbacks_before, chain_behind, customer_behind, list_for, named_record,
    phone_behind, record, record_pairs, records_from,
};

/// Candidates that are fetched at a time.
const CHUNK: u32 = 256;
/// A page is closed at this many bytes of text; far below the largest frame of the link, even with a long last record.
const PAGE_BYTES: usize = 1 << 20;
/// Bytes of a number or of the marks around a pair, roughly.
const PAIR_BYTES: usize = 16;

/// One record.
pub(super) fn one(view: &impl View, name: &RecordName, tenant: &str) -> Result<Answer, Refusal> {
    let row = named_record(view, name, tenant)?;
    Ok(Answer::Records(Page { rows: vec![row], next: None }))
}

/// A page.
///
/// # Errors
/// An unknown list, a limit that is none, a cursor that is none of this page's, customers that are not indexed yet.
pub(super) fn page(view: &impl View, cluster: &[u8; 16], query: &RecordsQuery) -> Result<Answer, Refusal> {
    if query.limit == 0 || query.limit > PAGE_RECORDS_MAX {
        let message = format!("limit is 1 to {PAGE_RECORDS_MAX}");
        return Err(Refusal::new(RefusalCode::BadValue, message));
    }
    let (dbid, list) = list_for(view, &query.list, &query.tenant)?;
    let after = query.place(cluster, dbid)?;
    if matches!(query.by, RecordsBy::Customer(_)) {
        check_indexed(view, dbid, &list)?;
    }
    let (rows, last) = Walk { view, dbid, list, query }.walk(after);
    let next = last.map(|place| query.cursor(cluster, dbid, place));
    Ok(Answer::Records(Page { rows, next }))
}

/// Refuses a page by customer until the customers of the list are indexed (spec 9, The record).
fn check_indexed(view: &impl View, dbid: u32, list: &ListRow) -> Result<(), Refusal> {
    if bring_up(view).customers.iter().all(|customers| customers.list != dbid) {
        return Ok(());
    }
    let message = format!("The customer ids of calling list {:?} are being indexed: ask again later", list.name);
    Err(Refusal::new(RefusalCode::Conflict, message).with(key::CALLING_LIST, Value::text(&list.name)))
}

/// A record to look at.
struct Candidate {
    /// Its key in the order of the page.
    place: u64,
    handle: Handle,
    /// None: not read yet.
    record: Option<RecordRow>,
}

/// A walk through the candidates of a page.
struct Walk<'a, V> {
    view: &'a V,
    dbid: u32,
    list: Arc<ListRow>,
    query: &'a RecordsQuery,
}

/// How much a page has.
#[derive(Default)]
struct Taken {
    rows: Vec<Pairs>,
    bytes: usize,
    looked_at: u32,
}

impl Taken {
    fn is_full(&self, limit: u32) -> bool {
        self.rows.len() >= limit as usize || self.bytes >= PAGE_BYTES || self.looked_at >= LOOKED_AT_MAX
    }

    fn add(&mut self, row: Pairs) {
        let size = |(key, value): &(String, Value)| match value {
            Value::Str(text) => key.len() + text.len() + PAIR_BYTES,
            Value::Int(_) => key.len() + 2 * PAIR_BYTES,
        };
        self.bytes += row.iter().map(size).sum::<usize>();
        self.rows.push(row);
    }
}

impl<V: View> Walk<'_, V> {
    /// The records of the page, and the last place that was looked at; none: nothing follows.
    fn walk(&self, after: Option<u64>) -> (Vec<Pairs>, Option<u64>) {
        if let RecordsBy::DueBefore(before_s) = self.query.by
            && let Some(handles) = callbacks_before(self.view, before_s, LOOKED_AT_MAX)
        {
            return self.through(self.callbacks(&handles, after));
        }
        let (mut taken, mut last, mut chunk) = (Taken::default(), after, CHUNK.min(self.query.limit + 1));
        loop {
            let found = self.behind(last, chunk);
            let ended = found.len() < chunk as usize;
            chunk = CHUNK;
            for candidate in found {
                if taken.is_full(self.query.limit) {
                    return (taken.rows, last);
                }
                last = Some(candidate.place);
                self.look_at(candidate, &mut taken);
            }
            if ended {
                return (taken.rows, None);
            }
        }
    }

    /// The records of the page among all candidates that there are.
    fn through(&self, candidates: Vec<Candidate>) -> (Vec<Pairs>, Option<u64>) {
        let (mut taken, mut last) = (Taken::default(), None);
        for candidate in candidates {
            if taken.is_full(self.query.limit) {
                return (taken.rows, last);
            }
            last = Some(candidate.place);
            self.look_at(candidate, &mut taken);
        }
        (taken.rows, None)
    }

    fn look_at(&self, candidate: Candidate, taken: &mut Taken) {
        taken.looked_at += 1;
        let Candidate { handle, record: read, .. } = candidate;
        if let Some(record) = read.or_else(|| record(self.view, handle)).filter(|record| self.fits(record)) {
            taken.add(record_pairs(self.view, handle, record, &self.list));
        }
    }

    fn fits(&self, record: &RecordRow) -> bool {
        let RecordFilter { statuses, types, results } = &self.query.beside;
        let has = |values: &[i64], value: i64| values.is_empty() || values.contains(&value);
        let is_due = match self.query.by {
            RecordsBy::DueBefore(before_s) => is_callback_before(record, before_s),
            _ => true,
        };
        record.list == self.dbid
            && has(statuses, record.record_status)
            && has(types, record.record_type)
            && has(results, record.call_result)
            && is_due
    }

    /// Up to `limit` candidates behind a place; fewer: none follow.
    fn behind(&self, after: Option<u64>, limit: u32) -> Vec<Candidate> {
        let Some(from) = after.map_or(Some(0), |place| place.checked_add(1)) else { return Vec::new() };
        let of_handle = |handle: Handle| Candidate { place: handle.0, handle, record: None };
        let behind = Handle(after.unwrap_or(0)); // no record has handle 0
        match &self.query.by {
            RecordsBy::RecordId | RecordsBy::DueBefore(_) => {
                let rows = records_from(self.view, self.dbid, from, limit).into_iter();
                let candidate = |(handle, record): (Handle, RecordRow)| Candidate {
                    place: record.record_id,
                    handle,
                    record: Some(record),
                };
                rows.map(candidate).collect()
            }
            RecordsBy::Phone(phone) => {
                let handles = phone_behind(self.view, phone, &self.list.tenant, behind, limit);
                handles.into_iter().map(of_handle).collect()
            }
            RecordsBy::Customer(customer) => {
                customer_behind(self.view, customer, behind, limit).into_iter().map(of_handle).collect()
            }
            RecordsBy::Chain(chain) => {
                let rows = chain_behind(self.view, self.dbid, *chain, from, limit).into_iter();
                rows.map(|(place, handle)| Candidate { place, handle, record: None }).collect()
            }
        }
    }

    /// The callbacks of the list behind a place, in the order of record_id: their times change, this order does not.
    fn callbacks(&self, handles: &[Handle], after: Option<u64>) -> Vec<Candidate> {
        let candidate = |handle: &Handle| {
            let record = record(self.view, *handle).filter(|record| record.list == self.dbid)?;
            Some(Candidate { place: record.record_id, handle: *handle, record: Some(record) })
        };
        let mut found: Vec<Candidate> = handles.iter().filter_map(candidate).collect();
        found.retain(|candidate| after.is_none_or(|after| candidate.place > after));
        found.sort_unstable_by_key(|candidate| candidate.place);
        found
    }
}

/// Whether a record is a Ready callback or retry with an earlier time.
fn is_callback_before(record: &RecordRow, before_s: i64) -> bool {
    let is_callback =
        (record_type::CAMPAIGN_RESCHEDULED..=record_type::CAMPAIGN_CALLBACK).contains(&record.record_type);
    let is_earlier = record.dial_sched_time.is_some_and(|at_s| at_s < before_s);
    record.record_status == record_status::READY && is_callback && is_earlier
}

#[cfg(test)]
mod tests;
