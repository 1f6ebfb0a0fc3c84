//! The spans of HTTP Proxy: a request's own span, and the queue of finished spans for the node, which exports them.
//!
//! Never waits and never names a part of a request's content. Called by `serve` and `run`.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use chassis::spans::{self, Attribute, Installed, OpenSpan, Span};
use http::{HeaderMap, HeaderName, Method};
use ocs_proto::link::{SpanAttribute, SpanRecord, span_attribute::Value};

/// Spans that wait for the link; beyond, spans are dropped.
const QUEUE_MAX: usize = 8192;
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// From here on the answer tells a fault of the server.
const FAULT_MIN: u16 = 500;

/// Finished spans that wait for the link.
#[derive(Debug, Default)]
pub(crate) struct SpanQueue(Mutex<Vec<SpanRecord>>);

impl SpanQueue {
    /// From now on the finished spans of this process wait here; none: HTTP Proxy is a task of its node, which takes them itself.
    pub(crate) fn install(self: &Arc<Self>) -> Option<Installed> {
        let queue = self.clone();
        spans::install(Arc::new(move |span| queue.push(span)))
    }

    fn push(&self, span: Span) {
        let mut queued = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if queued.len() < QUEUE_MAX {
            queued.push(to_record(span));
        }
    }

    /// The spans since the last call.
    pub(crate) fn take(&self) -> Vec<SpanRecord> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The header of a request; two of them are none.
pub(crate) fn traceparent(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(TRACEPARENT).iter();
    let header = all.next()?.to_str().ok()?;
    all.next().is_none().then_some(header)
}

/// Ends the span of a request: method, request name, the number of the request on the link, and the status of its answer.
pub(crate) fn end(span: OpenSpan, method: &Method, name: &'static str, id: u64, status: u16) {
    let number = |number: u64| Attribute::Number(i64::try_from(number).unwrap_or(i64::MAX));
    let attributes = vec![
        ("http.request.method".into(), Attribute::Text(method.as_str().to_owned())),
        ("ocs.request.name".into(), Attribute::Text(name.to_owned())),
        ("ocs.request".into(), number(id)),
        ("http.response.status_code".into(), number(status.into())),
    ];
    span.end(attributes, status >= FAULT_MIN);
}

fn to_record(span: Span) -> SpanRecord {
    let attribute = |(name, value): (std::borrow::Cow<'static, str>, Attribute)| SpanAttribute {
        name: name.into_owned(),
        value: Some(match value {
            Attribute::Text(text) => Value::Text(text),
            Attribute::Number(number) => Value::Number(number),
        }),
    };
    SpanRecord {
        trace: span.context.trace().to_vec().into(),
        span: span.context.span().to_vec().into(),
        parent: span.parent.map(|parent| parent.to_vec().into()).unwrap_or_default(),
        remote_parent: span.remote_parent,
        name: span.name.into_owned(),
        start_ns: nanoseconds(span.start),
        end_ns: nanoseconds(span.end),
        attributes: span.attributes.into_iter().map(attribute).collect(),
        failed: span.failed,
    }
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_header_is_taken_and_two_are_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(traceparent(&headers), None);
        headers.append(TRACEPARENT, "00-a".parse().unwrap());
        assert_eq!(traceparent(&headers), Some("00-a"));
        headers.append(TRACEPARENT, "00-b".parse().unwrap());
        assert_eq!(traceparent(&headers), None);
    }

    #[test]
    fn a_finished_request_waits_for_the_link_with_its_facts_and_without_its_content() {
        const HEADER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let queue = Arc::new(SpanQueue::default());
        let installed = queue.install().expect("no other test of this crate's library installs a queue");
        let sampler = spans::Sampler::of_millionths(1_000_000).unwrap();
        let span = sampler.begin("http request", Some(HEADER)).unwrap();
        end(span, &Method::POST, "AddRecord", 7, 504);
        drop(installed);
        let taken = queue.take();
        let [record] = &taken[..] else { panic!("one span") };
        assert_eq!((record.name.as_str(), record.failed, record.remote_parent), ("http request", true, true));
        assert_eq!((record.trace.len(), record.span.len(), record.parent.len()), (16, 8, 8));
        assert!(record.start_ns > 1_000_000_000_000_000_000 && record.start_ns <= record.end_ns);
        let names: Vec<&str> = record.attributes.iter().map(|attribute| attribute.name.as_str()).collect();
        assert_eq!(names, ["http.request.method", "ocs.request.name", "ocs.request", "http.response.status_code"]);
        assert_eq!(record.attributes[3].value, Some(Value::Number(504)));
        assert_eq!(queue.take(), []);
    }
}
