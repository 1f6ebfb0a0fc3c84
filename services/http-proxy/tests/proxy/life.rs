//! The life of HTTP Proxy as its node sees it (spec 10): as a task and as the real program.

use std::{
    os::{fd::OwnedFd, unix::net::UnixStream as StdUnixStream},
    process::Stdio,
};

use crate::support::{Node, acknowledge, configure, hold, serve, start};
use chassis::tasks::{AtEnd, Tasks};
use http_proxy::{
    ProxyError,
    link::{FrameWriter, LINK_VERSIONS},
    log::record_of_line,
};
use ocs_proto::link::{Configure, Drain, Header, LogRecord, RoleNotice, ToProxy};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::{TcpListener, TcpStream, UnixStream},
    process::{Child, ChildStderr, Command},
    sync::oneshot,
};

const PROCESSED: &str = "POST /records/15?req=RecordProcessed HTTP/1.1\r\nHost: x\r\n\r\n";

#[tokio::test]
async fn health_checks_are_the_nodes_except_livez() {
    let node = Node::acknowledging().await;
    let table = [
        ("GET", "/livez", 200, "{\"ok\":true,\"reason\":\"live\"}"),
        ("GET", "/readyz", 200, "{\"asked\":1}"),
        ("OPTIONS", "/readyz", 200, "{\"asked\":1}"),
        ("GET", "/readyz?now", 503, "{\"asked\":2}"),
        ("GET", "/primary", 503, "{\"asked\":3}"),
        ("GET", "/backup", 503, "{\"asked\":4}"),
    ];
    for (method, path, status, body) in table {
        let answer = node.ask(format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        assert_eq!((answer.status, answer.body.as_str()), (status, body), "{method} {path}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    assert_eq!(node.ask("POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await.status, 405);
    let mut client = node.connect().await;
    client.send("HEAD /primary HTTP/1.1\r\nHost: x\r\n\r\nGET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(client.head().await.unwrap().starts_with("HTTP/1.1 503 "));
    assert_eq!(client.answer().await.unwrap().status, 200, "HEAD has no body");
}

#[tokio::test]
async fn a_drain_finishes_what_is_in_flight_closes_the_port_and_ends() {
    let mut node = Node::with(configure(), hold).await;
    let (mut idle, mut busy, mut late) = (node.connect().await, node.connect().await, node.connect().await);
    for client in [&mut idle, &mut late] {
        client.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!(client.answer().await.unwrap().header("connection"), None);
    }
    busy.send(PROCESSED).await;
    let (id, request) = node.requests.recv().await.unwrap();
    node.drain();
    // The port closes at once; a request that crosses the drain notice on an open connection is still answered, as the last
    // one.
    while TcpStream::connect(&node.address).await.is_ok() {}
    late.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let answer = late.answer().await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert!(late.is_closed().await);
    assert!(idle.is_closed().await);
    node.reply(id, &acknowledge(&request).unwrap());
    let answer = busy.answer().await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert!(busy.is_closed().await);
    node.ended().await.unwrap();
}

#[tokio::test]
async fn before_a_drain_every_answer_ends_its_connection_and_the_port_stays_open() {
    let node = Node::acknowledging().await;
    let mut kept = node.connect().await;
    kept.send(PROCESSED).await;
    assert_eq!(kept.answer().await.unwrap().header("connection"), None);
    node.leave(true);
    kept.send("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").await; // answered behind the notice
    let answer = kept.answer().await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")), "the node decides about readiness");
    assert!(kept.is_closed().await);
    assert_eq!(node.ask(PROCESSED).await.header("connection"), Some("close"), "new connections are served");
    node.leave(false);
    let mut again = node.connect().await;
    loop {
        again.send("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").await;
        match again.answer().await.unwrap().header("connection") {
            None => break,
            Some(_) => again = node.connect().await, // the notice was on its way
        }
    }
}

/// Begins of requests whose bodies or replies do not come, and their answers at the end of a drain.
async fn cut_off_by(configured: Configure, drain: fn(&Node)) {
    let mut node = Node::with(configured, hold).await;
    let (mut busy, mut half) = (node.connect().await, node.connect().await);
    busy.send(PROCESSED).await;
    node.requests.recv().await.unwrap();
    half.send(
        "POST /records/15?req=RecordProcessed HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
    )
    .await;
    let begun = half.head().await.unwrap();
    assert!(begun.starts_with("HTTP/1.1 100 "), "its body is awaited: {begun}");
    half.send("{\"a").await;
    drain(&node);
    let unknown = busy.answer().await.expect("an answer to a request that was handed over");
    assert_eq!((unknown.status, unknown.code().as_str()), (504, "OUTCOME_UNKNOWN"));
    let not_applied = half.answer().await.expect("an answer to a request that was not");
    assert_eq!((not_applied.status, not_applied.code().as_str()), (503, "UNAVAILABLE"));
    assert!(not_applied.header("retry-after").is_some() && not_applied.body.contains("not applied"), "{not_applied:?}");
    for answer in [unknown, not_applied] {
        assert_eq!(answer.header("connection"), Some("close"));
    }
    assert!(busy.is_closed().await && half.is_closed().await);
    drop((busy, half));
    node.ended().await.unwrap();
}

#[tokio::test]
async fn at_the_drain_timeout_each_request_in_flight_is_answered_by_its_fate() {
    cut_off_by(Configure { drain_timeout_ms: 50, ..configure() }, Node::drain).await;
}

#[tokio::test]
async fn before_the_node_ends_http_proxy_by_force_each_request_in_flight_is_answered() {
    cut_off_by(configure(), |node| node.drain_within(200)).await;
}

#[tokio::test]
async fn a_drain_tells_when_the_port_is_closed_while_a_request_is_in_flight() {
    let mut node = Node::with(configure(), hold).await;
    let mut busy = node.connect().await;
    busy.send(PROCESSED).await;
    let (id, request) = node.requests.recv().await.unwrap();
    assert!(!node.heard.lock().unwrap().port_closed);
    node.drain();
    while !node.heard.lock().unwrap().port_closed {
        tokio::task::yield_now().await;
    }
    let _next = TcpListener::bind(&node.address).await.expect("another HTTP Proxy can open the port");
    node.reply(id, &acknowledge(&request).unwrap());
    assert_eq!(busy.answer().await.unwrap().status, 200);
    node.ended().await.unwrap();
}

#[tokio::test]
async fn a_lost_link_leaves_what_was_handed_over_unknown_and_ends_http_proxy() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (tasks, (ended, end)) = (Tasks::new(), oneshot::channel());
    tasks.spawn("proxy", AtEnd::Quiet, async move {
        let _ = ended.send(http_proxy::run(theirs, Tasks::new()).await);
    });
    let cut = ours.into_std().unwrap();
    let ours = UnixStream::from_std(cut.try_clone().unwrap()).unwrap();
    let (_, mut node) = serve(ours, configure(), hold, tasks, end).await;
    let mut client = node.connect().await;
    client.send(PROCESSED).await;
    node.requests.recv().await.unwrap();
    cut.shutdown(std::net::Shutdown::Both).unwrap();
    let answer = client.answer().await.unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (504, "OUTCOME_UNKNOWN"));
    assert!(matches!(node.ended().await, Err(ProxyError::LinkLost(_))));
}

#[tokio::test]
async fn a_port_in_use_is_said_and_http_proxy_ends() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut configured = configure();
    configured.listen = taken.local_addr().unwrap().to_string();
    let (listening, node) = start(configured.clone(), acknowledge).await;
    assert!(listening.error.contains(&configured.listen) && listening.error.contains("in use"), "{listening:?}");
    assert!(matches!(node.ended().await, Err(ProxyError::Bind { .. })));
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_named() {
    let mut no_file = configure();
    (no_file.tls_certificate, no_file.tls_key) = ("/nonexistent.pem".into(), "/nonexistent.key".into());
    let mut no_charset = configure();
    no_charset.encoding = "klingon".into();
    let mut no_network = configure();
    no_network.balancers = vec!["haproxy".into()];
    for (configured, problem) in [(no_file, "/nonexistent.pem"), (no_charset, "klingon"), (no_network, "haproxy")] {
        let (listening, node) = start(configured, acknowledge).await;
        assert!(listening.error.contains(problem), "{listening:?}");
        assert!(matches!(node.ended().await, Err(ProxyError::Settings(_))));
    }
}

#[tokio::test]
async fn a_node_without_a_version_of_the_link_in_common_is_refused_and_both_ranges_are_named() {
    for (min, max, named) in [(7, 0, "version 7 "), (7, 9, "version 7 to 9 ")] {
        let configured = Configure { format: min, format_max: max, ..configure() };
        let (listening, node) = start(configured, acknowledge).await;
        assert!(listening.error.contains(named), "{listening:?}");
        assert!(listening.error.contains(&format!("HTTP Proxy {LINK_VERSIONS}")), "{listening:?}");
        assert_eq!((listening.format_min, listening.format_max), (LINK_VERSIONS.min, LINK_VERSIONS.max));
        assert!(matches!(node.ended().await, Err(ProxyError::Settings(_))));
    }
}

#[tokio::test]
async fn a_node_of_an_older_or_a_newer_release_is_served() {
    let older = Configure {
        format_max: 0,
        bodies_bytes_max: 0,
        connections_per_address_max: 0,
        balancers: Vec::new(),
        ..configure()
    };
    let newer = Configure { format_max: 99, ..configure() };
    for configured in [older, newer] {
        let (listening, node) = start(configured, acknowledge).await;
        assert_eq!((listening.error.as_str(), listening.format_max), ("", LINK_VERSIONS.max));
        let body = format!(r#"{{"k":"{}"}}"#, "v".repeat(60_000)); // large enough to need room
        let head =
            format!("POST /records/15?req=RecordProcessed HTTP/1.1\r\nHost: x\r\nContent-Length: {}", body.len());
        assert_eq!(node.ask(format!("{head}\r\n\r\n{body}")).await.status, 200);
    }
}

#[tokio::test]
async fn an_echo_is_answered_with_its_number_while_requests_are_held() {
    let mut node = Node::with(configure(), hold).await;
    let mut client = node.connect().await;
    client.send(PROCESSED).await;
    let (id, request) = node.requests.recv().await.unwrap();
    for number in [7, 8] {
        node.ask_echo(number);
    }
    node.reply(id, &acknowledge(&request).unwrap());
    assert_eq!(client.answer().await.unwrap().status, 200);
    node.drain();
    let heard = node.heard.clone();
    node.ended().await.unwrap();
    // Two echoes in one frame count as one sign of life.
    assert_eq!(heard.lock().unwrap().echoes.last(), Some(&8));
}

#[tokio::test]
async fn every_answer_carries_node_role_and_the_custom_headers() {
    let mut dressed = configure();
    dressed.custom_headers = vec![Header { name: "X-Frame-Options".into(), value: "DENY".into() }];
    let node = Node::with(dressed, acknowledge).await;
    node.notice("primary");
    let mut client = node.connect().await;
    client.send("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").await; // answered behind the notice
    client.answer().await.unwrap();
    for request in [PROCESSED, "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"] {
        client.send(request).await;
        let answer = client.answer().await.unwrap();
        assert_eq!(answer.header("x-ocs-role"), Some("primary"));
        assert_eq!(answer.header("x-ocs-node"), Some("a"));
        assert_eq!(answer.header("x-frame-options"), Some("DENY"));
    }
}

#[tokio::test]
async fn every_answer_says_that_updates_are_on_one_disk_only_while_they_are() {
    let node = Node::with(configure(), acknowledge).await;
    let mut client = node.connect().await;
    for (single_copy, header) in [(false, None), (true, Some("single-copy")), (false, None)] {
        node.notice_all("primary", single_copy);
        client.send("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").await; // answered behind the notice
        client.answer().await.unwrap();
        for request in [PROCESSED, "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"] {
            client.send(request).await;
            assert_eq!(client.answer().await.unwrap().header("x-ocs-mode"), header);
        }
    }
}

#[tokio::test]
async fn what_comes_in_one_frame_with_the_configuration_counts() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (tasks, (ended, end)) = (Tasks::new(), oneshot::channel());
    let mut first = ToProxy { configure: Some(configure()), ..ToProxy::default() };
    first.role = Some(RoleNotice { role: "backup".into(), single_copy: false, leaving: false });
    first.drain = Some(Drain::default());
    let mut writer = FrameWriter::new(ours);
    writer.send(&first).await.unwrap();
    tasks.spawn("proxy", AtEnd::Quiet, async move {
        let _ = ended.send(http_proxy::run(theirs, Tasks::new()).await);
    });
    end.await.unwrap().unwrap();
}

#[tokio::test]
async fn answers_are_counted_by_name_and_status_before_http_proxy_ends() {
    let node = Node::acknowledging().await;
    node.ask(PROCESSED).await;
    node.ask(PROCESSED).await;
    node.ask("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n").await;
    node.ask("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
    node.drain();
    let heard = node.heard.clone();
    node.ended().await.unwrap();
    let count = |name: &str, status| {
        let counts = &heard.lock().unwrap().counts;
        let named = counts.iter().filter(|count| count.request == name && count.status == status);
        named.map(|count| count.durations_us.len()).sum::<usize>()
    };
    assert_eq!((count("RecordProcessed", 200), count("-", 404), count("-", 200)), (2, 1, 0));
}

// === the real program ===

fn spawn_program(stdin: Stdio) -> Child {
    Command::new(env!("CARGO_BIN_EXE_ocs-http-proxy"))
        .stdin(stdin)
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn the_program_serves_logs_to_its_node_and_ends_with_the_link() {
    let (ours, theirs) = StdUnixStream::pair().unwrap();
    let mut child = spawn_program(Stdio::from(OwnedFd::from(theirs)));
    ours.set_nonblocking(true).unwrap();
    let cut = ours.try_clone().unwrap();
    let stream = UnixStream::from_std(ours).unwrap();
    let (listening, node) = serve(stream, configure(), acknowledge, Tasks::new(), oneshot::channel().1).await;
    assert_eq!(listening.error, "");
    assert_eq!(node.ask(PROCESSED).await.status, 200);
    assert_eq!(node.ask("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").await.status, 200);
    cut.shutdown(std::net::Shutdown::Both).unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(1));
    let logs = node.heard.lock().unwrap().logs.clone();
    assert!(logs.iter().any(|record| record.message.contains("HTTP Proxy listens")), "{logs:?}");
}

/// Reads records from a program's standard error up to the one that begins so.
async fn records_until(stderr: &mut BufReader<ChildStderr>, begin: &str) -> Vec<LogRecord> {
    let (mut records, mut line) = (Vec::<LogRecord>::new(), Vec::new());
    while !records.last().is_some_and(|record| record.bare.starts_with(begin)) {
        line.clear();
        assert!(stderr.read_until(b'\n', &mut line).await.unwrap() > 0, "no {begin:?} in {records:?}");
        records.extend(record_of_line(line.trim_ascii_end()));
    }
    records
}

#[tokio::test]
async fn the_program_writes_its_log_in_order_as_lines_where_the_node_reads_them_and_takes_other_levels() {
    let (ours, theirs) = StdUnixStream::pair().unwrap();
    let mut child = spawn_program(Stdio::from(OwnedFd::from(theirs)));
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    ours.set_nonblocking(true).unwrap();
    let stream = UnixStream::from_std(ours).unwrap();
    let configured = Configure { log_lines: true, ..configure() };
    let (listening, node) = serve(stream, configured, acknowledge, Tasks::new(), oneshot::channel().1).await;
    assert_eq!(listening.error, "");
    let records = records_until(&mut stderr, "HTTP Proxy listens").await;
    let listens = records.last().unwrap();
    let address = listens.fields.iter().find(|field| field.name == "address");
    assert_eq!(address.map(|field| field.value.as_str()), Some(listening.address.as_str()));
    assert_eq!((listens.level.as_str(), listens.target.as_str()), ("INFO", "http_proxy"));
    node.set_log_filter("klingon=loud");
    records_until(&mut stderr, "the log filter cannot be used").await;
    node.drain();
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
    assert!(node.heard.lock().unwrap().logs.is_empty(), "each record travels once");
}

#[tokio::test]
async fn the_program_gives_up_a_protection_from_the_oom_killer_that_it_inherited() {
    let own = "/proc/self/oom_score_adj";
    let before = std::fs::read_to_string(own).unwrap();
    if std::fs::write(own, "-500").is_err() {
        eprintln!("skipped: {own} cannot be lowered here");
        return;
    }
    let (ours, theirs) = StdUnixStream::pair().unwrap();
    let child = spawn_program(Stdio::from(OwnedFd::from(theirs)));
    std::fs::write(own, before).unwrap();
    ours.set_nonblocking(true).unwrap();
    let stream = UnixStream::from_std(ours).unwrap();
    let (_listening, _node) = serve(stream, configure(), acknowledge, Tasks::new(), oneshot::channel().1).await;
    let score = std::fs::read_to_string(format!("/proc/{}/oom_score_adj", child.id().unwrap())).unwrap();
    assert_eq!(score.trim(), "0");
}

#[tokio::test]
async fn the_program_ends_well_when_it_is_drained() {
    let (ours, theirs) = StdUnixStream::pair().unwrap();
    let mut child = spawn_program(Stdio::from(OwnedFd::from(theirs)));
    ours.set_nonblocking(true).unwrap();
    let stream = UnixStream::from_std(ours).unwrap();
    let (_, node) = serve(stream, configure(), acknowledge, Tasks::new(), oneshot::channel().1).await;
    node.drain();
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn the_program_started_by_hand_says_in_one_line_who_starts_it() {
    let output = spawn_program(Stdio::null()).wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("started by ocsd") && said.lines().count() == 1, "{said}");
}
