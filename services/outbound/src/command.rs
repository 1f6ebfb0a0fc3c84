//! What stands in the log: a request, stamped by the primary.

use crate::{RULES_FIRST, RULES_WITH_PHONE_FORM, RULES_WITH_SETTINGS, RULES_WITH_UNDOING, Request, RequestId};

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

/// One option of the rules (spec 11), and its value as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// As in `replay_window_ms`.
    pub key: String,
    /// Decimal digits, or names separated by commas.
    pub value: String,
}

/// The group decides by a higher rules version from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaiseRules {
    /// The version; it decides this command already.
    pub to: u32,
    /// Options that the proposing node's configuration names; the others begin with their defaults. Later raises find settings
    /// in the state and pass these over.
    pub settings: Vec<Setting>,
    /// The release that proposes it: a node that does not know the version names it.
    pub release: String,
}

/// The next Do-Not-Call entries and records are brought to the form in which phones are compared; the state knows which are next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RewritePhones {
    /// Rows at most, from 1 to [`crate::REWRITTEN_ROWS_MAX`].
    pub rows_max: u32,
}

/// The next records of a list that is being deleted go, and the list itself behind the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeleteRecords {
    /// DBID of the list.
    pub list: u32,
    /// Rows at most, from 1 to [`crate::DELETED_ROWS_MAX`].
    pub rows_max: u32,
}

/// A Do-Not-Call entry is taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoveDoNotCall {
    /// In any spelling.
    pub phone: String,
    /// Name or DBID of the list whose entry is meant; empty: the entry for all lists.
    pub list: String,
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
    /// The rules version goes up. Only proposed when every data voter and learner knows that version.
    RaiseRules(RaiseRules),
    /// Options of the rules are set, all or none; from rules version 2 on.
    SetSettings(Vec<Setting>),
    /// Rows are brought to the phone form of the rules; from rules version 3 on.
    RewritePhones(RewritePhones),
    /// The list of this name or DBID is marked as being deleted; from rules version 3 on.
    DeleteList(String),
    /// Records of a list that is being deleted go; from rules version 3 on.
    DeleteRecords(DeleteRecords),
    /// A Do-Not-Call entry is taken back; from rules version 3 on.
    RemoveDoNotCall(RemoveDoNotCall),
}

impl Body {
    /// The lowest rules version that decides it.
    pub const fn rules_min(&self) -> u32 {
        match self {
            Self::RaiseRules(raise) => raise.to,
            Self::SetSettings(_) => RULES_WITH_SETTINGS,
            Self::RewritePhones(_) => RULES_WITH_PHONE_FORM,
            Self::DeleteList(_) | Self::DeleteRecords(_) | Self::RemoveDoNotCall(_) => RULES_WITH_UNDOING,
            _ => RULES_FIRST,
        }
    }

    /// The tenant that it names, and who asks: what stands in a command's head from rules version 2 on.
    pub fn whose(&self) -> (&str, &str) {
        match self {
            Self::Request(request) => (&request.tenant, &request.principal),
            _ => ("", ""),
        }
    }
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
    /// The tenant that the request names; from rules version 2 on, before it the request's own field alone.
    pub tenant: String,
    /// Who asks, as the door has authenticated; as `tenant`.
    pub principal: String,
    /// What is asked.
    pub body: Body,
}

impl Command {
    /// A command under a rules version, its head as that version writes it, and nothing random.
    pub fn new(rules: u32, id: RequestId, stamp_us: u64, origin: Origin, body: Body) -> Self {
        let whose = if rules < RULES_WITH_SETTINGS { ("", "") } else { body.whose() };
        let (tenant, principal) = (whose.0.to_owned(), whose.1.to_owned());
        Self { id, rules, stamp_us, origin, random: Vec::new(), tenant, principal, body }
    }
}
