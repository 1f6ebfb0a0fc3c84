//! Reads the command line, and shows the usage of a verb after a mistake.
//!
//! Options that have a default or come from the environment are never shown as required. Never acts. Called by `main`.

use std::{borrow::Cow, ffi::OsString};

use chassis::visible::visible_lines;
use clap::{
    CommandFactory, FromArgMatches,
    builder::StyledStr,
    error::{ContextKind, ContextValue, Error},
};

use crate::{cli::Cli, failure::Failure, print::colour};

/// Whether the words ask for results as JSON, also where they make no sense otherwise.
pub(crate) fn wants_json(words: &[OsString]) -> bool {
    const NAMES: [&str; 3] = ["-o", "--format", "--report"];
    let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    let apart = words.windows(2).any(|pair| NAMES.contains(&pair[0]) && pair[1] == "json");
    let joined = |word: &&str| matches!(*word, "-ojson" | "-o=json" | "--format=json" | "--report=json" | "--json");
    apart || words.iter().any(joined)
}

/// Prints help, the version, or a fault of the command line; a word of the command line that would act on a terminal is shown as an
/// escape, and the text then has no colours.
pub(crate) fn show(text: &Error) {
    let plain = text.to_string();
    match visible_lines(&plain) {
        Cow::Owned(shown) if text.use_stderr() => eprintln!("{}", shown.trim_end()),
        _ => drop(text.print()), // a lost terminal takes no message
    }
}

/// A fault of the command line without the usage below it.
pub(crate) fn failure(fault: &Error) -> Failure {
    let text = fault.to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let lines: Vec<&str> = first.trim_start_matches("error: ").lines().map(str::trim).collect();
    Failure::Usage(lines.join(" "))
}

/// Parses words, the name of the program first.
///
/// # Errors
/// The text to print instead: help, the version, or the fault.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Cli, Error> {
    let words: Vec<OsString> = words.into_iter().collect();
    let command = Cli::command().color(colour::of_words(&words));
    let parsed = command.try_get_matches_from(&words).and_then(|matches| Cli::from_arg_matches(&matches));
    parsed.map_err(|error| with_usage_of_verb(error, &words))
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
    fn json_is_asked_for_in_every_spelling_of_the_option() {
        let asked = |words: &str| wants_json(&words.split(' ').map(OsString::from).collect::<Vec<_>>());
        for words in [
            "status -o json",
            "-o json status",
            "status -ojson",
            "status --format=json",
            "drill --report json",
            "bench --json",
        ] {
            assert!(asked(words), "{words}");
        }
        assert!(!asked("status -o table") && !asked("list show json"));
    }

    #[test]
    fn a_fault_of_the_command_line_is_one_sentence_for_a_program() {
        let fault = parse(["ocsctl", "settings", "set"].map(OsString::from)).map(|_| ()).unwrap_err();
        let said = failure(&fault).to_string();
        assert!(
            said.contains("required arguments were not provided: <KEY=VALUE>") && !said.contains("Usage"),
            "{said}"
        );
    }

    #[test]
    fn a_required_option_is_still_shown() {
        let told = refused(&["replay", "x.jsonl"]);
        assert!(told.contains("Usage: ocsctl replay [OPTIONS] --list <LIST> <FILE>"), "{told}");
    }
}
