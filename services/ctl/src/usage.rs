//! Reads the command line, and shows the usage of a verb where it is wrong.
//!
//! Options that have a default or come from the environment are never shown as required. Never acts. Called by `main`.

use std::ffi::OsString;

use clap::{
    CommandFactory, Parser,
    builder::StyledStr,
    error::{ContextKind, ContextValue, Error},
};

use crate::cli::Cli;

/// Parses words, the name of the program first.
///
/// # Errors
/// The text to print instead: help, the version, or the fault.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Cli, Error> {
    let words: Vec<OsString> = words.into_iter().collect();
    Cli::try_parse_from(&words).map_err(|error| with_usage_of_verb(error, &words))
}

/// clap lists every option that has a value as if the verb needed it.
fn with_usage_of_verb(mut error: Error, words: &[OsString]) -> Error {
    if error.get(ContextKind::Usage).is_some() {
        error.insert(ContextKind::Usage, ContextValue::StyledStr(usage_of_verb(words)));
    }
    error
}

fn usage_of_verb(words: &[OsString]) -> StyledStr {
    let mut root = Cli::command();
    root.build();
    let mut verb = &mut root;
    for word in words.iter().skip(1) {
        if verb.find_subcommand(word).is_some() {
            verb = verb.find_subcommand_mut(word).expect("it was found above");
        }
    }
    verb.render_usage()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(words: &[&str]) -> String {
        let words = ["ocsctl"].iter().chain(words).map(OsString::from);
        parse(words).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn usage_shows_no_option_as_required_that_has_a_value_already() {
        let with_value = ["--endpoints", "127.0.0.1:7401"];
        for before in [&[][..], &with_value] {
            let told = refused(&[before, &["settings", "set"]].concat());
            assert!(told.contains("Usage: ocsctl settings set [OPTIONS] <KEY=VALUE>..."), "{told}");
            assert!(told.contains("required arguments") && !told.contains("--endpoints <"), "{told}");
        }
        let told = refused(&["upgrade"]);
        assert!(!told.contains("--endpoints <ENDPOINTS> <COMMAND>"), "{told}");
    }

    #[test]
    fn a_required_option_is_still_shown() {
        let told = refused(&["replay", "x.jsonl"]);
        assert!(told.contains("Usage: ocsctl replay [OPTIONS] --list <LIST> <FILE>"), "{told}");
    }
}
