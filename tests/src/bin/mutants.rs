//! Makes each deliberate mistake in turn and runs seeds until a seed catches the mistake, a mistake a thread: `mutants SEEDS`.
//!
//! Prints a table; exit code 1 if a mistake survived, 2 if they were not compiled in. Called by `make mutants`.
#![allow(clippy::print_stdout)] // the report is the product

use std::process::ExitCode;
#[cfg(mutant)]
use std::{
    num::NonZero,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

#[cfg(mutant)]
use ocs_tests::sim::{Mistake, mistake};

#[cfg(not(mutant))]
fn main() -> ExitCode {
    println!("built without --cfg mutant: run `make mutants`");
    ExitCode::from(2)
}

#[cfg(mutant)]
fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let seeds: u64 = arguments.next().map_or(500, |text| text.parse().expect("a number of seeds"));
    let wanted = arguments.next();
    let mistakes: Vec<Mistake> =
        Mistake::all().filter(|one| wanted.as_ref().is_none_or(|wanted| *wanted == one.name())).collect();
    println!("{:<26} {:>8}  caught by", "mutant", "seed");
    let (next, survived) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        while let Some(one) = mistakes.get(next.fetch_add(1, Ordering::Relaxed)) {
            survived.fetch_add(usize::from(!is_caught(*one, seeds)), Ordering::Relaxed);
        }
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    if survived.into_inner() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Makes the mistake on this thread, and prints the first seed that catches it.
#[cfg(mutant)]
fn is_caught(one: Mistake, seeds: u64) -> bool {
    mistake(Some(one));
    let caught = (1..=seeds).find_map(|seed| Some((seed, ocs_tests::sim::run(seed).err()?)));
    mistake(None);
    match &caught {
        Some((seed, violation)) => println!("{:<26} {seed:>8}  {}", one.name(), shown(violation)),
        None => println!("{:<26} survived  {seeds} seeds", one.name()),
    }
    caught.is_some()
}

/// The claim that failed, without its place in the code.
#[cfg(mutant)]
fn shown(violation: &str) -> String {
    let last = violation.lines().nth(1).unwrap_or(violation);
    last.chars().take(110).collect()
}
