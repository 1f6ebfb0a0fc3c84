//! The place at which the next page of an answer begins.

/// The place behind a row. Only the state that gave the cursor can read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub Vec<u8>);
