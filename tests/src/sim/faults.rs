//! What goes wrong, and when: drawn from the seed, within what the design promises to survive.
//!
//! At most one node's disk is ever lost, and a store only while the other data node has one. Every seed has faults of its
//! own liking, so that rare ones meet each other. Called by `world`.

use rand::{Rng, rngs::StdRng, seq::IndexedRandom};

use super::{
    clients::Answer,
    net::Net,
    node::{Asked, IDS, WITNESS},
    state::State,
    world::{Event, Who, World},
};

/// Something that befalls the group, or ends again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// One direction between two nodes is cut, or mended.
    Cut { from: usize, to: usize, cut: bool },
    /// The network gets better again.
    CalmNet,
    /// There is room on the disk again.
    Room(usize),
}

/// The kinds that a seed may like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Isolate,
    CutOneWay,
    CutPair,
    Noise,
    Pause,
    Kill,
    PowerCut,
    PowerCutAll,
    SyncFails,
    WriteFails,
    FullDisk,
    SlowDisk,
    StoreLost,
    BitFlip,
    ClockJump,
    Switchover,
    Flaky,
}

const KINDS: [(Kind, u32); 17] = [
    (Kind::Isolate, 5),
    (Kind::CutOneWay, 4),
    (Kind::CutPair, 4),
    (Kind::Noise, 3),
    (Kind::Pause, 4),
    (Kind::Kill, 5),
    (Kind::PowerCut, 5),
    (Kind::PowerCutAll, 2),
    (Kind::SyncFails, 2),
    (Kind::WriteFails, 1),
    (Kind::FullDisk, 2),
    (Kind::SlowDisk, 2),
    (Kind::StoreLost, 4),
    (Kind::BitFlip, 1),
    (Kind::ClockJump, 2),
    (Kind::Switchover, 3),
    (Kind::Flaky, 2),
];

/// What a seed likes.
#[derive(Debug)]
pub(super) struct Plan {
    kinds: Vec<(Kind, u32)>,
    /// Pause between faults, microseconds.
    pause_us: u64,
    /// No more faults.
    pub(super) calm: bool,
    /// Drift of each node's ticks, parts in a million.
    pub(super) drift_ppm: [i64; 3],
    /// How often the state is made durable, microseconds.
    pub(super) persist_us: u64,
    loss: u32,
    doubled: u32,
    /// How many befell, for the report.
    pub(super) befallen: u64,
}

impl Plan {
    pub(super) fn draw(rng: &mut StdRng) -> Self {
        let liked = rng.random_range(2..=KINDS.len());
        let kinds = KINDS.choose_multiple(rng, liked).copied().collect();
        let noisy = rng.random_ratio(1, 3);
        Self {
            kinds,
            pause_us: rng.random_range(150_000..1_500_000),
            calm: false,
            drift_ppm: std::array::from_fn(|_| rng.random_range(-50_000..50_000)),
            persist_us: rng.random_range(100_000..1_500_000),
            loss: if noisy { rng.random_range(0..30) } else { 0 },
            doubled: if noisy { rng.random_range(0..30) } else { 0 },
            befallen: 0,
        }
    }

    /// The network as it usually is under this seed.
    pub(super) fn net(&self) -> Net {
        Net { loss: self.loss, doubled: self.doubled, ..Net::default() }
    }
}

impl World {
    pub(super) fn next_fault(&mut self) {
        if self.plan.calm {
            return;
        }
        let kinds = std::mem::take(&mut self.plan.kinds);
        let kind = kinds.choose_weighted(&mut self.rng, |(_, weight)| *weight).map(|(kind, _)| *kind);
        self.plan.kinds = kinds;
        if let Ok(kind) = kind {
            self.plan.befallen += 1;
            let at = self.rng.random_range(0..3);
            self.begin(kind, at);
        }
        let pause_us = self.rng.random_range(self.plan.pause_us / 10..self.plan.pause_us * 2);
        self.after(pause_us, Event::NextFault);
    }

    fn begin(&mut self, kind: Kind, at: usize) {
        let (other, lasts_us) = ((at + self.rng.random_range(1..3)) % 3, self.rng.random_range(100_000..4_000_000));
        match kind {
            Kind::Isolate => {
                for peer in (0..3).filter(|peer| *peer != at) {
                    self.cut_for(at, peer, lasts_us);
                    self.cut_for(peer, at, lasts_us);
                }
            }
            Kind::CutOneWay => self.cut_for(at, other, lasts_us),
            Kind::CutPair => {
                self.cut_for(at, other, lasts_us);
                self.cut_for(other, at, lasts_us);
            }
            Kind::Noise => {
                self.net.loss = self.rng.random_range(0..400);
                self.net.doubled = self.rng.random_range(0..200);
                self.net.jitter_us = self.rng.random_range(0..300_000);
                self.after(lasts_us, Event::Fault(Fault::CalmNet));
            }
            Kind::Pause => self.nodes[at].paused_until = self.now + lasts_us,
            Kind::Kill => self.end_process(at, true),
            Kind::PowerCut => self.end_process(at, false),
            Kind::PowerCutAll => (0..3).for_each(|at| self.end_process(at, false)),
            Kind::SyncFails => self.nodes[at].disk.fail_next_sync(),
            Kind::WriteFails => self.nodes[at].disk.fail_next_write(),
            Kind::FullDisk => {
                let used = self.nodes[at].disk.used();
                self.nodes[at].disk.set_capacity(Some(used));
                self.after(lasts_us, Event::Fault(Fault::Room(at)));
            }
            Kind::SlowDisk => self.nodes[at].slow_until = self.now + lasts_us,
            Kind::StoreLost => self.lose_store(at),
            Kind::BitFlip => self.flip(at),
            Kind::ClockJump => {
                let jump_us = self.rng.random_range(-3_600_000_000..3_600_000_000_i64);
                self.nodes[at].wall_offset_us = if self.rng.random_ratio(1, 3) { 0 } else { jump_us };
            }
            Kind::Switchover => self.switch_over(),
            Kind::Flaky => {
                if let Some(life) = &self.nodes[at].life {
                    let who = Who { node: at, boot: life.boot };
                    self.after(0, Event::PeerLost { who, peer: other, refused: self.moment.is_multiple_of(2) });
                }
            }
        }
    }

    fn cut_for(&mut self, from: usize, to: usize, lasts_us: u64) {
        self.net.cut(from, to, true);
        self.after(lasts_us, Event::Fault(Fault::Cut { from, to, cut: false }));
    }

    pub(super) fn befall(&mut self, fault: Fault) {
        match fault {
            Fault::Cut { from, to, cut } => {
                self.net.cut(from, to, cut);
                self.lose_store_of_overtaken();
            }
            Fault::CalmNet => {
                let usual = self.plan.net();
                (self.net.loss, self.net.doubled, self.net.jitter_us) = (usual.loss, usual.doubled, usual.jitter_us);
            }
            Fault::Room(at) => self.nodes[at].disk.set_capacity(None),
        }
    }

    /// A process ends without a word: killed, or with its machine's power.
    pub(super) fn end_process(&mut self, at: usize, killed: bool) {
        if self.nodes[at].life.is_none() {
            return;
        }
        self.die(at, killed);
        let down_us = if self.rng.random_ratio(1, 2) { 100_000 } else { 4_000_000 };
        let down_us = self.rng.random_range(20_000..down_us);
        self.after(down_us, Event::Start(at));
    }

    /// As [`World::end_process`], and nobody starts it again.
    pub(super) fn die(&mut self, at: usize, killed: bool) {
        let node = &mut self.nodes[at];
        if self.rng.random_ratio(1, 2) {
            node.leave_in_doubt();
        }
        let Some(life) = node.life.take() else { return };
        if killed {
            node.disk.kill();
            if let Some(state) = life.state.filter(|_| self.rng.random_ratio(1, 2)) {
                node.store = Some(state); // what a process wrote, its machine may still hold
            }
        } else {
            node.disk.crash_seeded(self.rng.random());
        }
        let reads = life.asked.values().chain(life.reads.iter().map(|(_, asked)| asked));
        let reads = reads.filter_map(|asked| match asked {
            Asked::Read { operation, .. } => Some(*operation),
            Asked::Role { .. } => None,
        });
        let updates = life.submissions.values().map(|submission| submission.operation);
        let broken: Vec<u64> = reads.chain(updates).collect();
        broken.into_iter().for_each(|operation| self.answer_client(operation, Answer::Reset));
        if killed {
            self.tell_peers(at);
        }
    }

    /// The streams of a killed process end, and nobody listens at its port.
    fn tell_peers(&mut self, gone: usize) {
        for at in (0..3).filter(|at| *at != gone) {
            let Some(life) = self.nodes[at].life.as_ref().filter(|_| self.net.connected(gone, at)) else { continue };
            let who = Who { node: at, boot: life.boot };
            let (way_us, refused) = (self.rng.random_range(500..5_000), self.rng.random_ratio(4, 5));
            self.after(way_us, Event::PeerLost { who, peer: gone, refused });
        }
    }

    /// A data node whose log ends in entries in whose place others were applied.
    fn overtaken_one(&self) -> Option<usize> {
        let last = |at: &usize| self.nodes[*at].synced.terms.last_key_value();
        let overtaken =
            |(index, term): (&u64, &u64)| self.watch.term_applied(*index).is_some_and(|other| other != *term);
        (0..WITNESS).find(|at| self.nodes[*at].life.is_some() && last(at).is_some_and(overtaken))
    }

    /// Where a loss hurts most: a store that is fetched anew beside a log that must be overwritten.
    fn lose_store_of_overtaken(&mut self) {
        let liked = !self.plan.calm && self.plan.kinds.iter().any(|(kind, _)| *kind == Kind::StoreLost);
        if let Some(at) = self.overtaken_one().filter(|_| liked) {
            self.lose_store(at);
        }
    }

    /// A data node's store is damaged; its log is not.
    fn lose_store(&mut self, at: usize) {
        let other_stands = |other: usize| {
            let node = &self.nodes[other];
            !node.lost && !node.flipped && node.store.as_ref().is_some_and(|state| state.mark.index > 0)
        };
        if at == WITNESS || self.nodes[at].lost || !other_stands(WITNESS - 1 - at) {
            return;
        }
        self.end_process(at, true);
        self.nodes[at].store = Some(State::lost());
    }

    /// A bit of a log flips while its process is down. It says so at its next start, or nothing was hit that counts.
    fn flip(&mut self, at: usize) {
        let other = WITNESS.abs_diff(1 + at);
        let store_stands = |at: usize| self.nodes[at].store.as_ref().is_some_and(|state| state.mark.index > 0);
        if self.nodes.iter().any(|node| node.lost || node.flipped)
            || (at != WITNESS && !(other < WITNESS && store_stands(other)))
        {
            return;
        }
        if at != WITNESS && !store_stands(at) {
            return;
        }
        self.end_process(at, true);
        let disk = &self.nodes[at].disk;
        let Ok(names) = consensus::log::Disk::list(disk) else { return };
        let segments: Vec<&String> = names.iter().filter(|name| *name != "mark").collect();
        let Some(name) = segments.choose(&mut self.rng) else { return };
        let bytes = disk.contents(name).unwrap_or_default();
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0) as u64;
        let (offset, bit) = (self.rng.random_range(0..=used), self.rng.random_range(0..8));
        self.nodes[at].flipped = disk.flip(name, offset, bit);
    }

    /// A log that was corrupt: its node stays down, and nothing of it was changed.
    pub(super) fn lose_disk(&mut self, at: usize) {
        #[cfg(mutant)]
        if consensus::mutant::on(consensus::mutant::Mutant::OldIdAfterWipe) {
            self.nodes[at] = super::node::Node { boots: self.nodes[at].boots, ..super::node::Node::new(at, 0) };
            return self.start(at);
        }
        self.nodes[at].lost = true;
    }

    fn switch_over(&mut self) {
        for at in 0..WITNESS {
            let Some(life) = self.nodes[at].life.as_mut().filter(|life| life.core.leads()) else { continue };
            let _ = life.core.transfer(IDS[WITNESS - 1 - at]); // a refusal changes nothing
            let who = Who { node: at, boot: life.boot };
            self.after(0, Event::Wake(who));
        }
    }

    /// Everything works again; one node stays down if the others can do without it.
    pub(super) fn calm_down(&mut self) {
        self.plan.calm = true;
        self.net = Net::default();
        for node in &mut self.nodes {
            node.disk.set_capacity(None);
            (node.paused_until, node.slow_until, node.wall_offset_us) = (0, 0, 0);
        }
    }
}
