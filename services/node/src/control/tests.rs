//! The control API over a real connection.

mod state;

use std::net::SocketAddr;

use consensus::{Confirmed, PeerStatus};
use data_dir::{DataDir, DataIdentity};
use dispatch::{HoldConfig, RequestIds};
use entrance::{Entrance, Limits, Protocol};
use ocs_proto::{
    control::{Role, control_client::ControlClient},
    outbound::{self as wire, Declaration, DeclaredList, reply},
};
use outbound::RULES_FIRST;
use pair::{
    Outward, RaftGroup, WitnessDoor,
    fakes::{A, B, FakeGroup, NoPeers, Reader, api, api_over, status as core_status},
};
use tokio::{net::TcpListener, sync::watch};
use tonic::{Code, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use super::*;
use crate::{
    audit::Way,
    credentials::Reason,
    health::Health,
    role::{RoleService, tests::roster},
    startup::Startup,
    supervisor::ProxyStatus,
    upkeep::UpkeepParts,
    versions::NEWEST,
};

struct Stage {
    group: Arc<FakeGroup>,
    channel: Channel,
    tasks: Tasks,
    home: tempfile::TempDir,
    ordered: tokio_util::sync::CancellationToken,
}

fn identity() -> DataIdentity {
    DataIdentity { cluster_id: "demo".into(), cluster: [7; 16], node: "a".into(), kind: Kind::Data }
}

fn stamped(path: &std::path::Path) -> DataDir {
    let directory = DataDir::open(path, identity(), true).unwrap();
    directory.stamp().unwrap();
    directory
}

fn sources(role: &RoleService, api: Option<Arc<Door>>) -> Sources {
    let proxy = watch::channel(ProxyStatus { state: "listening".into(), ..Default::default() }).1;
    let scan = watch::channel(Default::default()).1;
    Sources {
        role: role.clone(),
        api,
        proxy,
        scan,
        backups: crate::archive::schedule::none(),
        disk: data_dir::DiskRoom::new(std::path::Path::new("data"), 0),
        deletions: watch::channel(Arc::default()).1,
        certificates: Default::default(),
        imports: Default::default(),
    }
}

fn about() -> About {
    let (started, advice) =
        (std::time::Instant::now(), vec!["key http_proxy.auth: nothing says who may ask".to_owned()].into());
    About { cluster: "demo".into(), started, options: Vec::new(), advice }
}

fn starting(role: &RoleService) -> StartingNode {
    let about = about();
    let startup = Startup::new("waiting for b, w");
    StartingNode { startup, roster: role.roster().clone(), mode: "witness", about: Arc::new(about) }
}

fn witness_door(group: &Arc<FakeGroup>, role: &RoleService) -> Arc<WitnessDoor> {
    let group: Arc<dyn RaftGroup> = group.clone();
    let outward = Outward::new(Arc::new(NoPeers), &group, role.standing());
    Arc::new(WitnessDoor::new(RequestIds::new(1, 1, 7), outward, HoldConfig::default()))
}

async fn stage(witness: bool) -> Stage {
    stage_for(witness, None).await
}

/// As [`stage`]; with counts of refusals changes need an operator's certificate.
async fn stage_for(witness: bool, operators: Option<Arc<RefusalCounts>>) -> Stage {
    let (tasks, group) = (Tasks::new(), Arc::new(FakeGroup::new(core_status(3, A))));
    let role = RoleService::new(roster(), group.clone(), "witness", &tasks);
    role.ask().await;
    let api = (!witness).then(|| Arc::new(api(&group, Arc::new(NoPeers), HoldConfig::default(), &tasks)));
    let sources = sources(&role, api);
    let about = about();
    let home = tempfile::tempdir().unwrap();
    let orders = Orders::new(Arc::new(stamped(home.path())), "witness", &tasks);
    let ordered = orders.given();
    let health = Health::new(role.clone(), Duration::from_secs(5));
    let file = home.path().join("ocsd.toml");
    std::fs::write(&file, "").unwrap();
    let args = node_config::Args { config: Some(file), ..Default::default() };
    let parts = UpkeepParts {
        config: node_config::Config::load(&args).unwrap(),
        args,
        role: role.clone(),
        health: health.clone(),
        proxy: None,
        reloaders: Vec::new(),
    };
    let upkeep = Upkeep::new(parts, &tasks);
    let way = match &sources.api {
        Some(api) => Way::Data(api.clone()),
        None => Way::Witness(witness_door(&group, &role)),
    };
    let control = ControlApi {
        audit: Auditor::start("a", way, &tasks),
        upkeep,
        orders,
        archives: None,
        backups: None,
        operators,
        sources,
        about: Arc::new(about),
        give_up: Arc::new(|| Ok(())),
        deadline: Duration::from_secs(10),
        series: crate::series::Series::new("a"),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let entrance = Entrance::new("control", Protocol::Grpc, Limits::fitting(1024));
    let port = ControlPort::open(entrance, listener, None, starting(&role), &tasks).await.unwrap();
    port.connect(control, health, &tasks);
    let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    Stage { group, channel, tasks, home, ordered }
}

impl Stage {
    fn client(&self) -> ControlClient<Channel> {
        ControlClient::new(self.channel.clone())
    }

    fn move_to(&self, term: u64, leader: u64) {
        self.group.confirm_as(Some(Confirmed { index: 11, term, leader }));
        self.group.become_status(core_status(term, leader));
    }
}

#[tokio::test]
async fn the_role_is_confirmed_and_watched() {
    let stage = stage(false).await;
    let role = stage.client().get_role(GetRoleRequest {}).await.unwrap().into_inner();
    assert_eq!((role.role(), role.confirmed, role.term), (Role::Primary, true, 3));
    assert_eq!((role.node.as_str(), role.primary.as_str(), role.mode.as_str()), ("a", "a", "witness"));
    let mut watched = stage.client().watch_role(WatchRoleRequest {}).await.unwrap().into_inner();
    assert_eq!(watched.message().await.unwrap().unwrap().role(), Role::Primary);
    stage.move_to(4, B);
    loop {
        let view = watched.message().await.unwrap().unwrap();
        if view.role() == Role::Backup && view.primary == "b" {
            break;
        }
    }
    stage.group.confirm_as(None);
    let role = stage.client().get_role(GetRoleRequest {}).await.unwrap().into_inner();
    assert_eq!((role.role(), role.confirmed), (Role::Unknown, false));
}

#[tokio::test]
async fn status_tells_the_node_and_names_the_controls() {
    let stage = stage(false).await;
    let status = stage.client().status(StatusRequest {}).await.unwrap().into_inner();
    assert_eq!((status.cluster.as_str(), status.records, status.log_bytes), ("demo", 1, 4096));
    assert_eq!(status.controls.len(), 3);
    assert_eq!(status.http_proxy, "listening");
    assert_eq!(status.advice, ["key http_proxy.auth: nothing says who may ask"]);
    assert!(status.warnings.iter().any(|line| line.contains("b is unreachable")));
}

#[tokio::test]
async fn orders_about_the_process_are_answered_by_the_node_in_words() {
    let stage = stage(true).await;
    let mut client = stage.client();
    let reloaded = client.reload(ReloadRequest {}).await.unwrap().into_inner();
    assert!(!reloaded.done && reloaded.node == "a", "{reloaded:?}");
    assert!(reloaded.faults.iter().any(|fault| fault.starts_with("key node.name: is required")), "{reloaded:?}");
    let restarted = client.proxy_restart(ProxyRestartRequest {}).await.unwrap().into_inner();
    assert!(!restarted.done && restarted.reason.contains("witness"), "{restarted:?}");
    for undo in [false, true] {
        let drained = client.drain(DrainRequest { undo }).await.unwrap().into_inner();
        assert!(!drained.done && drained.reason.contains("takes no clients"), "{drained:?}");
    }
}

#[tokio::test]
async fn data_calls_go_through_the_door() {
    let stage = stage(false).await;
    let mut client = stage.client();
    let made = client.create_list(CreateList { name: "demo".into(), ..Default::default() }).await.unwrap();
    assert!(matches!(made.into_inner().reply.unwrap().body, Some(reply::Body::Done(_))));
    client.import(ImportBatch { list: "demo".into(), ..Default::default() }).await.unwrap();
    assert_eq!(stage.group.proposed().len(), 2);
    assert_eq!(client.show_list(ShowListRequest::default()).await.unwrap().into_inner().lists.len(), 1);
    let record = client.get_record(GetRecordRequest { handle: 1, ..Default::default() }).await.unwrap();
    assert!(matches!(record.into_inner().reply.unwrap().body, Some(reply::Body::Done(_))));
    assert_eq!(client.get_record(GetRecordRequest::default()).await.unwrap_err().code(), Code::InvalidArgument);
    assert!(client.verify(VerifyRequest {}).await.unwrap().into_inner().equal);
}

#[tokio::test]
async fn a_witness_names_the_nodes_that_keep_records() {
    let stage = stage(true).await;
    let refused = stage.client().show_list(ShowListRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("ask a (127.0.0.1:9091) or b (127.0.0.1:9092)"), "{}", refused.message());
    assert!(stage.client().status(StatusRequest {}).await.is_ok());
}

#[tokio::test]
async fn a_node_that_is_not_primary_names_the_one_to_ask() {
    let stage = stage(false).await;
    stage.move_to(4, B);
    let reply = stage.client().switchover(SwitchoverRequest::default()).await.unwrap().into_inner();
    assert_eq!((reply.done, reply.reason.as_str(), reply.from.as_str()), (false, "a is not the primary: ask b", "b"));
}

#[tokio::test]
async fn a_primary_hands_over_to_a_node_that_is_connected_and_near() {
    let stage = stage(false).await;
    let refused = stage.client().switchover(SwitchoverRequest::default()).await.unwrap().into_inner();
    assert_eq!(refused.reason, "no node can take over");
    assert_eq!(refused.candidates.len(), 3);
    let mut near = core_status(3, A);
    near.peers.iter_mut().for_each(|peer| (peer.matched, peer.heard) = (Some(12), Some(std::time::Instant::now())));
    stage.group.become_status(near);
    loop {
        let dry = SwitchoverRequest { to: "b".into(), dry_run: true };
        let reply = stage.client().switchover(dry).await.unwrap().into_inner();
        assert!(!reply.done);
        if reply.reason == "dry run: would hand over to b" {
            break;
        }
    }
    let reply = stage.client().switchover(SwitchoverRequest::default()).await.unwrap().into_inner();
    assert_eq!((reply.done, reply.from.as_str(), reply.to.as_str()), (true, "a", "b"), "{}", reply.reason);
}

#[tokio::test]
async fn a_switchover_is_scheduled_by_the_primary_and_only_under_rules_that_keep_a_schedule() {
    let stage = stage(false).await;
    let asked = || ScheduleSwitchoverRequest { at_s: u64::MAX, ..Default::default() };
    for request in [asked(), ScheduleSwitchoverRequest { cancel: true, ..asked() }] {
        let reply = stage.client().schedule_switchover(request).await.unwrap().into_inner();
        assert!(!reply.done && reply.reason.contains("this needs version 7. `ocsctl upgrade finalize`"), "{reply:?}");
    }
    stage.move_to(4, B);
    let reply = stage.client().schedule_switchover(asked()).await.unwrap().into_inner();
    assert_eq!(reply.reason, "a is not the primary: ask b");
    assert!(stage.group.proposed().is_empty());
}

#[tokio::test]
async fn grpc_health_knows_readiness_and_the_primary() {
    let stage = stage(false).await;
    let mut health = HealthClient::new(stage.channel.clone());
    for service in ["", "ocs.ready"] {
        let asked = HealthCheckRequest { service: service.into() };
        let mut watched = health.watch(asked).await.unwrap().into_inner();
        while watched.message().await.unwrap().unwrap().status() != ServingStatus::Serving {}
    }
    let mut primary = health.watch(HealthCheckRequest { service: "ocs.primary".into() }).await.unwrap().into_inner();
    while primary.message().await.unwrap().unwrap().status() != ServingStatus::Serving {}
    stage.move_to(4, B);
    while primary.message().await.unwrap().unwrap().status() != ServingStatus::NotServing {}
    drop((health, primary));
    stage.tasks.stop();
}

fn alone() -> consensus::Status {
    consensus::Status { single_copy: true, forced_epoch: 2, ..core_status(3, A) }
}

#[tokio::test]
async fn an_order_to_lead_alone_says_what_may_be_lost_before_it_is_durable() {
    let stage = &stage(false).await;
    let ask = |accept_loss, dry_run| async move {
        stage.client().force_primary(ForcePrimaryRequest { accept_loss, dry_run }).await.unwrap().into_inner()
    };
    let refused = ask(true, false).await;
    assert!(!refused.ordered && refused.reason.contains("switchover"), "{refused:?}");
    stage.group.confirm_as(None);
    stage.group.become_status(consensus::Status { quorum_heard: false, ..core_status(3, 0) });
    let refused = ask(false, false).await;
    assert!(!refused.ordered && refused.may_lose && refused.reason.contains("--accept-loss"), "{refused:?}");
    assert_eq!((refused.last_index, refused.last_commit, refused.epoch), (12, 10, 2));
    assert_eq!(refused.fence, ["b", "w"]);
    assert!(!ask(true, true).await.ordered && !stage.ordered.is_cancelled());
    assert!(ask(true, false).await.ordered && stage.ordered.is_cancelled());
    let stamp = std::fs::read_to_string(stage.home.path().join(data_dir::STAMP_FILE)).unwrap();
    assert!(stamp.contains("[order]") && stamp.contains("last_index = 12"), "{stamp}");
}

#[tokio::test]
async fn single_copy_is_said_everywhere_and_ends_in_the_configured_mode_alone() {
    let stage = stage(false).await;
    stage.group.become_status(alone());
    let status = stage.client().status(StatusRequest {}).await.unwrap().into_inner();
    assert_eq!((status.role.clone().unwrap().mode.as_str(), status.epoch), ("single-copy", 2));
    assert!(
        status.survives.starts_with("nothing") && status.warnings.iter().any(|line| line.starts_with("single-copy")),
        "{status:?}"
    );
    let answered = stage.client().show_list(ShowListRequest::default()).await.unwrap();
    assert_eq!(answered.metadata().get("x-ocs-mode").unwrap(), "single-copy");
    let set = |mode: &str| SetModeRequest { mode: mode.to_owned() };
    let refused = stage.client().set_mode(set("pair")).await.unwrap().into_inner();
    assert!(!refused.done && refused.reason.contains("configuration says \"witness\""), "{refused:?}");
    stage.group.become_status(consensus::Status { peers: Vec::new(), ..alone() });
    let refused = stage.client().set_mode(set("witness")).await.unwrap().into_inner();
    assert!(!refused.done && refused.reason.contains("no other data node has caught up"), "{refused:?}");
    assert_eq!(refused.missing, ["data node b has not joined yet", "witness w has not joined yet"]);
    stage.group.become_status(core_status(3, A));
    assert!(stage.client().set_mode(set("witness")).await.unwrap().into_inner().done);
}

/// A primary whose peers run this release, over a state that takes the new rules when the test says so.
fn before_the_raise(tasks: &Tasks) -> (Arc<Reader>, Sources) {
    let mut status = core_status(3, A);
    let knows = |peer: &mut PeerStatus| (peer.versions, peer.heard) = (NEWEST, Some(std::time::Instant::now()));
    status.peers.iter_mut().for_each(knows);
    let (group, state) = (Arc::new(FakeGroup::new(status)), Arc::new(Reader::at(RULES_FIRST)));
    let role = RoleService::new(roster(), group.clone(), "witness", tasks);
    let api = api_over(state.clone(), &group, Arc::new(NoPeers), HoldConfig::default(), tasks);
    (state, sources(&role, Some(Arc::new(api))))
}

#[tokio::test]
async fn a_raise_is_done_once_the_state_decides_by_the_new_rules() {
    let tasks = Tasks::new();
    let (state, sources) = before_the_raise(&tasks);
    let finalize =
        |limit_ms, dry_run| upgrade::finalize(&sources, Duration::from_millis(limit_ms), UpgradeRequest { dry_run });
    let fit = finalize(20, true).await;
    assert_eq!((fit.done, fit.reason.as_str(), fit.rules), (false, "", RULES_FIRST), "{:?}", fit.waits_for);
    for dry_run in [false, false, true] {
        let early = finalize(20, dry_run).await;
        assert!(!early.done && early.reason.contains("being raised"), "{early:?}");
        assert_eq!((early.formats_newest, early.rules), (NEWEST.formats, RULES_FIRST));
    }
    let decides = async { state.raise(NEWEST.rules) };
    let (raised, ()) = tokio::join!(finalize(10_000, false), decides);
    assert!(raised.done && raised.reason.is_empty(), "{raised:?}");
    let again = finalize(20, false).await;
    assert_eq!((again.done, again.formats, again.rules), (true, NEWEST.formats, NEWEST.rules));
}

#[tokio::test]
async fn a_node_that_starts_says_what_it_waits_for_and_answers_nothing_else() {
    let (tasks, group) = (Tasks::new(), Arc::new(FakeGroup::new(core_status(3, A))));
    let role = RoleService::new(roster(), group, "witness", &tasks);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let entrance = Entrance::new("control", Protocol::Grpc, Limits::fitting(1024));
    let _port = ControlPort::open(entrance, listener, None, starting(&role), &tasks).await.unwrap();
    let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    let mut client = ControlClient::new(channel.clone());

    let status = client.status(StatusRequest {}).await.unwrap().into_inner();
    assert_eq!(status.starting, "waiting for b, w");
    assert_eq!(status.warnings, ["waiting for b, w"]);
    assert_eq!((status.cluster.as_str(), status.controls.len()), ("demo", 3));
    let told = status.role.unwrap();
    assert_eq!((told.role(), told.confirmed, told.node.as_str()), (Role::Unknown, false, "a"));

    let refused = [
        client.get_role(GetRoleRequest {}).await.map(drop),
        client.watch_role(WatchRoleRequest {}).await.map(drop),
        client.switchover(SwitchoverRequest::default()).await.map(drop),
        client.show_list(ShowListRequest::default()).await.map(drop),
    ];
    for answer in refused {
        let status = answer.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::Unavailable, "this node is starting: waiting for b, w"));
    }
    let mut health = HealthClient::new(channel);
    let mut check = async |service: &str| {
        let asked = HealthCheckRequest { service: service.to_owned() };
        health.check(asked).await.unwrap().into_inner().status()
    };
    assert_eq!(check("").await, ServingStatus::Serving);
    assert_eq!(check("ocs.ready").await, ServingStatus::NotServing);
}
