//! Higher epochs that peers claim and that no log has proved yet. Never judges a claim. Called by `guard`, which adds claims, and
//! by `epochs`, which proves them.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Mutex, PoisonError},
};

use tokio::sync::Notify;

/// Claimed epochs, by the name of the claiming node.
#[derive(Debug, Default)]
pub(super) struct Claims {
    by_node: Mutex<BTreeMap<String, u64>>,
    news: Notify,
}

impl Claims {
    /// `from`: the checked name of a configured node, so that there are no more claims than nodes.
    pub(super) fn add(&self, from: &str, epoch: u64) {
        self.by_node.lock().unwrap_or_else(PoisonError::into_inner).insert(from.to_owned(), epoch);
        self.news.notify_one();
    }

    /// The claims since the last call; waits for one.
    pub(super) async fn next(&self) -> BTreeMap<String, u64> {
        self.news.notified().await;
        mem::take(&mut *self.by_node.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
