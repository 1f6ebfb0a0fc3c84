//! The faults of a run and their times: drawn from the seed, within the losses that the group promises to survive.
//!
//! A disk is lost only while every other node is whole, and a store only while another data node has one. Every seed has
//! faults of its own liking, so that rare ones meet each other. Called by `world`.

use ocs_proto::peer::ConfState;
use rand::{Rng, rngs::StdRng, seq::IndexedRandom};

use super::{
    clients::Answer,
    disks,
    event::{Event, Who},
    net::Net,
    node::{Asked, Mode, Node, PLACES_MAX},
    state::SimState,
    upgrade::RulesPlan,
    world::World,
};

/// Length of the time of faults in most seeds and in some, microseconds.
const FAULTS_US: u64 = 7_000_000;
const FAULTS_LONG_US: u64 = 21_000_000;
/// Entries kept and entries worth forgetting: usual counts, and those of a log that nears its limit.
const USUAL: (u64, u64) = (12, 8);
const PRESSED: (u64, u64) = (0, 1);

/// A disk hangs for at least so long, microseconds: long enough for its node to hand over.
const HANG_US: u64 = 3_500_000;

/// The newest part of a log, bytes.
const NEWEST_BYTES: u64 = 8 * 1024;

/// A fault of the group, or the end of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// One direction between two nodes is cut, or mended.
    Cut { from: usize, to: usize, cut: bool },
    /// The network gets better again.
    CalmNet,
    /// There is room on the disk again.
    Room(usize),
    /// A process ends once more, and so many times after that.
    Flap(usize, u32),
    /// Frames to a node are held back from the moment when the node knows its leader.
    HoldBack(usize),
    /// An older copy of a node's disk is put in its place.
    OldDisk(usize),
    /// An operator puts the newest disk back.
    NewestDisk(usize),
    /// The process ends, and frames on their way reach the next process.
    EndBeforeAnswers(usize, u64),
    /// Frames to a node are on time again.
    InTime(usize),
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
    HungDisk,
    SlowApply,
    StoreLost,
    BitFlip,
    DiskLost,
    ClockJump,
    TwoClocksJump,
    Switchover,
    Flaky,
    Flapping,
    LateAnswers,
    StateWrong,
    PauseFailover,
    OldDisk,
    ForcePrimary,
}

const KINDS: [(Kind, u32); 27] = [
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
    (Kind::HungDisk, 3),
    (Kind::SlowApply, 2),
    (Kind::StoreLost, 4),
    (Kind::BitFlip, 2),
    (Kind::DiskLost, 4),
    (Kind::ClockJump, 3),
    (Kind::TwoClocksJump, 1),
    (Kind::Switchover, 3),
    (Kind::Flaky, 2),
    (Kind::Flapping, 2),
    (Kind::LateAnswers, 4),
    (Kind::StateWrong, 4),
    (Kind::PauseFailover, 3),
    (Kind::OldDisk, 5),
    FORCE_PRIMARY,
];

/// Every seed with a pair likes this fault: there a forced primary is the only way out.
const FORCE_PRIMARY: (Kind, u32) = (Kind::ForcePrimary, 6);

/// The faults and the settings of a seed.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) mode: Mode,
    /// States become wrong: nodes compare theirs.
    pub(super) spoils: bool,
    kinds: Vec<(Kind, u32)>,
    /// Pause between faults, microseconds.
    pause_us: u64,
    /// Length of the time of faults, microseconds.
    pub(super) lasts_us: u64,
    /// Entries that are kept though every node has them, and entries that are worth forgetting: few, so that much is forgotten.
    pub(super) keep: (u64, u64),
    /// No more faults.
    pub(super) calm: bool,
    /// Drift of each node's ticks, parts in a million.
    pub(super) drift_ppm: [i64; PLACES_MAX],
    /// Drift of each node's clocks, parts in a million.
    pub(super) clock_ppm: [i64; PLACES_MAX],
    /// The one clock that jumps; none: any does.
    odd_clock: Option<usize>,
    /// How often the state is made durable, microseconds.
    pub(super) persist_us: u64,
    loss: u32,
    doubled: u32,
    pub(super) rules: RulesPlan,
    /// Frames that come shortly after each other are one event for their node.
    pub(super) joins_frames: bool,
    /// Faults so far, for the report.
    pub(super) befallen: u64,
}

impl Plan {
    pub(super) fn draw(rng: &mut StdRng) -> Self {
        let liked = rng.random_range(2..=KINDS.len());
        let mut kinds: Vec<(Kind, u32)> = KINDS.choose_multiple(rng, liked).copied().collect();
        let noisy = rng.random_ratio(1, 3);
        let mode = match rng.random_range(0..10) {
            0..7 => Mode::Witness,
            7..9 => Mode::Three,
            _ => Mode::Pair,
        };
        if mode == Mode::Pair && !kinds.contains(&FORCE_PRIMARY) {
            kinds.push(FORCE_PRIMARY);
        }
        let joins_frames = rng.random_ratio(1, 4);
        // a node that leads alone forgets entries that a later voter needs: rare, unless the seed forgets much
        let pressed = if kinds.contains(&FORCE_PRIMARY) { 3 } else { 1 };
        Self {
            mode,
            spoils: kinds.iter().any(|(kind, _)| *kind == Kind::StateWrong),
            kinds,
            pause_us: rng.random_range(150_000..1_500_000),
            lasts_us: if rng.random_ratio(1, 16) { FAULTS_LONG_US } else { FAULTS_US },
            keep: if rng.random_ratio(pressed, 4) { PRESSED } else { USUAL },
            calm: false,
            drift_ppm: std::array::from_fn(|_| rng.random_range(-50_000..50_000)),
            clock_ppm: std::array::from_fn(|_| rng.random_range(-5_000..5_000)),
            odd_clock: rng.random_ratio(2, 3).then(|| rng.random_range(0..mode.nodes())),
            persist_us: rng.random_range(100_000..1_500_000),
            loss: if noisy { rng.random_range(0..30) } else { 0 },
            doubled: match (joins_frames, noisy) {
                (true, _) => rng.random_range(0..400), // answers that come again, beside new ones
                (_, true) => rng.random_range(0..30),
                _ => 0,
            },
            rules: RulesPlan::draw(rng),
            joins_frames,
            befallen: 0,
        }
    }

    /// Whether disks are put back from older copies.
    pub(super) fn likes_old_disks(&self) -> bool {
        !self.calm && self.kinds.iter().any(|(kind, _)| *kind == Kind::OldDisk)
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
            let at = self.rng.random_range(self.places());
            self.begin(kind, at);
        }
        let pause_us = self.rng.random_range(self.plan.pause_us / 10..self.plan.pause_us * 2);
        self.after(pause_us, Event::NextFault);
    }

    fn begin(&mut self, kind: Kind, at: usize) {
        let nodes = self.mode.nodes();
        let other = (at + self.rng.random_range(1..nodes)) % nodes;
        let lasts_us = self.rng.random_range(100_000..4_000_000);
        match kind {
            Kind::Isolate => self.places().filter(|peer| *peer != at).for_each(|peer| {
                self.cut_for(at, peer, lasts_us);
                self.cut_for(peer, at, lasts_us);
            }),
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
            Kind::Pause => {
                self.nodes[at].paused_until = self.now + lasts_us;
                self.watch.stopped_us += lasts_us;
            }
            Kind::Kill => self.end_process(at, true),
            Kind::PowerCut => self.end_process(at, false),
            Kind::PowerCutAll => self.places().for_each(|at| self.end_process(at, false)),
            Kind::SyncFails => self.nodes[at].disk.fail_next_sync(),
            Kind::WriteFails => self.nodes[at].disk.fail_next_write(),
            Kind::FullDisk => {
                let used = self.nodes[at].disk.used();
                self.nodes[at].disk.set_capacity(Some(used));
                self.after(lasts_us, Event::Fault(Fault::Room(at)));
            }
            Kind::SlowDisk => self.nodes[at].slow_until = self.now + lasts_us,
            Kind::HungDisk => self.nodes[at].hung_until = self.now + HANG_US + lasts_us / 2,
            Kind::SlowApply => self.nodes[at].sluggish_until = self.now + lasts_us,
            Kind::StoreLost => self.lose_store(at),
            Kind::BitFlip => self.flip(at),
            Kind::DiskLost => self.lose_disk(at),
            Kind::ClockJump => self.jump(&[self.plan.odd_clock.unwrap_or(at)]),
            Kind::TwoClocksJump => match self.plan.odd_clock {
                Some(odd) => self.jump(&[odd]),
                None => self.jump(&[at, other]),
            },
            Kind::Switchover => self.switch_over(),
            Kind::StateWrong => self.spoil(at % self.mode.data_nodes()),
            Kind::PauseFailover => self.begin_pause(lasts_us),
            Kind::OldDisk => self.age_disk(at),
            Kind::ForcePrimary => self.force_primary(at % self.mode.data_nodes(), lasts_us),
            Kind::LateAnswers => self.answer_late(at % self.mode.data_nodes()),
            Kind::Flapping => {
                self.net.jitter_us = self.rng.random_range(1_000..200_000);
                self.after(lasts_us, Event::Fault(Fault::CalmNet));
                self.flap(at, 6);
            }
            Kind::Flaky => {
                if let Some(life) = &self.nodes[at].life {
                    let who = Who { node: at, boot: life.boot };
                    self.after(0, Event::PeerLost { who, peer: other, refused: self.moment.is_multiple_of(2) });
                }
            }
        }
    }

    /// The wall clocks of some nodes jump together, or back to the right time.
    fn jump(&mut self, places: &[usize]) {
        let far_us = if self.rng.random_ratio(1, 2) { 3_600_000_000 } else { 4_000_000 };
        let jump_us = self.rng.random_range(-far_us..far_us);
        let jump_us = if self.rng.random_ratio(1, 3) { 0 } else { jump_us };
        for at in places {
            self.nodes[*at].wall_offset_us = jump_us;
            self.watch.odd_clocks.insert(*at);
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
            Fault::Flap(at, more) => self.flap(at, more),
            Fault::HoldBack(at) => self.hold_back(at),
            Fault::OldDisk(at) if !self.plan.calm => self.age_disk(at),
            Fault::OldDisk(_) => {}
            Fault::NewestDisk(at) => self.put_newest_back(at),
            Fault::EndBeforeAnswers(at, late_us) => {
                self.end_for_a_moment(at);
                let over_us = late_us + self.rng.random_range(0..400_000);
                self.after(over_us, Event::Fault(Fault::InTime(at)));
            }
            Fault::InTime(at) => self.net.late_us[at] = 0,
            Fault::Room(at) => self.nodes[at].disk.set_capacity(None),
        }
    }

    /// A process ends without a word: killed, or with its machine's power, which can also fail where no process runs.
    pub(super) fn end_process(&mut self, at: usize, killed: bool) {
        if !self.nodes[at].runs() {
            if !killed {
                self.nodes[at].disk.crash_seeded(self.rng.random());
            }
            return;
        }
        self.die(at, killed);
        let down_us = if self.rng.random_ratio(1, 2) { 100_000 } else { 4_000_000 };
        let down_us = self.rng.random_range(20_000..down_us);
        self.after(down_us, Event::Start(at));
    }

    /// A process that ends soon after each start, while messages take their time.
    fn flap(&mut self, at: usize, more: u32) {
        if self.nodes[at].runs() {
            self.die(at, true);
            let down_us = self.rng.random_range(5_000..60_000);
            self.after(down_us, Event::Start(at));
        }
        if more > 0 && !self.plan.calm {
            let again_us = self.rng.random_range(80_000..400_000);
            self.after(again_us, Event::Fault(Fault::Flap(at, more - 1)));
        }
    }

    /// The next process gets the answer to the first question of the process before, and has asked as many questions: a start
    /// must make questions unique (R5 leader-is-not-primary). Begins with a start, since only first questions can be mistaken
    /// for each other.
    fn answer_late(&mut self, at: usize) {
        if self.nodes[at].life.is_some() {
            self.end_for_a_moment(at);
            self.after(0, Event::Fault(Fault::HoldBack(at)));
        }
    }

    fn hold_back(&mut self, at: usize) {
        let leader = self.nodes[at].life.as_ref().map_or(0, |life| life.core.leader());
        if self.plan.calm || leader == self.nodes[at].id {
            return;
        }
        if leader == 0 {
            return self.after(1_000, Event::Fault(Fault::HoldBack(at)));
        }
        let late_us = self.rng.random_range(200_000..700_000);
        self.net.late_us[at] = late_us;
        let end_us = self.rng.random_range(5_000..150_000);
        self.after(end_us, Event::Fault(Fault::EndBeforeAnswers(at, late_us)));
    }

    /// A process ends, and is started again at once.
    fn end_for_a_moment(&mut self, at: usize) {
        if self.nodes[at].runs() {
            self.die(at, true);
            let down_us = self.rng.random_range(5_000..150_000);
            self.after(down_us, Event::Start(at));
        }
    }

    /// As [`World::end_process`], without a restart.
    pub(super) fn die(&mut self, at: usize, killed: bool) {
        let node = &mut self.nodes[at];
        node.asking = None;
        if node.paused_until > self.now {
            node.unread_at = node.paused_until;
        }
        if self.rng.random_ratio(1, 2) {
            node.leave_in_doubt();
        }
        let Some(life) = node.life.take() else { return };
        if killed {
            node.disk.kill();
            if let Some(state) = life.state.filter(|_| self.rng.random_ratio(1, 2)) {
                node.store = Some(state); // the machine may still hold the writes of the process
            }
        } else {
            node.disk.crash_seeded(self.rng.random());
        }
        let reads = life.asked.values().chain(life.reads.iter().map(|(_, asked)| asked));
        let reads = reads.filter_map(|asked| match asked {
            Asked::Read { operation, .. } => Some(*operation),
            Asked::Role { .. } | Asked::Paused { .. } => None,
        });
        let updates = life.submissions.values().map(|submission| submission.operation);
        let broken: Vec<u64> = reads.chain(updates).collect();
        broken.into_iter().for_each(|operation| self.answer_client(operation, Answer::Reset));
        if killed {
            self.tell_peers(at);
        }
    }

    /// The streams of a killed process end, and connections to its port are refused.
    fn tell_peers(&mut self, gone: usize) {
        for at in self.places().filter(|at| *at != gone) {
            let Some(life) = self.nodes[at].life.as_ref().filter(|_| self.net.connected(gone, at)) else { continue };
            let who = Who { node: at, boot: life.boot };
            let (way_us, refused) = (self.rng.random_range(500..5_000), self.rng.random_ratio(4, 5));
            self.after(way_us, Event::PeerLost { who, peer: gone, refused });
        }
    }

    /// A data node whose log ends in stale entries: others were applied at their indexes.
    fn overtaken_one(&self) -> Option<usize> {
        let last = |at: &usize| self.nodes[*at].synced.terms.last_key_value();
        let overtaken =
            |(index, term): (&u64, &u64)| self.watch.term_applied(*index).is_some_and(|other| other != *term);
        (0..self.mode.data_nodes()).find(|at| self.nodes[*at].life.is_some() && last(at).is_some_and(overtaken))
    }

    /// Where a loss hurts most, whatever the seed likes: a store that is fetched anew beside a log that must be overwritten.
    fn lose_store_of_overtaken(&mut self) {
        let Some(at) = self.overtaken_one().filter(|_| !self.plan.calm) else { return };
        self.lose_store(at);
        if !self.nodes[at].runs() {
            self.net.late_us[at] = self.rng.random_range(0..600_000); // the state is there before its leader is heard
            self.after(2_000_000, Event::Fault(Fault::InTime(at)));
        }
    }

    /// The membership by which a node would live if its process started now: the newest one that its disk knows to be
    /// committed. None: a lost disk.
    fn lives_by(&self, node: &Node) -> Option<&ConfState> {
        let store = node.store.as_ref().map_or(0, |state| state.mark.index);
        let known = node.synced.hard_state.commit.max(node.synced.start.index).max(store);
        let memberships = (!node.disk_gone()).then(|| self.watch.memberships.range(..=known))?;
        memberships.map(|(_, conf)| conf).next_back()
    }

    /// Whether a node's log can be trusted, and the node counts in every majority, by every membership by which any node lives:
    /// memberships differ while a node is replaced.
    pub(super) fn whole(&self, node: &Node) -> bool {
        let votes = |ids: &[u64]| ids.is_empty() || ids.contains(&node.id);
        let counts = |conf: &ConfState| votes(&conf.voters) && votes(&conf.voters_outgoing);
        let known = self.nodes.iter().filter_map(|node| self.lives_by(node));
        !node.disk_gone() && !node.flipped && known.chain([self.watch.membership()]).all(counts)
    }

    /// Whether the others decide without a node, by every membership by which any of them lives. A lost disk counts as lost
    /// until all of them know of its replacement: until then that loss is the single one that the contract covers.
    pub(super) fn spares_node(&self, gone: usize) -> bool {
        let left = || self.nodes.iter().filter(|node| node.at != gone && !node.disk_gone());
        let decide = |ids: &[u64]| disks::majority(ids, |id| left().any(|node| node.id == *id));
        // a node lives by its applied membership, though its disk may not know that entry committed yet
        let mut known = left().filter_map(|node| self.lives_by(node)).chain([self.watch.membership()]);
        self.mode == Mode::Pair || known.all(|conf| decide(&conf.voters) && decide(&conf.voters_outgoing))
    }

    /// Whether the group can lose one node's state: with three full copies each node forgets its log by its own state.
    pub(super) fn spares_state(&self, at: usize) -> bool {
        let mut others = self.nodes.iter().filter(|other| other.at != at && other.is_data());
        others.all(|other| self.whole(other) && other.has_state())
    }

    /// Whether the group can lose one node's disk (architecture, What loses what).
    pub(super) fn spares_disk(&self, at: usize) -> bool {
        let others = self.nodes.iter().filter(|node| node.at != at);
        self.mode != Mode::Pair && others.into_iter().all(|node| self.whole(node)) && self.spares_state(at)
    }

    /// A data node's store is damaged; the log is not.
    fn lose_store(&mut self, at: usize) {
        let node = &self.nodes[at];
        if !node.is_data() || !self.whole(node) || !self.spares_state(at) {
            return;
        }
        self.end_process(at, true);
        (self.nodes[at].store, self.nodes[at].doubted) = (Some(SimState::lost()), false);
    }

    /// A machine comes back with an empty disk, as often as the others can spare its content.
    fn lose_disk(&mut self, at: usize) {
        if self.nodes[at].disk_gone() || !self.spares_disk(at) {
            return;
        }
        self.end_process(at, false);
        self.lose_log(at);
        self.nodes[at].evidence = Default::default();
        self.forget_confirmations(at);
    }

    /// A bit of a log flips while the process is down. The next start reports the damage, or the bit hit nothing that counts.
    fn flip(&mut self, at: usize) {
        if self.nodes[at].disk_gone() || self.nodes[at].flipped || !self.spares_disk(at) {
            return;
        }
        self.end_process(at, true);
        let disk = &self.nodes[at].disk;
        let Ok(names) = raft_log::Disk::list(disk) else { return };
        let Some(name) = names.choose(&mut self.rng) else { return };
        let bytes = disk.contents(name).unwrap_or_default();
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0) as u64;
        // the newest part hurts most: there damage and a torn write look alike
        let newest = if self.rng.random_ratio(1, 2) { used.saturating_sub(NEWEST_BYTES) } else { 0 };
        let (offset, bit) = (self.rng.random_range(newest..=used), self.rng.random_range(0..8));
        self.nodes[at].flipped = disk.flip(name, offset, bit);
    }

    pub(super) fn switch_over(&mut self) {
        for at in 0..self.mode.data_nodes() {
            let Some(life) = self.nodes[at].life.as_mut().filter(|life| life.core.leads()) else { continue };
            let able = life.core.members().into_iter().map(|(id, _)| id);
            if let Some(to) = able.into_iter().find(|id| life.core.eligible(*id).is_ok()) {
                let _ = life.core.transfer(to, "planned"); // a refusal changes nothing
            }
            let who = Who { node: at, boot: life.boot };
            self.after(0, Event::Wake(who));
        }
    }

    /// Everything works again, but for the clocks.
    pub(super) fn calm_down(&mut self) {
        self.plan.calm = true;
        self.net = Net::default();
        let hung = |(at, node): (usize, &Node)| {
            let boot = node.life.as_ref().filter(|_| node.hung_until > self.now)?.boot;
            Some(Who { node: at, boot })
        };
        let hung: Vec<Who> = self.nodes.iter().enumerate().filter_map(hung).collect();
        hung.into_iter().for_each(|who| self.after(0, Event::Disk(who)));
        for node in &mut self.nodes {
            node.disk.set_capacity(None);
            (node.slow_until, node.hung_until, node.sluggish_until) = (0, 0, 0);
        }
        self.places().for_each(|at| self.put_newest_back(at));
        self.places().for_each(|at| self.go_on(at));
    }
}
