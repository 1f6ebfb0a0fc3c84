//! `config diff`: the keys in which the nodes' configurations differ, and the changes that a reload, another HTTP Proxy or a restart
//! of each node would bring. Keys of which each node has a value of its own are left out, and named.

use std::collections::{BTreeMap, BTreeSet};

use ocs_proto::control::{PendingKey, ShowConfigReply};
use serde::Serialize;
use serde_json::Value;

use super::{Answers, ask, json, shown};
use crate::{
    cli::ConfigDiffArgs,
    cluster::Cluster,
    failure::Failure,
    print::{self, Out},
};

/// Keys of which each node has a value of its own: its name, its directory, its addresses, its certificates.
const OF_EACH_NODE: [&str; 14] = [
    "node.name",
    "node.data_dir",
    "peer.listen",
    "peer.tls.certificate",
    "peer.tls.key",
    "control.listen",
    "control.tls.certificate",
    "control.tls.key",
    "admin.listen",
    "admin.tls.certificate",
    "admin.tls.key",
    "health.listen",
    "http_proxy.tls_certificate",
    "http_proxy.tls_key",
];
/// The address of HTTP Proxy, and the list of its ports, whose further keys are compared.
const HTTP_LISTEN: &str = "http_proxy.listen";
const HTTP_PORTS: &str = "http_proxy.listeners";
/// Keys of a port of which each node has a value of its own.
const OF_EACH_PORT: [&str; 3] = ["listen", "tls_certificate", "tls_key"];
/// Sections that are the same on all nodes.
const OF_THE_GROUP: [&str; 2] = ["cluster.", "raft."];
/// Keys that a witness ignores.
const OF_DATA_NODES: [&str; 6] = ["http_proxy.", "store.", "backup.", "otlp.", "rules.", "limits.hold_"];

#[derive(Debug, Serialize)]
struct View {
    /// The nodes that answered.
    nodes: Vec<String>,
    between_nodes: Vec<Difference>,
    /// Keys that differ, as each node has a value of its own.
    left_out: Vec<String>,
    on_disk: Vec<OnDisk>,
    faults: Vec<Fault>,
}

/// A key of which not all nodes have the same value.
#[derive(Debug, Serialize)]
struct Difference {
    key: String,
    /// The nodes of a group need the same value.
    must_be_equal: bool,
    values: BTreeMap<String, Value>,
    /// As the nodes write them.
    #[serde(skip)]
    texts: BTreeMap<String, String>,
}

/// A key whose value in use differs from the node's file, environment and command line.
#[derive(Debug, Serialize)]
struct OnDisk {
    node: String,
    key: String,
    in_use: Value,
    next: Value,
    /// The orders that take the next value into use: `reload`, `proxy restart`, `restart`.
    needs: Vec<String>,
    #[serde(skip)]
    text: String,
}

#[derive(Debug, Serialize)]
struct Fault {
    node: String,
    fault: String,
}

/// Fails where a node does not answer; the others are compared all the same.
pub(super) async fn run(cluster: &Cluster, out: Out, args: &ConfigDiffArgs) -> Result<(), Failure> {
    let Answers { replies, failure } = ask(cluster, None).await?;
    if replies.is_empty() {
        let silent = || Failure::Unreachable("no node answers".to_owned());
        return Err(failure.unwrap_or_else(silent));
    }
    let view = view(replies, args.all);
    out.show(&view, text)?;
    if let Some(failure) = failure {
        return Err(failure);
    }
    let differs = !view.between_nodes.is_empty() || !view.on_disk.is_empty() || !view.faults.is_empty();
    if args.exit_code && differs {
        return Err(Failure::Refused("the configurations differ".to_owned()));
    }
    Ok(())
}

fn view(replies: Vec<ShowConfigReply>, all: bool) -> View {
    let (left_out, between_nodes) = differences(&replies).into_iter().partition(|one| !all && is_own(&one.key));
    let on_disk = |reply: &ShowConfigReply| {
        let node = reply.node.clone();
        reply.pending.iter().map(move |pending| pending_key(&node, pending)).collect::<Vec<_>>()
    };
    let faults = |reply: &ShowConfigReply| {
        let node = reply.node.clone();
        reply.faults.iter().map(move |fault| Fault { node: node.clone(), fault: fault.clone() }).collect::<Vec<_>>()
    };
    let left_out: Vec<Difference> = left_out;
    View {
        nodes: replies.iter().map(|reply| reply.node.clone()).collect(),
        between_nodes,
        left_out: left_out.into_iter().map(|one| one.key).collect(),
        on_disk: replies.iter().flat_map(on_disk).collect(),
        faults: replies.iter().flat_map(faults).collect(),
    }
}

fn is_own(key: &str) -> bool {
    key == HTTP_LISTEN || OF_EACH_NODE.contains(&key)
}

/// Every key with different values among the nodes that heed the key. Of the ports of HTTP Proxy, addresses and certificates are not
/// compared.
fn differences(replies: &[ShowConfigReply]) -> Vec<Difference> {
    let keys: BTreeSet<&str> = replies.iter().flat_map(|reply| &reply.keys).map(|key| key.key.as_str()).collect();
    let difference = |key: &str| {
        let data_nodes_alone = OF_DATA_NODES.iter().any(|section| key.starts_with(section));
        let heeding: Vec<_> = replies.iter().filter(|reply| !(data_nodes_alone && reply.witness)).collect();
        let texts: BTreeMap<String, String> =
            heeding.iter().map(|reply| (reply.node.clone(), value_of(reply, key))).collect();
        let compared: BTreeSet<String> = texts.values().map(|text| comparable(key, text)).collect();
        (compared.len() > 1).then(|| Difference {
            must_be_equal: OF_THE_GROUP.iter().any(|section| key.starts_with(section)),
            values: texts.iter().map(|(node, text)| (node.clone(), json(text))).collect(),
            texts,
            key: key.to_owned(),
        })
    };
    keys.into_iter().filter_map(difference).collect()
}

fn value_of(reply: &ShowConfigReply, key: &str) -> String {
    reply.keys.iter().find(|known| known.key == key).map(|known| known.value.clone()).unwrap_or_default()
}

/// The part of a value that nodes share.
fn comparable(key: &str, text: &str) -> String {
    if key != HTTP_PORTS {
        return text.to_owned();
    }
    let mut ports = json(text);
    for port in ports.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        OF_EACH_PORT.iter().for_each(|own| drop(port.remove(*own)));
    }
    ports.to_string()
}

fn pending_key(node: &str, pending: &PendingKey) -> OnDisk {
    OnDisk {
        node: node.to_owned(),
        key: pending.key.clone(),
        in_use: json(&pending.in_use),
        next: json(&pending.next),
        needs: pending.needs.clone(),
        text: format!("{} -> {}", shown(&pending.in_use), shown(&pending.next)),
    }
}

fn text(view: &View) -> String {
    let faults = view.faults.iter().map(|one| format!("{}: {}", print::visible(&one.node), print::visible(&one.fault)));
    let parts = [between_nodes(view), on_disk(view), faults.collect::<Vec<_>>().join("\n")];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
}

fn between_nodes(view: &View) -> String {
    let nodes = view.nodes.join(", ");
    let mut text = match (view.between_nodes.is_empty(), view.nodes.as_slice()) {
        (_, [alone]) => format!("{} alone answered: no configurations are compared", print::visible(alone)),
        (true, _) => format!("the configurations in use on {} are the same", print::visible(&nodes)),
        (false, _) => print::table(&["key", "node", "value"], view.between_nodes.iter().flat_map(rows)),
    };
    let wrong: Vec<_> = view.between_nodes.iter().filter(|one| one.must_be_equal).map(|one| one.key.as_str()).collect();
    if !wrong.is_empty() {
        text.push_str(&format!("\nthe nodes of a group need the same: {}", print::paragraph(&wrong.join(", "))));
    }
    if !view.left_out.is_empty() {
        let line = format!("left out, as each node has its own: {} (--all shows them)", view.left_out.join(", "));
        text.push_str(&format!("\n{}", print::paragraph(&line)));
    }
    text
}

fn rows(difference: &Difference) -> Vec<[String; 3]> {
    let row = |(node, text): (&String, &String)| [difference.key.clone(), node.clone(), shown(text)];
    difference.texts.iter().map(row).collect()
}

fn on_disk(view: &View) -> String {
    if view.on_disk.is_empty() {
        return match view.faults.is_empty() {
            true => "each node uses what its file, its environment and its command line say".to_owned(),
            false => String::new(),
        };
    }
    let row = |one: &OnDisk| [one.node.clone(), one.key.clone(), one.needs.join(", then "), one.text.clone()];
    print::table(&["node", "key on disk", "needs", "in use -> on disk"], view.on_disk.iter().map(row))
}

#[cfg(test)]
mod tests {
    use ocs_proto::control::ConfigKey;

    use super::*;

    fn reply(node: &str, keys: &[(&str, &str)]) -> ShowConfigReply {
        let key = |(key, value): &(&str, &str)| ConfigKey {
            key: (*key).to_owned(),
            value: (*value).to_owned(),
            source: "file".to_owned(),
        };
        let keys = keys.iter().map(key).collect();
        ShowConfigReply { node: node.into(), witness: node == "w", keys, ..ShowConfigReply::default() }
    }

    fn keys(differences: &[Difference]) -> Vec<&str> {
        differences.iter().map(|one| one.key.as_str()).collect()
    }

    #[test]
    fn keys_of_each_node_are_left_out_by_name_and_keys_of_the_group_must_be_equal() {
        let of = |node: &str, address: &str, tick: &str, hold: &str| {
            let name = format!("{node:?}");
            reply(
                node,
                &[
                    ("node.name", name.as_str()),
                    ("peer.listen", address),
                    ("raft.tick_ms", tick),
                    ("limits.deadline_ms", hold),
                ],
            )
        };
        let replies = || vec![of("a", "\"h:1\"", "50", "10000"), of("b", "\"h:2\"", "60", "9000")];
        let found = view(replies(), false);
        assert_eq!(keys(&found.between_nodes), ["limits.deadline_ms", "raft.tick_ms"]);
        assert_eq!(found.between_nodes.iter().map(|one| one.must_be_equal).collect::<Vec<_>>(), [false, true]);
        assert_eq!(found.left_out, ["node.name", "peer.listen"]);
        let shown = text(&found);
        for part in ["raft.tick_ms", "the nodes of a group need the same: raft.tick_ms", "left out", "9000"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert_eq!(view(replies(), true).left_out, [""; 0]);
        assert_eq!(view(replies(), true).between_nodes.len(), 4);
    }

    #[test]
    fn a_witness_is_not_compared_in_keys_that_it_ignores() {
        let of = |node: &str, cache: &str| reply(node, &[("store.cache_bytes", cache), ("log.bytes_max", "9")]);
        let same = view(vec![of("a", "5"), of("b", "5"), of("w", "7")], false);
        assert!(same.between_nodes.is_empty(), "{same:?}");
        assert!(text(&same).contains("the configurations in use on a, b, w are the same"));
        let other = view(vec![of("a", "5"), of("b", "6"), of("w", "7")], false);
        assert_eq!(keys(&other.between_nodes), ["store.cache_bytes"]);
        assert_eq!(other.between_nodes[0].values.len(), 2);
        let alone = view(vec![of("a", "5")], false);
        assert!(text(&alone).contains("a alone answered"), "{}", text(&alone));
    }

    #[test]
    fn of_the_ports_of_http_proxy_the_addresses_and_certificates_are_each_nodes_own() {
        let of = |node: &str, asks: &str| {
            let list = format!(
                r#"[{{"listen":"{node}:8443","tls_key":"/{node}.key","tls_certificate":"/{node}.pem","client_certificates":"{asks}"}}]"#
            );
            reply(node, &[("http_proxy.listeners", list.as_str())])
        };
        assert!(view(vec![of("a", "none"), of("b", "none")], false).between_nodes.is_empty());
        let found = view(vec![of("a", "none"), of("b", "required")], false);
        assert_eq!(keys(&found.between_nodes), ["http_proxy.listeners"]);
    }

    #[test]
    fn what_a_file_would_change_is_told_with_the_orders_that_it_needs_and_so_is_a_fault() {
        let pending = |key: &str, needs: &[&str]| PendingKey {
            key: key.into(),
            in_use: "5000".into(),
            next: String::new(),
            needs: needs.iter().map(|need| (*need).to_owned()).collect(),
        };
        let mut a = reply("a", &[]);
        a.pending = vec![
            pending("limits.hold_time_ms", &["restart"]),
            pending("http_proxy.encoding", &["reload", "proxy restart"]),
        ];
        let mut b = reply("b", &[]);
        b.faults = vec!["b.toml, line 3: not TOML".into()];
        let found = view(vec![a, b], false);
        let json = serde_json::to_value(&found).unwrap();
        assert_eq!(json["on_disk"][1]["needs"], serde_json::json!(["reload", "proxy restart"]));
        assert_eq!((&json["on_disk"][0]["in_use"], &json["on_disk"][0]["next"]), (&5000.into(), &Value::Null));
        let flat = text(&found).split_whitespace().collect::<Vec<_>>().join(" ");
        for part in ["reload, then proxy restart", "5000 -> -", "b: b.toml, line 3: not TOML"] {
            assert!(flat.contains(part), "{part}: {flat}");
        }
    }
}
