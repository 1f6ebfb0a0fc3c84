//! What the driver does about a state that differs or is wrong (design rule 11): it is compared with the peers', doubted, kept
//! from serving, replaced; never silently, and never on all data nodes at once.
//!
//! Which state is wrong is not decided here but by the node ([`crate::Comparison`]), which knows what a state is.

use super::{Driver, SILENT, Seen, Work};
use crate::{Comparison, Kind, Machine, RaftId, log::Disk, members};

/// Where the state here stands.
#[derive(Debug, Default)]
pub(super) struct Repair {
    /// Why it is to be replaced, as soon as that can be.
    pub(super) wanted: Option<String>,
    /// Why it is being, or was last, replaced.
    pub(super) reason: String,
    /// How often it was.
    pub(super) done: u64,
    /// Index of the last digest that differed; 0: they agree.
    pub(super) differs_at: u64,
    /// Nothing shows the state wrong whose digest differed at this index.
    pub(super) vouched: u64,
    /// Replaced once although nothing showed it wrong: another difference of that kind has another cause.
    yielded: bool,
    told: bool,
}

impl Repair {
    /// `doubted`: the state was found wrong before this start.
    pub(super) fn new(doubted: bool) -> Self {
        let wanted = doubted.then(|| "it was found wrong before this node was started again".to_owned());
        Self { wanted, ..Self::default() }
    }
}

impl<D: Disk, M: Machine> Driver<D, M> {
    /// A difference of digests at the same index is an alarm, never ignored (design 5).
    pub(super) fn compare_digests(&mut self) {
        for (peer, seen) in &mut self.peers {
            let Some((index, theirs)) = seen.digest.filter(|(index, _)| *index > seen.compared) else { continue };
            let Some(ours) = self.digests.at(index) else { continue };
            seen.compared = index;
            if ours != theirs {
                self.mismatches += 1;
                self.repair.differs_at = index;
                tracing::error!(peer, index, "the state differs from the peer's: each node looks which one is wrong");
            } else if index > self.repair.differs_at {
                self.repair.differs_at = 0;
            }
            (self.compared)(Comparison { peer: *peer, index, ours, theirs });
        }
    }

    /// Stops serving from a state that is wrong, once another data node can: a leader hands over by itself then.
    pub(super) fn seek_repair(&mut self) {
        self.yield_to_the_primary();
        if self.repair.wanted.is_none() || self.core.fetching() {
            return;
        }
        let others = self.other_data_nodes();
        let able = |id: &RaftId| !self.core.leads() || self.core.eligible(*id).is_ok();
        if !others.iter().any(|(id, seen)| lively(seen) && seen.ready && able(id)) {
            if !std::mem::replace(&mut self.repair.told, true) {
                let why = self.repair.wanted.as_deref().unwrap_or_default();
                tracing::error!(why, "the state here is wrong, and no other data node can give one: it serves on");
            }
            return;
        }
        if self.core.distrust() {
            self.repair.reason = self.repair.wanted.take().unwrap_or_default();
            tracing::error!(
                why = self.repair.reason,
                "the state here is wrong: it serves no more, and is fetched again"
            );
            let _ = self.work.send(Work::Distrust);
        }
    }

    /// Digests differ and neither node can be shown wrong: what clients were told is the primary's, so the backup's goes.
    fn yield_to_the_primary(&mut self) {
        let at = self.repair.differs_at;
        if at == 0 || self.repair.vouched < at || self.repair.yielded || self.core.leads() {
            return;
        }
        let leader = self.core.leader();
        let firm = |(id, seen): &(RaftId, &Seen)| *id == leader && seen.ready && seen.vouched >= at;
        if self.other_data_nodes().iter().any(firm) {
            self.repair.yielded = true;
            self.repair.wanted =
                Some(format!("its digest at index {at} is not the primary's, and neither can be shown to be wrong"));
        }
    }

    /// The other data node lives and has no state to give either: better this one than none.
    pub(super) fn trust_if_alone(&mut self) {
        let others = self.other_data_nodes();
        let stuck = others.iter().any(|(_, seen)| lively(seen) && !seen.ready);
        if self.core.distrusting() && stuck && !others.iter().any(|(_, seen)| seen.ready) {
            tracing::error!("no other data node has a state to give: the one here, which is wrong, serves again");
            self.core.trust_again();
            self.repair.wanted = Some(self.repair.reason.clone());
            self.repair.told = true;
            let _ = self.work.send(Work::Trust);
        }
    }

    /// A fetched state stands.
    pub(super) fn on_replaced(&mut self) {
        if self.core.distrusting() {
            self.repair.done += 1;
            (self.repair.differs_at, self.repair.vouched, self.repair.told) = (0, 0, false);
            tracing::warn!(why = self.repair.reason, "the state that was wrong has been replaced");
        }
    }

    fn other_data_nodes(&self) -> Vec<(RaftId, &Seen)> {
        let conf_state = self.core.conf_state();
        let newest = |id: RaftId| members::newest(&conf_state, members::number(id)) == Some(id);
        let others = self.core.members().into_iter().filter(|(id, kind)| *id != self.core.id() && *kind == Kind::Data);
        others.filter(|(id, _)| newest(*id)).filter_map(|(id, _)| Some((id, self.peers.get(&id)?))).collect()
    }
}

fn lively(seen: &Seen) -> bool {
    seen.heard.is_some_and(|heard| heard.elapsed() < SILENT)
}
