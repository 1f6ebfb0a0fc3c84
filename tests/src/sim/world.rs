//! The world of a seed: a clock, a queue of events, three nodes, a network, clients; one thread, and chance from the seed alone.
//!
//! Everything that happens is an event with a time, drawn from the seed; equal times keep their order. Called by `run`.

use std::collections::BTreeMap;

use consensus::{RaftId, core::Output};
use dispatch::Heard;
use ocs_proto::peer::{ConfState, PeerFrame};
use raft_log::LogError;
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    callers::Callers,
    clients::Clients,
    disks, door,
    event::{Event, Who},
    faults::Plan,
    hand_outs::HandOuts,
    invariants::Watch,
    net::Net,
    node::{Job, Mode, Node, TICK_US, Waiter, place},
    old_disk::Copies,
    state::SimState,
};

/// Pace of the fast path, microseconds.
const HURRY_US: u64 = 10_000;

/// All of it.
pub(super) struct World {
    pub(super) rng: StdRng,
    pub(super) now: u64,
    /// Counts the events: real time for the histories, without ties.
    pub(super) moment: u64,
    queue: BTreeMap<(u64, u64), Box<Event>>,
    queued: u64,
    pub(super) mode: Mode,
    pub(super) nodes: Vec<Node>,
    pub(super) net: Net,
    pub(super) clients: Clients,
    pub(super) callers: Callers,
    pub(super) watch: Watch,
    pub(super) plan: Plan,
    /// An operator gave an order, or a state became wrong: the run has a matter to bring to its end.
    pub(super) ordered: bool,
    pub(super) copies: Copies,
    /// Folds all frames between the nodes.
    pub(super) trace: u64,
    /// Prints every event on standard error, for a person who debugs a seed.
    talks: bool,
}

impl World {
    pub(super) fn new(seed: u64, talks: bool) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let plan = Plan::draw(&mut rng);
        let mode = plan.mode;
        let (drift_ppm, clock_ppm) = (plan.drift_ppm, plan.clock_ppm);
        let node = |at: usize| Node { drift_ppm: drift_ppm[at], clock_ppm: clock_ppm[at], ..Node::new(mode, at) };
        let nodes: Vec<Node> = (0..mode.nodes()).map(node).collect();
        let think_us = rng.random_range(5_000..60_000);
        let callers = Callers::new(seed, plan.rules.raises, mode.data_nodes());
        let mut world = Self {
            rng,
            now: 0,
            moment: 0,
            queue: BTreeMap::new(),
            queued: 0,
            mode,
            nodes,
            net: plan.net(),
            clients: Clients::new(think_us, mode.data_nodes()),
            watch: Watch::new(mode, HandOuts::new(callers.plan.limit)),
            callers,
            plan,
            ordered: false,
            copies: Copies::default(),
            trace: seed,
            talks,
        };
        world.places().for_each(|at| world.start(at));
        world.begin_clients();
        world.after(1_500_000, Event::NextFault);
        if world.plan.rules.raises {
            let raised_us = world.rng.random_range(0..world.plan.lasts_us);
            world.after(raised_us, Event::ChangeRules);
        }
        world.begin_campaign();
        world
    }

    /// Every node's place.
    pub(super) fn places(&self) -> std::ops::Range<usize> {
        0..self.mode.nodes()
    }

    pub(super) fn after(&mut self, delay_us: u64, event: Event) {
        self.queued += 1;
        self.queue.insert((self.now + delay_us, self.queued), Box::new(event));
    }

    /// A process that was stopped goes on: its node reads the frames of the meantime.
    pub(super) fn go_on(&mut self, at: usize) {
        let until = std::mem::take(&mut self.nodes[at].paused_until);
        let waiting = self.queue.range((until, 0)..=(until, u64::MAX));
        let keys: Vec<_> =
            waiting.filter(|(_, event)| until > self.now && event.place() == Some(at)).map(|(key, _)| *key).collect();
        for event in keys.into_iter().filter_map(|key| self.queue.remove(&key)).collect::<Vec<_>>() {
            self.after(0, *event);
        }
    }

    /// Runs until a time, or until a condition holds.
    pub(super) fn run_until(&mut self, end: u64, mut enough: impl FnMut(&Self) -> bool) -> bool {
        let mut look = self.now;
        while self.now < end {
            if self.now >= look {
                look = self.now + 5_000;
                if enough(self) {
                    return true;
                }
            }
            self.step();
        }
        enough(self)
    }

    fn step(&mut self) {
        let Some(((at, _), event)) = self.queue.pop_first() else {
            self.now += TICK_US; // all nodes are down
            return;
        };
        self.now = at;
        if let Some(place) = event.place().map(|place| &self.nodes[place])
            && place.runs()
            && place.paused_until > at
        {
            let wait_us = place.paused_until - at;
            return self.after(wait_us, *event);
        }
        if event.is_of_a_stream() && event.place().is_some_and(|place| self.nodes[place].unread_at == at) {
            return;
        }
        if let Some(who) = event.life()
            && !(self.nodes[who.node].runs() && self.nodes[who.node].boots == who.boot)
        {
            return;
        }
        self.moment += 1;
        if self.talks {
            self.talk(&event);
        }
        let place = event.place();
        let joined = matches!(*event, Event::Frame { .. }) && self.plan.joins_frames && self.rng.random_ratio(1, 2);
        self.happen(*event);
        match place {
            Some(at) if joined => self.settle_later(at),
            Some(at) => self.settle(at),
            None => {}
        }
    }

    /// A driver takes all pending events before the output of its core.
    fn settle_later(&mut self, at: usize) {
        let Some(boot) = self.nodes[at].life.as_ref().map(|life| life.boot) else { return };
        let later_us = self.rng.random_range(0..20_000);
        self.after(later_us, Event::Wake(Who { node: at, boot }));
    }

    fn talk(&self, event: &Event) {
        let mut told = format!("{:>9} {event:?}", self.now);
        told.truncate(told.floor_char_boundary(500));
        eprintln!("{told}");
        for node in &self.nodes {
            let Some(core) = node.life.as_ref().map(|life| &life.core) else { continue };
            let (role, term, commit, applied) = (core.role(), core.term(), core.commit(), core.applied());
            let (log, durable) = (core.log_range(), core.data_durable());
            eprint!(
                "   [{:#x} {role:?} term {term} commit {commit} applied {applied} log {log:?} data {durable}]",
                core.id()
            );
        }
        eprintln!();
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Tick(who) => self.tick(who),
            Event::Hurry(who) => self.hurry(who.node),
            Event::Frame { to, frame } => self.receive(to, frame),
            Event::Forward { to, from, submission, attempt, id, operation } => {
                self.on_forward(to, id, operation, Waiter::Peer { who: from, submission, attempt });
            }
            Event::Forwarded { to, submission, attempt, heard } => {
                self.attempted(to.node, submission, attempt, heard);
            }
            Event::Disk(who) => self.disk(who.node),
            Event::Apply(who) => self.apply(who.node),
            Event::Persist(who) => self.persist(who),
            Event::Batch(who) => self.propose(who.node),
            Event::Wake(_) => {}
            Event::AskRole(who) => {
                self.ask_for_role(who.node);
                let pause_us = self.rng.random_range(20_000..600_000);
                self.after(pause_us, Event::AskRole(who));
            }
            Event::Fetch { who, index_min } => self.fetch(who, index_min),
            Event::PeerLost { who, peer, refused } => self.lose_peer(who.node, peer, refused),
            Event::AskToJoin(who) => self.ask_to_join(who),
            Event::JoinAsked { to, from, token } => self.on_join_asked(to, from, token),
            Event::Admitted { to, id, token, epoch } => self.on_admitted(to.node, id, token, epoch),
            Event::Arrive { node, operation } => self.arrive(node, operation),
            Event::Start(at) => self.start(at),
            Event::Client(client) => self.call(client),
            Event::Again(operation) => self.send_again(operation),
            Event::Answer { operation, answer } => self.hear(operation, answer),
            Event::Judge(who) => self.judge(who.node),
            Event::EvidenceKept { who, write } => self.evidence_kept(who.node, *write),
            Event::EpochTold { to, epoch } => self.give_up_for(to, epoch),
            Event::Ordered(order) => self.obey(order),
            Event::ChangeRules => self.change_rules(),
            Event::Caller(caller) => self.turn_of_caller(caller),
            Event::Campaign => self.look_after_campaign(),
            Event::Fault(fault) => self.befall(fault),
            Event::NextFault => self.next_fault(),
        }
    }

    // === a node's process ===

    /// Starts a process. A node whose log is lost or corrupt asks to be taken in under a new id.
    pub(super) fn start(&mut self, at: usize) {
        if self.nodes[at].runs() || self.nodes[at].held || self.nodes[at].fenced {
            return;
        }
        self.nodes[at].paused_until = 0;
        if self.nodes[at].log_lost {
            return self.begin_asking(at);
        }
        self.copy_before(at);
        let seed = self.rng.random();
        match self.nodes[at].start(self.now, seed) {
            Ok(()) => {}
            Err(fault @ LogError::Corrupt { .. }) => {
                disks::only_a_damaged_log_is_given_up(&self.nodes[at], &fault);
                self.lose_log(at);
                return self.start(at);
            }
            Err(fault) => {
                if self.talks {
                    eprintln!("node {} does not start: {fault}", self.nodes[at].id);
                }
                return self.after(300_000, Event::Start(at)); // the disk fails: the supervisor starts the node again
            }
        }
        let who = Who { node: at, boot: self.nodes[at].boots };
        let first_us = self.rng.random_range(0..TICK_US);
        self.after(first_us, Event::Tick(who));
        self.after(first_us, Event::AskRole(who));
        self.after(self.plan.persist_us, Event::Persist(who));
        if let Some(state) = self.nodes[at].life.as_ref().and_then(|life| life.state.as_ref()) {
            self.watch.digests_are_equal(at, state);
        }
        self.settle(at);
    }

    fn tick(&mut self, who: Who) {
        let at = who.node;
        let longer = TICK_US.cast_signed() * self.nodes[at].drift_ppm / 1_000_000;
        let Some(life) = &mut self.nodes[at].life else { return };
        life.note_write_age();
        life.core.tick();
        self.look_at_clocks(at);
        self.expire_questions(at);
        self.answer_joins(at);
        self.keep_evidence(at);
        self.seek_room(at);
        self.look_after_states(at);
        self.forget(at);
        self.greet(at);
        self.after(TICK_US.saturating_add_signed(longer), Event::Tick(who));
    }

    /// Every node hears every other at some pace: heads carry clocks, and the index up to which data is durable. The node also
    /// dials nodes that are no members as far as it knows, and tells them its epoch.
    fn greet(&mut self, at: usize) {
        if !self.rng.random_ratio(1, 4) {
            return;
        }
        let silent = |life: &super::node::Life| matches!(life.core.start_standing(), consensus::StartStanding::Old(_));
        let Some(life) = self.nodes[at].life.as_ref().filter(|life| !silent(life)) else { return };
        let others: Vec<RaftId> = life.core.members().into_iter().map(|(id, _)| id).collect();
        for other in self.places().filter(|other| *other != at) {
            if let Some(to) = others.iter().find(|id| place(**id) == other) {
                let head = Some(self.head(at, *to));
                self.transmit(at, other, PeerFrame { head, ..PeerFrame::default() });
            } else {
                self.tell_epoch(at, other);
            }
        }
    }

    fn hurry(&mut self, at: usize) {
        let Some(life) = &mut self.nodes[at].life else { return };
        life.hurry_pending = false;
        life.core.campaign_again();
    }

    fn lose_peer(&mut self, at: usize, peer: usize, refused: bool) {
        let Some(life) = &mut self.nodes[at].life else { return };
        let number = peer as RaftId + 1;
        life.core.on_unreachable(number);
        if refused {
            life.core.on_refused(number);
        }
        let own = life.core.id();
        let to_peer =
            |(key, one): (&u64, &door::Submission)| door::goes_to(one.tried, own, peer).then_some((*key, one.attempt?));
        let broken: Vec<_> = life.submissions.iter().filter_map(to_peer).collect();
        broken.into_iter().for_each(|(key, attempt)| self.attempted(at, key, attempt, Heard::Lost));
    }

    /// R1 forget-what-both-have: the entries that may be forgotten go to the disk's queue.
    fn forget(&mut self, at: usize) {
        let Some(life) = &mut self.nodes[at].life else { return };
        if life.forgetting {
            return;
        }
        let (keep, worth) = self.plan.keep;
        let Some(mark) = life.core.forgettable(life.persisted, keep, worth) else { return };
        life.forgetting = true;
        let conf_state = life.core.conf_state();
        life.queued.push_back(Job::Compact(mark.clone()));
        self.watch.what_is_forgotten_is_on_every_data_node(at, &mark, &conf_state, &self.nodes);
    }

    // === the core's output ===

    /// Executes the core's output, keeps the workers busy, and checks that all claims hold.
    pub(super) fn settle(&mut self, at: usize) {
        let Some(life) = &mut self.nodes[at].life else { return };
        let output = life.core.output();
        let Output { messages, writes, apply, answers, fetch, transfer: _, overtaken, starts, evidence } = output;
        writes.into_iter().for_each(|write| life.queue(write));
        life.to_apply.extend(apply);
        let memberships = life.core.take_memberships();
        life.memberships.extend(memberships.iter().cloned());
        self.look_at(at, &memberships);
        self.send(at, messages);
        self.send_starts(at, starts, evidence);
        self.look_at_start(at);
        answers.into_iter().for_each(|(question, confirmed)| self.answered(at, question, confirmed));
        if let Some(index_min) = fetch {
            self.begin_fetch(at, index_min);
        }
        if overtaken {
            self.overtaken(at);
        }
        self.look_at_disks(at);
        self.answer_reads(at);
        self.poll_submissions(at);
        self.keep_busy(at);
    }

    /// Faults that a core must never report.
    fn look_at(&mut self, at: usize, memberships: &[(u64, ConfState)]) {
        let Some(life) = &self.nodes[at].life else { return };
        self.watch.single_copy_ends_when_an_operator_says_so(memberships);
        self.watch.memberships_are_the_same_and_overlap(memberships);
        self.watch.who_begins_to_vote_has_caught_up(memberships, &self.nodes);
        self.watch.nobody_goes_on_under_an_old_membership(life);
        self.watch.one_leader_a_term(life);
        self.watch.while_it_is_paused_nobody_takes_over(life);
        self.watch.data_durable_is_of_this_term(life);
        self.watch.what_is_committed_is_the_same(life);
        self.watch.the_witness_never_serves(at, life);
    }

    /// The content that disks must have for a core to believe its counts.
    fn look_at_disks(&mut self, at: usize) {
        let Some(life) = &self.nodes[at].life else { return };
        self.watch.what_is_committed_is_on_a_majority_of_disks(life, &self.nodes);
        self.watch.data_durable_is_on_every_data_node(life, &self.nodes);
    }

    fn keep_busy(&mut self, at: usize) {
        let slow = self.nodes[at].slow_until > self.now;
        let write_us = if slow { self.rng.random_range(50_000..600_000) } else { self.rng.random_range(50..1_500) };
        let write_us = write_us + self.nodes[at].hung_until.saturating_sub(self.now);
        let sluggish = self.nodes[at].sluggish_until > self.now;
        let apply_us = if sluggish { self.rng.random_range(20_000..400_000) } else { self.rng.random_range(20..400) };
        let Some(life) = &mut self.nodes[at].life else { return };
        let who = Who { node: at, boot: life.boot };
        let write = life.writing.is_empty() && !life.queued.is_empty();
        if write {
            life.writing = std::mem::take(&mut life.queued);
        }
        let apply = !life.to_apply.is_empty() && !life.care.standing && !std::mem::replace(&mut life.applying, true);
        let hurry = life.core.hurrying() && !std::mem::replace(&mut life.hurry_pending, true);
        for (due, delay_us, event) in [
            (write, write_us, Event::Disk(who)),
            (apply, apply_us, Event::Apply(who)),
            (hurry, HURRY_US, Event::Hurry(who)),
        ] {
            if due {
                self.after(delay_us, event);
            }
        }
    }

    /// Whether every node is a voter with all entries, and no message is on its way.
    pub(super) fn converged(&self) -> bool {
        let reference = self.watch.reference.mark.index;
        let conf = self.watch.membership();
        let has_all = |node: &Node| {
            let Some(life) = &node.life else { return false };
            let applied = life.state.as_ref().is_none_or(|state: &SimState| state.mark.index == reference);
            let cared_for = !life.care.under_way(&life.core);
            applied && cared_for && conf.voters.contains(&node.id) && life.core.conf_state() == *conf
        };
        let settled = conf.voters_outgoing.is_empty() && conf.learners.is_empty();
        settled && self.nodes.iter().all(has_all) && self.clients.idle() && self.callers.idle()
    }
}
