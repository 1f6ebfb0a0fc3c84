//! The configuration as an operator sees it: every key with its value and the source of the value, without secrets.
//!
//! Never shows a secret: a key that names one, and the user of a URL, are masked. The paths of secret files are no secrets.

use std::collections::BTreeMap;

use chassis::config::{Source, Value, values_by_key};

use super::Config;

/// In place of a secret.
const MASK: &str = "***";
/// Parts of the names of keys whose values are secrets.
const SECRET_WORDS: [&str; 6] = ["secret", "password", "passphrase", "token", "credential", "authorization"];
/// The end of the name of a key whose value is a path.
const FILE: &str = "_file";

/// A key of the configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownKey {
    /// As in `limits.hold_time_ms`.
    pub key: String,
    /// The value, secrets masked; none: the key has no value.
    pub value: Option<Value>,
    /// Where the value comes from.
    pub source: Source,
}

impl Config {
    /// Every key, in order.
    pub fn shown(&self) -> Vec<ShownKey> {
        let shown = |(key, value): (String, Option<Value>)| {
            let source = self.sources.of_key(&key);
            ShownKey { key, value, source }
        };
        self.shown_values().into_iter().map(shown).collect()
    }

    /// The values of all keys, secrets masked; none: a key without a value.
    pub fn shown_values(&self) -> BTreeMap<String, Option<Value>> {
        let shown = |(key, value): (String, Value)| {
            let name = key.rsplit('.').next().unwrap_or_default();
            let value = Some(value).filter(|value| !matches!(value, Value::Empty(..))).map(|value| masked(name, value));
            (key, value)
        };
        values_by_key(self).into_iter().map(shown).collect()
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    !name.ends_with(FILE) && SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// The value of the key of this name, without its secrets.
fn masked(name: &str, value: Value) -> Value {
    if is_secret(name) {
        return Value::from(MASK);
    }
    match value {
        Value::String(tag, text) => Value::String(tag, without_user(&text)),
        Value::Array(tag, values) => Value::Array(tag, values.into_iter().map(|value| masked(name, value)).collect()),
        Value::Dict(tag, keys) => {
            let inner = keys.into_iter().map(|(name, value)| {
                let value = masked(&name, value);
                (name, value)
            });
            Value::Dict(tag, inner.collect())
        }
        other => other,
    }
}

/// A URL without its user and password; any other text unchanged.
fn without_user(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let end = rest.find('/').unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://{MASK}{}", &rest[at..]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Args, tests::good};

    fn value(config: &Config, key: &str) -> Option<Value> {
        config.shown_values().remove(key).unwrap_or_else(|| panic!("there is no key {key}"))
    }

    #[test]
    fn a_secret_is_masked_and_the_path_of_a_secret_is_not() {
        let mut config = good();
        config.otlp.endpoint = "https://maria:pass@collector.example.com:4317/v1".into();
        config.peer.secret_file = Some("/etc/ocs/peer.secret".into());
        let headers = &mut config.http_proxy.http_custom_headers;
        headers.insert("X-Access-Token".into(), "ocs_1".into());
        headers.insert("X-Frame-Options".into(), "DENY".into());
        for (key, shown) in [
            ("otlp.endpoint", "https://***@collector.example.com:4317/v1"),
            ("peer.secret_file", "/etc/ocs/peer.secret"),
            ("http_proxy.http_custom_headers.X-Access-Token", "***"),
            ("http_proxy.http_custom_headers.X-Frame-Options", "DENY"),
            ("http_proxy.listen", "127.0.0.1:8080"),
        ] {
            assert_eq!(value(&config, key), Some(Value::from(shown)), "{key}");
        }
        let shown = format!("{:?}", config.shown());
        assert!(!shown.contains("maria") && !shown.contains("ocs_1"), "{shown}");
        assert_eq!(value(&config, "http_proxy.program"), None, "a key without a value");
    }

    #[test]
    fn a_list_is_one_key_whose_parts_are_masked_too() {
        let inner = [("url".to_owned(), Value::from("http://u@h/x")), ("api_token".to_owned(), Value::from("t"))];
        let list = Value::from(vec![Value::from(std::collections::BTreeMap::from(inner))]);
        let shown = format!("{:?}", masked("hooks", list));
        assert!(shown.contains("http://***@h/x") && !shown.contains("\"t\""), "{shown}");
        assert!(good().shown().iter().any(|key| key.key == "cluster.nodes"));
    }

    #[test]
    fn each_value_has_its_source() {
        let args = Args { set: vec!["limits.hold_time_ms=4000".to_owned()], ..Args::default() };
        let shown = Config::load(&args).unwrap().shown();
        let source = |key: &str| shown.iter().find(|shown| shown.key == key).map(|shown| shown.source);
        assert_eq!(source("limits.hold_time_ms"), Some(Source::CommandLine));
        assert_eq!(source("limits.deadline_ms"), Some(Source::Default));
    }
}
