//! Places for connections, and a few more for refusals: a connection beyond the limit is accepted to be told when to come
//! back, instead of waiting without an answer.
//!
//! Never looks into a connection. Called by `listen`, before each accept.

use std::sync::Arc;

use chassis::lines::Causes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections that are being turned away at a time. With the pause before each refusal this bounds refusals to about a
/// thousand a second; further connections wait in the backlog, where they cost nothing.
const TURNED_AWAY_MAX: usize = 256;
/// Lines about a lack of places, a minute.
const LINES_PER_MINUTE: u32 = 1;

/// All places.
pub(super) struct Places {
    served: Arc<Semaphore>,
    turned_away: Arc<Semaphore>,
    connections_max: usize,
    lines: Causes,
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
            lines: Causes::new(LINES_PER_MINUTE),
        }
    }

    /// Waits for a place of either kind; prefers a place that is served.
    pub(super) async fn take(&self) -> Place {
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

    fn warn(&self) {
        if let Some(more) = self.lines.line("full") {
            tracing::warn!(
                connections_max = self.connections_max,
                "no place for further connections: turned away{more}"
            );
        }
    }
}
