//! Places for connections, and a few more for refusals: a connection beyond the limit is accepted to be told when to come
//! back, instead of waiting without an answer.
//!
//! Never looks into a connection. Called by `listen`, before each accept.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections that are being turned away at a time. With the pause before each refusal this bounds refusals to about a
/// thousand a second; further connections wait in the backlog, where they cost nothing.
const TURNED_AWAY_MAX: usize = 256;
/// Between two warnings.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// All places.
pub(super) struct Places {
    served: Arc<Semaphore>,
    turned_away: Arc<Semaphore>,
    connections_max: usize,
    warned: Option<Instant>,
}

/// One place, released on drop.
pub(super) struct Place {
    /// Why the connection is served no further than its first request, which is refused.
    pub(super) turned_away: Option<&'static str>,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    pub(super) fn new(connections_max: usize) -> Self {
        Self {
            served: Arc::new(Semaphore::new(connections_max)),
            turned_away: Arc::new(Semaphore::new(TURNED_AWAY_MAX)),
            connections_max,
            warned: None,
        }
    }

    /// Waits for a place of either kind; prefers a place that is served.
    pub(super) async fn take(&mut self) -> Place {
        if let Ok(permit) = self.served.clone().try_acquire_owned() {
            return Place { turned_away: None, _permit: permit };
        }
        self.warn();
        let (permit, turned_away) = tokio::select! {
            biased;
            permit = self.served.clone().acquire_owned() => (permit, None),
            permit = self.turned_away.clone().acquire_owned() => (permit, Some("too many connections")),
        };
        Place { turned_away, _permit: permit.expect("the places are never closed") }
    }

    fn warn(&mut self) {
        if self.warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
            tracing::warn!(connections_max = self.connections_max, "no place for further connections: turned away");
            self.warned = Some(Instant::now());
        }
    }
}
