//! Updates beside a request under measurement: the moment and the latency of each answer. Called by `first` and `pause`.

use std::time::{Duration, Instant};

use crate::{Failure, http_load::Caller};

/// An update that was answered.
#[derive(Debug, Clone, Copy)]
struct Answered {
    at: Instant,
    took: Duration,
}

/// The updates of one client, or of all clients.
#[derive(Debug, Default)]
pub(crate) struct Updates {
    answered: Vec<Answered>,
    errors: u64,
}

/// The worst that clients saw within a span of time.
#[derive(Debug)]
pub(crate) struct Worst {
    /// The longest time in which no update was answered.
    pub(crate) pause: Duration,
    /// The latency of the slowest update.
    pub(crate) slowest: Duration,
}

impl Updates {
    /// A closed loop until the end.
    pub(crate) async fn run(mut caller: Caller, is_over: impl Fn() -> bool) -> Result<Self, Failure> {
        let mut updates = Self::default();
        while !is_over() {
            let since = Instant::now();
            if caller.ask().await? {
                let at = Instant::now();
                updates.answered.push(Answered { at, took: at - since });
            } else {
                updates.errors += 1;
            }
        }
        Ok(updates)
    }

    /// The updates of all clients.
    pub(crate) fn of(clients: Vec<Self>) -> Self {
        let errors = clients.iter().map(|updates| updates.errors).sum();
        let mut answered: Vec<Answered> = clients.into_iter().flat_map(|updates| updates.answered).collect();
        answered.sort_unstable_by_key(|answered| answered.at);
        Self { answered, errors }
    }

    pub(crate) fn count(&self) -> usize {
        self.answered.len()
    }

    /// Answers other than the wanted ones.
    pub(crate) fn errors(&self) -> u64 {
        self.errors
    }

    /// The worst between two moments. Both ends of the span end a pause, too.
    pub(crate) fn worst(&self, from: Instant, till: Instant) -> Worst {
        let (mut pause, mut slowest, mut last) = (Duration::ZERO, Duration::ZERO, from);
        for Answered { at, took } in self.answered.iter().filter(|answered| (from..till).contains(&answered.at)) {
            pause = pause.max(*at - last);
            slowest = slowest.max(*took);
            last = *at;
        }
        Worst { pause: pause.max(till - last), slowest }
    }
}

/// Milliseconds as a figure.
pub(crate) fn ms(duration: Duration) -> String {
    format!("{:.1}", duration.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn updates(begin: Instant, answered: &[(u64, u64)]) -> Updates {
        let answered = answered
            .iter()
            .map(|(at, took)| Answered { at: begin + Duration::from_millis(*at), took: Duration::from_millis(*took) });
        Updates { answered: answered.collect(), errors: 1 }
    }

    fn worst_of(clients: &[&[(u64, u64)]], from: u64, till: u64) -> (u128, u128) {
        let begin = Instant::now();
        let all = Updates::of(clients.iter().map(|answered| updates(begin, answered)).collect());
        assert_eq!(all.errors(), clients.len() as u64);
        let Worst { pause, slowest } =
            all.worst(begin + Duration::from_millis(from), begin + Duration::from_millis(till));
        (pause.as_millis(), slowest.as_millis())
    }

    #[test]
    fn a_pause_lies_between_the_answers_of_all_clients() {
        assert_eq!(worst_of(&[&[(10, 5), (60, 50)], &[(30, 20), (70, 40)]], 0, 80), (30, 50));
    }

    #[test]
    fn a_span_without_an_answer_is_one_pause() {
        assert_eq!(worst_of(&[&[(10, 5), (90, 80)]], 20, 60), (40, 0));
        assert_eq!(worst_of(&[&[]], 0, 60), (60, 0));
    }

    #[test]
    fn the_ends_of_a_span_end_a_pause() {
        assert_eq!(worst_of(&[&[(30, 1), (40, 1)]], 0, 60), (30, 1));
        assert_eq!(worst_of(&[&[(30, 1), (40, 1)]], 29, 90), (50, 1));
    }
}
