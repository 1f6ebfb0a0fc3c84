//! What the rules see of the state, and what they change: the seam between `records` and an engine.

use outbound::RequestId;

use crate::{key::Key, row::Row};

/// A consistent state at one index: this entry's changes first, then the engine's state.
///
/// Implemented by `store` (fjall) and by [`crate::Overlay`] (changes over any other view); the simulator has a third.
pub trait View {
    /// The row under a key.
    fn get(&self, key: &Key) -> Option<Row>;

    /// Up to `limit` rows of one table in key order, from `from` (inclusive) on, as long as their encoded key begins with
    /// `prefix`. Both are encoded keys without the table's tag (see [`Key::encode`]).
    fn next(&self, bound: &Bound, limit: u32) -> Vec<(Key, Row)>;
}

/// Where an ordered read begins and what it may cover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// The table read.
    pub table: crate::key::Table,
    /// First encoded key, inclusive.
    pub from: Vec<u8>,
    /// Every key returned begins with this; empty: the whole table.
    pub prefix: Vec<u8>,
}

/// One row set or removed.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Which row.
    pub key: Key,
    /// Its value before the entry, for the digest; none: it was not there.
    pub old: Option<Row>,
    /// Its value after; none: removed.
    pub new: Option<Row>,
}

impl Change {
    /// The request that this forgets, and the encoded contents by which it was known. Their rows are dropped with it unless a later
    /// request has taken them over: an engine sees that when it changes the row, the rules would have to look each of them up.
    pub fn forgotten_contents(&self) -> Option<(RequestId, &[Vec<u8>])> {
        match (&self.key, &self.old, &self.new) {
            (Key::Request(id), Some(Row::Request(row)), None) => Some((*id, &row.contents)),
            _ => None,
        }
    }
}

/// What deciding an entry changes, a key at most once, in key order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Changes(pub Vec<Change>);
