//! Commands, the content of the log: requests stamped by the primary.

use crate::{
    RULES_FIRST, RULES_WITH_AUDIT, RULES_WITH_CAMPAIGNS, RULES_WITH_OUTBOX, RULES_WITH_PHONE_FORM,
    RULES_WITH_SCHEDULED_SWITCHOVER, RULES_WITH_SETTINGS, RULES_WITH_TOKENS, RULES_WITH_UNDOING, Request, RequestId,
    declaration::Declaration,
};

/// The interface through which a request arrived.
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
    /// The value of a record added without this field.
    pub default: String,
    /// The attribute key of the field in requests and replies; empty: the column.
    pub send_attribute: String,
}

/// A list to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewList {
    /// 1 to 255 bytes.
    pub name: String,
    /// A configured zone or an IANA name; empty: UTC.
    pub time_zone: String,
    /// User-defined fields in the order of their columns.
    pub fields: Vec<UserField>,
}

/// A row of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportRow {
    /// The values in the order of the batch's columns; empty text means absent: the column's default.
    pub values: Vec<String>,
}

/// A piece of an import: identified by list, import id and row numbers, applied once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportBatch {
    /// Name of the list.
    pub list: String,
    /// SHA-256 of file and list, or a random id.
    pub import_id: Vec<u8>,
    /// Row number of the first row; the first under the header is 1.
    pub first_row: u64,
    /// Column names, in any case.
    pub columns: Vec<String>,
    /// At most 500.
    pub rows: Vec<ImportRow>,
}

/// A change of the role, proposed by the new primary itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleChange {
    /// Grows with each change.
    pub term: u64,
    /// The node's name.
    pub to: String,
    /// The reason, as text.
    pub reason: String,
    /// Time without a primary, as known to the new primary.
    pub pause_ms: u64,
    /// The order by which the node became primary without a quorum, for the audit; from rules version 7 on. The head of the command
    /// names the operator.
    pub ordered: Option<Audited>,
}

/// An order of an operator that a node has carried out and that is no command by itself, for the audit. The head of the command names
/// the operator. Node and time name the order: the audit takes it once, however often the node asks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Audited {
    /// The node that took the order.
    pub node: String,
    /// Time of the order by that node's clock, microseconds since 1970; never twice on a node.
    pub at_us: u64,
    /// A stamp before the order, microseconds since 1970: a row of the order has a later one.
    pub after_us: u64,
    /// The order's name, as the control API has it.
    pub what: String,
    /// The subject, as a node or a mode; empty: none.
    pub about: String,
    /// For a person; empty: none.
    pub details: String,
    /// `done`, `begun` or `REFUSED`.
    pub outcome: String,
}

/// An option of the rules (spec 11) with its value as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// As in `replay_window_ms`.
    pub key: String,
    /// Decimal digits, or names separated by commas.
    pub value: String,
}

/// A raise of the group's rules version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaiseRules {
    /// The new version, which already decides this command.
    pub to: u32,
    /// Options from the proposing node's configuration; all other options begin with their defaults. Later raises find settings
    /// in the state and ignore these.
    pub settings: Vec<Setting>,
    /// The proposing node's release: a node without the version names this release in its error.
    pub release: String,
}

/// A rewrite of the next Do-Not-Call entries and records to the present phone form; the state holds the progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RewritePhones {
    /// Rows at most, from 1 to [`crate::REWRITTEN_ROWS_MAX`].
    pub rows_max: u32,
}

/// The deletion of the next records of a list in deletion, and of the list itself after its last record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeleteRecords {
    /// DBID of the list.
    pub list: u32,
    /// Rows at most, from 1 to [`crate::DELETED_ROWS_MAX`].
    pub rows_max: u32,
}

/// The taking back of a Do-Not-Call entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RemoveDoNotCall {
    /// In any spelling.
    pub phone: String,
    /// Name or DBID of the entry's list; empty: the entry for all lists.
    pub list: String,
    /// The customer of the entry, instead of a phone; from rules version 5 on.
    pub customer: String,
    /// The tenant of the entry for all lists; empty: the default tenant; from rules version 5 on.
    pub tenant: String,
    /// Name or DBID of the entry's campaign; empty: no campaign's; from rules version 5 on.
    pub campaign: String,
}

/// An acknowledgement of effects: their rows are removed from the outbox, at most [`crate::ACKNOWLEDGED_EFFECTS_MAX`] by one
/// command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AcknowledgeEffects {
    /// The last acknowledged number.
    pub up_to: u64,
}

/// A file of declarations to apply (spec 11), all or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyDeclaration {
    /// What the file declares; absent keys are left alone.
    pub declaration: Declaration,
    /// The revision that the difference was shown against; another one in the state: refused.
    pub revision: u64,
    /// Whether what the file does not name is removed, but for lists that have records.
    pub prune: bool,
}

impl ApplyDeclaration {
    /// Whether the file says of a list whether its records keep their history: releases before rules version 7 would not read the key.
    fn names_history(&self) -> bool {
        self.declaration.lists.iter().any(|list| list.record_history.is_some())
    }
}

/// The scope of a Do-Not-Call entry as an operator names it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DoNotCallScope {
    /// Empty: the default tenant.
    pub tenant: String,
    /// Name or DBID of a campaign; empty: not for one campaign alone.
    pub campaign: String,
    /// Name or DBID of a list; empty: not for one list alone.
    pub list: String,
}

/// A Do-Not-Call entry of a batch: a phone or a customer, never both, never neither.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DoNotCallRow {
    /// In any spelling; empty: the entry is about a customer.
    pub phone: String,
    /// Customer id; empty: the entry is about a phone.
    pub customer: String,
    /// At most 255 letters; empty: none.
    pub message: String,
    /// UTC seconds from which on the entry counts as absent; none: never.
    pub expires_s: Option<i64>,
}

/// Do-Not-Call entries of `ocsctl dnc add` or of a file; a piece of an import is applied once, by import id and first row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DoNotCallBatch {
    /// The scope of all entries.
    pub scope: DoNotCallScope,
    /// SHA-256 of file and scope, or a random id; 1 to 64 bytes.
    pub import_id: Vec<u8>,
    /// Row number of the first row, from 1.
    pub first_row: u64,
    /// Where the entries come from, for a person: `ocsctl`, or the name of a file; at most 255 letters.
    pub source: String,
    /// 1 to [`crate::DO_NOT_CALL_ROWS_MAX`].
    pub rows: Vec<DoNotCallRow>,
}

/// Marks the next records of a list whose phone or customer is on Do-Not-Call (`ocsctl dnc apply`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyDoNotCall {
    /// Name or DBID of the list.
    pub list: String,
    /// The first record_id to look at.
    pub from_record_id: u64,
    /// Records at most, from 1 to [`crate::DO_NOT_CALL_ROWS_MAX`].
    pub rows_max: u32,
}

/// Does the next work that is due by the stamp: Retrieved records whose time is over, overdue and expired callbacks, groups that
/// unload, the rest of a large DoNotCall, records whose pause or limit is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// Records at most, from 1 to [`crate::DUE_RECORDS_MAX`].
    pub rows_max: u32,
}

/// Brings the next records up to the rules of campaigns, or to a changed customer field; the state holds the progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BringUp {
    /// Records at most, from 1 to [`crate::BROUGHT_UP_ROWS_MAX`].
    pub rows_max: u32,
}

/// An API token to make. Its text never enters a command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CreateToken {
    /// SHA-256 of the token's text: 32 bytes.
    pub hash: Vec<u8>,
    /// The principal of the token's requests, 1 to 60 letters; two tokens may share a name.
    pub name: String,
    /// For a person, at most 255 letters.
    pub note: String,
    /// Words of [`crate::AccessScope`]; at least one.
    pub scopes: Vec<String>,
    /// Names or DBIDs of the lists that requests may reach; empty: all lists.
    pub lists: Vec<String>,
    /// The tenant of the token's requests; empty: any tenant.
    pub tenant: String,
    /// UTC seconds from which on the token is refused; none: never.
    pub expires_s: Option<i64>,
}

/// The taking back of an API token.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RevokeToken {
    /// As [`crate::token_id`] gives the id.
    pub id: String,
}

/// A switchover at a time to come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScheduleSwitchover {
    /// UTC seconds; later than the stamp, by at most [`crate::SWITCHOVER_AHEAD_MAX_S`].
    pub at_s: u64,
    /// Name of the node that is to become primary; empty: the primary of that time chooses.
    pub to: String,
}

/// The next step of a scheduled switchover whose time has come, proposed by the primary. The state decides whether the primary is to
/// hand over, has handed over, or is too late.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DueSwitchover {
    /// The time for which the switchover was scheduled, UTC seconds: a schedule of another time stays.
    pub at_s: u64,
    /// Name of the primary.
    pub node: String,
    /// The primary's term.
    pub term: u64,
    /// Why the primary's last attempt failed; empty: no attempt was made.
    pub why: String,
}

/// The content of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// A client's request.
    Request(Request),
    /// Creates a list.
    CreateList(NewList),
    /// Imports records.
    ImportBatch(ImportBatch),
    /// Records a change of the role.
    RoleChange(RoleChange),
    /// Raises the rules version. Proposed only once every data voter and learner knows that version.
    RaiseRules(RaiseRules),
    /// Sets options of the rules, all or none; from rules version 2 on.
    SetSettings(Vec<Setting>),
    /// Rewrites rows to the phone form of the rules; from rules version 3 on.
    RewritePhones(RewritePhones),
    /// Marks the list of this name or DBID as being deleted; from rules version 3 on.
    DeleteList(String),
    /// Deletes records of a list in deletion; from rules version 3 on.
    DeleteRecords(DeleteRecords),
    /// Takes a Do-Not-Call entry back; from rules version 3 on.
    RemoveDoNotCall(RemoveDoNotCall),
    /// Removes acknowledged effects from the outbox; from rules version 4 on.
    AcknowledgeEffects(AcknowledgeEffects),
    /// Applies a file of declarations; from rules version 5 on.
    ApplyDeclaration(Box<ApplyDeclaration>),
    /// Enters Do-Not-Call entries; from rules version 5 on.
    DoNotCallBatch(DoNotCallBatch),
    /// Marks records of a list that Do-Not-Call stops; from rules version 5 on.
    ApplyDoNotCall(ApplyDoNotCall),
    /// Does due work; from rules version 5 on.
    Due(Due),
    /// Brings records up; from rules version 5 on.
    BringUp(BringUp),
    /// Makes an API token; from rules version 6 on.
    CreateToken(CreateToken),
    /// Takes an API token back; from rules version 6 on.
    RevokeToken(RevokeToken),
    /// Notes an order in the audit; from rules version 7 on.
    Audited(Audited),
    /// Schedules a switchover; from rules version 7 on.
    ScheduleSwitchover(ScheduleSwitchover),
    /// Cancels the scheduled switchover; from rules version 7 on.
    CancelSwitchover,
    /// Takes the next step of a scheduled switchover; from rules version 7 on.
    DueSwitchover(DueSwitchover),
}

impl Body {
    /// The lowest rules version that decides this body.
    pub fn rules_min(&self) -> u32 {
        match self {
            Self::RaiseRules(raise) => raise.to,
            Self::Audited(_) => RULES_WITH_AUDIT,
            Self::ScheduleSwitchover(_) | Self::CancelSwitchover | Self::DueSwitchover(_) => {
                RULES_WITH_SCHEDULED_SWITCHOVER
            }
            Self::RoleChange(change) if change.ordered.is_some() => RULES_WITH_AUDIT,
            Self::ApplyDeclaration(apply) if apply.names_history() => RULES_WITH_AUDIT,
            Self::SetSettings(_) => RULES_WITH_SETTINGS,
            Self::RewritePhones(_) => RULES_WITH_PHONE_FORM,
            Self::DeleteList(_) | Self::DeleteRecords(_) | Self::RemoveDoNotCall(_) => RULES_WITH_UNDOING,
            Self::AcknowledgeEffects(_) => RULES_WITH_OUTBOX,
            Self::ApplyDeclaration(_)
            | Self::DoNotCallBatch(_)
            | Self::ApplyDoNotCall(_)
            | Self::Due(_)
            | Self::BringUp(_) => RULES_WITH_CAMPAIGNS,
            Self::CreateToken(_) | Self::RevokeToken(_) => RULES_WITH_TOKENS,
            Self::Request(request) => request.rules_min(),
            _ => RULES_FIRST,
        }
    }

    /// Tenant and principal of the request, which a command's head carries from rules version 2 on.
    pub fn whose(&self) -> (&str, &str) {
        match self {
            Self::Request(request) => (&request.tenant, &request.principal),
            _ => ("", ""),
        }
    }
}

/// A stamped request: the whole input of its decision beside the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The id, given once by the node that read the request.
    pub id: RequestId,
    /// The rules version of the decision.
    pub rules: u32,
    /// Microseconds since 1970, stamped by the primary; increases along the log.
    pub stamp_us: u64,
    /// The interface through which the request arrived.
    pub origin: Origin,
    /// Random bytes drawn by the primary; empty if no rule needs any.
    pub random: Vec<u8>,
    /// The request's tenant; from rules version 2 on. Under version 1, only the request itself has a tenant.
    pub tenant: String,
    /// The principal that the interface authenticated; from rules version 2 on, as `tenant`. Of a command of the control API:
    /// the operator.
    pub principal: String,
    /// The caller's address; from rules version 7 on, for orders of operators and requests that control campaign groups; empty: not
    /// known.
    pub address: String,
    /// The content.
    pub body: Body,
}

impl Command {
    /// A command under a rules version, with the head of that version and without random bytes.
    pub fn new(rules: u32, id: RequestId, stamp_us: u64, origin: Origin, body: Body) -> Self {
        let whose = if rules < RULES_WITH_SETTINGS { ("", "") } else { body.whose() };
        let (tenant, principal) = (whose.0.to_owned(), whose.1.to_owned());
        let (random, address) = (Vec::new(), String::new());
        Self { id, rules, stamp_us, origin, random, tenant, principal, address, body }
    }
}
