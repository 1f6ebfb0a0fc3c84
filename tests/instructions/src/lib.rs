//! Steps of an update's way, each by itself and repeated: their cost is counted in instructions, which do not wobble as
//! times do.
//!
//! No network, no disk, no clock, no thread. Called by the program `instructions`, which a test runs under callgrind.

use bytes::Bytes;
use http_proxy::{
    from_http::{Incoming, Translated, from_http},
    link::{FrameReader, FrameWriter},
};
use ocs_proto::{
    link::{LinkRequest, ToNode},
    outbound::Request as WireRequest,
    peer::{Entry, SnapshotMark},
};
use outbound::{
    Body, Command, Handle, ImportBatch, ImportRow, NewList, Origin, RULES_NEWEST, RULES_WITH_PARTED_COUNTERS,
    RaiseRules, Request, RequestId, Resource, UserField, Value, Verb, key, wire,
};
use prost::Message;
use raft_log::{Batch, HardState, Log, LogConfig, MemDisk};
use records::{MapView, Rules, decide};

/// Requests of one frame on the link.
const FRAME_REQUESTS: u64 = 16;
/// Entries of one batch of the log.
const BATCH_ENTRIES: u64 = 16;
/// Records of the list: more than a run has repetitions.
const RECORDS: u64 = 1_000;
/// The last rules version before the counters are parted: both have settings, so that the counters alone make the difference.
const RULES_WITH_COUNTERS_IN_ONE_ROW: u32 = RULES_WITH_PARTED_COUNTERS - 1;

/// A step: the name under which its count is kept, and the function that repeats the step.
pub type Step = (&'static str, fn(u64));

/// All steps.
pub const STEPS: [Step; 11] = [
    ("from_http", translate),
    ("decide", decide_updates),
    ("decide_parted", decide_updates_parted),
    ("decide_add", decide_adds),
    ("decide_add_parted", decide_adds_parted),
    ("decide_newest", decide_updates_newest),
    ("decide_add_newest", decide_adds_newest),
    ("decide_processed_newest", decide_processed_newest),
    ("decide_do_not_call_newest", decide_do_not_call_newest),
    ("log_append", append),
    ("link_codec", frames),
];

/// The request of `make bench`: two user fields of 128 bytes.
fn request(handle: u64) -> Request {
    let (method, headers) = (http::Method::POST, http::HeaderMap::new());
    let (path, text) = (format!("/records/{handle}"), format!("{handle:0>128}"));
    let body = format!("{{\"note\":\"{text}\",\"memo\":\"{text}\"}}");
    let incoming = Incoming {
        method: &method,
        path: &path,
        query: Some("req=UpdateCallCompletionStats"),
        headers: &headers,
        body: body.as_bytes(),
        encoding: encoding_rs::UTF_8.into(),
    };
    match from_http(&incoming) {
        Ok(Translated::Request(request)) => request,
        other => panic!("not a request: {other:?}"),
    }
}

fn translate(count: u64) {
    (0..count).for_each(|at| drop(request(1 + at % 100)));
}

fn decide_updates(count: u64) {
    decide_all(RULES_WITH_COUNTERS_IN_ONE_ROW, (0..count).map(|at| Body::Request(request(1 + at % 100))));
}

fn decide_updates_parted(count: u64) {
    decide_all(RULES_WITH_PARTED_COUNTERS, (0..count).map(|at| Body::Request(request(1 + at % 100))));
}

fn decide_adds(count: u64) {
    decide_all(RULES_WITH_COUNTERS_IN_ONE_ROW, (0..count).map(addition));
}

fn decide_adds_parted(count: u64) {
    decide_all(RULES_WITH_PARTED_COUNTERS, (0..count).map(addition));
}

fn decide_updates_newest(count: u64) {
    decide_all(RULES_NEWEST, (0..count).map(|at| Body::Request(request(1 + at % 100))));
}

fn decide_adds_newest(count: u64) {
    decide_all(RULES_NEWEST, (0..count).map(addition));
}

fn decide_processed_newest(count: u64) {
    let result = || (key::CALL_RESULT.to_owned(), Value::text("33".to_owned()));
    decide_all(RULES_NEWEST, (0..count).map(|at| about_record(Verb::RecordProcessed, at, [result()])));
}

fn decide_do_not_call_newest(count: u64) {
    decide_all(RULES_NEWEST, (0..count).map(|at| about_record(Verb::DoNotCall, at, [])));
}

/// An AddRecord to the list of the updates.
fn addition(at: u64) -> Body {
    let phone = (key::PHONE.to_owned(), Value::text(format!("+9996{at:08}")));
    asked(Verb::AddRecord, Resource::List("bench".into()), [phone])
}

/// A request about a record that no earlier request has changed.
fn about_record<const N: usize>(verb: Verb, at: u64, attributes: [(String, Value); N]) -> Body {
    assert!(at < RECORDS, "a repetition has a record of its own");
    asked(verb, Resource::Record(Handle(1 + at)), attributes)
}

fn asked<const N: usize>(verb: Verb, resource: Resource, attributes: [(String, Value); N]) -> Body {
    Body::Request(Request {
        verb,
        resource,
        attributes: attributes.into_iter().collect(),
        tenant: String::new(),
        principal: String::new(),
        idempotency_key: None,
    })
}

/// Decides under a rules version on a state in memory; the cost of the engine is not counted here.
fn decide_all(version: u32, bodies: impl Iterator<Item = Body>) {
    let (mut state, rules) = (MapView::default(), Rules::default());
    let field = |name: &str| UserField {
        column: name.into(),
        kind: "varchar(255)".into(),
        default: "-".into(),
        send_attribute: String::new(),
    };
    let list = NewList { name: "bench".into(), time_zone: String::new(), fields: vec![field("note"), field("memo")] };
    let rows = (0..RECORDS).map(|n| ImportRow { values: vec![format!("+9995{n:08}")] }).collect();
    let columns = vec!["contact_info".into()];
    let import = ImportBatch { list: "bench".into(), import_id: vec![9; 32], first_row: 1, columns, rows };
    let raise = RaiseRules { to: version, settings: Vec::new(), release: String::new() };
    let first = [Body::RaiseRules(raise), Body::CreateList(list), Body::ImportBatch(import)];
    for (at, body) in first.into_iter().chain(bodies).enumerate() {
        let (reply, changes, _) = decide(&command(version, at as u64, body), &state, &rules);
        assert!(!reply.replayed, "the same content comes again after its window only");
        state.apply(&changes);
    }
}

/// A tenth of a second between two requests: a content that comes again is new.
fn command(version: u32, at: u64, body: Body) -> Command {
    let (id, stamp_us) =
        (RequestId { node: 1, incarnation: 1, token: 0, counter: at + 1 }, 1_700_000_000_000_000 + at * 100_000);
    Command { random: vec![7; 16], ..Command::new(version, id, stamp_us, Origin::Http, body) }
}

fn append(count: u64) {
    let config = LogConfig { cluster: [7; 16], node: 0, segment_bytes: 1 << 20, prepare_ahead: false };
    let start = SnapshotMark { index: 0, term: 0, conf_state: None };
    let mut log = Log::create(MemDisk::new(), config, start, HardState::default()).expect("a new disk takes a log");
    let data = Bytes::from(vec![b'x'; 400]);
    for at in 0..count {
        let first = at * BATCH_ENTRIES + 1;
        let entry = |index| Entry { kind: 0, term: 1, index, data: data.clone(), ..Entry::default() };
        let entries = (first..first + BATCH_ENTRIES).map(entry).collect();
        let hard_state = Some(HardState { term: 1, vote: 1, commit: first - 1 });
        log.append(&Batch { hard_state, entries, ..Batch::default() }).expect("there is room");
    }
}

/// Encoded, framed, read and decoded, to the requests and back to the wire.
fn frames(count: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without drivers");
    runtime.block_on(async {
        let (near, far) = tokio::io::duplex(1 << 20);
        let (mut writer, mut reader) = (FrameWriter::new(near), FrameReader::new(far));
        let asked: Vec<Request> = (1..=FRAME_REQUESTS).map(request).collect();
        for _ in 0..count {
            let link = |(id, request): (u64, &Request)| LinkRequest {
                id,
                request: wire::request_to_wire(request.clone()).encode_to_vec().into(),
                ..LinkRequest::default()
            };
            let requests = (1..).zip(&asked).map(link).collect();
            writer.send(&ToNode { requests, ..ToNode::default() }).await.expect("the pipe has room");
            let frame: ToNode = reader.next().await.expect("a frame").expect("a frame");
            let read = frame
                .requests
                .into_iter()
                .filter_map(|read| wire::request_from_wire(WireRequest::decode(read.request).ok()?).ok());
            assert_eq!(read.count() as u64, FRAME_REQUESTS);
        }
    });
}
