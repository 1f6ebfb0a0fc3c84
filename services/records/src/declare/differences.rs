//! Differences between two declarations with all of their values, a line a changed item.

use std::collections::{BTreeMap, BTreeSet};

use outbound::declaration::{Declaration, DeclaredList, DeclaredOption};

use super::{
    fields::FieldOf,
    item::{Pairs, Shown},
};

/// Letters of a value in a line, at most.
const SHOWN_LETTERS_MAX: usize = 100;

/// The lines, in the order of the kinds.
pub(super) fn between(before: &Declaration, after: &Declaration) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(changed("options", &of_options(&before.options), &of_options(&after.options)));
    of_kind(&before.tenants, &after.tenants, &mut lines);
    of_kind(&before.time_zones, &after.time_zones, &mut lines);
    of_kind(&before.calendars, &after.calendars, &mut lines);
    of_kind(&before.zone_prefixes, &after.zone_prefixes, &mut lines);
    of_kind(&before.treatments, &after.treatments, &mut lines);
    of_kind(&before.lists, &after.lists, &mut lines);
    of_fields(&before.lists, &after.lists, &mut lines);
    of_kind(&before.campaigns, &after.campaigns, &mut lines);
    of_kind(&before.campaign_groups, &after.campaign_groups, &mut lines);
    of_kind(&before.contact_limits, &after.contact_limits, &mut lines);
    lines
}

fn of_options(options: &[DeclaredOption]) -> Vec<(&str, String)> {
    options.iter().map(|option| (option.key.as_str(), option.value.clone())).collect()
}

fn of_kind<T: Shown>(before: &[T], after: &[T], lines: &mut Vec<String>) {
    let standing: BTreeMap<String, Pairs> = before.iter().map(|item| (item.name(), item.pairs())).collect();
    for item in after {
        let name = item.name();
        match standing.get(&name) {
            None => lines.push(format!("+ {} {name:?}", T::WORD)),
            Some(pairs) => lines.extend(changed(&format!("{} {name:?}", T::WORD), pairs, &item.pairs())),
        }
    }
    let stays: BTreeSet<String> = after.iter().map(T::name).collect();
    let gone = standing.into_keys().filter(|name| !stays.contains(name));
    lines.extend(gone.map(|name| format!("- {} {name:?}", T::WORD)));
}

/// The fields of lists that stand before and after.
fn of_fields(before: &[DeclaredList], after: &[DeclaredList], lines: &mut Vec<String>) {
    let standing: BTreeMap<&str, &DeclaredList> = before.iter().map(|list| (list.name.as_str(), list)).collect();
    for list in after {
        let Some(before) = standing.get(list.name.as_str()) else { continue };
        of_kind(&fields_of(before), &fields_of(list), lines);
    }
}

fn fields_of(list: &DeclaredList) -> Vec<FieldOf<'_>> {
    list.fields.iter().map(|field| FieldOf { list: &list.name, field }).collect()
}

/// The line of an item whose values differ; both have the same keys in the same order.
fn changed(subject: &str, before: &[(&str, String)], after: &[(&str, String)]) -> Option<String> {
    let pairs = before.iter().zip(after).filter(|((_, old), (_, new))| old != new);
    let change = |((key, old), (_, new)): (&(&str, String), &(&str, String))| {
        format!("{key} {:?} -> {:?}", shown(old), shown(new))
    };
    let changes: Vec<String> = pairs.map(change).collect();
    (!changes.is_empty()).then(|| format!("{subject}: {}", changes.join(", ")))
}

/// The beginning of a long value.
fn shown(value: &str) -> String {
    match value.char_indices().nth(SHOWN_LETTERS_MAX) {
        Some((end, _)) => format!("{}\u{2026}", &value[..end]),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_every_value_of_an_item_that_changes() {
        let before = [("calendar", String::new()), ("attempts_max", "0".into()), ("tenant", "a".into())];
        let after = [("calendar", "weekdays".into()), ("attempts_max", "12".into()), ("tenant", "a".into())];
        let line = "list \"r\": calendar \"\" -> \"weekdays\", attempts_max \"0\" -> \"12\"";
        assert_eq!(changed("list \"r\"", &before, &after).as_deref(), Some(line));
        assert_eq!(changed("list \"r\"", &after, &after), None);
        assert_eq!(shown(&"\u{e4}".repeat(101)), format!("{}\u{2026}", "\u{e4}".repeat(100)));
    }
}
