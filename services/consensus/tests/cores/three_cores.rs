//! Three cores on a disk and a network in memory, in one thread: everything that happens is drawn from a seed.
//!
//! Shows that the core takes time, randomness and the outside from nowhere else: the same seed gives the same trace. The
//! network loses, delays, reorders and doubles messages; nodes crash and lose unsynced bytes.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use consensus::{
    Kind, RaftRole,
    core::{Core, CoreConfig, DiskContents, Write, genesis},
};
use ocs_proto::peer::{Entry, Head, PeerFrame, RaftMessage, SnapshotMark};
use raft_log::{Log, LogConfig, MemDisk};
use rand::{Rng, SeedableRng, rngs::StdRng};

const STEPS: usize = 10_000;
const IDS: [u64; 3] = [1, 2, 3];
const WITNESS: u64 = 3;
const CLUSTER: [u8; 16] = [7; 16];

struct Node {
    disk: MemDisk,
    log: Log<MemDisk>,
    core: Core<MemDisk>,
    writes: VecDeque<Write>,
    to_apply: VecDeque<Entry>,
    /// Entries that the state behind the log has applied; kept over a crash, as in a durable store.
    state: BTreeMap<u64, Bytes>,
    applied: SnapshotMark,
    boots: u64,
}

struct World {
    rng: StdRng,
    nodes: Vec<Node>,
    wire: Vec<PeerFrame>,
    /// Leader by term: at most one.
    leaders: BTreeMap<u64, u64>,
    /// The entry that any node has applied at an index: the same everywhere, for ever.
    agreed: BTreeMap<u64, (u64, Bytes)>,
    trace: u64,
    proposals: u64,
}

fn config(id: u64, boot: u64) -> CoreConfig {
    CoreConfig {
        id,
        kinds: vec![(1, Kind::Data), (2, Kind::Data), (WITNESS, Kind::Witness)],
        heartbeat_ticks: 2,
        election_ticks_min: 10,
        election_ticks_max: 20,
        seed: id * 1000 + boot,
        boot,
        cache_bytes_max: 4096,
    }
}

fn log_config() -> LogConfig {
    LogConfig { cluster: CLUSTER, node: 0, segment_bytes: 64 * 1024, prepare_ahead: false }
}

impl Node {
    fn new(id: u64) -> Self {
        let disk = MemDisk::new();
        let (mark, hard_state) = genesis(&IDS);
        drop(Log::create(disk.clone(), log_config(), mark.clone(), hard_state).expect("a new log"));
        Self::boot(id, disk, BTreeMap::new(), mark, 1)
    }

    fn boot(id: u64, disk: MemDisk, state: BTreeMap<u64, Bytes>, applied: SnapshotMark, boots: u64) -> Self {
        let (log, recovered) = Log::open(disk.clone(), log_config()).expect("the log opens after any crash");
        let found = DiskContents {
            reader: log.reader(),
            start: recovered.start,
            hard_state: recovered.hard_state,
            state: if id == WITNESS { SnapshotMark::default() } else { applied.clone() },
            starts: None,
        };
        let core = Core::new(config(id, boots), found);
        Self { disk, log, core, writes: VecDeque::new(), to_apply: VecDeque::new(), state, applied, boots }
    }
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            nodes: IDS.iter().map(|id| Node::new(*id)).collect(),
            wire: Vec::new(),
            leaders: BTreeMap::new(),
            agreed: BTreeMap::new(),
            trace: 0,
            proposals: 0,
        }
    }

    fn note(&mut self, what: &str) {
        let folded = crc32c::crc32c_append((self.trace & 0xffff_ffff) as u32, what.as_bytes());
        self.trace = self.trace.rotate_left(7) ^ u64::from(folded);
    }

    fn step(&mut self) {
        let node = self.rng.random_range(0..3usize);
        match self.rng.random_range(0..100u32) {
            0..25 => self.tick(node),
            25..60 => self.deliver(),
            60..78 => self.write(node),
            78..88 => self.apply(node),
            88..99 => self.propose(node),
            _ if self.rng.random_ratio(1, 5) => self.crash(node),
            _ => {}
        }
    }

    fn tick(&mut self, at: usize) {
        self.nodes[at].core.tick();
        self.collect(at);
    }

    fn deliver(&mut self) {
        if self.wire.is_empty() {
            return;
        }
        let which = self.rng.random_range(0..self.wire.len().min(6));
        let frame = match self.rng.random_range(0..100u32) {
            0..3 => {
                self.wire.remove(which);
                return;
            }
            3..6 => self.wire[which].clone(),
            _ => self.wire.remove(which),
        };
        let to = (frame.messages[0].to - 1) as usize;
        self.note(&format!("{frame:?}"));
        self.nodes[to].core.step(frame);
        self.collect(to);
    }

    fn write(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let Some(write) = node.writes.pop_front() else { return };
        if !write.is_empty() {
            node.log.append(&write.batch).expect("the disk has room and works");
        }
        node.core.on_written(write.number);
        self.send(at, write.then);
        self.collect(at);
    }

    fn apply(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let Some(entry) = node.to_apply.pop_front() else { return };
        node.applied =
            SnapshotMark { index: entry.index, term: entry.term, conf_state: node.applied.conf_state.clone() };
        node.state.insert(entry.index, entry.data.clone());
        node.core.on_applied(entry.index);
        let agreed = self.agreed.entry(entry.index).or_insert((entry.term, entry.data.clone()));
        assert_eq!(*agreed, (entry.term, entry.data), "two nodes applied different entries at {}", entry.index);
        self.collect(at);
    }

    fn propose(&mut self, at: usize) {
        self.proposals += 1;
        let taken = self.nodes[at].core.propose(Bytes::from(format!("command {}", self.proposals)));
        self.note(&format!("{taken:?}"));
        assert!(taken.is_err() || at as u64 + 1 != WITNESS, "the witness never serves");
        self.collect(at);
    }

    /// The process dies: unsynced bytes are lost page by page.
    fn crash(&mut self, at: usize) {
        let seed = self.rng.random();
        let id = at as u64 + 1;
        let node = &self.nodes[at];
        let (disk, state, applied, boots) = (node.disk.clone(), node.state.clone(), node.applied.clone(), node.boots);
        disk.crash_seeded(seed);
        self.nodes[at] = Node::boot(id, disk, state, applied, boots + 1);
        self.note(&format!("crash of {id}"));
        self.collect(at);
    }

    fn collect(&mut self, at: usize) {
        let output = self.nodes[at].core.output();
        self.note(&format!("{output:?}"));
        assert!(output.fetch.is_none(), "nothing is forgotten here, so no state has to be fetched");
        let node = &mut self.nodes[at];
        node.writes.extend(output.writes);
        node.to_apply.extend(output.apply);
        self.send(at, output.messages);
        let core = &self.nodes[at].core;
        if core.role() == RaftRole::Leader {
            let leader = *self.leaders.entry(core.term()).or_insert(core.id());
            assert_eq!(leader, core.id(), "two leaders in term {}", core.term());
        }
    }

    fn send(&mut self, at: usize, messages: Vec<RaftMessage>) {
        let core = &self.nodes[at].core;
        let head = Head { from: core.id(), term: core.term(), data_durable: core.data_durable(), ..Head::default() };
        for message in messages {
            self.wire.push(PeerFrame { head: Some(head.clone()), messages: vec![message], ..PeerFrame::default() });
        }
        if self.wire.len() > 200 {
            self.wire.drain(..100); // a network that holds no more
        }
    }
}

fn run(seed: u64) -> (u64, usize, usize) {
    let mut world = World::new(seed);
    for _ in 0..STEPS {
        world.step();
    }
    (world.trace, world.agreed.len(), world.leaders.len())
}

#[test]
fn ten_thousand_steps_from_a_seed_give_the_same_trace_twice() {
    for seed in [1, 2, 3, 4, 5] {
        let first = run(seed);
        assert_eq!(first, run(seed), "seed {seed} did not replay");
        assert!(first.1 > 50, "seed {seed}: only {} entries were applied: the group did not work", first.1);
        assert!(first.2 > 1, "seed {seed}: nothing ever changed the leader");
    }
    assert_ne!(run(1).0, run(2).0, "the trace says nothing about the run");
}
