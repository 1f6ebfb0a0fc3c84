//! A node that lost its disk comes back under a new id (design rule 11): cores on disks and a network in memory, one thread,
//! and one of them crashes at every single step of it in turn.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use consensus::{
    Kind, RaftId, RaftRole,
    core::{Core, CoreConfig, Found, Write, genesis, nothing},
    log::{Log, LogConfig, MemDisk},
    members,
};
use ocs_proto::peer::{ConfState, Entry, Head, PeerFrame, RaftMessage, SnapshotMark};

const CLUSTER: [u8; 16] = [7; 16];
const WITNESS: u16 = 3;
/// Events until a group that works must be where it should be.
const EVENTS_MAX: usize = 60_000;
/// Applied entries between two moments at which a state is made durable.
const PERSIST_EVERY: u64 = 7;

#[derive(Clone, Default)]
struct State {
    entries: BTreeMap<u64, Bytes>,
    mark: SnapshotMark,
}

struct Node {
    disk: MemDisk,
    log: Log<MemDisk>,
    core: Core<MemDisk>,
    writes: VecDeque<Write>,
    to_apply: VecDeque<Entry>,
    memberships: BTreeMap<u64, ConfState>,
    state: State,
    /// What a crash leaves of the state.
    durable: State,
    boots: u64,
}

#[derive(Default)]
struct World {
    nodes: BTreeMap<RaftId, Node>,
    wire: VecDeque<PeerFrame>,
    leaders: BTreeMap<u64, RaftId>,
    agreed: BTreeMap<u64, Bytes>,
    /// The event before which somebody crashes, and who.
    crash: Option<(usize, RaftId)>,
    events: usize,
    proposals: u64,
}

fn kind(id: RaftId) -> Kind {
    if members::number(id) == WITNESS { Kind::Witness } else { Kind::Data }
}

fn log_config() -> LogConfig {
    LogConfig { cluster: CLUSTER, segment_bytes: 64 * 1024, prepare_ahead: false }
}

impl Node {
    fn new(id: RaftId, start: SnapshotMark, hard_state: consensus::log::HardState) -> Self {
        let disk = MemDisk::new();
        drop(Log::create(disk.clone(), log_config(), start.clone(), hard_state).expect("a new log"));
        Self::boot(id, disk, State { mark: start, ..State::default() }, 1)
    }

    fn boot(id: RaftId, disk: MemDisk, state: State, boots: u64) -> Self {
        let (log, recovered) = Log::open(disk.clone(), log_config()).expect("the log opens after any crash");
        let mark = if kind(id) == Kind::Witness { SnapshotMark::default() } else { state.mark.clone() };
        let found =
            Found { reader: log.reader(), start: recovered.start, hard_state: recovered.hard_state, state: mark };
        let config = CoreConfig {
            id,
            kinds: vec![(1, Kind::Data), (2, Kind::Data), (WITNESS.into(), Kind::Witness)],
            heartbeat_ticks: 2,
            election_ticks_min: 10,
            election_ticks_max: 20,
            seed: id * 1000 + boots,
            boot: boots,
            cache_bytes_max: 4096,
        };
        let core = Core::new(config, found);
        let memberships = [(state.mark.index, core.conf_state())].into();
        let (writes, to_apply) = (VecDeque::new(), VecDeque::new());
        Self { disk, log, core, writes, to_apply, memberships, durable: state.clone(), state, boots }
    }

    fn apply_one(&mut self) -> Option<Entry> {
        let entry = self.to_apply.pop_front()?;
        if entry.index > self.state.mark.index {
            assert_eq!(entry.index, self.state.mark.index + 1, "entries are applied without gaps");
            let conf_state =
                self.memberships.range(..=entry.index).next_back().map(|(_, conf_state)| conf_state.clone());
            self.state.mark = SnapshotMark { index: entry.index, term: entry.term, conf_state };
            self.state.entries.insert(entry.index, entry.data.clone());
            if entry.index % PERSIST_EVERY == 0 {
                self.durable = self.state.clone();
            }
        }
        self.core.on_applied(self.state.mark.index);
        Some(entry)
    }
}

impl World {
    fn formed() -> Self {
        let (mark, hard_state) = genesis(&[1, 2, 3]);
        let nodes = [1, 2, 3].into_iter().map(|id| (id, Node::new(id, mark.clone(), hard_state))).collect();
        Self { nodes, ..Self::default() }
    }

    /// Deliver, write and apply what is there; tick where nothing is.
    fn event(&mut self) {
        self.events += 1;
        if let Some((at, who)) = self.crash
            && at == self.events
        {
            self.crash(who);
        }
        if let Some(frame) = self.wire.pop_front() {
            let to = frame.messages[0].to;
            if let Some(node) = self.nodes.get_mut(&to) {
                node.core.step(frame);
                self.collect(to);
            }
            return;
        }
        let ids: Vec<RaftId> = self.nodes.keys().copied().collect();
        let worked = ids.iter().filter(|id| self.work(**id)).count();
        if worked == 0 {
            for id in ids {
                self.node(id).core.tick();
                self.collect(id);
            }
        }
    }

    fn node(&mut self, id: RaftId) -> &mut Node {
        self.nodes.get_mut(&id).expect("it runs")
    }

    /// One write or one entry applied.
    fn work(&mut self, id: RaftId) -> bool {
        let node = self.node(id);
        if let Some(write) = node.writes.pop_front() {
            node.log.append(&write.batch).expect("the disk has room and works");
            node.core.on_written(write.number);
            self.send(id, write.then);
            self.collect(id);
            return true;
        }
        let Some(entry) = node.apply_one() else { return false };
        let agreed = self.agreed.entry(entry.index).or_insert(entry.data.clone());
        assert_eq!(*agreed, entry.data, "two nodes applied different entries at {}", entry.index);
        self.collect(id);
        true
    }

    fn collect(&mut self, id: RaftId) {
        let node = self.node(id);
        let output = node.core.output();
        node.memberships.extend(node.core.take_memberships());
        node.writes.extend(output.writes);
        node.to_apply.extend(output.apply);
        let (role, term) = (node.core.role(), node.core.term());
        if role == RaftRole::Leader {
            assert_eq!(*self.leaders.entry(term).or_insert(id), id, "two leaders in term {term}");
        }
        self.send(id, output.messages);
        if let Some(index) = output.fetch {
            self.fetch(id, index);
        }
    }

    fn fetch(&mut self, id: RaftId, index_min: u64) {
        let source = self
            .nodes
            .iter()
            .find(|(other, node)| **other != id && kind(**other) == Kind::Data && node.state.mark.index >= index_min);
        let Some(state) = source.map(|(_, node)| node.state.clone()) else {
            return self.node(id).core.on_fetch_failed();
        };
        let node = self.node(id);
        node.memberships.insert(state.mark.index, state.mark.conf_state.clone().expect("a state has its membership"));
        node.durable = state.clone();
        node.state = state;
        let mark = node.state.mark.clone();
        node.core.on_installed(mark);
        self.collect(id);
    }

    fn send(&mut self, id: RaftId, messages: Vec<RaftMessage>) {
        let core = &self.nodes[&id].core;
        let head = Head { from: id, term: core.term(), data_durable: core.data_durable(), ..Head::default() };
        for message in messages {
            self.wire.push_back(PeerFrame { head: Some(head.clone()), messages: vec![message] });
        }
    }

    fn crash(&mut self, id: RaftId) {
        let Some(node) = self.nodes.remove(&id) else { return };
        node.disk.crash_seeded(self.events as u64);
        self.nodes.insert(id, Node::boot(id, node.disk, node.durable, node.boots + 1));
        self.collect(id);
    }

    fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let from = self.events;
        while !done(self) {
            assert!(self.events - from < EVENTS_MAX, "never: {what} (crash {:?})", self.crash);
            self.event();
        }
    }

    fn leader(&self) -> Option<RaftId> {
        self.nodes.iter().find(|(_, node)| node.core.serving()).map(|(id, _)| *id)
    }

    fn propose(&mut self, count: u64) {
        let mut left = count;
        self.until("proposals are taken", |world| {
            if let Some(leader) = world.leader() {
                world.proposals += 1;
                let data = Bytes::from(format!("command {}", world.proposals));
                left -= u64::from(world.node(leader).core.propose(data).is_ok());
                world.collect(leader);
            }
            left == 0
        });
    }

    /// The node with this number lost its disk: its old id is silent from now on.
    fn wipe(&mut self, number: u16) {
        self.nodes.retain(|id, _| members::number(*id) != number);
        self.wire.retain(|frame| members::number(frame.messages[0].from) != number);
    }

    /// Asks until it has a new id, and runs under it.
    fn rejoin(&mut self, number: u16, token: u64) -> RaftId {
        let mut given = None;
        self.until("it is taken in", |world| {
            if let Some(leader) = world.leader() {
                let of = kind(number.into());
                given = world.node(leader).core.admit(number, of, token).unwrap_or(None);
                world.collect(leader);
            }
            given.is_some()
        });
        let id = given.expect("just looked");
        let (mark, hard_state) = nothing();
        self.nodes.insert(id, Node::new(id, mark, hard_state));
        id
    }

    /// The new id votes, the old one is gone, everybody has the same.
    fn settle(&mut self, id: RaftId) {
        self.until("the new id takes the old one's place", |world| {
            let joined = |node: &Node| {
                let conf_state = node.core.conf_state();
                let voters = conf_state.voters.len() == 3 && conf_state.voters.contains(&id);
                voters && conf_state.voters_outgoing.is_empty() && conf_state.learners.is_empty()
            };
            world.nodes.values().all(joined)
        });
        self.propose(3);
        self.until("all data nodes hold the same", |world| {
            let data = world.nodes.iter().filter(|(id, _)| kind(**id) == Kind::Data);
            let marks: Vec<u64> = data.map(|(_, node)| node.state.mark.index).collect();
            marks.len() == 2 && marks[0] == marks[1] && world.leader().is_some()
        });
        let data: Vec<&Node> = self.nodes.values().filter(|node| kind(node.core.id()) == Kind::Data).collect();
        assert_eq!(data[0].state.entries, data[1].state.entries);
        assert_eq!(data[0].state.mark.conf_state, data[1].state.mark.conf_state);
    }

    fn commands(&self, id: RaftId) -> usize {
        self.nodes[&id].state.entries.values().filter(|data| data.starts_with(b"command")).count()
    }
}

/// The whole story; how many events it took from the loss on, and when that was.
fn replaced(number: u16, crash: Option<(usize, RaftId)>) -> (usize, usize) {
    let mut world = World::formed();
    world.propose(20);
    world.until("the entries are applied", |world| world.nodes.values().all(|node| node.to_apply.is_empty()));
    world.wipe(number);
    let lost = world.events;
    world.crash = crash.map(|(after, who)| (lost + after, who));
    world.propose(10);
    let id = world.rejoin(number, 77);
    assert_eq!(members::incarnation(id), 1);
    world.settle(id);
    let took = world.events - lost;
    world.crash = None;
    // It carries the group: with it and one other, the old voters' majority is not needed any more.
    let other = if number == 1 { 2 } else { 1 };
    let survivor = if number == WITNESS { 2 } else { id };
    let acknowledged = world.agreed.clone();
    world.nodes.remove(&other);
    let before = world.commands(survivor);
    world.propose(5);
    world.until("the survivor goes on", |world| world.commands(survivor) >= before + 5);
    let kept = &world.nodes[&survivor].state.entries;
    assert!(
        acknowledged.iter().all(|(index, data)| kept.get(index) == Some(data)),
        "what was applied anywhere is there"
    );
    (lost, took)
}

#[test]
fn a_data_node_that_lost_its_disk_takes_its_place_under_a_new_id() {
    replaced(2, None);
    replaced(1, None);
}

#[test]
fn a_witness_that_lost_its_disk_takes_its_place_under_a_new_id() {
    replaced(WITNESS, None);
}

#[test]
fn nothing_is_lost_whoever_crashes_at_whatever_step_of_a_replacement() {
    for number in [2, WITNESS] {
        let (_, steps) = replaced(number, None);
        for who in [1, if number == 2 { 3 } else { 2 }, RaftId::from(number) | 1 << 16] {
            for step in 1..=steps {
                replaced(number, Some((step, who)));
            }
        }
    }
}

#[test]
fn a_node_that_is_lost_again_while_it_joins_gets_another_id_and_the_first_one_goes() {
    let mut world = World::formed();
    world.propose(10);
    world.wipe(2);
    let first = world.rejoin(2, 77);
    assert_eq!(first, world.rejoin(2, 77), "the same process gets the same id");
    world.wipe(2);
    let second = world.rejoin(2, 78);
    assert_eq!(members::incarnation(second), 2);
    world.settle(second);
    assert!(world.nodes[&1].core.is_former(first) && world.nodes[&1].core.is_former(2));
    world.wipe(2);
    let third = world.rejoin(2, 79);
    assert_eq!(members::incarnation(third), 3);
    world.settle(third);
}

#[test]
fn a_node_that_joins_asks_nobody_for_votes_when_the_primary_ends() {
    let mut world = World::formed();
    world.propose(10);
    world.wipe(2);
    let id = world.rejoin(2, 77);
    world.until("it hears the leader", |world| world.nodes[&id].core.leader() != 0);
    let leader = world.nodes[&id].core.leader();
    world.node(id).core.on_refused(leader);
    assert!(!world.nodes[&id].core.hurrying());
    world.settle(id);
}

#[test]
fn a_node_that_joins_counts_nothing_until_it_votes() {
    let mut world = World::formed();
    world.propose(10);
    let leader = world.leader().expect("proposals were taken");
    let lost: u16 = if leader == 1 { 2 } else { 1 };
    world.until("both have it", |world| world.nodes[&leader].core.data_durable() > 5);
    world.wipe(lost);
    let id = world.rejoin(lost, 77);
    let start = world.nodes[&leader].core.log_range().0 - 1;
    assert_eq!(world.nodes[&leader].core.data_durable(), start, "the old id's disk is gone");
    world.settle(id);
    world.until("it counts again", |world| {
        let leader = world.leader();
        leader.is_some_and(|leader| world.nodes[&leader].core.data_durable() > 10)
    });
}
