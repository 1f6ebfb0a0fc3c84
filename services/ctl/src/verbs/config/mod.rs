//! `config show`, `config diff` and `config check`: the configuration of nodes. Never changes anything.

mod check;
mod diff;
mod show;

use std::time::Duration;

use futures::future::join_all;
use ocs_proto::control::{ShowConfigReply, ShowConfigRequest};

use crate::{
    cli::{ConfigVerb, FormatArg},
    cluster::{Cluster, Node},
    failure::Failure,
    group,
    print::Out,
};

pub(crate) use self::check::run as check;

/// A node reads files only.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The verbs that ask nodes.
pub(crate) async fn run(cluster: &Cluster, before: FormatArg, verb: ConfigVerb) -> Result<(), Failure> {
    match verb {
        ConfigVerb::Show(args) => show::run(cluster, Out::new(before, args.format), &args).await,
        ConfigVerb::Diff(args) => diff::run(cluster, Out::new(before, args.format), &args).await,
        ConfigVerb::Check(args) => check(Out::new(before, args.format), &args),
    }
}

/// The answers of the nodes, in the order of the command line, and the first failure.
struct Answers {
    replies: Vec<ShowConfigReply>,
    failure: Option<Failure>,
}

/// Asks the named node, else every node.
async fn ask(cluster: &Cluster, node: Option<&str>) -> Result<Answers, Failure> {
    let nodes = match node {
        Some(name) => vec![group::node_named(cluster, name).await?],
        None => cluster.nodes().iter().collect(),
    };
    let answers = join_all(nodes.iter().map(|node| ask_one(cluster, node))).await;
    let (mut replies, mut failure) = (Vec::new(), None);
    for answer in answers {
        match answer {
            Ok(reply) => replies.push(reply),
            Err(why) => failure = failure.or(Some(why)),
        }
    }
    Ok(Answers { replies, failure })
}

async fn ask_one(cluster: &Cluster, node: &Node) -> Result<ShowConfigReply, Failure> {
    let limit = cluster.timeout_or(TIMEOUT);
    node.call(limit, |mut client| async move { Ok(client.show_config(ShowConfigRequest {}).await?.into_inner()) })
        .await
        .map_err(|error| error.into_failure(&node.address))
}

/// A value for a program; null: the key has no value. A text that is no JSON stays a text.
fn json(value: &str) -> serde_json::Value {
    if value.is_empty() {
        return serde_json::Value::Null;
    }
    serde_json::from_str(value).unwrap_or_else(|_| value.into())
}

/// A value for a person.
fn shown(value: &str) -> String {
    if value.is_empty() { "-".to_owned() } else { value.to_owned() }
}
