//! The receiver of a file's rows, and the batches in its form. Called by the import and by its preview.

use list_files::{Batch, EntryColumns, EntryScope, Source};
use ocs_proto::{
    control::PreviewImportRequest,
    outbound::{DoNotCallBatch, DoNotCallRow, ImportBatch, Reply},
};
use tonic::Status;

use crate::cluster::Client;

/// Batches of records in flight; the first batch goes alone, since its header may define fields.
const RECORDS_IN_FLIGHT: usize = 8;
/// Batches of Do-Not-Call entries in flight: a batch travels while the nodes apply the batch before, and updates of clients go on.
const ENTRIES_IN_FLIGHT: usize = 2;

/// The receiver of a file's rows.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// A calling list, by name.
    List(String),
    /// The Do-Not-Call list. `source`: the file's name, for a person.
    DoNotCall { scope: EntryScope, source: String },
}

/// The parts that all batches of an import share.
pub(super) struct Head {
    target: Target,
    id: Vec<u8>,
    columns: Vec<String>,
    /// None: the rows are records.
    entries: Option<EntryColumns>,
}

/// A batch in the form of its receiver.
pub(super) enum Sent {
    Records(ImportBatch),
    Entries(DoNotCallBatch),
}

impl Head {
    pub(super) fn new(target: Target, id: Vec<u8>, source: &Source) -> Self {
        Self { target, id, columns: source.columns().to_vec(), entries: source.entries().cloned() }
    }

    /// Batches that are sent before the first answer.
    pub(super) fn in_flight(&self) -> usize {
        match self.target {
            Target::List(_) => RECORDS_IN_FLIGHT,
            Target::DoNotCall { .. } => ENTRIES_IN_FLIGHT,
        }
    }

    /// A batch in the form of the receiver.
    pub(super) fn sent(&self, batch: &Batch) -> Sent {
        let (import_id, first_row) = (self.id.clone().into(), batch.first_row);
        match &self.target {
            Target::List(list) => {
                let (list, columns, rows) = (list.clone(), self.columns.clone(), batch.rows.clone());
                Sent::Records(ImportBatch { list, import_id, first_row, columns, rows })
            }
            Target::DoNotCall { scope, source } => {
                let EntryScope { tenant, campaign, list } = scope.clone();
                let rows = batch.rows.iter().map(|row| self.entry(&row.values)).collect();
                let source = source.clone();
                Sent::Entries(DoNotCallBatch { tenant, campaign, list, import_id, first_row, source, rows })
            }
        }
    }

    /// The source has rejected rows without a meaning; a node rejects an entry about nobody.
    fn entry(&self, values: &[String]) -> DoNotCallRow {
        self.entries.as_ref().and_then(|columns| columns.row(values).ok()).unwrap_or_default()
    }
}

impl Sent {
    /// The answer of a node that applies the batch.
    pub(super) async fn import(self, client: &mut Client) -> Result<Option<Reply>, Status> {
        Ok(match self {
            Self::Records(batch) => client.import(batch).await?.into_inner().reply,
            Self::Entries(batch) => client.enter_do_not_call(batch).await?.into_inner().reply,
        })
    }

    /// The answer that the batch would get. `create`: its list would be created first.
    pub(super) async fn preview(self, create: bool, client: &mut Client) -> Result<Option<Reply>, Status> {
        Ok(match self {
            Self::Records(batch) => {
                let request = PreviewImportRequest { batch: Some(batch), create };
                client.preview_import(request).await?.into_inner().reply
            }
            Self::Entries(batch) => client.preview_do_not_call(batch).await?.into_inner().reply,
        })
    }
}
