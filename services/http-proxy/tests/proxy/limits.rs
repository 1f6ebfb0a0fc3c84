//! Limits, wrong methods and malformed input: every request gets its answer, and none stalls the port.

use crate::support::{Answer, Node, acknowledge, configure, hold};
use ocs_proto::link::Configure;
use outbound::{Refusal, RefusalCode, Reply, Value};

const PROCESSED: &str = "POST /records/15?req=RecordProcessed HTTP/1.1\r\nHost: x\r\n";

fn shows(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.code().as_str()), (status, code), "{answer:?}");
    assert_eq!(answer.header("x-ocs-node"), Some("a"));
    assert_eq!(answer.header("x-ocs-role"), Some("unknown"));
}

#[tokio::test]
async fn refusals_of_translation_have_their_status_and_a_json_body() {
    let node = Node::acknowledging().await;
    let table = [
        ("POST /records/15 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "BAD_REQUEST_NAME"),
        ("POST /records/x?req=RecordProcessed HTTP/1.1\r\nHost: x\r\n\r\n", 404, "BAD_RESOURCE"),
        (
            "POST /records/99999999999999999999999?req=RecordProcessed HTTP/1.1\r\nHost: x\r\n\r\n",
            404,
            "RECORD_NOT_FOUND",
        ),
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 404, "BAD_RESOURCE"),
        ("GET /api/lists HTTP/1.1\r\nHost: x\r\n\r\n", 404, "BAD_RESOURCE"),
        ("DELETE /records/15 HTTP/1.1\r\nHost: x\r\n\r\n", 405, "METHOD"),
        ("POST /records/15?req=RecordProcessed HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{]", 400, "BAD_BODY"),
        ("POST /records/15?req=RecordProcessed HTTP/1.1\r\n\r\n", 400, "BAD_VALUE"),
        ("POST /records/15?req=RecordProcessed HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400, "BAD_VALUE"),
        ("POST /records/15?req=RecordProcessed HTTP/1.1\r\nHost: u@x\r\n\r\n", 400, "BAD_VALUE"),
    ];
    for (request, status, code) in table {
        shows(&node.ask(request).await, status, code);
    }
}

#[tokio::test]
async fn a_wrong_method_names_the_right_ones() {
    let node = Node::acknowledging().await;
    let allow = async |request| node.ask(request).await.header("allow").unwrap_or_default().to_owned();
    assert_eq!(allow("DELETE /records/15 HTTP/1.1\r\nHost: x\r\n\r\n").await, "GET, POST, PUT, OPTIONS");
    assert_eq!(allow("DELETE /campaigngroups/101 HTTP/1.1\r\nHost: x\r\n\r\n").await, "GET, POST, PUT, OPTIONS");
    assert_eq!(allow("GET /lists/demo HTTP/1.1\r\nHost: x\r\n\r\n").await, "POST, PUT, OPTIONS");
    assert_eq!(allow("GET /phones/1 HTTP/1.1\r\nHost: x\r\n\r\n").await, "POST, PUT, OPTIONS");
    let preview = "GET /campaigngroups/101?req=PreviewRecordRequest HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(allow(preview).await, "POST, PUT, OPTIONS");
    assert_eq!(allow("GET /records/15?req=RecordProcessed HTTP/1.1\r\nHost: x\r\n\r\n").await, "POST, PUT, OPTIONS");
    let options = node.ask("OPTIONS /records/15 HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!((options.status, options.header("allow")), (204, Some("GET, POST, PUT, OPTIONS")));
}

#[tokio::test]
async fn a_body_that_is_too_large_gets_413_even_while_it_is_still_being_sent() {
    let mut small = configure();
    small.body_bytes_max = 1000;
    let node = Node::with(small, acknowledge).await;
    let known = format!("{PROCESSED}Content-Length: 400000\r\n\r\n{}", "x".repeat(400_000));
    let chunked = format!("{PROCESSED}Transfer-Encoding: chunked\r\n\r\n61a80\r\n{}\r\n0\r\n\r\n", "x".repeat(400_000));
    for request in [known, chunked] {
        let mut client = node.connect().await;
        client.send(request).await;
        let answer = client.answer().await.unwrap();
        shows(&answer, 413, "LIMIT");
        assert_eq!(answer.header("connection"), Some("close"));
    }
    let exact = format!("{PROCESSED}Content-Length: 1000\r\n\r\n{{{}}}", " ".repeat(998));
    assert_eq!(node.ask(exact).await.status, 200);
}

#[tokio::test]
async fn a_head_that_is_too_large_gets_431() {
    let node = Node::acknowledging().await;
    let long = format!("{PROCESSED}A: {}\r\n\r\n", "b".repeat(1 << 20));
    shows(&node.ask(long).await, 431, "LIMIT");
    let many: String = (0..200).map(|n| format!("X{n}: y\r\n")).collect();
    shows(&node.ask(format!("{PROCESSED}{many}\r\n")).await, 431, "LIMIT");
    let path = format!("POST /{} HTTP/1.1\r\nHost: x\r\n\r\n", "p".repeat(66_000));
    shows(&node.ask(path).await, 431, "LIMIT");
}

#[tokio::test]
async fn what_is_no_http_gets_400_as_readable_as_every_other_answer() {
    let node = Node::acknowledging().await;
    for garbage in ["garbage\r\n\r\n", "GET /livez HTTP/1.1\r\nno colon\r\n\r\n"] {
        let answer = node.ask(garbage).await;
        shows(&answer, 400, "BAD_VALUE");
        assert_eq!(answer.header("connection"), Some("close"));
    }
}

#[tokio::test]
async fn too_many_attributes_and_too_long_values_get_400_limit() {
    let node = Node::acknowledging().await;
    let form = |count: usize| (0..count).map(|n| format!("k{n}=1")).collect::<Vec<_>>().join("&");
    let ask = async |body: String| node.ask(format!("{PROCESSED}Content-Length: {}\r\n\r\n{body}", body.len())).await;
    assert_eq!(ask(form(256)).await.status, 200);
    shows(&ask(form(257)).await, 400, "LIMIT");
    shows(&ask(format!("{}&k=%", form(2000))).await, 400, "LIMIT");
    assert_eq!(ask(format!("{{\"k\":\"{}\"}}", "v".repeat(65_536))).await.status, 200);
    shows(&ask(format!("{{\"k\":\"{}\"}}", "v".repeat(65_537))).await, 400, "LIMIT");
}

#[tokio::test]
async fn ambiguous_framing_is_refused_and_nothing_behind_it_is_served() {
    let mut node = Node::with(configure(), hold).await;
    let heads = [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "Content-Length: 0\r\nContent-Length: 5\r\n",
        "Content-Length: +0\r\n",
        "Content-Length: 0, 0\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: identity, chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    ];
    for head in heads {
        let mut client = node.connect().await;
        client.send(format!("{PROCESSED}{head}\r\n0\r\n\r\n{PROCESSED}\r\n")).await;
        let answer = client.answer().await.unwrap();
        assert_eq!(answer.status, 400, "{head}");
        assert!(client.is_closed().await, "{head}");
    }
    assert!(node.requests.try_recv().is_err(), "something was handed over");
}

#[tokio::test]
async fn garbage_scans_and_half_open_connections_do_not_stall_the_port() {
    let node = Node::acknowledging().await;
    let mut open = Vec::new();
    for garbage in
        [&b""[..], b"\x16\x03\x01\x00\xa5\x01\x00", b"GET / HTT", b"\0\0\0", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    {
        for _ in 0..20 {
            let mut client = node.connect().await;
            client.send(garbage).await;
            open.push(client);
        }
    }
    assert_eq!(node.ask(format!("{PROCESSED}\r\n")).await.status, 200);
}

#[tokio::test]
async fn a_body_that_does_not_come_gets_408() {
    let mut hasty = configure();
    hasty.body_timeout_ms = 50;
    let node = Node::with(hasty, acknowledge).await;
    shows(&node.ask(format!("{PROCESSED}Content-Length: 10\r\n\r\nab")).await, 408, "REQUEST_TIMEOUT");
}

#[tokio::test]
async fn a_request_beyond_those_in_flight_gets_429_and_when_to_come_back() {
    let mut narrow = configure();
    narrow.requests_in_flight_max = 1;
    let mut node = Node::with(narrow, hold).await;
    let mut first = node.connect().await;
    first.send(format!("{PROCESSED}\r\n")).await;
    let (id, request) = node.requests.recv().await.unwrap();
    let busy = node.ask(format!("{PROCESSED}\r\n")).await;
    shows(&busy, 429, "LIMIT");
    assert_eq!(busy.header("retry-after"), Some("1"));
    node.reply(id, &acknowledge(&request).unwrap());
    assert_eq!(first.answer().await.unwrap().status, 200);
}

#[tokio::test]
async fn a_connection_too_many_gets_503_and_when_to_come_back_and_is_welcome_later() {
    let mut narrow = configure();
    narrow.connections_max = 1;
    let node = Node::with(narrow, acknowledge).await;
    let mut first = node.connect().await;
    first.send(format!("{PROCESSED}\r\n")).await;
    assert_eq!(first.answer().await.unwrap().status, 200);
    let mut second = node.connect().await;
    second.send(format!("{PROCESSED}\r\n")).await;
    let away = second.answer().await.unwrap();
    shows(&away, 503, "UNAVAILABLE");
    assert_eq!((away.header("retry-after"), away.header("connection")), (Some("1"), Some("close")));
    assert!(second.is_closed().await);
    first.send(format!("{PROCESSED}\r\n")).await;
    assert_eq!(first.answer().await.unwrap().status, 200, "who is in stays in");
    drop(first);
    while node.ask(format!("{PROCESSED}\r\n")).await.status != 200 {} // HTTP Proxy notices the end of a connection later
}

#[tokio::test]
async fn a_node_that_does_not_answer_leaves_the_outcome_unknown() {
    let mut hasty = configure();
    hasty.deadline_ms = 50;
    let node = Node::with(hasty, hold).await;
    shows(&node.ask(format!("{PROCESSED}\r\n")).await, 504, "OUTCOME_UNKNOWN");
}

#[tokio::test]
async fn a_refusal_of_the_rules_keeps_its_attributes_and_says_that_it_is_replayed() {
    fn refuse(_: &outbound::Request) -> Option<Reply> {
        let refusal = Refusal::new(RefusalCode::RecordFinalised, "Record handle 15 is already finalised");
        let refusal = refusal.with("GSW_RECORD_HANDLE", Value::Int(15));
        Some(Reply { replayed: true, ..Reply::refused(refusal) })
    }
    let node = Node::with(configure(), refuse).await;
    let answer = node.ask(format!("{PROCESSED}\r\n")).await;
    shows(&answer, 404, "RECORD_FINALISED");
    assert_eq!(answer.header("idempotent-replayed"), Some("true"));
    assert_eq!(
        answer.body,
        "{\"GSW_USER_EVENT\":\"Error\",\"GSW_ERROR\":\"Record handle 15 is already finalised\",\
         \"GSW_ERROR_CODE\":\"RECORD_FINALISED\",\"GSW_RECORD_HANDLE\":15}"
    );
}

// === times and counts ===

#[tokio::test]
async fn a_head_that_does_not_come_to_its_end_gets_408_the_first_and_every_later_one() {
    let node = Node::with(Configure { header_timeout_ms: 500, ..configure() }, acknowledge).await;
    for served in [0, 1, 3] {
        let mut client = node.connect().await;
        for _ in 0..served {
            client.send(format!("{PROCESSED}\r\n")).await;
            assert_eq!(client.answer().await.unwrap().status, 200);
        }
        client.send("GET /records/15 HTTP/1.1\r\nHo").await;
        shows(&client.answer().await.unwrap(), 408, "REQUEST_TIMEOUT");
        assert!(client.is_closed().await);
    }
    until(|| node.refused("head_time") == 3).await;
}

#[tokio::test]
async fn a_connection_without_a_request_ends_without_an_answer_and_is_counted() {
    let node = Node::with(Configure { idle_timeout_ms: 100, ..configure() }, acknowledge).await;
    let mut client = node.connect().await;
    for _ in 0..2 {
        client.send(format!("{PROCESSED}\r\n")).await;
        assert_eq!(client.answer().await.unwrap().status, 200);
    }
    assert!(client.is_closed().await);
    until(|| node.refused("idle") == 1).await;
}

#[tokio::test]
async fn a_body_has_a_time_of_its_own_before_the_deadline_begins() {
    let node = Node::with(Configure { deadline_ms: 100, ..configure() }, acknowledge).await;
    let mut client = node.connect().await;
    client.send(format!("{PROCESSED}Content-Length: 2\r\n\r\n{{")).await;
    let other = Node::with(Configure { deadline_ms: 200, ..configure() }, hold).await;
    assert_eq!(other.ask(format!("{PROCESSED}\r\n")).await.status, 504, "two deadlines have passed");
    client.send("}").await;
    assert_eq!(client.answer().await.unwrap().status, 200);
}

#[tokio::test]
async fn a_client_that_takes_no_answer_is_hung_up_on_and_counted() {
    let node = Node::with(Configure { write_timeout_ms: 200, ..configure() }, acknowledge).await;
    let mut deaf = tokio::net::TcpStream::connect(&node.address).await.unwrap();
    let requests = format!("{PROCESSED}\r\n").repeat(1000);
    while tokio::io::AsyncWriteExt::write_all(&mut deaf, requests.as_bytes()).await.is_ok() {}
    until(|| node.refused("write_time") == 1).await;
    assert_eq!(node.ask(format!("{PROCESSED}\r\n")).await.status, 200);
}

#[tokio::test]
async fn each_limit_is_counted_under_its_reason() {
    let tight = Configure { body_bytes_max: 1000, body_timeout_ms: 100, ..configure() };
    let node = Node::with(tight, acknowledge).await;
    let head = "Transfer-Encoding: chunked\r\n\r\n";
    let table = [
        (format!("{PROCESSED}Content-Length: 5000\r\n\r\n"), 413, "body_size"),
        (format!("{PROCESSED}Content-Length: 5\r\n\r\n"), 408, "body_time"),
        (format!("{PROCESSED}A: {}\r\n\r\n", "b".repeat(70_000)), 431, "head_size"),
        (format!("{PROCESSED}{head}+1\r\nx\r\n0\r\n\r\n"), 400, "ambiguous"),
        ("garbage\r\n\r\n".to_owned(), 400, "not_http"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), 400, "http2"),
    ];
    for (bytes, status, reason) in table {
        assert_eq!(node.ask(&bytes).await.status, status, "{reason}");
        until(|| node.refused(reason) == 1).await;
    }
}

/// Waits for a report, which HTTP Proxy sends in its own time.
async fn until(happened: impl Fn() -> bool) {
    while !happened() {
        tokio::task::yield_now().await;
    }
}
