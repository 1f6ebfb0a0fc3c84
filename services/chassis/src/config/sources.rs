//! The source of each value of a configuration, and the values by their keys. Never judges a value, and never hides one: the
//! caller knows its secrets.

use std::collections::BTreeMap;

use figment::{
    Figment, Metadata, Provider,
    value::{Dict, Value},
};
use serde::Serialize;

use super::{COMMAND_LINE, ENVIRONMENT, TOML_FILE};

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Source {
    /// No source names the key.
    #[default]
    Default,
    /// The configuration file.
    File,
    /// A variable of the environment.
    Environment,
    /// The command line.
    CommandLine,
}

impl Source {
    /// For a person and for programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File => "file",
            Self::Environment => "environment",
            Self::CommandLine => "command line",
        }
    }

    fn named(metadata: Option<&Metadata>) -> Self {
        match metadata.map(|metadata| metadata.name.as_ref()) {
            Some(TOML_FILE) => Self::File,
            Some(ENVIRONMENT) => Self::Environment,
            Some(COMMAND_LINE) => Self::CommandLine,
            _ => Self::Default,
        }
    }
}

/// The sources of the values of one configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources(BTreeMap<String, Source>);

impl Sources {
    /// Of everything that was merged.
    pub(super) fn of(figment: &Figment) -> Self {
        let mut sources = BTreeMap::new();
        for keys in figment.data().unwrap_or_default().values() {
            each_leaf("", keys, &mut |key, value| {
                sources.insert(key, Source::named(figment.get_metadata(value.tag())));
            });
        }
        Self(sources)
    }

    /// The source of a key's value.
    pub fn of_key(&self, key: &str) -> Source {
        self.0.get(key).copied().unwrap_or_default()
    }
}

/// Every key of a configuration with its value, as in `limits.hold_time_ms`; a list is one key.
pub fn values_by_key<T: Serialize>(config: &T) -> BTreeMap<String, Value> {
    let whole = Value::serialize(config).expect("a configuration that was read can be written");
    let mut values = BTreeMap::new();
    if let Value::Dict(_, keys) = &whole {
        each_leaf("", keys, &mut |key, value| {
            values.insert(key, value.clone());
        });
    }
    values
}

fn each_leaf(section: &str, keys: &Dict, found: &mut dyn FnMut(String, &Value)) {
    for (name, value) in keys {
        let key = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
        match value {
            Value::Dict(_, inner) => each_leaf(&key, inner, found),
            leaf => found(key, leaf),
        }
    }
}
