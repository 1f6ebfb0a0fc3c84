//! `completions`: the script of a shell that completes verbs and options. Asks no node.

use std::io;

use clap::CommandFactory;
use clap_complete::{generate, shells};

use crate::{
    cli::{Cli, CompletionsArgs, Shell},
    failure::Failure,
    print,
};

/// The program's name in the scripts.
const PROGRAM: &str = "ocsctl";

/// Writes the script to standard output.
pub(crate) fn run(args: &CompletionsArgs) -> Result<(), Failure> {
    print::bytes(&script(args.shell))
}

fn script(shell: Shell) -> Vec<u8> {
    let (mut command, mut script) = (Cli::command(), Vec::new());
    let to: &mut dyn io::Write = &mut script;
    match shell {
        Shell::Bash => generate(shells::Bash, &mut command, PROGRAM, to),
        Shell::Zsh => generate(shells::Zsh, &mut command, PROGRAM, to),
        Shell::Fish => generate(shells::Fish, &mut command, PROGRAM, to),
    }
    script
}

#[cfg(test)]
mod tests {
    use clap::Command;

    use super::*;

    /// Names of all commands below a command.
    fn names(command: &Command) -> Vec<String> {
        let each = command.get_subcommands().filter(|verb| !verb.is_hide_set());
        each.flat_map(|verb| [vec![verb.get_name().to_owned()], names(verb)].concat()).collect()
    }

    #[test]
    fn every_verb_is_completed_in_every_shell() {
        let verbs = names(&Cli::command());
        assert!(verbs.len() > 60, "{verbs:?}");
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = String::from_utf8(script(shell)).unwrap();
            for verb in &verbs {
                assert!(script.contains(verb.as_str()), "{shell:?}: {verb}");
            }
            for option in ["endpoints", "context", "color", "watch"] {
                assert!(script.contains(option), "{shell:?}: --{option}");
            }
        }
    }
}
