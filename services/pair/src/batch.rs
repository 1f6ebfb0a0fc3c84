//! The entry to the log: one task drains the queue, stamps the updates in order, and proposes them as one batch.
//!
//! The only place that stamps. Never decides whether this node may serve: the driver checks that once more. Called by
//! [`crate::Pair`], for this node's requests and for forwarded requests.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use chassis::tasks::{AtEnd, Tasks};
use consensus::{Proposal, ProposeError, RaftId, Status};
use dispatch::{EncodedBody, Heard, NotTaken};
use outbound::{Origin, Reply, RequestId};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    RaftGroup, StateReader,
    clocks::micros,
    stamping::{Queued, Stamped, Stamping},
    traced, walls,
};

/// Interval at which the clocks and the last applied stamp are read while no update comes.
const LOOK: Duration = Duration::from_millis(100);

/// The outcome of a proposal.
pub(crate) type Answer = Result<Reply, ProposeError>;
/// The receiver of an outcome.
pub(crate) type Awaited = oneshot::Receiver<Answer>;

/// Limits of the door.
#[derive(Debug, Clone, Copy)]
pub struct DoorConfig {
    /// Updates that may wait to be stamped; beyond: busy.
    pub queue_requests_max: usize,
    /// Updates handed to the driver at a time.
    pub batch_requests_max: usize,
}

impl Default for DoorConfig {
    fn default() -> Self {
        Self { queue_requests_max: 20_000, batch_requests_max: 1024 }
    }
}

/// The entry to the log of a node that is primary. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PrimaryDoor {
    queue: mpsc::Sender<Waiting>,
    odd: watch::Receiver<Vec<RaftId>>,
}

type Waiting = Queued<oneshot::Sender<Answer>>;

impl PrimaryDoor {
    /// Starts the batch task.
    pub fn new(config: DoorConfig, group: Arc<dyn RaftGroup>, state: Arc<dyn StateReader>, tasks: &Tasks) -> Self {
        let (queue, queued) = mpsc::channel(config.queue_requests_max);
        let (odd_sender, odd) = watch::channel(Vec::new());
        let stamper = Stamper::new(group.status(), state, odd_sender);
        let batch = Batch { group, stamper, size_max: config.batch_requests_max };
        let stopping = tasks.stopping();
        tasks.spawn("batch", AtEnd::Stop, async move {
            tokio::select! {
                () = batch.run(queued) => {}
                () = stopping.cancelled() => {}
            }
        });
        Self { queue, odd }
    }

    /// Puts a body into the log under its id, and waits for the reply.
    ///
    /// # Errors
    /// See [`ProposeError`]; all but `Overtaken` mean that this call did not put the command into the log.
    pub(crate) async fn propose(&self, id: RequestId, origin: Origin, body: EncodedBody) -> Answer {
        let answer = self.enqueue(id, origin, body)?;
        answer.await.unwrap_or(Err(ProposeError::Overtaken)) // a waiter that is dropped tells nothing about its command
    }

    /// The first half of [`Self::propose`]; the other half waits for the answer.
    ///
    /// # Errors
    /// Busy or stopped.
    pub(crate) fn enqueue(&self, id: RequestId, origin: Origin, body: EncodedBody) -> Result<Awaited, ProposeError> {
        traced::proposed(id, body.trace());
        let (waiter, reply) = oneshot::channel();
        self.queue.try_send(Queued { id, origin, body, waiter }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => ProposeError::Busy,
            mpsc::error::TrySendError::Closed(_) => ProposeError::Stopped,
        })?;
        Ok(reply)
    }

    /// Nodes whose clock is odd, as far as this node sees.
    pub fn odd_clocks(&self) -> watch::Receiver<Vec<RaftId>> {
        self.odd.clone()
    }
}

/// The outcome of a proposal, as an engine tells outcomes.
pub fn heard(answer: Answer) -> Heard {
    match answer {
        Ok(reply) => Heard::Reply(reply),
        Err(ProposeError::Overtaken) => Heard::Lost,
        Err(ProposeError::NotPrimary | ProposeError::Stopped) => Heard::NotTaken(NotTaken::NotServing),
        Err(ProposeError::Busy) => Heard::NotTaken(NotTaken::Busy),
        Err(error @ (ProposeError::NoRoom | ProposeError::LogFull)) => {
            Heard::NotTaken(NotTaken::NoRoom(error.to_string()))
        }
    }
}

struct Batch {
    group: Arc<dyn RaftGroup>,
    stamper: Stamper,
    size_max: usize,
}

impl Batch {
    async fn run(mut self, mut queue: mpsc::Receiver<Waiting>) {
        let mut queued = Vec::with_capacity(self.size_max);
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                taken = queue.recv_many(&mut queued, self.size_max) => {
                    if taken == 0 { return }
                    self.propose(&mut queued);
                }
                _ = look.tick() => self.stamper.look(),
            }
        }
    }

    fn propose(&mut self, queued: &mut Vec<Waiting>) {
        let Some(term) = self.stamper.begin_batch() else {
            queued.drain(..).for_each(|one| drop(one.waiter.send(Err(ProposeError::NotPrimary))));
            return;
        };
        let rules_version = self.stamper.state.rules_version();
        let refused = |waiter: oneshot::Sender<Answer>, refusal| drop(waiter.send(Ok(refusal)));
        let commands = self.stamper.stamping.commands(queued.drain(..), rules_version, rand::random, refused);
        let proposal = |Stamped { id, command, waiter, .. }| Proposal { id, term, command, waiter };
        self.group.propose(commands.map(proposal).collect());
    }
}

/// Reads this machine's clocks and feeds the pure stamping.
struct Stamper {
    stamping: Stamping,
    status: watch::Receiver<Arc<Status>>,
    state: Arc<dyn StateReader>,
    odd: watch::Sender<Vec<RaftId>>,
    started: Instant,
}

impl Stamper {
    fn new(status: watch::Receiver<Arc<Status>>, state: Arc<dyn StateReader>, odd: watch::Sender<Vec<RaftId>>) -> Self {
        Self { stamping: Stamping::default(), status, state, odd, started: Instant::now() }
    }

    /// Between batches; publishes the odd clocks.
    fn look(&mut self) {
        let (status, mono_us, clocks) = self.read_clocks();
        let serving = status.serving.then_some(status.term);
        self.stamping.look(serving, || self.state.last_stamp_us(), mono_us, &clocks);
        let odd = self.stamping.odd_clocks(mono_us, &clocks);
        self.odd.send_if_modified(|known| {
            let changed = *known != odd;
            *known = odd;
            changed
        });
    }

    /// The term in which this node stamps; none: the node must not stamp.
    fn begin_batch(&mut self) -> Option<u64> {
        let (status, mono_us, clocks) = self.read_clocks();
        if !status.serving {
            return None;
        }
        self.stamping.begin_batch(status.term, || self.state.last_stamp_us(), mono_us, &clocks);
        Some(status.term)
    }

    fn read_clocks(&self) -> (Arc<Status>, u64, Vec<(RaftId, u64)>) {
        let status = self.status.borrow().clone();
        let now = Instant::now();
        let clocks = walls(&status, wall_us(), now);
        (status, micros(now - self.started), clocks)
    }
}

/// This machine's wall clock, microseconds since 1970; before 1970 counts as 1970.
pub fn wall_us() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, micros)
}

#[cfg(test)]
mod tests {
    use outbound::{Body, RULES_FIRST, RULES_NEWEST, RaiseRules, RefusalCode, Request};

    use super::*;
    use crate::fakes::{A, B, FakeGroup, Reader, add_record, status};

    fn door(group: &Arc<FakeGroup>, tasks: &Tasks) -> PrimaryDoor {
        PrimaryDoor::new(DoorConfig::default(), group.clone(), Arc::new(Reader::at(RULES_FIRST)), tasks)
    }

    fn id(counter: u64) -> RequestId {
        RequestId { node: 1, incarnation: 1, token: 0, counter }
    }

    /// The group's log and the answers after these bodies were proposed in a group that decides by a rules version.
    async fn proposed_at(rules_version: u32, bodies: Vec<Body>) -> (Vec<outbound::Command>, Vec<Answer>) {
        let (tasks, group) = (Tasks::new(), Arc::new(FakeGroup::new(status(3, A))));
        let door = PrimaryDoor::new(DoorConfig::default(), group.clone(), Arc::new(Reader::at(rules_version)), &tasks);
        let asked = (1..).zip(bodies);
        let answers = asked.map(|(at, body)| door.propose(id(at), Origin::Control, EncodedBody::of(body)));
        let answers = futures::future::join_all(answers).await;
        (group.proposed(), answers)
    }

    #[tokio::test]
    async fn commands_are_stamped_with_the_rules_version_of_the_state_and_a_raise_with_the_one_it_brings() {
        let raise = |to| Body::RaiseRules(RaiseRules { to, settings: Vec::new(), release: String::new() });
        let Body::Request(request) = add_record("1") else { panic!("a request") };
        let request = Body::Request(Request { tenant: "north".into(), principal: "crm".into(), ..request });
        for (group, stamped, heads) in [(1, [1, 2], ["", ""]), (2, [2, 2], ["north", "crm"])] {
            let (commands, _) = proposed_at(group, vec![request.clone(), raise(2)]).await;
            assert_eq!(commands.iter().map(|command| command.rules).collect::<Vec<_>>(), stamped);
            assert_eq!([commands[0].tenant.as_str(), commands[0].principal.as_str()], heads);
            assert_eq!(commands[0].body, request, "the request's own fields stay");
        }
    }

    #[tokio::test]
    async fn what_the_group_cannot_decide_yet_never_reaches_the_log() {
        let later = Body::RaiseRules(RaiseRules { to: RULES_NEWEST + 1, settings: Vec::new(), release: String::new() });
        let (commands, answers) = proposed_at(1, vec![Body::SetSettings(Vec::new()), later]).await;
        assert_eq!(commands, []);
        for answer in answers {
            let refused = crate::fakes::refusal_code(&answer.unwrap());
            assert_eq!(refused, Some(RefusalCode::Unavailable));
        }
        assert_eq!(proposed_at(2, vec![Body::SetSettings(Vec::new())]).await.0.len(), 1);
    }

    #[tokio::test]
    async fn stamps_increase_in_the_order_of_the_queue_and_what_queued_is_one_batch() {
        let (tasks, group) = (Tasks::new(), Arc::new(FakeGroup::new(status(3, A))));
        let door = door(&group, &tasks);
        let body = EncodedBody::of(add_record("1"));
        let three = (1..=3).map(|counter| door.propose(id(counter), Origin::Http, body.clone()));
        let answers = futures::future::join_all(three).await;
        assert!(answers.iter().all(Result::is_ok));
        let proposed = group.proposed();
        assert_eq!(proposed.iter().map(|command| command.id.counter).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(proposed.windows(2).all(|pair| pair[0].stamp_us < pair[1].stamp_us));
        assert_eq!(group.batches(), 1);
    }

    #[tokio::test]
    async fn a_backup_stamps_nothing() {
        let (tasks, group) = (Tasks::new(), Arc::new(FakeGroup::new(status(3, B))));
        let body = EncodedBody::of(add_record("1"));
        let answer = door(&group, &tasks).propose(id(1), Origin::Http, body).await;
        assert_eq!(answer, Err(ProposeError::NotPrimary));
        assert_eq!(group.batches(), 0);
    }

    #[tokio::test]
    async fn a_full_queue_is_busy() {
        let (tasks, group) = (Tasks::new(), Arc::new(FakeGroup::new(status(3, A))));
        let config = DoorConfig { queue_requests_max: 1, batch_requests_max: 1 };
        let door = PrimaryDoor::new(config, group, Arc::new(Reader::at(RULES_FIRST)), &tasks);
        let body = EncodedBody::of(add_record("1"));
        let two = [1, 2].map(|counter| door.propose(id(counter), Origin::Http, body.clone()));
        let answers = futures::future::join_all(two).await;
        assert!(answers[0].is_ok());
        assert_eq!(answers[1], Err(ProposeError::Busy));
    }
}
