//! Configuration from four sources: defaults, then the file, then the environment, then the command line.
//!
//! The caller's type is the list of keys; an unknown key is refused with its place. Called by `main` of each binary, before the
//! process binds a socket or opens a file.

mod changed;
mod error;
mod sources;

pub use changed::changed_keys;
pub use error::ConfigError;
pub use figment::value::{Dict, Value};
pub use sources::{Source, Sources, values_by_key};

use std::{fs, path::Path};

use figment::{
    Error, Figment, Metadata, Profile, Provider,
    providers::{Format, Serialized, Toml},
    util::nest,
    value::Map,
};
use serde::{Serialize, de::DeserializeOwned};

/// Name of the command line as a source.
const COMMAND_LINE: &str = "the command line";
/// Name of the environment as a source.
const ENVIRONMENT: &str = "the environment";
/// Name of the file as a source.
const TOML_FILE: &str = "TOML file";

/// A key with a text by default, and another key that takes its place: where a source gives `instead` and none gives `key`, the
/// text of `key` is empty.
#[derive(Debug, Clone, Copy)]
pub struct Alternative {
    /// The key with the default.
    pub key: &'static str,
    /// The other key.
    pub instead: &'static str,
}

/// Reads a configuration, with the source of each value. `env_prefix` ends in `__`, as in `OCS__`: `OCS__PEER__LISTEN` is the key `peer.listen`.
/// `overrides` comes from [`overrides`]. The type should refuse unknown keys (`serde(deny_unknown_fields)`).
///
/// # Errors
/// One line with the fault, its place, and the remedy.
pub fn load<T>(
    file: Option<&Path>,
    env_prefix: &str,
    overrides: Dict,
    alternatives: &[Alternative],
) -> Result<(T, Sources), ConfigError>
where
    T: Default + Serialize + DeserializeOwned,
{
    let environment = std::env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.to_string_lossy().into_owned())));
    load_from(file, env_prefix, environment, overrides, alternatives)
}

/// As [`load`], with the environment given.
fn load_from<T>(
    file: Option<&Path>,
    env_prefix: &str,
    environment: impl IntoIterator<Item = (String, String)>,
    overrides: Dict,
    alternatives: &[Alternative],
) -> Result<(T, Sources), ConfigError>
where
    T: Default + Serialize + DeserializeOwned,
{
    let mut figment = Figment::from(Serialized::defaults(T::default()));
    if let Some(path) = file {
        figment = figment.merge(FileText { path, text: read(path)? });
    }
    let environment = from_environment(env_prefix, environment)?;
    figment = figment.merge(Given { name: ENVIRONMENT, keys: environment });
    figment = figment.merge(Given { name: COMMAND_LINE, keys: overrides });
    for Alternative { key, instead } in alternatives {
        if is_given(&figment, instead) && !is_given(&figment, key) {
            let keys = nest(key, Value::from("")).into_dict().unwrap_or_default();
            figment = figment.merge(Given { name: "the default", keys });
        }
    }
    let config = figment.extract().map_err(|error| error::explain(error, env_prefix))?;
    Ok((config, Sources::of(&figment)))
}

/// Whether a source names a key: its value is not the default.
fn is_given(figment: &Figment, key: &str) -> bool {
    let sources = [TOML_FILE, ENVIRONMENT, COMMAND_LINE];
    figment.find_metadata(key).is_some_and(|source| sources.contains(&source.name.as_ref()))
}

/// Reads `key=value` pairs of the command line, as in `peer.listen=127.0.0.1:7301`. A value that is no TOML is a string.
///
/// # Errors
/// A pair without `=` or with an empty part in its key.
pub fn overrides<'a>(pairs: impl IntoIterator<Item = &'a str>) -> Result<Dict, ConfigError> {
    let mut keys = Dict::new();
    for pair in pairs {
        let wrong = || ConfigError::Pair { pair: pair.to_owned() };
        let (key, value) = pair.split_once('=').ok_or_else(wrong)?;
        if key.split('.').any(|part| part.trim().is_empty()) {
            return Err(wrong());
        }
        insert(&mut keys, key.trim(), value.trim());
    }
    Ok(keys)
}

fn from_environment(prefix: &str, variables: impl IntoIterator<Item = (String, String)>) -> Result<Dict, ConfigError> {
    let mut keys = Dict::new();
    for (variable, value) in variables {
        let Some(rest) = variable.strip_prefix(prefix) else { continue };
        let key = rest.to_ascii_lowercase().split("__").collect::<Vec<_>>().join(".");
        if key.split('.').any(str::is_empty) {
            return Err(ConfigError::Variable { variable, prefix: prefix.to_owned() });
        }
        insert(&mut keys, &key, value.trim());
    }
    Ok(keys)
}

/// Puts `value` under a dotted key; the new value replaces an earlier value, and neighbouring keys stay.
fn insert(keys: &mut Dict, key: &str, value: &str) {
    let value: Value = value.parse().unwrap_or_else(|_: std::convert::Infallible| Value::from(value));
    if let Some(nested) = nest(key, value).into_dict() {
        merge(keys, nested);
    }
}

fn merge(into: &mut Dict, from: Dict) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Dict(_, old)), Value::Dict(_, new)) => merge(old, new),
            (_, value) => drop(into.insert(key, value)),
        }
    }
}

/// Keys from another source than a file.
struct Given {
    name: &'static str,
    keys: Dict,
}

impl Provider for Given {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Ok(Profile::Default.collect(self.keys.clone()))
    }
}

/// The text of a file, read once: a pipe allows no second read.
struct FileText<'a> {
    path: &'a Path,
    text: String,
}

impl Provider for FileText<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::from(TOML_FILE, self.path)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Toml::string(&self.text).data()
    }
}

/// Reads a file, and names the line of the first syntax error; figment's own error spans several lines.
fn read(path: &Path) -> Result<String, ConfigError> {
    let text = fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { file: path.to_owned(), reason: source.to_string() })?;
    let Err(wrong) = toml::from_str::<toml::Table>(&text) else { return Ok(text) };
    let before = text.get(..wrong.span().map_or(0, |span| span.start)).unwrap_or(&text);
    Err(ConfigError::Syntax {
        file: path.to_owned(),
        line: before.matches('\n').count() + 1,
        reason: wrong.message().lines().next().unwrap_or("not TOML").to_owned(),
    })
}

#[cfg(test)]
mod tests;
