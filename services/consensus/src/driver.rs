//! The driver: one loop that feeds the core from a closed set of events and does the work that the core wants done.
//!
//! Reads the clocks, owns the threads of log and apply, waits for neither. Called through [`spawn`], then by [`Event`]s.

mod asks;
mod disks;
mod evidence;
mod frames;
mod held;
mod peer_facts;
mod propose;
mod repair;
mod tell;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tokio::sync::{oneshot, watch};

use peer_facts::PeerFacts;
use raft_log::{Disk, Log, Recovered};

use crate::{
    Comparison, Confirmed, Handle, JoinAsk, Machine, Observer, Proposal, ProposeError, RaftId, Reign, Status,
    TransferError, Transport,
    apply::{ApplyThread, Digests, Memberships, PersistPolicy, Progress, Work},
    core::{Core, CoreConfig, DiskContents, JoinError, ModeError, Output, PauseError},
    disk::{Job, LogThread},
    event::{Event, FEW},
    evidence::{Evidence, EvidenceFile, Start},
    members,
    reads::Question,
    repair::{Here, Repair},
    waiters::Waiters,
    write_clock::Queue,
};

/// Version of the frames' head; the driver refuses an unknown newer version by name.
pub const FRAME_FORMAT: u32 = 1;
/// Versions of the formats of frames, logs and rows that this release reads and writes, lowest and highest
/// (R13 versions-are-replicated).
pub const FORMATS: (u32, u32) = (1, 2);
/// Batching of commands into one entry stops here, bytes (architecture, Limits).
const BATCH_BYTES_MAX: usize = 256 * 1024;
/// Events handled before the core's output is looked at.
const EVENTS_MAX: usize = 1024;
/// Pace of the fast path.
const HURRY: Duration = Duration::from_millis(10);
/// Entries that are kept beyond need, so that a short absence of a node needs no snapshot.
const KEEP_ENTRIES: u64 = 10_000;
/// Entries that a compaction must forget at least.
const FORGET_ENTRIES_MIN: u64 = 5_000;
/// The same where the log is more than half full.
const PRESSED_ENTRIES_MIN: u64 = 64;

/// A node is present while its last frame is younger than this. Below a second, within which `survives` has to be right.
const SILENT: Duration = Duration::from_millis(900);

/// The configuration of the driver, with that of the core.
#[derive(Debug, Clone)]
pub struct DriverConfig {
    /// The core's part.
    pub core: CoreConfig,
    /// 16 bytes, on every frame.
    pub cluster: [u8; 16],
    /// Counts the times that an operator forced a membership.
    pub epoch: u64,
    /// Length of a tick.
    pub tick: Duration,
    /// Bytes of the log at which updates stop (R1 forget-what-both-have).
    pub log_bytes_max: u64,
    /// When the state is made durable.
    pub persist: PersistPolicy,
    /// A write that has not ended for so long since its queueing counts as hanging: a primary hands over.
    pub disk_stall: Duration,
    /// Rules versions that this release decides, lowest and highest.
    pub rules: (u32, u32),
}

/// The parts that the driver owns.
pub struct Parts<D: Disk, M: Machine> {
    /// The log, just opened.
    pub log: Log<D>,
    /// The recovered contents of the log.
    pub recovered: Recovered,
    /// The file and the table of evidence, durable and with this start; none: starts are not witnessed.
    pub evidence: Option<(EvidenceFile<D::File>, Evidence, Start)>,
    /// The state; none on a witness.
    pub machine: Option<M>,
    /// The way to the peers.
    pub transport: Arc<dyn Transport>,
    /// Called with the lowest index that a state to be fetched must have; answered by [`Handle::fetched`].
    pub fetch: Box<dyn FnMut(u64) + Send>,
    /// Called with each pair of digests at the same index, equal or not; must not block. Answered, where they differ, by
    /// [`Handle::distrust`] or [`Handle::vouch`].
    pub compared: Box<dyn FnMut(Comparison) + Send>,
    /// False: less than the reserve is left on the disk, and updates wait for room. Kept by the node.
    pub room: Arc<AtomicBool>,
    /// Where durations go.
    pub observer: Arc<dyn Observer>,
    /// Called once when the process must end: a failed disk, a machine that cannot go on, a bug (R6 durable-before-acknowledged).
    pub fatal: Arc<dyn Fn(String) + Send + Sync>,
}

/// A running driver.
#[derive(Debug)]
pub struct Running<I, R> {
    /// The way in.
    pub handle: Handle<I, R>,
    /// Counts the ticks of the Raft loop: a loop that works moves it within a second, until [`Handle::stop`].
    pub pulse: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl<I, R> Running<I, R> {
    /// Waits for the threads, after [`Handle::stop`].
    pub fn join(self) {
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a thread of consensus panicked");
            }
        }
    }
}

/// Starts the Raft loop, the log's thread and the apply thread.
pub fn spawn<D, M>(config: DriverConfig, parts: Parts<D, M>) -> Running<M::Id, M::Reply>
where
    D: Disk + Send + Sync + 'static,
    M: Machine,
{
    let (events, inbox) = mpsc::channel(); // bounded by the handle's counters, see `Handle`
    let (jobs, job_queue) = mpsc::channel(); // bounded by UNCOMMITTED_BYTES_MAX
    let (work, work_queue) = mpsc::channel(); // bounded by APPLY_LAG_MAX
    let waiters = Arc::new(Waiters::new());
    let (digests, progress) = (Arc::new(Digests::default()), Arc::new(Progress::default()));
    let state = parts.machine.as_ref().map(Machine::applied).unwrap_or_default();
    let doubted = parts.machine.as_ref().is_some_and(Machine::doubted);
    let (evidence_file, witnessed) = parts.evidence.map(|(file, table, start)| (file, (table, start))).unzip();
    let evidence_file = evidence_file.map(|file| Arc::new(Mutex::new(file)));
    let found = DiskContents {
        reader: parts.log.reader(),
        start: parts.recovered.start.clone(),
        hard_state: parts.recovered.hard_state,
        state: state.clone(),
        starts: witnessed,
    };
    let mut core = Core::new(config.core.clone(), found);
    core.set_disk_stall_ms(u64::try_from(config.disk_stall.as_millis()).unwrap_or(u64::MAX));
    let (disks, pulse) = (disks::Disks::new(parts.room.clone()), Arc::default());
    let token = core.start_token().map(|token| bytes::Bytes::copy_from_slice(&token)).unwrap_or_default();
    let (status, status_seen) = watch::channel(Arc::new(tell::initial_status(&core)));
    let mut threads = Vec::new();
    let log_bytes = parts.log.bytes();
    let log_thread = LogThread {
        log: parts.log,
        jobs: job_queue,
        events: events.clone(),
        transport: Arc::clone(&parts.transport),
        observer: parts.observer.clone(),
        room: Arc::clone(&parts.room),
        evidence: evidence_file.clone(),
        clock: disks.log.clone(),
    };
    threads.push(thread("ocs-log", parts.fatal.clone(), move || log_thread.run().map_err(|fault| fault.to_string())));
    let (tables, table_queue) = mpsc::channel(); // bounded by the pace of ticks and checks
    if let Some(file) = evidence_file {
        let (transport, clock) = (parts.transport.clone(), disks.evidence.clone());
        let writer = evidence::EvidenceThread::<D> { file, jobs: table_queue, transport, clock };
        threads
            .push(thread("ocs-evidence", parts.fatal.clone(), move || writer.run().map_err(|fault| fault.to_string())));
    }
    if let Some(machine) = parts.machine {
        let apply = ApplyThread {
            machine,
            work: work_queue,
            events: events.clone(),
            waiters: waiters.clone(),
            digests: digests.clone(),
            progress: progress.clone(),
            observer: parts.observer.clone(),
            policy: config.persist,
            memberships: Memberships::of(&state, &core.conf_state()),
            unpersisted: 0,
            persisted_at: Instant::now(),
            kept: None,
            clock: disks.apply.clone(),
        };
        threads.push(thread("ocs-apply", parts.fatal.clone(), move || apply.run().map_err(|fault| fault.to_string())));
    } else {
        drop(work_queue); // no work may count as waiting for a thread that does not run
    }
    let queued = Arc::new(AtomicUsize::new(0));
    let driver = Driver::<D, M> {
        core,
        inbox,
        jobs: Queue::new(jobs, &disks.log),
        tables,
        tables_sent: (0, 0),
        work: Queue::new(work, &disks.apply),
        waiters,
        digests,
        progress,
        installs: 0,
        seen_applied: state.index,
        transport: parts.transport,
        fetch: parts.fetch,
        compared: parts.compared,
        repair: Repair::new(doubted),
        observer: parts.observer,
        status,
        queued: queued.clone(),
        peers: HashMap::new(),
        proposals: Vec::new(),
        askers: HashMap::new(),
        next_question: 0,
        reads: Vec::new(),
        joins: Vec::new(),
        given: HashMap::new(),
        pauses: Vec::new(),
        raises: Vec::new(),
        leaving_single_copy: Vec::new(),
        transfer: None,
        persisted: state.index,
        log_bytes,
        no_room: false,
        room: parts.room,
        short_told: false,
        drained: false,
        disks,
        pulse: Arc::clone(&pulse),
        forgetting: false,
        mismatches: 0,
        ticks: 0,
        told: HashMap::new(),
        evidence_told: HashMap::new(),
        start: token,
        held: held::Held::default(),
        news: tell::News::default(),
        leader_seen: Instant::now(),
        reign: None,
        begun: Instant::now(),
        stopping: false,
        config,
    };
    threads.push(thread("ocs-raft", parts.fatal, move || {
        driver.run();
        Ok(())
    }));
    Running { handle: Handle { events, status: status_seen, queued }, pulse, threads }
}

/// Runs a thread whose failure, by error or panic, ends the process.
fn thread(
    name: &str,
    fatal: Arc<dyn Fn(String) + Send + Sync>,
    body: impl FnOnce() -> Result<(), String> + Send + 'static,
) -> JoinHandle<()> {
    let title = name.to_owned();
    let run = move || match std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)) {
        Ok(Ok(())) => {}
        Ok(Err(fault)) => fatal(fault),
        Err(_) => fatal(format!("thread {title} panicked")),
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(run).expect("the system can start a thread")
}

/// A caller that asked a quorum.
#[derive(Debug)]
struct Asker {
    answer: oneshot::Sender<Confirmed>,
    read: bool,
}

struct Driver<D: Disk, M: Machine> {
    config: DriverConfig,
    core: Core<D>,
    inbox: Receiver<Event<M::Id, M::Reply>>,
    jobs: Queue<Job>,
    /// To the evidence thread; the version of the table that was sent last, and the tick of that sending.
    tables: Sender<evidence::EvidenceJob>,
    tables_sent: (u64, u64),
    work: Queue<Work>,
    waiters: Arc<Waiters<M::Id, M::Reply>>,
    digests: Arc<Digests>,
    progress: Arc<Progress>,
    /// Installed states that the driver has handled.
    installs: u64,
    /// The machine's applied index at the last look.
    seen_applied: u64,
    transport: Arc<dyn Transport>,
    fetch: Box<dyn FnMut(u64) + Send>,
    compared: Box<dyn FnMut(Comparison) + Send>,
    repair: Repair,
    observer: Arc<dyn Observer>,
    status: watch::Sender<Arc<Status>>,
    queued: Arc<AtomicUsize>,
    peers: HashMap<RaftId, PeerFacts>,
    proposals: Vec<Proposal<M::Id, M::Reply>>,
    askers: HashMap<Question, Asker>,
    next_question: Question,
    /// Reads that wait for an index to be applied here.
    reads: Vec<(Confirmed, oneshot::Sender<Confirmed>)>,
    /// Nodes that wait to be taken in.
    joins: Vec<(JoinAsk, oneshot::Sender<Result<RaftId, JoinError>>)>,
    /// When a node was last given an id, by its number.
    given: HashMap<u16, Instant>,
    /// Callers that wait for failover to be paused or resumed.
    pauses: Vec<(bool, oneshot::Sender<Result<(), PauseError>>)>,
    /// Operators and duties that wait for the cluster's versions to be raised: formats, rules.
    raises: Vec<asks::AskedRaise>,
    /// Callers that wait for the end of single-copy.
    leaving_single_copy: Vec<oneshot::Sender<Result<(), ModeError>>>,
    transfer: Option<oneshot::Sender<Result<(), TransferError>>>,
    persisted: u64,
    log_bytes: u64,
    no_room: bool,
    room: Arc<AtomicBool>,
    /// Whether the last heads to all said that the disk is short.
    short_told: bool,
    drained: bool,
    disks: disks::Disks,
    /// See [`Running::pulse`].
    pulse: Arc<AtomicU64>,
    forgetting: bool,
    mismatches: u64,
    /// Ticks since the start, and the tick of the last frame to each peer.
    ticks: u64,
    told: HashMap<RaftId, u64>,
    /// The tick at which a peer was last told the evidence.
    evidence_told: HashMap<RaftId, u64>,
    /// The token of this start, as heads carry it.
    start: bytes::Bytes,
    held: held::Held,
    /// The news at the last wake-up of the status's watchers.
    news: tell::News,
    /// The last sign of a leader here; at first, the start of the driver.
    leader_seen: Instant,
    reign: Option<Reign>,
    begun: Instant,
    stopping: bool,
}

impl<D: Disk, M: Machine> Driver<D, M> {
    fn run(mut self) {
        let mut next_tick = Instant::now() + self.config.tick;
        let mut next_hurry = Instant::now();
        self.pump();
        self.publish(true);
        while !self.stopping {
            let hurrying = self.core.hurrying();
            let wake = if hurrying { next_tick.min(next_hurry) } else { next_tick };
            let wake = self.held.due().map_or(wake, |due| wake.min(due));
            match self.inbox.recv_timeout(wake.saturating_duration_since(Instant::now())) {
                Ok(event) => self.on_events(event),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let now = Instant::now();
            let ticked = now >= next_tick;
            if ticked {
                self.on_tick();
                // ticks missed in a pause of the process are not made up: the other nodes did not miss them
                next_tick = (next_tick + self.config.tick).max(now);
            }
            if hurrying && now >= next_hurry {
                self.core.campaign_again();
                next_hurry = now + HURRY;
            }
            self.see_progress();
            self.propose_queued();
            self.pump();
            if self.see_progress() {
                self.pump();
            }
            self.release_held(now);
            self.note_reign();
            self.publish(ticked);
        }
        self.finish();
    }

    /// Drains the inbox. With many updates in flight, yields once so that producers can join this batch; with few, a yield only
    /// adds latency.
    fn on_events(&mut self, first: Event<M::Id, M::Reply>) {
        let busy = first.is_of_many() || self.waiters.len() > FEW || self.askers.len() > 1;
        self.on_event(first);
        if busy {
            std::thread::yield_now();
        }
        for _ in 1..EVENTS_MAX {
            let Ok(event) = self.inbox.try_recv() else { return };
            self.on_event(event);
        }
    }

    fn on_event(&mut self, event: Event<M::Id, M::Reply>) {
        match event {
            Event::Propose(proposals) => {
                self.queued.fetch_sub(proposals.len(), Ordering::Relaxed);
                self.proposals.extend(proposals);
            }
            Event::Frame(frame) => {
                self.queued.fetch_sub(1, Ordering::Relaxed);
                self.on_frame(frame);
            }
            Event::Ask { answer, read } => self.on_ask(answer, read),
            Event::Written { number, log_bytes } => {
                self.log_bytes = log_bytes;
                self.core.on_written(number);
            }
            Event::NoRoom(full) => self.on_room(full),
            Event::Compacted { mark, log_bytes } => {
                self.forgetting = false;
                self.log_bytes = log_bytes;
                self.core.on_compacted(mark);
            }
            Event::NotCompacted => self.forgetting = false,
            Event::Applied => {} // the loop looks at the progress after every event
            Event::Persisted(index) => self.persisted = self.persisted.max(index),
            Event::Installed(mark) => {
                self.installs += 1;
                self.repair.installed(Here::of(&self.core), mark.index > self.core.applied());
                self.core.on_installed(mark.clone());
                self.on_applied(mark.index);
            }
            Event::Fetched(Ok(state)) => {
                self.work.send(Work::Install(state));
            }
            Event::Fetched(Err(reason)) => {
                tracing::warn!(%reason, "the state could not be fetched; it is tried again");
                self.on_fetch_failed();
            }
            Event::Distrust(reason) => self.repair.distrust(reason, Here::of(&self.core)),
            Event::StandsStill(index) => self.core.replace(index),
            Event::Vouch(index) => self.repair.vouch(index, Here::of(&self.core)),
            Event::Drained(drained) => self.drained = drained,
            Event::PeerLost { peer, refused } => {
                let of_peer = |id: &RaftId| members::number(*id) == members::number(peer);
                self.peers.iter_mut().filter(|(id, _)| of_peer(id)).for_each(|(_, seen)| seen.lost = true);
                self.core.on_unreachable(peer);
                if refused {
                    if members::number(peer) == members::number(self.core.leader()) {
                        self.leader_seen = Instant::now(); // its stream has only just ended
                    }
                    self.core.on_refused(peer);
                }
            }
            Event::Join { ask, answer } => {
                self.joins.push((ask, answer));
                self.answer_joins();
            }
            Event::Pause { paused, answer } => {
                self.pauses.push((paused, answer));
                self.answer_pauses();
            }
            Event::Raise { formats, rules_wanted, answer } => {
                self.raises.push((formats, rules_wanted, answer));
                self.answer_raises();
            }
            Event::Transfer { to, why, answer } => self.on_transfer(to, &why, answer),
            Event::LeaveSingleCopy { answer } => {
                self.leaving_single_copy.push(answer);
                self.leave_single_copy();
            }
            Event::Stop => self.stopping = true,
        }
    }

    fn on_ask(&mut self, answer: oneshot::Sender<Confirmed>, read: bool) {
        self.next_question += 1;
        self.askers.insert(self.next_question, Asker { answer, read });
        self.core.ask(self.next_question);
    }

    /// Takes over progress of the machine; returns whether there was any.
    fn see_progress(&mut self) -> bool {
        self.progress.want(!self.reads.is_empty() || self.core.leads() && !self.core.serving());
        let further = self.progress.applied(self.installs).filter(|index| *index > self.seen_applied);
        if let Some(index) = further {
            self.on_applied(index);
        }
        further.is_some()
    }

    fn on_applied(&mut self, index: u64) {
        self.seen_applied = index;
        self.core.on_applied(index);
        let applied = self.core.applied();
        for (confirmed, answer) in self.reads.extract_if(.., |(confirmed, _)| confirmed.index <= applied) {
            let _ = answer.send(confirmed); // a caller that gave up needs no answer
        }
    }

    fn on_tick(&mut self) {
        if self.core.serving() && self.reign.as_ref().is_some_and(|reign| reign.term == self.core.term()) {
            self.leader_seen = Instant::now();
        }
        self.pulse.fetch_add(1, Ordering::Relaxed);
        self.look_at_disks();
        self.core.tick();
        self.tell_stall();
        let (commit, now) = (self.core.commit(), Instant::now());
        for (id, seen) in &mut self.peers {
            seen.note_matched(self.core.matched(*id), commit, now);
        }
        let askers = &mut self.askers;
        askers.retain(|_, asker| !asker.answer.is_closed());
        self.core.retain_questions(|question| askers.contains_key(&question));
        self.reads.retain(|(_, answer)| !answer.is_closed());
        self.answer_joins();
        self.answer_pauses();
        self.answer_raises();
        self.keep_evidence();
        self.leave_single_copy();
        self.compare_digests();
        self.seek_repair();
        self.tell_room();
        self.seek_room();
        self.forget();
        self.greet();
    }

    /// R1: lets the log forget entries that no node needs, once there are enough of them.
    fn forget(&mut self) {
        if self.forgetting {
            return;
        }
        // a log that nears its limit keeps nothing for the convenience of peers
        let (keep, worth) = match self.log_bytes {
            bytes if bytes >= self.config.log_bytes_max => (0, 1),
            bytes if bytes >= self.config.log_bytes_max / 2 => (0, PRESSED_ENTRIES_MIN),
            _ => (KEEP_ENTRIES, FORGET_ENTRIES_MIN),
        };
        if let Some(mark) = self.core.forgettable(self.persisted, keep, worth) {
            self.forgetting = true;
            self.jobs.send(Job::Compact(mark));
        }
    }

    /// Does the work that the core wants done.
    fn pump(&mut self) {
        let output = self.core.output();
        let Output { messages, writes, apply, answers, fetch, transfer, overtaken, starts, evidence } = output;
        self.send_starts(starts, evidence);
        self.send(messages);
        for mut write in writes {
            let then = self.promises(std::mem::take(&mut write.then));
            self.jobs.send(Job::Write(Box::new(write), then));
        }
        let memberships = self.core.take_memberships();
        if !memberships.is_empty() {
            self.work.send(Work::Memberships(memberships));
        }
        if !apply.is_empty() {
            self.work.send(Work::Apply(apply));
        }
        answers.into_iter().for_each(|(question, confirmed)| self.answer(question, confirmed));
        if let Some(index) = fetch {
            (self.fetch)(index);
        }
        if let Some(result) = transfer
            && let Some(answer) = self.transfer.take()
        {
            let _ = answer.send(result);
        }
        if overtaken {
            self.waiters.overtaken();
        }
    }

    fn answer(&mut self, question: Question, confirmed: Confirmed) {
        let Some(asker) = self.askers.remove(&question) else { return };
        if asker.read && self.core.applied() < confirmed.index {
            self.reads.push((confirmed, asker.answer));
        } else {
            let _ = asker.answer.send(confirmed); // a caller that gave up needs no answer
        }
    }

    /// The end: every waiter gets an answer, and the threads finish their queues.
    fn finish(mut self) {
        for proposal in self.proposals.drain(..) {
            propose::refuse(proposal, ProposeError::Stopped);
        }
        self.jobs.send(Job::Stop);
        let _ = self.tables.send(evidence::EvidenceJob::Stop);
        self.work.send(Work::Stop);
        self.waiters.overtaken();
        tracing::debug!(ran_s = self.begun.elapsed().as_secs(), "the Raft loop ended");
    }
}
