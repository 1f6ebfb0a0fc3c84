//! `config check`: has ocsd judge a configuration file on this machine. Asks no node.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde::Serialize;

use crate::{
    cli::ConfigCheckArgs,
    failure::{self, Failure},
    print::{self, Out},
    programs::{OCSD, beside},
};

/// Begins each line of ocsd.
const OCSD_SAYS: &str = "ocsd: ";
/// Begins a line about a setting that is allowed and most likely a mistake.
const WARNING: &str = "warning: ";

#[derive(Debug, PartialEq, Eq, Serialize)]
struct View {
    file: String,
    fine: bool,
    faults: Vec<String>,
    warnings: Vec<String>,
}

/// Fails if the node would not start with the file: exit code 2, or 1 where every fault passes by itself.
pub(crate) fn run(out: Out, args: &ConfigCheckArgs) -> Result<(), Failure> {
    let program = args.ocsd.clone().unwrap_or_else(|| beside(OCSD).unwrap_or_else(|| PathBuf::from(OCSD)));
    let ran = command(&program, args).output();
    let ran = ran.map_err(|error| Failure::Usage(format!("cannot run {}: {error}; see --ocsd", program.display())))?;
    let view = view(&args.file, &ran);
    out.show(&view, text)?;
    let line = format!("{}: a node does not start with this configuration", args.file.display());
    match ran.status.code() {
        Some(0) => Ok(()),
        Some(code) if code == i32::from(failure::USAGE) => Err(Failure::Usage(line)),
        _ => Err(Failure::Refused(line)),
    }
}

fn command(program: &Path, args: &ConfigCheckArgs) -> Command {
    let mut command = Command::new(program);
    command.arg("--check").arg("--config").arg(&args.file);
    for pair in &args.set {
        command.args(["--set", pair]);
    }
    command
}

fn view(file: &Path, ran: &Output) -> View {
    let fine = ran.status.success();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    let lines: Vec<&str> = said.lines().map(|line| line.strip_prefix(OCSD_SAYS).unwrap_or(line)).collect();
    let warnings = lines.iter().filter_map(|line| line.strip_prefix(WARNING)).map(str::to_owned).collect();
    let others = lines.iter().filter(|line| !fine && !line.starts_with(WARNING)).map(|line| (*line).to_owned());
    View { file: file.display().to_string(), fine, faults: others.collect(), warnings }
}

fn text(view: &View) -> String {
    let warned = |line: &String| format!("warning: {}", print::visible(line));
    let mut lines: Vec<String> = view.faults.iter().map(|line| print::visible(line).into_owned()).collect();
    lines.extend(view.warnings.iter().map(warned));
    if view.fine {
        let but = if view.warnings.is_empty() { "" } else { ", apart from the warnings" };
        lines.push(format!("{}: the configuration is fine{but}", print::visible(&view.file)));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::ExitStatusExt, process::ExitStatus};

    use super::*;

    fn ran(code: i32, said: &str) -> Output {
        Output { status: ExitStatus::from_raw(code << 8), stdout: Vec::new(), stderr: said.into() }
    }

    #[test]
    fn the_lines_of_ocsd_are_faults_or_warnings() {
        let file = Path::new("a.toml");
        let fine = view(file, &ran(0, "ocsd: the configuration is fine\n"));
        assert_eq!(text(&fine), "a.toml: the configuration is fine");
        let warned = view(file, &ran(0, "ocsd: warning: key x: odd\nocsd: the configuration is fine, apart\n"));
        assert_eq!((warned.fine, warned.warnings.as_slice()), (true, &["key x: odd".to_owned()][..]));
        assert_eq!(warned.faults, [""; 0]);
        let wrong = view(file, &ran(2, "ocsd: key a: no\nocsd: key b: no\n"));
        assert_eq!((wrong.fine, wrong.faults.len()), (false, 2));
        assert_eq!(text(&wrong), "key a: no\nkey b: no");
    }
}
