//! `ocsctl`: the operator's command line. Asks nodes over their control API, and, where a verb sends updates, HTTP
//! Proxies over HTTP. Decides nothing that a node could answer itself. Called by the program.

/// As the macro of the standard library, but without its panic: a standard error that takes nothing (`2>/dev/full`, a closed
/// terminal) changes no exit code. Letters of foreign texts that would act on a terminal are shown as escapes. The macro stands
/// before the modules, so that they use it.
macro_rules! eprintln {
    ($($words:tt)*) => {{
        let words = std::fmt::format(format_args!($($words)*));
        let shown = chassis::visible::visible_lines(&words);
        let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{shown}\n"));
    }};
}

mod backoff;
mod backup;
mod bench;
mod call;
mod certificates;
mod cli;
mod cluster;
mod contexts;
mod declared_file;
mod drill;
mod export;
mod failure;
mod front_ends;
mod group;
mod http_client;
mod import;
mod latency;
mod orders;
mod output_file;
mod print;
mod programs;
mod replay;
mod s3;
mod sandbox;
mod tls_probe;
mod usage;
mod verbs;

use std::process::ExitCode;

use chassis::visible::visible_json;

use crate::{cli::Cli, failure::Failure};

/// The program: acts by the command line, and returns the exit code.
pub fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    let json = usage::wants_json(&words);
    let cli = match usage::parse(words) {
        Ok(cli) => cli,
        Err(fault) if json && fault.use_stderr() => return ended(&usage::failure(&fault), json),
        Err(usage) => {
            let code = if usage.use_stderr() { failure::USAGE } else { 0 };
            usage::show(&usage);
            return ExitCode::from(code);
        }
    };
    print::colour::choose(cli.color.color.unwrap_or_default());
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => ended(&failure, json),
    }
}

/// The last line on standard error, and the exit code.
fn ended(failure: &Failure, json: bool) -> ExitCode {
    match failure {
        Failure::ReaderGone | Failure::Interrupted => {}
        failure if json => eprintln!("{}", visible_json(&failure.json())),
        // Faults of a file are a line each; any other text in one line may come from a node.
        Failure::Usage(lines) => eprintln!("ocsctl: {lines}"),
        failure => eprintln!("ocsctl: {}", print::visible(&failure.to_string())),
    }
    ExitCode::from(failure.exit_code())
}

fn run(cli: Cli) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::Refused(format!("cannot start: {error}")))?;
    let result = runtime.block_on(verbs::run(cli));
    runtime.shutdown_background(); // connections still open have nothing more to say
    result
}
