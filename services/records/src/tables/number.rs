//! The row of an index that leads to a handle or to a DBID.

use prost::Message;

/// A handle or a DBID.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct NumberRow {
    /// The number.
    #[prost(uint64, tag = "1")]
    pub number: u64,
}
