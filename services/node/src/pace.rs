//! The pace at which a state is read for others: full speed without updates, a part of the time while updates go on.
//!
//! Reads no clock. Called between two chunks, by `peer_side` for a node that lacks the state and by `archive` for a backup.

use std::time::{Duration, Instant};

/// Updates go on if the commit index moved within this time; the status is shown once a tick.
const BUSY: Duration = Duration::from_millis(500);
/// Longest rest, so that a slow receiver does not prolong the rests.
const REST_MAX: Duration = Duration::from_millis(100);

/// The pace of one state.
#[derive(Debug)]
pub(crate) struct Pace {
    commit: u64,
    moved: Option<Instant>,
    since: Instant,
    /// A rest takes this many times as long as the work before it.
    rests: u32,
}

impl Pace {
    /// `commit`: the commit index now. `rests`: the length of a rest in lengths of the work before, while updates go on.
    pub(crate) fn new(rests: u32, commit: u64, now: Instant) -> Self {
        Self { commit, moved: None, since: now, rests }
    }

    /// The rest before the next chunk: `rests` times as long as the last chunk took, while updates go on; zero otherwise.
    pub(crate) fn rest(&mut self, commit: u64, now: Instant) -> Duration {
        if commit != self.commit {
            (self.commit, self.moved) = (commit, Some(now));
        }
        let busy = self.moved.is_some_and(|moved| now.duration_since(moved) < BUSY);
        let rest = if busy { (now.duration_since(self.since) * self.rests).min(REST_MAX) } else { Duration::ZERO };
        self.since = now + rest;
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: Duration = Duration::from_millis(20);

    #[test]
    fn it_rests_as_long_as_a_chunk_took_while_updates_go_on_and_not_otherwise() {
        let begun = Instant::now();
        let mut pace = Pace::new(1, 7, begun);
        assert_eq!(pace.rest(7, begun + CHUNK), Duration::ZERO, "nothing goes on");
        assert_eq!(pace.rest(8, begun + 2 * CHUNK), CHUNK);
        assert_eq!(pace.rest(8, begun + 4 * CHUNK), CHUNK, "the rest before does not count");
        assert_eq!(pace.rest(9, begun + 4 * CHUNK + Duration::from_secs(9)), REST_MAX);
        assert_eq!(pace.rest(9, begun + 4 * CHUNK + Duration::from_secs(10)), Duration::ZERO, "they have stopped");
    }
}
