//! Runs of the indexes of records behind a place, for pages: by phone, customer, chain, and by the time of callbacks.
//!
//! Every run is in an order whose keys never change, or is bounded as a whole. Never reads a record.

use outbound::Handle;

use super::{counters, declared, rules_version};
use crate::{
    phone::{self, add_national},
    rules::{CUSTOMER_BYTES_MAX, PHONE_LETTERS_MAX},
    tables::{Key, Row, Table, callback_prefix, chain_prefix, customer_prefix, phone_prefix},
    view::{Bound, View, pages},
};

/// Up to `limit` handles of records, behind `after`, that have a phone in a form of the group's rules or in a national form of a
/// tenant; in the order of handles.
pub fn phone_behind(view: &impl View, given: &str, tenant: &str, after: Handle, limit: u32) -> Vec<Handle> {
    if given.chars().count() > PHONE_LETTERS_MAX {
        return Vec::new(); // no record has so long a phone
    }
    let mut forms = phone::forms_to_ask(rules_version(view), counters(view).phones_are_rewritten(), given);
    add_national(&mut forms, declared(view).tenant(tenant));
    let behind = |form: &String| {
        let next = Key::RecordByPhone { phone: form.clone(), handle: Handle(after.0.saturating_add(1)) };
        let bound = Bound { table: Table::RecordByPhone, from: next.encode().into_vec(), prefix: phone_prefix(form) };
        view.next(&bound, limit).into_iter().filter_map(|(key, _)| match key {
            Key::RecordByPhone { handle, .. } => Some(handle),
            _ => None,
        })
    };
    let mut found: Vec<Handle> = forms.iter().flat_map(behind).collect();
    found.sort_unstable();
    found.dedup();
    found.truncate(limit as usize);
    found
}

/// Up to `limit` handles of records of a customer, behind `after`, in the order of handles.
pub fn customer_behind(view: &impl View, customer: &str, after: Handle, limit: u32) -> Vec<Handle> {
    let customer = customer.trim();
    if customer.is_empty() || customer.len() > CUSTOMER_BYTES_MAX {
        return Vec::new(); // no record has such a customer
    }
    let next = Key::RecordByCustomer { customer: customer.to_owned(), handle: Handle(after.0.saturating_add(1)) };
    let from = next.encode().into_vec();
    let bound = Bound { table: Table::RecordByCustomer, from, prefix: customer_prefix(customer) };
    let rows = view.next(&bound, limit).into_iter();
    let handle = |(key, _)| match key {
        Key::RecordByCustomer { handle, .. } => Some(handle),
        _ => None,
    };
    rows.filter_map(handle).collect()
}

/// Up to `limit` records of a chain with their positions, from `chain_n` on, in the order of positions.
pub fn chain_behind(view: &impl View, list: u32, chain_id: u64, chain_n: u64, limit: u32) -> Vec<(u64, Handle)> {
    let from = Key::RecordByChain { list, chain_id, chain_n }.encode().into_vec();
    let bound = Bound { table: Table::RecordByChain, from, prefix: chain_prefix(list, chain_id) };
    let rows = view.next(&bound, limit).into_iter();
    let place = |(key, row)| match (key, row) {
        (Key::RecordByChain { chain_n, .. }, Row::RecordByChain(row)) => Some((chain_n, Handle(row.number))),
        _ => None,
    };
    rows.filter_map(place).collect()
}

/// The Ready callbacks and retries of all lists with a time before `before_s`, UTC seconds, in no promised order; none: there are more
/// than `limit`.
pub fn callbacks_before(view: &impl View, before_s: i64, limit: u32) -> Option<Vec<Handle>> {
    let before_s = u64::try_from(before_s).unwrap_or(0);
    let mut found = Vec::new();
    for personal in [true, false] {
        let prefix = callback_prefix(personal);
        for (key, _) in pages(view, Bound { table: Table::CallbackByDue, from: prefix.clone(), prefix }) {
            match key {
                Key::CallbackByDue { due_s, handle, .. } if due_s < before_s => found.push(handle),
                _ => break,
            }
            if found.len() > limit as usize {
                return None;
            }
        }
    }
    Some(found)
}
