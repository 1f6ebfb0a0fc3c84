//! The keys in which two configurations differ. Never shows a value: a value may be a secret.

use std::collections::BTreeSet;

use figment::value::{Dict, Value};
use serde::Serialize;

/// The keys that have another value in `now` than in `before`, or that only one of the two has, in order. A list is one key.
pub fn changed_keys<T: Serialize>(before: &T, now: &T) -> Vec<String> {
    let mut changed = BTreeSet::new();
    compare("", &values(before), &values(now), &mut changed);
    changed.into_iter().collect()
}

fn values(config: &impl Serialize) -> Value {
    Value::serialize(config).expect("a configuration that was read can be written")
}

fn compare(key: &str, before: &Value, now: &Value, changed: &mut BTreeSet<String>) {
    match (before, now) {
        (Value::Dict(_, before), Value::Dict(_, now)) => {
            for name in before.keys().chain(now.keys()) {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                compare_at(&key, name, (before, now), changed);
            }
        }
        _ if before != now => drop(changed.insert(key.to_owned())),
        _ => {}
    }
}

/// Compares the values of one name; a name that only one side has is a change of all its keys.
fn compare_at(key: &str, name: &str, (before, now): (&Dict, &Dict), changed: &mut BTreeSet<String>) {
    match (before.get(name), now.get(name)) {
        (Some(before), Some(now)) => compare(key, before, now, changed),
        (Some(alone), None) | (None, Some(alone)) => match alone {
            Value::Dict(_, inner) => {
                let nothing = Dict::new();
                for name in inner.keys() {
                    compare_at(&format!("{key}.{name}"), name, (inner, &nothing), changed);
                }
            }
            _ => drop(changed.insert(key.to_owned())),
        },
        (None, None) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Serialize, Clone)]
    struct Inner {
        listen: String,
        headers: BTreeMap<String, String>,
        files: Option<BTreeMap<String, String>>,
    }

    #[derive(Serialize, Clone)]
    struct Outer {
        name: String,
        nodes: Vec<u32>,
        http: Inner,
    }

    fn outer() -> Outer {
        let headers = BTreeMap::from([("X-A".to_owned(), "1".to_owned())]);
        Outer { name: "a".into(), nodes: vec![1, 2], http: Inner { listen: ":1".into(), headers, files: None } }
    }

    #[test]
    fn the_keys_that_differ_are_named_and_no_other() {
        let before = outer();
        assert_eq!(changed_keys(&before, &before.clone()), Vec::<String>::new());
        let mut now = before.clone();
        (now.nodes, now.http.listen) = (vec![1, 3], ":2".into());
        assert_eq!(changed_keys(&before, &now), ["http.listen", "nodes"]);
        let mut now = before.clone();
        now.http.headers = BTreeMap::from([("X-B".to_owned(), "1".to_owned())]);
        now.http.files = Some(BTreeMap::from([("key".to_owned(), "k".to_owned())]));
        let all = changed_keys(&before, &now);
        assert!(all.iter().any(|key| key.starts_with("http.files")), "{all:?}");
        assert!(["http.headers.X-A", "http.headers.X-B"].iter().all(|key| all.contains(&(*key).to_owned())), "{all:?}");
        assert_eq!(changed_keys(&now, &before), all, "either way");
    }
}
