//! `[otlp]`: whether spans of requests are exported, their collector, and the share of requests that is traced.
//!
//! Called by [`super::Config`] alone.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A ratio of 1, in millionths.
const WHOLE: f64 = 1_000_000.0;

/// `[otlp]`; a witness sees no request, and exports nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Otlp {
    /// The collector, which takes OTLP over gRPC, as in `https://collector.example.com:4317`; empty: no traces.
    pub endpoint: String,
    /// Share of the requests without a `traceparent` that are traced, 0 to 1; a `traceparent` brings the client's own decision.
    pub sample_ratio: f64,
    /// PEM file of the authority of the collector's certificate; required for an `https://` collector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
}

impl Default for Otlp {
    fn default() -> Self {
        Self { endpoint: String::new(), sample_ratio: 0.01, ca: None }
    }
}

impl Otlp {
    /// Whether spans are exported.
    pub fn is_on(&self) -> bool {
        !self.endpoint.is_empty()
    }

    /// Of a million traces that begin here, so many are sampled; at least one while spans are exported, since clients decide on
    /// their own traces.
    pub fn sample_millionths(&self) -> u32 {
        let millionths = (self.sample_ratio.clamp(0.0, 1.0) * WHOLE).round() as u32;
        if self.is_on() { millionths.max(1) } else { 0 }
    }

    /// Every fault of the values, with its key.
    pub(crate) fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let secure = self.endpoint.starts_with("https://");
        let host = self.endpoint.strip_prefix("http://").or_else(|| self.endpoint.strip_prefix("https://"));
        if self.is_on() && host.is_none_or(|host| host.is_empty() || host.contains(char::is_whitespace)) {
            let message = format!("{:?} is no collector: give http://HOST:PORT or https://HOST:PORT", self.endpoint);
            problems.push(("otlp.endpoint", message));
        }
        if secure && self.ca.is_none() {
            problems
                .push(("otlp.ca", "is required for an https:// collector: name the file of its authority".to_owned()));
        }
        if !(0.0..=1.0).contains(&self.sample_ratio) {
            problems.push(("otlp.sample_ratio", format!("{} is not within 0 and 1", self.sample_ratio)));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_are_off_without_a_collector_and_a_share_is_in_millionths() {
        let otlp = |endpoint: &str, sample_ratio| Otlp { endpoint: endpoint.into(), sample_ratio, ca: None };
        for (endpoint, ratio, millionths) in [
            ("", 1.0, 0),
            ("http://a:4317", 1.0, 1_000_000),
            ("http://a:4317", 0.01, 10_000),
            ("http://a:4317", 0.0, 1),
        ] {
            assert_eq!(otlp(endpoint, ratio).sample_millionths(), millionths, "{endpoint} {ratio}");
        }
        let keys = |otlp: Otlp| otlp.problems().into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        assert_eq!(keys(Otlp::default()), [""; 0]);
        assert_eq!(keys(otlp("http://127.0.0.1:4317", 0.5)), [""; 0]);
        assert_eq!(keys(otlp("127.0.0.1:4317", 0.5)), ["otlp.endpoint"]);
        assert_eq!(keys(otlp("http://", f64::NAN)), ["otlp.endpoint", "otlp.sample_ratio"]);
        assert_eq!(keys(otlp("https://a:4317", 1.5)), ["otlp.ca", "otlp.sample_ratio"]);
        assert_eq!(keys(Otlp { ca: Some("ca.pem".into()), ..otlp("https://a:4317", 1.0) }), [""; 0]);
    }
}
