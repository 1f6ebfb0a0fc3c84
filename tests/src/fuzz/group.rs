//! Three cores on disks in memory: data nodes 1 and 2, witness 3. This harness executes a driver's output, in the order that
//! the input says.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use consensus::{
    Kind, RaftId, bounds,
    core::{Core, CoreConfig, DiskContents, Write, genesis},
};
use ocs_proto::peer::{ConfState, Entry, Head, PeerFrame, RaftMessage, SnapshotMark};
use raft_log::{Log, LogConfig, MemDisk};

use super::{
    Reached,
    input::Input,
    message::{self, Target},
};

const CLUSTER: [u8; 16] = [7; 16];
const IDS: [RaftId; 3] = [1, 2, 3];
const WITNESS: RaftId = 3;
/// Frames that wait; further ones are lost, as in a transport.
const WIRE_FRAMES_MAX: usize = 64;
/// Commands in the log before the first lie.
const COMMANDS: usize = 5;
/// Rounds of ticks within which a group elects and applies.
const TICKS_MAX: usize = 400;

fn kind(id: RaftId) -> Kind {
    if id == WITNESS { Kind::Witness } else { Kind::Data }
}

fn log_config() -> LogConfig {
    LogConfig { cluster: CLUSTER, node: 0, segment_bytes: 64 * 1024, prepare_ahead: false }
}

struct Node {
    disk: MemDisk,
    log: Log<MemDisk>,
    core: Core<MemDisk>,
    writes: VecDeque<Write>,
    to_apply: VecDeque<Entry>,
    memberships: BTreeMap<u64, ConfState>,
    /// Up to where the state is; durable at once.
    state: SnapshotMark,
    /// A state that is wanted at this index or later.
    wanted: Option<u64>,
    starts: u64,
    led: bool,
}

pub(super) struct FuzzGroup {
    nodes: Vec<Node>,
    wire: VecDeque<PeerFrame>,
    reached: Reached,
}

impl Node {
    fn new(id: RaftId) -> Self {
        let (mark, hard_state) = genesis(&IDS);
        let disk = MemDisk::new();
        drop(Log::create(disk.clone(), log_config(), mark.clone(), hard_state).expect("a new log"));
        Self::start(id, disk, mark, 1)
    }

    fn start(id: RaftId, disk: MemDisk, state: SnapshotMark, starts: u64) -> Self {
        let (log, recovered) = Log::open(disk.clone(), log_config()).expect("a log that was written opens again");
        let known = if kind(id) == Kind::Witness { SnapshotMark::default() } else { state.clone() };
        let found = DiskContents {
            reader: log.reader(),
            start: recovered.start,
            hard_state: recovered.hard_state,
            state: known,
            starts: None,
        };
        let config = CoreConfig {
            id,
            kinds: IDS.map(|id| (id, kind(id))).to_vec(),
            heartbeat_ticks: 2,
            election_ticks_min: 10,
            election_ticks_max: 20,
            seed: id * 1000 + starts,
            boot: starts,
            cache_bytes_max: 4096,
        };
        let core = Core::new(config, found);
        let memberships = [(state.index, core.conf_state())].into();
        let (writes, to_apply) = (VecDeque::new(), VecDeque::new());
        Self { disk, log, core, writes, to_apply, memberships, state, wanted: None, starts, led: false }
    }

    fn target(&self) -> Target {
        let (first, last, _) = self.core.log_range();
        Target {
            id: self.core.id(),
            term: self.core.term(),
            leader: self.core.leader(),
            commit: self.core.commit(),
            last,
            first,
        }
    }

    fn apply_one(&mut self) -> bool {
        let Some(entry) = self.to_apply.pop_front() else { return false };
        if entry.index > self.state.index {
            let held = self.memberships.range(..=entry.index).next_back();
            let conf_state = held.map(|(_, conf_state)| conf_state.clone());
            self.state = SnapshotMark { index: entry.index, term: entry.term, conf_state };
        }
        self.core.on_applied(self.state.index);
        true
    }
}

impl FuzzGroup {
    /// A group with a leader and some commands applied.
    pub(super) fn working() -> Self {
        let nodes = IDS.map(Node::new).into();
        let mut group = Self { nodes, wire: VecDeque::new(), reached: Reached::default() };
        let mut proposed = 0;
        for _ in 0..TICKS_MAX {
            if proposed == COMMANDS && group.nodes.iter().all(|node| node.core.commit() > COMMANDS as u64) {
                break;
            }
            group.tick();
            proposed += usize::from(proposed < COMMANDS && group.propose());
            group.settle();
        }
        assert!(group.nodes.iter().all(|node| node.core.refused() == 0), "a core refused what a core sent");
        group
    }

    pub(super) fn reached(&self) -> Reached {
        let refused = self.nodes.iter().map(|node| node.core.refused()).sum::<u64>();
        Reached { refused: self.reached.refused + refused, ..self.reached }
    }

    /// One decision of the input.
    pub(super) fn step(&mut self, input: &mut Input<'_>) {
        match input.byte() {
            0..90 => self.lie(input),
            90..130 => self.deliver(Some(input)),
            130..170 => self.deliver(None),
            170..200 => {
                let at = input.below(3);
                self.work(at);
            }
            200..215 => self.settle(),
            215..230 => self.tick(),
            230..238 => drop(self.propose()),
            238..244 => self.ask(input),
            244..248 => self.lose(input),
            248..251 => self.fetch(input),
            _ => {
                let at = input.below(3);
                self.start(at);
            }
        }
    }

    /// Every process ends and starts from its disk: no content of a disk may end the next start.
    pub(super) fn start_all(&mut self) {
        self.settle();
        (0..3).for_each(|at| self.start(at));
        for _ in 0..30 {
            self.tick();
            self.settle();
        }
    }

    /// A frame in another node's name.
    fn lie(&mut self, input: &mut Input<'_>) {
        let at = input.below(3);
        let target = self.nodes[at].target();
        let from = match input.byte() {
            0..120 if target.leader != 0 => target.leader,
            0..240 => input.pick(&IDS),
            _ => message::id(input),
        };
        let head = message::head(input, &target, from);
        let messages = (0..=input.below(3)).map(|_| message::message(input, &target, from)).collect();
        self.give(at, PeerFrame { head: Some(head), messages, ..PeerFrame::default() });
    }

    /// Delivers the next frame, unchanged or with a changed field.
    fn deliver(&mut self, lie: Option<&mut Input<'_>>) {
        let Some(mut frame) = self.wire.pop_front() else { return };
        let Some(to) = frame.messages.first().map(|message| message.to) else { return };
        let Some(at) = IDS.iter().position(|id| *id == to) else { return };
        if let Some(input) = lie {
            let target = self.nodes[at].target();
            frame.messages.iter_mut().for_each(|message| message::mutate(input, &target, message));
        }
        self.give(at, frame);
    }

    /// Follows the node's guard and driver.
    fn give(&mut self, at: usize, frame: PeerFrame) {
        self.reached.frames += 1;
        if frame.head.as_ref().is_none_or(|head| bounds::head(head).is_err()) {
            self.reached.refused += 1;
            return;
        }
        self.nodes[at].core.step(frame);
        self.collect(at);
    }

    fn collect(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let output = node.core.output();
        node.memberships.extend(node.core.take_memberships());
        node.writes.extend(output.writes);
        node.to_apply.extend(output.apply);
        node.wanted = output.fetch.or(node.wanted);
        let leads = node.core.leads();
        self.reached.reigns += u64::from(leads && !node.led);
        node.led = leads;
        self.send(at, output.messages);
    }

    fn send(&mut self, at: usize, messages: Vec<RaftMessage>) {
        let core = &self.nodes[at].core;
        let head = Head { from: core.id(), term: core.term(), data_durable: core.data_durable(), ..Head::default() };
        let room = WIRE_FRAMES_MAX.saturating_sub(self.wire.len());
        for message in messages.into_iter().take(room) {
            self.wire.push_back(PeerFrame {
                head: Some(head.clone()),
                messages: vec![message],
                ..PeerFrame::default()
            });
        }
    }

    /// One write or one entry applied.
    fn work(&mut self, at: usize) -> bool {
        let node = &mut self.nodes[at];
        if let Some(write) = node.writes.pop_front() {
            node.log.append(&write.batch).expect("the disk has room and works");
            node.core.on_written(write.number);
            self.send(at, write.then);
            self.collect(at);
            return true;
        }
        let applied = node.apply_one();
        if applied {
            self.collect(at);
        }
        applied
    }

    /// Delivers, writes and applies everything that is pending, within bounds.
    fn settle(&mut self) {
        for _ in 0..200 {
            self.deliver(None);
            let worked = (0..3).filter(|at| self.work(*at)).count();
            if worked == 0 && self.wire.is_empty() {
                return;
            }
        }
    }

    fn tick(&mut self) {
        for at in 0..3 {
            self.nodes[at].core.tick();
            self.collect(at);
        }
    }

    fn propose(&mut self) -> bool {
        let Some(at) = self.nodes.iter().position(|node| node.core.serving()) else { return false };
        let taken = self.nodes[at].core.propose(Bytes::from_static(b"command")).is_ok();
        self.collect(at);
        taken
    }

    fn ask(&mut self, input: &mut Input<'_>) {
        let at = input.below(3);
        self.nodes[at].core.ask(input.byte().into());
        self.collect(at);
    }

    fn lose(&mut self, input: &mut Input<'_>) {
        let (at, peer) = (input.below(3), message::id(input));
        if input.once_in(2) {
            self.nodes[at].core.on_refused(peer);
        } else {
            self.nodes[at].core.on_unreachable(peer);
        }
        self.collect(at);
    }

    /// A state that is wanted comes from the other data node, or from a liar.
    fn fetch(&mut self, input: &mut Input<'_>) {
        let at = input.below(2);
        let Some(wanted) = self.nodes[at].wanted.take() else { return };
        let target = self.nodes[at].target();
        let mark = if input.once_in(3) { message::mark(input, &target) } else { self.nodes[1 - at].state.clone() };
        let node = &mut self.nodes[at];
        let takes = mark.index >= wanted && mark.index > node.state.index && bounds::mark(&mark).is_ok();
        if takes {
            node.memberships.insert(mark.index, mark.conf_state.clone().unwrap_or_default());
            node.state = mark.clone();
            node.core.on_installed(mark);
        } else {
            node.core.on_fetch_failed();
        }
        self.collect(at);
    }

    fn start(&mut self, at: usize) {
        self.reached.starts += 1;
        let node = &self.nodes[at];
        self.reached.refused += node.core.refused();
        let (disk, state, starts) = (node.disk.clone(), node.state.clone(), node.starts + 1);
        disk.crash_seeded(starts);
        self.nodes[at] = Node::start(IDS[at], disk, state, starts);
        self.collect(at);
    }
}
