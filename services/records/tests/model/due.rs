//! Due work (spec 9: Life of a record, Campaign groups, The next record).

use crate::{
    config::AGENT_CALL_BACK_ERROR,
    model::{Model, State},
    readings,
    record::{MISSED_CALLBACK, READY},
};

const SECOND_US: u64 = 1_000_000;

impl Model {
    /// Does all that is due now.
    pub fn due(&mut self) {
        while (0..self.records.len()).any(|at| self.is_returned(at) || self.is_missed(at) || self.is_overdue(at)) {}
        for group in 0..self.states.len() {
            if self.states[group] == State::Unloading && self.holds(group).next().is_none() {
                self.set_state(group, State::NotLoaded);
            }
        }
    }

    /// Returns a record on which no request came for too long.
    fn is_returned(&mut self, at: usize) -> bool {
        let timeout_us = u64::try_from(self.config.timeout_s).unwrap() * SECOND_US;
        let now_us = self.now_us;
        let is_over = |touched_us: u64| touched_us + timeout_us <= now_us;
        let Some(held) = self.records[at].held.clone().filter(|held| is_over(held.touched_us)) else { return false };
        match held.pending {
            Some(pending) => {
                self.records[at].attempt += i64::from(readings::A_TIMEOUT_COUNTS_AN_ATTEMPT);
                self.carry_out(at, &pending);
            }
            None => self.records[at].give_back(),
        }
        true
    }

    /// Ends a callback that was not handed out in time.
    fn is_missed(&mut self, at: usize) -> bool {
        let expiry_s = self.config.expiry_s;
        let record = &self.records[at];
        let is_over = record.due_s.is_some_and(|due_s| due_s + expiry_s <= self.now_s());
        let is_missed = expiry_s > 0 && record.status == READY && record.is_callback() && is_over;
        if is_missed {
            self.records[at].finalise(MISSED_CALLBACK);
        }
        is_missed
    }

    /// Treats a personal callback that its agent has not fetched.
    fn is_overdue(&mut self, at: usize) -> bool {
        let grace_s = self.config.grace_s;
        let record = &self.records[at];
        let is_over = record.due_s.is_some_and(|due_s| due_s + grace_s <= self.now_s());
        let is_overdue = grace_s > 0 && record.status == READY && record.is_personal() && is_over;
        if !is_overdue {
            return false;
        }
        self.records[at].result = AGENT_CALL_BACK_ERROR;
        if self.is_treated(at) && self.fate(at, false).1.is_some() {
            let fate = self.fate(at, false);
            self.end(at, fate);
        } else {
            self.records[at].becomes_the_campaigns();
        }
        true
    }

    /// Whether a due time or an end is within two seconds of now: rounding decides on which side of now such a time is.
    pub fn is_near_an_end(&self) -> bool {
        let is_near = |end_s: i64| (end_s - self.now_s()).abs() <= 2;
        self.records.iter().any(|record| {
            let held_s = record
                .held
                .as_ref()
                .map(|held| i64::try_from(held.touched_us / SECOND_US).unwrap() + self.config.timeout_s);
            let due_s = record.due_s.filter(|_| record.status == READY);
            let after = |wait_s: i64| due_s.filter(|_| wait_s > 0).map(|due_s| due_s + wait_s);
            let ends = [held_s, record.paused_s, after(self.config.grace_s), after(self.config.expiry_s)];
            ends.into_iter().flatten().any(is_near)
        })
    }
}
