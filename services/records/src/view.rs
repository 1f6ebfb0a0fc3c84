//! The view of the state that the rules read, and their changes: the seam between `records` and an engine.

use outbound::RequestId;

use crate::tables::{Key, Row};

/// A consistent state at one index.
///
/// Implemented by `store` (fjall), by [`crate::Overlay`] (an entry's changes over another view) and by [`crate::MapView`]
/// (simulator and tests).
pub trait View {
    /// The row under a key.
    fn get(&self, key: &Key) -> Option<Row>;

    /// Up to `limit` rows of one table in key order, from `from` (inclusive) on, as long as their encoded key begins with
    /// `prefix`. Both bounds are encoded keys without the table's tag (see [`Key::encode`]).
    fn next(&self, bound: &Bound, limit: u32) -> Vec<(Key, Row)>;
}

/// The bounds of an ordered read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// The table to read.
    pub table: crate::tables::Table,
    /// First encoded key, inclusive.
    pub from: Vec<u8>,
    /// The prefix of every returned key; empty: the whole table.
    pub prefix: Vec<u8>,
}

/// A row set or removed.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The key of the row.
    pub key: Key,
    /// The row before the entry, for the digest; none: absent.
    pub old: Option<Row>,
    /// The row after the entry; none: removed.
    pub new: Option<Row>,
}

impl Change {
    /// The request that this change forgets, with its encoded contents. An engine drops the row of a content that still points to
    /// this request: the engine sees the row anyway, while the rules would need a look-up each.
    pub fn forgotten_contents(&self) -> Option<(RequestId, &[Vec<u8>])> {
        match (&self.key, &self.old, &self.new) {
            (Key::Request(id), Some(Row::Request(row)), None) => Some((*id, &row.contents)),
            _ => None,
        }
    }
}

/// The changes of an entry, a key at most once, in key order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Changes(pub Vec<Change>);
