//! The handling of clients around a data node's log: request ids, attempts, stamps, reads, the role.
//!
//! Stands in for the tasks of `dispatch` and `pair`: an attempt goes to this node's queue or to a peer, and its outcome comes back as
//! an event. The decisions are the shipped ones: `dispatch::policy` gives the next step after an outcome or a wait, `pair::standing_of` where
//! updates go, `pair::stamping` which commands enter the log. Called by `world`.

use std::time::Duration;

use bytes::Bytes;
use consensus::{Kind, ProposeError, RaftId};
use dispatch::{
    EncodedBody, Heard, NotTaken, Standing,
    policy::{Course, Now, Step},
};
use ocs_proto::peer::Commands;
use outbound::{Body, Origin, RefusalCode, Reply, ReplyBody, RequestId};
use pair::{
    Primary,
    stamping::{Queued, RANDOM_BYTES, Stamped},
};
use prost::Message;
use rand::Rng;

use super::{
    callers::is_of_caller,
    clients::Answer,
    contract, disks,
    event::{Event, Who},
    invariants,
    node::{Asked, Heard as PeerClock, Life, Mode, Waiter, place},
    updates,
    world::World,
};

/// How long a request waits for a primary, microseconds.
pub(super) const HOLD_US: u64 = 2_000_000;
/// A request's deadline, microseconds after its arrival.
const DEADLINE_US: u64 = 4_000_000;
/// Time without a quorum after which the role is not confirmed, microseconds.
const ROUND_US: u64 = 200_000;

/// One in so many updates finds a full queue.
const FULL_QUEUE_IN: u32 = 200;

/// An update in flight.
#[derive(Debug)]
pub(super) struct Submission {
    pub(super) operation: u64,
    /// The id of the newest attempt.
    pub(super) id: RequestId,
    /// Another request had its id.
    pub(super) repeated: bool,
    course: Course,
    /// The attempt in flight, by number; none: the update waits.
    pub(super) attempt: Option<u64>,
    attempts: u64,
    /// Where updates went when the newest attempt was made.
    pub(super) tried: Standing,
    pub(super) deadline: u64,
    /// When the update first waited.
    pub(super) held_since: Option<u64>,
    /// The end of the newest attempt.
    pub(super) ended_at: Option<u64>,
    /// Updates went elsewhere, or nowhere, since the newest attempt was made.
    pub(super) moved: bool,
    /// The outcome of an attempt is not known.
    pub(super) unknown: bool,
    /// The newest attempt asked for another one: the command has passed over as many records as a command may.
    pub(super) asks_again: bool,
    wake_at: u64,
}

/// Where updates go, as a node sees it.
fn standing(mode: Mode, life: &Life) -> Standing {
    let core = &life.core;
    let (leader, serves) = (core.leader(), core.serving() && !core.transferring());
    let leader_has_data = leader != 0 && mode.kind(place(leader)) == Kind::Data;
    pair::standing_of(core.id(), core.term(), leader, serves, leader_has_data)
}

/// Whether updates go to a peer in this place.
pub(super) fn goes_to(standing: Standing, own: RaftId, peer: usize) -> bool {
    matches!(pair::primary_of(standing, own), Primary::At(id) if place(id) == peer)
}

impl World {
    // === updates ===

    /// Reads a client's request and gives the request its id, once.
    pub(super) fn submit(&mut self, at: usize, operation: u64) {
        let (now, mode) = (self.now, self.mode);
        let repeated = self.draw_repeated_id(at);
        let Some(life) = &mut self.nodes[at].life else { return };
        let tried = standing(mode, life);
        let given = life.next_id(at);
        let id = repeated.unwrap_or(given);
        let deadline = now + DEADLINE_US;
        let submission = Submission {
            operation,
            id,
            repeated: repeated.is_some(),
            course: Course::new(id, moment(deadline), moment(HOLD_US), tried),
            attempt: None,
            attempts: 0,
            tried,
            deadline,
            held_since: None,
            ended_at: None,
            moved: false,
            unknown: false,
            asks_again: false,
            wake_at: 0,
        };
        life.submissions.insert(given.counter, submission);
        self.attempt(at, given.counter);
    }

    /// One attempt where updates go now.
    fn attempt(&mut self, at: usize, key: u64) {
        let (now, mode) = (self.now, self.mode);
        let Some(life) = &mut self.nodes[at].life else { return };
        let tried = standing(mode, life);
        let Some(submission) = life.submissions.get_mut(&key) else { return };
        if submission.attempts > 0 {
            updates::a_known_primary_is_asked_again_after_a_pause(submission, tried, now);
            submission.id = submission.course.attempt(tried);
        }
        submission.attempts += 1;
        (submission.tried, submission.attempt, submission.moved) = (tried, Some(submission.attempts), false);
        let (attempt, id, operation, deadline) =
            (submission.attempts, submission.id, submission.operation, submission.deadline);
        let (own, boot) = (life.core.id(), life.boot);
        match pair::primary_of(tried, own) {
            Primary::Here => {
                let body = self.body_of(operation);
                self.enqueue(at, id, body, Waiter::Here { submission: key, attempt });
            }
            Primary::At(peer) => {
                let (from, to) = (Who { node: at, boot }, place(peer));
                self.forward(from, to, Event::Forward { to, from, submission: key, attempt, id, operation });
            }
            Primary::None => self.attempted(at, key, attempt, Heard::NotTaken(NotTaken::NotServing)),
        }
        self.after(deadline - self.now.min(deadline), Event::Wake(Who { node: at, boot }));
    }

    /// Forwards a request over a stream between nodes: the loss of a request breaks the stream, and the sender learns so.
    fn forward(&mut self, from: Who, to: usize, event: Event) {
        let Event::Forward { submission, attempt, .. } = &event else { return };
        let (submission, attempt) = (*submission, *attempt);
        let ended = |heard| Event::Forwarded { to: from, submission, attempt, heard };
        if self.nodes[to].life.is_none() {
            return self.after(1_000, ended(Heard::NotTaken(NotTaken::NotServing))); // the port is closed
        }
        // A stream gives each request once. A second copy could reach the next process, and its "not taken" outrun the answer.
        match self.net.ways(&mut self.rng, from.node, to).first() {
            Some(way) => self.after(*way, event),
            None => {
                let broken_us = self.rng.random_range(50_000..1_500_000);
                self.after(broken_us, ended(Heard::Lost));
            }
        }
    }

    /// Proposes a request that a peer forwarded, or answers that this node is not the primary; never a second hop.
    pub(super) fn on_forward(&mut self, at: usize, id: RequestId, operation: u64, waiter: Waiter) {
        let mode = self.mode;
        let Some(life) = &self.nodes[at].life else { return };
        if pair::primary_of(standing(mode, life), life.core.id()) != Primary::Here {
            return self.answer_waiter(at, waiter, Heard::NotTaken(NotTaken::NotServing));
        }
        let body = self.body_of(operation);
        self.enqueue(at, id, body, waiter);
    }

    fn body_of(&self, operation: u64) -> Body {
        if is_of_caller(operation) {
            return self.callers.body(operation);
        }
        Body::Request(self.clients.request(operation))
    }

    /// Puts a request into the queue of the batch task.
    pub(super) fn enqueue(&mut self, at: usize, id: RequestId, body: Body, waiter: Waiter) {
        let delay_us = self.rng.random_range(0..1_500);
        if self.rng.random_ratio(1, FULL_QUEUE_IN) {
            return self.answer_waiter(at, waiter, pair::heard(Err(ProposeError::Busy)));
        }
        let Some(life) = &mut self.nodes[at].life else { return };
        life.door.push(Queued { id, origin: Origin::Http, body: EncodedBody::of(body), waiter });
        if !std::mem::replace(&mut life.batch_pending, true) {
            let who = Who { node: at, boot: life.boot };
            self.after(delay_us, Event::Batch(who));
        }
    }

    /// The batch task: stamps the queued requests and proposes them as one entry.
    pub(super) fn propose(&mut self, at: usize) {
        let clocks = self.clocks(at);
        let (now, mono_us, mode) = (self.now, self.mono_us(at), self.mode);
        let Some(life) = &mut self.nodes[at].life else { return };
        life.batch_pending = false;
        let queued = std::mem::take(&mut life.door);
        if !life.core.serving() {
            let not_primary = pair::heard(Err(ProposeError::NotPrimary));
            return queued.into_iter().for_each(|one| self.answer_waiter(at, one.waiter, not_primary.clone()));
        }
        contract::a_state_that_is_being_replaced_serves_nothing(life);
        let (term, last_us, rules) = (life.core.term(), last_stamp_us(life), life.rules_version());
        life.stamping.begin_batch(term, || last_us, mono_us, &clocks);
        if life.no_room {
            let no_room = pair::heard(Err(ProposeError::NoRoom));
            return queued.into_iter().for_each(|one| self.answer_waiter(at, one.waiter, no_room.clone()));
        }
        let mut refused = Vec::new();
        let refuse = |waiter, refusal| refused.push((waiter, refusal));
        let commands = life.stamping.commands(queued.into_iter(), rules, || [0; RANDOM_BYTES], refuse);
        let commands: Vec<Stamped<Waiter>> = commands.collect();
        refused.into_iter().for_each(|(waiter, refusal)| self.answer_waiter(at, waiter, Heard::Reply(refusal)));
        let Some(Stamped { stamp_us, .. }) = commands.first() else { return };
        let Some(life) = &mut self.nodes[at].life else { return };
        self.watch.stamps_follow_right_clocks(*stamp_us, now);
        if let Some((_, before_us, then)) = life.stamped.filter(|stamped| stamped.0 == term) {
            disks::stamps_move_as_time_does(stamp_us - before_us, now - then);
        }
        life.stamped = Some((term, *stamp_us, now));
        let bytes = commands.iter().map(|one| one.command.clone()).collect();
        let taken = life.core.propose(Bytes::from(Commands { commands: bytes }.encode_to_vec()));
        invariants::the_witness_takes_no_proposal(mode.kind(at), taken.is_ok());
        for Stamped { id, waiter, .. } in commands {
            match taken {
                Ok(()) => self.enter(at, id, waiter),
                Err(error) => self.answer_waiter(at, waiter, pair::heard(Err(error))),
            }
        }
    }

    fn enter(&mut self, at: usize, id: RequestId, waiter: Waiter) {
        let Some(life) = &mut self.nodes[at].life else { return };
        if let Some(earlier) = life.waiters.insert(id, waiter) {
            self.answer_waiter(at, earlier, Heard::Lost);
        }
    }

    /// Ends every waiter without an outcome: this node will learn no more.
    pub(super) fn overtaken(&mut self, at: usize) {
        let Some(life) = &mut self.nodes[at].life else { return };
        let waiters = std::mem::take(&mut life.waiters);
        waiters.into_values().for_each(|waiter| self.answer_waiter(at, waiter, Heard::Lost));
    }

    pub(super) fn wake_waiters(&mut self, at: usize, replies: Vec<(RequestId, Reply)>) {
        for (id, reply) in replies {
            let Some(life) = &mut self.nodes[at].life else { return };
            #[cfg(mutant)]
            let id = match consensus::mutant::on(consensus::mutant::Mutant::WaitersByOrder) {
                true => life.waiters.first_key_value().map_or(id, |(first, _)| *first),
                false => id,
            };
            if let Some(waiter) = life.waiters.remove(&id) {
                self.answer_waiter(at, waiter, Heard::Reply(reply));
            }
        }
    }

    fn answer_waiter(&mut self, at: usize, waiter: Waiter, heard: Heard) {
        match waiter {
            Waiter::Nobody => {}
            Waiter::Here { submission, attempt } => self.attempted(at, submission, attempt, heard),
            Waiter::Peer { who, submission, attempt } => {
                let event = |heard| Event::Forwarded { to: who, submission, attempt, heard };
                match self.net.ways(&mut self.rng, at, who.node).first() {
                    Some(way) => self.after(*way, event(heard)),
                    None => {
                        let broken_us = self.rng.random_range(50_000..1_500_000);
                        self.after(broken_us, event(Heard::Lost));
                    }
                }
            }
        }
    }

    /// An attempt ended.
    pub(super) fn attempted(&mut self, at: usize, key: u64, attempt: u64, heard: Heard) {
        let (now, mode) = (self.now, self.mode);
        let Some(life) = &mut self.nodes[at].life else { return };
        let seen = Now { at: moment(now), standing: standing(mode, life) };
        let Some(submission) = life.submissions.get_mut(&key) else { return };
        if submission.attempt != Some(attempt) {
            return; // given up for another
        }
        submission.attempt = None;
        submission.ended_at = Some(now);
        submission.unknown |= matches!(heard, Heard::Lost | Heard::Moved(_));
        submission.asks_again = matches!(&heard, Heard::Reply(reply) if reply.body == ReplyBody::Again);
        let step = submission.course.on(heard, || seen);
        self.take_step(at, key, step);
    }

    /// Takes the step that the policy has decided on.
    fn take_step(&mut self, at: usize, key: u64, step: Step) {
        let now = self.now;
        let Some(life) = &mut self.nodes[at].life else { return };
        let who = Who { node: at, boot: life.boot };
        let Some(submission) = life.submissions.get_mut(&key) else { return };
        match step {
            Step::Attempt => self.attempt(at, key),
            Step::Answer(reply) => self.finish(at, key, reply),
            Step::Wait(until) => {
                submission.held_since.get_or_insert(now);
                let until = u64::try_from(until.as_micros()).unwrap_or(u64::MAX);
                if std::mem::replace(&mut submission.wake_at, until) != until {
                    self.after(until.saturating_sub(now), Event::Wake(who));
                }
            }
        }
    }

    /// Looks at every update in flight: an attempt may not be worth waiting for any more, and a wait may be over.
    pub(super) fn poll_submissions(&mut self, at: usize) {
        let (now, mode) = (self.now, self.mode);
        let Some(life) = &mut self.nodes[at].life else { return };
        let seen = Now { at: moment(now), standing: standing(mode, life) };
        let (mut given_up, mut steps) = (Vec::new(), Vec::new());
        for (key, submission) in &mut life.submissions {
            submission.moved |= seen.standing != submission.tried;
            match submission.attempt {
                Some(attempt) => {
                    given_up.extend(submission.course.unanswered(seen).map(|heard| (*key, attempt, heard)));
                }
                None => steps.push((*key, submission.course.on_wake(seen))),
            }
        }
        given_up.into_iter().for_each(|(key, attempt, heard)| self.attempted(at, key, attempt, heard));
        steps.into_iter().for_each(|(key, step)| self.take_step(at, key, step));
        let Some(life) = &self.nodes[at].life else { return };
        let seen = standing(mode, life);
        for submission in life.submissions.values() {
            updates::an_update_ends_at_its_deadline(submission, now);
            updates::an_update_is_held_no_longer_than_hold_time(submission, now);
            updates::a_primary_that_was_left_is_not_waited_for(submission, seen);
        }
    }

    fn finish(&mut self, at: usize, key: u64, reply: Reply) {
        let Some(life) = &mut self.nodes[at].life else { return };
        let Some(submission) = life.submissions.remove(&key) else { return };
        let answer = told(reply);
        updates::an_answer_says_what_is_known(&submission, &answer);
        match answer {
            Answer::Reply(_) if submission.attempts == 1 => life.settled.push(submission.id),
            // the ids of an unconfirmed start never leave the process, and an older disk counts its starts again
            Answer::Unavailable if !submission.repeated && life.core.confirmed() => self.watch.never(submission.id),
            _ => {}
        }
        self.answer_client(submission.operation, answer);
    }

    // === reads and the role ===

    /// A read was asked here: a quorum first, then the state.
    pub(super) fn ask_to_read(&mut self, at: usize, operation: u64) {
        let until = self.now + HOLD_US;
        self.ask(at, Asked::Read { operation, until });
    }

    /// Asks a quorum for the role.
    pub(super) fn ask_for_role(&mut self, at: usize) {
        let asked = Asked::Role { floor: self.watch.claimed, until: self.now + ROUND_US };
        self.ask(at, asked);
    }

    /// Whether this node still leads is asked before an operator is told that failover is paused.
    pub(super) fn ask_whether_paused(&mut self, at: usize) {
        let until = self.now + ROUND_US;
        self.ask(at, Asked::Paused { until });
    }

    fn ask(&mut self, at: usize, asked: Asked) {
        let Some(life) = &mut self.nodes[at].life else { return };
        life.next_question += 1;
        life.asked.insert(life.next_question, asked);
        life.core.ask(life.next_question);
    }

    /// Gives up questions whose time is over, as their client has.
    pub(super) fn expire_questions(&mut self, at: usize) {
        let now = self.now;
        let Some(life) = &mut self.nodes[at].life else { return };
        let until = |asked: &Asked| match asked {
            Asked::Read { until, .. } | Asked::Role { until, .. } | Asked::Paused { until } => *until,
        };
        let late = |asked: &Asked| until(asked) <= now;
        let gone: Vec<Asked> = life.asked.values().copied().filter(late).collect();
        let unapplied = life.reads.iter().map(|(_, asked)| *asked).filter(late);
        let gone: Vec<Asked> = gone.into_iter().chain(unapplied).collect();
        life.asked.retain(|_, asked| !late(asked));
        life.reads.retain(|(_, asked)| !late(asked));
        let asked = &life.asked;
        life.core.retain_questions(|question| asked.contains_key(&question));
        for asked in gone {
            if let Asked::Read { operation, .. } = asked {
                self.answer_client(operation, Answer::Unavailable);
            }
        }
    }

    /// A quorum round came back.
    pub(super) fn answered(&mut self, at: usize, question: u64, confirmed: consensus::Confirmed) {
        let Some(life) = &mut self.nodes[at].life else { return };
        let Some(asked) = life.asked.remove(&question) else { return };
        match asked {
            Asked::Role { floor, .. } => {
                let core = &life.core;
                let primary = confirmed.leader == core.id() && core.serving() && confirmed.term == core.term();
                self.watch.claim(at, confirmed, floor, primary);
                if primary && life.core.paused_for() != 0 && life.core.conf_state().paused_for != 0 {
                    self.watch.pause(life); // an operator's handover ends with this answer
                }
            }
            Asked::Paused { .. } => {
                let core = &life.core;
                if confirmed.leader == core.id() && core.serving() && confirmed.term == core.term() {
                    self.watch.pause(life);
                    self.try_the_pause();
                }
            }
            #[cfg(mutant)]
            Asked::Read { operation, .. } if consensus::mutant::on(consensus::mutant::Mutant::ReadBeforeApplied) => {
                self.read_now(at, operation);
            }
            Asked::Read { .. } if life.core.applied() < confirmed.index => life.reads.push((confirmed, asked)),
            Asked::Read { operation, .. } => self.read_now(at, operation),
        }
    }

    /// Answers the reads whose index is applied here.
    pub(super) fn answer_reads(&mut self, at: usize) {
        let Some(life) = &mut self.nodes[at].life else { return };
        let applied = life.core.applied();
        let ready: Vec<_> = life.reads.extract_if(.., |(confirmed, _)| confirmed.index <= applied).collect();
        for (_, asked) in ready {
            if let Asked::Read { operation, .. } = asked {
                self.read_now(at, operation);
            }
        }
    }

    fn read_now(&mut self, at: usize, operation: u64) {
        let Some(life) = &self.nodes[at].life else { return };
        let Some(state) = &life.state else { return };
        contract::a_state_that_is_being_replaced_serves_nothing(life);
        let reply = records::read(&self.clients.request(operation), &state.map);
        self.answer_client(operation, Answer::Reply(reply));
    }

    // === clocks ===

    /// The wall clocks of this node and of the peers heard lately.
    fn clocks(&self, at: usize) -> Vec<(RaftId, u64)> {
        let node = &self.nodes[at];
        let own = (node.id, node.wall_us(self.now));
        let heard = node.life.iter().flat_map(|life| &life.heard);
        let ago = |heard: &PeerClock| node.drifted(self.now - heard.at_us);
        let fresh = heard.filter(|(_, heard)| ago(heard) <= 5_000_000);
        std::iter::once(own)
            .chain(fresh.map(|(place, heard)| (*place as RaftId + 1, heard.wall_us + ago(heard))))
            .collect()
    }

    fn mono_us(&self, at: usize) -> u64 {
        let node = &self.nodes[at];
        node.life.as_ref().map_or(0, |life| node.drifted(self.now - life.began))
    }

    /// Between batches: follows the stamps of the primary.
    pub(super) fn look_at_clocks(&mut self, at: usize) {
        let (clocks, mono_us) = (self.clocks(at), self.mono_us(at));
        let Some(life) = &mut self.nodes[at].life else { return };
        let (serving, last_us) = (life.core.serving().then_some(life.core.term()), last_stamp_us(life));
        life.stamping.look(serving, || last_us, mono_us, &clocks);
    }
}

fn last_stamp_us(life: &Life) -> u64 {
    life.state.as_ref().map_or(0, |state| records::last_stamp_us(&state.map))
}

/// A moment of the policy.
fn moment(us: u64) -> Duration {
    Duration::from_micros(us)
}

/// The answer as a client tells answers apart.
fn told(reply: Reply) -> Answer {
    match &reply.body {
        ReplyBody::Refused(refusal) if refusal.code == RefusalCode::OutcomeUnknown => Answer::Unknown,
        ReplyBody::Refused(refusal) if matches!(refusal.code, RefusalCode::Unavailable | RefusalCode::Busy) => {
            Answer::Unavailable
        }
        _ => Answer::Reply(reply),
    }
}
