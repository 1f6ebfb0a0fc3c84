//! Plays changed seeds to every reader for a while: `readers MINUTES`, `readers MINUTES FIRST`, or one input with `SEED=n` in the
//! environment; `TARGET=name` leaves one reader.
//!
//! The minutes are shared by the readers. The first panic of a reader ends its turn, and an input that a reader does not come to the
//! end of ends the program; both with the way to play the input again, and exit code 1. Called by `make fuzz`.
#![allow(clippy::print_stdout)] // the report is the product

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    thread,
    time::{Duration, Instant},
};

use ocs_outside::{Seeds, TARGETS};

/// Looks at the thread that plays, and the looks at one and the same input that count as no end.
const LOOK: Duration = Duration::from_secs(1);
const LOOKS_MAX: u32 = 30;

/// The numbers to play.
#[derive(Debug, Clone, Copy)]
enum Turn {
    One(u64),
    For(Duration, u64),
}

/// The outcome of a turn.
#[derive(Debug, Default)]
struct Outcome {
    played: u64,
    taken: u64,
    fault: Option<String>,
}

fn main() -> ExitCode {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let only = variable("TARGET");
    let targets: Vec<_> =
        TARGETS.iter().filter(|target| only.as_deref().is_none_or(|name| name == target.name)).collect();
    assert!(!targets.is_empty(), "TARGET is one of {:?}", TARGETS.map(|target| target.name));
    let mut arguments = std::env::args().skip(1);
    let minutes: f64 = arguments.next().map_or(1.0, |text| text.parse().expect("MINUTES is a number"));
    let first: u64 = arguments.next().map_or(1, |text| text.parse().expect("FIRST is a number"));
    let turn = match variable("SEED") {
        Some(seed) => Turn::One(seed.parse().expect("SEED is a number")),
        None => Turn::For(Duration::from_secs_f64(minutes * 60.0) / targets.len() as u32, first),
    };
    let mut code = ExitCode::SUCCESS;
    for target in targets {
        let seeds = Seeds::of(*target).expect("the seeds are there");
        let Some(outcome) = watched(&seeds, turn) else { return ExitCode::FAILURE };
        println!("{}: {} inputs, {} taken", target.name, outcome.played, outcome.taken);
        if let Some(fault) = outcome.fault {
            println!("{fault}");
            code = ExitCode::FAILURE;
        }
    }
    code
}

/// Plays a turn on a thread of its own; none: the reader has not come to the end of an input.
fn watched(seeds: &Seeds, turn: Turn) -> Option<Outcome> {
    let playing = Arc::new(AtomicU64::new(0));
    let (done, outcome) = channel();
    let (own, shown) = (seeds.clone(), Arc::clone(&playing));
    drop(thread::spawn(move || done.send(play(&own, turn, &shown))));
    wait(seeds, &outcome, &playing)
}

fn play(seeds: &Seeds, turn: Turn, playing: &AtomicU64) -> Outcome {
    let begun = Instant::now();
    let (mut outcome, mut number) = (Outcome::default(), first(turn));
    loop {
        playing.store(number, Ordering::Relaxed);
        match seeds.play(number) {
            Ok(taken) => outcome.taken += u64::from(taken),
            Err(fault) => outcome.fault = Some(fault),
        }
        outcome.played += 1;
        number = number.wrapping_add(1);
        let over = match turn {
            Turn::One(_) => true,
            Turn::For(length, _) => begun.elapsed() >= length,
        };
        if over || outcome.fault.is_some() {
            return outcome;
        }
    }
}

fn first(turn: Turn) -> u64 {
    match turn {
        Turn::One(number) | Turn::For(_, number) => number,
    }
}

fn wait(seeds: &Seeds, outcome: &Receiver<Outcome>, playing: &AtomicU64) -> Option<Outcome> {
    let (mut seen, mut looks) = (None, 0);
    loop {
        match outcome.recv_timeout(LOOK) {
            Ok(outcome) => return Some(outcome),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => {}
        }
        let number = playing.load(Ordering::Relaxed);
        looks = if seen == Some(number) { looks + 1 } else { 0 };
        seen = Some(number);
        if looks >= LOOKS_MAX {
            println!("a reader comes to no end of seed {number}: {}", seeds.again(number));
            return None;
        }
    }
}
