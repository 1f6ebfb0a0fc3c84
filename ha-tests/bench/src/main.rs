//! Loaders and report of `make bench`. Each loader runs closed loops on one thread, since the loader shares the cores with the
//! system under load, and prints one line: system, clients, round, updates/s, p50 ms, p99 ms, samples, errors.
//!
//! Starts no foreign system and installs nothing: `run.sh` beside it does the first, the user the second.

mod bars;
mod beside;
mod collector;
mod etcd;
mod first;
mod floor;
mod http_load;
mod line;
mod overload;
mod pause;
mod plain;
mod redis;
mod report;
mod svg;
mod window;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use crate::{line::Line, window::Window};

#[derive(Debug, Parser)]
#[command(about)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Closed loops of requests over HTTP
    Http {
        #[command(flatten)]
        target: http_load::Target,
        #[command(flatten)]
        access: http_load::Access,
        #[command(flatten)]
        load: Load,
        #[command(flatten)]
        pace: http_load::Pace,
    },
    /// Closed loops of updates, and the time until previews beside them are answered for the first time
    First(first::First),
    /// Closed loops of updates, and their longest pause around a request that changes many records
    Pause(pause::Pause),
    /// The rate that closed loops sustain, a multiple of that rate offered, and the time until the latency is normal again
    Overload(overload::Offer),
    /// Closed loops of etcd's Put, at the leader
    Etcd {
        /// Client addresses of the members, http://host:port
        #[arg(long, value_delimiter = ',')]
        endpoints: Vec<String>,
        #[command(flatten)]
        load: Load,
    },
    /// Closed loops of Redis' SET and WAIT 1
    Redis {
        /// host:port
        #[arg(long)]
        address: String,
        #[command(flatten)]
        load: Load,
    },
    /// Closed loops against the floor
    Floor {
        /// host:port
        #[arg(long)]
        address: String,
        #[command(flatten)]
        load: Load,
    },
    /// The floor's backup
    FloorBackup {
        /// host:port to listen on
        #[arg(long)]
        address: String,
        /// Its log
        #[arg(long)]
        file: PathBuf,
    },
    /// The floor's primary
    FloorPrimary {
        /// host:port to listen on
        #[arg(long)]
        address: String,
        /// host:port of the backup
        #[arg(long)]
        backup: String,
        /// Its log
        #[arg(long)]
        file: PathBuf,
    },
    /// Bare axum with a constant answer
    Plain {
        /// host:port to listen on
        #[arg(long)]
        address: String,
    },
    /// A collector of OpenTelemetry that keeps nothing
    Collector {
        /// host:port to listen on
        #[arg(long)]
        address: String,
    },
    /// Turns the lines into a page with a chart
    Report {
        /// The lines
        #[arg(long)]
        lines: PathBuf,
        /// Versions and machine of the measurement: text that goes into the page
        #[arg(long)]
        about: PathBuf,
        /// The page; the chart stands beside it
        #[arg(long)]
        out: PathBuf,
    },
}

/// Arguments of every loader.
#[derive(Debug, Clone, Args)]
struct Load {
    /// Name in the report
    #[arg(long)]
    label: String,
    /// Closed loops
    #[arg(long)]
    clients: usize,
    /// Number of the round
    #[arg(long)]
    round: u32,
    /// Length of the measurement
    #[arg(long, default_value_t = 5)]
    secs: u64,
    /// Load before it
    #[arg(long, default_value_t = 1)]
    warm_secs: u64,
}

impl Load {
    fn window(&self) -> Window {
        Window::new(self.warm_secs, self.secs)
    }
}

/// Why a task failed.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("ocs-bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<(), Failure> {
    match task {
        Task::Http { target, access, load, pace } => {
            report_line(one_thread()?.block_on(http_load::run(&target, &access, &load, pace))?)
        }
        Task::First(first) => one_thread()?.block_on(first::run(&first, tell)),
        Task::Pause(pause) => one_thread()?.block_on(pause::run(&pause, tell)),
        Task::Overload(offer) => one_thread()?.block_on(overload::run(&offer, tell)),
        Task::Etcd { endpoints, load } => report_line(one_thread()?.block_on(etcd::run(&endpoints, &load))?),
        Task::Redis { address, load } => report_line(one_thread()?.block_on(redis::run(&address, &load))?),
        Task::Floor { address, load } => report_line(one_thread()?.block_on(floor::load(&address, &load))?),
        Task::FloorBackup { address, file } => floor::backup(&address, &file),
        Task::FloorPrimary { address, backup, file } => {
            all_threads()?.block_on(floor::primary(&address, &backup, &file))
        }
        Task::Plain { address } => all_threads()?.block_on(plain::serve(&address)),
        Task::Collector { address } => one_thread()?.block_on(collector::serve(&address)),
        Task::Report { lines, about, out } => report::write(&lines, &about, &out),
    }
}

fn one_thread() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn all_threads() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

fn report_line(line: Line) -> Result<(), Failure> {
    tell(&line.to_string());
    Ok(())
}

#[allow(clippy::print_stdout, reason = "the line is what the program is for")]
fn tell(line: &str) {
    println!("{line}");
}
