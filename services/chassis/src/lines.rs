//! Rate limits for log lines that strangers can cause: each cause has a budget of lines a minute, and further lines are counted.
//!
//! Never writes a line itself: the caller writes the line, with the count of the lines left out before.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

const MINUTE: Duration = Duration::from_secs(60);

/// The lines of one cause.
#[derive(Debug, Clone)]
pub struct LineBudget {
    per_minute: u32,
    began: Option<Instant>,
    written: u32,
    left_out: u64,
}

impl LineBudget {
    /// A budget of `per_minute` lines a minute.
    pub const fn new(per_minute: u32) -> Self {
        Self { per_minute, began: None, written: 0, left_out: 0 }
    }

    /// Some: a line may be written now, with the count of lines left out since the last line.
    pub fn line(&mut self, now: Instant) -> Option<u64> {
        if self.is_over(now) {
            (self.began, self.written) = (Some(now), 0);
        }
        if self.written >= self.per_minute {
            self.left_out += 1;
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.left_out))
    }

    /// Count of lines left out that no later line has reported, once their minute is over. Each line is reported once.
    pub fn take_left_out(&mut self, now: Instant) -> u64 {
        if self.is_over(now) { std::mem::take(&mut self.left_out) } else { 0 }
    }

    fn is_over(&self, now: Instant) -> bool {
        self.began.is_none_or(|began| now.saturating_duration_since(began) >= MINUTE)
    }
}

/// The lines of several causes, each with a budget of its own. Causes are words of the program, never of a stranger.
#[derive(Debug)]
pub struct Causes {
    per_minute: u32,
    budgets: Mutex<BTreeMap<&'static str, LineBudget>>,
}

impl Causes {
    /// Budgets of `per_minute` lines a minute for each cause.
    pub const fn new(per_minute: u32) -> Self {
        Self { per_minute, budgets: Mutex::new(BTreeMap::new()) }
    }

    /// Some: a line of this cause may be written now, ended by this text with the count of lines left out before.
    pub fn line(&self, cause: &'static str) -> Option<String> {
        let mut budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        let budget = budgets.entry(cause).or_insert_with(|| LineBudget::new(self.per_minute));
        budget.line(Instant::now()).map(|left_out| match left_out {
            0 => String::new(),
            more => format!(" (and {more} more before it)"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_at_a_bounded_rate_and_tell_how_many_were_left_out() {
        let start = Instant::now();
        let mut budget = LineBudget::new(2);
        assert_eq!([budget.line(start), budget.line(start)], [Some(0), Some(0)]);
        assert_eq!([budget.line(start), budget.line(start + MINUTE / 2)], [None, None]);
        assert_eq!(budget.take_left_out(start + MINUTE / 2), 0, "a later line may tell of them");
        assert_eq!(budget.line(start + MINUTE), Some(2));
        assert_eq!([budget.line(start + MINUTE), budget.line(start + MINUTE)], [Some(0), None]);
        assert_eq!(budget.take_left_out(start + 2 * MINUTE), 1);
        assert_eq!(budget.take_left_out(start + 2 * MINUTE), 0, "each is told once");
    }

    #[test]
    fn a_loud_cause_takes_no_line_from_another() {
        let causes = Causes::new(1);
        assert_eq!(causes.line("full"), Some(String::new()));
        assert_eq!(causes.line("full"), None);
        assert_eq!(causes.line("silent"), Some(String::new()));
    }
}
