//! Hold and resend, told as stories: node A has the request, the group and the peer answer by script.

mod reads;

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use chassis::tasks::Tasks;
use dispatch::{EncodedBody, HoldConfig, Submission};
use ocs_proto::{
    outbound as wire,
    peer::{ForwardOutcome, ForwardReply, ForwardRequest},
};
use outbound::{Origin, RefusalCode, RequestId};
use prost::Message;
use tokio::{sync::oneshot, time::Instant};

use super::*;
use crate::{
    ForwardResult,
    fakes::{
        A, B, FakeGroup, NoPeers, Script, W, add_record, api, done, in_ten_seconds, refusal_code, short_hold, status,
        until,
    },
    forward::to_peer,
};

/// A peer that answers by script, else with an acknowledgement; silent once frozen.
#[derive(Default)]
struct FakePeer {
    sent: Mutex<Vec<(RaftId, Forwarded)>>,
    script: Mutex<VecDeque<ForwardResult>>,
    frozen: bool,
}

impl FakePeer {
    fn answering(script: impl IntoIterator<Item = ForwardResult>) -> Arc<Self> {
        Arc::new(Self { script: Mutex::new(script.into_iter().collect()), ..Default::default() })
    }

    fn sent(&self) -> Vec<(RaftId, Forwarded)> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[tonic::async_trait]
impl ForwardTo for FakePeer {
    async fn forward(&self, to: RaftId, request: Forwarded) -> ForwardResult {
        let id = request.head.id;
        self.sent.lock().unwrap().push((to, request));
        if self.frozen {
            std::future::pending::<()>().await;
        }
        let scripted = self.script.lock().unwrap().pop_front();
        scripted.unwrap_or_else(|| outcome(id, ForwardOutcome::Reply, Some(done())))
    }
}

fn outcome(id: Option<wire::RequestId>, outcome: ForwardOutcome, reply: Option<Reply>) -> ForwardResult {
    let reply = reply.as_ref().map(outbound::wire::reply_to_wire);
    ForwardResult::Reply(ForwardReply { id, outcome: outcome.into(), reply })
}

struct Stage {
    group: Arc<FakeGroup>,
    peer: Arc<FakePeer>,
    api: Door,
    tasks: Tasks,
}

fn stage(term: u64, leader: RaftId, peer: Arc<FakePeer>) -> Stage {
    stage_holding(term, leader, peer, HoldConfig::default())
}

fn stage_holding(term: u64, leader: RaftId, peer: Arc<FakePeer>, hold: HoldConfig) -> Stage {
    let (tasks, group) = (Tasks::new(), Arc::new(FakeGroup::new(status(term, leader))));
    let api = api(&group, peer.clone(), hold, &tasks);
    Stage { group, peer, api, tasks }
}

impl Stage {
    async fn add(&self) -> Reply {
        self.api.answer(add_record("1"), Origin::Http, in_ten_seconds()).await
    }

    /// Runs an update; once the update is held, sent or proposed, the group goes through `change`.
    async fn add_while(&self, change: impl FnOnce()) -> Reply {
        let under_way =
            || self.api.hold().held().0 > 0 || !self.peer.sent().is_empty() || !self.group.proposed().is_empty();
        let change = async {
            until(under_way).await;
            change();
        };
        tokio::join!(self.add(), change).0
    }

    fn ids(&self) -> Vec<u64> {
        self.peer.sent().iter().map(|(_, request)| request.head.id.unwrap().counter).collect()
    }
}

#[tokio::test]
async fn a_backup_forwards_to_the_primary() {
    let stage = stage(3, B, FakePeer::answering([]));
    assert_eq!(stage.add().await, done());
    let sent = stage.peer.sent();
    assert_eq!(sent[0].0, B);
    assert!((1..=10_000).contains(&sent[0].1.head.deadline_ms));
    assert!(stage.group.proposed().is_empty());
}

#[tokio::test]
async fn a_request_is_held_until_there_is_a_primary() {
    let stage = stage(3, 0, FakePeer::answering([]));
    let reply = stage.add_while(|| {
        assert_eq!(stage.api.hold().held().0, 1);
        stage.group.become_status(status(4, A));
    });
    assert_eq!(reply.await, done());
    assert_eq!(stage.group.proposed().len(), 1);
    assert_eq!(stage.api.hold().held(), (0, 0));
}

#[tokio::test]
async fn a_witness_that_leads_is_no_primary() {
    let stage = stage(3, W, FakePeer::answering([]));
    assert_eq!(stage.add_while(|| stage.group.become_status(status(4, B))).await, done());
    assert_eq!(stage.peer.sent()[0].0, B);
}

#[tokio::test]
async fn never_handed_over_it_is_unavailable_after_hold_time() {
    let stage = stage_holding(3, 0, FakePeer::answering([]), short_hold());
    assert_eq!(refusal_code(&stage.add().await), Some(RefusalCode::Unavailable));
}

#[tokio::test]
async fn a_primary_that_cannot_be_reached_is_asked_again_under_the_same_id() {
    let not_primary = outcome(None, ForwardOutcome::NotPrimary, None);
    let stage = stage(3, B, FakePeer::answering([ForwardResult::NotSent("no stream"), not_primary]));
    assert_eq!(stage.add().await, done());
    assert_eq!(stage.ids(), [1, 1, 1]);
}

#[tokio::test]
async fn a_reply_that_asks_for_another_proposal_gets_one_under_the_same_id_here_and_at_the_primary() {
    let here = stage(3, A, FakePeer::answering([]));
    here.group.script([Reply::again(), Reply::again()].map(|reply| Script::Answer(Ok(reply))));
    assert_eq!(here.add().await, done());
    let counters: Vec<u64> = here.group.proposed().iter().map(|command| command.id.counter).collect();
    assert_eq!(counters, [1, 1, 1]);

    let asks = || outcome(None, ForwardOutcome::Reply, Some(Reply::again()));
    let there = stage(3, B, FakePeer::answering([asks(), asks()]));
    assert_eq!(there.add().await, done());
    assert_eq!(there.ids(), [1, 1, 1]);
}

#[tokio::test]
async fn an_overtaken_proposal_is_sent_again_under_the_same_id() {
    let stage = stage(3, A, FakePeer::answering([]));
    let (overtake, overtaken) = oneshot::channel();
    stage.group.script([Script::Later(overtaken)]);
    let reply = stage.add_while(|| {
        stage.group.become_status(status(4, B));
        drop(overtake.send(Err(ProposeError::Overtaken)));
    });
    assert_eq!(reply.await, done());
    assert_eq!(stage.group.proposed()[0].id.counter, 1);
    assert_eq!(stage.ids(), [1]);
    assert_eq!(stage.api.hold().totals().1, 1);
}

#[tokio::test]
async fn a_request_lost_on_the_way_is_sent_again_to_the_next_primary() {
    let stage = stage(3, B, FakePeer::answering([ForwardResult::Lost]));
    stage.group.script([]);
    assert_eq!(stage.add().await, done());
    assert_eq!(stage.ids(), [1, 1]);
}

#[tokio::test]
async fn a_frozen_primary_is_not_waited_for_once_there_is_another() {
    let frozen = Arc::new(FakePeer { frozen: true, ..Default::default() });
    let stage = stage(3, B, frozen);
    assert_eq!(stage.add_while(|| stage.group.become_status(status(4, A))).await, done());
    assert_eq!(stage.ids(), [1]);
    assert_eq!(stage.group.proposed()[0].id.counter, 1);
}

#[tokio::test]
async fn a_frozen_primary_without_a_successor_ends_in_outcome_unknown_at_the_deadline() {
    let frozen = Arc::new(FakePeer { frozen: true, ..Default::default() });
    let stage = stage(3, B, frozen);
    let soon = Instant::now() + Duration::from_millis(50);
    let reply = stage.api.answer(add_record("1"), Origin::Http, soon).await;
    assert_eq!(refusal_code(&reply), Some(RefusalCode::OutcomeUnknown));
}

#[tokio::test]
async fn handed_over_and_then_without_a_primary_it_is_outcome_unknown_after_hold_time() {
    let stage = stage_holding(3, A, FakePeer::answering([]), short_hold());
    stage.group.script([Script::Answer(Err(ProposeError::Overtaken))]);
    stage.group.script((0..1000).map(|_| Script::Answer(Err(ProposeError::NotPrimary))));
    assert_eq!(refusal_code(&stage.add().await), Some(RefusalCode::OutcomeUnknown));
}

#[tokio::test]
async fn busy_before_it_was_handed_over_is_answered_at_once() {
    let stage = stage(3, A, FakePeer::answering([]));
    stage.group.script([ProposeError::Busy, ProposeError::NoRoom].map(|error| Script::Answer(Err(error))));
    assert_eq!(refusal_code(&stage.add().await), Some(RefusalCode::Busy));
    let full = stage.add().await;
    assert_eq!(refusal_code(&full), Some(RefusalCode::Unavailable));
    assert!(format!("{full:?}").contains("no room"));
}

#[tokio::test]
async fn busy_after_it_was_handed_over_says_nothing_and_is_asked_again() {
    let stage = stage(3, A, FakePeer::answering([]));
    stage.group.script([ProposeError::Overtaken, ProposeError::Busy].map(|error| Script::Answer(Err(error))));
    assert_eq!(stage.add().await, done());
    assert_eq!(stage.group.proposed().len(), 3);
}

#[tokio::test]
async fn beyond_the_limits_of_holding_it_is_unavailable_at_once() {
    let (tasks, group) = (Tasks::new(), Arc::new(FakeGroup::new(status(3, 0))));
    let one = HoldConfig { requests_max: 1, ..short_hold() };
    let api = api(&group, Arc::new(NoPeers), one, &tasks);
    let add = || api.answer(add_record("1"), Origin::Http, in_ten_seconds());
    let second = async {
        until(|| api.hold().held().0 == 1).await;
        let reply = add().await;
        assert_eq!(refusal_code(&reply), Some(RefusalCode::Unavailable));
        assert!(format!("{reply:?}").contains("too much is held"));
    };
    tokio::join!(add(), second);
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_cancel_what_was_proposed() {
    let stage = stage(3, A, FakePeer::answering([]));
    let (answer, later) = oneshot::channel();
    stage.group.script([Script::Later(later)]);
    tokio::select! {
        biased;
        _ = stage.add() => panic!("nobody has answered yet"),
        () = until(|| stage.group.proposed().len() == 1) => {}
    }
    assert!(answer.send(Ok(done())).is_ok(), "the proposal still has a waiter");
}

#[tokio::test]
async fn a_forwarded_request_makes_no_second_hop() {
    let stage = stage(3, B, FakePeer::answering([]));
    let submission =
        Submission::new(RequestId::default(), Origin::Http, EncodedBody::of(add_record("1")), in_ten_seconds())
            .unwrap();
    let reply = stage.api.engine().on_forward(W, to_peer(&submission)).await;
    assert_eq!(reply.outcome(), ForwardOutcome::NotPrimary);
    assert!(stage.peer.sent().is_empty());
}

#[tokio::test]
async fn a_primary_answers_what_was_forwarded_and_says_how_it_ended() {
    let stage = stage(3, A, FakePeer::answering([]));
    let errors = [ProposeError::Overtaken, ProposeError::NotPrimary, ProposeError::Busy, ProposeError::Stopped];
    stage.group.script(errors.map(|error| Script::Answer(Err(error))));
    let id = RequestId { node: 2, incarnation: 9, token: 0, counter: 5 };
    let submission = Submission::new(id, Origin::Control, EncodedBody::of(add_record("1")), in_ten_seconds()).unwrap();
    let mut outcomes = Vec::new();
    for _ in 0..5 {
        let reply = stage.api.engine().on_forward(B, to_peer(&submission)).await;
        assert_eq!(reply.id, Some(id.into()));
        outcomes.push(reply.outcome());
    }
    use ForwardOutcome::{NotPrimary, Refused, Unknown};
    assert_eq!(outcomes, [Unknown, NotPrimary, Refused, NotPrimary, ForwardOutcome::Reply]);
    assert!(stage.group.proposed().iter().all(|command| command.id == id && command.origin == Origin::Control));
    stage.tasks.stop();
}

#[tokio::test]
async fn a_forwarded_request_that_this_version_cannot_read_never_enters_the_log() {
    let stage = stage(3, A, FakePeer::answering([]));
    let newer = wire::Request { name: "TimeTravel".into(), resource: "records".into(), ..Default::default() };
    let body = Some(wire::command::Body::Request(newer));
    let body = wire::Command { body, ..wire::Command::default() }.encode_to_vec().into();
    let origin = wire::Origin::Http.into();
    let id = Some(RequestId::default().into());
    let head = ForwardRequest { id, deadline_ms: 1000, origin, ..ForwardRequest::default() };
    let reply = stage.api.engine().on_forward(B, Forwarded { head, body }).await;
    assert_eq!(reply.outcome(), ForwardOutcome::Refused);
    assert!(stage.group.proposed().is_empty());
}

// === together ===

impl Stage {
    /// Runs three updates that came together; once they are proposed, the group goes through `change`. Places and answers, in
    /// the order in which they came.
    async fn three_while(&self, change: impl FnOnce()) -> Vec<(usize, Reply)> {
        let change = async {
            until(|| self.group.proposed().len() == 3).await;
            change();
        };
        let updates = vec![(EncodedBody::of(add_record("1")), in_ten_seconds()); 3];
        tokio::join!(self.api.updates(updates, Origin::Http).collect(), change).0
    }
}

#[tokio::test]
async fn updates_that_came_together_are_one_batch_and_answered_as_soon_as_each_is_known() {
    let stage = stage(3, A, FakePeer::answering([]));
    let (answer_last, last) = oneshot::channel();
    stage.group.script([Script::Answer(Ok(done())), Script::Answer(Ok(done())), Script::Later(last)]);
    let answers = stage.three_while(|| drop(answer_last.send(Ok(done()))));
    assert_eq!(answers.await, [0, 1, 2].map(|place| (place, done())));
    assert_eq!(stage.group.batches(), 1);
}

#[tokio::test]
async fn of_updates_that_came_together_one_that_is_refused_holds_no_other_up() {
    let stage = stage(3, A, FakePeer::answering([]));
    let (answer_last, last) = oneshot::channel();
    let refused = Script::Answer(Err(ProposeError::LogFull));
    stage.group.script([refused, Script::Answer(Ok(done())), Script::Later(last)]);
    let mut answers = stage.three_while(|| drop(answer_last.send(Ok(done())))).await;
    answers.sort_by_key(|(place, _)| *place);
    let codes: Vec<_> = answers.iter().map(|(_, reply)| refusal_code(reply)).collect();
    assert_eq!(codes, [Some(RefusalCode::Unavailable), None, None]);
}

#[tokio::test]
async fn updates_that_came_together_are_sent_again_each_under_its_id_when_the_primary_moved() {
    let stage = stage(3, A, FakePeer::answering([]));
    let (_never, second) = oneshot::channel();
    let (_never_either, third) = oneshot::channel();
    stage.group.script([Script::Answer(Ok(done())), Script::Later(second), Script::Later(third)]);
    let answers = stage.three_while(|| stage.group.become_status(status(4, B))).await;
    assert_eq!(answers.len(), 3);
    assert!(answers.iter().all(|(_, reply)| *reply == done()));
    let mut ids = stage.ids();
    ids.sort_unstable();
    assert_eq!(ids, [2, 3], "the first had its answer");
}
