//! `scan NAME`: strangers scan, flood and stall the ports of a group of real processes, with a good client beside them. `make scan` and
//! `make slow` build and run it.
//!
//! Exit code 0: passed, or skipped with a reason; 1: a port closed, a process restarted or grew, or the good client noticed; 2: wrong
//! use.
#![allow(clippy::print_stdout)] // the report is the product

mod good_client;
mod site;
mod tools;

use std::{
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Parser, ValueEnum};
use ocs_ha_tests::{programs_are_in, strangers};

use crate::{
    good_client::GoodClient,
    site::Site,
    tools::{SLOW_TESTS, nmap, slow},
};

/// The kinds of strangers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// nmap, with all its probes.
    Nmap,
    /// Connections of random bytes.
    Random,
    /// slowhttptest: heads, bodies and answers at a byte now and then.
    Slow,
}

/// Lets strangers at a group of real processes.
#[derive(Debug, Parser)]
#[command(name = "scan")]
struct Arguments {
    /// Which strangers.
    #[arg(required = true)]
    kinds: Vec<Kind>,
    /// Scans of each kind of nmap.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Connections of random bytes.
    #[arg(long, default_value_t = 200_000)]
    connections: u64,
    /// Slow connections of each test.
    #[arg(long, default_value_t = 1000)]
    slow: u32,
    /// Of all chance in it; otherwise a new one, which is printed.
    #[arg(long)]
    seed: Option<u64>,
    /// Where ocsd, ocs-http-proxy and ocsctl are; otherwise beside this program.
    #[arg(long)]
    bin_dir: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let beside = || env::current_exe().ok().and_then(|own| Some(own.parent()?.to_owned()));
    let programs = arguments.bin_dir.clone().or_else(beside).unwrap_or_default();
    programs_are_in(&fs::canonicalize(&programs).unwrap_or(programs)); // nodes start in other directories
    let mut code = ExitCode::SUCCESS;
    for kind in arguments.kinds.clone() {
        // A helper that cannot go on panics; the unwinding group prints the ends of its logs.
        match catch_unwind(AssertUnwindSafe(|| run(kind, &arguments))) {
            Ok(Ok(report)) => println!("{kind:?}: {report}"),
            Ok(Err(reason)) => println!("{kind:?}: skipped: {reason}"),
            Err(_panic) => {
                println!("FAIL: {kind:?}");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

/// Runs one kind of strangers; a reason, where a tool is missing.
fn run(kind: Kind, arguments: &Arguments) -> Result<String, String> {
    match kind {
        Kind::Nmap => {
            let tool = tools::find("nmap", "nmap")?;
            let site = Site::start();
            let scans = nmap(&tool, &site, arguments.rounds);
            Ok(format!("{scans} scans; {}", site.unharmed()))
        }
        Kind::Random => {
            let seed = arguments.seed.unwrap_or_else(|| rand::random_range(0..1_000_000));
            println!("{} connections of random bytes, seed {seed}", arguments.connections);
            let site = Site::start();
            let refused = strangers::knock(site.ports(), arguments.connections, seed);
            assert_eq!(refused, 0, "a port did not take {refused} connections");
            Ok(format!("{} connections; {}", arguments.connections, site.unharmed()))
        }
        Kind::Slow => {
            let tool = tools::find("slowhttptest", "slowhttptest")?;
            let site = Site::start();
            let idle = GoodClient::start(&site).stop();
            for test in &SLOW_TESTS {
                let good = GoodClient::start(&site);
                slow(&tool, test, &site, arguments.slow);
                let beside = good.stop();
                println!("{}: p99 {:?} beside it, {:?} without", test.name, beside.p99, idle.p99);
                beside.must_be_as_good_as(&idle);
            }
            Ok(site.unharmed())
        }
    }
}
