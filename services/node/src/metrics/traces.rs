//! Metrics of traces: spans by their fate.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use super::store;
use crate::traces;

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct FateLabel {
    fate: &'static str,
}

#[derive(Debug, Default)]
pub(super) struct TraceMetrics {
    spans: Family<FateLabel, Counter>,
}

impl TraceMetrics {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let help =
            "Spans of requests for OpenTelemetry: recorded here, taken by the collector, lost with a failed export";
        registry.register("spans", help, metrics.spans.clone());
        metrics
    }

    pub(super) fn refresh(&self) {
        for (fate, count) in traces::counts() {
            store(&self.spans.get_or_create(&FateLabel { fate }), count);
        }
    }
}
