//! Cores on disks and a network in memory, one thread: clusters of data nodes 1 and 2 and witness 3. Called by the stories
//! beside it.

#![allow(dead_code)] // no story tells everything

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use consensus::{
    Kind, RaftId, RaftRole,
    core::{Core, CoreConfig, DiskContents, Write, genesis, nothing},
    members,
};
use ocs_proto::peer::{ConfState, Entry, Head, PeerFrame, RaftMessage, SnapshotMark};
use raft_log::{Log, LogConfig, MemDisk};

pub(crate) const CLUSTER: [u8; 16] = [7; 16];
pub(crate) const WITNESS: u16 = 3;
/// The length of a tick.
pub(crate) const TICK_MS: u64 = 50;
/// Events within which a working cluster must reach the expected state.
pub(crate) const EVENTS_MAX: usize = 60_000;
/// Applied entries between two moments at which a state is made durable.
pub(crate) const PERSIST_EVERY: u64 = 7;

#[derive(Clone, Default)]
pub(crate) struct AppliedState {
    pub(crate) entries: BTreeMap<u64, Bytes>,
    pub(crate) mark: SnapshotMark,
}

pub(crate) struct Node {
    pub(crate) disk: MemDisk,
    pub(crate) log: Log<MemDisk>,
    pub(crate) core: Core<MemDisk>,
    pub(crate) writes: VecDeque<Write>,
    pub(crate) to_apply: VecDeque<Entry>,
    pub(crate) memberships: BTreeMap<u64, ConfState>,
    pub(crate) state: AppliedState,
    /// What a crash leaves of the state.
    pub(crate) durable: AppliedState,
    pub(crate) boots: u64,
}

#[derive(Default)]
pub(crate) struct World {
    pub(crate) nodes: BTreeMap<RaftId, Node>,
    pub(crate) wire: VecDeque<PeerFrame>,
    pub(crate) leaders: BTreeMap<u64, RaftId>,
    pub(crate) agreed: BTreeMap<u64, Bytes>,
    /// The event before which a node crashes, and the node.
    pub(crate) crash: Option<(usize, RaftId)>,
    /// The node whose disk does nothing.
    pub(crate) stuck: Option<RaftId>,
    /// The nodes whose disks hang, and the age of each stall, milliseconds.
    pub(crate) hung: BTreeMap<RaftId, u64>,
    /// The nodes whose threads of the state stand still, and for how long entries have waited for them, milliseconds.
    pub(crate) unapplied: BTreeMap<RaftId, u64>,
    pub(crate) events: usize,
    pub(crate) proposals: u64,
    /// Settled questions, after the node that asked.
    pub(crate) answered: Vec<(RaftId, u64)>,
}

pub(crate) fn kind(id: RaftId) -> Kind {
    if members::number(id) == WITNESS { Kind::Witness } else { Kind::Data }
}

pub(crate) fn log_config() -> LogConfig {
    LogConfig { cluster: CLUSTER, node: 0, segment_bytes: 64 * 1024, prepare_ahead: false }
}

impl Node {
    pub(crate) fn new(id: RaftId, start: SnapshotMark, hard_state: raft_log::HardState) -> Self {
        let disk = MemDisk::new();
        drop(Log::create(disk.clone(), log_config(), start.clone(), hard_state).expect("a new log"));
        Self::boot(id, disk, AppliedState { mark: start, ..AppliedState::default() }, 1)
    }

    pub(crate) fn boot(id: RaftId, disk: MemDisk, state: AppliedState, boots: u64) -> Self {
        let (log, recovered) = Log::open(disk.clone(), log_config()).expect("the log opens after any crash");
        let mark = if kind(id) == Kind::Witness { SnapshotMark::default() } else { state.mark.clone() };
        let found = DiskContents {
            reader: log.reader(),
            start: recovered.start,
            hard_state: recovered.hard_state,
            state: mark,
            starts: None,
        };
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

    pub(crate) fn apply_one(&mut self) -> Option<Entry> {
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
    pub(crate) fn formed() -> Self {
        let (mark, hard_state) = genesis(&[1, 2, 3]);
        let nodes = [1, 2, 3].into_iter().map(|id| (id, Node::new(id, mark.clone(), hard_state))).collect();
        Self { nodes, ..Self::default() }
    }

    /// Delivers a frame, or writes and applies on every node; without such work every node ticks.
    pub(crate) fn event(&mut self) {
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
                if let Some(age_ms) = self.hung.get_mut(&id) {
                    *age_ms += TICK_MS;
                }
                let waits = !self.nodes[&id].to_apply.is_empty();
                if let Some(age_ms) = self.unapplied.get_mut(&id) {
                    *age_ms = if waits { *age_ms + TICK_MS } else { 0 };
                }
                let age_ms = [&self.hung, &self.unapplied].into_iter().filter_map(|ages| ages.get(&id)).max();
                let age_ms = age_ms.copied().unwrap_or(0);
                self.node(id).core.on_write_age(age_ms);
                self.node(id).core.tick();
                self.collect(id);
            }
        }
    }

    pub(crate) fn node(&mut self, id: RaftId) -> &mut Node {
        self.nodes.get_mut(&id).expect("it runs")
    }

    /// One write or one entry applied.
    pub(crate) fn work(&mut self, id: RaftId) -> bool {
        if self.stuck == Some(id) {
            return false;
        }
        let hangs = self.hung.contains_key(&id);
        let node = self.node(id);
        if hangs && !node.writes.is_empty() {
            return false;
        }
        if let Some(write) = node.writes.pop_front() {
            node.log.append(&write.batch).expect("the disk has room and works");
            node.core.on_written(write.number);
            self.send(id, write.then);
            self.collect(id);
            return true;
        }
        if self.unapplied.contains_key(&id) {
            return false;
        }
        let Some(entry) = self.node(id).apply_one() else { return false };
        let agreed = self.agreed.entry(entry.index).or_insert(entry.data.clone());
        assert_eq!(*agreed, entry.data, "two nodes applied different entries at {}", entry.index);
        self.collect(id);
        true
    }

    pub(crate) fn collect(&mut self, id: RaftId) {
        let node = self.node(id);
        let output = node.core.output();
        node.memberships.extend(node.core.take_memberships());
        node.writes.extend(output.writes);
        node.to_apply.extend(output.apply);
        let (role, term) = (node.core.role(), node.core.term());
        if role == RaftRole::Leader {
            assert_eq!(*self.leaders.entry(term).or_insert(id), id, "two leaders in term {term}");
        }
        self.answered.extend(output.answers.iter().map(|(question, _)| (id, *question)));
        self.send(id, output.messages);
        if let Some(index) = output.fetch {
            self.fetch(id, index);
        }
    }

    pub(crate) fn fetch(&mut self, id: RaftId, index_min: u64) {
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

    pub(crate) fn send(&mut self, id: RaftId, messages: Vec<RaftMessage>) {
        let core = &self.nodes[&id].core;
        let (term, data_durable, oldest_write_ms) = (core.term(), core.data_durable(), core.write_age_ms());
        let head = Head { from: id, term, data_durable, oldest_write_ms, ..Head::default() };
        for message in messages {
            self.wire.push_back(PeerFrame {
                head: Some(head.clone()),
                messages: vec![message],
                ..PeerFrame::default()
            });
        }
    }

    pub(crate) fn crash(&mut self, id: RaftId) {
        let Some(node) = self.nodes.remove(&id) else { return };
        node.disk.crash_seeded(self.events as u64);
        self.nodes.insert(id, Node::boot(id, node.disk, node.durable, node.boots + 1));
        self.collect(id);
    }

    pub(crate) fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let from = self.events;
        while !done(self) {
            assert!(self.events - from < EVENTS_MAX, "never: {what} (crash {:?})", self.crash);
            self.event();
        }
    }

    pub(crate) fn leader(&self) -> Option<RaftId> {
        self.nodes.iter().find(|(_, node)| node.core.serving()).map(|(id, _)| *id)
    }

    pub(crate) fn propose(&mut self, count: u64) {
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
    pub(crate) fn wipe(&mut self, number: u16) {
        self.nodes.retain(|id, _| members::number(*id) != number);
        self.wire.retain(|frame| members::number(frame.messages[0].from) != number);
    }

    /// Asks for a new id until the leader gives one, and starts the node under that id.
    pub(crate) fn rejoin(&mut self, number: u16, token: u64) -> RaftId {
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

    /// Waits until the new id votes, the old id is gone, and both data nodes hold the same.
    pub(crate) fn settle(&mut self, id: RaftId) {
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

    pub(crate) fn commands(&self, id: RaftId) -> usize {
        self.nodes[&id].state.entries.values().filter(|data| data.starts_with(b"command")).count()
    }
}
