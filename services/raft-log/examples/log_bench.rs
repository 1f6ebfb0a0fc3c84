//! Measures the cost of a commit on this disk: p50 and p99 of `Log::append` for batches of 1 and of 64 entries of 256 bytes.
//!
//! `cargo run --release -p raft-log --example log_bench -- DIRECTORY [ROUNDS]`; removes its own files at the end.
#![allow(clippy::print_stdout)] // a program for a person at a terminal

use std::{
    error::Error,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use ocs_proto::peer::{Entry, SnapshotMark};
use raft_log::{Batch, FileDisk, HardState, Log, LogConfig, SEGMENT_BYTES_DEFAULT};

const ENTRY_BYTES: usize = 256;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let parent = arguments.next().ok_or("usage: log_bench DIRECTORY [ROUNDS]")?;
    let rounds: usize = arguments.next().map_or(Ok(5000), |rounds| rounds.parse())?;
    let directory = Path::new(&parent).join(format!("log-bench-{}", std::process::id()));
    let outcome = run(&directory, rounds);
    fs::remove_dir_all(&directory)?;
    outcome
}

fn run(directory: &Path, rounds: usize) -> Result<(), Box<dyn Error>> {
    let config = LogConfig { cluster: [7; 16], node: 0, segment_bytes: SEGMENT_BYTES_DEFAULT, prepare_ahead: true };
    let disk = FileDisk::new(directory)?;
    let start = SnapshotMark { index: 0, term: 0, conf_state: None };
    let mut log = Log::create(disk.clone(), config, start, HardState::default())?;
    for entries in [1, 64] {
        let times = measure(&mut log, rounds, entries)?;
        println!(
            "{entries:>2} entries of {ENTRY_BYTES} B: p50 {:>5} us, p99 {:>5} us, longest {:>6} us ({rounds} rounds)",
            at(&times, 50.0).as_micros(),
            at(&times, 99.0).as_micros(),
            at(&times, 100.0).as_micros()
        );
    }
    drop(log);
    let began = Instant::now();
    let (_, recovered) = Log::open(disk, config)?;
    println!("opened in {} ms, last entry {}", began.elapsed().as_millis(), recovered.last_index);
    Ok(())
}

fn measure(log: &mut Log<FileDisk>, rounds: usize, entries: usize) -> Result<Vec<Duration>, Box<dyn Error>> {
    let data = vec![b'x'; ENTRY_BYTES];
    let mut times = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let first = log.last_index() + 1;
        let entry = |i| Entry { kind: 0, term: 1, index: first + i, data: data.clone().into(), ..Entry::default() };
        let commit = first - 1;
        let hard_state = Some(HardState { term: 1, vote: 1, commit });
        let batch = Batch { hard_state, entries: (0..entries as u64).map(entry).collect(), ..Batch::default() };
        let began = Instant::now();
        log.append(&batch)?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    Ok(times)
}

fn at(sorted: &[Duration], percent: f64) -> Duration {
    let place = (sorted.len() as f64 * percent / 100.0).ceil() as usize;
    sorted[place.clamp(1, sorted.len()) - 1]
}
