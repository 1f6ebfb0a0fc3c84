//! `ocsd`: reads the command line and the configuration, and runs the node until a signal stops it.

use std::{
    env, fs,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, ExitCode},
};

use chassis::{config::ConfigError, descriptors, exit, logging, private};
use clap::Parser;
use node::{memory, run};
use node_config::{Args, Config, Problem};

#[global_allocator]
static ALLOCATOR: memory::Jemalloc = memory::Jemalloc;

/// Settings of the allocator: two heaps are enough for threads that rarely meet, and freed memory goes back to the system after a
/// second. Stands here because only a symbol that the program itself exports is sure to be found.
#[allow(unsafe_code)]
// SAFETY: the allocator reads the text behind this name once, up to its zero, before the first allocation.
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static ALLOCATOR_SETTINGS: &[u8] = b"narenas:2,dirty_decay_ms:1000,muzzy_decay_ms:0\0";

fn main() -> ExitCode {
    let code = ocsd();
    logging::flush();
    code
}

fn ocsd() -> ExitCode {
    private::make_all();
    let args = Args::parse();
    let config = match load(&args) {
        Ok(config) => config,
        Err(refused) => {
            refused.lines.iter().for_each(|line| eprintln!("ocsd: {line}"));
            return ExitCode::from(refused.code);
        }
    };
    if args.check {
        let warnings = config.warnings();
        warnings.iter().for_each(|warning| eprintln!("ocsd: warning: {warning}"));
        let but = if warnings.is_empty() { "" } else { ", apart from what is warned of" };
        eprintln!("ocsd: the configuration is fine{but}");
        return ExitCode::from(exit::OK);
    }
    if let Err(error) = logging::init(&config.logging) {
        eprintln!("ocsd: {error}");
        return ExitCode::from(error.exit_code());
    }
    store::before_fatal(logging::flush);
    match descriptors::raise() {
        Ok(limits) => tracing::info!(limit = limits.soft, "file descriptors"),
        Err(error) => tracing::warn!(%error, "the limit of file descriptors cannot be raised to the hard one"),
    }
    if let Some(file) = args.restore.clone() {
        return restored(&config, &run::RestoreOrder { file, epoch: args.restore_epoch });
    }
    match run::blocking(config, args) {
        Ok(run::Ended::Stopped) => ExitCode::from(exit::OK),
        Ok(run::Ended::Again) => again(),
        Ok(run::Ended::GaveUp) => ExitCode::from(exit::TEMPORARY),
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// Makes the data directory from a backup, and ends.
fn restored(config: &Config, order: &run::RestoreOrder) -> ExitCode {
    match run::restore(config, order) {
        Ok(_) => ExitCode::from(exit::OK),
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// Replaces this process by the same program, from its beginning: nothing of the former run is left, not even a lock.
fn again() -> ExitCode {
    let mut words = env::args_os();
    let name = words.next().unwrap_or_default();
    logging::flush(); // the thread that writes the log does not outlive this
    let fault = Command::new("/proc/self/exe").arg0(name).args(words).exec();
    tracing::error!("cannot start again ({fault}): the supervisor is to do it");
    ExitCode::from(exit::FAILED)
}

/// Why a configuration is not used.
struct Refused {
    /// Every problem, one line each.
    lines: Vec<String>,
    code: u8,
}

impl Refused {
    fn unrepeatable(file: &Path) -> Self {
        let line = format!(
            "{}: is not a regular file, and a node that starts again reads its configuration again: write it to a file (--check takes \
             it as it is)",
            file.display()
        );
        Self { lines: vec![line], code: exit::USAGE }
    }

    fn unread(error: &ConfigError) -> Self {
        Self { lines: vec![error.to_string()], code: exit::USAGE }
    }

    /// One problem that does not pass by itself is enough: a person must fix the configuration first.
    fn wrong(problems: &[Problem]) -> Self {
        let passes = problems.iter().all(|problem| problem.passes);
        let lines = problems.iter().map(ToString::to_string).collect();
        Self { lines, code: if passes { exit::TEMPORARY } else { exit::USAGE } }
    }
}

/// A pipe, a socket or a terminal: the bytes can be read only once.
fn is_gone_when_read(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// The configuration, read and checked.
fn load(args: &Args) -> Result<Config, Refused> {
    if let Some(file) = args.config.as_deref().filter(|file| !args.check && is_gone_when_read(file)) {
        return Err(Refused::unrepeatable(file));
    }
    let config = Config::load(args).map_err(|error| Refused::unread(&error))?;
    let checked = if args.bootstrap { config.check_to_form() } else { config.check() };
    checked.map_err(|problems| Refused::wrong(&problems))?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_waits_for_a_person_unless_every_problem_passes_by_itself() {
        let problem = |passes| Problem { key: "peer.tls".into(), message: "no".into(), passes };
        assert_eq!(Refused::wrong(&[problem(true)]).code, exit::TEMPORARY);
        assert_eq!(Refused::wrong(&[problem(true), problem(false)]).code, exit::USAGE);
    }
}
