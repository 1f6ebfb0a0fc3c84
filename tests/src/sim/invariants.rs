//! The claims that hold after every step, whatever the faults: one function each, named as a claim.
//!
//! A claim that does not hold panics with its own name; `run` turns that into a violation with its seed. Knows the
//! nodes from outside only: logs, states, replies. Called by `world`.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use consensus::{Confirmed, Kind, RaftId, RaftRole, core::genesis};
use ocs_history::{Act, Outcome, Shown, linearizable};
use ocs_proto::peer::{ConfState, Entry};
use outbound::{Handle, RequestId};
use raft_log::Batch;

use super::{
    clients::{Call, Clients, history},
    contract::Paused,
    hand_outs::HandOuts,
    node::{Life, Mode, Node, Synced, place},
    requests,
    state::{Decided, SimState, commands},
};

/// Fails a claim by its name.
macro_rules! claim {
    ($holds:expr, $claim:literal, $($about:tt)+) => {
        assert!($holds, "{}: {}", $claim, format_args!($($about)+))
    };
}
pub(super) use claim;

/// The simulator's record, for comparison.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) mode: Mode,
    /// Every entry that any node applied, applied once, by itself.
    pub(super) reference: SimState,
    /// Term and checksum of every entry applied, by index: the same everywhere, for ever.
    agreed: BTreeMap<u64, (u64, u32)>,
    /// Term of entries that a node counted as committed, by index.
    pub(super) committed: BTreeMap<u64, u64>,
    /// Highest index of them.
    pub(super) commit_max: u64,
    /// Every membership that was committed, from its index on.
    pub(super) memberships: BTreeMap<u64, ConfState>,
    /// Content of lost disks, by the id under which the node wrote it.
    buried: BTreeMap<RaftId, Synced>,
    /// Every id under which a log was begun.
    pub(super) ids: BTreeSet<RaftId>,
    /// Highest stamp applied.
    pub(super) stamp_us: u64,
    /// Total time for which processes were stopped: stops one after another delay stamps by the sum.
    pub(super) stopped_us: u64,
    /// Places whose wall clock ever jumped.
    pub(super) odd_clocks: BTreeSet<usize>,
    digests: BTreeMap<u64, u128>,
    leaders: BTreeMap<u64, u64>,
    /// By index and term: the term before it, and its checksum.
    written: HashMap<(u64, u64), (u64, u32)>,
    /// By operation: number of its effects, and the moment of the first.
    effects: HashMap<u64, (u32, u64)>,
    effects_by_id: HashMap<RequestId, u32>,
    /// Ids of requests that ended in "not applied".
    never: HashSet<RequestId>,
    /// The highest number that the outbox gave.
    last_effect: u64,
    pub(super) hand_outs: HandOuts,
    /// Highest term in which the role was claimed.
    pub(super) claimed: u64,
    /// Nodes that a quorum has answered since this was last emptied.
    pub(super) answered: BTreeSet<usize>,
    /// Highest `data_durable` that a leader had, by term.
    told: BTreeMap<u64, u64>,
    pub(super) acknowledged: u64,
    pub(super) paused: Option<Paused>,
    /// Highest term whose leader began a handover: the chosen node may still win, however late.
    pub(super) handed_over: u64,
    /// An operator resumes failover meanwhile, and may be obeyed late.
    pub(super) resuming: bool,
    /// An operator ever forced a node to lead alone.
    pub(super) forced: bool,
    /// An operator ordered the end of single-copy.
    pub(super) single_copy_may_end: bool,
}

/// R6 and R10: after any crash a log holds its synced entries, and the batch in flight as a whole or not at all.
pub(super) fn what_was_synced_is_there(id: RaftId, unexplained: Option<String>) {
    let why = unexplained.unwrap_or_default();
    claim!(why.is_empty(), "what was synced is there after a crash", "the log of {id:#x}: {why}");
}

/// R2 witness-never-serves.
pub(super) fn the_witness_takes_no_proposal(kind: Kind, taken: bool) {
    claim!(!(taken && kind == Kind::Witness), "the witness never serves", "it took a proposal");
}

impl Watch {
    pub(super) fn new(mode: Mode, hand_outs: HandOuts) -> Self {
        let reference = SimState::first();
        let ids: Vec<RaftId> = (1..=mode.nodes() as RaftId).collect();
        let (mark, _) = genesis(&ids);
        let digests = BTreeMap::from([(reference.mark.index, reference.digest)]);
        Self {
            mode,
            memberships: [(mark.index, mark.conf_state.unwrap_or_default())].into(),
            commit_max: mark.index,
            buried: BTreeMap::new(),
            ids: ids.into_iter().collect(),
            stamp_us: 0,
            stopped_us: 0,
            odd_clocks: BTreeSet::new(),
            reference,
            agreed: BTreeMap::new(),
            committed: BTreeMap::new(),
            digests,
            leaders: BTreeMap::new(),
            written: HashMap::new(),
            effects: HashMap::new(),
            effects_by_id: HashMap::new(),
            never: HashSet::new(),
            last_effect: 0,
            hand_outs,
            claimed: 0,
            answered: BTreeSet::new(),
            told: BTreeMap::new(),
            acknowledged: 0,
            paused: None,
            handed_over: 0,
            resuming: false,
            forced: false,
            single_copy_may_end: false,
        }
    }

    /// Terms that had a leader.
    pub(super) fn terms(&self) -> usize {
        self.leaders.len()
    }

    /// The highest of these terms.
    pub(super) fn last_term(&self) -> u64 {
        self.leaders.last_key_value().map_or(0, |(term, _)| *term)
    }

    /// The term of the entry that was applied at an index.
    pub(super) fn term_applied(&self, index: u64) -> Option<u64> {
        self.agreed.get(&index).map(|(term, _)| *term)
    }

    /// Entries that were applied.
    pub(super) fn entries(&self) -> usize {
        self.agreed.len()
    }

    /// The newest membership that was committed.
    pub(super) fn membership(&self) -> &ConfState {
        self.memberships.last_key_value().map(|(_, conf)| conf).expect("a group begins with one")
    }

    /// Keeps the content of a node's log that is lost now: until the loss the log counted.
    pub(super) fn bury(&mut self, node: &Node) {
        self.buried.insert(node.id, node.synced.clone());
    }

    /// The synced part of an id's log, also of a lost one.
    pub(super) fn synced<'a>(&'a self, nodes: &'a [Node], id: RaftId) -> Option<&'a Synced> {
        let current = nodes.get(place(id)).filter(|node| node.id == id && !node.disk_gone()).map(|node| &node.synced);
        current.or_else(|| self.buried.get(&id))
    }

    /// The kind of a node by its id.
    pub(super) fn kind(&self, id: RaftId) -> Kind {
        self.mode.kind(place(id))
    }

    /// R2.
    pub(super) fn the_witness_never_serves(&self, at: usize, life: &Life) {
        let serves = life.core.serving() || life.state.is_some() || !life.to_apply.is_empty();
        claim!(!(serves && self.mode.kind(at) == Kind::Witness), "the witness never serves", "it serves or applies");
    }

    /// Raft: at most one leader a term, and the leader has every entry that was applied before its election.
    pub(super) fn one_leader_a_term(&mut self, life: &Life) {
        let core = &life.core;
        if core.role() != RaftRole::Leader {
            return;
        }
        // a leader that learns of its election late leads nobody any more, and may lack entries of a later term's leader
        let fresh = self.leaders.range(core.term()..).next().is_none();
        let leader = *self.leaders.entry(core.term()).or_insert(core.id());
        claim!(leader == core.id(), "one leader a term", "{leader} and {} in term {}", core.id(), core.term());
        if let Some((index, (term, _))) = self.agreed.last_key_value().filter(|_| fresh) {
            let has = core.log_range().0 > *index || core.mark(*index).is_some_and(|mark| mark.term == *term);
            claim!(
                has,
                "an acknowledged update is present for ever",
                "{} leads term {} without entry {index} of term {term}, which was applied",
                core.id(),
                core.term()
            );
        }
    }

    /// Raft: all nodes count the same entries as committed.
    pub(super) fn what_is_committed_is_the_same(&mut self, life: &Life) {
        let core = &life.core;
        let Some(mark) = core.mark(core.commit()) else { return };
        let known = *self.committed.entry(mark.index).or_insert(mark.term);
        let applied = self.agreed.get(&mark.index).map_or(known, |(term, _)| *term);
        claim!(
            known == mark.term && applied == mark.term,
            "what is committed is the same everywhere",
            "node {} counts entry {} of term {} as committed, others that of term {known} (applied: {applied})",
            core.id(),
            mark.index,
            mark.term
        );
    }

    /// The `data_durable` of a leader: its count now, or the count in a frame which left in the middle of an event.
    pub(super) fn leader_told(&mut self, term: u64, data_durable: u64) {
        let told = self.told.entry(term).or_insert(0);
        *told = (*told).max(data_durable);
    }

    /// R1 forget-what-both-have: counts only from the leader of the current term.
    pub(super) fn data_durable_is_of_this_term(&mut self, life: &Life) {
        let core = &life.core;
        let value = core.data_durable();
        if core.leads() {
            self.leader_told(core.term(), value);
        }
        let told = self.told.get(&core.term()).copied().unwrap_or(0);
        claim!(
            value <= told,
            "data_durable counts only from the leader of this term",
            "{} believes {value} in term {}, its leader told {told} at most",
            core.id(),
            core.term()
        );
    }

    /// Raft: entries of one index and term are the same in every log, and so are all entries before them.
    pub(super) fn logs_match(&mut self, batch: &Batch, before: Option<u64>) {
        let mut previous = before.unwrap_or(0);
        for entry in &batch.entries {
            let stands = (previous, checksum(entry));
            let known = *self.written.entry((entry.index, entry.term)).or_insert(stands);
            claim!(known == stands, "logs match", "entry {} of term {} differs", entry.index, entry.term);
            previous = entry.term;
        }
    }

    /// Every node applies the same entries; the reference applies each the first time.
    pub(super) fn everybody_applies_the_same(&mut self, entry: &Entry, moment: u64, now: u64) {
        let stands = (entry.term, checksum(entry));
        let known = *self.agreed.entry(entry.index).or_insert(stands);
        claim!(
            known == stands,
            "an acknowledged update is present for ever",
            "two entries were applied at {}",
            entry.index
        );
        if entry.index <= self.reference.mark.index {
            return;
        }
        let next = self.reference.mark.index + 1;
        claim!(entry.index == next, "no entry is passed over", "{} was applied before {next}", entry.index);
        for command in commands(entry) {
            let decided = self.reference.decide(command);
            let stamp_us = decided.command.stamp_us;
            if decided.new {
                self.stamps_never_go_back_or_stand_still(stamp_us);
            }
            self.one_odd_clock_is_not_followed(stamp_us, now);
            self.an_effect_is_kept_once_under_a_number_of_its_own(&decided);
            // a command that asks for another proposal is an update only with its last proposal
            if decided.effect && !decided.asks_again() {
                self.an_update_is_applied_once(decided.command.id, decided.operation, moment);
            }
            self.hand_outs.decided(&decided, &self.reference.map);
        }
        self.reference.move_to(Some(entry));
        self.digests.insert(entry.index, self.reference.digest);
    }

    /// Architecture, The outbox: a subscribed effect is kept, and no number is given twice.
    fn an_effect_is_kept_once_under_a_number_of_its_own(&mut self, decided: &Decided) {
        claim!(
            !decided.subscribed || decided.effect != decided.kept.is_empty(),
            "an effect of an applied update is in the outbox",
            "request {} left {:?}",
            decided.command.id,
            decided.kept
        );
        for number in &decided.kept {
            claim!(
                *number > self.last_effect,
                "an effect has a number of its own",
                "{number} was given before, the last was {}",
                self.last_effect
            );
            self.last_effect = *number;
        }
    }

    /// R7 unknown-is-not-failed: one effect for a request id, and for all requests of one operation; none after "not applied".
    fn an_update_is_applied_once(&mut self, id: RequestId, operation: Option<u64>, moment: u64) {
        let by_id = self.effects_by_id.entry(id).or_insert(0);
        *by_id += 1;
        claim!(*by_id == 1, "an update is present once", "request {id} was applied {by_id} times");
        claim!(!self.never.contains(&id), "no reply contradicts the state", "{id} was told not to be applied, and was");
        let Some(operation) = operation else { return };
        let effect = self.effects.entry(operation).or_insert((0, moment));
        effect.0 += 1;
        claim!(effect.0 == 1, "an update is present once", "operation {operation} was applied {} times", effect.0);
    }

    /// Effects of an operation.
    pub(super) fn effects_of(&self, operation: u64) -> u32 {
        self.effects.get(&operation).map_or(0, |effect| effect.0)
    }

    /// A request ended in "not applied".
    pub(super) fn never(&mut self, id: RequestId) {
        claim!(
            !self.effects_by_id.contains_key(&id),
            "no reply contradicts the state",
            "{id} was applied, and told not"
        );
        self.never.insert(id);
    }

    /// Architecture, Storage: equal digests at equal index.
    pub(super) fn digests_are_equal(&self, at: usize, state: &SimState) {
        let index = state.mark.index;
        let expected = self.digests.get(&index).copied();
        claim!(
            state.wrong || expected.is_none_or(|digest| digest == state.digest),
            "digests are equal at equal index",
            "node {} at {index}",
            at + 1
        );
    }

    /// An operation is over: at this moment its reply agrees with the state.
    pub(super) fn over(&mut self, number: u64, call: &Call, reads: bool) {
        let effects = self.effects_of(number);
        match &call.outcome {
            Some(Outcome::Done) => {
                self.acknowledged += 1;
                claim!(effects == 1, "an acknowledged update is present", "operation {number} {:?}", call.act);
            }
            Some(Outcome::Refused(code)) => {
                claim!(
                    effects == 0,
                    "no reply contradicts the state",
                    "operation {number} was refused ({code:?}), and applied"
                );
            }
            Some(Outcome::Shown(_)) => claim!(reads, "no reply contradicts the state", "{number} shows a record"),
            None => {}
        }
        if call.act == Act::Add && call.outcome == Some(Outcome::Done) {
            let found = records::records_by_phone(&self.reference.map, &requests::phone(number), 2);
            let handles: Vec<_> = found.iter().map(|(handle, _)| *handle).collect();
            claim!(
                handles == [call.handle],
                "an acknowledged update is present once",
                "{handles:?}, acknowledged {:?}",
                call.handle
            );
        }
    }

    /// R5 leader-is-not-primary: no claim of a term from a round that began after a claim of a later term.
    pub(super) fn claim(&mut self, at: usize, confirmed: Confirmed, floor: u64, primary: bool) {
        claim!(
            confirmed.term >= floor,
            "confirmed claims of the role are linearizable",
            "node {} was confirmed in term {} after a claim of term {floor}",
            at + 1,
            confirmed.term
        );
        claim!(
            !(primary && self.mode.kind(at) == Kind::Witness),
            "the witness never serves",
            "it claims to be primary"
        );
        self.answered.insert(at);
        if primary {
            self.claimed = self.claimed.max(confirmed.term);
        }
    }

    /// Some order of operations explains the history of every record: checked whenever an operation on the record is over.
    pub(super) fn a_records_history_is_linearizable(&self, clients: &Clients, handle: Handle) {
        let operations = history(clients, handle, |number| self.effects.get(&number).map(|effect| effect.1));
        let order = linearizable(Shown::new(), operations);
        let why = order.err().unwrap_or_default();
        claim!(why.is_empty(), "every record's history is linearizable", "record {handle}: {why}");
    }
}

fn checksum(entry: &Entry) -> u32 {
    crc32c::crc32c_append(entry.kind, &entry.data)
}
