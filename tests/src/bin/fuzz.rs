//! Plays lying frames for a while: `fuzz MINUTES`, `fuzz MINUTES FIRST`, or one input with `SEED=n` in the environment.
//!
//! Ends at the first panic, with its seed; exit code 101 then. Called by `make fuzz`.
#![allow(clippy::print_stdout)] // the report is the product

use std::time::{Duration, Instant};

use ocs_tests::fuzz::{Reached, run_seed};

/// Time between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(60);

fn main() {
    if let Some(seed) = std::env::var("SEED").ok().filter(|seed| !seed.is_empty()) {
        let seed = seed.parse().expect("SEED is a number");
        return println!("seed {seed}: {:?}", run_seed(seed));
    }
    let mut arguments = std::env::args().skip(1);
    let minutes: f64 = arguments.next().map_or(1.0, |text| text.parse().expect("MINUTES is a number"));
    let first: u64 = arguments.next().map_or(1, |text| text.parse().expect("FIRST is a number"));
    play(Duration::from_secs_f64(minutes * 60.0), first);
}

fn play(length: Duration, first: u64) {
    let begun = Instant::now();
    let (mut seed, mut sum, mut told) = (first, Reached::default(), Instant::now());
    while begun.elapsed() < length {
        let played = std::panic::catch_unwind(|| run_seed(seed)).unwrap_or_else(|panic| {
            println!("seed {seed}: a panic; play it again with SEED={seed}");
            std::panic::resume_unwind(panic)
        });
        sum += played;
        seed += 1;
        if told.elapsed() >= PROGRESS {
            told = Instant::now();
            println!("{} seeds, {sum:?}", seed - first);
        }
    }
    println!("{} seeds from {first}: no panic; {sum:?}", seed - first);
}
