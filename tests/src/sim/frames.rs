//! Frames between the simulated nodes: what their heads tell, who hears them, and the trace that they leave.
//!
//! Called by `world`.

use std::collections::BTreeMap;

use bytes::Bytes;
use consensus::{RaftId, log::Disk};
use ocs_proto::peer::{Head, PeerFrame, RaftMessage};

use super::{
    event::Event,
    node::{CLUSTER, Heard, place},
    world::World,
};

impl World {
    pub(super) fn head(&self, at: usize) -> Head {
        let node = &self.nodes[at];
        let life = node.life.as_ref().expect("only who runs sends");
        Head {
            cluster: Bytes::from_static(&CLUSTER),
            from: node.id,
            incarnation: life.incarnation,
            data_durable: life.core.data_durable(),
            wall_clock_us: node.wall_us(self.now),
            term: life.core.term(),
            applied: life.core.applied(),
            disk_short_bytes: u64::from(life.no_room),
            ..Head::default()
        }
    }

    pub(super) fn send(&mut self, at: usize, messages: Vec<RaftMessage>) {
        if messages.is_empty() {
            return;
        }
        let head = self.head(at);
        let mut frames: BTreeMap<RaftId, Vec<RaftMessage>> = BTreeMap::new();
        for message in messages {
            frames.entry(message.to).or_default().push(message);
        }
        for (to, messages) in frames {
            self.transmit(at, place(to), PeerFrame { head: Some(head.clone()), messages });
        }
    }

    pub(super) fn transmit(&mut self, from: usize, to: usize, frame: PeerFrame) {
        for way in self.net.ways(&mut self.rng, from, to) {
            self.after(way, Event::Frame { to, frame: frame.clone() });
        }
    }

    pub(super) fn receive(&mut self, at: usize, frame: PeerFrame) {
        self.fold(at, &frame);
        let now = self.now;
        let Some(life) = &mut self.nodes[at].life else { return };
        let Some(head) = &frame.head else { return };
        let heard = Heard { at_us: now, wall_us: head.wall_clock_us, short: head.disk_short_bytes > 0 };
        life.heard.insert(place(head.from), heard);
        life.core.step(frame);
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
