//! The calls of clients and their outcomes. Plain data: does no IO. Called by `caller`, `recorder` and `verdict`.

use std::time::{Duration, Instant};

use ocs_history::{Act, NEVER_OVER, Operation, Outcome, Shown};

/// The single monotonic clock of a history: nanoseconds since its beginning.
#[derive(Debug, Clone, Copy)]
pub struct Clock(Instant);

impl Clock {
    /// Begins now.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Now.
    pub fn ns(self) -> u64 {
        self.of(Instant::now())
    }

    /// A moment.
    pub fn of(self, moment: Instant) -> u64 {
        u64::try_from(moment.saturating_duration_since(self.0).as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The end of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// AddRecord: acknowledged, with this handle.
    Added(u64),
    /// Acknowledged, shown or refused by the rules.
    Answered(Outcome),
    /// 504, or the connection broke after the request was sent: the call may be applied at any time, or never.
    Unknown,
    /// 503, or the request was never sent: not applied.
    NotApplied,
}

/// One try at a call, at one HTTP Proxy.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The node whose HTTP Proxy was asked.
    pub proxy: &'static str,
    /// Time of the request.
    pub from_ns: u64,
    /// Time of the answer, or of the failure.
    pub to_ns: u64,
    /// The failure of the attempt, if any; a refusal of the rules is no failure.
    pub failure: Option<String>,
}

/// One call of a client, with every attempt at it.
#[derive(Debug, Clone)]
pub struct Call {
    /// Unique in a drill; the request carries the number as its reference.
    pub number: u64,
    /// The action.
    pub act: Act,
    /// The record; none for AddRecord.
    pub handle: Option<u64>,
    /// The phone of an AddRecord; unique.
    pub phone: String,
    /// With an Idempotency-Key.
    pub keyed: bool,
    /// Begin of the first attempt.
    pub called_ns: u64,
    /// End of the last attempt.
    pub over_ns: u64,
    /// The outcome.
    pub ended: Ended,
    /// In their order.
    pub attempts: Vec<Attempt>,
    /// A read after the clients had stopped.
    pub closing: bool,
}

impl Call {
    /// Whether the call is an acknowledged update.
    pub fn acked(&self) -> bool {
        matches!(self.ended, Ended::Added(_) | Ended::Answered(Outcome::Done))
    }

    /// The place of this call in its record's history; none: the history has no place for this call.
    pub(super) fn operation(&self) -> Option<Operation> {
        let (over, outcome) = match &self.ended {
            Ended::Answered(outcome) => (self.over_ns, Some(outcome.clone())),
            Ended::Unknown if self.act != Act::Read => (NEVER_OVER, None),
            _ => return None,
        };
        Some(Operation { number: self.number, called: self.called_ns, over, act: self.act.clone(), outcome })
    }

    /// A read of the end, out of an export.
    pub(super) fn exported(number: u64, handle: u64, shown: Shown, ns: u64) -> Self {
        Self {
            number,
            act: Act::Read,
            handle: Some(handle),
            phone: String::new(),
            keyed: false,
            called_ns: ns,
            over_ns: ns + 1,
            ended: Ended::Answered(Outcome::Shown(shown)),
            attempts: Vec::new(),
            closing: true,
        }
    }
}

/// The longest time in a window without an acknowledged update; time before the first acknowledgement does not count.
pub(super) fn longest_pause(calls: &[Call], from_ns: u64, to_ns: u64) -> Duration {
    let mut ends: Vec<u64> = calls.iter().filter(|call| call.acked()).map(|call| call.over_ns).collect();
    ends.sort_unstable();
    let first = ends.partition_point(|end| *end <= from_ns);
    let last = ends.partition_point(|end| *end < to_ns);
    let window = &ends[first.saturating_sub(1)..ends.len().min(last + 1)];
    let pause = window.windows(2).map(|pair| pair[1] - pair[0].max(from_ns)).max();
    Duration::from_nanos(pause.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_the_time_between_acknowledgements_and_reaches_over_the_end_of_the_window() {
        let acked = |over_ns| Call { over_ns, ended: Ended::Added(1), ..Call::exported(1, 1, Shown::new(), 0) };
        let calls: Vec<Call> = [10, 20, 75, 80, 390].into_iter().map(acked).collect();
        assert_eq!(longest_pause(&calls, 5, 79), Duration::from_nanos(55));
        assert_eq!(longest_pause(&calls, 5, 100), Duration::from_nanos(310));
        assert_eq!(longest_pause(&calls, 40, 79), Duration::from_nanos(35));
        assert_eq!(longest_pause(&[], 5, 100), Duration::ZERO);
    }
}
