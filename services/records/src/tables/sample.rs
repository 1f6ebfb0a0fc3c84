//! Rows of every table with their bytes, for tests: the bytes of a released table never change.

use super::{Key, Row};

/// A row, and its bytes in hexadecimal digits.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The name of the row.
    pub key: Key,
    /// The row.
    pub row: Row,
    /// Bytes of the key, without the table's tag.
    pub key_bytes: &'static str,
    /// Bytes of the row.
    pub row_bytes: &'static str,
}

pub(super) const fn sample(key: Key, row: Row, key_bytes: &'static str, row_bytes: &'static str) -> Sample {
    Sample { key, row, key_bytes, row_bytes }
}
