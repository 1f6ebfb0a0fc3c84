//! The outcomes of all offered requests. Filled by the clients; does no IO.

use std::{collections::BTreeMap, fmt, time::Duration};

/// The outcome of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// 200
    Good,
    /// 429 or 503 that says when to come back
    Refused { status: u16, retry_after_secs: u64 },
    /// Any other answer
    Odd(u16),
    /// No answer in time
    TimedOut,
    /// The connection ended instead
    Broken,
    /// There was no connection
    NotConnected,
}

/// The outcomes of one client: good answers and refusals within the window, all defects.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    good_us: Vec<u32>,
    refused_us: Vec<u32>,
    others: Vec<Fate>,
}

impl Outcomes {
    pub(super) fn note(&mut self, fate: Fate, latency: Duration, in_window: bool) {
        let us = u32::try_from(latency.as_micros()).unwrap_or(u32::MAX);
        match fate {
            Fate::Good if in_window => self.good_us.push(us),
            Fate::Refused { .. } if in_window => {
                self.refused_us.push(us);
                self.others.push(fate);
            }
            Fate::Good | Fate::Refused { .. } => {}
            _ => self.others.push(fate),
        }
    }
}

/// The outcomes of all clients.
pub(super) struct Tally {
    secs: f64,
    unsent: u64,
    good_us: Vec<u32>,
    refused_us: Vec<u32>,
    refused: BTreeMap<u16, u64>,
    defects: BTreeMap<String, u64>,
}

impl Tally {
    pub(super) fn new(window: Duration, unsent: u64) -> Self {
        Self {
            secs: window.as_secs_f64(),
            unsent,
            good_us: Vec::new(),
            refused_us: Vec::new(),
            refused: BTreeMap::new(),
            defects: BTreeMap::new(),
        }
    }

    pub(super) fn add(&mut self, seen: Outcomes) {
        self.good_us.extend(seen.good_us);
        self.refused_us.extend(seen.refused_us);
        for fate in seen.others {
            match fate {
                Fate::Refused { status, .. } => *self.refused.entry(status).or_default() += 1,
                Fate::Odd(status) => *self.defects.entry(status.to_string()).or_default() += 1,
                other => *self.defects.entry(format!("{other:?}")).or_default() += 1,
            }
        }
    }

    pub(super) fn good_rate(&self) -> f64 {
        self.good_us.len() as f64 / self.secs
    }

    fn answered(&self) -> u64 {
        let others = self.refused.values().chain(self.defects.values()).sum::<u64>();
        self.good_us.len() as u64 + others
    }
}

fn at_ms(micros: &[u32], share: f64) -> f64 {
    let mut sorted = micros.to_vec();
    sorted.sort_unstable();
    sorted.get((sorted.len() as f64 * share) as usize).map_or(0.0, |us| f64::from(*us) / 1000.0)
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let a_second = |count: u64| count as f64 / self.secs;
        let answered = self.answered();
        write!(f, "due={:.0}\tanswered={:.0}", a_second(answered + self.unsent), a_second(answered))?;
        write!(f, "\tgood={:.0}\tp50_ms={:.1}", self.good_rate(), at_ms(&self.good_us, 0.5))?;
        write!(f, "\tp99_ms={:.1}", at_ms(&self.good_us, 0.99))?;
        for (status, count) in &self.refused {
            write!(f, "\trefused_{status}={:.0}", a_second(*count))?;
        }
        write!(f, "\trefused_p99_ms={:.1}", at_ms(&self.refused_us, 0.99))?;
        let defects: Vec<_> = self.defects.iter().map(|(what, count)| format!("{what}:{count}")).collect();
        write!(f, "\tdefects={}", if defects.is_empty() { "0".to_owned() } else { defects.join(",") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_neither_good_nor_told_when_to_come_back_is_a_defect() {
        let mut seen = Outcomes::default();
        seen.note(Fate::Good, Duration::from_millis(5), true);
        seen.note(Fate::Good, Duration::from_millis(5), false);
        seen.note(Fate::Refused { status: 503, retry_after_secs: 1 }, Duration::from_millis(1), true);
        seen.note(Fate::Odd(503), Duration::ZERO, true);
        seen.note(Fate::TimedOut, Duration::ZERO, true);
        let mut tally = Tally::new(Duration::from_secs(1), 5);
        tally.add(seen);
        assert_eq!(
            tally.to_string(),
            "due=9\tanswered=4\tgood=1\tp50_ms=5.0\tp99_ms=5.0\trefused_503=1\trefused_p99_ms=1.0\tdefects=503:1,TimedOut:1"
        );
    }
}
