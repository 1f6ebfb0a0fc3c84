//! The handling of clients around a data node's log: request ids, forward and hold, stamps, reads, the role.
//!
//! Follows the node's own loop (`pair::Forward`) step by step: the same id to the next primary after an attempt with an unknown
//! outcome; an end in a reply, in UNAVAILABLE for a request that was never handed over, else in OUTCOME_UNKNOWN. Called by
//! `world`.

use bytes::Bytes;
use consensus::{Kind, ProposeError, RaftId};
use ocs_proto::peer::Commands;
use outbound::{Body, Command, Origin, Reply, RequestId, wire::command_to_wire};
use prost::Message;
use rand::Rng;

use super::{
    clients::Answer,
    contract, disks,
    event::{Event, Who},
    invariants,
    node::{Asked, Heard, Life, Mode, Waiter, place},
    world::World,
};

/// How long a request waits for a primary, microseconds.
const HOLD_US: u64 = 2_000_000;
/// A request's deadline, microseconds after its arrival.
const DEADLINE_US: u64 = 4_000_000;
/// First and longest pause before a known primary is asked again.
const PAUSE_US: (u64, u64) = (5_000, 100_000);
/// Time without a quorum after which the role is not confirmed, microseconds.
const ROUND_US: u64 = 200_000;

/// The node that takes updates, as a node sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Primary {
    Here,
    At(usize),
    None,
}

/// Term and primary.
pub(super) type Leadership = (u64, Primary);

/// An update in flight.
#[derive(Debug)]
pub(super) struct Submission {
    pub(super) operation: u64,
    pub(super) id: RequestId,
    /// Another request had its id.
    repeated: bool,
    pub(super) handed: bool,
    /// The attempt in flight, by number; none: the update waits.
    pub(super) attempt: Option<u64>,
    attempts: u64,
    pub(super) tried: Leadership,
    deadline: u64,
    held_since: Option<u64>,
    pause_us: u64,
    again_at: u64,
}

/// The outcome of one attempt.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    Reply(Reply),
    Refused,
    NotTaken,
    Unknown,
}

/// The node's `Leadership::from` its status.
fn leadership(mode: Mode, life: &Life) -> Leadership {
    let core = &life.core;
    let at = place(core.leader());
    let primary = match core.leader() {
        _ if core.serving() => Primary::Here,
        0 => Primary::None,
        leader if leader != core.id() && mode.kind(at) == Kind::Data => Primary::At(at),
        _ => Primary::None,
    };
    (core.term(), primary)
}

impl World {
    // === updates ===

    /// Reads a client's request and gives the request its id, once.
    pub(super) fn submit(&mut self, at: usize, operation: u64) {
        let now = self.now;
        let repeated = self.draw_repeated_id(at);
        let Some(life) = &mut self.nodes[at].life else { return };
        let id = life.next_id(at);
        let counter = id.counter;
        let submission = Submission {
            operation,
            id: repeated.unwrap_or(id),
            repeated: repeated.is_some(),
            handed: false,
            attempt: None,
            attempts: 0,
            tried: (0, Primary::None),
            deadline: now + DEADLINE_US,
            held_since: None,
            pause_us: PAUSE_US.0,
            again_at: now,
        };
        life.submissions.insert(counter, submission);
        self.attempt(at, counter);
    }

    /// One attempt at the primary of the moment.
    fn attempt(&mut self, at: usize, key: u64) {
        let mode = self.mode;
        let Some(life) = &mut self.nodes[at].life else { return };
        let tried = leadership(mode, life);
        let Some(submission) = life.submissions.get_mut(&key) else { return };
        submission.attempts += 1;
        (submission.tried, submission.attempt) = (tried, Some(submission.attempts));
        #[cfg(mutant)]
        if submission.attempts > 1 && consensus::mutant::on(consensus::mutant::Mutant::NewIdWhenSentAgain) {
            submission.id.counter = 1_000_000 + key * 1000 + submission.attempts;
        }
        let (attempt, id, operation, deadline) =
            (submission.attempts, submission.id, submission.operation, submission.deadline);
        let boot = life.boot;
        match tried.1 {
            Primary::Here => {
                let body = self.body_of(operation);
                self.enqueue(at, id, body, Waiter::Here { submission: key, attempt });
            }
            Primary::At(to) => {
                let from = Who { node: at, boot };
                self.forward(from, to, Event::Forward { to, from, submission: key, attempt, id, operation });
            }
            Primary::None => self.attempted(at, key, attempt, Outcome::NotTaken),
        }
        self.after(deadline - self.now.min(deadline), Event::Wake(Who { node: at, boot }));
    }

    /// Forwards a request over a stream between nodes: the loss of a request breaks the stream, and the sender learns so.
    fn forward(&mut self, from: Who, to: usize, event: Event) {
        let Event::Forward { submission, attempt, .. } = &event else { return };
        let (submission, attempt) = (*submission, *attempt);
        let lost = |outcome| Event::Forwarded { to: from, submission, attempt, outcome };
        if self.nodes[to].life.is_none() {
            return self.after(1_000, lost(Outcome::NotTaken)); // the port is closed
        }
        // A stream gives each request once. A second copy could reach the next process, and its "not taken" outrun the answer.
        match self.net.ways(&mut self.rng, from.node, to).first() {
            Some(way) => self.after(*way, event),
            None => {
                let broken_us = self.rng.random_range(50_000..1_500_000);
                self.after(broken_us, lost(Outcome::Unknown));
            }
        }
    }

    /// Proposes a request that a peer forwarded, or answers that this node is not the primary; never a second hop.
    pub(super) fn on_forward(&mut self, at: usize, id: RequestId, operation: u64, waiter: Waiter) {
        let mode = self.mode;
        let Some(life) = &self.nodes[at].life else { return };
        if leadership(mode, life).1 != Primary::Here {
            return self.answer_waiter(at, waiter, Outcome::NotTaken);
        }
        let body = self.body_of(operation);
        self.enqueue(at, id, body, waiter);
    }

    fn body_of(&self, operation: u64) -> Body {
        Body::Request(self.clients.request(operation))
    }

    /// Puts a request into the queue of the batch task.
    pub(super) fn enqueue(&mut self, at: usize, id: RequestId, body: Body, waiter: Waiter) {
        let delay_us = self.rng.random_range(0..1_500);
        let Some(life) = &mut self.nodes[at].life else { return };
        let command = Command::new(life.version_of(&body), id, 0, Origin::Http, body);
        let bytes = command_to_wire(&command).encode_to_vec();
        life.door.push((id, bytes.into(), waiter));
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
            return queued.into_iter().for_each(|(.., waiter)| self.answer_waiter(at, waiter, Outcome::NotTaken));
        }
        contract::a_state_that_is_being_replaced_serves_nothing(life);
        let term = life.core.term();
        if life.stamping.replace(term) != Some(term) {
            life.stamps.applied(last_stamp_us(life), mono_us, &clocks);
        }
        life.stamps.advance(mono_us, &clocks);
        if life.no_room {
            return queued.into_iter().for_each(|(.., waiter)| self.answer_waiter(at, waiter, Outcome::Refused));
        }
        let given: Vec<u64> = queued.iter().map(|_| life.stamps.stamp()).collect();
        let commands =
            queued.iter().zip(&given).map(|((_, command, _), stamp_us)| stamped(command, *stamp_us)).collect();
        if let Some(stamp_us) = given.first() {
            self.watch.stamps_follow_right_clocks(*stamp_us, now);
            if let Some((_, before_us, then)) = life.stamped.filter(|stamped| stamped.0 == term) {
                disks::stamps_move_as_time_does(stamp_us - before_us, now - then);
            }
            life.stamped = Some((term, *stamp_us, now));
        }
        let data = Bytes::from(Commands { commands }.encode_to_vec());
        let taken = life.core.propose(data);
        invariants::the_witness_takes_no_proposal(mode.kind(at), taken.is_ok());
        for (id, _, waiter) in queued {
            match taken {
                Ok(()) => self.enter(at, id, waiter),
                Err(ProposeError::NotPrimary | ProposeError::Stopped) => {
                    self.answer_waiter(at, waiter, Outcome::NotTaken);
                }
                Err(_) => self.answer_waiter(at, waiter, Outcome::Refused),
            }
        }
    }

    fn enter(&mut self, at: usize, id: RequestId, waiter: Waiter) {
        let Some(life) = &mut self.nodes[at].life else { return };
        if let Some(earlier) = life.waiters.insert(id, waiter) {
            self.answer_waiter(at, earlier, Outcome::Unknown);
        }
    }

    /// Ends every waiter without an outcome: this node will learn no more.
    pub(super) fn overtaken(&mut self, at: usize) {
        let Some(life) = &mut self.nodes[at].life else { return };
        let waiters = std::mem::take(&mut life.waiters);
        waiters.into_values().for_each(|waiter| self.answer_waiter(at, waiter, Outcome::Unknown));
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
                self.answer_waiter(at, waiter, Outcome::Reply(reply));
            }
        }
    }

    fn answer_waiter(&mut self, at: usize, waiter: Waiter, outcome: Outcome) {
        match waiter {
            Waiter::Nobody => {}
            Waiter::Here { submission, attempt } => self.attempted(at, submission, attempt, outcome),
            Waiter::Peer { who, submission, attempt } => {
                let event = |outcome| Event::Forwarded { to: who, submission, attempt, outcome };
                match self.net.ways(&mut self.rng, at, who.node).first() {
                    Some(way) => self.after(*way, event(outcome)),
                    None => {
                        let broken_us = self.rng.random_range(50_000..1_500_000);
                        self.after(broken_us, event(Outcome::Unknown));
                    }
                }
            }
        }
    }

    /// An attempt ended.
    pub(super) fn attempted(&mut self, at: usize, key: u64, attempt: u64, outcome: Outcome) {
        let (now, mode) = (self.now, self.mode);
        let Some(life) = &mut self.nodes[at].life else { return };
        let seen = leadership(mode, life);
        let who = Who { node: at, boot: life.boot };
        let Some(submission) = life.submissions.get_mut(&key) else { return };
        if submission.attempt != Some(attempt) {
            return; // given up for another
        }
        submission.attempt = None;
        match outcome {
            Outcome::Reply(reply) => return self.finish(at, key, Answer::Reply(reply)),
            Outcome::Refused if !submission.handed => return self.finish(at, key, Answer::Unavailable),
            Outcome::Refused | Outcome::NotTaken => {}
            #[cfg(mutant)]
            Outcome::Unknown if consensus::mutant::on(consensus::mutant::Mutant::UnknownToldAsFailed) => {}
            Outcome::Unknown => submission.handed = true,
        }
        submission.held_since.get_or_insert(now);
        let moved = seen != submission.tried && seen.1 != Primary::None;
        submission.again_at = if moved { now } else { now + submission.pause_us };
        if !moved && submission.tried.1 != Primary::None {
            submission.pause_us = (submission.pause_us * 2).min(PAUSE_US.1);
        }
        let again_us = submission.again_at - now;
        self.after(again_us, Event::Wake(who));
    }

    /// Looks at every update in flight: a waiting update is tried again, or has waited for too long.
    pub(super) fn poll_submissions(&mut self, at: usize) {
        let (now, mode) = (self.now, self.mode);
        let Some(life) = &mut self.nodes[at].life else { return };
        let seen = leadership(mode, life);
        let (mut again, mut ended) = (Vec::new(), Vec::new());
        for (key, submission) in &mut life.submissions {
            let moved = seen != submission.tried && seen.1 != Primary::None;
            let end = submission.held_since.map_or(u64::MAX, |since| since + HOLD_US).min(submission.deadline);
            match submission.attempt {
                Some(attempt) if moved || now >= submission.deadline => again.push((*key, Some(attempt))),
                Some(_) => {}
                None if now >= end => ended.push((*key, submission.handed)),
                None if moved || (now >= submission.again_at && submission.tried.1 != Primary::None) => {
                    again.push((*key, None));
                }
                None if seen != submission.tried => submission.tried = seen,
                None => {}
            }
        }
        for (key, handed) in ended {
            self.finish(at, key, if handed { Answer::Unknown } else { Answer::Unavailable });
        }
        for (key, attempt) in again {
            match attempt {
                Some(attempt) => self.attempted(at, key, attempt, Outcome::Unknown),
                None => self.attempt(at, key),
            }
        }
    }

    fn finish(&mut self, at: usize, key: u64, answer: Answer) {
        let Some(life) = &mut self.nodes[at].life else { return };
        let Some(submission) = life.submissions.remove(&key) else { return };
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
        let ago = |heard: &Heard| node.drifted(self.now - heard.at_us);
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
        if !life.core.serving() {
            life.stamping = None;
            life.stamps.applied(last_stamp_us(life), mono_us, &clocks);
        } else if life.stamping == Some(life.core.term()) {
            life.stamps.advance(mono_us, &clocks);
        }
    }
}

fn last_stamp_us(life: &Life) -> u64 {
    life.state.as_ref().map_or(0, |state| records::meta(&state.map).last_stamp_us)
}

/// A later field of the same number takes the earlier one's place (protobuf).
fn stamped(command: &Bytes, stamp_us: u64) -> Bytes {
    let stamp = ocs_proto::outbound::Command { stamp_us, ..Default::default() };
    [command.as_ref(), &stamp.encode_to_vec()].concat().into()
}
