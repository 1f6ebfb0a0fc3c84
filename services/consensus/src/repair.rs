//! Repair of a state that differs or is wrong (R11 one-id-one-log): the state is compared with the peers', doubted, kept from
//! serving, replaced; never silently, and never on all data nodes at once.
//!
//! The node, which knows the contents of a state, decides which state is wrong ([`Comparison`]). Pure: no clock,
//! no thread, no disk. Called by the driver, and by the simulator in its place.

use std::collections::BTreeMap;

use raft_log::Disk;

use crate::{Comparison, RaftId, core::Core, members};

/// Failed fetches after which the data node of the lowest number serves again from a wrong state, and after which any data node
/// does: two nodes that began in the same moment must not end in the same moment again and again.
const FAILED_MAX: (u32, u32) = (1, 3);

/// This node, at the moment.
#[derive(Debug, Clone, Copy)]
pub struct Here {
    /// This node.
    pub id: RaftId,
    /// The leader known here; 0: none.
    pub leader: RaftId,
    /// This node leads.
    pub leads: bool,
    /// A state is being fetched: nothing is served.
    pub fetching: bool,
    /// The fetch replaces a wrong state.
    pub distrusting: bool,
}

impl Here {
    /// This node as its core describes it.
    pub fn of<D: Disk>(core: &Core<D>) -> Self {
        Self {
            id: core.id(),
            leader: core.leader(),
            leads: core.leads(),
            fetching: core.fetching(),
            distrusting: core.distrusting(),
        }
    }
}

/// Another data node, by its last frame.
#[derive(Debug, Clone, Copy)]
pub struct Other {
    /// Its newest id.
    pub id: RaftId,
    /// The node was heard lately.
    pub lively: bool,
    /// The node serves from its state.
    pub ready: bool,
    /// Nothing shows its state wrong whose digest differed at this index.
    pub vouched: u64,
    /// The node could take over now; known to the leader only.
    pub able: bool,
}

/// The repair of the state here.
#[derive(Debug, Default)]
pub struct Repair {
    /// Why the state is to be replaced as soon as possible; none: the state is not to be replaced.
    wanted: Option<String>,
    /// The reason of the current or last replacement.
    pub(crate) reason: String,
    /// Replacements so far.
    pub(crate) done: u64,
    /// Index of the last digest that differed; 0: they agree.
    pub(crate) differs_at: u64,
    /// Nothing shows the state wrong whose digest differed at this index.
    pub(crate) vouched: u64,
    /// Index of the last digest that was compared, by peer.
    compared: BTreeMap<RaftId, u64>,
    /// The state is to be replaced although nothing shows a fault of it.
    yields: bool,
    /// The state was replaced for that reason once: another such difference has another cause.
    yielded: bool,
    told: bool,
    /// Attempts to fetch another state that failed in a row.
    failed: u32,
}

impl Repair {
    /// `doubted`: the state was found wrong before this start.
    pub fn new(doubted: bool) -> Self {
        let wanted = doubted.then(|| "it was found wrong before this node was started again".to_owned());
        Self { wanted, ..Self::default() }
    }

    /// Compares a peer's digest, once, with the digest here at the same index, if that digest is still known. A difference is an
    /// alarm, never ignored (architecture, Storage); the result is for the node, which looks for the wrong state.
    pub fn compare(
        &mut self,
        peer: RaftId,
        (index, theirs): (u64, u128),
        ours: impl FnOnce(u64) -> Option<u128>,
    ) -> Option<Comparison> {
        let compared = self.compared.entry(peer).or_default();
        if index <= *compared {
            return None;
        }
        let ours = ours(index)?;
        *compared = index;
        if ours != theirs {
            self.differs_at = index;
            tracing::error!(peer, index, "the state differs from the peer's: each node looks which one is wrong");
            #[cfg(mutant)]
            if crate::mutant::on(crate::mutant::Mutant::DifferenceCondemns) {
                self.wanted = Some("its digest is not the peer's".to_owned());
            }
        } else if index > self.differs_at {
            self.differs_at = 0;
        }
        Some(Comparison { peer, index, ours, theirs })
    }

    /// Notes that the state here is wrong, and why, unless the state is being replaced already.
    pub fn distrust(&mut self, reason: String, here: Here) {
        if !here.distrusting {
            (self.wanted, self.yields) = (Some(reason), false);
        }
    }

    /// Notes that nothing shows the state here wrong, though its digest differed from a peer's at this index; not during a
    /// replacement.
    pub fn vouch(&mut self, index: u64, here: Here) {
        if !here.distrusting {
            self.vouched = index;
        }
    }

    /// Index of the last difference for whose digest this node stands; told in heads.
    pub fn vouched(&self) -> u64 {
        self.vouched
    }

    /// Whether the state here is wrong and still serves.
    pub fn wanted(&self) -> bool {
        self.wanted.is_some()
    }

    /// Whether the state here is to stop serving now ([`Core::distrust`]) and to be fetched again: the state is wrong, and
    /// another data node can serve in its place. To be asked at each tick.
    pub fn due(&mut self, here: Here, others: &[Other]) -> bool {
        self.yield_to_the_primary(here, others);
        if self.wanted.is_none() || here.fetching {
            return false;
        }
        if !others.iter().any(|other| other.lively && other.ready && (!here.leads || other.able)) {
            if !std::mem::replace(&mut self.told, true) {
                let why = self.wanted.as_deref().unwrap_or_default();
                tracing::error!(why, "the state here is wrong, and no other data node can give one: it serves on");
            }
            return false;
        }
        self.reason = self.wanted.take().unwrap_or_default();
        self.failed = 0;
        tracing::error!(why = self.reason, "the state here is wrong: it serves no more, and is fetched again");
        true
    }

    /// Digests differ and neither state can be shown wrong: clients know the primary's state, so the backup's is replaced.
    fn yield_to_the_primary(&mut self, here: Here, others: &[Other]) {
        let at = self.differs_at;
        if here.fetching {
            return;
        }
        if self.yields && here.leads {
            (self.wanted, self.yields) = (None, false); // clients are answered from this node's state by now
        }
        if at == 0 || self.vouched < at || self.wanted.is_some() || self.yielded || here.leads {
            return;
        }
        if others.iter().any(|other| other.id == here.leader && other.ready && other.vouched >= at) {
            self.yields = true;
            self.wanted =
                Some(format!("its digest at index {at} is not the primary's, and neither can be shown to be wrong"));
        }
    }

    /// No state could be fetched. Whether the state here is to serve again ([`Core::trust_again`]): no living data node has a
    /// state to give, and a wrong state is better than none.
    pub fn fetch_failed(&mut self, here: Here, others: &[Other]) -> bool {
        self.failed += 1;
        let lowest = others.iter().all(|other| members::number(here.id) < members::number(other.id));
        let alone = !others.iter().any(|other| other.lively);
        let patience = if lowest && !alone { FAILED_MAX.0 } else { FAILED_MAX.1 };
        let stuck = !others.iter().any(|other| other.lively && other.ready);
        if !here.distrusting || !stuck || self.failed < patience {
            return false;
        }
        tracing::error!("no other data node has a state to give: the one here, which is wrong, serves again");
        let yielded = std::mem::take(&mut self.yields);
        self.wanted = (!yielded).then(|| self.reason.clone());
        self.told = true;
        true
    }

    /// A fetched state is installed; `taken`: in the place of the state here. Faults of the replaced state do not count against
    /// the new one.
    pub fn installed(&mut self, here: Here, taken: bool) {
        if here.distrusting {
            self.done += 1;
            self.yielded |= std::mem::take(&mut self.yields);
            tracing::warn!(why = self.reason, "the state that was wrong has been replaced");
        }
        if here.distrusting || taken {
            (self.wanted, self.differs_at, self.vouched, self.told) = (None, 0, 0, false);
        }
    }
}

#[cfg(test)]
mod tests;
