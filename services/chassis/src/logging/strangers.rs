//! Rate limits for the libraries that parse input from strangers: each place in their code has a budget of lines a minute.
//!
//! Library lines have no budget of their own, and a stranger could fill the disk with such lines (a TLS greeting, a reset of a
//! stream). This layer never drops lines of ocs: their budgets are at the place of writing.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tracing::{
    Event, Level, Subscriber,
    callsite::Identifier,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

use crate::lines::LineBudget;

/// The libraries, by the first segment of their targets.
const LIBRARIES: [&str; 9] =
    ["axum", "h2", "hyper", "hyper_util", "rustls", "tokio_rustls", "tokio_util", "tonic", "tower"];
/// Lines of one place in a minute.
const PER_MINUTE: u32 = 5;
/// Places with a budget of their own; further places share one budget. A place is a line of a library's code, and the libraries
/// have far fewer.
const PLACES_MAX: usize = 1024;
/// The interval of the summaries of lines left out.
const SUM_UP: Duration = Duration::from_secs(60);
/// The target of records from the crate `log`; a field of such a record has the library's target.
const BY_LOG: &str = "log";

/// A place in a library's code.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum CodeSite {
    Traced(Identifier),
    Logged(String, u64),
    Other,
}

/// The budgets of all places: a layer of the log. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Strangers {
    places: Arc<Mutex<HashMap<CodeSite, (String, LineBudget)>>>,
}

impl Strangers {
    /// Logs the count of lines left out at intervals; never ends.
    pub(super) async fn sum_up(&self) {
        loop {
            tokio::time::sleep(SUM_UP).await;
            for (library, lines) in self.take_left_out(Instant::now()) {
                tracing::warn!("{lines} more lines of {library} were left out");
            }
        }
    }

    fn take_left_out(&self, now: Instant) -> Vec<(String, u64)> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let told = places.values_mut().map(|(library, budget)| (library.clone(), budget.take_left_out(now)));
        told.filter(|(_, lines)| *lines > 0).collect()
    }

    fn may_come(&self, place: CodeSite, library: &str, now: Instant) -> bool {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let known = places.len() < PLACES_MAX || places.contains_key(&place);
        let place = if known { place } else { CodeSite::Other };
        let (_, budget) = places.entry(place).or_insert_with(|| (library.to_owned(), LineBudget::new(PER_MINUTE)));
        budget.line(now).is_some()
    }
}

impl<S: Subscriber> Layer<S> for Strangers {
    /// Whether a record passes. Records below the level "info" always pass: the operator has requested them.
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() > Level::INFO {
            return true;
        }
        if metadata.target() != BY_LOG {
            let place = CodeSite::Traced(metadata.callsite());
            return !is_library(metadata.target()) || self.may_come(place, metadata.target(), Instant::now());
        }
        let mut logged = Logged::default();
        event.record(&mut logged);
        let place = CodeSite::Logged(logged.target.clone(), logged.line);
        !is_library(&logged.target) || self.may_come(place, &logged.target, Instant::now())
    }
}

fn is_library(target: &str) -> bool {
    LIBRARIES.contains(&target.split("::").next().unwrap_or(target))
}

/// The place of a record from the crate `log`.
#[derive(Debug, Default)]
struct Logged {
    target: String,
    line: u64,
}

impl Visit for Logged {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "log.target" {
            self.target = value.to_owned();
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "log.line" {
            self.line = value;
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// Collects the targets of the records that pass.
    #[derive(Clone, Default)]
    struct Count(Arc<Mutex<Vec<String>>>);

    impl<S: Subscriber> Layer<S> for Count {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            self.0.lock().unwrap().push(event.metadata().target().to_owned());
        }
    }

    #[test]
    fn a_library_that_reads_what_strangers_send_writes_only_so_much_and_we_are_not_held_back() {
        let (strangers, count) = (Strangers::default(), Count::default());
        let subscriber = tracing_subscriber::registry().with(strangers.clone()).with(count.clone());
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..100 {
                tracing::warn!(target: "h2::proto", "a stream was reset");
                tracing::info!(target: "rustls", "another place");
                tracing::debug!(target: "h2::proto", "what an operator asked for");
                tracing::warn!(target: "http_proxy", "ours");
            }
        });
        let came = |target: &str| count.0.lock().unwrap().iter().filter(|came| *came == target).count();
        assert_eq!((came("rustls"), came("http_proxy")), (PER_MINUTE as usize, 100));
        assert_eq!(came("h2::proto"), PER_MINUTE as usize + 100);
        let mut left_out = strangers.take_left_out(Instant::now() + SUM_UP);
        left_out.sort();
        assert_eq!(left_out, [("h2::proto".to_owned(), 95), ("rustls".to_owned(), 95)]);
    }

    #[test]
    fn places_beyond_a_bound_share_a_budget() {
        let (strangers, now) = (Strangers::default(), Instant::now());
        for line in 0..10 * PLACES_MAX as u64 {
            strangers.may_come(CodeSite::Logged("rustls".into(), line), "rustls", now);
        }
        assert!(strangers.places.lock().unwrap().len() <= PLACES_MAX + 1);
    }
}
