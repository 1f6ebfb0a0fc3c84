//! `drill NAME`: a fault befalls a group of real processes under load, round after round, and the history of its clients is
//! judged. `make drill NAME=… ROUNDS=…` builds and runs a drill; `docs/drills/` describes each.
//!
//! Exit code 0: passed, or skipped with a reason; 1: an update was lost or applied twice, a read was stale, or a request
//! failed; 2: wrong use.
#![allow(clippy::print_stdout)] // the report is the product

mod campaign_callers;
mod clock_jump_one;
mod clock_jump_two;
mod contact_limit;
mod corrupted_log;
mod corrupted_store;
mod disk_full;
mod do_not_call;
mod fsync_error;
mod hung_disk;
mod kill_backup;
mod kill_both_data_nodes;
mod kill_primary;
mod kill_witness;
mod log_pipe_stuck;
mod lose_witness;
mod old_disk;
mod partition;
mod pause_backup;
mod pause_primary;
mod pause_witness;
mod power_cut_all;
mod power_cut_both;
mod power_cut_one;
mod proxy_killed;
mod proxy_stopped;
mod rolling_restart;
mod slow_disk;
mod switchover;
mod upgrade;
mod wiped_node;

use std::{
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    process::ExitCode,
};

use clap::Parser;
use ocs_ha_tests::{
    Net,
    drill::{Drill, Options, run},
    programs_are_in,
};

/// Every drill.
const DRILLS: [Drill; 31] = [
    campaign_callers::DRILL,
    clock_jump_one::DRILL,
    clock_jump_two::DRILL,
    contact_limit::DRILL,
    corrupted_log::DRILL,
    corrupted_store::DRILL,
    disk_full::DRILL,
    do_not_call::DRILL,
    fsync_error::DRILL,
    hung_disk::DRILL,
    kill_backup::DRILL,
    kill_both_data_nodes::DRILL,
    kill_primary::DRILL,
    kill_witness::DRILL,
    log_pipe_stuck::DRILL,
    lose_witness::DRILL,
    old_disk::DRILL,
    partition::DRILL,
    pause_backup::DRILL,
    pause_primary::DRILL,
    pause_witness::DRILL,
    power_cut_all::DRILL,
    power_cut_both::DRILL,
    power_cut_one::DRILL,
    proxy_killed::DRILL,
    proxy_stopped::DRILL,
    rolling_restart::DRILL,
    slow_disk::DRILL,
    switchover::DRILL,
    upgrade::DRILL,
    wiped_node::DRILL,
];

/// Runs a drill on real processes.
#[derive(Debug, Parser)]
#[command(name = "drill")]
struct Arguments {
    /// Which; see docs/drills.
    #[arg(required_unless_present = "list")]
    name: Option<String>,
    /// Prints the names of all drills.
    #[arg(long)]
    list: bool,
    /// How often.
    #[arg(long, default_value_t = 1)]
    rounds: u32,
    /// Where ocsd, ocs-http-proxy and ocsctl are; otherwise beside this program.
    #[arg(long)]
    bin_dir: Option<PathBuf>,
    /// Of all chance in it; otherwise a new one, which is printed.
    #[arg(long)]
    seed: Option<u64>,
    /// The directory with the programs of an older release, for the drill `upgrade`.
    #[arg(long)]
    old: Option<PathBuf>,
    /// Writes the report there, as JSON.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Fails when a bar of architecture, Failover, is missed.
    #[arg(long)]
    strict: bool,
    /// The network around this process
    #[arg(long, hide = true)]
    inside: Option<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        DRILLS.iter().for_each(|drill| println!("{}", drill.name));
        return ExitCode::SUCCESS;
    }
    let name = arguments.name.clone().unwrap_or_default();
    let Some(drill) = DRILLS.iter().find(|drill| drill.name == name) else {
        println!("drill: there is no drill {name}; drill --list names them");
        return ExitCode::from(2);
    };
    if drill.network && arguments.inside.is_none() {
        return in_a_network(drill);
    }
    let beside = || env::current_exe().ok().and_then(|own| Some(own.parent()?.to_owned()));
    let programs = arguments.bin_dir.clone().or_else(beside).unwrap_or_default();
    programs_are_in(&fs::canonicalize(&programs).unwrap_or(programs)); // nodes start in other directories
    perform(drill, arguments)
}

/// Starts this program once more in the namespace of a new network's clients.
fn in_a_network(drill: &Drill) -> ExitCode {
    let own = match Net::make() {
        Ok(own) => own,
        Err(reason) => return skipped(drill, &reason),
    };
    let mut words: Vec<String> = env::args().skip(1).collect();
    words.extend(["--inside".to_owned(), own.net().tag().to_owned()]);
    let ended = env::current_exe().map_err(|error| error.to_string()).and_then(|program| own.run(&program, &words));
    match ended {
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(why) => {
            println!("drill: {why}");
            ExitCode::FAILURE
        }
    }
}

fn perform(drill: &Drill, arguments: Arguments) -> ExitCode {
    let seed = arguments.seed.unwrap_or_else(|| rand::random_range(0..1_000_000));
    let Arguments { rounds, out, strict, inside, old, .. } = arguments;
    let old = old.map(|old| fs::canonicalize(&old).unwrap_or(old));
    let options = Options { rounds, seed, net: inside, strict, old };
    println!("{}: {rounds} rounds, seed {seed}", drill.name);
    // A helper that cannot go on panics; the unwinding group prints the ends of its logs.
    let report = match catch_unwind(AssertUnwindSafe(|| run(drill, &options, &|line| println!("{line}")))) {
        Ok(Ok(report)) => report,
        Ok(Err(reason)) => return skipped(drill, &reason),
        Err(_panic) => {
            println!("FAIL: {} did not come to its end (seed {seed})", drill.name);
            return ExitCode::FAILURE;
        }
    };
    println!("{}", report.text());
    if let Some(out) = out
        && let Err(error) = fs::write(&out, format!("{:#}\n", report.json()))
    {
        println!("drill: {}: {error}", out.display());
        return ExitCode::FAILURE;
    }
    if report.failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn skipped(drill: &Drill, reason: &str) -> ExitCode {
    println!("{}: skipped: {reason}", drill.name);
    ExitCode::SUCCESS
}
