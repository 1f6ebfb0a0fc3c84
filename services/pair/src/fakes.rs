//! The group, the state and the requests that tests share, in this crate and in `node`.
//!
//! Compiled for tests alone (feature `fakes`).

#![allow(clippy::unwrap_used, reason = "a test that cannot lock its own script fails")]

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use chassis::tasks::{AtEnd, Tasks};
use consensus::{
    Confirmed, Kind, ModeError, PauseError, PeerStatus, Proposal, ProposeError, RaftId, RaftRole, RaiseError,
    ReadError, StartStanding, Status, TransferError, Versions,
};
use dispatch::{HoldConfig, RequestIds};
use outbound::{
    Answer as Answered, Answers, ApplyDeclaration, Attributes, AuditEntry, Body, Command, DeclarationFault,
    DeclarationPlan, DoNotCallBatch, DoNotCallEntry, GroupInfo, HeldRecord, HistoryEntry, ImportBatch, Imported,
    ListInfo, NotDialable, OutboxPage, Page, Query, RULES_FIRST, RecordChange, Refusal, RefusalCode, Reply, ReplyBody,
    Request, RequestId, Resource, TokenInfo, Value, Verb, key,
};
use prost::Message;
use records::{BringUpRow, PhonesRow, Reach, ScheduledSwitchoverRow, Settings};
use tokio::{
    sync::{oneshot, watch},
    time::Instant,
};

use crate::{
    ApiTokens, Door, DoorConfig, DueCounts, ForwardResult, ForwardTo, Forwarded, ListTally, Pair, PreviewCounts,
    PrimaryDoor, RaftGroup, StateCheck, StateReader, follow,
};

/// Raft ids of the tests' nodes; the tests run on the first.
pub const A: RaftId = 1;
/// The other data node.
pub const B: RaftId = 2;
/// The witness.
pub const W: RaftId = 3;

fn peer(id: RaftId, kind: Kind) -> PeerStatus {
    PeerStatus {
        id,
        kind,
        voter: true,
        log_full: false,
        disk_short: false,
        matched: None,
        applied: 0,
        heard: None,
        lost: false,
        wall_us: 0,
        versions: Versions::FIRST,
        unconfirmed: false,
        stalled: false,
        oldest_write_ms: 0,
        hangs: false,
        drained: false,
    }
}

/// The status of node A's core when `leader` leads in `term`.
pub fn status(term: u64, leader: RaftId) -> Status {
    Status {
        id: A,
        role: if leader == A { RaftRole::Leader } else { RaftRole::Follower },
        term,
        leader,
        serving: leader == A,
        transferring: false,
        commit: 10,
        applied: 10,
        persisted: 8,
        first_index: 1,
        last_index: 12,
        durable_index: 12,
        data_durable: 9,
        log_bytes: 4096,
        peers: vec![peer(B, Kind::Data), peer(W, Kind::Witness)],
        digest_mismatches: 0,
        differs_at: 0,
        distrust: String::new(),
        repairs: 0,
        elections: 0,
        waiting: 0,
        no_room: false,
        log_full: false,
        stopped: None,
        reign: None,
        paused_for: 0,
        fetching: false,
        forced_epoch: 0,
        single_copy: false,
        voter: true,
        quorum_heard: true,
        start: StartStanding::Confirmed,
        contradiction: String::new(),
        frozen: false,
        stall: None,
        formats: 1,
        rules_wanted: 1,
    }
}

/// An update.
pub fn add_record(phone: &str) -> Body {
    let mut attributes = Attributes::default();
    attributes.set(key::PHONE, Value::text(phone));
    Body::Request(request(Verb::AddRecord, Resource::List("demo".into()), attributes))
}

/// A read.
pub fn get_record() -> Body {
    Body::Request(request(Verb::GetRecord, Resource::Record(outbound::Handle(1)), Attributes::default()))
}

fn request(verb: Verb, resource: Resource, attributes: Attributes) -> Request {
    Request { verb, resource, attributes, tenant: String::new(), principal: String::new(), idempotency_key: None }
}

/// The fake group's answer to the next proposal.
pub enum Script {
    /// At once.
    Answer(Result<Reply, ProposeError>),
    /// Answers when the test says so.
    Later(oneshot::Receiver<Result<Reply, ProposeError>>),
}

/// A group of one node whose log is a vector: keeps the proposals and answers by script, else with an acknowledgement.
pub struct FakeGroup {
    status: watch::Sender<Arc<Status>>,
    proposed: Mutex<Vec<Command>>,
    batches: Mutex<usize>,
    asked: Mutex<usize>,
    script: Mutex<VecDeque<Script>>,
    confirmed: watch::Sender<Option<Confirmed>>,
}

impl FakeGroup {
    /// A group with this status.
    pub fn new(first: Status) -> Self {
        let confirmed = Confirmed { index: first.commit, term: first.term, leader: first.leader };
        Self {
            status: watch::channel(Arc::new(first)).0,
            proposed: Mutex::default(),
            batches: Mutex::default(),
            asked: Mutex::default(),
            script: Mutex::default(),
            confirmed: watch::channel(Some(confirmed)).0,
        }
    }

    /// From now on the core has this status.
    pub fn become_status(&self, status: Status) {
        self.status.send_replace(Arc::new(status));
    }

    /// The quorum's answer from now on; none: no quorum.
    pub fn confirm_as(&self, confirmed: Option<Confirmed>) {
        self.confirmed.send_replace(confirmed);
    }

    /// The answers to the next proposals.
    pub fn script(&self, script: impl IntoIterator<Item = Script>) {
        self.script.lock().unwrap().extend(script);
    }

    /// The log.
    pub fn proposed(&self) -> Vec<Command> {
        self.proposed.lock().unwrap().clone()
    }

    /// How often commands were proposed.
    pub fn batches(&self) -> usize {
        *self.batches.lock().unwrap()
    }

    /// How often a quorum was asked.
    pub fn asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }
}

#[tonic::async_trait]
impl RaftGroup for FakeGroup {
    fn distrust(&self, reason: String) {
        panic!("the state of a test is not wrong: {reason}");
    }

    fn set_drained(&self, _: bool) {}

    fn propose(&self, proposals: Vec<Proposal<RequestId, Reply>>) {
        *self.batches.lock().unwrap() += 1;
        for proposal in proposals {
            let command = ocs_proto::outbound::Command::decode(proposal.command).unwrap();
            self.proposed.lock().unwrap().push(outbound::wire::command_from_wire(command).unwrap());
            match self.script.lock().unwrap().pop_front() {
                None => drop(proposal.waiter.send(Ok(done()))),
                Some(Script::Answer(answer)) => drop(proposal.waiter.send(answer)),
                Some(Script::Later(answer)) => answer_later(answer, proposal.waiter),
            }
        }
    }

    async fn confirm(&self, timeout: Duration) -> Result<Confirmed, ReadError> {
        self.read(timeout).await
    }

    async fn read(&self, timeout: Duration) -> Result<Confirmed, ReadError> {
        *self.asked.lock().unwrap() += 1;
        let mut confirmed = self.confirmed.subscribe();
        let quorum = tokio::time::timeout(timeout, confirmed.wait_for(Option::is_some)).await;
        let confirmed = quorum.map_err(|_| ReadError::Unconfirmed)?.map_err(|_| ReadError::Stopped)?;
        Ok(confirmed.expect("waited for"))
    }

    fn status(&self) -> watch::Receiver<Arc<Status>> {
        self.status.subscribe()
    }

    async fn raise(&self, to: Versions) -> Result<(), RaiseError> {
        let now = self.status.borrow().clone();
        self.become_status(Status { formats: to.formats, rules_wanted: to.rules, ..(*now).clone() });
        Ok(())
    }

    async fn leave_single_copy(&self) -> Result<(), ModeError> {
        if self.status.borrow().peers.iter().any(|peer| peer.kind == Kind::Data) {
            Ok(())
        } else {
            Err(ModeError::NoCopy)
        }
    }

    async fn transfer(&self, to: RaftId, _: &str) -> Result<(), TransferError> {
        let term = self.status.borrow().term + 1;
        self.become_status(status(term, to));
        Ok(())
    }

    async fn set_paused(&self, paused: bool) -> Result<(), PauseError> {
        let now = self.status.borrow().clone();
        if now.leader != A {
            return Err(PauseError::NotPrimary);
        }
        self.become_status(Status { paused_for: if paused { A } else { 0 }, ..(*now).clone() });
        Ok(())
    }
}

type Answer = Result<Reply, ProposeError>;

fn answer_later(answer: oneshot::Receiver<Answer>, waiter: oneshot::Sender<Answer>) {
    Tasks::new().spawn("answer", AtEnd::Quiet, async move {
        if let Ok(answer) = answer.await {
            drop(waiter.send(answer));
        }
    });
}

/// The acknowledgement of an update.
pub fn done() -> Reply {
    Reply::done("AddRecordAcknowledge", Vec::new())
}

/// The code of a refusal.
pub fn refusal_code(reply: &Reply) -> Option<RefusalCode> {
    match &reply.body {
        ReplyBody::Refused(refusal) => Some(refusal.code),
        _ => None,
    }
}

/// A state with one record and nothing else, under a rules version.
pub struct Reader {
    rules_version: AtomicU32,
    /// Something is due from this moment on, microseconds since 1970.
    due_us: AtomicU64,
    bring_up: Mutex<BringUpRow>,
    tokens: Mutex<Arc<ApiTokens>>,
    scheduled: Mutex<Option<ScheduledSwitchoverRow>>,
}

impl Reader {
    /// A state under this version.
    pub fn at(rules_version: u32) -> Self {
        Self {
            rules_version: AtomicU32::new(rules_version),
            due_us: AtomicU64::new(u64::MAX),
            bring_up: Mutex::default(),
            tokens: Mutex::default(),
            scheduled: Mutex::default(),
        }
    }

    /// The state has these tokens from now on.
    pub fn take_tokens(&self, tokens: ApiTokens) {
        *self.tokens.lock().unwrap() = Arc::new(tokens);
    }

    /// Something is due from this moment on, microseconds since 1970.
    pub fn come_due(&self, at_us: u64) {
        self.due_us.store(at_us, Ordering::Relaxed);
    }

    /// Records are brought up so far.
    pub fn brought_up(&self, progress: BringUpRow) {
        *self.bring_up.lock().unwrap() = progress;
    }

    /// The state has this scheduled switchover from now on.
    pub fn schedule(&self, scheduled: Option<ScheduledSwitchoverRow>) {
        *self.scheduled.lock().unwrap() = scheduled;
    }

    /// The state decides by this version from now on.
    pub fn raise(&self, rules_version: u32) {
        self.rules_version.store(rules_version, Ordering::Relaxed);
    }
}

impl StateReader for Reader {
    fn read(&self, _: &Request) -> Reply {
        Reply::done("Record", Vec::new())
    }

    fn read_all(&self, requests: &[&Request]) -> Vec<Reply> {
        requests.iter().map(|request| self.read(request)).collect()
    }

    fn read_by_id(&self, list: &str, _: u64) -> Reply {
        Refusal::new(RefusalCode::ListNotFound, format!("No list {list}")).into()
    }

    fn last_stamp_us(&self) -> u64 {
        0
    }

    fn records(&self) -> u64 {
        1
    }

    fn rules_version(&self) -> u32 {
        self.rules_version.load(Ordering::Relaxed)
    }

    fn api_tokens(&self) -> Arc<ApiTokens> {
        self.tokens.lock().unwrap().clone()
    }

    fn reach(&self, request: &Request) -> Reach {
        reach(request)
    }

    fn list_name(&self, dbid: u32) -> String {
        LISTS
            .iter()
            .find(|(_, known)| *known == dbid)
            .map_or_else(|| format!("#{dbid}"), |(name, _)| (*name).to_owned())
    }

    fn ignored_keys(&self) -> u64 {
        3
    }

    fn client_updates(&self) -> u64 {
        0
    }

    fn stamped_time(&self) -> Duration {
        Duration::ZERO
    }

    fn preview_counts(&self) -> PreviewCounts {
        let handed_out = [((101, records::HandOutClass::General), 5)].into();
        PreviewCounts { handed_out, empty: [(101, 2)].into(), met_on_do_not_call: 4, held_back: 1 }
    }

    fn due_counts(&self) -> DueCounts {
        DueCounts { returned: 6, overdue: 7, missed: 8 }
    }

    fn settings(&self) -> Option<Arc<Settings>> {
        let version = self.rules_version();
        let settings = || Settings::first(version, "0.1.0", &[]).unwrap();
        (version > RULES_FIRST).then(|| Arc::new(settings()))
    }

    fn phones(&self) -> (PhonesRow, u64) {
        (PhonesRow { done: true, ..PhonesRow::default() }, 1)
    }

    fn is_due(&self, now_us: u64) -> bool {
        now_us >= self.due_us.load(Ordering::Relaxed)
    }

    fn bring_up(&self) -> (BringUpRow, u64) {
        (self.bring_up.lock().unwrap().clone(), 1)
    }

    fn scheduled_switchover(&self) -> Option<ScheduledSwitchoverRow> {
        self.scheduled.lock().unwrap().clone()
    }

    fn preview_import(&self, batch: ImportBatch, _: bool) -> Reply {
        Refusal::new(RefusalCode::ListNotFound, format!("No list {}", batch.list)).into()
    }

    fn preview_do_not_call(&self, batch: DoNotCallBatch) -> Reply {
        let imported = Imported { added: batch.rows.len() as u64, ..Imported::default() };
        Reply { body: ReplyBody::Imported(imported), replayed: false, stale: false }
    }

    fn tally(&self, list: &str, _: u64, _: &dyn Fn() -> bool) -> Result<ListTally, Refusal> {
        match list {
            "demo" => Ok(ListTally { records: 1, never_open: 1, ..ListTally::default() }),
            "busy" => {
                Ok(ListTally { records: 9, changed: 2, retrieved: 1, added_us: u64::MAX, ..ListTally::default() })
            }
            _ => Err(Refusal::new(RefusalCode::ListNotFound, "no such list")),
        }
    }

    fn query(&self, query: Query) -> Result<Answers, Refusal> {
        let page = |rows| Page { rows, next: None };
        let answers = match query {
            Query::Lists { .. } => {
                vec![Answered::Lists(page(vec![ListInfo { name: "demo".into(), records: 1, ..Default::default() }]))]
            }
            Query::History => {
                vec![Answered::History(vec![HistoryEntry { to: "a".into(), term: 2, ..Default::default() }])]
            }
            Query::DoNotCall { phone, .. } => vec![do_not_call(phone.as_deref())?],
            Query::Export { list, .. } if list != "demo" => {
                return Err(Refusal::new(RefusalCode::ListNotFound, "no such list"));
            }
            Query::Export { .. } => {
                let rows = |columns| Answered::Rows { columns, index: 10, page: Page { rows: Vec::new(), next: None } };
                vec![rows(vec!["handle".into()]), rows(Vec::new())]
            }
            Query::Outbox { .. } => vec![Answered::Outbox(OutboxPage::default())],
            Query::Declaration => vec![Answered::Declaration { revision: 3, declaration: Box::default() }],
            Query::Plan(apply) => vec![Answered::Plan(plan(&apply))],
            Query::Groups { identifier } => vec![Answered::Groups(groups(identifier.as_deref())?)],
            Query::Record { .. } => vec![records()],
            Query::Records(query) => match query.list.as_str() {
                "demo" => vec![records()],
                _ => return Err(Refusal::new(RefusalCode::ListNotFound, "no such list")),
            },
            Query::Tokens => vec![Answered::Tokens(vec![TokenInfo { name: "crm".into(), ..TokenInfo::default() }])],
            Query::Audit { .. } => {
                let row = AuditEntry { what: "Drain".into(), acted_us: Some(7), ..AuditEntry::default() };
                let page = |row| Answered::Audit(Page { rows: vec![row], next: None });
                vec![page(row.clone()), page(row)]
            }
            Query::RecordChanges { .. } => {
                vec![Answered::RecordChanges(vec![RecordChange { what: "Due".into(), ..RecordChange::default() }])]
            }
            Query::NotDialable { .. } => {
                let reason = "its window opens at 08:00".to_owned();
                vec![Answered::NotDialable(Some(NotDialable { condition: 3, reason, until_s: Some(1) }))]
            }
        };
        Ok(Box::new(answers.into_iter()))
    }

    fn verify(&self) -> Result<StateCheck, String> {
        Ok(StateCheck::default())
    }
}

/// Lists by name and DBID, for requests that reach them.
const LISTS: [(&str, u32); 2] = [("demo", 101), ("other", 300)];

/// Record 1 is of the first list, record 2 of the second; the campaign group calls the first.
fn reach(request: &Request) -> Reach {
    let of_list = |name: &str| LISTS.iter().find(|(known, _)| *known == name).map_or(0, |(_, dbid)| *dbid);
    match &request.resource {
        Resource::Record(outbound::Handle(1)) => Reach::Lists(vec![LISTS[0].1]),
        Resource::Record(outbound::Handle(2)) => Reach::Lists(vec![LISTS[1].1]),
        Resource::List(name) => Reach::Lists(vec![of_list(name)]),
        Resource::Phone(_) | Resource::Customer(_) => match request.attributes.str(key::CALLING_LIST) {
            Some(name) => Reach::Lists(vec![of_list(name)]),
            None => Reach::All,
        },
        Resource::CampaignGroup(name) if name == "demo@Agents" => Reach::Lists(vec![LISTS[0].1]),
        Resource::Record(_) | Resource::CampaignGroup(_) => Reach::Unknown,
    }
}

/// Record 1 alone.
fn records() -> Answered {
    let pairs = [(key::RECORD_ID, Value::Int(1)), (key::RECORD_HANDLE, Value::Int(1))];
    let row = pairs.into_iter().chain([(key::ROW_VERSION, Value::text("a1"))]);
    let rows = vec![row.map(|(key, value)| (key.to_owned(), value)).collect()];
    Answered::Records(Page { rows, next: None })
}

/// A declaration without a list has no difference; a list without a name is a fault.
fn plan(apply: &ApplyDeclaration) -> DeclarationPlan {
    let names = || apply.declaration.lists.iter().map(|list| list.name.as_str());
    let fault = |_| DeclarationFault { path: "lists.".into(), message: "it has no name".into() };
    DeclarationPlan {
        revision: 3,
        differences: names().filter(|name| !name.is_empty()).map(|name| format!("list {name}: new")).collect(),
        faults: names().filter(|name| name.is_empty()).map(fault).collect(),
    }
}

fn groups(identifier: Option<&str>) -> Result<Vec<GroupInfo>, Refusal> {
    if identifier.is_some_and(|identifier| identifier != "demo@Agents") {
        return Err(Refusal::new(RefusalCode::GroupNotFound, "There is no campaign group of this name"));
    }
    let held = vec![HeldRecord { agent: "agent1".into(), handle: 1, since_us: 7 }];
    let (name, campaign) = ("demo@Agents".to_owned(), "demo".to_owned());
    Ok(vec![GroupInfo { dbid: 101, name, campaign, campaign_dbid: 102, state: "Running", held, held_total: 1 }])
}

fn do_not_call(phone: Option<&str>) -> Result<Answered, Refusal> {
    if phone == Some("hello") {
        return Err(Refusal::new(RefusalCode::BadValue, "The phone \"hello\" has no digit"));
    }
    let entry = DoNotCallEntry { form: "+9991".into(), given: "+999 1".into(), since_us: 7, ..Default::default() };
    let forms = phone.map(|_| "+9991".to_owned()).into_iter().collect();
    Ok(Answered::DoNotCall { forms, page: Page { rows: vec![entry], next: None } })
}

/// The token of node A's start.
pub const TOKEN: u128 = 7 << 64;

/// A node without peers to forward to.
pub struct NoPeers;

#[tonic::async_trait]
impl ForwardTo for NoPeers {
    async fn forward(&self, _: RaftId, _: Forwarded) -> ForwardResult {
        ForwardResult::NotSent("nobody is there")
    }
}

/// The door of node A.
pub fn api(group: &Arc<FakeGroup>, peers: Arc<dyn ForwardTo>, hold: HoldConfig, tasks: &Tasks) -> Door {
    api_over(Arc::new(Reader::at(RULES_FIRST)), group, peers, hold, tasks)
}

/// The door of node A over this state.
pub fn api_over(
    state: Arc<dyn StateReader>,
    group: &Arc<FakeGroup>,
    peers: Arc<dyn ForwardTo>,
    hold: HoldConfig,
    tasks: &Tasks,
) -> Door {
    let door = PrimaryDoor::new(DoorConfig::default(), group.clone(), state.clone(), tasks);
    let pair = Pair::new(door, peers, group.clone(), state, follow(group.status(), tasks));
    Door::new(RequestIds::new(1, 1, TOKEN), pair, hold)
}

/// A deadline beyond the length of a test.
pub fn in_ten_seconds() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

/// Lets the other tasks run until the condition holds.
pub async fn until(holds: impl Fn() -> bool) {
    while !holds() {
        tokio::task::yield_now().await;
    }
}

/// A hold time so short that a test can wait for its end.
pub fn short_hold() -> HoldConfig {
    HoldConfig { hold_time: Duration::from_millis(50), ..Default::default() }
}
