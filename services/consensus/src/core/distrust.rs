//! A state that is wrong (R11 one-id-one-log): it serves no more and is replaced, while log and vote stay in service. Never decides
//! what is wrong. Called by the driver.

use super::Core;
use crate::log::Disk;

impl<D: Disk> Core<D> {
    /// The state here is wrong: nothing is served from it any more; log and vote stay in service, and a leader hands over before
    /// anything else. False: one is being fetched already. [`Core::replace`] follows once the machine stands still.
    pub fn distrust(&mut self) -> bool {
        if self.fetching {
            return false;
        }
        self.fetching = true;
        self.distrusted = Some(self.applied);
        self.hand_over_without_state();
        true
    }

    /// The machine stands still at an index: a state that reaches it is fetched.
    pub fn replace(&mut self, index: u64) {
        if self.distrusted.is_some() {
            self.distrusted = Some(index);
            self.fetch = Some(index);
        }
    }

    /// Nobody has another state to give: this one serves again.
    pub fn trust_again(&mut self) {
        if self.distrusted.take().is_some() {
            self.fetching = false;
            self.fetch = None;
        }
    }

    /// Fetching failed; it is asked for again when the leader repeats itself, or at once if the state is still missing.
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
