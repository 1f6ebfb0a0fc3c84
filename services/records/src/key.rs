//! Keys.

/// A table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {}

/// A key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {}
