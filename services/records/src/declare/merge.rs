//! Merging a file into the standing declaration: item by item, and key by key within an item.

use std::collections::{BTreeMap, BTreeSet};

use outbound::declaration::{DEFAULT_TENANT, Declaration, DeclaredTenant};

use super::{
    Faults, ITEMS_MAX, dbids, fields,
    item::{Item, check_name},
    limits::LIMITS_MAX,
    standing::Standing,
};

/// The declaration after a file, without options. Items that the file does not name stay, unless `prune`.
pub(super) fn all(standing: &Standing, file: &Declaration, prune: bool, faults: &mut Faults) -> Declaration {
    let stands = &standing.declaration;
    for list in &file.lists {
        fields::check_named(list, faults);
        if standing.deleting.contains_key(&list.name) {
            let path = format!("lists.{}", list.name);
            faults.add(path, "is being deleted: its name is free once nothing is left of it");
        }
    }
    let is_default = |tenant: &DeclaredTenant| tenant.name == DEFAULT_TENANT;
    let mut lists = of_kind(&stands.lists, &file.lists, |list| !prune || standing.has_records(&list.name), faults);
    if prune {
        fields::prune(&file.lists, &mut lists, standing);
    }
    for list in &mut lists {
        fields::check(list, standing, faults);
    }
    let contact_limits = of_kind(&stands.contact_limits, &file.contact_limits, |_| !prune, faults);
    if contact_limits.len() > LIMITS_MAX {
        faults.add("contact_limits", format!("would be {}, and may be {LIMITS_MAX}", contact_limits.len()));
    }
    Declaration {
        options: Vec::new(),
        tenants: of_kind(&stands.tenants, &file.tenants, |tenant| !prune || is_default(tenant), faults),
        time_zones: of_kind(&stands.time_zones, &file.time_zones, |_| !prune, faults),
        calendars: of_kind(&stands.calendars, &file.calendars, |_| !prune, faults),
        zone_prefixes: of_kind(&stands.zone_prefixes, &file.zone_prefixes, |_| !prune, faults),
        treatments: of_kind(&stands.treatments, &file.treatments, |_| !prune, faults),
        lists,
        campaigns: of_kind(&stands.campaigns, &file.campaigns, |_| !prune, faults),
        campaign_groups: of_kind(&stands.campaign_groups, &file.campaign_groups, |_| !prune, faults),
        contact_limits,
        subscriptions: Vec::new(),
    }
}

/// The items of a kind after a file. `stays`: whether an item stays that the file does not name.
fn of_kind<T: Item>(standing: &[T], named: &[T], stays: impl Fn(&T) -> bool, faults: &mut Faults) -> Vec<T> {
    let mut items = standing.to_vec();
    let mut places: BTreeMap<String, usize> = items.iter().enumerate().map(|(at, item)| (item.name(), at)).collect();
    let mut names = BTreeSet::new();
    for mut item in named.iter().cloned() {
        item.tidy();
        let name = item.name();
        if !names.insert(name.clone()) {
            faults.add(format!("{}.{name}", T::KIND), "is there twice");
            continue;
        }
        dbids::check_given(&item, faults);
        let place = *places.entry(name.clone()).or_insert(items.len());
        if place == items.len() {
            check_name(T::KIND, &name, faults);
            items.push(item);
        } else {
            items[place].take(item);
        }
        items[place].complete(faults);
    }
    items.retain(|item| stays(item) || names.contains(&item.name()));
    if items.len() > ITEMS_MAX {
        faults.add(T::KIND, format!("would be {}, and may be {ITEMS_MAX}", items.len()));
    }
    items
}
