//! The driver's output: frames with their heads to the peers, the status to the watchers on this node.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use ocs_proto::peer::{Head, PeerFrame, RaftMessage};
use raft_log::Disk;

use super::{Driver, FORMATS, FRAME_FORMAT, PeerFacts};
use crate::{
    Kind, Machine, PeerStatus, ProposeError, RaftId, RaftRole, StartStanding, Status, Versions,
    core::Core,
    disk::{Promises, wall_clock_us},
    members,
};

/// Interval of greetings between followers: three within the silence after which a node counts as away ([`super::SILENT`]).
const GREETING: Duration = Duration::from_millis(300);

/// The news for which watchers of the status are woken.
#[derive(Debug, Default, PartialEq)]
pub(super) struct News {
    role: Option<RaftRole>,
    /// Raft's term, and its leader.
    leader: (u64, RaftId),
    reign: u64,
    serving: bool,
    transferring: bool,
    stopped: Option<ProposeError>,
    no_room: bool,
    paused_for: RaftId,
    fetching: bool,
    forced: (u64, bool),
    taking_part: (bool, bool, bool),
    versions: (u32, u32),
    /// A disk that hangs, and whether updates wait for it.
    stalled: Option<bool>,
}

/// Messages by the peer that they are for, in their order.
fn by_peer(messages: Vec<RaftMessage>) -> Vec<(RaftId, Vec<RaftMessage>)> {
    let mut peers: Vec<(RaftId, Vec<RaftMessage>)> = Vec::new();
    for message in messages {
        match peers.iter_mut().find(|(to, _)| *to == message.to) {
            Some((_, queued)) => queued.push(message),
            None => peers.push((message.to, vec![message])),
        }
    }
    peers
}

impl<D: Disk, M: Machine> Driver<D, M> {
    /// Every node hears every other node, followers each other too: heads carry clocks and digests. Leader and followers hear
    /// each other at the pace of heartbeats, whose frames are enough; without a leader all nodes greet at that pace.
    pub(super) fn greet(&mut self) {
        self.ticks += 1;
        if matches!(self.core.start_standing(), StartStanding::Old(_)) {
            return; // a node on an old disk is silent under its id
        }
        let heartbeat = self.config.core.heartbeat_ticks as u64;
        let rarely = (GREETING.as_micros() / self.config.tick.as_micros().max(1)) as u64;
        let leader = self.core.leader();
        let near = |id: RaftId| leader == 0 || leader == self.config.core.id || leader == id;
        let pace = |id: RaftId| if near(id) { heartbeat } else { rarely.max(heartbeat) };
        let silent = |id: RaftId| self.told.get(&id).is_none_or(|told| self.ticks - told > pace(id));
        let others = self.core.members().into_iter().map(|(id, _)| id).filter(|id| *id != self.config.core.id);
        for to in others.filter(|id| silent(*id)).collect::<Vec<_>>() {
            self.transmit(to, Vec::new());
        }
    }

    pub(super) fn transmit(&mut self, to: RaftId, mut messages: Vec<RaftMessage>) {
        self.told.insert(to, self.ticks);
        let held = self.held_for(to);
        if !held.is_empty() {
            messages.splice(0..0, held);
        }
        let mut head = self.head(to);
        if self.tells_evidence(to) {
            head.evidence = self.core.evidence_to_tell();
        }
        self.transport.send(to, PeerFrame { head: Some(head), messages, ..PeerFrame::default() });
    }

    /// At the pace of heartbeats: a leader's table is small, but not for every frame.
    fn tells_evidence(&mut self, to: RaftId) -> bool {
        let pace = self.config.core.heartbeat_ticks as u64;
        let due = self.core.leads() && self.evidence_told.get(&to).is_none_or(|told| self.ticks >= told + pace);
        if due {
            self.evidence_told.insert(to, self.ticks);
        }
        due
    }

    pub(super) fn send(&mut self, messages: Vec<RaftMessage>) {
        let messages = messages.into_iter().filter_map(|message| self.unless_held(message)).collect();
        for (to, messages) in by_peer(messages) {
            self.transmit(to, messages);
        }
    }

    /// Less than the reserve is left on the disk, or the log waits for room: this node acknowledges no update.
    pub(super) fn disk_short(&self) -> bool {
        self.no_room || !self.room.load(Ordering::Relaxed)
    }

    /// Tells every peer at once when the disk runs short, and when the disk has room again.
    pub(super) fn tell_room(&mut self) {
        let short = self.disk_short();
        if short == self.short_told || matches!(self.core.start_standing(), StartStanding::Old(_)) {
            return;
        }
        self.short_told = short;
        let own = self.config.core.id;
        for (to, _) in self.core.members().into_iter().filter(|(id, _)| *id != own) {
            self.transmit(to, Vec::new());
        }
    }

    /// Messages that leave once a write is durable, as frames for the log's thread. A log that waits for room sends none of them,
    /// so greetings go on meanwhile.
    pub(super) fn promises(&mut self, messages: Vec<RaftMessage>) -> Promises {
        let frame = |(to, messages)| {
            if !self.no_room {
                self.told.insert(to, self.ticks);
            }
            (to, PeerFrame { head: Some(self.head(to)), messages, ..PeerFrame::default() })
        };
        by_peer(messages).into_iter().map(frame).collect()
    }

    pub(super) fn head(&self, to: RaftId) -> Head {
        let digest = self.digests.newest();
        Head {
            format: FRAME_FORMAT,
            cluster: Bytes::copy_from_slice(&self.config.cluster),
            epoch: self.config.epoch,
            from: self.config.core.id,
            incarnation: self.config.core.boot,
            data_durable: self.core.data_durable(),
            wall_clock_us: wall_clock_us(),
            digest_index: digest.map_or(0, |(index, _)| index),
            digest: digest.map(|(_, value)| Bytes::copy_from_slice(&value.to_be_bytes())).unwrap_or_default(),
            term: self.core.term(),
            applied: if self.config.core.kind() == Kind::Data { self.core.applied() } else { 0 },
            data_ready: !self.core.fetching(),
            disk_short_bytes: u64::from(self.disk_short()),
            log_full: self.log_full(),
            handing_over: self.core.handing_over_to(to).unwrap_or_default().to_owned(),
            vouched_index: self.repair.vouched,
            members: self.core.members_to_tell(to),
            formats_min: FORMATS.0,
            formats_max: FORMATS.1,
            start: self.start.clone(),
            rules_min: self.config.rules.0,
            rules_max: self.config.rules.1,
            unconfirmed: !self.core.confirmed(),
            evidence: Vec::new(),
            last_index: self.core.log_range().1,
            oldest_write_ms: self.core.write_age_ms(),
            drained: self.drained,
        }
    }

    /// Shows a change of role at once, everything else at each tick. Watchers are woken only for news on which they may act:
    /// indexes and the times of frames change all the time, and a reader of those polls.
    pub(super) fn publish(&mut self, ticked: bool) {
        let news = self.news();
        let wake = news != self.news;
        if !wake && !ticked {
            return;
        }
        self.news = news;
        let status = Arc::new(self.describe());
        self.status.send_if_modified(|shown| {
            let wake = wake || members_of(shown).ne(members_of(&status));
            *shown = status;
            wake
        });
    }

    /// Cheap: asked after every event.
    fn news(&self) -> News {
        News {
            role: Some(self.core.role()),
            leader: (self.core.term(), self.core.leader()),
            reign: self.reign.as_ref().map_or(0, |reign| reign.term),
            serving: self.core.serving(),
            transferring: self.core.transferring(),
            stopped: self.stopped(),
            no_room: self.no_room || self.log_full(),
            paused_for: self.core.paused_for(),
            fetching: self.core.fetching(),
            forced: self.core.forced(),
            taking_part: (
                self.core.confirmed(),
                matches!(self.core.start_standing(), StartStanding::Old(_)),
                self.core.contradiction().is_empty(),
            ),
            versions: (self.core.formats(), self.core.rules_wanted()),
            stalled: self.disks.stall.map(|stall| stall.alone),
        }
    }

    fn stopped(&self) -> Option<ProposeError> {
        self.refusal().filter(|_| self.core.serving())
    }

    pub(super) fn describe(&self) -> Status {
        let (first_index, last_index, durable_index) = self.core.log_range();
        let (forced_epoch, single_copy) = self.core.forced();
        Status {
            id: self.core.id(),
            role: self.core.role(),
            term: self.core.term(),
            leader: self.core.leader(),
            serving: self.core.serving(),
            transferring: self.core.transferring(),
            commit: self.core.commit(),
            applied: self.core.applied(),
            persisted: self.persisted,
            first_index,
            last_index,
            durable_index,
            data_durable: self.core.data_durable(),
            log_bytes: self.log_bytes,
            peers: self.describe_peers(),
            digest_mismatches: self.mismatches,
            differs_at: self.repair.differs_at,
            distrust: self.repair.reason.clone(),
            repairs: self.repair.done,
            elections: self.core.elections(),
            waiting: self.waiters.len() as u64,
            no_room: self.no_room || self.log_full(),
            log_full: self.log_full(),
            stopped: self.stopped(),
            reign: self.reign.clone(),
            paused_for: self.core.paused_for(),
            fetching: self.core.fetching(),
            forced_epoch,
            single_copy,
            voter: self.core.is_voter(self.core.id()),
            quorum_heard: self.quorum_heard(),
            start: self.core.start_standing(),
            contradiction: self.core.contradiction().to_owned(),
            frozen: self.core.frozen(),
            stall: self.disks.stall,
            formats: self.core.formats(),
            rules_wanted: self.core.rules_wanted(),
        }
    }

    pub(super) fn describe_peers(&self) -> Vec<PeerStatus> {
        let conf_state = self.core.conf_state();
        let newest = |id: RaftId| members::newest(&conf_state, members::number(id)) == Some(id);
        let others = self.core.members().into_iter().filter(|(id, _)| *id != self.core.id() && newest(*id));
        others
            .map(|(id, kind)| {
                let seen = self.peers.get(&id);
                PeerStatus {
                    id,
                    kind,
                    voter: self.core.is_voter(id),
                    log_full: seen.is_some_and(|seen| seen.log_full),
                    disk_short: seen.is_some_and(|seen| seen.short),
                    matched: self.core.matched(id),
                    applied: seen.map_or(0, |seen| seen.applied),
                    heard: seen.and_then(|seen| seen.heard),
                    lost: seen.is_some_and(|seen| seen.lost),
                    wall_us: seen.map_or(0, |seen| seen.wall_us),
                    versions: seen.map_or(Versions::FIRST, |seen| seen.versions),
                    unconfirmed: seen.is_some_and(|seen| seen.unconfirmed || !self.core.keeps(id, seen.start)),
                    stalled: seen.is_some_and(PeerFacts::stalled),
                    oldest_write_ms: self.core.write_age_of(id),
                    hangs: self.core.hangs(id),
                    drained: seen.is_some_and(|seen| seen.drained),
                }
            })
            .collect()
    }
}

fn members_of(status: &Status) -> impl Iterator<Item = (RaftId, Kind, bool)> {
    status.peers.iter().map(|peer| (peer.id, peer.kind, peer.voter))
}

/// The status before the first event; in single-copy every answer says so from the beginning.
pub(super) fn initial_status<D: Disk>(core: &Core<D>) -> Status {
    let (forced_epoch, single_copy) = core.forced();
    Status {
        id: core.id(),
        role: RaftRole::Follower,
        term: 0,
        leader: 0,
        serving: false,
        transferring: false,
        commit: 0,
        applied: 0,
        persisted: 0,
        first_index: 0,
        last_index: 0,
        durable_index: 0,
        data_durable: 0,
        log_bytes: 0,
        peers: Vec::new(),
        digest_mismatches: 0,
        differs_at: 0,
        distrust: String::new(),
        repairs: 0,
        elections: 0,
        waiting: 0,
        no_room: false,
        log_full: false,
        stopped: None,
        reign: None,
        paused_for: 0,
        fetching: false,
        forced_epoch,
        single_copy,
        voter: core.is_voter(core.id()),
        quorum_heard: false,
        start: core.start_standing(),
        contradiction: String::new(),
        frozen: false,
        stall: None,
        formats: core.formats(),
        rules_wanted: core.rules_wanted(),
    }
}
