//! The pace of a load: so many requests a second at most, over all clients.

use std::time::Duration;

use clap::Args;
use tokio::time::{Instant, Interval, interval_at};

use super::Place;

/// The rate of all clients together.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct Pace {
    /// Requests a second of all clients together; 0: each client asks as soon as its last answer is there
    #[arg(long, default_value_t = 0)]
    rate: u32,
}

impl Pace {
    /// The turns of a client, between those of the others; none: no client waits. A late turn is made up for.
    pub(super) fn turns(self, place: Place) -> Option<Interval> {
        let every = Duration::from_secs(1).checked_div(self.rate)?;
        let first = Instant::now() + every * u32::try_from(place.client).ok()?;
        Some(interval_at(first, every * u32::try_from(place.clients).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_clients_have_their_turns_one_after_the_other() {
        let period = |rate, clients| {
            let turns = Pace { rate }.turns(Place { client: 1, clients });
            turns.map(|turns| turns.period())
        };
        assert_eq!(period(0, 4), None);
        assert_eq!(period(200, 4), Some(Duration::from_millis(20)));
        assert_eq!(period(1, 1), Some(Duration::from_secs(1)));
    }
}
