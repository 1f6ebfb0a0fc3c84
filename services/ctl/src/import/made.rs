//! Rows that are made here, in the batches of an import. Never reads a file. Called by `bench` and `sandbox`.

use std::time::Duration;

use ocs_proto::outbound::{ImportBatch, ImportRow};

use crate::{
    call::{self, CallError},
    cluster::{Client, Cluster},
    failure::Failure,
};

/// How long one batch is tried again, over failovers.
const RETRY_FOR: Duration = Duration::from_secs(60);
/// Rows of a batch (limits of `ImportBatch`: 500 rows, 128 KiB).
const BATCH_ROWS: usize = 500;

/// Imports the rows into a list; the nodes apply a batch once, whatever the number of attempts. `id` identifies the import: the same
/// rows under the same id are not applied again.
///
/// # Errors
/// A node refuses a batch, or one of its rows.
pub(crate) async fn import(
    cluster: &Cluster,
    list: &str,
    id: &[u8],
    columns: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> Result<(), Failure> {
    let columns: Vec<String> = columns.iter().map(|column| (*column).to_owned()).collect();
    let (mut rows, mut first_row) = (rows.into_iter(), 1);
    loop {
        let batch: Vec<ImportRow> = rows.by_ref().take(BATCH_ROWS).map(|values| ImportRow { values }).collect();
        if batch.is_empty() {
            return Ok(());
        }
        let next_row = first_row + batch.len() as u64;
        let (list, import_id, columns) = (list.to_owned(), id.to_vec().into(), columns.clone());
        send(cluster, ImportBatch { list, import_id, first_row, columns, rows: batch }).await?;
        first_row = next_row;
    }
}

async fn send(cluster: &Cluster, batch: ImportBatch) -> Result<(), Failure> {
    let attempt = |mut client: Client| {
        let batch = batch.clone();
        async move { call::imported(client.import(batch).await.map_err(CallError::from)?.into_inner().reply) }
    };
    let imported = cluster.on_any(RETRY_FOR, attempt).await?;
    match imported.rejected.first() {
        None => Ok(()),
        Some(row) => Err(Failure::Refused(format!("list {}: row {}: {}", batch.list, row.row, row.reason))),
    }
}
