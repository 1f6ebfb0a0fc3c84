//! Metrics of imports: batches of records and of Do-Not-Call entries that this node took or refused.

use std::sync::atomic::{AtomicU64, Ordering};

use ocs_proto::outbound::{Reply, reply};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use super::store;

/// The content of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Imported {
    /// Records of a list.
    List,
    /// Do-Not-Call entries.
    DoNotCall,
}

impl Imported {
    const ALL: [Self; 2] = [Self::List, Self::DoNotCall];

    const fn word(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::DoNotCall => "do_not_call",
        }
    }
}

/// Batches since the start of this process, by content and outcome.
#[derive(Debug, Default)]
pub struct ImportCounts([[AtomicU64; 2]; 2]);

impl ImportCounts {
    /// Counts the answer to a batch.
    pub fn add(&self, imported: Imported, reply: &Reply) {
        let refused = !matches!(&reply.body, Some(reply::Body::Imported(_) | reply::Body::Done(_)));
        self.0[imported as usize][usize::from(refused)].fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct BatchLabels {
    of: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Default)]
pub(super) struct Imports {
    batches: Family<BatchLabels, Counter>,
}

impl Imports {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let imports = Self::default();
        let help = "Batches of imports that this node answered, by their content and whether they were taken";
        registry.register("import_batches", help, imports.batches.clone());
        imports
    }

    pub(super) fn refresh(&self, counts: &ImportCounts) {
        for imported in Imported::ALL {
            for (at, outcome) in ["taken", "refused"].into_iter().enumerate() {
                let labels = BatchLabels { of: imported.word(), outcome };
                let count = counts.0[imported as usize][at].load(Ordering::Relaxed);
                store(&self.batches.get_or_create(&labels), count);
            }
        }
    }
}
