//! The store for every thread except the writer's: consistent states of the generation in use.
//!
//! Never writes, and never takes a snapshot from the engine: fjall's flushes and compactions raise its visible sequence number
//! in the middle of a batch, so a snapshot taken beside the writer can mix two states. The writer takes a snapshot after each
//! batch and publishes it here. Called by `node`: reads, export, sending state, verify.

use std::{
    collections::VecDeque,
    sync::{Arc, PoisonError, RwLock},
};

use crate::{DIGEST_INTERVAL, StateSnapshot, StoreError, Verified, verify};

/// States kept at digest indexes: enough for a peer's digest to arrive for comparison.
const COMPARABLE_MAX: usize = 4;
/// Bytes written after a state at which the state is dropped from comparison: the engine holds all writes since a held state in
/// memory, flushed or not. This bound is some seconds of updates; during imports, states reach this bound before the count.
pub const KEPT_BYTES_MAX: u64 = 256 << 20;

/// Gives consistent states. Cheap to clone; stays valid when the store installs a fetched state.
#[derive(Clone)]
pub struct StoreReader {
    published: Arc<RwLock<StateSnapshot>>,
    comparable: Arc<RwLock<VecDeque<StateSnapshot>>>,
}

impl StoreReader {
    pub(crate) fn new(first: StateSnapshot) -> Self {
        Self { published: Arc::new(RwLock::new(first)), comparable: Arc::default() }
    }

    /// Publishes the state after a batch; the last reader of the previous state frees that state.
    pub(crate) fn publish(&self, snapshot: StateSnapshot) {
        self.keep_comparable(&snapshot);
        let before = {
            let mut published = self.published.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *published, snapshot)
        };
        drop(before); // outside the lock: this drop may delete a whole generation
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

    /// The state after the last batch. A held snapshot keeps old rows on disk and all later writes in memory.
    pub fn snapshot(&self) -> StateSnapshot {
        self.published.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The state at a digest index, if still kept for comparison.
    pub fn at_digest(&self, index: u64) -> Option<StateSnapshot> {
        let comparable = self.comparable.read().unwrap_or_else(PoisonError::into_inner);
        comparable.iter().find(|snapshot| snapshot.applied().index == index).cloned()
    }

    /// Drops the states kept for comparison: they belong to a replaced store.
    pub(crate) fn forget_comparable(&self) {
        self.comparable.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Recomputes the digest from all rows: never call this on a latency-sensitive thread.
    ///
    /// # Errors
    /// Rows that cannot be read.
    pub fn verify(&self) -> Result<Verified, StoreError> {
        verify::verify(&self.snapshot(), |_| true).map(|verified| verified.expect("nobody breaks off"))
    }

    /// As [`Self::verify`], at the caller's pace: `pace` gets the bytes read since its last call, may block, and answers false to
    /// stop the scan.
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
