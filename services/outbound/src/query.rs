//! Questions about the state and their answers: lists, the history of the role, Do-Not-Call entries, the rows of a list, the
//! outbox, declarations, campaign groups, the reason why a record is not dialable, API tokens, the audit, the history of a record.
//!
//! The vocabulary of every entrance; an entrance translates it into its own language. The pages of one answer come from one
//! consistent state. The cursor of a page goes on behind that page, in the state of a later question.

use crate::{
    ApplyDeclaration, Cursor, Handle, ImportRow, OutboxPage, Pairs, RecordName, RecordsQuery, UserField,
    declaration::{Declaration, DeclaredPair},
};

/// A question about the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// The list of that name, or all lists; answered by [`Answer::Lists`].
    Lists {
        /// The list's name; none: all lists.
        name: Option<String>,
        /// Goes on behind a page.
        after: Option<Cursor>,
    },
    /// The newest changes of the role; answered by one [`Answer::History`].
    History,
    /// Do-Not-Call entries; answered by [`Answer::DoNotCall`], the first page even without an entry.
    DoNotCall {
        /// The entries of this phone in every form, expired ones left out; none: all entries, or those of the customer.
        phone: Option<String>,
        /// The entries of this customer, expired ones left out; never beside a phone.
        customer: Option<String>,
        /// Entries of the whole answer, at most.
        entries_max: u64,
        /// Goes on behind a page of all entries.
        after: Option<Cursor>,
    },
    /// The rows of a list in the order of record_id; answered by [`Answer::Rows`], the first page even for an empty list.
    Export {
        /// The list's name.
        list: String,
        /// The columns; empty: all columns of the list.
        columns: Vec<String>,
        /// Goes on behind a page.
        after: Option<Cursor>,
    },
    /// Effects in the order of their numbers; answered by one [`Answer::Outbox`].
    Outbox {
        /// The number before the first wanted one; 0: from the first kept effect on.
        after: u64,
        /// Effects at most; beyond [`crate::OUTBOX_PAGE_MAX`] that limit counts.
        rows_max: u32,
    },
    /// The declaration that would make the state; answered by one [`Answer::Declaration`].
    Declaration,
    /// The effect that an application of this declaration would have, whatever its revision; answered by one [`Answer::Plan`].
    Plan(Box<ApplyDeclaration>),
    /// Campaign groups; answered by one [`Answer::Groups`].
    Groups {
        /// `Campaign@Group`, or the DBID in decimal digits; none: all groups.
        identifier: Option<String>,
    },
    /// The reason why no group gets a record; answered by one [`Answer::NotDialable`].
    NotDialable {
        /// The record.
        handle: Handle,
        /// The moment for which the conditions are looked at, microseconds since 1970.
        now_us: u64,
    },
    /// All API tokens; answered by one [`Answer::Tokens`].
    Tokens,
    /// Rows of the audit, oldest first; answered by [`Answer::Audit`], the first page even without a row.
    Audit {
        /// The wanted rows.
        filter: AuditFilter,
        /// Rows of the whole answer, at most.
        rows_max: u64,
        /// Goes on behind a page.
        after: Option<Cursor>,
    },
    /// The last changes of a record, if its list keeps them; answered by one [`Answer::RecordChanges`].
    RecordChanges {
        /// The record.
        handle: Handle,
    },
    /// One record with all its attributes; answered by one [`Answer::Records`] with one row.
    Record {
        /// The record.
        name: RecordName,
        /// The tenant that the client names; empty: none.
        tenant: String,
    },
    /// A page of a list's records; answered by one [`Answer::Records`].
    Records(RecordsQuery),
}

/// The wanted rows of the audit: all conditions hold of each. The default wants every row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditFilter {
    /// Rows stamped at this time or later, microseconds since 1970; none: from the first row on.
    pub since_us: Option<u64>,
    /// Rows stamped before this time, microseconds since 1970; none: to the last row.
    pub until_us: Option<u64>,
    /// Rows of this principal; none: of any. The empty name is a caller without a name.
    pub principal: Option<String>,
    /// Rows of this name, in any case, as in `CreateToken`; none: of any.
    pub what: Option<String>,
}

/// A page of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Lists in the order of their DBID.
    Lists(Page<ListInfo>),
    /// Changes of the role, oldest first.
    History(Vec<HistoryEntry>),
    /// Do-Not-Call entries.
    DoNotCall {
        /// The forms under which the phone of the question was looked up; empty: no phone was asked for.
        forms: Vec<String>,
        /// The entries.
        page: Page<DoNotCallEntry>,
    },
    /// Rows of a list.
    Rows {
        /// The columns' names, in the first page alone.
        columns: Vec<String>,
        /// Index of the state.
        index: u64,
        /// Rows with a value for each column.
        page: Page<ImportRow>,
    },
    /// A page of the outbox.
    Outbox(OutboxPage),
    /// The declaration that would make the state.
    Declaration {
        /// The revision of the state.
        revision: u64,
        /// Every key with its value.
        declaration: Box<Declaration>,
    },
    /// The effect of a declaration.
    Plan(DeclarationPlan),
    /// Campaign groups.
    Groups(Vec<GroupInfo>),
    /// The reason why no group gets the record; none: a preview may hand the record out.
    NotDialable(Option<NotDialable>),
    /// API tokens, in the order of creation.
    Tokens(Vec<TokenInfo>),
    /// Rows of the audit. A page may be empty and yet not the last: a page looks at a bounded number of rows.
    Audit(Page<AuditEntry>),
    /// The last changes of a record, oldest first; empty also where the list keeps none.
    RecordChanges(Vec<RecordChange>),
    /// Records, each with the pairs of `GET`, its record_id and the version of its row ([`crate::key::ROW_VERSION`]).
    Records(Page<Pairs>),
}

/// A run of an answer's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Goes on behind the last row; none: the answer has ended.
    pub next: Option<Cursor>,
}

/// A calling list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListInfo {
    /// The number by which records name the list.
    pub dbid: u32,
    /// The list's name.
    pub name: String,
    /// Default zone of the list's records, of the zone database.
    pub time_zone: String,
    /// The user-defined fields.
    pub fields: Vec<UserField>,
    /// Number of the list's records.
    pub records: u64,
    /// The next record_id.
    pub next_record_id: u64,
    /// The next chain_id.
    pub next_chain_id: u64,
    /// The list is being deleted with its records.
    pub deleting: bool,
    /// Empty: the default tenant.
    pub tenant: String,
    /// Column of the field that is the customer id; empty: none.
    pub customer_id: String,
    /// Names of the list's treatments.
    pub treatments: Vec<String>,
    /// Name of the list's calendar; empty: none.
    pub calendar: String,
    /// Attempts of a record at most; 0: any number.
    pub attempts_max: u32,
    /// `no`, `open` or `ever`.
    pub unique_phone: &'static str,
    /// Unknown keys are refused.
    pub refuses_unknown_keys: bool,
    /// A record without a zone gets the zone of the longest declared prefix.
    pub zone_by_phone: bool,
    /// Windows and the calendar do not bind callbacks.
    pub callbacks_any_time: bool,
    /// Its records keep their last changes.
    pub keeps_history: bool,
    /// Columns of every list, and the keys under which they travel too.
    pub send_attributes: Vec<DeclaredPair>,
    /// Different windows that the list's records have or had.
    pub windows: u32,
    /// Of these, windows that never open (from = till).
    pub windows_never_open: u32,
}

/// The effect that an application of a declaration would have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeclarationPlan {
    /// The revision of the state.
    pub revision: u64,
    /// Differences between declaration and state, a line each.
    pub differences: Vec<String>,
    /// With a fault nothing is applied.
    pub faults: Vec<DeclarationFault>,
}

/// A fault of a declaration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeclarationFault {
    /// The place in the declaration, as in `lists.renewals.calendar`.
    pub path: String,
    /// A sentence for a person.
    pub message: String,
}

/// A campaign group with its state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupInfo {
    /// DBID of the campaign group.
    pub dbid: u32,
    /// `Campaign@Group`.
    pub name: String,
    /// Name of the campaign.
    pub campaign: String,
    /// DBID of the campaign.
    pub campaign_dbid: u32,
    /// The state's name (spec 9, Campaign groups).
    pub state: &'static str,
    /// The first thousand held records.
    pub held: Vec<HeldRecord>,
    /// All held records.
    pub held_total: u64,
}

/// A record that an agent holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeldRecord {
    /// Empty: no agent was named.
    pub agent: String,
    /// Handle of the record.
    pub handle: u64,
    /// Time of the hand-out, microseconds since 1970.
    pub since_us: u64,
}

/// The first condition of a dialable record that fails (spec 9, The next record).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NotDialable {
    /// The condition's number, 1 to 7.
    pub condition: u32,
    /// A sentence for a person.
    pub reason: String,
    /// UTC seconds from which on the condition holds; none: no time alone ends the reason.
    pub until_s: Option<i64>,
}

/// An API token, without its text and its whole hash.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokenInfo {
    /// As [`crate::token_id`] gives the id.
    pub id: String,
    /// The principal of the token's requests.
    pub name: String,
    /// For a person.
    pub note: String,
    /// Words of the token's scopes.
    pub scopes: Vec<&'static str>,
    /// Names of the lists that requests may reach; empty: all lists. A list that is gone is `#` and its DBID.
    pub lists: Vec<String>,
    /// Empty: any tenant.
    pub tenant: String,
    /// UTC seconds; none: never.
    pub expires_s: Option<i64>,
    /// Time of the creation, microseconds since 1970.
    pub created_us: u64,
    /// The operator that made the token; empty: without a certificate.
    pub created_by: String,
}

/// A row of the audit. No row has a secret, a phone, a customer id or a value of a record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditEntry {
    /// Stamp of the row, microseconds since 1970.
    pub at_us: u64,
    /// The number of the row: one more than that of the row before.
    pub number: u64,
    /// The operator's certificate, the client's token or certificate; empty: without a name, or the group itself.
    pub principal: String,
    /// The caller's address; empty: not known.
    pub address: String,
    /// The name of the change or of the order, as in `CreateToken` or `Switchover`.
    pub what: String,
    /// The subject, as the name of a list; empty: none.
    pub about: String,
    /// For a person; empty: none.
    pub details: String,
    /// `done`, `begun`, or the code of a refusal.
    pub outcome: String,
    /// The node that took an order; empty: the row stands for a command of the log.
    pub node: String,
    /// Time of an order by the clock of its node, microseconds since 1970; none: the row stands for a command.
    pub acted_us: Option<u64>,
}

/// A change of a record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordChange {
    /// Stamp of the change, microseconds since 1970.
    pub at_us: u64,
    /// The client or the operator; empty: without a name, or the group itself.
    pub principal: String,
    /// The request, as in `RecordProcessed`, or the command.
    pub what: String,
    /// The number of the record's status behind the change.
    pub record_status: i64,
}

/// A change of the role.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HistoryEntry {
    /// Time of the change, microseconds since 1970.
    pub at_us: u64,
    /// The primary before; empty: none.
    pub from: String,
    /// The primary from then on.
    pub to: String,
    /// The term of the new primary.
    pub term: u64,
    /// The reason, in words.
    pub reason: String,
    /// How long there was no primary, milliseconds.
    pub pause_ms: u64,
    /// Scheduled switchovers that lapsed while `to` was primary, in words; empty: none.
    pub note: String,
}

/// A Do-Not-Call entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DoNotCallEntry {
    /// The phone or the customer id in the form of comparisons.
    pub form: String,
    /// The phone or the customer id as given.
    pub given: String,
    /// Time of the entry, microseconds since 1970.
    pub since_us: u64,
    /// DBID of the list that the entry holds for; 0: for no list alone.
    pub list_dbid: u32,
    /// Name of that list; empty: for no list alone, or the list is gone.
    pub list: String,
    /// The entry is about a customer id.
    pub customer: bool,
    /// The client's message.
    pub message: String,
    /// The tenant that the entry holds for; empty: the default tenant, or one list or campaign.
    pub tenant: String,
    /// DBID of the campaign that the entry holds for; 0: for no campaign alone.
    pub campaign_dbid: u32,
    /// Name of that campaign; empty: for no campaign alone, or the campaign is gone.
    pub campaign: String,
    /// The origin of the entry, for a person; empty: a client's request.
    pub source: String,
    /// UTC seconds from which on the entry counts as absent; none: never.
    pub expires_s: Option<i64>,
}

/// The pages of an answer, from one consistent state. Reading a page may wait for the disk.
pub type Answers = Box<dyn Iterator<Item = Answer> + Send>;
