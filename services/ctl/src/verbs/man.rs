//! `man`: man pages of the program and of every verb. Asks no node, and leaves other files of the directory alone.

use std::{fs, path::Path};

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use crate::{
    cli::{Cli, ManArgs},
    failure::Failure,
    print,
};

/// Writes the pages, and says how many.
pub(crate) fn run(args: &ManArgs) -> Result<(), Failure> {
    let written = write_all(&args.directory)?;
    print::line(&format!("{}: {written} man pages written, ocsctl.1 first", args.directory.display()))
}

fn write_all(directory: &Path) -> Result<usize, Failure> {
    fs::create_dir_all(directory).map_err(|error| Failure::file(directory, error))?;
    let mut root = Cli::command();
    root.build(); // a verb's page shows the options that are the same for all verbs too
    let pages = pages(&root, "ocsctl");
    for (name, text) in &pages {
        let page = directory.join(name);
        fs::write(&page, text).map_err(|error| Failure::file(&page, error))?;
    }
    Ok(pages.len())
}

/// The pages of a command and of the commands below it, by their file names.
fn pages(command: &Command, name: &str) -> Vec<(String, Vec<u8>)> {
    let page = (format!("{name}.1"), page(command));
    let below = command.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help");
    let below = below.flat_map(|verb| pages(verb, &format!("{name}-{}", verb.get_name())));
    std::iter::once(page).chain(below).collect()
}

/// A command that was built knows the words before its own.
fn page(command: &Command) -> Vec<u8> {
    let mut text = Vec::new();
    Man::new(command.clone()).render(&mut text).expect("a vector takes every byte");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names of the pages of all commands below a command.
    fn wanted(command: &Command, name: &str) -> Vec<String> {
        let each = command.get_subcommands().filter(|verb| !verb.is_hide_set());
        let below = each.flat_map(|verb| wanted(verb, &format!("{name}-{}", verb.get_name())));
        std::iter::once(format!("{name}.1")).chain(below).collect()
    }

    #[test]
    fn every_verb_has_a_page_that_names_its_options() {
        let dir = tempfile::tempdir().unwrap();
        let pages = wanted(&Cli::command(), "ocsctl");
        assert_eq!(write_all(&dir.path().join("man1")).unwrap(), pages.len());
        for page in &pages {
            let text = fs::read_to_string(dir.path().join("man1").join(page))
                .unwrap_or_else(|error| panic!("{page}: {error}"));
            assert!(text.contains(".SH NAME") && text.contains(".SH SYNOPSIS"), "{page}: {text}");
            assert!(text.contains("\\-\\-endpoints"), "{page}: {text}");
        }
        let status = fs::read_to_string(dir.path().join("man1/ocsctl-status.1")).unwrap();
        for part in ["\\-\\-watch", "ocsctl\\-status", "OCSCTL_CA"] {
            assert!(status.contains(part), "{part}: {status}");
        }
    }
}
