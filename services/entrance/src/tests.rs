//! A port over real sockets: which clients are let in, which have to go, and that no client stalls the others.

mod fixture;

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    routing::get,
};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Notify,
};
use tokio_rustls::TlsConnector;

use super::*;
use fixture::*;

const SHORT: Duration = Duration::from_millis(50);
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn a_silent_connection_and_half_a_head_are_closed_after_their_patience() {
    for protocol in [Protocol::Http1, Protocol::Grpc] {
        let port = Port::open(protocol, Limits { first_head: SHORT, ..limits() }, hello(), None).await;
        let (mut silent, mut half) = (port.connect().await, port.connect().await);
        half.write_all(if protocol == Protocol::Grpc { PREFACE } else { b"GET / HT" }).await.unwrap();
        assert_closed(&mut silent).await;
        assert_closed(&mut half).await;
        assert_eq!(port.refusals.total(), 2, "{protocol:?}");
    }
}

#[tokio::test]
async fn a_request_over_http_names_one_host_and_any_other_one_is_refused_and_counted() {
    let port = Port::open(Protocol::Http1, limits(), hello(), None).await;
    for (version, hosts, status) in [
        ("1.1", "Host: a\r\n", 200),
        ("1.1", "Host: a\r\nHost: b\r\n", 400),
        ("1.1", "Host: a\r\nhost: a\r\n", 400),
        ("1.1", "", 400),
        ("1.0", "", 200),
        ("1.0", "Host: a\r\nHost: a\r\n", 400),
    ] {
        let mut stream = port.connect().await;
        let answer = ask(&mut stream, format!("GET / HTTP/{version}\r\n{hosts}\r\n").as_bytes()).await;
        assert_eq!(&answer[9..12], status.to_string(), "{version} {hosts:?}: {answer}");
        if status == 400 {
            assert!(answer.contains("connection: close") && answer.contains("Host header"), "{answer}");
            assert_closed(&mut stream).await;
        }
    }
    assert_eq!(port.refusals.by_cause(), [("host", 4)]);
}

#[tokio::test]
async fn a_kept_alive_connection_is_closed_once_it_has_been_idle_for_long() {
    let port = Port::open(Protocol::Http1, Limits { idle: SHORT, ..limits() }, hello(), None).await;
    let mut kept = port.connect().await;
    for _ in 0..3 {
        assert!(ask(&mut kept, GET).await.starts_with("HTTP/1.1 200"));
    }
    assert_closed(&mut kept).await;
    assert_eq!(port.refusals.total(), 0, "that is no refusal");
}

#[tokio::test]
async fn silent_connections_make_room_for_who_speaks() {
    let port = Port::open(Protocol::Http1, Limits { connections_max: 8, ..limits() }, hello(), None).await;
    let mut silent = Vec::new();
    for _ in 0..32 {
        silent.push(port.connect().await);
        assert!(ask(&mut port.connect().await, GET).await.starts_with("HTTP/1.1 200"));
    }
    assert_closed(&mut silent[0]).await;
    assert!(port.places.taken() <= 8);
}

#[tokio::test]
async fn connections_beyond_the_limit_are_refused_at_once_while_all_are_busy() {
    let leave = Arc::new(Notify::new());
    let port = Port::open(Protocol::Http1, Limits { connections_max: 1, ..limits() }, waiting(&leave), None).await;
    let mut busy = port.connect().await;
    busy.write_all(GET).await.unwrap();
    while port.requests.available_permits() == limits().requests_max {
        tokio::task::yield_now().await;
    }
    let mut told = String::new();
    port.connect().await.read_to_string(&mut told).await.unwrap();
    assert!(told.starts_with("HTTP/1.1 503") && told.contains("Retry-After"), "{told}");
    assert_eq!(port.refusals.by_cause(), [("full", 1)]);
    leave.notify_one();
    assert!(read_answer(&mut busy).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn requests_beyond_the_limit_are_told_to_come_again() {
    let leave = Arc::new(Notify::new());
    let port = Port::open(Protocol::Http1, Limits { requests_max: 1, ..limits() }, waiting(&leave), None).await;
    let mut busy = port.connect().await;
    busy.write_all(GET).await.unwrap();
    while port.requests.available_permits() == 1 {
        tokio::task::yield_now().await;
    }
    let refused = ask(&mut port.connect().await, GET).await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("retry-after: 1"), "{refused}");
    leave.notify_one();
    assert!(read_answer(&mut busy).await.starts_with("HTTP/1.1 200"));
    while port.requests.available_permits() == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn bodies_count_against_the_bytes_of_the_port_until_they_are_answered() {
    let reading = Router::new().route("/", get(async |body: Bytes| body.len().to_string()));
    let port = Port::open(Protocol::Http1, Limits { bytes_max: 10, ..limits() }, reading, None).await;
    let body =
        |bytes: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: {bytes}\r\n\r\n{}", "x".repeat(bytes));
    for _ in 0..5 {
        assert!(ask(&mut port.connect().await, body(9).as_bytes()).await.ends_with("\r\n\r\n9"));
    }
    let refused = ask(&mut port.connect().await, body(11).as_bytes()).await;
    assert!(refused.starts_with("HTTP/1.1 4"), "{refused}");
    assert!(ask(&mut port.connect().await, body(10).as_bytes()).await.ends_with("\r\n\r\n10"));
}

#[tokio::test]
async fn a_request_whose_body_does_not_come_to_its_end_is_refused_and_counted() {
    let reading = Router::new().route("/", get(async |body: Bytes| body.len().to_string()));
    let port = Port::open(Protocol::Http1, Limits { body: SHORT, ..limits() }, reading, None).await;
    let late = ask(&mut port.connect().await, b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nxxx").await;
    assert!(late.starts_with("HTTP/1.1 4"), "{late}");
    assert_eq!(port.refusals.by_cause(), [("body", 1)]);
}

#[tokio::test]
async fn a_flood_of_frames_ends_its_connection_and_no_other() {
    let port = Port::open(Protocol::Grpc, limits(), hello(), None).await;
    let ping = [&[0, 0, 8, 6, 0, 0, 0, 0, 0][..], &[7; 8]].concat();
    let reset = [0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 8].to_vec();
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0].to_vec();
    let mut calm = port.connect().await;
    calm.write_all(PREFACE).await.unwrap();
    for frame in [ping, reset, settings] {
        let mut flood = port.connect().await;
        let bytes = [PREFACE, &get_over_http2()[..], &frame.repeat(2000)[..]].concat();
        let _ = flood.write_all(&bytes).await; // the port may hang up before the last frame
        assert_closed(&mut flood).await;
    }
    until_counted(&port, "flood", 3).await;
    calm.write_all(&get_over_http2()).await.unwrap();
    let mut answer = [0; 4096];
    assert!(calm.read(&mut answer).await.unwrap() > 0, "another connection is served");
}

/// Waits until a cause was counted so often: a port counts in its own time.
async fn until_counted(port: &Port, cause: &'static str, count: u64) {
    while !port.refusals.by_cause().contains(&(cause, count)) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_client_that_takes_no_answer_is_hung_up_on() {
    let endless = || futures::stream::repeat_with(|| Ok::<_, std::convert::Infallible>(Bytes::from_static(&[0; 4096])));
    let large = Router::new().route("/", get(async move || Body::from_stream(endless())));
    let port = Port::open(Protocol::Grpc, Limits { untaken: SHORT, ..limits() }, large, None).await;
    let mut deaf = port.connect().await;
    deaf.write_all(PREFACE).await.unwrap();
    deaf.write_all(&get_over_http2()).await.unwrap(); // and the window is never opened again
    let mut scrap = [0; 65536];
    while deaf.read(&mut scrap).await.is_ok_and(|count| count > 0) {}
    assert_eq!(port.refusals.total(), 1);
}

#[tokio::test]
async fn a_stop_ends_every_connection() {
    let port = Port::open(Protocol::Http1, limits(), hello(), None).await;
    let (mut silent, mut kept) = (port.connect().await, port.connect().await);
    assert!(ask(&mut kept, GET).await.starts_with("HTTP/1.1 200"));
    assert!(port.tasks.drain(Duration::from_secs(60)).await);
    assert_closed(&mut silent).await;
    assert_closed(&mut kept).await;
}

/// Asks over TLS, if this client is let in.
async fn over_tls(client: Arc<ClientConfig>, port: &Port) -> std::io::Result<String> {
    let mut stream =
        TlsConnector::from(client).connect(ServerName::try_from("a").unwrap(), port.connect().await).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn only_who_shows_a_certificate_comes_in_and_garbage_stalls_nobody() {
    let Certificates { live, client, stranger } = certificates();
    let port = Port::open(Protocol::Http1, limits(), hello(), Some(live)).await;
    let mut plain = port.connect().await;
    plain.write_all(GET).await.unwrap();
    assert_closed(&mut plain).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(port.connect().await);
    }
    assert!(over_tls(stranger, &port).await.is_err());
    assert!(over_tls(client, &port).await.unwrap().ends_with("hello"));
    assert_eq!(port.refusals.handshakes(), [("no_certificate", 1), ("plain_http", 1)]);
}

#[tokio::test]
async fn a_caller_on_loopback_reaches_the_local_routes_of_a_port_with_tls_and_no_others() {
    let Certificates { live, client, .. } = certificates();
    let local = Router::new().route("/livez", get(async || "lives"));
    let entrance = Entrance::new("test", Protocol::Http1, limits()).answering_locally(local);
    let port = Port::behind(entrance, hello(), Some(live)).await;
    let livez = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n";
    assert!(ask(&mut port.connect().await, livez).await.ends_with("lives"));
    assert!(ask(&mut port.connect().await, GET).await.starts_with("HTTP/1.1 404"));
    assert!(over_tls(client, &port).await.unwrap().ends_with("hello"), "over TLS the port is what it was");
    assert_eq!(port.refusals.total(), 0);
}
