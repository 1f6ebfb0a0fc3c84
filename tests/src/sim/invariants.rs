//! What must hold after every step, whatever happened: one function each, named as a claim.
//!
//! A claim that does not hold panics with its own name; `run` turns that into a violation with its seed. Knows the
//! nodes from outside only: logs, states, replies. Called by `world`.

use std::collections::{BTreeMap, HashMap, HashSet};

use consensus::{Confirmed, RaftRole, log::Batch};
use ocs_history::{Act, Outcome, Shown, linearizable};
use ocs_proto::peer::Entry;
use outbound::RequestId;

use super::{
    clients::{Call, Clients, history},
    node::{IDS, Life, Node, Synced, WITNESS},
    requests,
    state::State,
};

/// Fails a claim by its name.
macro_rules! claim {
    ($holds:expr, $claim:literal, $($about:tt)+) => {
        assert!($holds, "{}: {}", $claim, format_args!($($about)+))
    };
}
pub(super) use claim;

/// What the simulator remembers to compare with.
#[derive(Debug)]
pub(super) struct Watch {
    /// Every entry that any node applied, applied once, by itself.
    pub(super) reference: State,
    /// Term and checksum of every entry applied, by index: the same everywhere, for ever.
    agreed: BTreeMap<u64, (u64, u32)>,
    /// Term of entries that a node counted as committed, by index.
    committed: BTreeMap<u64, u64>,
    digests: BTreeMap<u64, u128>,
    leaders: BTreeMap<u64, u64>,
    /// By index and term: the term before it, and its checksum.
    written: HashMap<(u64, u64), (u64, u32)>,
    /// How often an operation had an effect, and when first.
    effects: HashMap<u64, (u32, u64)>,
    effects_by_id: HashMap<RequestId, u32>,
    /// Ids of requests that ended in "not applied".
    never: HashSet<RequestId>,
    /// Highest term in which the role was claimed.
    pub(super) claimed: u64,
    /// Highest `data_durable` that a leader had, by term.
    told: BTreeMap<u64, u64>,
    pub(super) acknowledged: u64,
}

/// Rules 6 and 10: after any crash a log holds what it had synced, and what was being written as a whole or not at all.
pub(super) fn what_was_synced_is_there(at: usize, explained: bool) {
    claim!(explained, "what was synced is there after a crash", "the log of node {} is another one", IDS[at]);
}

/// Rule 2.
pub(super) fn the_witness_takes_no_proposal(at: usize, taken: bool) {
    claim!(!(taken && at == WITNESS), "the witness never serves", "it took a proposal");
}

/// Rule 2.
pub(super) fn the_witness_never_serves(at: usize, life: &Life) {
    let serves = at == WITNESS && (life.core.serving() || life.state.is_some() || !life.to_apply.is_empty());
    claim!(!serves, "the witness never serves", "it serves or applies");
}

/// Rule 1: what a node forgets, every data node has on its disk.
pub(super) fn what_is_forgotten_is_on_both_data_nodes(at: usize, index: u64, term: u64, nodes: &[Node]) {
    for (place, node) in nodes.iter().enumerate().filter(|(place, node)| *place != WITNESS && !node.lost) {
        let has = node.synced.start.index >= index || node.synced.terms.get(&index) == Some(&term);
        claim!(
            has,
            "what is forgotten is on both data nodes",
            "node {} forgets up to {index}, node {} has up to {}",
            IDS[at],
            IDS[place],
            node.synced.last()
        );
    }
}

/// Rule 1: what a node knows committed and believes durable on both data nodes is so.
pub(super) fn data_durable_is_on_both_data_nodes(at: usize, life: &Life, nodes: &[&Synced]) {
    let believed = life.core.data_durable().min(life.core.commit());
    for synced in nodes {
        claim!(
            synced.last() >= believed,
            "data_durable is never above what a data node has durable",
            "node {} believes {believed}, a data node has up to {}",
            IDS[at],
            synced.last()
        );
    }
}

impl Watch {
    pub(super) fn new() -> Self {
        let reference = State::first();
        let digests = BTreeMap::from([(reference.mark.index, reference.digest)]);
        Self {
            reference,
            agreed: BTreeMap::new(),
            committed: BTreeMap::new(),
            digests,
            leaders: BTreeMap::new(),
            written: HashMap::new(),
            effects: HashMap::new(),
            effects_by_id: HashMap::new(),
            never: HashSet::new(),
            claimed: 0,
            told: BTreeMap::new(),
            acknowledged: 0,
        }
    }

    /// Terms that had a leader.
    pub(super) fn terms(&self) -> usize {
        self.leaders.len()
    }

    /// The term of the entry that was applied at an index.
    pub(super) fn term_applied(&self, index: u64) -> Option<u64> {
        self.agreed.get(&index).map(|(term, _)| *term)
    }

    /// Entries that were applied.
    pub(super) fn entries(&self) -> usize {
        self.agreed.len()
    }

    /// Raft: at most one leader a term, and it has every entry that was applied before it was elected.
    pub(super) fn one_leader_a_term(&mut self, life: &Life) {
        let core = &life.core;
        if core.role() != RaftRole::Leader {
            return;
        }
        let fresh = !self.leaders.contains_key(&core.term());
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

    /// Raft: what a node counts as committed is what every other does.
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

    /// Rule 1: counts only from the leader of the current term.
    pub(super) fn data_durable_is_of_this_term(&mut self, life: &Life) {
        let core = &life.core;
        let value = core.data_durable();
        let told = self.told.entry(core.term()).or_insert(0);
        if core.leads() {
            *told = (*told).max(value);
        }
        claim!(
            value <= *told,
            "data_durable counts only from the leader of this term",
            "{} believes {value} in term {}, its leader told {told} at most",
            core.id(),
            core.term()
        );
    }

    /// Raft: entries of one index and term are the same in every log, and so is all before them.
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
    pub(super) fn everybody_applies_the_same(&mut self, entry: &Entry, moment: u64) {
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
        for decided in self.reference.apply_one(entry).into_iter().filter(|decided| decided.effect) {
            self.an_update_is_applied_once(decided.id, decided.operation, moment);
        }
        self.digests.insert(entry.index, self.reference.digest);
    }

    /// Rule 7: one effect for a request id, and for all requests of one operation; none after "not applied".
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

    /// A request ended in "not applied".
    pub(super) fn never(&mut self, id: RequestId) {
        claim!(
            !self.effects_by_id.contains_key(&id),
            "no reply contradicts the state",
            "{id} was applied, and told not"
        );
        self.never.insert(id);
    }

    /// Design 5: equal digests at equal index.
    pub(super) fn digests_are_equal(&self, at: usize, state: &State) {
        let index = state.mark.index;
        let expected = self.digests.get(&index).copied();
        claim!(
            expected.is_none_or(|digest| digest == state.digest),
            "digests are equal at equal index",
            "node {} at {index}",
            IDS[at]
        );
    }

    /// An operation is over: what was answered agrees with the state, at this moment.
    pub(super) fn over(&mut self, number: u64, call: &Call, reads: bool) {
        let effects = self.effects.get(&number).map_or(0, |effect| effect.0);
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
            let found =
                records::records_by_phone(&self.reference.map, &records::canonical_phone(&requests::phone(number)), 2);
            let handles: Vec<_> = found.iter().map(|(handle, _)| *handle).collect();
            claim!(
                handles == [call.handle],
                "an acknowledged update is present once",
                "{handles:?}, acknowledged {:?}",
                call.handle
            );
        }
    }

    /// Rule 5: no claim of a term from a round that began after one of a later term was given.
    pub(super) fn claim(&mut self, at: usize, confirmed: Confirmed, floor: u64, primary: bool) {
        claim!(
            confirmed.term >= floor,
            "confirmed claims of the role are linearizable",
            "node {} was confirmed in term {} after a claim of term {floor}",
            IDS[at],
            confirmed.term
        );
        claim!(!(primary && at == WITNESS), "the witness never serves", "it claims to be primary");
        if primary {
            self.claimed = self.claimed.max(confirmed.term);
        }
    }

    /// Every record's history has an order that explains it.
    pub(super) fn histories_are_linearizable(&self, clients: &Clients) {
        let handles: std::collections::BTreeSet<_> = clients.calls().map(|(_, call)| call.handle).collect();
        for handle in handles.into_iter().filter(|handle| handle.0 != 0) {
            let operations = history(clients, handle, |number| self.effects.get(&number).map(|effect| effect.1));
            let order = linearizable(Shown::new(), operations);
            let why = order.err().unwrap_or_default();
            claim!(why.is_empty(), "every record's history is linearizable", "record {handle}: {why}");
        }
    }
}

fn checksum(entry: &Entry) -> u32 {
    crc32c::crc32c_append(entry.kind, &entry.data)
}
