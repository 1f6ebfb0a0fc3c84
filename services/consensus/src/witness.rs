//! The rules of the witness (R1 forget-what-both-have, R2 witness-never-serves): when to campaign, and how far logs may forget.

/// The witness's patience: its priority is below everyone's, raised when a cluster stays without a leader. With the low
/// priority alone a cluster can stay leaderless for ever, because raft-rs compares only the index before priorities.
#[derive(Debug)]
pub(crate) struct Patience {
    ticks_max: u32,
    leaderless: u32,
    leading: u32,
}

/// Priority of a witness that waits.
const PATIENT: i64 = -1;
/// Priority of a witness that steps in.
const STEPS_IN: i64 = 0;
/// Election timeouts without a leader before the witness steps in.
const TIMEOUTS: u32 = 3;
/// Ticks as leader before the witness alarms: 10 s at the default tick.
const LEADING_TICKS_MAX: u32 = 200;

impl Patience {
    /// `election_ticks_max`: one election timeout.
    pub(crate) fn new(election_ticks_max: usize) -> Self {
        let ticks_max = u32::try_from(election_ticks_max).unwrap_or(u32::MAX).saturating_mul(TIMEOUTS);
        Self { ticks_max, leaderless: 0, leading: 0 }
    }

    /// A tick passed; the priority from now on.
    pub(crate) fn tick(&mut self, has_leader: bool) -> i64 {
        self.leaderless = if has_leader { 0 } else { self.leaderless.saturating_add(1) };
        #[cfg(mutant)]
        if crate::mutant::on(crate::mutant::Mutant::PriorityNeverRaised) {
            return PATIENT;
        }
        if self.leaderless >= self.ticks_max { STEPS_IN } else { PATIENT }
    }

    /// Called each tick that the witness leads without being able to hand over; true once every 10 s.
    pub(crate) fn alarm(&mut self) -> bool {
        self.leading += 1;
        self.leading.is_multiple_of(LEADING_TICKS_MAX)
    }
}

/// The index up to which a node may forget its log. The witness forgets entries that both data nodes have durable and that the
/// witness knows committed; a data node, of these, only entries that its own state has durable. A fetched state can be ahead of
/// its log, whose last entries may differ from the committed entries: such entries are never a log's beginning.
pub(crate) fn may_forget(kind: crate::Kind, data_durable: u64, commit: u64, persisted: u64) -> u64 {
    #[cfg(mutant)]
    if crate::mutant::on(crate::mutant::Mutant::WitnessForgetsApplied) && kind == crate::Kind::Witness {
        return commit;
    }
    #[cfg(mutant)]
    let persisted = crate::mutant::instead(crate::mutant::Mutant::ForgetsUnpersisted, persisted, u64::MAX);
    match kind {
        crate::Kind::Witness => data_durable.min(commit),
        crate::Kind::Data => data_durable.min(commit).min(persisted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_witness_steps_in_after_three_leaderless_timeouts_and_back_at_the_next_leader() {
        let mut patience = Patience::new(20);
        assert!((0..59).all(|_| patience.tick(false) == PATIENT));
        assert_eq!(patience.tick(false), STEPS_IN);
        assert_eq!(patience.tick(true), PATIENT);
        assert_eq!(patience.tick(false), PATIENT);
    }

    #[test]
    fn nobody_forgets_what_one_data_node_lacks() {
        assert_eq!(may_forget(crate::Kind::Witness, 5, 9, 0), 5);
        assert_eq!(may_forget(crate::Kind::Witness, 9, 5, 0), 5);
        assert_eq!(may_forget(crate::Kind::Data, 5, 9, 8), 5);
        assert_eq!(may_forget(crate::Kind::Data, 9, 9, 3), 3);
        assert_eq!(may_forget(crate::Kind::Data, 9, 4, 9), 4, "its state was fetched, its log has not caught up");
    }
}
