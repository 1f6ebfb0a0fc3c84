//! The rows that a plan writes.

use std::collections::BTreeSet;

use outbound::{
    Setting,
    declaration::{Declaration, DeclaredGroup},
};
use prost::Message;

use super::{
    dbids, lists,
    references::declared_by,
    standing::{Standing, StandingList},
};
use crate::{
    declared::group_name,
    tables::{DeclaredRow, ListRow},
};

/// The rows after a plan, and the DBIDs of removed items.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Next {
    /// Everything declared beside lists and options, under the next revision.
    pub(crate) row: DeclaredRow,
    /// New lists and those that change, in the order of the declaration.
    pub(crate) lists: Vec<NextList>,
    /// DBIDs of the lists that go; they have no records.
    pub(crate) gone_lists: Vec<u32>,
    /// DBIDs of campaign groups that go or get another DBID: their states go too.
    pub(crate) gone_groups: Vec<u32>,
    /// The options that change.
    pub(crate) settings: Vec<Setting>,
}

/// A list that is new or changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NextList {
    /// The DBID under which the list stands; none: the list is new.
    pub(crate) standing: Option<u32>,
    /// Its DBID; none: the next free one.
    pub(crate) dbid: Option<u32>,
    /// Without counters, where counters are rows of their own.
    pub(crate) row: ListRow,
    /// Records of the list get another customer.
    pub(crate) changes_customers: bool,
}

impl Next {
    /// Bytes of the row of the declaration.
    pub(super) fn bytes(&self) -> usize {
        self.row.encoded_len()
    }
}

/// The rows of a declaration without faults.
pub(super) fn of(standing: &Standing, mut declaration: Declaration, settings: Vec<Setting>) -> Next {
    let zones = declared_by(&declaration);
    let (gone_lists, gone_groups) = (gone_lists(standing, &declaration), gone_groups(standing, &declaration));
    let rows = std::mem::take(&mut declaration.lists).into_iter().map(|list| {
        let (dbid, stands) = (list.dbid, standing.list_row(&list.name));
        (dbid, stands, lists::row(list, stands.map(|stands| &*stands.row), &zones))
    });
    let rows: Vec<_> = rows.collect();
    let sends_columns = rows.iter().any(|(_, _, row)| !row.send_attributes.is_empty());
    let changed = rows
        .into_iter()
        .filter(|(dbid, stands, row)| stands.is_none_or(|stands| Some(stands.dbid) != *dbid || *stands.row != *row));
    let next = |(dbid, stands, row): (Option<u32>, Option<&StandingList>, ListRow)| NextList {
        standing: stands.map(|stands| stands.dbid),
        dbid,
        changes_customers: stands.is_some_and(|stands| gives_other_customers(&stands.row, &row))
            && standing.has_records(&row.name),
        row,
    };
    let lists = changed.map(next).collect();
    declaration.options.clear();
    let row = dbids::noted(standing.row.clone(), &declaration);
    let revision = standing.row.revision + 1;
    let row = DeclaredRow { revision, declaration: Some(declaration), sends_columns, ..row };
    Next { row, lists, gone_lists, gone_groups, settings }
}

/// Whether records without a change of their fields have another customer: another field, or another default of the field.
fn gives_other_customers(before: &ListRow, after: &ListRow) -> bool {
    let default = |list: &ListRow| {
        let is_customer = |column: &str| column.eq_ignore_ascii_case(&list.customer_column);
        list.fields.iter().find(|field| is_customer(&field.column)).map(|field| field.default.clone())
    };
    !before.customer_column.eq_ignore_ascii_case(&after.customer_column) || default(before) != default(after)
}

fn gone_lists(standing: &Standing, declaration: &Declaration) -> Vec<u32> {
    let names: BTreeSet<&str> = declaration.lists.iter().map(|list| list.name.as_str()).collect();
    standing.lists().filter(|(name, _)| !names.contains(name.as_str())).map(|(_, list)| list.dbid).collect()
}

fn gone_groups(standing: &Standing, declaration: &Declaration) -> Vec<u32> {
    let of_group = |group: &DeclaredGroup| (group_name(group), group.dbid);
    let kept: BTreeSet<_> = declaration.campaign_groups.iter().map(of_group).collect();
    let before = standing.declaration.campaign_groups.iter().map(of_group);
    before.filter(|group| !kept.contains(group)).filter_map(|(_, dbid)| dbid).collect()
}
