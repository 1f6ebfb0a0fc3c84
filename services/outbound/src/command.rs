//! What stands in the log: a request, stamped by the primary.

use crate::{Request, RequestId};

/// Through which door it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// HTTP Proxy.
    Http,
    /// The control API.
    Control,
}

/// A user-defined field of a list (spec 9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserField {
    /// Column name.
    pub column: String,
    /// `int`, `float`, `char`, `varchar(n)` or `datetime`.
    pub kind: String,
    /// The value of a record that was added without one.
    pub default: String,
    /// The key under which it travels; empty: the column.
    pub send_attribute: String,
}

/// A list to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewList {
    /// 1 to 255 bytes.
    pub name: String,
    /// A configured zone or an IANA name; empty: UTC.
    pub time_zone: String,
    /// User-defined fields in the order of their columns.
    pub fields: Vec<UserField>,
}

/// One row of an import, its values in the order of the batch's columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportRow {
    /// Empty text means absent: the column's default.
    pub values: Vec<String>,
}

/// A piece of an import: known by (import id, first row), applied once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportBatch {
    /// Name of the list.
    pub list: String,
    /// SHA-256 of file and list, or a random one.
    pub import_id: Vec<u8>,
    /// Row number of the first row; the first under the header is 1.
    pub first_row: u64,
    /// Column names, in any case.
    pub columns: Vec<String>,
    /// At most 500.
    pub rows: Vec<ImportRow>,
}

/// A node became primary; it says so itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleChange {
    /// Grows with each change.
    pub term: u64,
    /// The node's name.
    pub to: String,
    /// Why, in words.
    pub reason: String,
    /// How long there was no primary, as far as it knows.
    pub pause_ms: u64,
}

/// What a command asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// A client's request.
    Request(Request),
    /// A list is made.
    CreateList(NewList),
    /// Records are imported.
    ImportBatch(ImportBatch),
    /// The role moved.
    RoleChange(RoleChange),
}

/// A request, stamped: everything that deciding it needs besides the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Given once by the node that read the request.
    pub id: RequestId,
    /// The version of the rules that decide it.
    pub rules: u32,
    /// Microseconds since 1970, stamped by the primary; increases along the log.
    pub stamp_us: u64,
    /// Through which door it came.
    pub origin: Origin,
    /// Random bytes drawn by the primary; empty where no rule needs any.
    pub random: Vec<u8>,
    /// What is asked.
    pub body: Body,
}
