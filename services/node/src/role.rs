//! The role of this node, confirmed by a quorum, never read off Raft's state alone (R5 leader-is-not-primary); and the group's
//! nodes.
//!
//! The one place where Raft's leader becomes "primary". Never acts on a role. Called by the control API, health checks,
//! metrics, and the link (for `X-OCS-Role`).

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chassis::tasks::{AtEnd, Tasks};
use consensus::{Confirmed, Kind, PeerStatus, RaftId, Status};
use dispatch::Standing;
use ocs_proto::control::{self, GetRoleReply, PeerLag};
use pair::{RaftGroup, heard_ago, offset_us, wall_us};
use tokio::sync::watch;

/// Time limit of a round: without a quorum until then, the role is unconfirmed (R5).
const ROUND: Duration = Duration::from_millis(200);
/// How often the role is confirmed anew while nothing changes.
const REFRESH: Duration = Duration::from_secs(1);
/// A peer heard within this counts as connected, unless its stream ended since.
const CONNECTED: Duration = Duration::from_millis(900);

/// The mode of a forced or restored group, until the group has a second copy again.
pub const SINGLE_COPY: &str = "single-copy";

/// One node of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The low 16 bits of the node's Raft ids, from 1.
    pub number: u16,
    /// The node's name; never changes.
    pub name: String,
    /// Data node or witness.
    pub kind: Kind,
    /// Address of the node's control API; empty: not configured.
    pub control: String,
}

/// All nodes of the configuration, and which of them this node is.
#[derive(Debug, Clone)]
pub struct Roster {
    own: Member,
    members: Vec<Member>,
}

impl Roster {
    /// `members` names every node, this node too.
    pub fn new(own: Member, members: Vec<Member>) -> Self {
        Self { own, members }
    }

    /// This node.
    pub fn own(&self) -> &Member {
        &self.own
    }

    /// Every node, in the order of the configuration.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The node that a Raft id belongs to, in any incarnation.
    pub fn member(&self, id: RaftId) -> Option<&Member> {
        self.members.iter().find(|member| u64::from(member.number) == id & 0xFFFF)
    }

    /// The name behind a Raft id; an id that the configuration does not know is shown as a number.
    pub fn name_of(&self, id: RaftId) -> String {
        self.member(id).map_or_else(|| format!("#{id}"), |member| member.name.clone())
    }
}

/// A node's role in the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Takes updates.
    Primary,
    /// Applies the primary's updates.
    Backup,
    /// Votes and keeps the log.
    Witness,
    /// Not confirmed.
    Unknown,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Primary, Self::Backup, Self::Witness, Self::Unknown];

    /// The word in headers, labels and JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Backup => "backup",
            Self::Witness => "witness",
            Self::Unknown => "unknown",
        }
    }

    fn to_wire(self) -> control::Role {
        match self {
            Self::Primary => control::Role::Primary,
            Self::Backup => control::Role::Backup,
            Self::Witness => control::Role::Witness,
            Self::Unknown => control::Role::Unknown,
        }
    }
}

/// A role as found by one round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleView {
    /// Primary and backup only if confirmed.
    pub role: Role,
    /// A quorum answered a round that began after the question came.
    pub confirmed: bool,
    /// Raft's term.
    pub term: u64,
    /// The data node that leads; empty: none known.
    pub primary: String,
}

impl RoleView {
    /// Whether this node could answer: a quorum stands, and behind it a primary.
    pub fn answers(&self) -> bool {
        self.confirmed && !self.primary.is_empty()
    }
}

/// What a round (none: no quorum answered in time) and the core's status say about the role.
fn view_of(roster: &Roster, status: &Status, round: Option<Confirmed>) -> RoleView {
    let leader = round.map_or(status.leader, |round| round.leader);
    let leads = leader == status.id;
    let serves = leads && status.serving && round.is_some_and(|round| round.term == status.term);
    let led_by_data = roster.member(leader).is_some_and(|member| member.kind == Kind::Data);
    let role = match (roster.own().kind, round) {
        (Kind::Witness, _) => Role::Witness,
        (Kind::Data, Some(_)) if serves => Role::Primary,
        (Kind::Data, Some(_)) if !leads => Role::Backup,
        _ => Role::Unknown,
    };
    let known = led_by_data && (!leads || status.serving);
    RoleView {
        role,
        confirmed: round.is_some() && role != Role::Unknown,
        term: round.map_or(status.term, |round| round.term.max(status.term)),
        primary: if known { roster.name_of(leader) } else { String::new() },
    }
}

/// Confirms the role, for all callers. Cheap to clone.
#[derive(Clone)]
pub struct RoleService {
    inner: Arc<Inner>,
}

struct Inner {
    roster: Roster,
    group: Arc<dyn RaftGroup>,
    mode: &'static str,
    latest: watch::Sender<RoleView>,
    /// Where updates go, for every reader in this node.
    standing: watch::Receiver<Standing>,
    /// When this node could last answer.
    answered: Mutex<Option<Instant>>,
}

impl RoleService {
    /// Starts the task that keeps the role confirmed.
    pub fn new(roster: Roster, group: Arc<dyn RaftGroup>, mode: &'static str, tasks: &Tasks) -> Self {
        let first = view_of(&roster, &group.status().borrow(), None);
        let (latest, standing) = (watch::channel(first).0, pair::follow(group.status(), tasks));
        let inner = Inner { roster, group, mode, latest, standing, answered: Mutex::default() };
        let service = Self { inner: Arc::new(inner) };
        let (kept, told, stopping) = (service.clone(), service.clone(), tasks.stopping());
        tasks.spawn("role", AtEnd::Log, async move {
            tokio::select! {
                () = kept.keep() => {}
                () = told.tell_pauses() => {}
                () = stopping.cancelled() => {}
            }
        });
        service
    }

    /// Asks a quorum, now.
    pub async fn ask(&self) -> RoleView {
        let round = self.inner.group.confirm(ROUND).await.ok();
        let status = self.status();
        let view = view_of(&self.inner.roster, &status, round);
        if view.answers() {
            *self.inner.answered.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
        self.inner.latest.send_if_modified(|known| {
            let changed = *known != view;
            known.clone_from(&view);
            changed
        });
        view
    }

    /// The role as last confirmed; changes with the role, the term or the confirmation.
    pub fn watch(&self) -> watch::Receiver<RoleView> {
        self.inner.latest.subscribe()
    }

    /// Where updates go, always the latest; the role is confirmed anew at each change.
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.inner.standing.clone()
    }

    /// The word for `X-OCS-Role`: information, not proof (spec 6, OURS).
    pub fn header(&self) -> &'static str {
        self.inner.latest.borrow().role.word()
    }

    /// Time since this node could last answer; none: never.
    pub fn answered_ago(&self) -> Option<Duration> {
        self.inner.answered.lock().unwrap_or_else(PoisonError::into_inner).map(|at| at.elapsed())
    }

    /// The group's nodes.
    pub fn roster(&self) -> &Roster {
        &self.inner.roster
    }

    /// The mode, which tells on how many disks an acknowledged update is: as configured, unless the group is in single-copy.
    pub fn mode(&self) -> &'static str {
        if self.status().single_copy { SINGLE_COPY } else { self.inner.mode }
    }

    /// The group behind this service.
    pub fn group(&self) -> &Arc<dyn RaftGroup> {
        &self.inner.group
    }

    /// The core's status now.
    pub fn status(&self) -> Arc<Status> {
        self.inner.group.status().borrow().clone()
    }

    /// A view on the wire, with this node's knowledge of its peers.
    pub fn to_wire(&self, view: &RoleView) -> GetRoleReply {
        GetRoleReply {
            role: view.role.to_wire().into(),
            confirmed: view.confirmed,
            term: view.term,
            node: self.inner.roster.own().name.clone(),
            mode: self.mode().to_owned(),
            primary: view.primary.clone(),
            peers: self.peers(),
            failover_paused: self.status().paused_for != 0,
        }
    }

    /// This node's knowledge of its peers.
    pub fn peers(&self) -> Vec<PeerLag> {
        let status = self.status();
        let (wall_us, now) = (wall_us(), Instant::now());
        let peer = |peer: &PeerStatus| {
            let heard_ago = heard_ago(peer, now);
            let connected = !peer.lost && heard_ago.is_some_and(|ago| ago <= CONNECTED);
            PeerLag {
                node: self.inner.roster.name_of(peer.id),
                connected,
                lag_entries: lag_of(peer, &status, connected),
                applied_index: peer.applied,
                witness: peer.kind == Kind::Witness,
                last_heard_ms: heard_ago.map(|ago| ago.as_millis() as u64),
                clock_offset_ms: offset_us(peer, wall_us, now).unwrap_or(0) / 1000,
                voter: peer.voter,
                raft_id: peer.id,
                log_full: peer.log_full,
                disk_short: peer.disk_short,
                unconfirmed: peer.unconfirmed,
                stalled: peer.stalled,
                oldest_write_ms: peer.oldest_write_ms,
                disk_hangs: peer.hangs,
                drained: peer.drained,
            }
        };
        status.peers.iter().map(peer).collect()
    }

    /// Confirms the role at once after each change of leadership, else every second.
    async fn keep(self) {
        let mut standing = self.standing();
        loop {
            standing.mark_unchanged();
            self.ask().await;
            let moved = async {
                if standing.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = moved => {}
                () = tokio::time::sleep(REFRESH) => {}
            }
        }
    }

    /// Logs once, at the start and at each change, that the role does not move by itself.
    async fn tell_pauses(self) {
        let mut status = self.inner.group.status();
        let mut told = 0;
        while let Ok(now) = status.wait_for(|now| now.paused_for != told).await.map(|now| now.paused_for) {
            if now == 0 {
                tracing::info!("automatic failover is resumed");
            } else {
                let primary = self.inner.roster.name_of(now);
                tracing::warn!(primary, "automatic failover is paused: the role moves only by `ocsctl switchover`");
            }
            told = now;
        }
        std::future::pending::<()>().await;
    }
}

/// Entries that a peer is behind, in its log or, on a data node that was heard, in its state; the larger of both. The lag of a
/// disconnected peer is never known to be zero.
fn lag_of(peer: &PeerStatus, status: &Status, connected: bool) -> Option<u64> {
    let unlogged = status.last_index.saturating_sub(peer.matched?);
    let told = peer.kind == Kind::Data && peer.heard.is_some();
    let unapplied = if told { status.commit.saturating_sub(peer.applied) } else { 0 };
    Some(unlogged.max(unapplied)).filter(|lag| connected || *lag > 0)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use pair::fakes::{A, B, FakeGroup, W, status};

    fn member(number: RaftId, name: &str, kind: Kind) -> Member {
        let number = u16::try_from(number).unwrap();
        Member { number, name: name.into(), kind, control: format!("127.0.0.1:909{number}") }
    }

    /// Nodes a, b and witness w, seen from a.
    pub(crate) fn roster() -> Roster {
        let a = member(A, "a", Kind::Data);
        Roster::new(a.clone(), vec![a, member(B, "b", Kind::Data), member(W, "w", Kind::Witness)])
    }

    fn round(term: u64, leader: RaftId) -> Option<Confirmed> {
        Some(Confirmed { index: 10, term, leader })
    }

    #[test]
    fn primary_is_only_who_serves_and_was_confirmed_in_this_term() {
        let fresh = Status { serving: false, ..status(3, A) };
        for (case, status, round, role, confirmed, primary) in [
            ("serves", status(3, A), round(3, A), Role::Primary, true, "a"),
            ("cut off", status(3, A), None, Role::Unknown, false, "a"),
            ("not yet serving", fresh, round(3, A), Role::Unknown, false, ""),
            ("elected again meanwhile", status(4, A), round(3, A), Role::Unknown, false, "a"),
            ("follows b", status(3, B), round(3, B), Role::Backup, true, "b"),
            ("was overtaken", status(3, A), round(4, B), Role::Backup, true, "b"),
            ("witness hands over", status(3, W), round(3, W), Role::Backup, true, ""),
            ("no leader", status(3, 0), None, Role::Unknown, false, ""),
        ] {
            let view = view_of(&roster(), &status, round);
            assert_eq!((view.role, view.confirmed, view.primary.as_str()), (role, confirmed, primary), "{case}");
        }
    }

    #[test]
    fn a_witness_is_a_witness_confirmed_or_not() {
        let roster = Roster { own: member(W, "w", Kind::Witness), ..roster() };
        let status = Status { id: W, ..status(3, A) };
        assert_eq!(view_of(&roster, &status, round(3, A)).role, Role::Witness);
        let unconfirmed = view_of(&roster, &status, None);
        assert_eq!((unconfirmed.role, unconfirmed.confirmed), (Role::Witness, false));
    }

    #[test]
    fn a_peer_that_applies_nothing_or_is_not_heard_is_never_behind_by_nothing() {
        let mut status = status(3, A);
        let lag = |status: &Status, at: usize, connected: bool| lag_of(&status.peers[at], status, connected);
        assert_eq!(lag(&status, 0, true), None, "its log is not known");
        for peer in &mut status.peers {
            (peer.matched, peer.heard) = (Some(12), Some(Instant::now()));
        }
        (status.commit, status.peers[0].applied) = (12, 4);
        assert_eq!(lag(&status, 0, true), Some(8), "its log is whole and its state stands still");
        assert_eq!(lag(&status, 1, true), Some(0), "a witness applies nothing by design");
        assert_eq!(lag(&status, 1, false), None, "not heard");
        status.peers[0].matched = Some(2);
        assert_eq!(lag(&status, 0, false), Some(10), "at least");
        (status.peers[0].matched, status.peers[0].applied) = (Some(12), 12);
        assert_eq!(lag(&status, 0, true), Some(0));
    }

    #[tokio::test]
    async fn a_change_of_primary_reaches_who_watches() {
        let (tasks, group) = (Tasks::new(), Arc::new(FakeGroup::new(status(3, A))));
        let service = RoleService::new(roster(), group.clone(), "witness", &tasks);
        let mut watch = service.watch();
        watch.wait_for(|view| view.role == Role::Primary).await.unwrap();
        assert_eq!(service.header(), "primary");
        group.confirm_as(Some(Confirmed { index: 11, term: 4, leader: B }));
        group.become_status(status(4, B));
        watch.wait_for(|view| view.role == Role::Backup && view.term == 4).await.unwrap();
        group.confirm_as(None);
        watch.wait_for(|view| !view.confirmed).await.unwrap();
        assert_eq!(service.header(), "unknown");
    }
}
