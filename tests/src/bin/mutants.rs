//! Makes each deliberate mistake in turn and runs seeds until a seed catches the mistake: `mutants SEEDS`.
//!
//! Prints a table; exit code 1 if a mistake survived, 2 if they were not compiled in. Called by `make mutants`.
#![allow(clippy::print_stdout)] // the report is the product

use std::process::ExitCode;

#[cfg(not(mutant))]
fn main() -> ExitCode {
    println!("built without --cfg mutant: run `make mutants`");
    ExitCode::from(2)
}

#[cfg(mutant)]
fn main() -> ExitCode {
    use ocs_tests::sim::{Mistake, mistake};

    let mut arguments = std::env::args().skip(1);
    let seeds: u64 = arguments.next().map_or(500, |text| text.parse().expect("a number of seeds"));
    let wanted = arguments.next();
    let mut survived = 0;
    println!("{:<26} {:>8}  caught by", "mutant", "seed");
    for one in Mistake::all() {
        let name = one.name();
        if wanted.as_ref().is_some_and(|wanted| *wanted != name) {
            continue;
        }
        mistake(Some(one));
        match (1..=seeds).find_map(|seed| Some((seed, ocs_tests::sim::run(seed).err()?))) {
            Some((seed, violation)) => println!("{name:<26} {seed:>8}  {}", shown(&violation)),
            None => {
                survived += 1;
                println!("{name:<26} survived  {seeds} seeds");
            }
        }
    }
    mistake(None);
    if survived == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The claim that failed, without its place in the code.
#[cfg(mutant)]
fn shown(violation: &str) -> String {
    let last = violation.lines().nth(1).unwrap_or(violation);
    last.chars().take(110).collect()
}
