//! One meaning a message: the table `tests/messages.tsv` over real connections, each message followed by a read that is in order.
//!
//! No message has two answers, and none is two requests at the node: sent directly, behind nginx and behind HAProxy.

use std::{collections::BTreeMap, fs, path::Path, process::Stdio, time::Duration};

use crate::support::{Node, acknowledge, configure, hold};
use ocs_proto::link::Configure;
use outbound::Resource;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
};

const TABLE: &str = include_str!("../messages.tsv");
/// So many malformed or ambiguous messages, at least.
const REFUSED_MIN: usize = 150;
/// So many clear messages that a program in front passes on, at least.
const PASSED_MIN: usize = 25;
/// Longer than any limit of the programs in front, as the tests set them.
const PATIENCE: Duration = Duration::from_secs(12);
const HAPROXY: &str = "/usr/sbin/haproxy";
const NGINX: &str = "/usr/sbin/nginx";
/// Directories of nginx below its own.
const NGINX_FILES: &str = "client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; \
                           uwsgi_temp_path uwsgi; scgi_temp_path scgi;";
const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy");

/// A row of the table.
#[derive(Debug, Clone, Copy)]
struct Message {
    status: u16,
    /// The connection ends with the answer.
    ends: bool,
    name: &'static str,
    text: &'static str,
}

fn messages() -> Vec<Message> {
    let rows = TABLE.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let message = |row: &'static str| {
        let [verdict, name, text] = row.splitn(3, '\t').collect::<Vec<_>>()[..] else { panic!("three columns: {row}") };
        let (status, ends) = match verdict.strip_suffix('!') {
            Some(status) => (status, true),
            None => (verdict, false),
        };
        Message { status: status.parse().unwrap(), ends, name, text }
    };
    rows.map(message).collect()
}

// === bytes ===

/// The records of a message: its own, that of the read behind it, and that of a request that no reader may find.
#[derive(Debug, Clone, Copy)]
struct Records {
    own: u64,
    next: u64,
    smuggled: u64,
}

impl Records {
    /// Of the message at this place of the table; all have the same number of digits.
    fn of(place: usize) -> Self {
        let first = 10_000 + 3 * place as u64;
        Self { own: first, next: first + 1, smuggled: first + 2 }
    }
}

impl Message {
    fn bytes(&self, records: Records) -> Vec<u8> {
        let smuggled = format!("GET /records/{} HTTP/1.1\r\nHost: x\r\n\r\n", records.smuggled);
        let length = smuggled.len();
        let words = [
            ("{post}", "POST /records/<M>?req=RecordProcessed HTTP/1.1\r\n".to_owned()),
            ("{get}", "GET /records/<M> HTTP/1.1\r\n".to_owned()),
            ("{host}", "Host: x\r\n".to_owned()),
            ("{sized-smuggled}", format!("Content-Length: {length}\r\n\r\n{smuggled}")),
            ("{chunked-smuggled}", format!("Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{smuggled}\r\n0\r\n\r\n")),
            ("{sized-end-smuggled}", format!("Content-Length: {}\r\n\r\n0\r\n\r\n{smuggled}", length + 5)),
            ("{smuggled}", smuggled),
            ("<M>", records.own.to_string()),
        ];
        let text = words.iter().fold(self.text.to_owned(), |text, (word, meaning)| text.replace(word, meaning));
        unescaped(&repeated(&text))
    }
}

/// `{N*text}` becomes the text, N times.
fn repeated(text: &str) -> String {
    let mut rest = text;
    let mut whole = String::new();
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        whole.push_str(before);
        let found = from[1..].split_once('*').and_then(|(count, behind)| {
            let (part, behind) = behind.split_once('}')?;
            Some((count.parse::<usize>().ok()?, part, behind))
        });
        match found {
            Some((count, part, behind)) => {
                whole.push_str(&part.repeat(count));
                rest = behind;
            }
            None => {
                whole.push('{');
                rest = &from[1..];
            }
        }
    }
    whole + rest
}

fn unescaped(text: &str) -> Vec<u8> {
    let (mut bytes, mut letters) = (Vec::new(), text.bytes());
    while let Some(letter) = letters.next() {
        if letter != b'\\' {
            bytes.push(letter);
            continue;
        }
        let escaped = match letters.next().unwrap() {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'0' => 0,
            b'\\' => b'\\',
            b'x' => {
                let digits = [letters.next().unwrap(), letters.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => panic!("an unknown escape: {}", char::from(other)),
        };
        bytes.push(escaped);
    }
    bytes
}

/// The statuses of all answers, interim ones left out; 0: bytes that are no head.
fn statuses(mut bytes: &[u8]) -> Vec<u16> {
    let mut statuses = Vec::new();
    while !bytes.is_empty() {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n").filter(|_| bytes.starts_with(b"HTTP/1."))
        else {
            statuses.push(0);
            return statuses;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        let is_interim = (100..200).contains(&status);
        if !is_interim {
            statuses.push(status);
        }
        let whole = if is_interim { end + 4 } else { length.map_or(bytes.len(), |length| end + 4 + length) };
        bytes = &bytes[whole.min(bytes.len())..];
    }
    statuses
}

// === connections ===

/// Sends a message and the read behind it; returns the statuses of the answers until the connection ends. `finishes`: the client
/// sends its end, too, where a server may answer behind that.
async fn exchange(address: &str, message: Message, records: Records, finishes: bool) -> Vec<u16> {
    let mut bytes = message.bytes(records);
    let next = format!("GET /records/{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", records.next);
    bytes.extend_from_slice(next.as_bytes());
    let mut socket = TcpStream::connect(address).await.unwrap();
    let mut answers = Vec::new();
    let talk = async {
        let _ = socket.write_all(&bytes).await; // a server that refuses early may have closed
        if finishes {
            let _ = socket.shutdown().await;
        }
        while socket.read_buf(&mut answers).await.is_ok_and(|count| count > 0) {}
    };
    let _ = tokio::time::timeout(PATIENCE, talk).await; // an unfinished message behind a patient server
    statuses(&answers)
}

/// Sends the whole table, over a connection for each message, and answers the node's requests meanwhile. Returns the answers of each
/// message, and how often the node was asked for each record.
async fn exchanged(address: &str, node: &mut Node, finishes: bool) -> (Vec<Vec<u16>>, BTreeMap<u64, usize>) {
    let mut asked = BTreeMap::<u64, usize>::new();
    let all = messages().into_iter().enumerate();
    let clients = all.map(|(place, message)| exchange(address, message, Records::of(place), finishes));
    let clients = futures::future::join_all(clients);
    let serving = async {
        while let Some((id, request)) = node.requests.recv().await {
            if let Resource::Record(handle) = &request.resource {
                *asked.entry(handle.0).or_default() += 1;
            }
            node.reply(id, &acknowledge(&request).unwrap());
        }
    };
    let answers = tokio::select! {
        answers = clients => answers,
        () = serving => panic!("the link has ended"),
    };
    (answers, asked)
}

/// A node whose requests the test sees.
async fn node() -> Node {
    Node::with(Configure { header_timeout_ms: 3000, body_timeout_ms: 3000, ..configure() }, hold).await
}

// === the table ===

#[test]
fn the_table_has_enough_messages_that_are_refused_and_each_name_once() {
    let messages = messages();
    let refused = messages.iter().filter(|message| message.ends && message.status >= 400).count();
    assert!(refused >= REFUSED_MIN, "{refused}");
    let names: std::collections::BTreeSet<_> = messages.iter().map(|message| message.name).collect();
    assert_eq!(names.len(), messages.len());
    assert_eq!(repeated("a{3*bc\\r}{}{x*y}"), "abc\\rbc\\rbc\\r{}{x*y}");
    assert_eq!(unescaped("a\\r\\n\\0\\xc3\\\\"), b"a\r\n\0\xc3\\");
}

#[test]
fn answers_are_told_apart_by_their_lengths() {
    let bytes =
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.0 400 Bad\r\n\r\n<html>";
    assert_eq!(statuses(bytes), [200, 400]);
    assert_eq!(statuses(b"<html>"), [0]);
}

#[tokio::test]
async fn every_message_has_its_one_answer_and_nothing_behind_an_ambiguous_one_is_served() {
    let mut node = node().await;
    let address = node.address.clone();
    let (answers, asked) = exchanged(&address, &mut node, true).await;
    for (place, (message, answers)) in messages().into_iter().zip(answers).enumerate() {
        let (records, name) = (Records::of(place), message.name);
        let expected = if message.ends { vec![message.status] } else { vec![message.status, 200] };
        assert_eq!(answers, expected, "{name}: {:?}", String::from_utf8_lossy(&message.bytes(records)));
        let times = |record| asked.get(&record).copied().unwrap_or(0);
        assert_eq!(times(records.own), usize::from(message.status == 200), "{name}");
        assert_eq!(times(records.next), usize::from(!message.ends), "{name}: the read behind it");
        assert_eq!(times(records.smuggled), 0, "{name}: the request within it");
    }
}

// === behind programs in front ===

/// A program in front of the node under the shipped configuration, of which addresses, files and times are changed.
struct Front {
    address: String,
    _process: Child,
    _directory: tempfile::TempDir,
}

/// An address on which nothing listens.
async fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string()
}

impl Front {
    /// Starts a program and waits for its open port; `changes`: texts of the shipped file, and their replacements.
    async fn start(
        program: &str,
        arguments: &[&str],
        shipped: &str,
        changes: &[(&str, String)],
        address: String,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("front.conf");
        let text = fs::read_to_string(Path::new(DEPLOY).join(shipped)).unwrap();
        let text = changes.iter().fold(text, |text, (from, to)| {
            assert!(text.contains(from), "{shipped} has no {from}");
            text.replace(from, to)
        });
        fs::write(&file, text).unwrap();
        let process = Command::new(program)
            .args(arguments)
            .arg(&file)
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        while TcpStream::connect(&address).await.is_err() {
            tokio::task::yield_now().await;
        }
        Self { address, _process: process, _directory: directory }
    }
}

/// Attempts of a read by a program in front, at most: each asks the other node, here the same, where an answer is late.
const READS_MAX: usize = 4;

/// No message has two answers, and no message that passed is two requests: the read behind a message has an answer of its own only
/// where the node has heard it.
async fn has_one_meaning_behind(front: &Front, mut node: Node) {
    let (answers, asked) = exchanged(&front.address, &mut node, false).await;
    let mut passed = 0;
    for (place, (message, answers)) in messages().into_iter().zip(answers).enumerate() {
        let (records, name) = (Records::of(place), message.name);
        let times = |record| asked.get(&record).copied().unwrap_or(0);
        let most = if message.bytes(records).starts_with(b"GET ") { READS_MAX } else { 1 };
        assert!(times(records.own) <= most && times(records.next) <= READS_MAX, "{name}: more than one request");
        assert_eq!(times(records.smuggled), 0, "{name}: the request within it was served");
        assert!(answers.len() <= 1 + times(records.next), "{name}: {answers:?}");
        if answers.first() == Some(&200) {
            assert_eq!(times(records.own), 1, "{name}: answered by another request");
        }
        passed += usize::from(message.status == 200 && !message.ends && answers == [200, 200]);
    }
    assert!(passed >= PASSED_MIN, "only {passed} clear messages passed");
}

/// Prints the reason where a program is not there.
fn is_installed(program: &str, package: &str) -> bool {
    let there = Path::new(program).exists();
    if !there {
        eprintln!("skipped: {program} is not installed (apt-get install {package})");
    }
    there
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_haproxy_no_message_has_two_answers_or_is_two_requests() {
    if !is_installed(HAPROXY, "haproxy") {
        return;
    }
    let node = node().await;
    let (address, attempt) = (free_address().await, free_address().await);
    let changes = [
        ("127.0.0.1:8000", address.clone()),
        ("127.0.0.1:8001", attempt),
        ("127.0.0.1:8080", node.address.clone()),
        ("127.0.0.1:8081", node.address.clone()),
        ("timeout http-request 15s", "timeout http-request 3s".to_owned()),
        ("timeout client 60s", "timeout client 5s".to_owned()),
    ];
    let front = Front::start(HAPROXY, &["-db", "-f"], "haproxy.cfg", &changes, address).await;
    until_served(&front.address).await;
    has_one_meaning_behind(&front, node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_nginx_no_message_has_two_answers_or_is_two_requests() {
    if !is_installed(NGINX, "nginx-light") {
        return;
    }
    let node = node().await;
    let front = nginx(&node).await;
    has_one_meaning_behind(&front, node).await;
}

/// Starts nginx in front of a node, and waits until nginx has found the node.
async fn nginx(node: &Node) -> Front {
    let address = free_address().await;
    let changes = [
        ("127.0.0.1:8000", address.clone()),
        ("127.0.0.1:8080", node.address.clone()),
        ("127.0.0.1:8081", node.address.clone()),
        ("client_header_timeout 10s", "client_header_timeout 3s".to_owned()),
        ("client_body_timeout 30s", "client_body_timeout 3s".to_owned()),
        ("keepalive_timeout 60s", "keepalive_timeout 5s".to_owned()),
        ("pid /run/ocs-nginx.pid", "pid nginx.pid".to_owned()),
        ("http {", format!("http {{ {NGINX_FILES}")),
    ];
    let front = Front::start(
        NGINX,
        &["-g", "daemon off; master_process off;", "-p", ".", "-c"],
        "nginx.conf",
        &changes,
        address,
    )
    .await;
    until_served(&front.address).await;
    front
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nginx_itself_refuses_is_answered_as_a_node_answers() {
    if !is_installed(NGINX, "nginx-light") {
        return;
    }
    let node = node().await;
    let front = nginx(&node).await;
    let long = "a".repeat(70_000);
    for (message, status, code) in [
        ("GARBAGE\r\n\r\n", 400, "BAD_VALUE"),
        ("GET /x%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400, "BAD_VALUE"),
        ("GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400, "BAD_VALUE"),
        (&format!("GET /page.html HTTP/1.1\r\nHost: x\r\nX: {long}\r\n\r\n"), 400, "BAD_VALUE"),
        ("GET /.ocs/400 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404, "BAD_RESOURCE"),
        ("TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", 405, "METHOD"),
        ("POST /page.html HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n", 413, "LIMIT"),
        (&format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"), 414, "LIMIT"),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "BAD_BODY"),
        ("GET / HTTP/3.1\r\nHost: x\r\n\r\n", 505, "BAD_VALUE"),
    ] {
        let (mut socket, mut answer) = (TcpStream::connect(&front.address).await.unwrap(), Vec::new());
        let _ = socket.write_all(message.as_bytes()).await; // nginx may answer before the end of a message
        let _ = socket.shutdown().await;
        let _ = socket.read_to_end(&mut answer).await; // a reset behind the answer
        assert_eq!(statuses(&answer), [status], "{message:.80}");
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.to_lowercase().contains("content-type: application/json"), "{message:.80}: {head}");
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!((body["GSW_USER_EVENT"].as_str(), body["GSW_ERROR_CODE"].as_str()), (Some("Error"), Some(code)));
    }
}

/// Waits until the program in front has found the node.
async fn until_served(address: &str) {
    loop {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let _ = socket.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer).await;
        if statuses(&answer) == [200] {
            return;
        }
    }
}
