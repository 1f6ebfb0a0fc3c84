//! Traces for OpenTelemetry: finished spans leave over OTLP, in batches, from a thread of the exporter's own.
//!
//! Never delays a request and never stops the node: a full queue drops spans, and a collector that fails costs one line of the log
//! when its failures begin and one when they end. Called by `run`; by the link, for the spans of HTTP Proxy; by the metrics.

#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    fs,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use chassis::{
    logging::Masked,
    spans::{self, Attribute, Span},
    tasks::{AtEnd, Tasks},
};
use node_config::{Config, Otlp};
use ocs_proto::link::{SpanAttribute, SpanRecord, span_attribute::Value};
use opentelemetry::{
    InstrumentationScope, KeyValue, SpanId, TraceFlags, TraceId,
    trace::{SpanContext, SpanKind, Status, TraceState},
};
use opentelemetry_otlp::{SpanExporter as OtlpExporter, WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{
        BatchConfig, BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanEvents, SpanExporter, SpanLinks,
        SpanProcessor,
    },
};
use tonic::transport::{Certificate, ClientTlsConfig};

/// Spans that wait for the exporter; beyond, spans are dropped.
const QUEUE_MAX: usize = 16_384;
/// Spans of one message to the collector.
const BATCH_MAX: usize = 1024;
/// From the end of a span to its export, unless a batch is full before.
const DELAY: Duration = Duration::from_secs(2);
/// Time limit of one export.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time that a stop leaves the last export.
const END_TIMEOUT: Duration = Duration::from_secs(1);
/// Attributes of a span of HTTP Proxy.
const ATTRIBUTES_MAX: usize = 16;

static RECORDED: AtomicU64 = AtomicU64::new(0);
static EXPORTED: AtomicU64 = AtomicU64::new(0);
static FAILED: AtomicU64 = AtomicU64::new(0);

static SCOPE: LazyLock<InstrumentationScope> =
    LazyLock::new(|| InstrumentationScope::builder("ocs").with_version(env!("CARGO_PKG_VERSION")).build());

/// Spans since the start of this process, by their fate: handed to the queue, taken by the collector, lost with a failed export. A
/// span that was recorded and is in neither of the other counts waits, or was dropped by a full queue.
pub(crate) fn counts() -> [(&'static str, u64); 3] {
    [("recorded", &RECORDED), ("exported", &EXPORTED), ("failed", &FAILED)]
        .map(|(fate, count)| (fate, count.load(Ordering::Relaxed)))
}

/// Exports spans from now on, where the configuration names a collector. Answers the share of requests that HTTP Proxy is to trace,
/// in millionths; 0: traces are off. Called within the runtime.
pub(crate) fn start(config: &Config, tasks: &Tasks) -> u32 {
    if !config.otlp.is_on() {
        return 0;
    }
    let exporter = match exporter(&config.otlp) {
        Ok(exporter) => exporter,
        Err(why) => {
            tracing::warn!("no spans are exported, requests are served all the same: {why}");
            return 0;
        }
    };
    let watched = Watched { inner: exporter, fails: AtomicBool::new(false) };
    let mut processor = BatchSpanProcessor::builder(watched).with_batch_config(batches()).build();
    processor.set_resource(&resource(config));
    if export_by(processor, tasks) { config.otlp.sample_millionths() } else { 0 }
}

/// Hands the spans of this process to a processor until the stop; false: their way is another one already.
fn export_by(processor: BatchSpanProcessor, tasks: &Tasks) -> bool {
    let processor = Arc::new(processor);
    let queue = processor.clone();
    let installed = spans::install(Arc::new(move |span| {
        RECORDED.fetch_add(1, Ordering::Relaxed);
        queue.on_end(to_otlp(span));
    }));
    let Some(installed) = installed else { return false };
    let stopping = tasks.stopping();
    tasks.spawn("traces", AtEnd::Quiet, async move {
        stopping.cancelled().await;
        drop(installed);
        let end = tokio::task::spawn_blocking(move || processor.shutdown_with_timeout(END_TIMEOUT));
        drop(tokio::time::timeout(END_TIMEOUT, end).await); // spans that no collector takes end with the process
    });
    true
}

fn exporter(otlp: &Otlp) -> Result<OtlpExporter, String> {
    let builder = OtlpExporter::builder().with_tonic();
    let builder = builder.with_endpoint(otlp.endpoint.clone()).with_timeout(EXPORT_TIMEOUT);
    let ca = otlp.ca.as_ref().filter(|_| otlp.endpoint.starts_with("https://"));
    let builder = match ca {
        None => builder,
        Some(ca) => {
            let pem = fs::read(ca).map_err(|error| format!("{}: {error}", ca.display()))?;
            builder.with_tls_config(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)))
        }
    };
    builder.build().map_err(|error| error.to_string())
}

fn batches() -> BatchConfig {
    BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE_MAX)
        .with_max_export_batch_size(BATCH_MAX)
        .with_scheduled_delay(DELAY)
        .build()
}

fn resource(config: &Config) -> Resource {
    let facts = [
        ("service.namespace", config.cluster.id.clone()),
        ("service.instance.id", config.node.name.clone()),
        ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
    ];
    let facts = facts.map(|(name, value)| KeyValue::new(name, value));
    Resource::builder_empty().with_service_name("ocs").with_attributes(facts).build()
}

/// An exporter whose failures are counted, and told when they begin and when they end.
#[derive(Debug)]
struct Watched<E> {
    inner: E,
    fails: AtomicBool,
}

impl<E: SpanExporter> SpanExporter for Watched<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len() as u64;
        let exported = self.inner.export(batch).await;
        match &exported {
            Ok(()) => {
                EXPORTED.fetch_add(count, Ordering::Relaxed);
                if self.fails.swap(false, Ordering::Relaxed) {
                    tracing::info!("spans are exported again");
                }
            }
            Err(error) => {
                FAILED.fetch_add(count, Ordering::Relaxed);
                if !self.fails.swap(true, Ordering::Relaxed) {
                    let error = error.to_string();
                    tracing::warn!(error = %Masked(&error), "spans cannot be exported, and are lost until they can");
                }
            }
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

fn to_otlp(span: Span) -> SpanData {
    let (trace, id) = (TraceId::from_bytes(span.context.trace()), SpanId::from_bytes(span.context.span()));
    let enters = span.parent.is_none() || span.remote_parent;
    let attribute = |(name, value): (Cow<'static, str>, Attribute)| match value {
        Attribute::Text(text) => KeyValue::new(name, text),
        Attribute::Number(number) => KeyValue::new(name, number),
    };
    SpanData {
        span_context: SpanContext::new(trace, id, TraceFlags::SAMPLED, false, TraceState::NONE),
        parent_span_id: span.parent.map_or(SpanId::INVALID, SpanId::from_bytes),
        parent_span_is_remote: span.remote_parent,
        span_kind: if enters { SpanKind::Server } else { SpanKind::Internal },
        name: span.name,
        start_time: span.start,
        end_time: span.end,
        attributes: span.attributes.into_iter().map(attribute).collect(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: if span.failed { Status::error("") } else { Status::Unset },
        instrumentation_scope: SCOPE.clone(),
    }
}

/// Takes a span of HTTP Proxy in; a record without ids is no span.
pub(crate) fn take(record: SpanRecord) {
    if let Some(span) = from_record(record) {
        spans::record(span);
    }
}

fn from_record(record: SpanRecord) -> Option<Span> {
    let context = spans::SpanContext::from_parts(&record.trace, &record.span)?;
    let attribute = |SpanAttribute { name, value }: SpanAttribute| {
        let value = match value? {
            Value::Text(text) => Attribute::Text(text),
            Value::Number(number) => Attribute::Number(number),
        };
        Some((Cow::from(name), value))
    };
    Some(Span {
        context,
        parent: <[u8; 8]>::try_from(&record.parent[..]).ok(),
        remote_parent: record.remote_parent,
        name: record.name.into(),
        start: UNIX_EPOCH + Duration::from_nanos(record.start_ns),
        end: UNIX_EPOCH + Duration::from_nanos(record.end_ns),
        attributes: record.attributes.into_iter().take(ATTRIBUTES_MAX).filter_map(attribute).collect(),
        failed: record.failed,
    })
}
