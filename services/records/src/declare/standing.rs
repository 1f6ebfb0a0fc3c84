//! The state that a file meets: the standing declaration, and which of its items have records.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use outbound::{
    Setting,
    declaration::{Declaration, DeclaredList, DeclaredOption},
};

use super::lists;
use crate::{
    declared::lists_of,
    lookup,
    settings::Settings,
    tables::{DeclaredRow, ListRow},
    view::View,
};

/// A calling list that is not being deleted.
pub(super) struct StandingList {
    pub(super) dbid: u32,
    pub(super) row: Arc<ListRow>,
    has_records: bool,
    /// Place among the lists of the declaration.
    place: usize,
}

/// The standing declaration and its rows.
pub(super) struct Standing {
    pub(super) row: DeclaredRow,
    /// Every key has its value; options and lists included. A campaign names no list that is gone.
    pub(super) declaration: Declaration,
    lists: BTreeMap<String, StandingList>,
    /// Names of lists in deletion, with their DBIDs.
    pub(super) deleting: BTreeMap<String, u32>,
    /// None: rules version 1.
    pub(super) settings: Option<Arc<Settings>>,
}

impl Standing {
    pub(super) fn read(view: &impl View) -> Self {
        let row = lookup::declared(view).row().clone();
        let settings = lookup::settings(view);
        let mut declaration = row.declaration.clone().unwrap_or_default();
        declaration.options = settings.iter().flat_map(|settings| settings.in_effect()).map(option).collect();
        let (mut lists, mut deleting) = (BTreeMap::new(), BTreeMap::new());
        for (dbid, row) in lookup::lists(view) {
            if row.deleting {
                deleting.insert(row.name.clone(), dbid);
                continue;
            }
            let has_records = lookup::list_counters(view, dbid, &row).records > 0;
            let place = declaration.lists.len();
            declaration.lists.push(lists::declared(dbid, &row));
            lists.insert(row.name.clone(), StandingList { dbid, row, has_records, place });
        }
        forget_lists(&mut declaration);
        Self { row, declaration, lists, deleting, settings }
    }

    /// A list with its row.
    pub(super) fn list_row(&self, name: &str) -> Option<&StandingList> {
        self.lists.get(name)
    }

    /// The declaration of a list.
    pub(super) fn list(&self, name: &str) -> Option<&DeclaredList> {
        self.declaration.lists.get(self.lists.get(name)?.place)
    }

    /// Whether a list has records.
    pub(super) fn has_records(&self, list: &str) -> bool {
        self.lists.get(list).is_some_and(|list| list.has_records)
    }

    /// Whether any list has records.
    pub(super) fn any_has_records(&self, is: impl Fn(&DeclaredList) -> bool) -> bool {
        self.declaration.lists.iter().any(|list| is(list) && self.has_records(&list.name))
    }

    /// Whether a list of a campaign has records.
    pub(super) fn campaign_has_records(&self, campaign: &str) -> bool {
        let of_name = self.declaration.campaigns.iter().filter(|other| other.name == campaign);
        of_name.flat_map(lists_of).any(|(list, _)| self.has_records(list))
    }

    /// The lists, by name.
    pub(super) fn lists(&self) -> impl Iterator<Item = (&String, &StandingList)> {
        self.lists.iter()
    }
}

fn option(Setting { key, value }: Setting) -> DeclaredOption {
    DeclaredOption { key, value }
}

/// Drops lists from campaigns that were deleted since: campaigns skip such a list.
fn forget_lists(declaration: &mut Declaration) {
    let Declaration { lists, campaigns, .. } = declaration;
    let names: BTreeSet<&str> = lists.iter().map(|list| list.name.as_str()).collect();
    for lists in campaigns.iter_mut().filter_map(|campaign| campaign.lists.as_mut()) {
        lists.lists.retain(|list| names.contains(list.list.as_str()));
    }
}
