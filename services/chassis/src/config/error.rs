//! The fault of a configuration in one line: fault, place, remedy. Called only by the parent module.

use std::path::PathBuf;

use figment::{Error, Source, error::Kind};

use super::{COMMAND_LINE, ENVIRONMENT};

/// Why a configuration is refused. Each error displays as one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file is unreadable.
    #[error("{}: cannot be read: {reason}", file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// The reason, in the system's words.
        reason: String,
    },
    /// The file is not TOML.
    #[error("{}, line {line}: not TOML: {reason}", file.display())]
    Syntax {
        /// Which.
        file: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The parser's words.
        reason: String,
    },
    /// An override of the command line without a key or a value.
    #[error("{COMMAND_LINE}: {pair:?} is not key=value: write it as in peer.listen=127.0.0.1:7301")]
    Pair {
        /// As given.
        pair: String,
    },
    /// An environment variable with the prefix and without a key.
    #[error("{ENVIRONMENT}: {variable} names no key: write {prefix}TABLE__KEY")]
    Variable {
        /// As given.
        variable: String,
        /// The prefix of the process's variables.
        prefix: String,
    },
    /// An unknown key or a bad value.
    #[error("{place}: {reason}")]
    Key {
        /// Source and key, in the notation of the source.
        place: String,
        /// The fault and the remedy.
        reason: String,
    },
}

/// One line from figment's error, the first of several.
pub(super) fn explain(error: Error, env_prefix: &str) -> ConfigError {
    let first = error.into_iter().next().expect("an error has itself");
    let mut path = first.path.clone();
    if let Kind::MissingField(name) = &first.kind {
        path.push(name.to_string());
    }
    ConfigError::Key { place: place(&first, &path, env_prefix), reason: reason(&first.kind) }
}

fn place(error: &Error, path: &[String], env_prefix: &str) -> String {
    let key = path.join(".");
    let Some(metadata) = &error.metadata else { return format!("key {key}") };
    match (&metadata.source, &*metadata.name) {
        (Some(Source::File(file)), _) => format!("{}: key {key}", file.display()),
        (_, ENVIRONMENT) => format!("{ENVIRONMENT}: {env_prefix}{}", path.join("__").to_ascii_uppercase()),
        (_, COMMAND_LINE) => format!("{COMMAND_LINE}: key {key}"),
        _ => format!("key {key}"),
    }
}

fn reason(kind: &Kind) -> String {
    match kind {
        Kind::UnknownField(_, known) => {
            format!("there is no such key: take it out, or use one of {}", known.join(", "))
        }
        Kind::MissingField(_) => "is required and missing: add it".into(),
        Kind::UnknownVariant(given, known) => format!("{given:?} is none of {}", known.join(", ")),
        Kind::InvalidType(given, wanted) if wanted == "a string" => format!("{given} where a string belongs: quote it"),
        Kind::InvalidType(given, wanted) => format!("{given} where {wanted} belongs"),
        Kind::InvalidValue(given, wanted) => format!("{given} is out of range: {wanted} belongs here"),
        other => other.to_string().lines().next().unwrap_or_default().to_owned(),
    }
}
