//! The table of evidence, and the check of a start against the table. Never does IO.

use std::collections::BTreeMap;

use bytes::Bytes;
use ocs_proto::peer::{self as wire, EvidenceTable, Reign, StartCheck, VoterEvidence};

use crate::{RaftId, members};

/// Sixteen random bytes, drawn at each start of a process.
pub type Token = [u8; 16];

/// Own starts that are kept, since some voter may not have confirmed them yet. With more, the oldest starts go.
const STARTS_MAX: usize = 1_000;
/// Reigns that are kept, the newest.
const REIGNS_MAX: usize = 16;

/// One start of a node's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// Counts the starts under one Raft id, from 1.
    pub counter: u64,
    /// Tells this start from any other, that of a copied disk too.
    pub token: Token,
}

/// The evidence about another voter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Known {
    /// Its newest confirmed start; none: no start of the voter was confirmed here.
    pub start: Option<Start>,
    /// The highest term in which the voter granted a vote or acknowledged an entry.
    pub term: u64,
    /// The highest committed index that the voter acknowledged.
    pub index: u64,
}

/// Everything that a node remembers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evidence {
    version: u64,
    id: RaftId,
    epoch: u64,
    starts: Vec<Start>,
    voters: BTreeMap<RaftId, Known>,
    reigns: Vec<Reign>,
}

impl Evidence {
    /// Begins a start of the node's process under a Raft id and an epoch. Evidence of another id or epoch is over: the cluster
    /// tells a joining node, whose own evidence may come from an older disk with starts that the voters have left behind.
    pub fn begin(&mut self, id: RaftId, epoch: u64, token: Token) -> Start {
        if self.epoch != epoch {
            self.reigns.clear();
        }
        if (self.id, self.epoch) != (id, epoch) {
            self.starts.clear();
            self.voters.clear();
        }
        (self.id, self.epoch) = (id, epoch);
        let start = Start { counter: self.starts.last().map_or(1, |last| last.counter + 1), token };
        self.starts.push(start);
        if self.starts.len() > STARTS_MAX {
            self.starts.remove(0);
        }
        self.version += 1;
        start
    }

    /// Grows with each change.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The evidence about a voter.
    pub fn of(&self, id: RaftId) -> Known {
        self.voters.get(&id).copied().unwrap_or_default()
    }

    /// How many of its own starts the node names.
    pub fn own_starts(&self) -> usize {
        self.starts.len()
    }

    /// The node's own check: to be answered by each other voter.
    pub fn check_of(&self, own: Start, term: u64, last_index: u64) -> StartCheck {
        StartCheck {
            start: Some(own.to_wire()),
            starts: self.starts.iter().map(|start| start.to_wire()).collect(),
            term,
            last_index,
            reigns: self.reigns.clone(),
        }
    }

    /// A voter knows more of this node's disk than the disk holds: kept over restarts, since that stays true.
    pub fn refused(&mut self, known: Known) {
        self.voters.insert(self.id, known);
        self.version += 1;
    }

    /// The evidence of a voter, heard at an earlier start, that this node's disk lacks; none: the disk lacks nothing.
    pub fn lacking(&self, check: &StartCheck) -> Option<Known> {
        self.check(self.id, check, 0).err()
    }

    /// Whether a start agrees with the evidence about its node, and with the index that this leader counts as acknowledged by
    /// that node, 0 for none.
    ///
    /// # Errors
    /// The evidence that the disk of that node lacks.
    pub fn check(&self, from: RaftId, check: &StartCheck, counted: u64) -> Result<(), Known> {
        let known = self.of(from);
        let known = Known { index: known.index.max(counted), ..known };
        let Some(kept) = known.start else {
            // No start is known, but an older release may have voted: its term and index count all the same.
            return if known.term <= check.term && known.index <= check.last_index { Ok(()) } else { Err(known) };
        };
        if check.start.as_ref().is_some_and(|start| start.token[..] == kept.token) {
            return Ok(()); // confirmed already: later acknowledgements are those of this start
        }
        let listed = check.starts.iter().any(|start| start.token[..] == kept.token);
        let has_all = known.term <= check.term && known.index <= check.last_index;
        if listed && has_all { Ok(()) } else { Err(known) }
    }

    /// Reigns of a term that another leader opened, as far as both logs know it.
    pub fn contradicting(&self, theirs: &[Reign]) -> Vec<Reign> {
        let other = |reign: &&Reign| theirs.iter().any(|their| their.term == reign.term && their != *reign);
        self.reigns.iter().filter(other).cloned().collect()
    }

    /// Confirms a start here. False: the start was confirmed already.
    pub fn confirm(&mut self, from: RaftId, start: Start) -> bool {
        let known = self.voters.entry(from).or_default();
        if known.start == Some(start) {
            return false;
        }
        known.start = Some(start);
        self.version += 1;
        true
    }

    /// A voter granted a vote in a term, or acknowledged up to an index that is committed.
    pub fn note(&mut self, id: RaftId, term: u64, index: u64) {
        let known = self.voters.entry(id).or_default();
        let (higher_term, higher_index) = (known.term.max(term), known.index.max(index));
        if (known.term, known.index) != (higher_term, higher_index) {
            (known.term, known.index) = (higher_term, higher_index);
            self.version += 1;
        }
    }

    /// Takes over the leader's evidence about other voters. A start that the leader confirmed counts as confirmed here too; facts
    /// of an older start than the known start are known already.
    pub fn learn(&mut self, told: &[VoterEvidence]) {
        for told in told.iter().filter(|told| told.id != self.id) {
            let start = told.start.as_ref().and_then(Start::from_wire);
            let known = self.voters.entry(told.id).or_default();
            let newer = start.map(|start| start.counter) > known.start.map(|start| start.counter);
            if !newer && start != known.start {
                continue;
            }
            let now = Known { start, term: known.term.max(told.term), index: known.index.max(told.index) };
            if *known != now {
                *known = now;
                self.version += 1;
            }
        }
    }

    /// Every voter has confirmed this start: older starts need not be named any more.
    pub fn confirmed_by_all(&mut self, own: Start) {
        let before = self.starts.len();
        self.starts.retain(|start| start.counter >= own.counter);
        self.version += u64::from(self.starts.len() != before);
    }

    /// Whether a refusal shows the refusing voter's own disk to be old: the start in the refusal is older than a start that every
    /// voter has confirmed.
    pub fn is_outdated(&self, known: &Known) -> bool {
        let floor = self.starts.first().map_or(0, |start| start.counter);
        let listed = |kept: &Start| self.starts.contains(kept);
        known.start.is_some_and(|kept| kept.counter < floor && !listed(&kept))
    }

    /// An entry that opened a reign is committed.
    pub fn opened(&mut self, reign: Reign) {
        if self.reigns.contains(&reign) {
            return;
        }
        self.reigns.push(reign);
        if self.reigns.len() > REIGNS_MAX {
            self.reigns.remove(0);
        }
        self.version += 1;
    }

    /// Ids with evidence.
    pub fn voters(&self) -> impl Iterator<Item = RaftId> {
        self.voters.keys().copied()
    }

    /// Forgets the evidence about these ids.
    pub fn forget(&mut self, ids: &[RaftId]) {
        let before = self.voters.len();
        self.voters.retain(|id, _| !ids.contains(id));
        self.version += u64::from(self.voters.len() != before);
    }

    /// The evidence in a leader's head: everything known of these voters, the leader's own part included.
    pub fn told(&self, own: (RaftId, Known), ids: &[RaftId]) -> Vec<VoterEvidence> {
        let others = ids.iter().filter(|id| **id != own.0).map(|id| (*id, self.of(*id)));
        others
            .chain([own])
            .filter(|(_, known)| *known != Known::default())
            .map(|(id, known)| known.to_wire(id))
            .collect()
    }

    /// The table in its form on disk.
    pub(super) fn to_wire(&self) -> EvidenceTable {
        EvidenceTable {
            version: self.version,
            id: self.id,
            epoch: self.epoch,
            starts: self.starts.iter().map(|start| start.to_wire()).collect(),
            voters: self.voters.iter().map(|(id, known)| known.to_wire(*id)).collect(),
            reigns: self.reigns.clone(),
        }
    }

    /// The table from its form on disk.
    pub(super) fn from_wire(table: EvidenceTable) -> Self {
        Self {
            version: table.version,
            id: table.id,
            epoch: table.epoch,
            starts: table.starts.iter().filter_map(Start::from_wire).collect(),
            voters: table.voters.iter().map(|voter| (voter.id, Known::from_wire(voter))).collect(),
            reigns: table.reigns,
        }
    }
}

impl Start {
    /// On the wire.
    pub fn to_wire(&self) -> wire::Start {
        wire::Start { counter: self.counter, token: Bytes::copy_from_slice(&self.token) }
    }

    /// From the wire; none: the token has another length than 16 bytes.
    pub fn from_wire(start: &wire::Start) -> Option<Self> {
        Some(Self { counter: start.counter, token: start.token[..].try_into().ok()? })
    }
}

impl Known {
    /// On the wire, of the voter with this id.
    pub fn to_wire(&self, id: RaftId) -> VoterEvidence {
        VoterEvidence { id, start: self.start.map(|start| start.to_wire()), term: self.term, index: self.index }
    }

    /// From the wire.
    pub fn from_wire(told: &VoterEvidence) -> Self {
        Self { start: told.start.as_ref().and_then(Start::from_wire), term: told.term, index: told.index }
    }

    /// The piece of this evidence that a disk lacks, for a person.
    pub fn lacking(&self, starts: &[wire::Start], term: u64, last_index: u64) -> String {
        let listed = |kept: Start| starts.iter().any(|start| start.token[..] == kept.token);
        match self.start {
            Some(kept) if !listed(kept) => format!("it does not know its own start number {}", kept.counter),
            _ if self.term > term => format!("it voted in term {}, its disk knows terms up to {term}", self.term),
            _ => format!("it acknowledged entry {}, its log ends with {last_index}", self.index),
        }
    }
}

/// The number of the node that an id belongs to.
pub(crate) fn number(id: RaftId) -> u16 {
    members::number(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: RaftId = 1;
    const B: RaftId = 2;

    fn started(tokens: &[u8]) -> (Evidence, Start) {
        let mut evidence = Evidence::default();
        let starts: Vec<Start> = tokens.iter().map(|token| evidence.begin(B, 1, [*token; 16])).collect();
        (evidence, *starts.last().unwrap())
    }

    /// The evidence of `A` after a confirmed start of `B`, with the term and index of `B`.
    fn witness(start: Start, term: u64, index: u64) -> Evidence {
        let mut evidence = Evidence::default();
        evidence.begin(A, 1, [9; 16]);
        evidence.confirm(B, start);
        evidence.note(B, term, index);
        evidence
    }

    #[test]
    fn a_disk_that_lacks_a_start_a_term_or_an_index_is_old() {
        let (mut own, first) = started(&[1]);
        let knows = witness(first, 5, 100);
        let next = own.begin(B, 1, [2; 16]);
        assert!(knows.check(B, &own.check_of(next, 5, 100), 0).is_ok());
        assert!(knows.check(B, &own.check_of(next, 4, 100), 0).is_err(), "a vote is forgotten");
        assert!(knows.check(B, &own.check_of(next, 5, 99), 0).is_err(), "an acknowledged entry is gone");
        let (copy, of_copy) = started(&[3]);
        assert!(knows.check(B, &copy.check_of(of_copy, 9, 900), 0).is_err(), "a start that the copy does not know");
    }

    #[test]
    fn the_confirmed_start_itself_may_go_on() {
        let (own, first) = started(&[1]);
        let knows = witness(first, 7, 700);
        assert!(knows.check(B, &own.check_of(first, 5, 100), 0).is_ok(), "a check that comes late");
    }

    #[test]
    fn a_voter_on_an_old_disk_is_known_by_the_start_that_it_names() {
        let (mut own, first) = started(&[1, 2, 3]);
        own.confirmed_by_all(first);
        let old = Known { start: Some(Start { counter: 1, token: [1; 16] }), ..Known::default() };
        assert!(own.is_outdated(&old));
        let newer = Known { start: Some(Start { counter: 7, token: [7; 16] }), ..Known::default() };
        assert!(!own.is_outdated(&newer), "then this disk is the old one");
    }

    #[test]
    fn a_leader_tells_starts_terms_and_indexes_and_never_takes_one_back() {
        let (_, first) = started(&[1]);
        let leader = witness(first, 5, 100);
        let mut follower = Evidence::default();
        follower.begin(3, 1, [8; 16]);
        let told = leader.told((A, Known::default()), &[A, B, 3]);
        follower.learn(&told);
        assert_eq!(follower.of(B), leader.of(B));
        let version = follower.version();
        follower.learn(&witness(first, 4, 90).told((A, Known::default()), &[A, B, 3]));
        assert_eq!((follower.version(), follower.of(B).term), (version, 5));
    }

    #[test]
    fn two_logs_in_which_other_leaders_opened_a_term_contradict_each_other() {
        let reign = |term, leader| Reign { term, leader, token: vec![1; 16].into() };
        let (mut ours, _) = started(&[1]);
        ours.opened(reign(4, 1));
        assert!(ours.contradicting(&[reign(4, 1), reign(5, 2)]).is_empty());
        assert_eq!(ours.contradicting(&[reign(4, 2)]), [reign(4, 1)]);
    }

    #[test]
    fn another_epoch_and_another_id_begin_anew() {
        let (mut own, _) = started(&[1, 2]);
        own.note(A, 4, 40);
        own.begin(0x1_0002, 1, [5; 16]);
        assert_eq!((own.starts.len(), own.of(A)), (1, Known::default()), "it may come from an older disk");
        own.note(A, 5, 50);
        own.begin(0x1_0002, 2, [6; 16]);
        assert_eq!(own.of(A), Known::default());
    }
}
