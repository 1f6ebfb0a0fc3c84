//! The command line of `completions` and `man`, and of `--color`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Whether results for a person have colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set or the terminal is dumb.
    #[default]
    Auto,
    /// In files and pipes too.
    Always,
    /// Nowhere.
    Never,
}

/// See [`ColorWhen`].
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct ColorArg {
    /// When to colour roles and faults [default: auto: on a terminal, unless NO_COLOR is set]
    #[arg(long, value_enum, value_name = "WHEN", global = true)]
    pub(crate) color: Option<ColorWhen>,
}

/// `completions`
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

/// See [`CompletionsArgs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// GNU Bash.
    Bash,
    /// Z shell.
    Zsh,
    /// fish.
    Fish,
}

/// `man`
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// The directory, made where absent: ocsctl.1, and a page for each verb; pages of these names are replaced
    pub(crate) directory: PathBuf,
}
