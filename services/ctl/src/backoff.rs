//! Growing pauses between attempts. Never decides whether to try again. Called by `cluster` and `replay`.

use std::time::Duration;

/// Pauses that double from a first to a longest, each shortened at random by up to a half, so that many callers do not
/// come back at the same moment.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Backoff {
    /// From `first`, doubling up to `longest`.
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Self { next: first, longest }
    }

    /// The pause to make now.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (self.next * 2).min(self.longest);
        pause.mul_f64(rand::random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(40));
        for upper_ms in [10, 20, 40, 40] {
            let pause = backoff.pause();
            assert!(pause <= Duration::from_millis(upper_ms) && pause >= Duration::from_millis(upper_ms / 2));
        }
    }
}
