//! The stand-ins for a driver's workers: the log's thread, the apply thread, and the fetching of a state.
//!
//! Called by `world`.

use consensus::{RaftId, repair::Here};
use ocs_proto::peer::Entry;
use raft_log::LogError;
use rand::Rng;

use super::{
    event::{Event, Who},
    node::{Done, Job, Life, Node, TICK_US, place},
    quarantine::DIGEST_EVERY,
    state::SimState,
    upgrade::own_file,
    world::World,
};

/// How often a full disk is tried again, microseconds.
const ROOM_RETRY_US: u64 = 250_000;

impl Life {
    /// Follows the driver at each tick: a state that waits for room does not hang.
    pub(super) fn note_write_age(&mut self) {
        let idle = self.writing.is_empty() || self.no_room;
        self.write_age_us = if idle { 0 } else { self.write_age_us + TICK_US };
        self.core.on_write_age(self.write_age_us / 1000);
    }
}

impl World {
    /// The disk has finished its jobs.
    pub(super) fn disk(&mut self, at: usize) {
        loop {
            let before = self.term_before(at);
            match self.nodes[at].write_one() {
                Ok(None) => return,
                Ok(Some(done)) => self.written(at, done, before),
                Err(LogError::NoRoom { .. }) => return self.no_room(at),
                Err(LogError::Io { .. } | LogError::Poisoned) => return self.end_process(at, true),
                Err(fault) => panic!("the log refuses what the core wants written: {fault}"),
            }
        }
    }

    /// The term of the entry before the next batch.
    fn term_before(&self, at: usize) -> Option<u64> {
        let Some(Job::Append(merged)) = self.nodes[at].life.as_ref()?.writing.front() else { return None };
        let first = merged.batch.entries.first()?.index;
        match &merged.batch.reset {
            Some(mark) => Some(mark.term),
            None => self.nodes[at].life.as_ref()?.log.reader().term(first - 1),
        }
    }

    fn written(&mut self, at: usize, done: Done, before: Option<u64>) {
        let Some(life) = &mut self.nodes[at].life else { return };
        (life.no_room, life.write_age_us) = (false, 0);
        let job = life.writing.pop_front();
        match (done, job) {
            (Done::Written, Some(Job::Append(merged))) => {
                self.watch.logs_match(&merged.batch, before);
                life.core.on_written(merged.number);
                if let Some(mark) = merged.batch.reset.as_ref().filter(|_| !self.nodes[at].is_data()) {
                    let conf_state = mark.conf_state.clone().unwrap_or_default();
                    self.watch.what_is_forgotten_is_on_every_data_node(at, mark, &conf_state, &self.nodes);
                }
                self.send(at, merged.then);
            }
            (Done::Compacted, Some(Job::Compact(mark))) => {
                life.forgetting = false;
                if life.log.first_index() > mark.index {
                    life.core.on_compacted(mark);
                }
            }
            _ => {}
        }
    }

    fn no_room(&mut self, at: usize) {
        let Some(life) = &mut self.nodes[at].life else { return };
        let who = Who { node: at, boot: life.boot };
        life.no_room = true;
        self.seek_room(at);
        self.after(ROOM_RETRY_US, Event::Disk(who));
    }

    /// A primary without room hands over to a peer that has some.
    pub(super) fn seek_room(&mut self, at: usize) {
        let Some(life) = &mut self.nodes[at].life else { return };
        if !life.no_room || !life.core.leads() || life.core.transferring() || life.core.paused() {
            return;
        }
        let short = |id: RaftId| life.heard.get(&place(id)).is_some_and(|heard| heard.short);
        if let Some(to) = life.core.successors().into_iter().find(|id| !short(*id)) {
            let _ = life.core.transfer(to, "its disk is full"); // a peer that has room goes on
        }
    }

    /// The apply thread takes the queued entries.
    pub(super) fn apply(&mut self, at: usize) {
        let Some(life) = &mut self.nodes[at].life else { return };
        life.applying = false;
        let Some(state) = life.state.as_mut().filter(|_| !life.care.standing) else { return };
        let mut entries = std::mem::take(&mut life.to_apply);
        entries.retain(|entry| entry.index > state.mark.index); // a fetched state may already hold them
        let (moment, now) = (self.moment, self.now);
        entries.iter().for_each(|entry| self.watch.everybody_applies_the_same(entry, moment, now));
        let mut replies = Vec::new();
        let compares = |entry: &Entry| self.plan.spoils && entry.index.is_multiple_of(DIGEST_EVERY);
        for batch in entries.split_inclusive(compares) {
            let last = batch.last().map_or(state.mark.index, |entry| entry.index);
            let conf_state = life.memberships.range(..=last).next_back().map(|(_, conf_state)| conf_state.clone());
            let own = own_file(at, state);
            replies.extend(state.apply(batch, conf_state, &own));
            if batch.last().is_some_and(compares) {
                life.care.note(state);
            }
        }
        self.watch.digests_are_equal(at, state);
        life.core.on_applied(state.mark.index);
        self.wake_waiters(at, replies);
    }

    pub(super) fn persist(&mut self, who: Who) {
        let node = &mut self.nodes[who.node];
        let Some(life) = &mut node.life else { return };
        if let Some(state) = life.state.as_ref().filter(|state| state.mark.index > life.persisted) {
            life.persisted = state.mark.index;
            node.store = Some(state.clone());
        }
        let pause_us = self.rng.random_range(0..self.plan.persist_us * 2);
        self.after(pause_us, Event::Persist(who));
    }

    pub(super) fn begin_fetch(&mut self, at: usize, index_min: u64) {
        let Some(life) = &mut self.nodes[at].life else { return };
        if std::mem::replace(&mut life.fetch_pending, true) {
            return;
        }
        let who = Who { node: at, boot: life.boot };
        let way_us = self.rng.random_range(5_000..150_000);
        self.after(way_us, Event::Fetch { who, index_min });
    }

    /// A state comes from the other data node, or the fetch fails.
    pub(super) fn fetch(&mut self, who: Who, index_min: u64) {
        let at = who.node;
        let found = self.state_elsewhere(at, index_min.max(1));
        let node = &mut self.nodes[at];
        let Some(life) = &mut node.life else { return };
        life.fetch_pending = false;
        let Some(fetched) = found else { return self.fetch_failed(at) };
        let ours = life.state.as_mut().expect("a data node fetches");
        let wanted = life.care.standing && fetched.mark.index == ours.mark.index;
        let taken = wanted || fetched.mark.index > ours.mark.index;
        if taken {
            life.care.install();
            (life.care.standing, node.doubted) = (false, false);
            *ours = fetched;
            node.store = Some(ours.clone());
            life.persisted = ours.mark.index;
        }
        let mark = ours.mark.clone();
        life.memberships.insert(mark.index, mark.conf_state.clone().unwrap_or_default());
        life.care.repair.installed(Here::of(&life.core), taken);
        life.core.on_installed(mark);
        if taken && !self.plan.calm && self.rng.random_ratio(1, 2) {
            self.end_process(at, true); // before its log has caught up
        }
    }

    /// The state of any data node that can be asked for it and has reached an index.
    fn state_elsewhere(&self, at: usize, index_min: u64) -> Option<SimState> {
        let reachable = |other: &&Node| {
            let connected = self.net.connected(at, other.at) && self.net.connected(other.at, at);
            other.at != at && connected && other.awake(self.now) && other.epoch == self.nodes[at].epoch
        };
        let lives = self.nodes.iter().filter(reachable).filter_map(|node| node.life.as_ref());
        let states = lives.filter(|life| !life.core.fetching()).filter_map(|life| life.state.as_ref());
        states.into_iter().find(|state| state.mark.index >= index_min).cloned()
    }
}
