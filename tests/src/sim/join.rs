//! A node that lost its log in the simulation: the node asks to be taken in under a new id, and begins with an empty log.
//!
//! Follows `peers::join` of the node and the driver's answer to it; the group's part is the real `Core::admit`. Called by
//! `world`.

use consensus::RaftId;
use rand::Rng;

use super::{
    event::{Event, Who},
    node::place,
    world::World,
};

/// Time between two questions of such a node, microseconds.
const ASK_US: u64 = 250_000;
/// A node heard within this under any id is not taken in under another one.
const SILENT_US: u64 = 1_500_000;

impl World {
    /// Drops a log that is lost or corrupt, and with it the node's id, for ever.
    pub(super) fn lose_log(&mut self, at: usize) {
        #[cfg(mutant)]
        if consensus::mutant::on(consensus::mutant::Mutant::OldIdAfterWipe) {
            return self.nodes[at].form_again();
        }
        self.watch.bury(&self.nodes[at]);
        self.nodes[at].give_log_up();
    }

    /// The process runs without a log.
    pub(super) fn begin_asking(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        node.boots += 1;
        node.asking = Some(self.rng.random_range(1..=u64::MAX));
        let who = Who { node: at, boot: node.boots };
        self.after(0, Event::AskToJoin(who));
    }

    /// Asks every peer, again and again.
    pub(super) fn ask_to_join(&mut self, who: Who) {
        let Some(token) = self.nodes[who.node].asking else { return };
        for to in self.places().filter(|to| *to != who.node) {
            for way in self.net.ways(&mut self.rng, who.node, to) {
                self.after(way, Event::JoinAsked { to, from: who, token });
            }
        }
        self.after(ASK_US, Event::AskToJoin(who));
    }

    pub(super) fn on_join_asked(&mut self, at: usize, from: Who, token: u64) {
        let Some(life) = &mut self.nodes[at].life else { return };
        life.joins.insert(from.node, (from, token));
        self.answer_joins(at);
    }

    /// Tells a waiting node its id once the change is committed; a refused node asks again.
    pub(super) fn answer_joins(&mut self, at: usize) {
        let (now, mode) = (self.now, self.mode);
        let waiting = self.nodes[at].life.as_mut().map(|life| std::mem::take(&mut life.joins));
        for (asking, (to, token)) in waiting.into_iter().flatten() {
            let Some(life) = &mut self.nodes[at].life else { return };
            let heard = life.heard.get(&asking).map(|heard| heard.at_us).max(life.given.get(&asking).copied());
            if heard.is_some_and(|heard| now - heard < SILENT_US) {
                continue; // the node's old id still speaks, or has just been replaced
            }
            match life.core.admit(asking as u16 + 1, mode.kind(asking), token) {
                Ok(None) => drop(life.joins.insert(asking, (to, token))),
                Ok(Some(id)) => {
                    life.given.insert(asking, now);
                    self.tell_admitted(at, to, id, token);
                }
                Err(_) => {}
            }
        }
    }

    fn tell_admitted(&mut self, at: usize, to: Who, id: RaftId, token: u64) {
        let epoch = self.nodes[at].epoch;
        for way in self.net.ways(&mut self.rng, at, to.node) {
            self.after(way, Event::Admitted { to, id, token, epoch });
        }
    }

    /// Begins under the new id, unless the process ends in the middle of that: then no node ever speaks under this id.
    pub(super) fn on_admitted(&mut self, at: usize, id: RaftId, token: u64, epoch: u64) {
        debug_assert_eq!(place(id), at, "an id of this node");
        if self.nodes[at].asking != Some(token) {
            return;
        }
        if !self.plan.calm && self.rng.random_ratio(1, 6) {
            return self.end_process(at, false);
        }
        if self.nodes[at].life.is_some() {
            self.die(at, true); // the process ran on an old disk, silent, until the group gave the node an id
        }
        self.watch.an_id_stands_for_one_log(id);
        self.forget_confirmations(at);
        self.nodes[at].begin_as(id, epoch);
        self.start(at);
    }
}
