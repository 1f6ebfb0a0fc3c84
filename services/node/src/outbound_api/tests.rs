//! The group, the state and the requests that the tests of the door and of the way to the primary share.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use consensus::{
    Confirmed, Kind, ModeError, PauseError, PeerStatus, Proposal, ProposeError, RaftId, RaftRole, RaiseError,
    ReadError, StartStanding, Status, TransferError, Versions,
};
use ocs_proto::control::{
    DoNotCallEntries, DoNotCallEntry, DoNotCallRequest, ExportRequest, ExportRows, HistoryEntry, ListInfo, VerifyReply,
};
use outbound::{
    Attributes, Body, Command, Origin, RULES_FIRST, Refusal, RefusalCode, Reply, ReplyBody, Request, RequestId,
    Resource, Value, Verb, key,
};
use prost::Message;
use records::{PhonesRow, Settings};
use tokio::{
    sync::{oneshot, watch},
    time::Instant,
};

use super::*;
use crate::forward::{ForwardResult, ForwardTo, HoldConfig};

/// Raft ids of the tests' nodes; the tests run on the first.
pub(crate) const A: RaftId = 1;
pub(crate) const B: RaftId = 2;
pub(crate) const W: RaftId = 3;

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
    }
}

/// The status of node A's core when `leader` leads in `term`.
pub(crate) fn status(term: u64, leader: RaftId) -> Status {
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

pub(crate) fn add_record(phone: &str) -> Body {
    let mut attributes = Attributes::default();
    attributes.set(key::PHONE, Value::text(phone));
    Body::Request(request(Verb::AddRecord, Resource::List("demo".into()), attributes))
}

pub(crate) fn get_record() -> Body {
    Body::Request(request(Verb::GetRecord, Resource::Record(outbound::Handle(1)), Attributes::default()))
}

fn request(verb: Verb, resource: Resource, attributes: Attributes) -> Request {
    Request { verb, resource, attributes, tenant: String::new(), principal: String::new(), idempotency_key: None }
}

/// The fake group's answer to the next proposal.
pub(crate) enum Script {
    Answer(Result<Reply, ProposeError>),
    /// Answers when the test says so.
    Later(oneshot::Receiver<Result<Reply, ProposeError>>),
}

/// A group of one node whose log is a vector: keeps the proposals and answers by script, else with an acknowledgement.
pub(crate) struct FakeGroup {
    status: watch::Sender<Arc<Status>>,
    proposed: Mutex<Vec<Command>>,
    batches: Mutex<usize>,
    asked: Mutex<usize>,
    script: Mutex<VecDeque<Script>>,
    confirmed: watch::Sender<Option<Confirmed>>,
}

impl FakeGroup {
    pub(crate) fn new(first: Status) -> Self {
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

    pub(crate) fn become_status(&self, status: Status) {
        self.status.send_replace(Arc::new(status));
    }

    /// The quorum's answer from now on; none: no quorum.
    pub(crate) fn confirm_as(&self, confirmed: Option<Confirmed>) {
        self.confirmed.send_replace(confirmed);
    }

    pub(crate) fn script(&self, script: impl IntoIterator<Item = Script>) {
        self.script.lock().unwrap().extend(script);
    }

    pub(crate) fn proposed(&self) -> Vec<Command> {
        self.proposed.lock().unwrap().clone()
    }

    pub(crate) fn batches(&self) -> usize {
        *self.batches.lock().unwrap()
    }

    /// How often a quorum was asked.
    fn asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }
}

#[tonic::async_trait]
impl Group for FakeGroup {
    fn distrust(&self, reason: String) {
        panic!("the state of a test is not wrong: {reason}");
    }

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

use chassis::tasks::{AtEnd, Tasks};

pub(crate) fn done() -> Reply {
    Reply::done("AddRecordAcknowledge", Vec::new())
}

pub(crate) fn refusal_code(reply: &Reply) -> Option<RefusalCode> {
    match &reply.body {
        ReplyBody::Refused(refusal) => Some(refusal.code),
        _ => None,
    }
}

/// A state with one record and nothing else, under a rules version.
pub(crate) struct Reader {
    rules_version: AtomicU32,
}

impl Reader {
    pub(crate) fn at(rules_version: u32) -> Self {
        Self { rules_version: AtomicU32::new(rules_version) }
    }

    /// The state decides by this version from now on.
    pub(crate) fn raise(&self, rules_version: u32) {
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

    fn history(&self) -> Vec<HistoryEntry> {
        vec![HistoryEntry { to: "a".into(), term: 2, ..HistoryEntry::default() }]
    }

    fn records(&self) -> u64 {
        1
    }

    fn rules_version(&self) -> u32 {
        self.rules_version.load(Ordering::Relaxed)
    }

    fn settings(&self) -> Option<Arc<Settings>> {
        let version = self.rules_version();
        let settings = || Settings::first(version, "0.1.0", &[]).unwrap();
        (version > RULES_FIRST).then(|| Arc::new(settings()))
    }

    fn phones(&self) -> (PhonesRow, u64) {
        (PhonesRow { done: true, ..PhonesRow::default() }, 1)
    }

    fn preview_import(&self, batch: ImportBatch, _: bool) -> Reply {
        Refusal::new(RefusalCode::ListNotFound, format!("No list {}", batch.list)).into()
    }

    fn lists(&self, _: Option<&str>) -> Vec<ListInfo> {
        vec![ListInfo { name: "demo".into(), records: 1, ..Default::default() }]
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

    fn do_not_call(
        &self,
        asked: &DoNotCallRequest,
    ) -> Result<Box<dyn Iterator<Item = DoNotCallEntries> + Send>, Refusal> {
        if asked.phone == "hello" {
            return Err(Refusal::new(RefusalCode::BadValue, "The phone \"hello\" has no digit"));
        }
        let entry = DoNotCallEntry { form: "+9991".into(), given: "+999 1".into(), since_us: 7, ..Default::default() };
        let forms = (!asked.phone.is_empty()).then(|| "+9991".to_owned());
        Ok(Box::new(std::iter::once(DoNotCallEntries { forms: forms.into_iter().collect(), entries: vec![entry] })))
    }

    fn export(&self, request: &ExportRequest) -> Result<Box<dyn Iterator<Item = ExportRows> + Send>, Refusal> {
        if request.list != "demo" {
            return Err(Refusal::new(RefusalCode::ListNotFound, "no such list"));
        }
        let first = ExportRows { columns: vec!["handle".into()], index: 10, ..Default::default() };
        Ok(Box::new([first, ExportRows::default()].into_iter()))
    }

    fn verify(&self) -> Result<VerifyReply, String> {
        Ok(VerifyReply { equal: true, ..Default::default() })
    }
}

/// The token of node A's start.
pub(crate) const TOKEN: u128 = 7 << 64;

/// A node without peers to forward to.
pub(crate) struct NoPeers;

#[tonic::async_trait]
impl ForwardTo for NoPeers {
    async fn forward(&self, _: RaftId, _: crate::forward::Forwarded) -> ForwardResult {
        ForwardResult::NotSent("nobody is there")
    }
}

/// The door of node A.
pub(crate) fn api(group: &Arc<FakeGroup>, peers: Arc<dyn ForwardTo>, hold: HoldConfig, tasks: &Tasks) -> OutboundApi {
    api_over(Arc::new(Reader::at(RULES_FIRST)), group, peers, hold, tasks)
}

/// The door of node A over this state.
pub(crate) fn api_over(
    state: Arc<dyn StateReader>,
    group: &Arc<FakeGroup>,
    peers: Arc<dyn ForwardTo>,
    hold: HoldConfig,
    tasks: &Tasks,
) -> OutboundApi {
    let door = PrimaryDoor::new(DoorConfig::default(), group.clone(), state.clone(), tasks);
    let forward = Forward::new(door, peers, &**group, hold, tasks);
    OutboundApi::new(RequestIds::new(1, 1, TOKEN), Arc::new(forward), group.clone(), state)
}

/// A deadline that no test reaches unless it means to.
pub(crate) fn in_ten_seconds() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

/// Lets the other tasks run until the condition holds.
pub(crate) async fn until(holds: impl Fn() -> bool) {
    while !holds() {
        tokio::task::yield_now().await;
    }
}

/// A hold time so short that a test can wait for its end.
pub(crate) fn short_hold() -> HoldConfig {
    HoldConfig { hold_time: Duration::from_millis(50), ..Default::default() }
}

#[tokio::test]
async fn a_read_needs_a_quorum_and_is_held_for_one() {
    let (tasks, group) = (Tasks::new(), Arc::new(FakeGroup::new(status(3, B))));
    let api = api(&group, Arc::new(NoPeers), HoldConfig::default(), &tasks);
    group.confirm_as(None);
    let quorum = async {
        until(|| api.forward().hold().held().0 == 1).await;
        group.confirm_as(Some(Confirmed { index: 10, term: 3, leader: B }));
    };
    let (reply, ()) = tokio::join!(api.answer(get_record(), Origin::Http, in_ten_seconds()), quorum);
    assert_eq!(reply, Reply::done("Record", Vec::new()));
    assert_eq!(api.forward().hold().held().0, 0);
}

fn three_reads() -> Vec<(Request, Instant)> {
    let Body::Request(request) = get_record() else { panic!("a request") };
    vec![(request, in_ten_seconds()); 3]
}

#[tokio::test]
async fn reads_that_came_together_ask_a_quorum_once() {
    let (tasks, group) = (Tasks::new(), Arc::new(FakeGroup::new(status(3, B))));
    let api = api(&group, Arc::new(NoPeers), HoldConfig::default(), &tasks);
    let replies = api.answer_reads(&three_reads()).await;
    assert_eq!(replies, vec![Reply::done("Record", Vec::new()); 3]);
    assert_eq!(group.asked(), 1);
    assert!(api.answer_reads(&[]).await.is_empty());
}

#[tokio::test]
async fn reads_that_came_together_are_held_each_for_itself() {
    let (tasks, group) = (Tasks::new(), Arc::new(FakeGroup::new(status(3, B))));
    let api = api(&group, Arc::new(NoPeers), HoldConfig { requests_max: 2, ..HoldConfig::default() }, &tasks);
    group.confirm_as(None);
    let quorum = async {
        until(|| api.forward().hold().held().0 == 2).await;
        group.confirm_as(Some(Confirmed { index: 10, term: 3, leader: B }));
    };
    let reads = three_reads();
    let (replies, ()) = tokio::join!(api.answer_reads(&reads), quorum);
    let stale: Vec<bool> = replies.iter().map(|reply| reply.stale).collect();
    assert_eq!(stale, [false, false, true], "the third finds no place, and hears what is known");
}

#[tokio::test]
async fn a_read_without_a_quorum_for_longer_than_hold_time_is_marked_stale_and_unavailable_without_a_state() {
    for (applied, fetching, answered) in [(10, false, true), (10, true, false), (0, false, false)] {
        let status = Status { applied, fetching, ..status(3, B) };
        let (tasks, group) = (Tasks::new(), Arc::new(FakeGroup::new(status)));
        let api = api(&group, Arc::new(NoPeers), short_hold(), &tasks);
        group.confirm_as(None);
        let reply = api.answer(get_record(), Origin::Http, in_ten_seconds()).await;
        let refused = (!answered).then_some(RefusalCode::Unavailable);
        assert_eq!((refusal_code(&reply), reply.stale), (refused, answered));
    }
}

#[tokio::test]
async fn every_update_gets_an_id_of_its_own() {
    let (tasks, group) = (Tasks::new(), Arc::new(FakeGroup::new(status(3, A))));
    let api = api(&group, Arc::new(NoPeers), HoldConfig::default(), &tasks);
    for _ in 0..3 {
        assert_eq!(api.answer(add_record("1"), Origin::Control, in_ten_seconds()).await, done());
    }
    let counters: Vec<u64> = group.proposed().iter().map(|command| command.id.counter).collect();
    assert_eq!(counters, [1, 2, 3]);
}

#[test]
fn ids_carry_the_token_of_the_start_once_the_group_decides_by_rules_that_know_it() {
    for (rules_version, token) in [(1, 0), (2, TOKEN)] {
        let ids = RequestIds::new(1, 1, TOKEN);
        assert_eq!([ids.give(rules_version).token, ids.give(rules_version).token], [token; 2]);
        assert_eq!(ids.give(rules_version).counter, 3);
    }
}
