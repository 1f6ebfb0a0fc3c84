//! The page of `/metrics`: OpenMetrics, or the text format of Prometheus, as the scraper accepts. The caller defines the metrics.

use prometheus_client::{
    encoding::text::{encode_eof, encode_registry},
    registry::Registry,
};

/// A format of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.0: counters are named without `_total`, and the page ends with `# EOF`.
    OpenMetrics,
    /// The text format 0.0.4 of Prometheus, which `curl` and `promtool check metrics` expect.
    Text,
}

/// An entry of an `Accept` header.
#[derive(Debug, PartialEq)]
struct MediaRange<'a> {
    media: &'a str,
    version: Option<&'a str>,
    /// 0: refused.
    quality: f32,
}

impl<'a> MediaRange<'a> {
    fn of(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let mut range = Self { media: parts.next().unwrap_or_default(), version: None, quality: 1.0 };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match name.trim() {
                "q" | "Q" => range.quality = value.trim().parse().unwrap_or(0.0),
                "version" => range.version = Some(value.trim().trim_matches('"')),
                _ => {}
            }
        }
        range
    }

    fn is(&self, media: &[&str], version: &str) -> bool {
        let named = media.iter().any(|media| self.media.eq_ignore_ascii_case(media));
        named && self.version.is_none_or(|asked| asked == version)
    }
}

impl Format {
    /// The format for a request with this `Accept` header; absent or unknown: the text format.
    pub fn accepted(accept: Option<&str>) -> Self {
        let ranges: Vec<_> = accept.unwrap_or_default().split(',').map(MediaRange::of).collect();
        let best = |media: &[&str], version: &str| {
            let fit = ranges.iter().filter(|range| range.is(media, version));
            fit.map(|range| range.quality).fold(0.0, f32::max)
        };
        let openmetrics = best(&["application/openmetrics-text"], "1.0.0");
        let text = best(&["text/plain", "text/*", "*/*"], "0.0.4");
        if openmetrics > 0.0 && openmetrics >= text { Self::OpenMetrics } else { Self::Text }
    }

    /// The value of `Content-Type`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// The metrics of all registries on one page.
    pub fn render(self, registries: &[&Registry]) -> String {
        let mut page = String::new();
        let encoded = registries.iter().try_for_each(|registry| encode_registry(&mut page, registry));
        encoded.and_then(|()| encode_eof(&mut page)).expect("writing to a string does not fail");
        match self {
            Self::OpenMetrics => page,
            Self::Text => as_text(&page),
        }
    }
}

/// An OpenMetrics page in the text format, whose families have the names of their samples, and no units.
fn as_text(page: &str) -> String {
    let (mut text, mut help) = (String::with_capacity(page.len()), None);
    for line in page.lines() {
        if let Some(described) = line.strip_prefix("# HELP ") {
            help = described.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|typed| typed.split_once(' ')) {
            let (suffix, kind) = match kind {
                "counter" => ("_total", kind),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                _ => ("", kind),
            };
            if let Some((_, words)) = help.take() {
                text.extend(["# HELP ", name, suffix, " ", words, "\n"]);
            }
            text.extend(["# TYPE ", name, suffix, " ", kind, "\n"]);
        } else if !line.starts_with("# ") {
            text.extend([line, "\n"]);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use prometheus_client::{
        metrics::{counter::Counter, gauge::Gauge, info::Info},
        registry::{Registry, Unit},
    };

    use super::*;

    fn registry() -> Registry {
        let mut registry = Registry::with_prefix("ocs");
        let restarts = Counter::<u64>::default();
        restarts.inc();
        registry.register("proxy_restarts", "Restarts", restarts);
        registry.register("build", "This program", Info::new([("version", "1.2")]));
        registry.register_with_unit("log", "The log", Unit::Bytes, Gauge::<i64>::default());
        registry
    }

    #[test]
    fn openmetrics_has_counters_without_total_units_and_an_end() {
        let page = Format::OpenMetrics.render(&[&registry(), &Registry::default()]);
        for line in ["# TYPE ocs_proxy_restarts counter\nocs_proxy_restarts_total 1\n", "# UNIT ocs_log_bytes bytes\n"]
        {
            assert!(page.contains(line), "{page}");
        }
        assert!(page.ends_with("# EOF\n"), "{page}");
    }

    #[test]
    fn the_text_format_names_families_as_their_samples_and_has_no_units() {
        let page = Format::Text.render(&[&registry()]);
        let wanted = "# HELP ocs_proxy_restarts_total Restarts.\n# TYPE ocs_proxy_restarts_total counter\n\
                      ocs_proxy_restarts_total 1\n# HELP ocs_build_info This program.\n# TYPE ocs_build_info gauge\n\
                      ocs_build_info{version=\"1.2\"} 1\n# HELP ocs_log_bytes The log.\n# TYPE ocs_log_bytes gauge\n\
                      ocs_log_bytes 0\n";
        assert_eq!(page, wanted);
    }

    #[test]
    fn the_accept_header_decides_and_openmetrics_must_be_asked_for() {
        const PROMETHEUS_2: &str = "application/openmetrics-text;version=1.0.0,\
                                    application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for (accept, format) in [
            (Some(PROMETHEUS_2), Format::OpenMetrics),
            (Some("application/openmetrics-text"), Format::OpenMetrics),
            (Some("Application/OpenMetrics-Text; version=\"1.0.0\"; charset=utf-8"), Format::OpenMetrics),
            (Some("text/plain;q=0.5, application/openmetrics-text;q=0.5"), Format::OpenMetrics),
            (Some("text/plain;version=0.0.4;q=0.9,application/openmetrics-text;q=0.8"), Format::Text),
            (Some("application/openmetrics-text;q=0, text/plain;q=0"), Format::Text),
            (Some("application/openmetrics-text;version=0.0.1"), Format::Text),
            (Some("application/openmetrics-text;q=x"), Format::Text),
            (Some("*/*"), Format::Text),
            (Some("text/html"), Format::Text),
            (Some(""), Format::Text),
            (None, Format::Text),
        ] {
            assert_eq!(Format::accepted(accept), format, "{accept:?}");
        }
    }

    #[test]
    fn each_format_tells_its_type() {
        assert_eq!(Format::Text.content_type(), "text/plain; version=0.0.4; charset=utf-8");
        assert!(Format::OpenMetrics.content_type().starts_with("application/openmetrics-text; version=1.0.0"));
    }
}
