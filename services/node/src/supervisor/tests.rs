//! HTTP Proxy under supervision, over real sockets: as a task, and as processes that behave badly.

use std::net::SocketAddr;

use dispatch::EncodedBody;
use futures::{FutureExt, Stream, stream};
use node_config::Auth;
use ocs_proto::{
    link::{HealthKind, RoleNotice, Stats},
    outbound as wire,
};
use outbound::{Refusal, RefusalCode, Reply, Request, Value};
use prost::Message;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
};

use super::*;
use crate::{
    credentials::{Admission, Known, Shown},
    link::Taken,
};

/// A deadline that no stop of these tests reaches.
fn far() -> std::time::Instant {
    std::time::Instant::now() + Duration::from_secs(60)
}

/// A node that acknowledges every update, once the test allows answers.
struct Acknowledges {
    role: watch::Sender<RoleNotice>,
    arrived: Notify,
    may_answer: CancellationToken,
}

impl Acknowledges {
    fn at_once() -> Arc<Self> {
        let node = Self::when_told();
        node.may_answer.cancel();
        node
    }

    fn when_told() -> Arc<Self> {
        let role = watch::channel(RoleNotice { role: "backup".into(), single_copy: false, leaving: false }).0;
        Arc::new(Self { role, arrived: Notify::new(), may_answer: CancellationToken::new() })
    }

    async fn wait(&self) {
        self.arrived.notify_one();
        self.may_answer.cancelled().await;
    }
}

/// The acknowledgement names a known client.
fn acknowledge(name: &str, tenant: &str, principal: &str) -> Reply {
    let named = [("tenant", tenant), ("principal", principal)];
    let named = named.map(|(key, value)| (key.to_owned(), Value::text(value)));
    Reply::done(format!("{name}Acknowledge"), named.into_iter().filter(|_| !principal.is_empty()).collect())
}

impl ProxyHandler for Acknowledges {
    fn updates(&self, updates: Vec<Taken<EncodedBody>>) -> impl Stream<Item = (usize, Reply)> + Send {
        let reply = |(place, (body, _)): (usize, Taken<EncodedBody>)| {
            let command = wire::Command::decode(body.bytes().clone()).unwrap();
            let Some(wire::command::Body::Request(request)) = command.body else { panic!("a request") };
            (place, acknowledge(&request.name, &request.tenant, &request.principal))
        };
        let replies = updates.into_iter().enumerate().map(reply);
        self.wait().map(|()| stream::iter(replies)).flatten_stream()
    }

    async fn reads(&self, reads: Vec<Taken<Request>>) -> Vec<Reply> {
        self.wait().await;
        let reply = |request: &Request| acknowledge(request.verb.name(), &request.tenant, &request.principal);
        reads.iter().map(|(request, _)| reply(request)).collect()
    }

    /// Knows the token `good`, denies `bad`, and knows `late` once the state has caught up.
    fn admit(&self, shown: &Shown, _: &Request, settled: bool) -> Admission {
        let known = || Admission::As(Known { tenant: "north".into(), principal: "crm".into() });
        match &shown.token[..] {
            b"good" => known(),
            b"late" if settled => known(),
            b"late" => Admission::Unsettled,
            b"bad" => Admission::Refused(Refusal::new(RefusalCode::Unauthenticated, "unknown").into()),
            _ => Admission::AsSent,
        }
    }

    async fn catch_up(&self, _: Duration) -> bool {
        true
    }

    async fn health(&self, kind: HealthKind) -> (bool, String) {
        (kind == HealthKind::Ready, format!("{{\"asked\":{}}}", kind as i32))
    }

    fn role(&self) -> watch::Receiver<RoleNotice> {
        self.role.subscribe()
    }

    fn stats(&self, _stats: Stats, _serves: bool) {}
}

fn settings() -> ProxySettings {
    ProxySettings {
        listen: "127.0.0.1:0".into(),
        run_as: RunAs::Task,
        reconnect_timeout_ms: 100,
        ..ProxySettings::default()
    }
}

/// Waits until the status begins with this state, and returns the status.
async fn becomes(status: &mut watch::Receiver<ProxyStatus>, state: &str) -> ProxyStatus {
    status.wait_for(|status| status.state.starts_with(state)).await.expect("the supervisor lives").clone()
}

async fn ask(address: &str, request: &str) -> String {
    let address: SocketAddr = address.parse().unwrap();
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

const PROCESSED: &str =
    "POST /records/15?req=RecordProcessed HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

#[tokio::test]
async fn as_a_task_it_answers_through_the_link_and_names_node_and_role() {
    let tasks = Tasks::new();
    let supervisor = Supervisor::start(settings(), "a", "info", Acknowledges::at_once(), &tasks);
    let mut watched = supervisor.status();
    let status = becomes(&mut watched, "listening").await;
    assert_eq!(status.pid, Some(std::process::id()));
    let answer = ask(&status.address, PROCESSED).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("x-ocs-node: a\r\n"), "{answer}");
    assert!(answer.contains("x-ocs-role: backup\r\n"), "{answer}");
    assert!(answer.ends_with("{\"GSW_USER_EVENT\":\"RecordProcessedAcknowledge\"}"), "{answer}");
    let health = ask(&status.address, "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(health.starts_with("HTTP/1.1 200 OK\r\n") && health.ends_with("{\"asked\":1}"), "{health}");
    supervisor.stop(far()).await;
    assert_eq!(watched.borrow().state, "stopped");
    assert!(tasks.drain(Duration::from_secs(60)).await);
}

#[tokio::test]
async fn a_request_reaches_the_node_with_its_client_in_its_head_or_not_at_all() {
    let tasks = Tasks::new();
    let tokens = ProxySettings { auth: Some(Auth::Tokens), ..settings() };
    let supervisor = Supervisor::start(tokens, "a", "info", Acknowledges::at_once(), &tasks);
    let address = becomes(&mut supervisor.status(), "listening").await.address;
    let with = |line: &str, header: &str| {
        format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}Content-Length: 0\r\n\r\n")
    };
    for line in ["POST /records/15?req=RecordProcessed", "GET /records/15"] {
        for token in ["good", "late"] {
            let answer = ask(&address, &with(line, &format!("Authorization: Bearer {token}\r\n"))).await;
            assert!(answer.starts_with("HTTP/1.1 200 "), "{line} {token}: {answer}");
            assert!(answer.ends_with(",\"tenant\":\"north\",\"principal\":\"crm\"}"), "{line} {token}: {answer}");
        }
        for (header, challenge) in
            [("Authorization: Bearer bad\r\n", ", error=\"invalid_token\"\r\n"), ("", "realm=\"ocs\"\r\n")]
        {
            let answer = ask(&address, &with(line, header)).await;
            assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains(challenge), "{line} {header}: {answer}");
        }
    }
    supervisor.stop(far()).await;
    assert!(tasks.drain(Duration::from_secs(60)).await);
}

#[tokio::test]
async fn a_stop_lets_what_is_in_flight_finish() {
    let (tasks, node) = (Tasks::new(), Acknowledges::when_told());
    let supervisor = Supervisor::start(settings(), "a", "info", node.clone(), &tasks);
    let mut watched = supervisor.status();
    let address = becomes(&mut watched, "listening").await.address;
    let asking = async {
        let answer = ask(&address, PROCESSED).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    };
    let stopping = async {
        node.arrived.notified().await;
        let told = async {
            becomes(&mut watched, "stopping").await;
            node.may_answer.cancel();
        };
        tokio::join!(supervisor.stop(far()), told);
    };
    tokio::join!(asking, stopping);
}

#[tokio::test]
async fn a_port_in_use_is_said_and_retried_until_it_is_free() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let tasks = Tasks::new();
    let settings = ProxySettings { listen: address.clone(), ..settings() };
    let supervisor = Supervisor::start(settings, "a", "info", Acknowledges::at_once(), &tasks);
    let mut watched = supervisor.status();
    let status = becomes(&mut watched, "failed").await;
    assert!(status.state.contains(&address) && status.state.contains("in use"), "{status:?}");
    drop(taken);
    assert!(becomes(&mut watched, "listening").await.restarts >= 1);
    supervisor.stop(far()).await;
}

#[tokio::test]
async fn a_process_that_ends_is_started_again_and_the_node_stays() {
    let tasks = Tasks::new();
    let settings = ProxySettings { run_as: RunAs::Process, program: Some("/bin/false".into()), ..settings() };
    let supervisor = Supervisor::start(settings, "a", "info", Acknowledges::at_once(), &tasks);
    let mut watched = supervisor.status();
    watched.wait_for(|status| status.restarts >= 2 && status.state == "restarting").await.unwrap();
    assert!(!tasks.stopping().is_cancelled());
    supervisor.stop(far()).await;
}

#[tokio::test]
async fn as_a_process_it_serves_drains_and_comes_back_when_it_is_killed() {
    let tests = std::env::current_exe().unwrap();
    let program = tests.parent().unwrap().with_file_name("ocs-http-proxy");
    if !program.exists() {
        eprintln!("skipped: {} is not built (cargo build -p http-proxy)", program.display());
        return;
    }
    let tasks = Tasks::new();
    let settings = ProxySettings { run_as: RunAs::Process, program: Some(program), ..settings() };
    let supervisor = Supervisor::start(settings, "a", "info", Acknowledges::at_once(), &tasks);
    let mut watched = supervisor.status();
    let first = becomes(&mut watched, "listening").await;
    assert_ne!(first.pid, Some(std::process::id()));
    assert!(ask(&first.address, PROCESSED).await.starts_with("HTTP/1.1 200 OK\r\n"));
    let pid = rustix::process::Pid::from_raw(first.pid.unwrap() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    watched.wait_for(|status| status.restarts == 1 && status.state == "listening").await.unwrap();
    let second = watched.borrow().clone();
    assert_ne!(second.pid, first.pid);
    assert!(ask(&second.address, PROCESSED).await.starts_with("HTTP/1.1 200 OK\r\n"));
    supervisor.stop(far()).await;
    assert_eq!(watched.borrow().state, "stopped");
}

#[tokio::test]
async fn a_process_that_does_not_end_in_time_is_killed_with_the_stop() {
    // Reads the message to drain, and does not react.
    let tasks = Tasks::new();
    let settings = ProxySettings { run_as: RunAs::Process, program: Some("/bin/cat".into()), ..settings() };
    let supervisor = Supervisor::start(settings, "a", "info", Acknowledges::at_once(), &tasks);
    let mut watched = supervisor.status();
    watched.wait_for(|status| status.pid.is_some()).await.unwrap();
    supervisor.stop(std::time::Instant::now()).await;
    watched.wait_for(|status| status.state == "stopped").await.unwrap();
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let tasks = Tasks::new();
    let settings = ProxySettings { run_as: RunAs::Process, program: Some("/nonexistent/proxy".into()), ..settings() };
    let supervisor = Supervisor::start(settings, "a", "info", Acknowledges::at_once(), &tasks);
    let status = becomes(&mut supervisor.status(), "failed").await;
    assert!(status.state.contains("/nonexistent/proxy"), "{status:?}");
    supervisor.stop(far()).await;
}

#[tokio::test]
async fn without_a_port_there_is_no_http_proxy() {
    let tasks = Tasks::new();
    let settings = ProxySettings { listen: String::new(), ..settings() };
    let supervisor = Supervisor::start(settings, "a", "info", Acknowledges::at_once(), &tasks);
    supervisor.stop(far()).await;
    assert_eq!(supervisor.status().borrow().state, "disabled");
}

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_restart_has_another_one_listen_while_the_old_one_answers_what_it_has_read() {
    let (tasks, node) = (Tasks::new(), Acknowledges::when_told());
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let settings = ProxySettings { listen: free.clone(), ..settings() };
    let supervisor = Supervisor::start(settings, "a", "info", node.clone(), &tasks);
    let (mut watched, control) = (supervisor.status(), supervisor.control());
    becomes(&mut watched, "listening").await;
    let asking = async {
        let answer = ask(&free, PROCESSED).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("connection: close\r\n"), "{answer}");
    };
    let replacing = async {
        node.arrived.notified().await;
        let status = control.restart(LIMIT).await.unwrap();
        assert_eq!((status.starts, status.restarts, status.address.as_str()), (2, 1, free.as_str()));
        node.may_answer.cancel();
    };
    tokio::join!(asking, replacing);
    assert!(ask(&free, PROCESSED).await.starts_with("HTTP/1.1 200 OK\r\n"), "the new one serves on the same port");
    assert!(!watched.borrow().alarm);
    supervisor.stop(far()).await;
}

#[tokio::test]
async fn a_changed_port_counts_for_the_next_one_and_a_removed_one_ends_it() {
    let tasks = Tasks::new();
    let supervisor = Supervisor::start(settings(), "a", "info", Acknowledges::at_once(), &tasks);
    let (mut watched, control) = (supervisor.status(), supervisor.control());
    let first = becomes(&mut watched, "listening").await.address;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    control.set(ProxySettings { listen: free.clone(), ..settings() }, "info").await;
    assert!(ask(&first, PROCESSED).await.starts_with("HTTP/1.1 200 OK\r\n"), "the running one ignores it");
    assert_eq!(control.restart(LIMIT).await.unwrap().address, free);
    assert!(ask(&free, PROCESSED).await.starts_with("HTTP/1.1 200 OK\r\n"));

    control.set(ProxySettings { listen: String::new(), ..settings() }, "info").await;
    becomes(&mut watched, "disabled").await;
    assert!(TcpStream::connect(&free).await.is_err(), "the port is closed");
    assert!(control.restart(LIMIT).await.unwrap_err().contains("http_proxy.listen is empty"));
    control.set(settings(), "info").await;
    let last = becomes(&mut watched, "listening").await.address;
    assert!(ask(&last, PROCESSED).await.starts_with("HTTP/1.1 200 OK\r\n"));
    supervisor.stop(far()).await;
    assert_eq!(watched.borrow().state, "stopped");
}

#[tokio::test]
async fn a_drained_node_has_no_http_proxy_until_the_drain_is_taken_back() {
    let tasks = Tasks::new();
    let supervisor = Supervisor::start(settings(), "a", "info", Acknowledges::at_once(), &tasks);
    let (mut watched, control) = (supervisor.status(), supervisor.control());
    becomes(&mut watched, "listening").await;
    control.drain(LIMIT).await.unwrap();
    assert_eq!(watched.borrow().state, DRAINED);
    assert!(!watched.borrow().serves());
    assert!(control.restart(LIMIT).await.unwrap_err().contains("drained"));
    control.set(settings(), "info").await; // a reload meanwhile starts nothing
    control.undo_drain().await;
    assert_eq!(becomes(&mut watched, "listening").await.starts, 2);
    supervisor.stop(far()).await;
}

#[tokio::test]
async fn a_restart_onto_a_port_in_use_names_the_reason_and_is_tried_again() {
    let tasks = Tasks::new();
    let supervisor = Supervisor::start(settings(), "a", "info", Acknowledges::at_once(), &tasks);
    let (mut watched, control) = (supervisor.status(), supervisor.control());
    becomes(&mut watched, "listening").await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    control.set(ProxySettings { listen: address, ..settings() }, "info").await;
    let why = control.restart(LIMIT).await.unwrap_err();
    assert!(why.contains("in use"), "{why}");
    drop(taken);
    becomes(&mut watched, "listening").await;
    supervisor.stop(far()).await;
}
