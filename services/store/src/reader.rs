//! The store for every thread but the one that writes: consistent states, of whichever generation is in use.
//!
//! Never writes, and never takes a snapshot from the engine itself: fjall's flushes and compactions raise its visible sequence
//! number while a batch is half in, so a snapshot taken beside the writer can show two states. The writer takes one after
//! each batch and leaves it here. Called by `node`: reads, export, sending state, verify.

use std::sync::{Arc, PoisonError, RwLock};

use crate::{StateSnapshot, StoreError, Verified, verify};

/// Gives consistent states. Cheap to clone; outlives a change of the state for a fetched one.
#[derive(Clone)]
pub struct StoreReader {
    published: Arc<RwLock<StateSnapshot>>,
}

impl StoreReader {
    pub(crate) fn new(first: StateSnapshot) -> Self {
        Self { published: Arc::new(RwLock::new(first)) }
    }

    /// Leaves the state after a batch to the readers; the one before goes when the last of them has dropped it.
    pub(crate) fn publish(&self, snapshot: StateSnapshot) {
        let before = {
            let mut published = self.published.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *published, snapshot)
        };
        drop(before); // outside the lock: it may be the end of a whole generation
    }

    /// The state after the last batch, for as long as it is held. Holding one keeps old rows on disk.
    pub fn snapshot(&self) -> StateSnapshot {
        self.published.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Recomputes the digest from the rows; reads everything, so never on a thread that others wait for.
    ///
    /// # Errors
    /// Rows that cannot be read.
    pub fn verify(&self) -> Result<Verified, StoreError> {
        verify::verify(&self.snapshot())
    }

    /// Bytes that the state takes on disk.
    pub fn disk_bytes(&self) -> u64 {
        self.snapshot().engine().disk_bytes()
    }
}
