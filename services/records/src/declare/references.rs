//! References between items, and rules about the declaration as a whole (spec 11, refused).

use std::collections::{BTreeMap, BTreeSet};

use outbound::{
    CALL_RESULT,
    declaration::{Declaration, DeclaredCampaign, DeclaredLimit, DeclaredList, DeclaredTreatment},
};

use super::{
    Faults,
    item::{Item, path},
    standing::Standing,
};
use crate::{
    declared::{Declared, lists_of},
    tables::DeclaredRow,
    zones,
};

/// Writes the names of zones as they are declared, or as canonical IANA names.
pub(super) fn resolve(declaration: &mut Declaration, faults: &mut Faults) {
    let declared = declared_by(declaration);
    let zone = |name: &Option<String>| zones::named(name.as_deref().unwrap_or_default(), &declared);
    let unknown = |name: &Option<String>| {
        format!("{:?} is neither a declared time zone nor an IANA name", name.as_deref().unwrap_or_default())
    };
    for list in &mut declaration.lists {
        match zone(&list.time_zone) {
            Some(zone) => list.time_zone = Some(zone.name().to_owned()),
            None => faults.add(path(list, "time_zone"), unknown(&list.time_zone)),
        }
    }
    for prefix in &mut declaration.zone_prefixes {
        match zone(&prefix.time_zone) {
            Some(zone) => prefix.time_zone = Some(zone.name().to_owned()),
            None if prefix.time_zone.as_deref().unwrap_or_default().is_empty() => {} // missing
            None => faults.add(path(prefix, "time_zone"), unknown(&prefix.time_zone)),
        }
    }
}

/// What a declaration declares beside lists and options, for look-ups.
pub(super) fn declared_by(declaration: &Declaration) -> Declared {
    let (options, lists) = (Vec::new(), Vec::new());
    let declaration = Some(Declaration { options, lists, ..declaration.clone() });
    DeclaredRow { declaration, ..DeclaredRow::default() }.into()
}

/// Checks that every reference leads to something of the same tenant, that sequences have a step a number, and that tenants of what
/// has records stay.
pub(super) fn check(standing: &Standing, declaration: &Declaration, faults: &mut Faults) {
    let declared = declared_by(declaration);
    check_names_of_zones(declaration, faults);
    let treatments = declaration.treatments.iter().map(|treatment| (treatment.name.as_str(), treatment)).collect();
    let calendars = declaration.calendars.iter().map(|calendar| calendar.name.as_str()).collect();
    let lists: BTreeMap<&str, &DeclaredList> =
        declaration.lists.iter().map(|list| (list.name.as_str(), list)).collect();
    for list in &declaration.lists {
        check_tenant(list, list.tenant.as_deref(), &declared, faults);
        check_list(list, &treatments, &calendars, faults);
        check_stays(list, standing, faults);
    }
    for campaign in &declaration.campaigns {
        check_tenant(campaign, campaign.tenant.as_deref(), &declared, faults);
        check_campaign(campaign, &lists, faults);
    }
    let campaigns: BTreeSet<&str> = declaration.campaigns.iter().map(|campaign| campaign.name.as_str()).collect();
    for group in declaration.campaign_groups.iter().filter(|group| !campaigns.contains(group.campaign.as_str())) {
        faults.add(path(group, "campaign"), format!("there is no campaign {:?}", group.campaign));
    }
    for limit in &declaration.contact_limits {
        check_tenant(limit, limit.tenant.as_deref(), &declared, faults);
        check_limit(limit, &campaigns, faults);
    }
}

/// Names of zones are looked up in any case.
fn check_names_of_zones(declaration: &Declaration, faults: &mut Faults) {
    let mut names = BTreeSet::new();
    for zone in &declaration.time_zones {
        if !names.insert(zone.name.to_ascii_lowercase()) {
            faults.add(path(zone, "name"), "is the name of another time zone in other letters");
        }
    }
}

fn check_tenant<T: Item>(item: &T, tenant: Option<&str>, declared: &Declared, faults: &mut Faults) {
    let tenant = tenant.unwrap_or_default();
    if !tenant.is_empty() && declared.tenant(tenant).is_none() {
        faults.add(path(item, "tenant"), format!("there is no tenant {tenant:?}"));
    }
}

fn check_list(
    list: &DeclaredList,
    treatments: &BTreeMap<&str, &DeclaredTreatment>,
    calendars: &BTreeSet<&str>,
    faults: &mut Faults,
) {
    let calendar = list.calendar.as_deref().unwrap_or_default();
    if !calendar.is_empty() && !calendars.contains(calendar) {
        faults.add(path(list, "calendar"), format!("there is no calendar {calendar:?}"));
    }
    let mut steps: BTreeMap<(Option<i64>, Option<u32>), &str> = BTreeMap::new();
    for name in list.treatments.iter().flat_map(|names| &names.names) {
        let path = path(list, "treatments");
        let Some(treatment) = treatments.get(name.as_str()) else {
            faults.add(path, format!("there is no treatment {name:?}"));
            continue;
        };
        if let Some(other) = steps.insert((treatment.call_result, treatment.number), name) {
            let result = treatment.call_result.and_then(|result| CALL_RESULT.name_of(result)).unwrap_or_default();
            let number = treatment.number.unwrap_or_default();
            faults.add(path, format!("{other:?} and {name:?} are both number {number} of {result}"));
        }
    }
}

/// The tenant of a list that has records stays.
fn check_stays(list: &DeclaredList, standing: &Standing, faults: &mut Faults) {
    let Some(before) = standing.list(&list.name) else { return };
    if before.tenant != list.tenant && standing.has_records(&list.name) {
        faults.add(path(list, "tenant"), "may not change: the list has records");
    }
}

fn check_campaign(campaign: &DeclaredCampaign, lists: &BTreeMap<&str, &DeclaredList>, faults: &mut Faults) {
    for (name, _) in lists_of(campaign) {
        match lists.get(name) {
            None => faults.add(path(campaign, "lists"), format!("there is no calling list {name:?}")),
            Some(list) if list.tenant != campaign.tenant => {
                faults.add(path(campaign, "lists"), format!("calling list {name:?} is another tenant's"));
            }
            Some(_) => {}
        }
    }
}

fn check_limit(limit: &DeclaredLimit, campaigns: &BTreeSet<&str>, faults: &mut Faults) {
    let campaign = limit.campaign.as_deref().unwrap_or_default();
    if !campaign.is_empty() && !campaigns.contains(campaign) {
        faults.add(path(limit, "campaign"), format!("there is no campaign {campaign:?}"));
    }
}
