//! The ports for operators and monitoring under callers that send nothing, read nothing or do not end: the node goes on, and so
//! do its other callers.

use std::{
    fs,
    io::{ErrorKind, Read},
    net::TcpStream,
    time::{Duration, Instant},
};

use ocs_ha_tests::{Cluster, Signal, until};
use ocs_proto::control::{ExportRequest, ExportRows, control_client::ControlClient};
use tonic::{Code, Streaming, transport::Endpoint};

/// More than a port takes.
const SILENT: usize = 400;
/// More than the queue of a listener that names no length.
const QUEUED: usize = 300;
/// More than fits into the buffers of a connection.
const ROWS: usize = 40_000;

fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 64]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

#[test]
fn silent_connections_take_no_place_from_others_and_are_closed() {
    let mut cluster = Cluster::start();
    let node = cluster.primary();
    for port in ["admin", "control"] {
        let address = cluster.settings().address(node, port);
        let connect = |_| {
            let stream = TcpStream::connect(&address).unwrap();
            stream.set_nonblocking(true).unwrap();
            stream
        };
        let mut silent: Vec<_> = (0..SILENT).map(connect).collect();
        assert_eq!(cluster.admin(node).get("/livez").status, 200);
        assert!(cluster.of_node(node)["role"] == "primary");
        until("all silent connections are closed", || {
            silent.retain_mut(|stream| !is_closed(stream));
            silent.is_empty()
        });
        let refused = format!("ocs_refused_total{{port=\"{port}\",");
        until("they are counted", || cluster.metric(node, &refused) >= SILENT as f64);
        let lines = cluster.log(node).lines().filter(|line| line.contains(&format!("{port} "))).count();
        assert!(lines < 10, "{lines} lines about the port {port}");
    }
    assert!(cluster.runs(node));
}

#[test]
fn callers_of_a_node_that_stands_still_wait_in_the_queue_of_every_port() {
    let mut cluster = Cluster::start();
    cluster.signal("w", Signal::STOP);
    for port in ["admin", "control", "peer"] {
        let address = cluster.settings().address("w", port).parse().unwrap();
        let connect = |_| TcpStream::connect_timeout(&address, Duration::from_secs(5));
        let waiting: Result<Vec<_>, _> = (0..QUEUED).map(connect).collect();
        assert!(waiting.is_ok(), "{port}: {waiting:?}");
    }
    cluster.signal("w", Signal::CONT);
}

/// A list of so many records.
fn long_list(cluster: &Cluster) {
    let (path, mut rows) = (cluster.path("long.csv"), "contact_info,note\n".to_owned());
    for row in 0..ROWS {
        rows.push_str(&format!(
            "+9995{row:07},a row that is long enough to fill buffers and some more text behind it\n"
        ));
    }
    fs::write(&path, rows).unwrap();
    cluster.ctl(&["list", "create", "long", "--from", &path.display().to_string()]).fine();
}

/// An export over a connection of its own, which the client never reads.
async fn unread_export(address: &str) -> Result<Streaming<ExportRows>, tonic::Status> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap().initial_stream_window_size(65_536);
    let mut client = ControlClient::new(endpoint.connect().await.unwrap());
    let asked = ExportRequest { list: "long".to_owned(), columns: Vec::new() };
    client.export(asked).await.map(tonic::Response::into_inner)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

#[test]
fn exports_that_nobody_reads_are_few_and_hold_nobody_up() {
    let cluster = Cluster::start();
    long_list(&cluster);
    cluster.create_list("demo");
    let load = cluster.load("demo", 1);
    let (node, runtime) = (cluster.primary(), runtime());
    let address = cluster.settings().address(node, "control");
    let mut opened = Vec::new();
    for _ in 0..20 {
        match runtime.block_on(unread_export(&address)) {
            Ok(rows) => opened.push(rows),
            Err(status) => assert_eq!(status.code(), Code::ResourceExhausted, "{status}"),
        }
    }
    assert!((1..=4).contains(&opened.len()), "{} exports run", opened.len());
    load.wait_more(20);
    drop(opened);
    until("an export runs again", || cluster.ctl(&["list", "export", "long", "--node", node]).code == 0);
    assert_eq!(cluster.export("long", node).len(), ROWS);
    let loaded = load.stop();
    loaded.assert_no_failure_at("a");
    loaded.assert_no_failure_at("b");
}

#[test]
fn a_stop_ends_within_its_timeout_whatever_stands_still() {
    let mut cluster = Cluster::start();
    long_list(&cluster);
    let (node, runtime) = (cluster.primary(), runtime());
    let standing = runtime.block_on(unread_export(&cluster.settings().address(node, "control"))).unwrap();
    let proxy = cluster.proxy_pid(node).unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(proxy as i32).unwrap(), Signal::STOP).unwrap();
    cluster.signal(cluster.other(node), Signal::STOP);
    let begun = Instant::now();
    assert_eq!(cluster.stop(node), 0);
    // Its drain timeout is 5 s, one for all parts.
    assert!(begun.elapsed() < Duration::from_secs(8), "the stop took {:?}", begun.elapsed());
    cluster.wait_gone(proxy);
    drop(standing);
    cluster.signal(cluster.other(node), Signal::CONT);
}
