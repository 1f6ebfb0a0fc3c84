//! The admin port over a real socket.

use std::{net::SocketAddr, time::Duration};

use chassis::tasks::Tasks;
use consensus::Confirmed;
use dispatch::HoldConfig;
use entrance::{Entrance, Limits, Protocol};
use pair::fakes::{A, B, FakeGroup, NoPeers, api, status};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::*;
use crate::{
    role::{RoleService, tests::roster},
    supervisor::ProxyStatus,
};

struct Stage {
    group: Arc<FakeGroup>,
    health: Health,
    address: SocketAddr,
    /// Of the health port.
    checks_address: SocketAddr,
    tasks: Tasks,
}

async fn stage() -> Stage {
    let (tasks, group) = (Tasks::new(), Arc::new(FakeGroup::new(status(3, A))));
    let role = RoleService::new(roster(), group.clone(), "witness", &tasks);
    role.ask().await;
    let api = Arc::new(api(&group, Arc::new(NoPeers), HoldConfig::default(), &tasks));
    let sources = Sources {
        role: role.clone(),
        api: Some(api),
        proxy: watch::channel(ProxyStatus::default()).1,
        scan: watch::channel(Default::default()).1,
        backups: crate::archive::schedule::none(),
        disk: data_dir::DiskRoom::new(std::path::Path::new("data"), 0),
        deletions: watch::channel(Arc::default()).1,
        certificates: Default::default(),
        imports: Default::default(),
    };
    let health = Health::new(role, Duration::from_secs(5));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let admin = Admin { health: health.clone(), metrics: Arc::new(Metrics::new()), sources };
    let checks = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let checks_address = checks.local_addr().unwrap();
    for (listener, router) in [(checks, admin.clone().health_router()), (listener, admin.router())] {
        Entrance::new("admin", Protocol::Http1, Limits::fitting(1024)).serve(listener, None, router, &tasks);
    }
    Stage { group, health, address, checks_address, tasks }
}

impl Stage {
    async fn ask(&self, method: &str, path: &str) -> (u16, String) {
        ask_at(self.address, method, path).await
    }
}

/// Status and body of one answer.
async fn ask_at(address: SocketAddr, method: &str, path: &str) -> (u16, String) {
    let (head, body) = exchange(address, &format!("{method} {path} HTTP/1.1\r\nHost: a\r\n")).await;
    (head[9..12].parse().unwrap(), body)
}

/// Head and body of one answer to a request line and headers.
async fn exchange(address: SocketAddr, asked: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("{asked}Connection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

#[tokio::test]
async fn checks_answer_get_head_and_options() {
    let stage = stage().await;
    for path in ["/livez", "/healthz", "/readyz", "/readyz?now", "/primary"] {
        for method in ["GET", "HEAD", "OPTIONS"] {
            let (code, body) = stage.ask(method, path).await;
            assert_eq!(code, 200, "{method} {path}");
            assert_eq!(body.contains("\"role\":\"primary\""), method != "HEAD", "{method} {path}: {body}");
        }
    }
    assert_eq!(stage.ask("GET", "/backup").await.0, 503);
    assert_eq!(stage.ask("GET", "/records/1").await.0, 404);
}

#[tokio::test]
async fn a_primary_that_is_cut_off_is_ready_for_a_while_and_no_longer_primary() {
    let stage = stage().await;
    stage.group.confirm_as(None);
    assert_eq!(stage.ask("GET", "/primary").await.0, 503);
    assert_eq!(stage.ask("GET", "/readyz?now").await.0, 503);
    assert_eq!(stage.ask("GET", "/readyz").await.0, 200);
    assert_eq!(stage.ask("GET", "/livez").await.0, 200);
    stage.group.confirm_as(Some(Confirmed { index: 11, term: 4, leader: B }));
    assert_eq!(stage.ask("GET", "/backup").await.0, 200);
}

#[tokio::test]
async fn a_draining_node_is_not_ready() {
    let stage = stage().await;
    stage.health.drain();
    assert_eq!(stage.ask("GET", "/readyz").await.0, 503);
    assert_eq!(stage.ask("GET", "/livez").await.0, 200);
}

#[tokio::test]
async fn metrics_are_served_and_the_port_closes_at_the_stop() {
    let stage = stage().await;
    let (code, page) = stage.ask("GET", "/metrics").await;
    assert_eq!(code, 200);
    assert!(page.contains("ocs_term 3"));
    assert!(stage.tasks.drain(Duration::from_secs(10)).await);
    assert!(TcpStream::connect(stage.address).await.is_err());
}

#[tokio::test]
async fn a_node_that_starts_lives_and_is_not_ready_and_says_why() {
    let startup = Startup::new("opening");
    let (tasks, listener) = (Tasks::new(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = listener.local_addr().unwrap();
    let entrance = Entrance::new("admin", Protocol::Http1, Limits::fitting(1024));
    entrance.serve(listener, None, starting_router("a", &startup), &tasks);
    startup.say("waiting for b, w");
    for (path, code) in [("/livez", 200), ("/readyz", 503), ("/readyz?now", 503), ("/primary", 503), ("/metrics", 503)]
    {
        let (got, body) = ask_at(address, "GET", path).await;
        assert_eq!(got, code, "{path}");
        assert!(body.contains("\"state\":\"waiting for b, w\""), "{path}: {body}");
    }
    assert_eq!(ask_at(address, "OPTIONS", "/readyz").await.0, 503);
    assert_eq!(ask_at(address, "GET", "/elsewhere").await.0, 404);
}

#[tokio::test]
async fn without_tls_a_port_with_tls_answers_for_its_process_and_its_metrics_alone() {
    let startup = Startup::new("opening");
    let late = LateRoutes::new(starting_router("a", &startup));
    let (tasks, listener) = (Tasks::new(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = listener.local_addr().unwrap();
    Entrance::new("admin", Protocol::Http1, Limits::fitting(1024)).serve(listener, None, local_router(&late), &tasks);
    for (path, code) in [("/livez", 200), ("/metrics", 503), ("/readyz", 403), ("/primary", 403), ("/", 403)] {
        assert_eq!(ask_at(address, "GET", path).await.0, code, "{path}");
    }
    late.connect(Router::new().route("/metrics", get(|| async { "runs" })));
    assert_eq!(ask_at(address, "GET", "/metrics").await, (200, "runs".to_owned()));
}

#[tokio::test]
async fn the_format_of_the_metrics_is_the_one_that_the_scraper_prefers() {
    let stage = stage().await;
    for (accept, kind, last) in [
        ("Accept: */*\r\n", "text/plain; version=0.0.4", ""),
        ("", "text/plain; version=0.0.4", ""),
        (
            "Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5\r\n",
            "application/openmetrics-text; version=1.0.0",
            "# EOF\n",
        ),
        (
            "Accept: text/plain;q=0.1\r\nAccept: application/openmetrics-text\r\n",
            "application/openmetrics-text; version=1.0.0",
            "# EOF\n",
        ),
    ] {
        let (head, page) = exchange(stage.address, &format!("GET /metrics HTTP/1.1\r\nHost: a\r\n{accept}")).await;
        let head = head.to_ascii_lowercase();
        assert!(head.contains(&format!("content-type: {kind}")) && head.contains("vary: accept"), "{accept}: {head}");
        assert_eq!(page.contains("# EOF"), !last.is_empty(), "{accept}");
        assert!(page.ends_with(last), "{accept}");
    }
}

#[tokio::test]
async fn the_health_port_answers_checks_and_nothing_else() {
    let stage = stage().await;
    let ask = async |path: &str| ask_at(stage.checks_address, "GET", path).await.0;
    for path in ["/livez", "/healthz", "/readyz", "/primary"] {
        assert_eq!(ask(path).await, 200, "{path}");
    }
    assert_eq!(ask("/backup").await, 503);
    for path in ["/metrics", "/", "/records/1", "/livez/metrics"] {
        assert_eq!(ask(path).await, 404, "{path}");
    }
    let startup = Startup::new("opening");
    let (tasks, listener) = (Tasks::new(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = listener.local_addr().unwrap();
    let entrance = Entrance::new("health", Protocol::Http1, Limits::fitting(1024));
    entrance.serve(listener, None, starting_health_router("a", &startup), &tasks);
    for (path, code) in [("/livez", 200), ("/healthz", 200), ("/readyz", 503), ("/metrics", 404)] {
        assert_eq!(ask_at(address, "GET", path).await.0, code, "{path}");
    }
}
