//! `proxy restart`: another HTTP Proxy in place of the running one, with the present configuration. Never has two nodes without an
//! HTTP Proxy at the same time: the next node is asked once the new one of the last listens.

use std::time::Duration;

use ocs_proto::control::{ProxyRestartReply, ProxyRestartRequest};
use serde::Serialize;

use crate::{
    cli::ProxyRestartArgs,
    cluster::{Cluster, Node},
    failure::Failure,
    group,
    print::{Out, visible},
};

/// Longer than a node's drain timeout and the start of another HTTP Proxy.
const TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug, Serialize)]
struct View {
    node: String,
    http_address: String,
    http_proxy_pid: String,
}

/// Stops at the first node whose new HTTP Proxy does not listen.
pub(crate) async fn run(cluster: &Cluster, out: Out, args: &ProxyRestartArgs) -> Result<(), Failure> {
    let all = group::survey(cluster).await;
    let nodes: Vec<&Node> = match &args.node {
        Some(name) => vec![group::node_named(cluster, name).await?],
        None => all.data_nodes().map(|(seen, _)| seen.node).collect(),
    };
    if nodes.is_empty() {
        return Err(all.no_data_node());
    }
    let mut views = Vec::new();
    for node in nodes {
        views.push(restart(cluster, node).await?);
    }
    out.show(&views, |views| views.iter().map(line).collect::<Vec<_>>().join("\n"))
}

async fn restart(cluster: &Cluster, node: &Node) -> Result<View, Failure> {
    let limit = cluster.timeout_or(TIMEOUT);
    let reply = node
        .call(limit, |mut client| async move { Ok(client.proxy_restart(ProxyRestartRequest {}).await?.into_inner()) })
        .await
        .map_err(|error| error.into_failure(&node.address))?;
    let ProxyRestartReply { done, reason, node, http_address, http_proxy_pid } = reply;
    if !done {
        return Err(Failure::Refused(format!("{node}: {reason}")));
    }
    Ok(View { node, http_address, http_proxy_pid })
}

fn line(view: &View) -> String {
    let [node, address, pid] = [&view.node, &view.http_address, &view.http_proxy_pid].map(|text| visible(text));
    format!("{node}: another HTTP Proxy listens at {address} (process {pid})")
}
