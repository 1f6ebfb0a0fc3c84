//! The simulated network: when a message arrives, how often, or not at all.
//!
//! Never looks into a message. Called by `world`; its faults come from `faults`.

use rand::{Rng, rngs::StdRng};

/// Shortest way, microseconds.
const FASTEST_US: u64 = 80;
/// Usual spread, microseconds.
const SPREAD_US: u64 = 600;

/// The state of the links.
#[derive(Debug, Clone, Default)]
pub(super) struct Net {
    /// How many faults cut the way from one place to another now.
    pub(super) cuts: [[u32; 3]; 3],
    /// Messages in a thousand that are lost.
    pub(super) loss: u32,
    /// Messages in a thousand that come twice.
    pub(super) doubled: u32,
    /// Added to the spread, microseconds: beyond the spread, messages overtake each other.
    pub(super) jitter_us: u64,
    /// How much longer every message to a place takes, microseconds.
    pub(super) late_us: [u64; 3],
}

impl Net {
    /// Cuts one direction, or mends one cut of that direction.
    pub(super) fn cut(&mut self, from: usize, to: usize, cut: bool) {
        let cuts = &mut self.cuts[from][to];
        *cuts = if cut { *cuts + 1 } else { cuts.saturating_sub(1) };
    }

    /// Whether messages get from one place to another.
    pub(super) fn connected(&self, from: usize, to: usize) -> bool {
        self.cuts[from][to] == 0
    }

    /// The delay of each copy of a message.
    pub(super) fn ways(&self, rng: &mut StdRng, from: usize, to: usize) -> Vec<u64> {
        if !self.connected(from, to) || rng.random_ratio(self.loss.min(1000), 1000) {
            return Vec::new();
        }
        let times = if rng.random_ratio(self.doubled.min(1000), 1000) { 2 } else { 1 };
        (0..times).map(|_| self.late_us[to] + self.delay(rng)).collect()
    }

    fn delay(&self, rng: &mut StdRng) -> u64 {
        let usual = FASTEST_US + rng.random_range(0..SPREAD_US);
        if self.jitter_us == 0 { usual } else { usual + rng.random_range(0..self.jitter_us) }
    }
}
