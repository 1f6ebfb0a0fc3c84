//! `ShowConfig`: the configuration of this node in the words of the wire. Never reads a file: [`crate::upkeep`] does. Called by the
//! control API.

use chassis::config::Value;
use node_config::ShownKey;
use ocs_proto::control::{ConfigKey, PendingKey, ShowConfigReply};

use crate::upkeep::{Pending, ShownConfig, Upkeep};

/// The configuration in use, and the difference to its sources.
pub(super) async fn show(upkeep: &Upkeep, node: &str) -> ShowConfigReply {
    let ShownConfig { witness, file, keys, pending, faults } = upkeep.shown().await;
    ShowConfigReply {
        node: node.to_owned(),
        witness,
        file: file.map(|file| file.display().to_string()).unwrap_or_default(),
        keys: keys.into_iter().map(key).collect(),
        pending: pending.into_iter().map(pending_key).collect(),
        faults,
    }
}

fn key(shown: ShownKey) -> ConfigKey {
    ConfigKey { value: json(shown.value.as_ref()), source: shown.source.word().to_owned(), key: shown.key }
}

fn pending_key(pending: Pending) -> PendingKey {
    PendingKey {
        in_use: json(pending.in_use.as_ref()),
        next: json(pending.next.as_ref()),
        needs: pending.needs.into_iter().map(str::to_owned).collect(),
        key: pending.key,
    }
}

/// A value as JSON; empty: no value.
fn json(value: Option<&Value>) -> String {
    value.and_then(|value| serde_json::to_string(value).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_travels_as_json_and_no_value_as_nothing() {
        for (value, text) in [
            (Value::from("a \"b\""), r#""a \"b\"""#),
            (Value::from(5000_u64), "5000"),
            (Value::from(0.01_f64), "0.01"),
            (Value::from(true), "true"),
            (Value::from(vec!["x", "y"]), r#"["x","y"]"#),
        ] {
            assert_eq!(json(Some(&value)), text);
        }
        assert_eq!(json(None), "");
    }
}
