//! The time in which samples count, and their outcomes. Called by every loader.

use std::time::{Duration, Instant};

use crate::{Load, line::Line};

/// Samples that begin before `start` are warm-up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    start: Instant,
    end: Instant,
}

impl Window {
    pub(crate) fn new(warm_secs: u64, secs: u64) -> Self {
        let start = Instant::now() + Duration::from_secs(warm_secs);
        Self { start, end: start + Duration::from_secs(secs) }
    }

    pub(crate) fn over(&self) -> bool {
        Instant::now() >= self.end
    }
}

/// The samples of one closed loop, or of all.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    micros: Vec<u32>,
    errors: u64,
}

impl Samples {
    /// Notes the answer to a request sent at `since`.
    pub(crate) fn took(&mut self, window: &Window, since: Instant, fine: bool) {
        let now = Instant::now();
        if since < window.start || now > window.end {
            return;
        }
        if fine {
            self.micros.push(u32::try_from((now - since).as_micros()).unwrap_or(u32::MAX));
        } else {
            self.errors += 1;
        }
    }

    pub(crate) fn and(mut self, other: Self) -> Self {
        self.micros.extend(other.micros);
        self.errors += other.errors;
        self
    }

    pub(crate) fn line(mut self, load: &Load) -> Line {
        self.micros.sort_unstable();
        let count = self.micros.len();
        let at =
            |share: f64| self.micros.get((count as f64 * share) as usize).map_or(0.0, |us| f64::from(*us) / 1000.0);
        Line {
            system: load.label.clone(),
            clients: load.clients,
            round: load.round,
            rate: count as f64 / load.secs as f64,
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            samples: count as u64,
            errors: self.errors,
        }
    }
}

/// Starts the loops and merges their samples.
pub(crate) async fn all<F>(loops: impl Iterator<Item = F>) -> Result<Samples, crate::Failure>
where
    F: Future<Output = Result<Samples, crate::Failure>> + Send + 'static,
{
    Ok(each(loops).await?.into_iter().fold(Samples::default(), Samples::and))
}

/// Starts the loops and waits for the ends of all of them.
pub(crate) async fn each<T, F>(loops: impl Iterator<Item = F>) -> Result<Vec<T>, crate::Failure>
where
    T: Send + 'static,
    F: Future<Output = Result<T, crate::Failure>> + Send + 'static,
{
    let mut running = tokio::task::JoinSet::new();
    for one in loops {
        running.spawn(one);
    }
    let mut ends = Vec::new();
    while let Some(ended) = running.join_next().await {
        ends.push(ended??);
    }
    Ok(ends)
}
