//! Frames between the simulated nodes: the content of heads, the receivers, and the trace of frames and disks.
//!
//! Called by `world`.

use std::collections::BTreeMap;

use bytes::Bytes;
use consensus::{
    RaftId,
    members::{self, Epochs},
};
use ocs_proto::peer::{Head, PeerFrame, RaftMessage};
use raft_log::Disk;

use super::{
    contract, disks,
    event::Event,
    node::{CLUSTER, Heard, place},
    world::World,
};

/// Raft's message that makes its receiver ask for votes at once (eraftpb).
const TIMEOUT_NOW: u32 = 14;
/// Raft's message with entries for a follower's log (eraftpb).
const APPEND: u32 = 3;
/// Raft's answer to a request for votes, and that request (eraftpb).
pub(super) const VOTE: u32 = 6;
const REQUEST_VOTE: u32 = 5;

impl World {
    pub(super) fn head(&self, at: usize, to: RaftId) -> Head {
        let node = &self.nodes[at];
        let life = node.life.as_ref().expect("only who runs sends");
        let digest = life.care.digests.back();
        Head {
            cluster: Bytes::from_static(&CLUSTER),
            from: node.id,
            incarnation: life.incarnation,
            data_durable: life.core.data_durable(),
            wall_clock_us: node.wall_us(self.now),
            term: life.core.term(),
            applied: life.core.applied(),
            disk_short_bytes: u64::from(life.no_room),
            epoch: node.epoch,
            digest_index: digest.map_or(0, |(index, _)| *index),
            digest: digest.map(|(_, digest)| Bytes::copy_from_slice(&digest.to_be_bytes())).unwrap_or_default(),
            data_ready: !life.core.fetching(),
            vouched_index: life.care.repair.vouched(),
            members: life.core.members_to_tell(to),
            formats_min: consensus::FORMATS.0,
            formats_max: consensus::FORMATS.1,
            start: life.core.start_token().map(|token| Bytes::copy_from_slice(&token)).unwrap_or_default(),
            unconfirmed: !life.core.confirmed(),
            evidence: life.core.evidence_to_tell(),
            last_index: life.core.log_range().1,
            oldest_write_ms: life.core.write_age_ms(),
            ..Head::default()
        }
    }

    pub(super) fn send(&mut self, at: usize, messages: Vec<RaftMessage>) {
        if messages.is_empty() {
            return;
        }
        let mut frames: BTreeMap<RaftId, Vec<RaftMessage>> = BTreeMap::new();
        for message in messages {
            if message.kind == VOTE && !message.reject {
                disks::a_vote_leaves_when_it_is_durable(&self.nodes[at], &message);
            }
            if message.kind == APPEND {
                contract::an_append_follows_on_the_entry_that_it_names(&self.nodes[at], &message);
            }
            frames.entry(message.to).or_default().push(message);
        }
        for (to, messages) in frames {
            let head = Some(self.head(at, to));
            self.transmit(at, place(to), PeerFrame { head, messages, ..PeerFrame::default() });
        }
    }

    pub(super) fn transmit(&mut self, from: usize, to: usize, frame: PeerFrame) {
        if frame.start_check.is_some() && !self.may_be_asked(from, to) {
            return;
        }
        let leads = self.nodes[from].life.as_ref().is_some_and(|life| life.core.leads());
        if let Some(head) = frame.head.as_ref().filter(|_| leads) {
            self.watch.leader_told(head.term, head.data_durable);
        }
        // a start may be confirmed by another node than the one whose frames are late
        let spared_us = if frame.start_answer.is_some() { self.net.late_us[to] } else { 0 };
        for way in self.net.ways(&mut self.rng, from, to) {
            self.after(way - spared_us, Event::Frame { to, frame: frame.clone() });
        }
    }

    pub(super) fn receive(&mut self, at: usize, frame: PeerFrame) {
        self.fold(at, &frame);
        let now = self.now;
        let Some(head) = frame.head.clone().filter(|_| self.nodes[at].life.is_some()) else { return };
        match members::epochs(self.nodes[at].epoch, head.epoch) {
            Epochs::Same => contract::nothing_is_exchanged_across_epochs(&self.nodes[at], &head),
            Epochs::TheirsOver => return self.tell_epoch(at, place(head.from)),
            Epochs::OursOver => return self.give_up_for(at, head.epoch),
        }
        if members::replaced(self.nodes[at].id, &head.members) {
            return self.give_up(at);
        }
        if let Some(handed) = frame.messages.iter().find(|message| message.kind == TIMEOUT_NOW) {
            self.watch.hand_over(handed.term);
        }
        let Some(life) = &mut self.nodes[at].life else { return };
        if !head.unconfirmed {
            life.heard.insert(place(head.from), Heard::of(&head, now));
        }
        self.note_confirmation(at, &frame);
        self.note_vote(&frame);
        if frame.messages.iter().any(|message| message.kind == REQUEST_VOTE) {
            self.copy_before(at);
        }
        let Some(life) = &mut self.nodes[at].life else { return };
        life.core.step(frame);
        if life.core.leads() && life.core.is_former(head.from) {
            let told = Some(self.head(at, head.from));
            self.transmit(at, place(head.from), PeerFrame { head: told, ..PeerFrame::default() });
        }
    }

    /// A greeting, as a refused frame is answered with.
    pub(super) fn tell_epoch(&mut self, at: usize, to: usize) {
        let epoch = self.nodes[at].epoch;
        for way in self.net.ways(&mut self.rng, at, to) {
            self.after(way, Event::EpochTold { to, epoch });
        }
    }

    fn fold(&mut self, at: usize, frame: &PeerFrame) {
        let mut fold = |number: u64| self.trace = folded(self.trace, number);
        [self.now, at as u64].into_iter().for_each(&mut fold);
        for message in &frame.messages {
            let entries = message.entries.iter().map(|entry| u64::from(crc32c::crc32c(&entry.data)));
            let numbers = [u64::from(message.kind), message.from, message.term, message.index, message.commit];
            numbers.into_iter().chain(entries).for_each(&mut fold);
        }
    }

    /// Every byte of every disk, for the trace.
    pub(super) fn fold_disks(&mut self) {
        for disk in self.nodes.iter().map(|node| &node.disk) {
            for name in Disk::list(disk).expect("a disk in memory lists its files") {
                let bytes = disk.contents(&name).unwrap_or_default();
                self.trace = folded(folded(self.trace, bytes.len() as u64), crc32c::crc32c(&bytes).into());
            }
        }
    }
}

fn folded(trace: u64, number: u64) -> u64 {
    (trace.rotate_left(5) ^ number).wrapping_mul(0x517c_c1b7_2722_0a95)
}
