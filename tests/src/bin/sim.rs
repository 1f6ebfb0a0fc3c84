//! Runs seeds of the simulator: `sim SEEDS`, `sim SEEDS FIRST`, or a single one with `SEED=n` in the environment (`TALK=1`
//! prints every event).
//!
//! Prints every violation with its seed; exit code 1 if there was one. Called by `make sim`.
#![allow(clippy::print_stdout)] // the report is the product

use std::{process::ExitCode, time::Instant};

use ocs_tests::sim::{Report, run_all, run_talking};

/// Seeds that run before their violations are told.
const PIECE_SEEDS: usize = 200;

fn main() -> ExitCode {
    if let Some(seed) = std::env::var("SEED").ok().filter(|seed| !seed.is_empty()) {
        return one(seed.parse().expect("SEED is a number"));
    }
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>().expect("a number"));
    let (seeds, first) = (arguments.next().unwrap_or(500), arguments.next().unwrap_or(1));
    many(first, seeds)
}

fn one(seed: u64) -> ExitCode {
    match run_talking(seed, std::env::var_os("TALK").is_some()) {
        Ok(report) => println!("seed {seed}: {report:?}"),
        Err(violation) => {
            println!("{violation}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn many(first: u64, seeds: u64) -> ExitCode {
    let begun = Instant::now();
    let mut sum = Report::default();
    let (mut failed, mut lost) = (0_u64, 0_u64);
    let end = first + seeds;
    let pieces = (first..end).step_by(PIECE_SEEDS).map(|begin| begin..end.min(begin + PIECE_SEEDS as u64));
    for result in pieces.flat_map(run_all) {
        match result {
            Ok(report) => {
                sum.entries += report.entries;
                sum.acknowledged += report.acknowledged;
                sum.terms += report.terms;
                sum.faults += report.faults;
                sum.lost += report.lost;
                sum.handed_out += report.handed_out;
                lost += u64::from(report.lost > 0);
            }
            Err(violation) => {
                failed += 1;
                println!("{violation}");
            }
        }
    }
    let each = |number: u64| number as f64 / seeds as f64;
    let ms = begun.elapsed().as_secs_f64() * 1000.0 / seeds as f64;
    println!("{seeds} seeds from {first}: {failed} failed; {ms:.1} ms a seed");
    println!(
        "a seed: {:.0} entries, {:.0} acknowledged, {:.1} terms, {:.1} faults, {:.1} handed out; {lost} lost a disk, {} disks \
         in all",
        each(sum.entries),
        each(sum.acknowledged),
        each(sum.terms),
        each(sum.faults),
        each(sum.handed_out),
        sum.lost
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
