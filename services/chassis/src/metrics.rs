//! The text of `/metrics`, and the buckets of all durations. The caller defines the metrics.

use prometheus_client::{encoding::text::encode, metrics::histogram::Histogram, registry::Registry};

/// `Content-Type` of [`render`]'s text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of the buckets of a duration, in seconds: from 50 microseconds, an fdatasync on a fast disk, to 10 seconds,
/// beyond every deadline.
pub const SECONDS_BUCKETS: [f64; 17] = [
    0.000_05, 0.000_1, 0.000_2, 0.000_4, 0.000_8, 0.001_6, 0.003_2, 0.006_4, 0.012_5, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0,
    2.5, 10.0,
];

/// An empty histogram of durations in seconds.
pub fn seconds() -> Histogram {
    Histogram::new(SECONDS_BUCKETS)
}

/// Everything in the registry, as OpenMetrics text.
pub fn render(registry: &Registry) -> String {
    let mut text = String::new();
    encode(&mut text, registry).expect("writing to a string does not fail");
    text
}

#[cfg(test)]
mod tests {
    use prometheus_client::{metrics::counter::Counter, registry::Registry};

    #[test]
    fn a_registry_is_rendered_with_prefix_and_total() {
        let mut registry = Registry::with_prefix("ocs");
        let restarts = Counter::<u64>::default();
        registry.register("proxy_restarts", "Restarts", restarts.clone());
        restarts.inc();
        let text = super::render(&registry);
        assert!(text.contains("ocs_proxy_restarts_total 1\n"), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }
}
