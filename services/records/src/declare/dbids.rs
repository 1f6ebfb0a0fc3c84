//! DBIDs: given by a file, else the next free ones from 101, unique by kind (spec 11, DBIDs).
//!
//! A DBID that the state gives was never a standing item's before: the highest DBID ever given is kept by kind. Lists get theirs
//! where the command is applied, as lists that a request creates.

use std::collections::{BTreeMap, BTreeSet};

use outbound::declaration::{Declaration, DeclaredList};

use super::{
    Faults,
    item::{Item, path},
    standing::Standing,
};
use crate::{
    rules::LIST_DBID_FIRST,
    tables::{DeclaredRow, Table, list_prefix},
    view::{Bound, View},
};

/// Highest DBID that a file may give: clients read them into 32 bits, and the next free ones come behind it.
const GIVEN_MAX: u32 = 1_000_000_000;

/// Checks the range of a DBID that a file gives.
pub(super) fn check_given<T: Item>(item: &T, faults: &mut Faults) {
    if let Some(dbid) = item.dbid().filter(|dbid| !(1..=GIVEN_MAX).contains(dbid)) {
        faults.add(path(item, "dbid"), format!("is {dbid}, and must be from 1 to {GIVEN_MAX}"));
    }
}

/// Gives a DBID to every item without one, but for lists.
pub(super) fn give(standing: &Standing, declaration: &mut Declaration) {
    let mut last = standing.row.clone();
    give_kind(&mut declaration.tenants, &mut last.last_tenant);
    give_kind(&mut declaration.time_zones, &mut last.last_zone);
    give_kind(&mut declaration.treatments, &mut last.last_treatment);
    give_kind(&mut declaration.campaigns, &mut last.last_campaign);
    give_kind(&mut declaration.campaign_groups, &mut last.last_group);
}

fn give_kind<T: Item>(items: &mut [T], last: &mut u32) {
    *last = highest(items, *last);
    for item in items.iter_mut().filter(|item| item.dbid().is_none()) {
        *last = last.saturating_add(1).max(LIST_DBID_FIRST);
        item.set_dbid(*last);
    }
}

/// The highest DBID ever of a kind.
fn highest<T: Item>(items: &[T], last: u32) -> u32 {
    items.iter().filter_map(T::dbid).fold(last, u32::max)
}

/// The row with the highest DBIDs ever, those of a declaration included.
pub(super) fn noted(row: DeclaredRow, declaration: &Declaration) -> DeclaredRow {
    DeclaredRow {
        last_tenant: highest(&declaration.tenants, row.last_tenant),
        last_zone: highest(&declaration.time_zones, row.last_zone),
        last_treatment: highest(&declaration.treatments, row.last_treatment),
        last_campaign: highest(&declaration.campaigns, row.last_campaign),
        last_group: highest(&declaration.campaign_groups, row.last_group),
        ..row
    }
}

/// Checks that DBIDs are unique, and that those of items with records stay.
pub(super) fn check(view: &impl View, standing: &Standing, declaration: &Declaration, faults: &mut Faults) {
    let stands = &standing.declaration;
    let of_tenant = |name: &str| standing.any_has_records(|list| list.tenant.as_deref() == Some(name));
    let treats = |list: &DeclaredList, name: &str| {
        list.treatments.iter().any(|names| names.names.iter().any(|other| other == name))
    };
    check_kind(&stands.tenants, &declaration.tenants, |tenant| of_tenant(&tenant.name), faults);
    check_kind(&stands.time_zones, &declaration.time_zones, |_| standing.any_has_records(|_| true), faults);
    let is_used = |name: &str| standing.any_has_records(|list| treats(list, name));
    check_kind(&stands.treatments, &declaration.treatments, |treatment| is_used(&treatment.name), faults);
    let has_records = |name: &str| standing.campaign_has_records(name);
    check_kind(&stands.campaigns, &declaration.campaigns, |campaign| has_records(&campaign.name), faults);
    check_kind(&stands.campaign_groups, &declaration.campaign_groups, |group| has_records(&group.campaign), faults);
    check_kind(&stands.lists, &declaration.lists, |list| has_rows(view, standing, list), faults);
    for list in &declaration.lists {
        if let Some((other, dbid)) = standing.deleting.iter().find(|(_, dbid)| Some(**dbid) == list.dbid) {
            faults.add(path(list, "dbid"), format!("{dbid} is the DBID of {other:?}, which is being deleted"));
        }
    }
}

/// Whether a list has records, or remembers an import.
fn has_rows(view: &impl View, standing: &Standing, list: &DeclaredList) -> bool {
    let Some(dbid) = standing.list_row(&list.name).map(|list| list.dbid) else { return false };
    let prefix = list_prefix(dbid);
    let imports = Bound { table: Table::ImportBatch, from: prefix.clone(), prefix };
    standing.has_records(&list.name) || !view.next(&imports, 1).is_empty()
}

fn check_kind<T: Item>(standing: &[T], items: &[T], has_records: impl Fn(&T) -> bool, faults: &mut Faults) {
    let before: BTreeMap<String, Option<u32>> = standing.iter().map(|item| (item.name(), item.dbid())).collect();
    let stays = |item: &&T| before.get(&item.name()) == Some(&item.dbid());
    let mut owners: BTreeMap<u32, String> = BTreeMap::new();
    let owned = items.iter().filter(stays).filter_map(|item| Some((item.dbid()?, item.name())));
    owners.extend(owned);
    let mut taken: BTreeSet<u32> = owners.keys().copied().collect();
    for item in items.iter().filter(|item| !stays(item)) {
        let Some(dbid) = item.dbid() else { continue };
        let path = path(item, "dbid");
        if !taken.insert(dbid) {
            let other = owners.get(&dbid).map(String::as_str).unwrap_or("another one");
            faults.add(path, format!("{dbid} is the DBID of {other:?}"));
        } else if let Some(Some(old)) = before.get(&item.name())
            && has_records(item)
        {
            faults.add(path, format!("may not change from {old} to {dbid}: there are records of it"));
        }
        owners.entry(dbid).or_insert_with(|| item.name());
    }
}
