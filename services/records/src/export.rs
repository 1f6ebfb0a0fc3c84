//! Records as rows of a file: the columns of spec 9, the user-defined fields, and `handle`.
//!
//! Never reads the state: the caller reads pages of records (see [`crate::records_from`]).

use outbound::{Handle, RULES_NEWEST};

use crate::{
    columns::{self, HANDLE},
    fields::{field_of_column, user_value},
    tables::{ListRow, RecordRow},
};

/// All columns of a list in their order, by the group's rules version: those of every list, the list's own, `handle`.
pub fn export_columns(list: &ListRow, version: u32) -> Vec<String> {
    let defaults = columns::of(list, version).map(|column| column.name.to_owned());
    let fields = list.fields.iter().map(|field| field.column.clone());
    defaults.chain(fields).chain([HANDLE.to_owned()]).collect()
}

/// The cells of a record under the given columns, in any case; empty under a column that the list does not have.
pub fn export_row(list: &ListRow, handle: Handle, record: &RecordRow, columns: &[String]) -> Vec<String> {
    columns.iter().map(|column| cell(list, handle, record, column)).collect()
}

fn cell(list: &ListRow, handle: Handle, record: &RecordRow, column: &str) -> String {
    if let Some(column) = columns::named(list, column, RULES_NEWEST) {
        return (column.show)(record);
    }
    if column.eq_ignore_ascii_case(HANDLE) {
        return handle.to_string();
    }
    field_of_column(list, column).map(|at| user_value(list, record, at).to_owned()).unwrap_or_default()
}
