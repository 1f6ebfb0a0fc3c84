//! Rows of every table with their bytes, for tests: the bytes of a released table never change.

use super::{Key, Row};

/// A row, and its bytes in hexadecimal digits.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    /// The name of the row.
    pub(crate) key: Key,
    /// The row.
    pub(crate) row: Row,
    /// Bytes of the key, without the table's tag.
    pub(crate) key_bytes: &'static str,
    /// Bytes of the row.
    pub(crate) row_bytes: &'static str,
}

pub(super) const fn sample(key: Key, row: Row, key_bytes: &'static str, row_bytes: &'static str) -> Sample {
    Sample { key, row, key_bytes, row_bytes }
}
