//! Puts the node together: identities, ports, directory, log and state, consensus, doors, HTTP Proxy. The end is in `stop`.
//!
//! Reads as a list. Never contains the work of a part. Called by `main`.

mod access;
mod ballast;
mod clocks;
mod error;
mod fetch;
mod force;
mod formats;
mod full_disk;
mod identity;
mod judge;
mod limits;
mod open;
mod peer_side;
mod ports;
mod proxy_side;
mod pulses;
mod reads;
mod restore;
mod room;
mod settings;
mod signs_of_life;
mod starts;
mod stop;

use std::{sync::Arc, time::Duration};

use chassis::{
    descriptors, logging,
    stop::Hangups,
    tasks::{AtEnd, Tasks, worker_threads},
};
use consensus::{DriverConfig, Kind, Parts, PersistPolicy, Running, core::CoreConfig};
use data_dir::{DataDir, Formation};
use dispatch::{HoldConfig, RequestIds, Standing};
use entrance::Limits;
use node_config::{Args, Config, UPGRADE_AUTO};
use outbound::{Reply, RequestId};
use pair::{
    Door, DoorConfig, Outward, Pair, PrimaryDoor, RaftGroup, WitnessDoor,
    machine::{RecordsMachine, RecordsReader},
};
use peers::{Admission, BoundPeers, PeerAddress, PeerSecret, PeerSelf, Peers, PeersConfig, ask_to_join};
use raft_log::FileDisk;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::Admin,
    archive::{Archives, schedule},
    audit::{Auditor, Way},
    certificates::{Certificates, Reloaded},
    control::{ControlApi, Orders},
    duties::{
        Begun, BringingUp, Deletions, Duties, Formats, History, Phones, Remaining, Restoration, Rules,
        ScheduledSwitchover, WhatIsDue,
    },
    health::Health,
    memory,
    metrics::{Metrics, Sources},
    rest::Rest,
    role::{Member, RoleService, Roster},
    scan::{self, Pace, ScanStatus},
    series::Series,
    supervisor::{ProxyStatus, Supervisor},
    traces,
    upkeep::{Reloader, Upkeep, UpkeepParts},
    versions,
};

use full_disk::FullDisk;
use open::OpenLog;
use peer_side::PeerSide;
use ports::Ports;
use signs_of_life::SignsOfLife;

pub use error::RunError;
pub use restore::{RestoreError, RestoreOrder, restore};

/// Memory for entries of the log: a data node has room, the witness must stay small and reads entries from its disk.
const LOG_CACHE_BYTES_DATA: usize = 32 << 20;
const LOG_CACHE_BYTES_WITNESS: usize = 256 << 10;

/// The end of a node that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// A signal told the node to stop.
    Stopped,
    /// The node is to start again, from its beginning; the data directory names the next steps.
    Again,
    /// An operator had the node give its Raft id up: the supervisor starts the node again, and it joins under a new id.
    GaveUp,
}

/// Runs a node on a runtime of its own, until a signal, a failure, or a reason to start again. By `args` the configuration is read
/// anew on SIGHUP.
///
/// # Errors
/// See [`RunError`]; each one line, with an exit code.
pub fn blocking(config: Config, args: Args) -> Result<Ended, RunError> {
    let mut builder = match config.member().map(|member| member.role.into()) {
        Some(Kind::Witness) => {
            memory::stay_small(); // before there is another thread
            tokio::runtime::Builder::new_current_thread()
        }
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    builder.worker_threads(worker_threads());
    let runtime = builder.enable_all().build().map_err(|source| RunError::Io { doing: "start the runtime", source })?;
    let ended = runtime.block_on(run(config, args));
    // The log may still wait for room on its disk: an entry that is not written was never acknowledged, and must not keep the
    // process.
    runtime.shutdown_background();
    ended
}

async fn run(config: Config, args: Args) -> Result<Ended, RunError> {
    let stop = chassis::stop::signal().map_err(|source| RunError::Io { doing: "listen for signals", source })?;
    let mut hangups = Hangups::listen().map_err(|source| RunError::Io { doing: "listen for signals", source })?;
    let certificates = Certificates::open(&config)?;
    let tasks = Tasks::new();
    let stopping = tasks.stopping();
    tasks.spawn("log sums", AtEnd::Log, async move {
        tokio::select! {
            () = logging::sum_up() => {}
            () = stopping.cancelled() => {}
        }
    });
    certificates.follow(&tasks);
    let signs = SignsOfLife::start(&tasks).map_err(|source| RunError::Io { doing: "start a thread", source })?;
    let drain_timeout = Duration::from_millis(config.limits.drain_timeout_ms);
    let started = tokio::select! {
        started = begin(&config, &args, certificates, &tasks) => started,
        never = hangups.tell("nothing is reloaded: this node still starts") => match never {},
        signal = stop => {
            tracing::info!(signal, "stopping before this node was a member of a group");
            tasks.drain(drain_timeout).await;
            return Ok(Ended::Stopped);
        }
    };
    match started {
        Ok(started) => {
            reload_on(hangups, started.upkeep.clone(), &tasks);
            signs.expect_turns(true);
            let ended = started.until_stopped(&config, &tasks).await;
            signs.expect_turns(false);
            ended
        }
        Err(error) => {
            tasks.drain(drain_timeout).await; // the parts already started end in peace: one line names the fault
            Err(error)
        }
    }
}

/// From now on each SIGHUP has the configuration read anew.
fn reload_on(mut hangups: Hangups, upkeep: Upkeep, tasks: &Tasks) {
    let stopping = tasks.stopping();
    tasks.spawn("reload", AtEnd::Log, async move {
        loop {
            tokio::select! {
                () = hangups.next() => {}
                () = stopping.cancelled() => return,
            }
            upkeep.reload("SIGHUP").await;
        }
    });
}

/// The data directory comes first: another process may hold it. Then the ports, so that a node that waits says so.
async fn begin(config: &Config, args: &Args, certificates: Certificates, tasks: &Tasks) -> Result<Started, RunError> {
    access::check(&config.node.data_dir)?;
    let directory = Arc::new(identity::open_directory(config, args.bootstrap)?);
    ballast::give_up_if_short(directory.path());
    config.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
    let ports = Ports::open(config, certificates, tasks).await?;
    force::execute(config, &directory)?;
    let log = open::trusted_log(config, &directory)?;
    join_and_start((config, args), directory, log, ports, tasks).await
}

/// A node without data that it can trust is taken in under a new id first (R11 one-id-one-log).
async fn join_and_start(
    (config, args): (&Config, &Args),
    directory: Arc<DataDir>,
    log: Option<OpenLog>,
    ports: Ports,
    tasks: &Tasks,
) -> Result<Started, RunError> {
    if directory.formation() == Formation::Joining {
        ports.startup.say(ports::JOINING);
        let admission = ask_to_join(&peers_config(config, &ports.certificates, &directory)?, directory.clone()).await;
        open::clear_aside(&directory)?;
        open::begin_as(config, &directory, admission)?;
        if let Some(door) = config.open_door().filter(|_| admission.guarded) {
            return Err(RunError::OpenDoor(door));
        }
        ports.startup.say(ports::OPENING);
    }
    let bound = Bound::bind(config, &ports.certificates, directory)?;
    start((config, args), bound, log, ports, tasks).await
}

/// This node as its peers know it, and the peers as this node knows them.
fn peers_config(config: &Config, certificates: &Certificates, directory: &DataDir) -> Result<PeersConfig, RunError> {
    let number = config.number().ok_or_else(|| RunError::Unnamed(config.node.name.clone()))?;
    let own = PeerSelf {
        name: config.node.name.clone(),
        raft_id: directory.raft_id(number),
        cluster: config.cluster_id(),
        epoch: directory.epoch(),
        start: directory.start(),
    };
    let others = config.members().filter(|(other, _)| *other != number);
    let peers = others.map(|(number, member)| PeerAddress {
        name: member.name.clone(),
        raft_id: u64::from(number),
        address: member.peer.clone(),
        witness: Kind::from(member.role) == Kind::Witness,
    });
    let tls = certificates.peer();
    let secret = config.peer.secret_file.as_deref().map(PeerSecret::load).transpose()?;
    let connections_max = Limits::fitting(descriptors::limits().soft).connections_max;
    Ok(PeersConfig { own, listen: config.peer.listen, peers: peers.collect(), tls, secret, connections_max })
}

/// The parts that must exist before a peer is answered.
struct Bound {
    directory: Arc<DataDir>,
    peers_config: PeersConfig,
    peers: BoundPeers,
    peer_addresses: Vec<PeerAddress>,
    own: PeerSelf,
}

impl Bound {
    fn bind(config: &Config, certificates: &Certificates, directory: Arc<DataDir>) -> Result<Self, RunError> {
        let peers_config = peers_config(config, certificates, &directory)?;
        let (own, peer_addresses) = (peers_config.own.clone(), peers_config.peers.clone());
        let peers = Peers::bind(peers_config.clone())?;
        Ok(Self { directory, peers_config, peers, peer_addresses, own })
    }
}

/// A running node.
struct Started {
    running: Running<RequestId, Reply>,
    health: Health,
    role: RoleService,
    supervisor: Option<Supervisor>,
    upkeep: Upkeep,
    directory: Arc<DataDir>,
    peers: Peers,
    /// An operator's order waits in the data directory.
    ordered: CancellationToken,
    /// The group has given this node a new id: its disk was an older copy of itself.
    readmitted: oneshot::Receiver<Admission>,
    full_disk: Arc<FullDisk>,
    /// An operator had this node give its Raft id up.
    gave_up: CancellationToken,
}

async fn start(
    (config, args): (&Config, &Args),
    bound: Bound,
    log: Option<OpenLog>,
    ports: Ports,
    tasks: &Tasks,
) -> Result<Started, RunError> {
    let Bound { directory, peers_config, peers, peer_addresses, own } = bound;
    // 1. Peers are greeted and answered first: a group is formed only when all have answered.
    let side = Arc::new(PeerSide::new(own.clone(), peer_addresses, directory.clone(), tasks));
    let peers = peers.serve(side.clone(), directory.clone(), tasks);
    open::form_if_new(config, &directory, &peers, &ports.startup, tasks).await?;
    let boot = directory.boot()?;
    let advice = config.access_warnings().iter().map(ToString::to_string).collect();
    let _ = ports.about.advice.set(advice); // a node starts once
    tracing::info!(node = own.name, raft_id = own.raft_id, boot, "starts");
    // 2. Log and state.
    let metrics = Arc::new(Metrics::new());
    let (log, recovered) = log.map_or_else(|| open::log(config, &directory), Ok)?;
    open::knows_versions(&recovered, config.member().map_or(Kind::Data, |member| member.role.into()))?;
    let evidence = starts::begin(&directory, own.raft_id, own.epoch, own.start)?;
    recovered.notes.iter().for_each(|note| tracing::warn!("the log: {note}"));
    let room = room::watched(&config.node.data_dir, config.node.disk_reserve_bytes, tasks)?;
    let full_disk = FullDisk::new(Arc::clone(&room));
    let mut machine = open::machine(config, &directory, &own.name, &ports.startup)?;
    if let Some(machine) = &mut machine {
        machine.on_fault(full_disk.on_fault(tasks));
    }
    let reader = machine.as_ref().map(|machine| machine.reader());
    // 3. Consensus.
    let driver = driver_config(config, &own, boot);
    let fetcher = fetch::Fetcher::new(peers.clone(), open::store_config(config), open::fetched_dir(&directory), tasks);
    let log_reader = log.reader();
    let (compared, comparisons) = judge::channel();
    let parts = Parts {
        log,
        recovered,
        evidence,
        machine,
        transport: Arc::new(peers.transport()),
        fetch: fetcher.trigger(),
        compared,
        room: room.flag(),
        observer: metrics.clone(),
        fatal: full_disk.fatal(),
    };
    let running = consensus::spawn::<FileDisk, RecordsMachine>(driver, parts);
    fetcher.connect(running.handle.clone());
    if running.handle.status().borrow().single_copy {
        tracing::warn!(
            "single-copy: updates are acknowledged on one disk only; `ocsctl mode set` ends it, and after a restore it ends by itself"
        );
    }
    if let Some(reader) = &reader {
        settings::compare(&config.rules, reader.watch_settings(), tasks);
    }
    let scan = reader.clone().map_or_else(no_scan, |state| {
        let raft = running.handle.clone();
        let judge = judge::Judge {
            state: state.clone(),
            log: log_reader.clone(),
            rules: open::rules(config),
            raft: raft.clone(),
        };
        judge::start(judge, comparisons, tasks);
        scan::start(state, scan_pace(config), tasks, move |why| raft.distrust(why))
    });
    let group: Arc<dyn RaftGroup> = Arc::new(running.handle.clone());
    // 4. The role, and the doors.
    let role = RoleService::new(roster(config), group.clone(), config.mode(), tasks);
    let readmitted = starts::readmission(&role, peers_config, directory.clone(), tasks);
    full_disk.follow(role.clone(), running.handle.clone(), tasks);
    formats::follow(&role, directory.clone(), tasks);
    let health = Health::new(role.clone(), Duration::from_millis(config.limits.hold_time_ms));
    let api = reader
        .clone()
        .map(|reader| Arc::new(doors(config, &own, boot, (group, role.standing()), reader, &peers, tasks)));
    let way = api.clone().map_or_else(|| Way::Witness(witness_door(&own, boot, &role, &peers)), Way::Data);
    let audit = Auditor::start(&own.name, way, tasks);
    let archives = reader.clone().map(|reader| {
        Archives::new(
            reader,
            running.handle.status(),
            (&config.cluster.id, &config.node.name),
            directory.is_guarded(),
            tasks,
        )
    });
    side.connect(running.handle.clone(), log_reader, api.clone(), reader);
    if let Some(api) = &api {
        clocks::announce(api.engine().odd_clocks(), role.roster().clone(), tasks);
        reads::follow(&role, api.clone(), tasks);
    }
    let rest = api.as_ref().map(|api| Arc::new(Rest::new(api.clone())));
    // A witness sees no request.
    let traced_millionths = api.as_ref().map_or(0, |_| traces::start(config, tasks));
    let supervisor = api.clone().zip(rest.clone()).map(|doors| {
        let told = (metrics.clone(), ports.certificates.clone());
        let settings = &config.http_proxy;
        let handler = proxy_side::ProxySide::new(settings, doors, &role, health.clone(), told, tasks);
        let handler = Arc::new(handler.tracing(traced_millionths));
        Supervisor::start(config.http_proxy.clone(), &own.name, &config.logging.filter, handler, tasks)
    });
    if let Some(supervisor) = &supervisor {
        health.follow_proxy(supervisor.status());
    }
    let deletions = api.as_ref().map_or_else(Remaining::none, |api| Remaining::shown(api.clone(), tasks));
    if let Some(api) = &api {
        assign_duties(config, &role, api, &directory, tasks);
    }
    // 5. The callers.
    let proxy = supervisor.as_ref().map_or_else(no_proxy, Supervisor::status);
    let (backups, backup_orders) = archives
        .clone()
        .map_or_else(|| (schedule::none(), None), |archives| schedule::start(config, archives, role.clone(), tasks));
    let certificates = ports.certificates.clone();
    let (disk, imports) = (room, Arc::default());
    let sources = Sources { role: role.clone(), api, proxy, scan, backups, disk, deletions, certificates, imports };
    let orders = Orders::new(directory.clone(), config.mode(), tasks);
    let ordered = orders.given();
    let deadline = Duration::from_millis(config.limits.deadline_ms);
    let operators = config.operators_required(directory.is_guarded()).then(|| metrics.access_refusals());
    let gave_up = CancellationToken::new();
    let give_up = give_up(directory.clone(), gave_up.clone(), tasks);
    metrics.count_refusals("peer", peers.refusals());
    metrics.log_is_limited(config.log.bytes_max);
    if supervisor.is_some() {
        metrics.count_http(config.http_proxy.api);
    }
    ports.count_refusals(&metrics);
    let proxy_control = supervisor.as_ref().map(Supervisor::control);
    let parts = UpkeepParts {
        args: args.clone(),
        config: config.clone(),
        role: role.clone(),
        health: health.clone(),
        proxy: proxy_control,
        reloaders: vec![reloader(ports.certificates.clone())],
    };
    let upkeep = Upkeep::new(parts, tasks);
    let series = Series::new(&own.name);
    if rest.is_some() {
        series.follow(sources.clone(), metrics.clone(), tasks);
    }
    let control = ControlApi {
        sources: sources.clone(),
        about: ports.about.clone(),
        give_up,
        deadline,
        orders,
        archives,
        backups: backup_orders,
        upkeep: upkeep.clone(),
        operators,
        audit,
        series,
    };
    if let Some(rest) = rest {
        rest.connect(Arc::new(control.clone()));
    }
    ports.connect(control, Admin { health: health.clone(), metrics, sources }, tasks);
    Ok(Started { running, health, role, supervisor, upkeep, directory, peers, ordered, readmitted, full_disk, gave_up })
}

/// Reads the certificates of all ports again at a reload.
fn reloader(certificates: Certificates) -> Reloader {
    Arc::new(move || {
        let certificates = certificates.clone();
        Box::pin(async move { certificates.reload_all().await.iter().filter_map(Reloaded::line).collect() })
    })
}

fn driver_config(config: &Config, own: &PeerSelf, boot: u64) -> DriverConfig {
    let kinds: Vec<_> = config
        .voters()
        .into_iter()
        .map(|(id, kind)| if id & 0xffff == own.raft_id & 0xffff { (own.raft_id, kind) } else { (id, kind) })
        .collect();
    let kind = kinds.iter().find(|(id, _)| *id == own.raft_id).map_or(Kind::Data, |(_, kind)| *kind);
    DriverConfig {
        core: CoreConfig {
            id: own.raft_id,
            kinds,
            heartbeat_ticks: config.raft.heartbeat_ticks as usize,
            election_ticks_min: config.raft.election_ticks_min as usize,
            election_ticks_max: config.raft.election_ticks_max as usize,
            seed: rand::random(),
            boot,
            cache_bytes_max: if kind == Kind::Data { LOG_CACHE_BYTES_DATA } else { LOG_CACHE_BYTES_WITNESS },
        },
        cluster: own.cluster,
        epoch: own.epoch,
        rules: versions::RULES,
        tick: Duration::from_millis(config.raft.tick_ms),
        log_bytes_max: config.log.bytes_max,
        disk_stall: Duration::from_millis(config.node.disk_stall_ms),
        persist: PersistPolicy {
            every: Duration::from_millis(config.store.persist_ms),
            // the log must be able to forget long before its limit
            bytes: usize::try_from(config.store.persist_bytes.min(config.log.bytes_max / 4)).unwrap_or(usize::MAX),
        },
    }
}

fn roster(config: &Config) -> Roster {
    let member = |(number, member): (u16, &node_config::Member)| Member {
        number,
        name: member.name.clone(),
        kind: member.role.into(),
        control: member.control.clone().unwrap_or_default(),
    };
    let members: Vec<Member> = config.members().map(member).collect();
    let own = members.iter().find(|member| member.name == config.node.name).cloned();
    Roster::new(own.expect("the configuration was checked: it names this node"), members)
}

fn doors(
    config: &Config,
    own: &PeerSelf,
    boot: u64,
    (group, standing): (Arc<dyn RaftGroup>, watch::Receiver<Standing>),
    reader: RecordsReader,
    peers: &Peers,
    tasks: &Tasks,
) -> Door {
    let state = Arc::new(reader);
    let door = PrimaryDoor::new(DoorConfig::default(), group.clone(), state.clone(), tasks);
    let hold = HoldConfig {
        hold_time: Duration::from_millis(config.limits.hold_time_ms),
        requests_max: config.limits.hold_requests_max,
        bytes_max: config.limits.hold_bytes_max,
    };
    Door::new(request_ids(own, boot), Pair::new(door, Arc::new(peers.forward()), group, state, standing), hold)
}

/// The way of a witness's commands to the primary's node.
fn witness_door(own: &PeerSelf, boot: u64, role: &RoleService, peers: &Peers) -> Arc<WitnessDoor> {
    let outward = Outward::new(Arc::new(peers.forward()), role.group(), role.standing());
    Arc::new(WitnessDoor::new(request_ids(own, boot), outward, HoldConfig::default()))
}

fn request_ids(own: &PeerSelf, boot: u64) -> RequestIds {
    RequestIds::new((own.raft_id & 0xffff) as u32, boot, u128::from_be_bytes(own.start))
}

/// The work of the primary, one duty a line.
fn assign_duties(config: &Config, role: &RoleService, api: &Arc<Door>, directory: &DataDir, tasks: &Tasks) {
    let duties = Duties::new(role.clone(), tasks);
    let (forced, by, restored) = (directory.forced(), directory.forced_by(), directory.restored_from());
    duties.assign(History::new(role.clone(), api.clone(), Begun { forced, by, restored }));
    duties.assign(Rules { role: role.clone(), api: api.clone(), file: config.rules.clone() });
    duties.assign(Phones(api.clone()));
    duties.assign(Deletions(api.clone()));
    duties.assign(BringingUp::new(api.clone()));
    duties.assign(WhatIsDue::new(api.clone()));
    duties.assign(ScheduledSwitchover { role: role.clone(), api: api.clone() });
    if config.cluster.upgrade == UPGRADE_AUTO {
        duties.assign(Formats::new(role.clone()));
    }
    if let Some(restored) = directory.restored_from() {
        duties.assign(Restoration { role: role.clone(), epoch: restored.epoch });
    }
}

/// Gives this node's Raft id up, and ends the process: after a restart the node joins under a new id (R11).
fn give_up(
    directory: Arc<DataDir>,
    gave_up: CancellationToken,
    tasks: &Tasks,
) -> Arc<dyn Fn() -> Result<(), String> + Send + Sync> {
    let tasks = tasks.clone();
    Arc::new(move || {
        directory.give_up().map_err(|error| error.to_string())?;
        tracing::info!(
            "an operator had this node leave the group: it shuts down, and joins under a new Raft id when started"
        );
        gave_up.cancel();
        tasks.stop();
        Ok(())
    })
}

fn scan_pace(config: &Config) -> Pace {
    Pace { every: Duration::from_secs(config.store.scan_interval_s), bytes_per_s: config.store.scan_bytes_per_s }
}

fn no_scan() -> watch::Receiver<ScanStatus> {
    watch::channel(ScanStatus::default()).1
}

fn no_proxy() -> watch::Receiver<ProxyStatus> {
    watch::channel(ProxyStatus { state: "disabled".to_owned(), ..ProxyStatus::default() }).1
}

/// A task that ends with the process and whose early end means nothing.
fn spawn_quiet(tasks: &Tasks, name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
    tasks.spawn(name, AtEnd::Quiet, future);
}
