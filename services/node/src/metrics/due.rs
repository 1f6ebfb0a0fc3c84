//! Metrics of records that change by themselves, by their cause.

use pair::DueCounts;
use prometheus_client::{metrics::counter::Counter, registry::Registry};

use super::store;

#[derive(Debug, Default)]
pub(super) struct Due {
    returned: Counter,
    overdue: Counter,
    missed: Counter,
}

impl Due {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let due = Self::default();
        let help = "Held records that went back, since no request came on them for retrieved_timeout";
        registry.register("returned", help, due.returned.clone());
        let help = "Personal callbacks that their agents did not fetch within personal_callback_grace";
        registry.register("overdue", help, due.overdue.clone());
        let help = "Callbacks that were not handed out within callback_expiry";
        registry.register("callbacks_missed", help, due.missed.clone());
        due
    }

    pub(super) fn refresh(&self, counts: DueCounts) {
        store(&self.returned, counts.returned);
        store(&self.overdue, counts.overdue);
        store(&self.missed, counts.missed);
    }
}
