//! The records of a phone, of a customer, and of a chain, a page at a time, behind a place where a former command stopped.
//!
//! Never writes. Called by the marking.

use outbound::Handle;

use crate::{
    tables::{DncSubject, Key, Row, Table, chain_prefix, customer_prefix, phone_prefix},
    view::{Bound, View},
};

/// Records of one page.
pub(super) const PAGE: u32 = 100;

/// Handles of the records under one form of a subject, in their order, behind a handle; fewer than a page: the last ones.
pub(super) fn behind(view: &impl View, subject: &DncSubject, handle: Handle) -> Vec<Handle> {
    let next = Handle(handle.0.saturating_add(1));
    let (table, from, prefix) = match subject {
        DncSubject::Phone(form) => {
            let from = Key::RecordByPhone { phone: form.clone(), handle: next };
            (Table::RecordByPhone, from, phone_prefix(form))
        }
        DncSubject::Customer(customer) => {
            let from = Key::RecordByCustomer { customer: customer.clone(), handle: next };
            (Table::RecordByCustomer, from, customer_prefix(customer))
        }
    };
    let rows = view.next(&Bound { table, from: from.encode().into_vec(), prefix }, PAGE).into_iter();
    let handle = |(key, _)| match key {
        Key::RecordByPhone { handle, .. } | Key::RecordByCustomer { handle, .. } => Some(handle),
        _ => None,
    };
    rows.filter_map(handle).collect()
}

/// Positions and handles of a chain's records from a position on; fewer than a page: the last ones.
pub(super) fn of_chain(view: &impl View, list: u32, chain_id: u64, chain_n: u64) -> Vec<(u64, Handle)> {
    let from = Key::RecordByChain { list, chain_id, chain_n }.encode().into_vec();
    let rows = view.next(&Bound { table: Table::RecordByChain, from, prefix: chain_prefix(list, chain_id) }, PAGE);
    let place = |(key, row)| match (key, row) {
        (Key::RecordByChain { chain_n, .. }, Row::RecordByChain(row)) => Some((chain_n, Handle(row.number))),
        _ => None,
    };
    rows.into_iter().filter_map(place).collect()
}
