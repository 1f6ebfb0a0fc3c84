//! Replacement of a wrong state (R11 one-id-one-log): the state serves no more, while log and vote stay in service. Never decides
//! which state is wrong. Called by the driver.

use raft_log::Disk;

use super::Core;

impl<D: Disk> Core<D> {
    /// The state here is wrong and serves no more; log and vote stay in service, and a leader hands over before anything else.
    /// False: a fetch is in flight already. [`Core::replace`] follows once the machine stands still.
    pub fn distrust(&mut self) -> bool {
        if self.fetching {
            return false;
        }
        self.fetching = true;
        self.distrusted = Some(self.applied);
        self.hand_over_without_state();
        true
    }

    /// The machine stands still at an index: the core fetches a state at or above that index.
    pub fn replace(&mut self, index: u64) {
        if self.distrusted.is_some() {
            self.distrusted = Some(index);
            self.fetch = Some(index);
        }
    }

    /// No other node has a state to give: the state here serves again.
    pub fn trust_again(&mut self) {
        if self.distrusted.take().is_some() {
            self.fetching = false;
            self.fetch = None;
        }
    }

    /// A fetch failed. The core asks again at once for a missing or wrong state, otherwise when the leader repeats its snapshot.
    pub fn on_fetch_failed(&mut self) {
        #[cfg(mutant)]
        if crate::mutant::on(crate::mutant::Mutant::FetchNotTriedAgain) {
            return;
        }
        self.fetching = false;
        self.snapshot_held = None;
        if self.held_from.is_some() {
            self.fetch = Some(self.raw.store().start().index);
            self.fetching = true;
        } else if let Some(index) = self.distrusted {
            self.fetch = Some(index);
            self.fetching = true;
        }
    }
}
