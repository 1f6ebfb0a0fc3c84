//! `tls reload`: a node or every node reads its certificates again. Never sends a certificate: the files are on the nodes' machines.

use std::time::Duration;

use futures::future::join_all;
use ocs_proto::control::{CertificateInfo, TlsReloadReply, TlsReloadRequest};
use serde::Serialize;

use crate::{
    call::CallError,
    cli::TlsReloadArgs,
    cluster::{Cluster, Node},
    failure::Failure,
    group,
    print::{self, Out},
};

/// Longer than a node waits for its HTTP Proxy.
const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, Serialize)]
struct View {
    nodes: Vec<NodeView>,
}

#[derive(Debug, Serialize)]
struct NodeView {
    node: String,
    endpoint: String,
    /// None: the node answered.
    error: Option<String>,
    certificates: Vec<CertificateView>,
}

#[derive(Debug, Serialize)]
struct CertificateView {
    usage: String,
    file: String,
    /// RFC 3339; empty: not known.
    ends: String,
    changed: bool,
    /// Why the files are not in use; none: they are.
    kept_because: Option<String>,
}

/// Asks the named node, or every node; fails if a node does not answer or keeps a former certificate.
pub(crate) async fn run(cluster: &Cluster, out: Out, args: &TlsReloadArgs) -> Result<(), Failure> {
    let asked: Vec<&Node> = match &args.node {
        Some(name) => vec![group::node_named(cluster, name).await?],
        None => cluster.nodes().iter().collect(),
    };
    let answers = join_all(asked.iter().map(|node| ask(cluster, node))).await;
    let nodes: Vec<NodeView> = asked.iter().zip(&answers).map(|(node, answer)| view(node, answer)).collect();
    let view = View { nodes };
    out.show(&view, table)?;
    let silent = asked.into_iter().zip(answers).find_map(|(node, answer)| Some((node, answer.err()?)));
    if let Some((node, error)) = silent {
        return Err(error.into_failure(&node.address));
    }
    kept(&view).map_or(Ok(()), |line| Err(Failure::Refused(line)))
}

async fn ask(cluster: &Cluster, node: &Node) -> Result<TlsReloadReply, CallError> {
    let limit = cluster.timeout_or(TIMEOUT);
    node.call(limit, |mut client| async move { Ok(client.tls_reload(TlsReloadRequest {}).await?.into_inner()) }).await
}

fn view(node: &Node, answer: &Result<TlsReloadReply, CallError>) -> NodeView {
    let (name, certificates) = match answer {
        Ok(reply) => (reply.node.clone(), reply.certificates.iter().map(certificate).collect()),
        Err(_) => (node.address.clone(), Vec::new()),
    };
    let error = answer.as_ref().err().map(ToString::to_string);
    NodeView { node: name, endpoint: node.address.clone(), error, certificates }
}

fn certificate(info: &CertificateInfo) -> CertificateView {
    let ends = Some(info.not_after_s).filter(|end| *end > 0).map(print::time_s).unwrap_or_default();
    CertificateView {
        usage: info.usage.clone(),
        file: info.file.clone(),
        ends,
        changed: info.changed,
        kept_because: Some(info.fault.clone()).filter(|fault| !fault.is_empty()),
    }
}

/// The first certificate that was kept, and how many more.
fn kept(view: &View) -> Option<String> {
    let of_node = |node: &NodeView| {
        let kept = node.certificates.iter().filter_map(|one| Some((one.usage.clone(), one.kept_because.clone()?)));
        kept.map(|(usage, why)| format!("{}: the certificate for {usage} was kept: {why}", node.node))
            .collect::<Vec<_>>()
    };
    let lines: Vec<String> = view.nodes.iter().flat_map(of_node).collect();
    let (first, others) = lines.split_first()?;
    Some(if others.is_empty() { first.clone() } else { format!("{first} (and {} more)", others.len()) })
}

fn table(view: &View) -> String {
    let row = |node: &NodeView, one: &CertificateView| {
        let result = match (&one.kept_because, one.changed) {
            (Some(why), _) => format!("kept: {why}"),
            (None, true) => "changed".to_owned(),
            (None, false) => "unchanged".to_owned(),
        };
        [node.node.clone(), one.usage.clone(), one.ends.clone(), result]
    };
    let rows_of = |node: &NodeView| -> Vec<[String; 4]> {
        let nothing = |text: &str| vec![[node.node.clone(), "-".to_owned(), "-".to_owned(), text.to_owned()]];
        match &node.error {
            Some(error) => nothing(error),
            None if node.certificates.is_empty() => nothing("no certificates"),
            None => node.certificates.iter().map(|one| row(node, one)).collect(),
        }
    };
    print::table(&["node", "use", "ends", "result"], view.nodes.iter().flat_map(rows_of))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(usage: &str, fault: &str, changed: bool) -> CertificateView {
        let (usage, file, fault) = (usage.to_owned(), "a.pem".to_owned(), fault.to_owned());
        certificate(&CertificateInfo { usage, file, not_after_s: 2_000_000_000, fault, changed })
    }

    #[test]
    fn each_certificate_is_a_row_and_the_first_that_was_kept_is_the_fault() {
        let certificates =
            vec![info("peer", "", true), info("http", "a.key: half a file", false), info("admin", "", false)];
        let (node, endpoint) = ("a".to_owned(), "h:1".to_owned());
        let view = View { nodes: vec![NodeView { node, endpoint, error: None, certificates }] };
        let shown = table(&view);
        for part in ["peer", "2033-05-18T03:33:20Z", "changed", "kept: a.key: half a file", "unchanged"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert_eq!(kept(&view).unwrap(), "a: the certificate for http was kept: a.key: half a file");
        let fine = vec![info("peer", "", false)];
        let nodes = vec![NodeView { node: "a".into(), endpoint: "h:1".into(), error: None, certificates: fine }];
        assert_eq!(kept(&View { nodes }), None);
    }
}
