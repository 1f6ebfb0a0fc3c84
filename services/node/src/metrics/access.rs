//! Metrics of requests and orders that were refused for their credential, by reason.

use std::sync::Arc;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use super::store;
use crate::credentials::{Reason, RefusalCounts};

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Debug, Default)]
pub(super) struct Access {
    refused: Family<ReasonLabel, Counter>,
    pub(super) counts: Arc<RefusalCounts>,
}

impl Access {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let access = Self::default();
        let help = "Requests over HTTP and orders over control that were refused for their credential, by reason";
        registry.register("access_refused", help, access.refused.clone());
        access
    }

    /// A reason without refusals is shown, too: an alert needs the sample before the first.
    pub(super) fn refresh(&self) {
        for reason in Reason::ALL {
            store(&self.refused.get_or_create(&ReasonLabel { reason: reason.word() }), self.counts.of(reason));
        }
    }
}
