//! Questions about the state and their answers: lists, the history of the role, Do-Not-Call entries, the rows of a list, the
//! outbox.
//!
//! The vocabulary of every entrance; an entrance translates it into its own language. The pages of one answer come from one
//! consistent state. The cursor of a page goes on behind that page, in the state of a later question.

use crate::{ImportRow, OutboxPage, UserField};

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
}

/// A run of an answer's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Goes on behind the last row; none: the answer has ended.
    pub next: Option<Cursor>,
}

/// The place behind a row. Only the state that gave the cursor can read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub Vec<u8>);

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
}

/// A Do-Not-Call entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DoNotCallEntry {
    /// The phone or the customer id in the form of comparisons.
    pub form: String,
    /// The phone or the customer id as it was given.
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
