//! From a span of HTTP Proxy to the exporter, and a collector that fails.

use std::sync::{Mutex, PoisonError};

use opentelemetry_sdk::error::OTelSdkError;

use super::*;

const TRACE: [u8; 16] = [7; 16];

fn record() -> SpanRecord {
    let attribute = |name: &str, value| SpanAttribute { name: name.to_owned(), value: Some(value) };
    SpanRecord {
        trace: TRACE.to_vec().into(),
        span: vec![8; 8].into(),
        parent: vec![9; 8].into(),
        remote_parent: true,
        name: "http request".to_owned(),
        start_ns: 1_000,
        end_ns: 3_000,
        attributes: vec![
            attribute("http.request.method", Value::Text("POST".to_owned())),
            attribute("http.response.status_code", Value::Number(504)),
            SpanAttribute { name: "of a newer release".to_owned(), value: None },
        ],
        failed: true,
    }
}

#[test]
fn a_span_of_http_proxy_keeps_its_ids_times_and_facts() {
    let data = to_otlp(from_record(record()).unwrap());
    assert_eq!(data.span_context.trace_id().to_bytes(), TRACE);
    assert_eq!((data.span_context.span_id().to_bytes(), data.parent_span_id.to_bytes()), ([8; 8], [9; 8]));
    assert!(data.span_context.is_sampled() && data.parent_span_is_remote);
    assert_eq!((data.name.as_ref(), data.span_kind.clone()), ("http request", SpanKind::Server));
    assert_eq!(data.end_time.duration_since(data.start_time).unwrap(), Duration::from_micros(2));
    let wanted = [KeyValue::new("http.request.method", "POST"), KeyValue::new("http.response.status_code", 504_i64)];
    assert_eq!(data.attributes, wanted);
    assert!(matches!(data.status, Status::Error { .. }));
}

#[test]
fn a_record_without_ids_is_no_span_and_a_root_has_no_parent() {
    for wrong in [
        SpanRecord { trace: vec![7; 15].into(), ..record() },
        SpanRecord { trace: vec![0; 16].into(), ..record() },
        SpanRecord { span: Default::default(), ..record() },
        SpanRecord::default(),
    ] {
        assert_eq!(from_record(wrong), None);
    }
    let root = SpanRecord { parent: Default::default(), remote_parent: false, failed: false, ..record() };
    let data = to_otlp(from_record(root).unwrap());
    assert_eq!((data.parent_span_id, data.span_kind, data.status), (SpanId::INVALID, SpanKind::Server, Status::Unset));
}

/// A collector of the test's own, which fails at first.
#[derive(Debug, Default)]
struct Collector {
    taken: Arc<Mutex<Vec<String>>>,
    fails: Arc<AtomicBool>,
}

impl SpanExporter for Collector {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        if self.fails.load(Ordering::Relaxed) {
            return Err(OTelSdkError::InternalFailure("away".to_owned()));
        }
        let names = batch.into_iter().map(|span| span.name.into_owned());
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).extend(names);
        Ok(())
    }
}

#[tokio::test]
async fn a_collector_that_fails_loses_spans_and_stops_nothing_and_later_ones_reach_the_collector() {
    let collector = Collector::default();
    let (taken, fails) = (collector.taken.clone(), collector.fails.clone());
    fails.store(true, Ordering::Relaxed);
    let watched = Watched { inner: collector, fails: AtomicBool::new(false) };
    let processor = BatchSpanProcessor::builder(watched).with_batch_config(batches()).build();
    let span = || to_otlp(from_record(record()).unwrap());
    let fate = |name: &str| counts().into_iter().find(|(fate, _)| *fate == name).map_or(0, |(_, count)| count);
    let (failed, exported) = (fate("failed"), fate("exported"));
    processor.on_end(span());
    assert!(processor.force_flush().is_err());
    assert_eq!(fate("failed"), failed + 1);
    fails.store(false, Ordering::Relaxed);
    processor.on_end(span());
    processor.force_flush().unwrap();
    assert_eq!(fate("exported"), exported + 1);
    assert_eq!(*taken.lock().unwrap(), ["http request"]);
    processor.shutdown().unwrap();
}

#[tokio::test]
async fn an_exporter_is_built_without_a_collector_and_a_missing_authority_is_named() {
    let otlp = |endpoint: &str, ca: Option<&str>| Otlp {
        endpoint: endpoint.to_owned(),
        sample_ratio: 1.0,
        ca: ca.map(Into::into),
    };
    assert!(exporter(&otlp("http://127.0.0.1:1", None)).is_ok(), "the collector may come later");
    let why = exporter(&otlp("https://127.0.0.1:1", Some("/nowhere/ca.pem"))).unwrap_err();
    assert!(why.starts_with("/nowhere/ca.pem: "), "{why}");
}
