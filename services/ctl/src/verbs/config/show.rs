//! `config show`: the configuration in use, key by key, with the source of each value. The nodes mask secrets.

use ocs_proto::control::{ConfigKey, ShowConfigReply};
use serde::Serialize;
use serde_json::Value;

use super::{Answers, ask, json, shown};
use crate::{
    cli::ConfigShowArgs,
    cluster::Cluster,
    failure::Failure,
    print::{self, Out},
};

/// The source of a value that stands in no file, variable or command line.
const DEFAULT: &str = "default";

#[derive(Debug, Serialize)]
struct View {
    node: String,
    /// `data` or `witness`.
    kind: &'static str,
    /// None: environment and command line have all keys.
    file: Option<String>,
    keys: Vec<Key>,
}

#[derive(Debug, Serialize)]
struct Key {
    key: String,
    value: Value,
    /// `default`, `file`, `environment` or `command line`.
    source: String,
    /// As the node writes it.
    #[serde(skip)]
    text: String,
}

/// Fails where a node does not answer; the others are shown all the same.
pub(super) async fn run(cluster: &Cluster, out: Out, args: &ConfigShowArgs) -> Result<(), Failure> {
    let Answers { replies, failure } = ask(cluster, args.node.as_deref()).await?;
    let views: Vec<View> = replies.into_iter().map(|reply| view(reply, args.given)).collect();
    if !views.is_empty() {
        out.show(&views, |views| views.iter().map(text).collect::<Vec<_>>().join("\n\n"))?;
    }
    failure.map_or(Ok(()), Err)
}

fn view(reply: ShowConfigReply, given: bool) -> View {
    let keys = reply.keys.into_iter().filter(|key| !given || key.source != DEFAULT);
    View {
        node: reply.node,
        kind: if reply.witness { "witness" } else { "data" },
        file: Some(reply.file).filter(|file| !file.is_empty()),
        keys: keys.map(key).collect(),
    }
}

fn key(key: ConfigKey) -> Key {
    let ConfigKey { key, value, source } = key;
    Key { key, value: json(&value), source, text: value }
}

fn text(view: &View) -> String {
    let file = view.file.as_deref().unwrap_or("no file");
    let head = format!("{} ({} node), {}", print::visible(&view.node), view.kind, print::visible(file));
    let row = |key: &Key| [key.key.clone(), key.source.clone(), shown(&key.text)];
    format!("{head}\n{}", print::table(&["key", "source", "value"], view.keys.iter().map(row)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply() -> ShowConfigReply {
        let key = |key: &str, value: &str, source: &str| ConfigKey {
            key: key.into(),
            value: value.into(),
            source: source.into(),
        };
        ShowConfigReply {
            node: "a".into(),
            file: "/etc/ocs/a.toml".into(),
            keys: vec![
                key("http_proxy.program", "", "default"),
                key("limits.hold_time_ms", "4000", "file"),
                key("otlp.endpoint", "\"http://***@h:1\"", "environment"),
            ],
            ..ShowConfigReply::default()
        }
    }

    #[test]
    fn each_key_has_its_value_and_source_and_a_program_gets_values_as_values() {
        let all = view(reply(), false);
        let shown = text(&all);
        assert!(shown.starts_with("a (data node), /etc/ocs/a.toml\nKEY"), "{shown}");
        for line in ["limits.hold_time_ms  file         4000", "http_proxy.program   default      -"] {
            assert!(shown.contains(line), "{line}: {shown}");
        }
        let json = serde_json::to_value(&all).unwrap();
        let values: Vec<_> = (0..3).map(|place| json["keys"][place]["value"].clone()).collect();
        assert_eq!(values, [Value::Null, 4000.into(), "http://***@h:1".into()]);
        assert!(json["keys"][0].get("text").is_none());
    }

    #[test]
    fn given_keys_are_those_that_have_another_source_than_the_default() {
        let keys: Vec<_> = view(reply(), true).keys.into_iter().map(|key| key.key).collect();
        assert_eq!(keys, ["limits.hold_time_ms", "otlp.endpoint"]);
        let nowhere = ShowConfigReply { file: String::new(), witness: true, ..reply() };
        assert!(text(&view(nowhere, true)).starts_with("a (witness node), no file\n"));
    }
}
