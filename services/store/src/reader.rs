//! The store for every thread but the one that writes: consistent states, of whichever generation is in use.
//!
//! Never writes. Called by `node`: reads, export, sending state, verify.

use std::sync::{Arc, PoisonError, RwLock};

use crate::{StateSnapshot, StoreError, Verified, engine::Engine, fatal::or_fatal, verify};

/// Gives consistent states. Cheap to clone; outlives a change of the state for a fetched one.
#[derive(Clone)]
pub struct StoreReader {
    engine: Arc<RwLock<Arc<Engine>>>,
}

impl StoreReader {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self { engine: Arc::new(RwLock::new(engine)) }
    }

    pub(crate) fn replace(&self, engine: Arc<Engine>) {
        *self.engine.write().unwrap_or_else(PoisonError::into_inner) = engine;
    }

    fn engine(&self) -> Arc<Engine> {
        Arc::clone(&self.engine.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The state as it is now, for as long as it is held. Holding one keeps old rows on disk.
    pub fn snapshot(&self) -> StateSnapshot {
        or_fatal("reading the applied mark", StateSnapshot::new(self.engine()))
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
        self.engine().disk_bytes()
    }
}
