//! Traces of a request from HTTP to its decision: a client's `traceparent` goes over the link and to the primary's node, and every
//! span of the way reaches the collector. A collector that is away costs a line of the log and no request.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use ocs_ha_tests::{Cluster, until};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    trace::v1::Span,
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

const ADD: &str = "/lists/demo?req=AddRecord";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CLIENT: &str = "00f067aa0ba902b7";

#[derive(Clone, Default)]
struct Taken(Arc<Mutex<Vec<Span>>>);

#[tonic::async_trait]
impl TraceService for Taken {
    async fn export(
        &self,
        asked: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let scopes = asked.into_inner().resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        self.0.lock().unwrap().extend(scopes.flat_map(|scope| scope.spans));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// A collector of the test's own; ends with the value.
struct Collector {
    taken: Taken,
    address: String,
    _runtime: tokio::runtime::Runtime,
}

impl Collector {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let (taken, address) = (Taken::default(), listener.local_addr().unwrap().to_string());
        let serving = Server::builder().add_service(TraceServiceServer::new(taken.clone()));
        runtime.spawn(serving.serve_with_incoming(TcpListenerStream::new(listener)));
        Self { taken, address, _runtime: runtime }
    }

    /// The spans of a trace by name.
    fn of(&self, trace: &str) -> BTreeMap<String, Span> {
        let spans = self.taken.0.lock().unwrap();
        let of_trace = spans.iter().filter(|span| hex(&span.trace_id) == trace);
        of_trace.map(|span| (span.name.clone(), span.clone())).collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_clients_trace_goes_over_link_and_peers_and_every_span_reaches_the_collector() {
    let collector = Collector::start();
    let cluster = Cluster::with(&[&format!("otlp.endpoint=http://{}", collector.address), "otlp.sample_ratio=0.0"]);
    cluster.create_list("demo");
    cluster.move_primary("a");
    let header = format!("00-{TRACE}-{CLIENT}-01");
    let body = r#"{"GSW_PHONE":"+12125550177"}"#;
    let mut backup = cluster.http("b");
    assert_eq!(backup.send("POST", ADD, &[("traceparent", &header)], body).unwrap().status, 200);
    let unsampled = header.replace("-01", "-00").replace(TRACE, &TRACE.replace('4', "5"));
    let other = body.replace("77", "78");
    assert_eq!(backup.send("POST", ADD, &[("traceparent", &unsampled)], &other).unwrap().status, 200);
    let names = ["apply", "commit", "forwarded submission", "http request", "submission"];
    until("every span has come", || collector.of(TRACE).keys().eq(names));
    let spans = collector.of(TRACE);
    for (name, parent) in [
        ("submission", "http request"),
        ("forwarded submission", "submission"),
        ("commit", "forwarded submission"),
        ("apply", "forwarded submission"),
    ] {
        assert_eq!(hex(&spans[name].parent_span_id), hex(&spans[parent].span_id), "{name} within {parent}");
    }
    assert_eq!(hex(&spans["http request"].parent_span_id), CLIENT);
    assert!(collector.of(&TRACE.replace('4', "5")).is_empty(), "the client does not sample that trace");
    let shown = format!("{spans:?}");
    assert!(!shown.contains("5550177"), "a span shows a phone: {shown}");
    until("the spans are counted", || cluster.metric("a", "ocs_spans_total{fate=\"exported\"}") >= 3.0);
}

#[test]
fn a_collector_that_is_away_costs_one_line_and_no_request() {
    let cluster = Cluster::with(&["otlp.endpoint=http://127.0.0.1:1", "otlp.sample_ratio=1.0"]);
    cluster.create_list("demo");
    let load = cluster.load("demo", 2);
    load.wait_more(200);
    let primary = cluster.primary();
    until("exports have failed", || cluster.metric(primary, "ocs_spans_total{fate=\"failed\"}") >= 1.0);
    load.wait_more(200);
    load.stop().assert_exactly_once_beside(&cluster, &[]);
    assert_eq!(cluster.log(primary).matches("spans cannot be exported").count(), 1);
}

#[test]
fn without_a_collector_no_span_is_recorded() {
    let cluster = Cluster::start();
    cluster.create_list("demo");
    let header = format!("00-{TRACE}-{CLIENT}-01");
    let body = r#"{"GSW_PHONE":"+12125550179"}"#;
    assert_eq!(cluster.http("a").send("POST", ADD, &[("traceparent", &header)], body).unwrap().status, 200);
    assert_eq!(cluster.metric("a", "ocs_spans_total{fate=\"recorded\"}"), 0.0);
}
