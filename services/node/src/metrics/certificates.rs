//! Metrics of certificates and TLS: the end of each certificate, reloads that failed, handshakes that were refused.

use chassis::tls::{CertificateState, HandshakeFault};
use ocs_proto::link::HandshakeCount;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

use super::{Seconds, store};

/// HTTP Proxy's reason for a handshake that did not come to its end in time.
const SLOW: &str = "slow";
/// The port of HTTP Proxy.
const HTTP: &str = "http";

/// `use`, which no field can be called.
type UseLabel = [(&'static str, String); 1];

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RefusedLabels {
    port: &'static str,
    reason: String,
}

#[derive(Debug, Default)]
pub(super) struct CertificateMetrics {
    not_after: Family<UseLabel, Seconds>,
    reload_failures: Family<UseLabel, Counter>,
    not_in_use: Family<UseLabel, Gauge>,
    refused: Family<RefusedLabels, Counter>,
}

impl CertificateMetrics {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let (end, help) = ("certificate_not_after_timestamp", "The end of validity of the certificate in use");
        registry.register_with_unit(end, help, Unit::Seconds, metrics.not_after.clone());
        let help = "Changed files that could not be used: the former certificate went on";
        registry.register("certificate_reload_failures", help, metrics.reload_failures.clone());
        let help = "1: the files differ from the certificate in use, and cannot be used";
        registry.register("certificate_files_unusable", help, metrics.not_in_use.clone());
        registry.register("tls_refused", "TLS handshakes that failed, by reason", metrics.refused.clone());
        metrics
    }

    pub(super) fn refresh(&self, states: &[CertificateState]) {
        for state in states {
            let usage = [("use", state.usage.clone())];
            self.not_after.get_or_create(&usage).set(state.not_after_s as f64);
            store(&self.reload_failures.get_or_create(&usage), state.failures);
            self.not_in_use.get_or_create(&usage).set(state.fault.is_some().into());
        }
    }

    /// A port of the node, whose counts begin at 0.
    pub(super) fn begins_at(&self, port: &'static str) {
        let slow = (port == HTTP).then_some(SLOW);
        for reason in HandshakeFault::REASONS.into_iter().chain(slow) {
            drop(self.refused.get_or_create(&RefusedLabels { port, reason: reason.to_owned() }));
        }
    }

    /// Failed handshakes since the start at a port of the node, by reason.
    pub(super) fn refused_at(&self, port: &'static str, counts: &[(&'static str, u64)]) {
        for (reason, count) in counts {
            let labels = RefusedLabels { port, reason: (*reason).to_owned() };
            store(&self.refused.get_or_create(&labels), *count);
        }
    }

    /// Adds failed handshakes of HTTP Proxy.
    pub(super) fn refused_by_http_proxy(&self, refused: &HandshakeCount) {
        let labels = RefusedLabels { port: HTTP, reason: refused.reason.clone() };
        self.refused.get_or_create(&labels).inc_by(refused.count);
    }
}
