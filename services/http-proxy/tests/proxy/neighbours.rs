//! Greedy clients: bodies that are held, silent connections, endless names. The other clients are served, or hear when to
//! come back.

use std::{
    os::{fd::OwnedFd, unix::net::UnixStream as StdUnixStream},
    process::Stdio,
};

use crate::support::{Answer, Client, Node, acknowledge, configure, serve};
use chassis::tasks::Tasks;
use ocs_proto::link::Configure;
use outbound::{Handle, Reply, Request, Resource};
use tokio::{net::UnixStream, process::Command, sync::oneshot};

const PROCESSED: &str = "POST /records/15?req=RecordProcessed HTTP/1.1\r\nHost: x\r\n";
const MIB: usize = 1 << 20;

fn shows(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.code().as_str()), (status, code), "{answer:?}");
}

/// 503, when to come back, and the end of the connection.
async fn turns_away(client: &mut Client) {
    let answer = client.answer().await.unwrap();
    shows(&answer, 503, "UNAVAILABLE");
    assert_eq!((answer.header("retry-after"), answer.header("connection")), (Some("1"), Some("close")));
    assert!(client.is_closed().await);
}

// === names ===

#[tokio::test]
async fn a_key_has_at_most_255_bytes_in_query_form_and_json() {
    let node = Node::acknowledging().await;
    let with_body = |body: String| format!("{PROCESSED}Content-Length: {}\r\n\r\n{body}", body.len());
    for (length, status) in [(255, 200), (256, 400), (60_000, 400)] {
        let key = "k".repeat(length);
        let requests = [
            format!("POST /records/15?req=RecordProcessed&{key}=v HTTP/1.1\r\nHost: x\r\n\r\n"),
            with_body(format!("{key}=v")),
            with_body(format!("{{\"{key}\":\"v\"}}")),
            with_body(format!("{{\"{key}\":null}}")),
        ];
        for request in requests {
            let answer = node.ask(&request).await;
            assert_eq!(answer.status, status, "{}", &request[..80]);
            if status == 400 {
                shows(&answer, 400, "LIMIT");
            }
        }
    }
}

#[tokio::test]
async fn an_answer_shows_no_more_than_a_piece_of_what_was_sent() {
    let node = Node::acknowledging().await;
    let long = "9".repeat(50_000);
    let requests = [
        format!("POST /records/{long}?req=RecordProcessed HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("POST /lists/{long}?req=AddRecord HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("POST /{long}/15?req=RecordProcessed HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("POST /records/15?req={long} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("POST /records/15?req=RecordProcessed&tenant={long} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("POST /records/15?req=RecordProcessed&{long}=1 HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("POST /records/15?req=RecordProcessed&GSW_CALL_RESULT={long} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("{PROCESSED}Content-Type: a/b; charset={long}\r\n\r\n"),
        format!("X{long} /records/15 HTTP/1.1\r\nHost: x\r\n\r\n"),
    ];
    for request in requests {
        let answer = node.ask(&request).await;
        assert!((400..500).contains(&answer.status), "{answer:?}");
        assert!(answer.body.len() < 1000, "{}: {}", &request[..80], answer.body.len());
    }
}

// === bodies ===

fn narrow(bodies_bytes_max: usize) -> Configure {
    Configure { bodies_bytes_max: bodies_bytes_max as u64, ..configure() }
}

/// Holds the requests on this record, acknowledges all others.
const HELD: u64 = 99;

fn hold_one(request: &Request) -> Option<Reply> {
    if request.resource == Resource::Record(Handle(HELD)) { None } else { acknowledge(request) }
}

/// The head of a request with a body of a mebibyte.
fn large(record: u64, headers: &str) -> String {
    format!("POST /records/{record}?req=RecordProcessed HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {MIB}\r\n\r\n")
}

/// The body, less its last byte.
fn nearly_all() -> String {
    format!("{{{}", " ".repeat(MIB - 2))
}

/// A body of a mebibyte whose request the node has and does not answer.
async fn fill(node: &mut Node) -> (Client, u64, Request) {
    let mut client = node.connect().await;
    client.send(format!("{}{}}}", large(HELD, ""), nearly_all())).await;
    let (id, request) = node.requests.recv().await.unwrap();
    (client, id, request)
}

#[tokio::test]
async fn a_body_beyond_the_budget_gets_503_small_ones_are_served_and_room_comes_back_with_the_answer() {
    let mut node = Node::with(narrow(MIB), hold_one).await;
    let (mut waiting, id, request) = fill(&mut node).await;
    let mut beyond = node.connect().await;
    beyond.send(format!("{}{}", large(15, ""), nearly_all())).await;
    turns_away(&mut beyond).await;
    let small = format!("{PROCESSED}Content-Length: 4000\r\n\r\n{{{}}}", " ".repeat(3998));
    assert_eq!(node.ask(&small).await.status, 200);
    node.reply(id, &acknowledge(&request).unwrap());
    assert_eq!(waiting.answer().await.unwrap().status, 200);
    assert_eq!(node.ask(format!("{}{}}}", large(15, ""), nearly_all())).await.status, 200);
}

#[tokio::test]
async fn a_body_of_unknown_length_is_refused_where_its_room_ends() {
    let mut node = Node::with(narrow(MIB), hold_one).await;
    let _held = fill(&mut node).await;
    let small = format!("{PROCESSED}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n");
    assert_eq!(node.ask(&small).await.status, 200);
    let mut client = node.connect().await;
    client.send(format!("{PROCESSED}Transfer-Encoding: chunked\r\n\r\n")).await;
    for _ in 0..60 {
        client.send(format!("4000\r\n{}\r\n", " ".repeat(0x4000))).await;
    }
    turns_away(&mut client).await;
}

#[tokio::test]
async fn who_announces_much_and_sends_nothing_takes_no_room_and_gets_408() {
    let node = Node::with(Configure { body_timeout_ms: 5000, ..narrow(MIB) }, acknowledge).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        let mut client = node.connect().await;
        client.send(format!("{}{{", large(15, ""))).await;
        silent.push(client);
    }
    assert_eq!(node.ask(format!("{}{}}}", large(15, ""), nearly_all())).await.status, 200);
    for client in &mut silent {
        shows(&client.answer().await.unwrap(), 408, "REQUEST_TIMEOUT");
    }
}

#[tokio::test]
async fn a_body_for_which_there_is_no_room_is_not_asked_for() {
    let mut node = Node::with(narrow(MIB), hold_one).await;
    let _held = fill(&mut node).await;
    let mut client = node.connect().await;
    client.send(large(15, "Expect: 100-continue\r\n")).await;
    turns_away(&mut client).await;
}

// === connections ===

#[tokio::test]
async fn silent_connections_beyond_the_limit_are_told_so_without_having_asked_and_do_not_keep_others_waiting() {
    let node = Node::with(Configure { connections_max: 1, ..configure() }, acknowledge).await;
    let mut inside = node.connect().await;
    inside.send(format!("{PROCESSED}\r\n")).await;
    assert_eq!(inside.answer().await.unwrap().status, 200);
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(node.connect().await); // more than are turned away at a time
    }
    let mut asks = node.connect().await;
    asks.send(format!("{PROCESSED}\r\n")).await;
    turns_away(&mut asks).await;
    for client in &mut silent {
        turns_away(client).await;
    }
}

#[tokio::test]
async fn an_address_has_its_bound_and_a_balancer_has_none() {
    let bound = Configure { connections_per_address_max: 2, ..configure() };
    let balancer = Node::with(bound.clone(), acknowledge).await;
    let direct = Node::with(Configure { balancers: vec!["192.0.2.0/24".into()], ..bound }, acknowledge).await;
    for (node, welcome) in [(balancer, 5), (direct, 2)] {
        let mut kept = Vec::new();
        for at in 0..5 {
            let mut client = node.connect().await;
            client.send(format!("{PROCESSED}\r\n")).await;
            if at < welcome {
                assert_eq!(client.answer().await.unwrap().status, 200);
                kept.push(client);
            } else {
                turns_away(&mut client).await;
            }
        }
        drop(kept);
        while node.ask(format!("{PROCESSED}\r\n")).await.status != 200 {} // their end is noticed in its own time
    }
}

/// A balancer's header of the PROXY protocol.
fn header_of(client: [u8; 4]) -> Vec<u8> {
    let signature = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c";
    [&signature[..], &client, &[127, 0, 0, 1, 0x1f, 0x90, 0x1f, 0x91]].concat()
}

#[tokio::test]
async fn behind_a_balancer_the_address_that_it_tells_counts() {
    let told = Configure { connections_per_address_max: 1, proxy_protocol: true, ..configure() };
    let node = Node::with(told, acknowledge).await;
    let connect = async |client: [u8; 4]| {
        let mut connection = node.connect().await;
        connection.send([&header_of(client)[..], PROCESSED.as_bytes(), b"\r\n"].concat()).await;
        connection
    };
    let (mut first, mut other) = (connect([192, 0, 2, 1]).await, connect([192, 0, 2, 2]).await);
    for client in [&mut first, &mut other] {
        assert_eq!(client.answer().await.unwrap().status, 200);
    }
    turns_away(&mut connect([192, 0, 2, 1]).await).await;
    first.send(format!("{PROCESSED}\r\n")).await;
    assert_eq!(first.answer().await.unwrap().status, 200, "there is one header a connection");
}

#[tokio::test]
async fn a_balancers_connection_without_its_header_is_refused_and_nobody_elses_header_is_taken() {
    let told = Configure { proxy_protocol: true, ..configure() };
    let strict = Node::with(told.clone(), acknowledge).await;
    let answer = strict.ask(format!("{PROCESSED}\r\n")).await;
    shows(&answer, 400, "BAD_VALUE");
    assert!(answer.body.contains("PROXY protocol v2"), "{answer:?}");
    let foreign = Node::with(Configure { balancers: vec!["192.0.2.1".into()], ..told }, acknowledge).await;
    assert_eq!(foreign.ask(format!("{PROCESSED}\r\n")).await.status, 200);
    let forged = [&header_of([192, 0, 2, 9])[..], PROCESSED.as_bytes(), b"\r\n"].concat();
    shows(&foreign.ask(forged).await, 400, "BAD_VALUE");
}

#[tokio::test]
async fn without_descriptors_for_all_fewer_connections_count_and_the_program_serves_on() {
    const LIMIT: usize = 64;
    let (ours, theirs) = StdUnixStream::pair().unwrap();
    let _child = Command::new("sh")
        .args(["-c", &format!("ulimit -n {LIMIT} && exec \"$0\""), env!("CARGO_BIN_EXE_ocs-http-proxy")])
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    ours.set_nonblocking(true).unwrap();
    let stream = UnixStream::from_std(ours).unwrap();
    let (listening, node) = serve(stream, configure(), acknowledge, Tasks::new(), oneshot::channel().1).await;
    assert_eq!(listening.error, "");
    let mut many = Vec::new();
    for _ in 0..2 * LIMIT {
        many.push(node.connect().await); // the system takes them in, whether the program can or not
    }
    let lines =
        || -> Vec<String> { node.heard.lock().unwrap().logs.iter().map(|record| record.message.clone()).collect() };
    while !lines().iter().any(|line| line.contains("cannot accept connections")) {
        tokio::task::yield_now().await;
    }
    drop(many);
    while node.ask(format!("{PROCESSED}\r\n")).await.status != 200 {} // their end is noticed in its own time
    let lowered: Vec<String> =
        lines().into_iter().filter(|line| line.contains("connections_max is 1000; 32 count")).collect();
    assert_eq!(lowered.len(), 1, "{:?}", lines());
}
