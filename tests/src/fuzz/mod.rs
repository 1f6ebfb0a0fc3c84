//! Frames that no release sends, fed to three real cores in memory: no message of a peer may end a node, not even at its next
//! start.
//!
//! Every decision comes from bytes, so a seeded generator and a coverage-guided fuzzer drive the same harness. Never asserts what a
//! liar may spoil (agreement, progress); a panic is the only failure. Called by `tests/fuzz.rs`, by the binary `fuzz`, and by
//! the target of cargo-fuzz.

mod group;
mod input;
mod message;

use rand::{Rng, RngCore, SeedableRng, rngs::StdRng};

use group::FuzzGroup;
use input::Input;

/// Length of a seed's input, bytes.
const INPUT_BYTES: usize = 4096;

/// The effects of an input: a harness that reaches nothing is noticed.
#[derive(Debug, Default, Clone, Copy)]
pub struct Reached {
    /// Frames that were stepped.
    pub frames: u64,
    /// Messages that were refused before Raft saw them.
    pub refused: u64,
    /// Starts after the first.
    pub starts: u64,
    /// Nodes that began to lead.
    pub reigns: u64,
}

impl std::ops::AddAssign for Reached {
    fn add_assign(&mut self, other: Self) {
        self.frames += other.frames;
        self.refused += other.refused;
        self.starts += other.starts;
        self.reigns += other.reigns;
    }
}

/// Plays one input: a group that works, then the frames that the bytes give, then a start of every node from its disk.
///
/// # Panics
/// A core panics: the failure that the fuzzer looks for.
pub fn run(bytes: &[u8]) -> Reached {
    let mut input = Input::new(bytes);
    let mut group = FuzzGroup::working();
    while !input.is_empty() {
        group.step(&mut input);
    }
    group.start_all();
    group.reached()
}

/// Plays the input of a seed.
///
/// # Panics
/// As [`run`].
pub fn run_seed(seed: u64) -> Reached {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut bytes = vec![0; rng.random_range(64..INPUT_BYTES)];
    rng.fill_bytes(&mut bytes);
    run(&bytes)
}
