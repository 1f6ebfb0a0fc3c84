//! Identifiers that cross crates.

use std::fmt;

/// GSW_RECORD_HANDLE: given when a record is added, from 1, never reused, the same on every node (spec 8, OURS).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Handle(pub u64);

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The unique name of a request, for ever: the node that read the request, that node's incarnation, the token of the start, and a
/// counter from 1.
///
/// Given once; a retried request keeps its id, and the replicated state remembers ids (R7 unknown-is-not-failed). After a disk is
/// restored, a node counts an incarnation again, but never draws the same token again. Ordered by node, then incarnation, then
/// token, then counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct RequestId {
    /// Number of the node, as in its Raft id.
    pub node: u32,
    /// Counts the starts of that node's process, across wiped directories too.
    pub incarnation: u64,
    /// The random 128 bits of the start; 0: given under rules version 1, without tokens.
    pub token: u128,
    /// From 1.
    pub counter: u64,
}

impl RequestId {
    /// The epoch of the node that gave the id, from 1. The upper 32 bits of an incarnation are the node's Raft incarnation, and
    /// each epoch has 65,536 Raft incarnations of its own (R11 one-id-one-log).
    pub const fn epoch(&self) -> u64 {
        (self.incarnation >> 48) + 1
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.node, self.incarnation, self.counter)?;
        if self.token == 0 { Ok(()) } else { write!(f, " of start {:032x}", self.token) }
    }
}
