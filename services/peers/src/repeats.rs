//! Lines about a state that lasts: the first at its beginning, another at each change of its reason, and one a minute.
//!
//! Reads no clock and writes nothing. Called by `frames` and `join`.

use std::time::{Duration, Instant};

const AGAIN: Duration = Duration::from_secs(60);

/// The last logged reason, and its time.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    told: Option<(String, Instant)>,
}

impl Repeats {
    /// Whether a line about this reason is due; a due line counts as written.
    pub(super) fn is_news(&mut self, reason: &str, now: Instant) -> bool {
        let same = |(told, at): &(String, Instant)| told == reason && now.saturating_duration_since(*at) < AGAIN;
        let news = !self.told.as_ref().is_some_and(same);
        if news {
            self.told = Some((reason.to_owned(), now));
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_that_stays_is_told_once_a_minute_and_another_one_at_once() {
        let (mut repeats, start) = (Repeats::default(), Instant::now());
        assert!(repeats.is_news("refused", start));
        assert!(!repeats.is_news("refused", start + AGAIN / 2));
        assert!(repeats.is_news("no primary", start + AGAIN / 2));
        assert!(!repeats.is_news("no primary", start + AGAIN));
        assert!(repeats.is_news("no primary", start + AGAIN / 2 + AGAIN));
    }
}
