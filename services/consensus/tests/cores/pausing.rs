//! Pausing of automatic failover: three cores on logs in memory, one thread. Only the last primary campaigns by itself,
//! whichever nodes start again, and an operator can always hand over or resume.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use consensus::{
    Kind, PauseError, RaftId,
    core::{Core, CoreConfig, DiskContents, Write, genesis},
};
use ocs_proto::peer::{Head, PeerFrame, RaftMessage, SnapshotMark};
use raft_log::{Log, LogConfig, MemDisk};

const A: RaftId = 1;
const B: RaftId = 2;
const W: RaftId = 3;
/// Many election timeouts.
const LONG: usize = 400;
/// Events within which a working cluster must reach the expected state.
const EVENTS_MAX: usize = 60_000;

struct Node {
    disk: MemDisk,
    log: Log<MemDisk>,
    core: Core<MemDisk>,
    writes: VecDeque<Write>,
    boots: u64,
}

#[derive(Default)]
struct World {
    nodes: BTreeMap<RaftId, Node>,
    /// Disks and starts of the nodes that do not run.
    down: BTreeMap<RaftId, (MemDisk, u64)>,
    wire: VecDeque<PeerFrame>,
    /// Frames that reach A late; none: frames to A are not held back.
    late: Option<VecDeque<PeerFrame>>,
}

fn log_config() -> LogConfig {
    LogConfig { cluster: [7; 16], node: 0, segment_bytes: 64 * 1024, prepare_ahead: false }
}

impl Node {
    fn boot(id: RaftId, disk: MemDisk, boots: u64) -> Self {
        let (log, recovered) = Log::open(disk.clone(), log_config()).expect("the log opens");
        let state = SnapshotMark::default();
        let found = DiskContents {
            reader: log.reader(),
            start: recovered.start,
            hard_state: recovered.hard_state,
            state,
            starts: None,
        };
        let config = CoreConfig {
            id,
            kinds: vec![(A, Kind::Data), (B, Kind::Data), (W, Kind::Witness)],
            heartbeat_ticks: 2,
            election_ticks_min: 5,
            election_ticks_max: 8,
            seed: id * 1000 + boots,
            boot: boots,
            cache_bytes_max: 4096,
        };
        Self { core: Core::new(config, found), disk, log, writes: VecDeque::new(), boots }
    }
}

impl World {
    fn formed() -> Self {
        let mut world = Self::default();
        for id in [A, B, W] {
            let ((mark, hard_state), disk) = (genesis(&[A, B, W]), MemDisk::new());
            drop(Log::create(disk.clone(), log_config(), mark, hard_state).expect("a new log"));
            world.nodes.insert(id, Node::boot(id, disk, 1));
        }
        world.until("there is a primary", |world| world.leader().is_some());
        world
    }

    /// A is primary, and failover is paused on every node.
    fn paused() -> Self {
        let mut world = Self::formed();
        world.move_to(A);
        world.set_paused(A, true);
        world.until("everybody knows it", |world| {
            world.nodes.values().all(|node| node.core.conf_state().paused_for == A)
        });
        world
    }

    fn event(&mut self) {
        if let Some(frame) = self.wire.pop_front() {
            let to = frame.messages[0].to;
            if let Some(late) = self.late.as_mut().filter(|_| to == A) {
                return late.push_back(frame);
            }
            if let Some(node) = self.nodes.get_mut(&to) {
                node.core.step(frame);
                self.collect(to);
            }
            return;
        }
        let ids: Vec<RaftId> = self.nodes.keys().copied().collect();
        if ids.iter().filter(|id| self.write(**id)).count() == 0 {
            for id in ids {
                self.node(id).core.tick();
                self.collect(id);
            }
        }
    }

    fn node(&mut self, id: RaftId) -> &mut Node {
        self.nodes.get_mut(&id).expect("it runs")
    }

    fn write(&mut self, id: RaftId) -> bool {
        let node = self.node(id);
        let Some(write) = node.writes.pop_front() else { return false };
        node.log.append(&write.batch).expect("the disk works");
        node.core.on_written(write.number);
        self.send(id, write.then);
        self.collect(id);
        true
    }

    fn collect(&mut self, id: RaftId) {
        let node = self.node(id);
        let output = node.core.output();
        node.writes.extend(output.writes);
        if let Some(last) = output.apply.last() {
            node.core.on_applied(last.index);
        }
        self.send(id, output.messages);
    }

    fn send(&mut self, id: RaftId, messages: Vec<RaftMessage>) {
        let head = Head { from: id, term: self.nodes[&id].core.term(), ..Head::default() };
        let frames = messages.into_iter().map(|message| PeerFrame {
            head: Some(head.clone()),
            messages: vec![message],
            ..PeerFrame::default()
        });
        self.wire.extend(frames);
    }

    fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        for _ in 0..EVENTS_MAX {
            if done(self) {
                return;
            }
            self.event();
        }
        panic!("never: {what}");
    }

    fn leader(&self) -> Option<RaftId> {
        self.nodes.iter().find(|(_, node)| node.core.serving()).map(|(id, _)| *id)
    }

    fn move_to(&mut self, to: RaftId) {
        self.until("it is primary", |world| {
            let leader = world.leader();
            if let Some(leader) = leader.filter(|leader| *leader != to) {
                let _ = world.node(leader).core.transfer(to, "a test");
                world.collect(leader);
            }
            leader == Some(to)
        });
    }

    fn set_paused(&mut self, at: RaftId, paused: bool) {
        self.until("it is settled", |world| {
            let settled = world.node(at).core.set_paused(paused);
            world.collect(at);
            settled == Ok(true)
        });
    }

    fn stop(&mut self, id: RaftId) {
        let node = self.nodes.remove(&id).expect("it runs");
        self.wire.retain(|frame| frame.messages[0].from != id);
        self.down.insert(id, (node.disk, node.boots));
    }

    fn start(&mut self, id: RaftId) {
        let (disk, boots) = self.down.remove(&id).expect("it was stopped");
        self.nodes.insert(id, Node::boot(id, disk, boots + 1));
    }

    /// The primary's process is gone, and its port refuses: no node takes over, however long the primary is away.
    fn nobody_takes_over(&mut self) {
        let elections: u64 = self.nodes.values().map(|node| node.core.elections()).sum();
        for id in self.nodes.keys().copied().collect::<Vec<_>>() {
            self.node(id).core.on_refused(A);
            self.collect(id);
        }
        for _ in 0..LONG {
            self.event();
            assert_eq!(self.leader(), None);
        }
        let after: u64 = self.nodes.values().map(|node| node.core.elections()).sum();
        assert_eq!(after, elections, "somebody asked for votes");
    }
}

#[test]
fn while_it_is_paused_nobody_takes_over_and_a_primary_that_restarts_is_primary_again() {
    let mut world = World::paused();
    world.stop(A);
    world.nobody_takes_over();
    world.start(A);
    world.until("it is primary again", |world| world.leader().is_some());
    assert_eq!(world.leader(), Some(A));
}

#[test]
fn a_pause_survives_the_restart_of_every_node_although_no_node_knows_what_was_committed() {
    let mut world = World::paused();
    [A, B, W].into_iter().for_each(|id| world.stop(id));
    [B, W].into_iter().for_each(|id| world.start(id));
    world.nobody_takes_over();
    world.start(A);
    world.until("it is primary again", |world| world.leader().is_some());
    assert_eq!(world.leader(), Some(A));
}

#[test]
fn an_operator_hands_over_while_it_is_paused_and_the_pause_follows_the_role() {
    let mut world = World::paused();
    world.move_to(B);
    world.until("it is paused for B", |world| world.nodes.values().all(|node| node.core.conf_state().paused_for == B));
    world.stop(B);
    let elections = world.nodes[&A].core.elections();
    for _ in 0..LONG {
        world.event();
    }
    assert_eq!((world.leader(), world.nodes[&A].core.elections()), (None, elections));
    world.start(B);
    world.until("B is primary again", |world| world.leader() == Some(B));
}

/// A hands over to B, which ends after so many events; returns whether B was primary by then. The new leader hurries. `late`: the
/// frames of B as a leader arrive after the news of its end.
fn handover_cut_off(events: usize, late: bool) -> bool {
    let mut world = World::paused();
    let _ = world.node(A).core.transfer(B, "a test");
    world.collect(A);
    let mut was_primary = false;
    for _ in 0..events {
        if late && world.late.is_none() && world.nodes[&A].core.leader() == B {
            world.late = Some(VecDeque::new());
        }
        world.event();
        was_primary |= world.leader() == Some(B);
    }
    world.stop(B);
    for id in [A, W] {
        world.node(id).core.on_refused(B);
        world.collect(id);
    }
    let heard = world.late.take();
    world.wire.extend(heard.into_iter().flatten());
    for event in 0..LONG {
        world.event();
        if event % 10 == 0 {
            world.node(A).core.campaign_again();
            world.collect(A);
        }
        assert!(!was_primary || world.leader().is_none(), "after {events} events {:?} took over", world.leader());
    }
    world.start(B); // B waits for an operator if the other nodes have its name and its own disk has not
    world.until("there is a primary", |world| {
        let _ = world.node(A).core.set_paused(false);
        world.collect(A);
        world.leader().is_some()
    });
    was_primary
}

#[test]
fn whoever_was_primary_last_is_the_only_one_that_may_be_again_wherever_a_handover_is_cut_off() {
    for late in [false, true] {
        let served = (0..120).filter(|events| handover_cut_off(*events, late)).count();
        assert!((1..120).contains(&served), "{served}");
    }
}

#[test]
fn a_resume_works_where_there_is_a_primary_and_where_there_is_none() {
    let mut world = World::paused();
    assert_eq!(world.node(B).core.set_paused(false), Err(PauseError::NotPrimary), "A is there and must be asked");
    world.set_paused(A, false);
    world.set_paused(A, true);
    world.until("B knows it", |world| world.nodes[&B].core.conf_state().paused_for == A);
    world.stop(A);
    world.nobody_takes_over();
    assert_eq!(world.node(B).core.set_paused(true), Err(PauseError::NotPrimary));
    world.set_paused(B, false);
    assert_eq!((world.leader(), world.nodes[&B].core.paused_for()), (Some(B), 0));
    world.start(A);
    world.until("A learns it", |world| world.nodes[&A].core.conf_state().paused_for == 0);
    world.stop(B);
    world.until("failover is automatic again", |world| world.leader() == Some(A));
}

#[test]
fn updates_go_on_while_it_is_paused() {
    let mut world = World::paused();
    let before = world.nodes[&A].core.commit();
    world.node(A).core.propose(Bytes::from_static(b"update")).expect("it is taken");
    world.collect(A);
    world.until("it is committed everywhere", |world| world.nodes.values().all(|node| node.core.commit() > before));
}
