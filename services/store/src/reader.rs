//! The store for every thread but the one that writes: consistent states, of whichever generation is in use.
//!
//! Never writes, and never takes a snapshot from the engine itself: fjall's flushes and compactions raise its visible sequence
//! number while a batch is half in, so a snapshot taken beside the writer can show two states. The writer takes one after
//! each batch and leaves it here. Called by `node`: reads, export, sending state, verify.

use std::{
    collections::VecDeque,
    sync::{Arc, PoisonError, RwLock},
};

use crate::{DIGEST_INTERVAL, StateSnapshot, StoreError, Verified, verify};

/// States kept at indexes whose digest is kept: enough for a peer's digest to come and be compared.
const COMPARABLE_MAX: usize = 4;
/// A state behind which so much was written is not kept for comparison: the engine holds all of that in memory, flushed or
/// not, for as long as there is a state from before it. Some seconds of updates; with imports, less than the count allows.
pub const KEPT_BYTES_MAX: u64 = 256 << 20;

/// Gives consistent states. Cheap to clone; outlives a change of the state for a fetched one.
#[derive(Clone)]
pub struct StoreReader {
    published: Arc<RwLock<StateSnapshot>>,
    comparable: Arc<RwLock<VecDeque<StateSnapshot>>>,
}

impl StoreReader {
    pub(crate) fn new(first: StateSnapshot) -> Self {
        Self { published: Arc::new(RwLock::new(first)), comparable: Arc::default() }
    }

    /// Leaves the state after a batch to the readers; the one before goes when the last of them has dropped it.
    pub(crate) fn publish(&self, snapshot: StateSnapshot) {
        self.keep_comparable(&snapshot);
        let before = {
            let mut published = self.published.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *published, snapshot)
        };
        drop(before); // outside the lock: it may be the end of a whole generation
    }

    fn keep_comparable(&self, newest: &StateSnapshot) {
        let kept = || self.comparable.read().unwrap_or_else(PoisonError::into_inner);
        let old = kept().front().is_some_and(|first| newest.written_since(first) > KEPT_BYTES_MAX);
        let due = newest.applied().index.is_multiple_of(DIGEST_INTERVAL);
        if !old && !due {
            return;
        }
        let mut comparable = self.comparable.write().unwrap_or_else(PoisonError::into_inner);
        comparable.retain(|state| newest.written_since(state) <= KEPT_BYTES_MAX);
        if due {
            if comparable.len() == COMPARABLE_MAX {
                comparable.pop_front();
            }
            comparable.push_back(newest.clone());
        }
    }

    /// The state after the last batch, for as long as it is held. Holding one keeps old rows on disk, and what is written
    /// meanwhile in memory.
    pub fn snapshot(&self) -> StateSnapshot {
        self.published.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The state at an index whose digest is kept, if it is one of the last few.
    pub fn at_digest(&self, index: u64) -> Option<StateSnapshot> {
        let comparable = self.comparable.read().unwrap_or_else(PoisonError::into_inner);
        comparable.iter().find(|snapshot| snapshot.applied().index == index).cloned()
    }

    /// They were states of a store that is in use no more.
    pub(crate) fn forget_comparable(&self) {
        self.comparable.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Recomputes the digest from the rows; reads everything, so never on a thread that others wait for.
    ///
    /// # Errors
    /// Rows that cannot be read.
    pub fn verify(&self) -> Result<Verified, StoreError> {
        verify::verify(&self.snapshot(), |_| true).map(|verified| verified.expect("nobody breaks off"))
    }

    /// The same at the caller's pace: told the bytes read since it was asked last, it may wait, or say false to break off.
    ///
    /// # Errors
    /// Rows that cannot be read.
    pub fn verify_paced(&self, pace: impl FnMut(u64) -> bool) -> Result<Option<Verified>, StoreError> {
        verify::verify(&self.snapshot(), pace)
    }

    /// Bytes that the state takes on disk.
    pub fn disk_bytes(&self) -> u64 {
        self.snapshot().engine().disk_bytes()
    }
}
