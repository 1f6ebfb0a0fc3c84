//! `backup restore`: has ocsd make the data directory of a node on this machine from a file, with the node stopped.
//!
//! Decides nothing: ocsd checks the file, the directory and their owner, and reports faults.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Command,
};

use store::Archive;

use crate::{
    backup::{self, View},
    cli::BackupRestoreArgs,
    failure::{self, Failure},
    print::Out,
    programs::{OCSD, beside},
};

const NEXT: &str = "the data directory is made. Start this node; it leads alone. Then start the others with empty data directories, \
                    without --bootstrap: the group becomes whole by itself (`ocsctl status`)";

/// Runs ocsd to its end.
pub(crate) fn run(out: Out, args: &BackupRestoreArgs) -> Result<(), Failure> {
    backup::refuse_url(&args.file)?;
    let file = File::open(&args.file).map_err(|error| Failure::file(&args.file, error))?;
    let archive = Archive::open(file).map_err(|error| Failure::file(&args.file, error))?;
    let view = View::new(&args.file, archive.head());
    let program = args.ocsd.clone().unwrap_or_else(|| beside(OCSD).unwrap_or_else(|| PathBuf::from(OCSD)));
    let ran = command(&program, args).status();
    let ran = ran.map_err(|error| Failure::Usage(format!("cannot run {}: {error}; see --ocsd", program.display())))?;
    match ran.code() {
        Some(0) => out.show(&view, |view| format!("{}\n{NEXT}", view.table())),
        Some(code) if code == i32::from(failure::USAGE) => {
            Err(Failure::Usage("nothing was restored: ocsd says why above".to_owned()))
        }
        _ => Err(Failure::Refused("the backup was not restored: ocsd says why above".to_owned())),
    }
}

fn command(program: &Path, args: &BackupRestoreArgs) -> Command {
    let mut command = Command::new(program);
    command.arg("--config").arg(&args.config).arg("--restore").arg(&args.file);
    for pair in &args.set {
        command.args(["--set", pair]);
    }
    if let Some(epoch) = args.epoch {
        command.args(["--restore-epoch", &epoch.to_string()]);
    }
    command
}
