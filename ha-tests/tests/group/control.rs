//! The questions of operators, balancers and Prometheus to a node: `ocs.v1.Control`, gRPC health and reflection, checks over
//! HTTP, metrics.

use std::{collections::BTreeMap, fs, process::Command, thread, time::SystemTime};

use ocs_ha_tests::{Cluster, NODES, Signal, until};
use ocs_proto::control::{
    GetRoleReply, GetRoleRequest, Role, StatusRequest, SwitchoverRequest, WatchRoleRequest,
    control_client::ControlClient,
};
use tokio_stream::StreamExt;
use tonic::{Code, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

const ADD: &str = "/lists/demo?req=AddRecord";

async fn channel(cluster: &Cluster, node: &str) -> Channel {
    let address = format!("http://{}", cluster.settings().address(node, "control"));
    Channel::from_shared(address).unwrap().connect().await.unwrap()
}

fn in_runtime(body: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(body);
}

async fn health(channel: &Channel, service: &str) -> Result<ServingStatus, Code> {
    let asked = HealthCheckRequest { service: service.to_owned() };
    let answer = HealthClient::new(channel.clone()).check(asked).await;
    answer.map(|reply| reply.into_inner().status()).map_err(|status| status.code())
}

async fn until_health(channel: &Channel, service: &str, wanted: ServingStatus) {
    let asked = HealthCheckRequest { service: service.to_owned() };
    let mut watch = HealthClient::new(channel.clone()).watch(asked).await.unwrap().into_inner();
    let found = watch.any(|reply| reply.is_ok_and(|reply| reply.status() == wanted));
    assert!(tokio::time::timeout(ocs_ha_tests::PATIENCE, found).await.unwrap_or(false), "{service} is not {wanted:?}");
}

async fn role(channel: &Channel) -> GetRoleReply {
    ControlClient::new(channel.clone()).get_role(GetRoleRequest {}).await.unwrap().into_inner()
}

#[test]
fn roles_are_told_confirmed_and_a_watcher_sees_a_switchover() {
    let cluster = Cluster::start();
    let (primary, backup) = (cluster.primary(), cluster.other(cluster.primary()));
    in_runtime(async {
        let (at_primary, at_backup) = (channel(&cluster, primary).await, channel(&cluster, backup).await);
        let witness = channel(&cluster, "w").await;

        let told = role(&at_primary).await;
        assert_eq!((told.role(), told.confirmed, told.mode.as_str()), (Role::Primary, true, "witness"));
        assert_eq!((told.node.as_str(), told.primary.as_str()), (primary, primary));
        assert_eq!(told.peers.len(), 2);
        assert!(told.peers.iter().all(|peer| peer.connected && peer.lag_entries.is_some()), "{told:?}");
        for (channel, expected) in [(&at_backup, Role::Backup), (&witness, Role::Witness)] {
            let other = role(channel).await;
            assert_eq!((other.role(), other.term, other.primary.as_str()), (expected, told.term, primary));
            assert!(other.confirmed);
        }

        until_health(&at_primary, "ocs.primary", ServingStatus::Serving).await;
        for (channel, is_primary) in [(&at_primary, true), (&at_backup, false)] {
            assert_eq!(health(channel, "").await, Ok(ServingStatus::Serving));
            assert_eq!(health(channel, "ocs.ready").await, Ok(ServingStatus::Serving));
            let expected = if is_primary { ServingStatus::Serving } else { ServingStatus::NotServing };
            assert_eq!(health(channel, "ocs.primary").await, Ok(expected));
            assert_eq!(health(channel, "nonsense").await, Err(Code::NotFound));
        }

        // A dry run names the candidate and moves nothing; a real one moves the role, and the watcher sees the move.
        let mut watch =
            ControlClient::new(at_backup.clone()).watch_role(WatchRoleRequest {}).await.unwrap().into_inner();
        assert_eq!(watch.next().await.unwrap().unwrap().role(), Role::Backup);
        let mut control = ControlClient::new(at_primary.clone());
        let dry = SwitchoverRequest { dry_run: true, ..Default::default() };
        let dry = control.switchover(dry).await.unwrap().into_inner();
        assert!(!dry.done && dry.candidates.iter().any(|one| one.node == backup && one.eligible), "{dry:?}");
        let to_witness = SwitchoverRequest { to: "w".into(), ..Default::default() };
        let refused = control.switchover(to_witness).await.unwrap().into_inner();
        assert!(
            !refused.done && refused.candidates.iter().any(|one| one.node == "w" && !one.reason.is_empty()),
            "{refused:?}"
        );
        assert_eq!(role(&at_primary).await.term, told.term);
        // a disk that other tests keep busy may not write a vote within the half second that a hand-over has
        let mut moved = control.switchover(SwitchoverRequest::default()).await.unwrap().into_inner();
        if moved.reason.ends_with("in time") {
            until_health(&at_primary, "ocs.primary", ServingStatus::Serving).await;
            moved = control.switchover(SwitchoverRequest::default()).await.unwrap().into_inner();
        }
        assert!(moved.done && moved.to == backup, "{moved:?}");
        let seen = watch.any(|view| view.is_ok_and(|view| view.role() == Role::Primary && view.confirmed));
        assert!(tokio::time::timeout(ocs_ha_tests::PATIENCE, seen).await.unwrap(), "the watcher saw no primary");
        until_health(&at_backup, "ocs.primary", ServingStatus::Serving).await;
        until_health(&at_primary, "ocs.primary", ServingStatus::NotServing).await;
        assert!(role(&at_backup).await.term > told.term);

        // A client without definitions asks for them.
        let asked = ServerReflectionRequest {
            message_request: Some(MessageRequest::ListServices(String::new())),
            ..Default::default()
        };
        let mut answers = ServerReflectionClient::new(witness.clone())
            .server_reflection_info(tokio_stream::once(asked))
            .await
            .unwrap()
            .into_inner();
        let answer = answers.next().await.unwrap().unwrap();
        let Some(MessageResponse::ListServicesResponse(services)) = answer.message_response else {
            panic!("{answer:?}")
        };
        let names: Vec<String> = services.service.into_iter().map(|service| service.name).collect();
        for expected in ["ocs.v1.Control", "grpc.health.v1.Health"] {
            assert!(names.iter().any(|name| name == expected), "{names:?}");
        }
        let status = ControlClient::new(witness).status(StatusRequest {}).await.unwrap().into_inner();
        assert_eq!((status.cluster.as_str(), status.http_proxy.as_str()), ("test", "disabled"));
    });
}

#[test]
fn checks_over_http_tell_life_readiness_and_the_confirmed_role_on_both_ports() {
    let mut cluster = Cluster::with(&["limits.hold_time_ms=1500"]);
    let (primary, backup) = (cluster.primary(), cluster.other(cluster.primary()));
    let expected = |node: &str, path: &str| match path {
        "/primary" => node == primary,
        "/backup" => node == backup,
        _ => true,
    };
    for node in NODES {
        let mut doors = vec![cluster.admin(node)];
        if node != "w" {
            doors.push(cluster.http(node));
        }
        for (door, client) in doors.iter_mut().enumerate() {
            for path in ["/livez", "/readyz", "/readyz?now", "/primary", "/backup"] {
                let status = if expected(node, path) { 200 } else { 503 };
                for method in ["GET", "HEAD", "OPTIONS"] {
                    let answer = client.must(method, path, &[], "");
                    assert_eq!(answer.status, status, "{method} {path} at {node}, door {door}: {answer:?}");
                    if method == "GET" {
                        assert!(answer.json().is_object(), "{answer:?}");
                    }
                }
            }
            assert_eq!(client.must("POST", "/primary", &[], "").status, 405);
        }
    }

    // Without the other nodes a node has no quorum: the node lives, and is ready only as long as it holds requests.
    let mut http = cluster.http(primary);
    cluster.kill(backup);
    cluster.kill("w");
    until("no quorum confirms the role", || cluster.admin(primary).get("/primary").status == 503);
    assert_eq!(http.get("/readyz?now").status, 503);
    until("readiness ends", || http.get("/readyz").status == 503);
    assert_eq!(http.get("/livez").status, 200);
    assert_eq!(cluster.of_node(primary)["confirmed"], false);
    let refused = http.post(ADD, r#"{"GSW_PHONE":"+99971"}"#);
    assert!([503, 504].contains(&refused.status), "{refused:?}");
    assert_eq!(refused.header("retry-after").is_some(), refused.status == 503, "{refused:?}");
    cluster.start_node("w", &[]);
    until("it is ready again", || http.get("/readyz").status == 200);
}

/// Metrics that must move, by the beginning of their line.
const MOVING: [&str; 10] = [
    "ocs_role{role=\"primary\"}",
    "ocs_term",
    "ocs_commit_index",
    "ocs_applied_index",
    "ocs_log_fdatasync_seconds_count",
    "ocs_commit_seconds_count",
    "ocs_requests_total{req=\"AddRecord\",code=\"200\"}",
    "ocs_request_duration_seconds_count{req=\"AddRecord\",code=\"200\"}",
    "ocs_requests_held_total",
    "ocs_http_proxy_restarts_total",
];

#[test]
fn every_metric_moves_when_what_it_measures_does() {
    let mut cluster = Cluster::start();
    cluster.create_list("demo");
    let (old, node) = (cluster.primary(), cluster.other(cluster.primary()));
    let read = |cluster: &Cluster| {
        MOVING.map(|name| (name, cluster.metric(node, name))).into_iter().collect::<BTreeMap<_, _>>()
    };
    let before = read(&cluster);
    assert_eq!(cluster.metric(node, "ocs_requests_total{req=\"RecordProcessed\",code=\"404\"}"), 0.0);

    // Held: no primary takes the request.
    cluster.signal(old, Signal::STOP);
    cluster.signal("w", Signal::STOP);
    until("the role is not confirmed", || cluster.admin(node).get("/readyz?now").status == 503);
    let mut http = cluster.http(node);
    let waiting = thread::spawn(move || http.post(ADD, r#"{"GSW_PHONE":"+99972"}"#).status);
    until("a request is held", || cluster.metric(node, "ocs_held_requests") == 1.0);
    assert!(cluster.metric(node, "ocs_held_bytes") > 0.0);
    cluster.signal("w", Signal::CONT);
    assert_eq!(waiting.join().unwrap(), 200);
    assert_eq!(cluster.metric(node, "ocs_held_requests"), 0.0);
    assert_eq!(cluster.wait_primary(), node);

    // Lag: the old primary is frozen while updates go on.
    let mut http = cluster.http(node);
    for number in 0..20 {
        assert_eq!(http.post(ADD, &format!(r#"{{"GSW_PHONE":"+99973{number}"}}"#)).status, 200);
    }
    assert_eq!(http.post("/records/999999999?req=RecordProcessed", "").status, 404);
    until("codes are told apart", || {
        cluster.metric(node, "ocs_requests_total{req=\"RecordProcessed\",code=\"404\"}") == 1.0
    });
    let lag = format!("ocs_peer_lag_entries{{node=\"{old}\"}}");
    until("the frozen node lags", || cluster.metric(node, &lag) >= 20.0);
    until("it is not heard", || cluster.metric(node, &format!("ocs_peer_connected{{node=\"{old}\"}}")) == 0.0);
    cluster.signal(old, Signal::CONT);
    cluster.wait_whole();
    until("the lag is made up", || cluster.metric(node, &lag) == 0.0);

    cluster.kill_proxy(node);
    cluster.wait_whole();
    until("all have moved", || {
        let after = read(&cluster);
        MOVING.iter().all(|name| after[name] > before[name])
    });
}

/// The state holds the options that decide: a file with other options causes a warning, and changes no decision.
#[test]
fn nodes_whose_files_name_other_options_decide_alike_and_say_so() {
    let mut cluster = Cluster::prepare(&[]);
    cluster.start_node("a", &["--bootstrap", "--set", "rules.replay_window_ms=5000"]);
    cluster.start_node("b", &["--bootstrap", "--set", "rules.replay_window_ms=0"]);
    cluster.start_node("w", &["--bootstrap"]);
    cluster.wait_whole();
    let decides = |node: &str| cluster.log(node).contains("rules version 7");
    until("both decide by what the group says", || decides("a") && decides("b"));
    cluster.create_list("demo");
    for node in ["a", "b"] {
        cluster.move_primary(node);
        let mut http = cluster.http(node);
        for _ in 0..2 {
            assert_eq!(http.post(ADD, r#"{"GSW_PHONE":"+99974"}"#).status, 200);
        }
        assert_eq!(cluster.export("demo", "a"), cluster.export("demo", "b"));
    }
    let warned =
        |node: &str| cluster.log(node).lines().any(|line| line.contains(" WARN ") && line.contains("replay_window_ms"));
    until("the node whose file differs says so", || warned("a") != warned("b"));
    cluster.assert_equal();
}

/// A library that moves a process's wall clock an hour ahead.
const SHIFT: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, now);
    if (id == CLOCK_REALTIME) now->tv_sec += 3600;
    return result;
}
"#;

#[test]
fn an_odd_clock_is_named_and_moves_no_stamp() {
    let mut cluster = Cluster::prepare(&[]);
    let (source, library) = (cluster.path("shift.c"), cluster.path("shift.so"));
    fs::write(&source, SHIFT).unwrap();
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl").status();
    if !built.is_ok_and(|status| status.success()) {
        println!("skipped: there is no C compiler here to build the odd clock");
        return;
    }
    cluster.start_node("a", &["--bootstrap"]);
    cluster.start_node("w", &["--bootstrap"]);
    cluster.start_node_with("b", &["--bootstrap"], &[("LD_PRELOAD", &library.display().to_string())]);
    cluster.wait_whole();
    cluster.create_list("demo");
    // The others outvote the odd clock, as the primary's too.
    for node in ["a", "b"] {
        cluster.move_primary(node);
        until("the odd clock is named", || cluster.metric(node, "ocs_clock_odd{node=\"b\"}") == 1.0);
        assert_eq!(cluster.metric(node, "ocs_clock_odd{node=\"a\"}"), 0.0);
        assert_eq!(cluster.of_node(node)["odd_clocks"], serde_json::json!(["b"]));
        let added = cluster.http("a").post(ADD, &format!(r#"{{"GSW_PHONE":"+99975","GSW_REFERENCE_ID":"{node}"}}"#));
        let update = format!("/records/{}?req=RecordProcessed", added.handle());
        assert_eq!(cluster.http("b").post(&update, r#"{"GSW_CALL_RESULT":33}"#).status, 200);
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    for row in cluster.export("demo", "b") {
        let called: u64 = row["call_time"].parse().unwrap();
        assert!(called <= now && called + 60 > now, "stamped {called}, now is {now}");
    }
}
