//! The question for a page of a list's records, and the names of a record (spec 13).
//!
//! The order of a page never changes: record_id; of a phone or a customer the handle; of a chain the chain_n. A cursor is a place in
//! this order, so that a page after a change or a failover goes on where the last page ended.

use crate::{Cursor, Handle};

/// Records of a page, at most.
pub const PAGE_RECORDS_MAX: u32 = 1_000;
/// Records of a page whose client names no limit.
pub const PAGE_RECORDS_DEFAULT: u32 = 100;
/// Records that a page looks at, at most: such a page may be short.
pub const LOOKED_AT_MAX: u32 = 20_000;

/// A record as a client names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordName {
    /// By its handle.
    Handle(Handle),
    /// By its list and its record_id there.
    InList {
        /// Name or DBID of the list.
        list: String,
        /// Unique in the list.
        record_id: u64,
    },
}

/// A page of a list's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordsQuery {
    /// Name or DBID of the list.
    pub list: String,
    /// The tenant that the client names; empty: none.
    pub tenant: String,
    /// The records to look at, and their order.
    pub by: RecordsBy,
    /// Conditions beside.
    pub beside: RecordFilter,
    /// Records of the page, from 1 to [`PAGE_RECORDS_MAX`].
    pub limit: u32,
    /// Goes on behind a page.
    pub after: Option<Cursor>,
}

/// The records that a page looks at, and their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordsBy {
    /// All records, by record_id.
    RecordId,
    /// The records of a phone in any of its forms, by handle.
    Phone(String),
    /// The records of a customer, by handle.
    Customer(String),
    /// The records of a chain, by chain_n.
    Chain(u64),
    /// Ready callbacks and retries with an earlier time, UTC seconds, by record_id.
    DueBefore(i64),
}

/// Conditions of records: a record has any of the values of each enumeration; no value: any.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordFilter {
    /// Values of record_status.
    pub statuses: Vec<i64>,
    /// Values of record_type.
    pub types: Vec<i64>,
    /// Values of call_result.
    pub results: Vec<i64>,
}
