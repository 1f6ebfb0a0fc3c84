//! Do-Not-Call entries for operators: those of one phone or customer in every scope, and all in key order.

use super::{declared, list, rules_version};
use crate::{
    counters::counters,
    declared::Declared,
    phone::{self, add_national},
    rules::{CUSTOMER_BYTES_MAX, PHONE_LETTERS_MAX},
    tables::{DncRow, DncScope, DncSubject, Key, Row, Table, scope_prefix},
    view::{Bound, View, behind_prefix},
};

/// The forms under which the state may have a phone, that of the rules version first, with the Do-Not-Call entries of these
/// forms: those of tenants, then those of single lists, deleted lists included, then those of campaigns. National forms are those
/// that any tenant declares; an entry is found only under the forms of its own tenant.
pub fn do_not_call_of(view: &impl View, given: &str) -> (Vec<String>, Vec<(Key, DncRow)>) {
    if given.chars().count() > PHONE_LETTERS_MAX {
        return (Vec::new(), Vec::new()); // no entry has so long a phone
    }
    let own = phone::forms_to_ask(rules_version(view), counters(view).phones_are_rewritten(), given);
    let declared = declared(view);
    let of_tenant = |tenant: &str| {
        let mut forms = own.clone();
        add_national(&mut forms, declared.tenant(tenant));
        forms
    };
    let mut entries = Vec::new();
    for scope in scopes(view) {
        let subjects = of_tenant(&tenant_of(view, &declared, &scope)).into_iter().map(DncSubject::Phone);
        entries.extend(subjects.filter_map(|subject| entry(view, &scope, subject)));
    }
    let mut all = own;
    for tenant in &declared.declaration().tenants {
        add_national(&mut all, Some(tenant));
    }
    (all, entries)
}

/// The Do-Not-Call entries of a customer, in the order of [`do_not_call_of`].
pub fn do_not_call_of_customer(view: &impl View, customer: &str) -> Vec<(Key, DncRow)> {
    let customer = customer.trim();
    if customer.len() > CUSTOMER_BYTES_MAX {
        return Vec::new(); // no entry has so long a customer id
    }
    let of_scope = |scope| entry(view, &scope, DncSubject::Customer(customer.to_owned()));
    scopes(view).filter_map(of_scope).collect()
}

/// Up to `limit` Do-Not-Call entries in key order, after `last` or from the first.
pub fn do_not_call_behind(view: &impl View, last: Option<&Key>, limit: u32) -> Vec<(Key, DncRow)> {
    let from = last.map(|key| [key.encode().as_slice(), &[0]].concat()).unwrap_or_default();
    let rows = view.next(&Bound { table: Table::Dnc, from, prefix: Vec::new() }, limit).into_iter();
    let entry = |(key, row)| match row {
        Row::Dnc(row) => Some((key, row)),
        _ => None,
    };
    rows.filter_map(entry).collect()
}

fn entry(view: &impl View, scope: &DncScope, subject: DncSubject) -> Option<(Key, DncRow)> {
    let key = Key::Dnc(scope.clone(), subject);
    match view.get(&key) {
        Some(Row::Dnc(row)) => Some((key, row)),
        _ => None,
    }
}

/// Every scope that has an entry, in key order: an ordered read a scope, however many lists or entries there are.
fn scopes(view: &impl View) -> impl Iterator<Item = DncScope> {
    let mut from = Some(Vec::new());
    std::iter::from_fn(move || {
        let bound = Bound { table: Table::Dnc, from: from.take()?, prefix: Vec::new() };
        let Some((Key::Dnc(scope, _), _)) = view.next(&bound, 1).pop() else { return None };
        from = behind_prefix(&scope_prefix(&scope));
        Some(scope)
    })
}

/// The tenant by whose numbers the entries of a scope go.
fn tenant_of(view: &impl View, declared: &Declared, scope: &DncScope) -> String {
    match scope {
        DncScope::Tenant(name) => name.clone(),
        DncScope::List(dbid) => list(view, *dbid).map(|list| list.tenant.clone()).unwrap_or_default(),
        DncScope::Campaign(dbid) => {
            declared.campaign(*dbid).and_then(|campaign| campaign.tenant.clone()).unwrap_or_default()
        }
    }
}
