//! The rows of a list as a node streams them: one consistent state. Never writes a file. Called by `list export`, and by
//! `replay` and `drill` to read a list.

use std::time::Duration;

use ocs_proto::{
    control::{ExportRequest, ExportRows},
    outbound::ImportRow,
};
use tonic::Streaming;

use crate::{
    call::CallError,
    cluster::{Client, Cluster, Node},
    failure::Failure,
    group,
};

/// How long to look for a node that can answer.
const RETRY_FOR: Duration = Duration::from_secs(15);
/// How long a node may pause between two messages.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(60);

/// An export under way.
#[derive(Debug)]
pub(crate) struct Export {
    /// Names of the columns, in the order of each row's values.
    pub(crate) columns: Vec<String>,
    next: Option<Vec<ImportRow>>,
    stream: Streaming<ExportRows>,
}

impl Export {
    /// Some more rows; none at the end.
    pub(crate) async fn rows(&mut self) -> Result<Option<Vec<ImportRow>>, CallError> {
        match self.next.take() {
            Some(rows) => Ok(Some(rows)),
            None => Ok(message(&mut self.stream).await?.map(|message| message.rows)),
        }
    }
}

async fn message(stream: &mut Streaming<ExportRows>) -> Result<Option<ExportRows>, CallError> {
    let message = tokio::time::timeout(MESSAGE_TIMEOUT, stream.message()).await;
    Ok(message.map_err(|_| CallError::TimedOut)??)
}

/// Begins an export at the named node, or at any that can answer.
pub(crate) async fn begin(
    cluster: &Cluster,
    list: &str,
    columns: &[String],
    node: Option<&str>,
) -> Result<Export, Failure> {
    let request = ExportRequest { list: list.to_owned(), columns: columns.to_vec() };
    let Some(name) = node else {
        return cluster.on_any(RETRY_FOR, |client| open(client, request.clone())).await;
    };
    let group = group::survey(cluster).await;
    let seen = group.required(name)?;
    begin_at(cluster, seen.node, list, columns).await
}

/// Begins an export at one node.
pub(crate) async fn begin_at(
    cluster: &Cluster,
    node: &Node,
    list: &str,
    columns: &[String],
) -> Result<Export, Failure> {
    let request = ExportRequest { list: list.to_owned(), columns: columns.to_vec() };
    let limit = cluster.timeout_or(RETRY_FOR);
    node.call(limit, |client| open(client, request)).await.map_err(|error| error.into_failure(&node.address))
}

async fn open(mut client: Client, request: ExportRequest) -> Result<Export, CallError> {
    let mut stream = client.export(request).await?.into_inner();
    let first = message(&mut stream).await?.ok_or(CallError::Malformed)?;
    Ok(Export { columns: first.columns, next: Some(first.rows), stream })
}
