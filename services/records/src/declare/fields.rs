//! Fields of lists: they may be added; default and send_attribute may change, a kind may not (spec 11).

use outbound::{
    RULES_WITH_CAMPAIGNS, UserField,
    declaration::{DeclaredField, DeclaredList},
};

use super::{
    Faults,
    item::{Pairs, Shown, path},
    standing::Standing,
};
use crate::{
    fields::{self, FieldKind},
    tables::FieldRow,
};

/// Fields of a list, at most.
const FIELDS_MAX: usize = 256;
/// Letters of a customer id, at most: customer ids are part of keys.
const CUSTOMER_LETTERS_MAX: usize = 255;

/// A field as differences show it.
pub(super) struct FieldOf<'a> {
    pub(super) list: &'a str,
    pub(super) field: &'a DeclaredField,
}

impl Shown for FieldOf<'_> {
    const WORD: &'static str = "field";

    fn name(&self) -> String {
        format!("{}.{}", self.list, self.field.column)
    }

    fn pairs(&self) -> Pairs {
        let DeclaredField { kind, default, send_attribute, .. } = self.field.clone();
        let (default, send_attribute) = (default.unwrap_or_default(), send_attribute.unwrap_or_default());
        vec![("type", kind), ("default", default), ("send_attribute", send_attribute)]
    }
}

/// Merges the fields that a file names into those of a list.
pub(super) fn take(standing: &mut Vec<DeclaredField>, named: Vec<DeclaredField>) {
    for named in named {
        match find_mut(standing, &named.column) {
            None => standing.push(named),
            Some(field) => {
                let is_same_kind = FieldKind::parse(&named.kind) == FieldKind::parse(&field.kind);
                if !named.kind.is_empty() && !is_same_kind {
                    field.kind = named.kind;
                }
                field.default = named.default.or(field.default.take());
                field.send_attribute = named.send_attribute.or(field.send_attribute.take());
            }
        }
    }
}

fn find_mut<'f>(fields: &'f mut [DeclaredField], column: &str) -> Option<&'f mut DeclaredField> {
    fields.iter_mut().find(|field| field.column.eq_ignore_ascii_case(column))
}

/// The field of a column, in any case.
fn find<'f>(fields: &'f [DeclaredField], column: &str) -> Option<&'f DeclaredField> {
    fields.iter().find(|field| field.column.eq_ignore_ascii_case(column))
}

/// Refuses a field that a file names twice in one list.
pub(super) fn check_named(named: &DeclaredList, faults: &mut Faults) {
    for (at, field) in named.fields.iter().enumerate() {
        if find(&named.fields[..at], &field.column).is_some() {
            faults.add(path_of(named, &field.column), "is there twice");
        }
    }
}

/// Removes the fields that a file does not name from the lists of the file, but for lists with records.
pub(super) fn prune(named: &[DeclaredList], lists: &mut [DeclaredList], standing: &Standing) {
    for named in named {
        let empty = lists.iter_mut().find(|list| list.name == named.name && !standing.has_records(&list.name));
        if let Some(list) = empty {
            list.fields.retain(|field| find(&named.fields, &field.column).is_some());
        }
    }
}

/// Checks the fields of a list that are new or change, and its customer field.
pub(super) fn check(list: &mut DeclaredList, standing: &Standing, faults: &mut Faults) {
    if list.fields.len() > FIELDS_MAX {
        faults.add(path(list, "fields"), format!("has more than {FIELDS_MAX} fields"));
        return;
    }
    let before = standing.list(&list.name).map(|before| before.fields.as_slice()).unwrap_or_default();
    for (at, field) in list.fields.iter().enumerate() {
        let path = path_of(list, &field.column);
        match find(before, &field.column) {
            Some(before) if before == field => {}
            Some(before) if before.kind != field.kind => {
                faults.add(format!("{path}.type"), format!("is {}, and may not become {}", before.kind, field.kind));
            }
            _ if field.kind.is_empty() => faults.add(format!("{path}.type"), "is missing"),
            _ => {
                if let Some(why) = why_not(list, at) {
                    faults.add(path, why);
                }
            }
        }
    }
    check_customer(list, faults);
}

/// Why a field cannot be beside the others of its list; none: the field has a place.
fn why_not(list: &DeclaredList, at: usize) -> Option<String> {
    let others = list.fields.iter().enumerate().filter(|(other, _)| *other != at);
    let others: Vec<FieldRow> = others.map(|(_, field)| row(field)).collect();
    let field = UserField::from(&row(&list.fields[at]));
    fields::check_new(&field, &others, RULES_WITH_CAMPAIGNS).err().map(|refusal| refusal.message)
}

/// Checks that the customer id is a field whose values are short, and writes its column as the field does.
fn check_customer(list: &mut DeclaredList, faults: &mut Faults) {
    let Some(column) = list.customer_id.clone().filter(|column| !column.is_empty()) else { return };
    let Some(field) = find(&list.fields, &column) else {
        faults.add(path(list, "customer_id"), format!("{column:?} is no field of the list"));
        return;
    };
    let is_short = match FieldKind::parse(&field.kind) {
        Some(FieldKind::Varchar(letters)) => letters <= CUSTOMER_LETTERS_MAX,
        kind => matches!(kind, Some(FieldKind::Int | FieldKind::Char)),
    };
    if !is_short {
        let kinds = format!("int, char, and varchar of at most {CUSTOMER_LETTERS_MAX} letters");
        faults.add(path(list, "customer_id"), format!("is of the kind {}; a customer id is {kinds}", field.kind));
    }
    list.customer_id = Some(field.column.clone());
}

fn path_of(list: &DeclaredList, column: &str) -> String {
    path(list, &format!("fields.{column}"))
}

/// A field with all of its values.
pub(super) fn declared(row: &FieldRow) -> DeclaredField {
    let FieldRow { column, kind, default, send_attribute } = row.clone();
    DeclaredField { column, kind, default: Some(default), send_attribute: Some(send_attribute) }
}

/// The row of a field.
pub(super) fn row(field: &DeclaredField) -> FieldRow {
    let DeclaredField { column, kind, default, send_attribute } = field.clone();
    let (default, send_attribute) = (default.unwrap_or_default(), send_attribute.unwrap_or_default());
    FieldRow { column, kind, default, send_attribute }
}
