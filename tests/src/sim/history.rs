//! Linearizability of one record's history: some order of its operations explains every reply and respects real time.
//!
//! The search of Wing and Gong, with what Lowe added: a set of configurations that were tried. Knows nothing of logs or
//! nodes: a model of a record of its own, four numbers. Called at the end of a run.

use std::collections::HashSet;

use outbound::{RefusalCode, call_result, record_status, record_type};

/// What an operation asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// AddRecord.
    Add,
    /// UpdateCallCompletionStats.
    Update {
        /// Value set.
        call_result: i64,
        /// Value set.
        attempts: i64,
    },
    /// RecordProcessed.
    Process {
        /// Value set.
        call_result: i64,
    },
    /// DoNotCall.
    DoNotCall,
    /// GetRecord.
    Read,
}

/// What a record shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shown {
    /// record_status
    pub status: i64,
    /// record_type
    pub kind: i64,
    /// call_result
    pub call_result: i64,
    /// attempt
    pub attempts: i64,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// An acknowledgement.
    Done,
    /// A refusal of the rules.
    Refused(RefusalCode),
    /// What a read showed.
    Shown(Shown),
}

/// One operation on one record.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Its number.
    pub number: u64,
    /// When it was called.
    pub called: u64,
    /// When it was over: answered, or its effect known.
    pub over: u64,
    /// What was asked.
    pub act: Act,
    /// What was answered; none: never known, but it had its effect.
    pub outcome: Option<Outcome>,
}

impl Shown {
    /// A record that was just added.
    pub fn new() -> Self {
        let (status, kind) = (record_status::READY, record_type::GENERAL);
        Self { status, kind, call_result: call_result::UNKNOWN, attempts: 0 }
    }

    /// The record after an act, and the answer.
    fn after(self, act: &Act) -> (Self, Outcome) {
        let open = matches!(self.status, record_status::READY | record_status::RETRIEVED);
        match act {
            Act::Read | Act::Add => (self, Outcome::Shown(self)),
            Act::DoNotCall => {
                let (status, kind) = (record_status::UPDATED, record_type::NO_CALL);
                (Self { status, kind, call_result: call_result::DO_NOT_CALL, ..self }, Outcome::Done)
            }
            _ if !open => (self, Outcome::Refused(RefusalCode::RecordFinalised)),
            Act::Update { call_result, attempts } => {
                (Self { call_result: *call_result, attempts: *attempts, ..self }, Outcome::Done)
            }
            Act::Process { call_result } => {
                (Self { call_result: *call_result, status: record_status::UPDATED, ..self }, Outcome::Done)
            }
        }
    }
}

impl Default for Shown {
    fn default() -> Self {
        Self::new()
    }
}

/// A configuration: the first operation that has no place yet, which of the next 128 have one, and the record then.
type Configuration = (usize, u128, Shown);

/// Whether a history of one record is linearizable, beginning with `first`.
///
/// # Errors
/// The operations in the order of their calls, as far as an explanation reached.
pub fn linearizable(first: Shown, mut operations: Vec<Operation>) -> Result<(), String> {
    operations.sort_by_key(|operation| operation.called);
    let mut tried: HashSet<Configuration> = HashSet::new();
    let mut open = vec![(0, 0_u128, first)];
    let mut furthest = 0;
    while let Some(configuration) = open.pop() {
        let (from, placed, record) = configuration;
        furthest = furthest.max(from);
        if from == operations.len() {
            return Ok(());
        }
        if !tried.insert(configuration) {
            continue;
        }
        let window = || (from..operations.len().min(from + 128)).filter(|at| placed & (1 << (at - from)) == 0);
        let limit = window().map(|at| operations[at].over).min().unwrap_or(u64::MAX);
        for at in window().take_while(|at| operations[*at].called < limit) {
            let (next, outcome) = record.after(&operations[at].act);
            if operations[at].outcome.as_ref().is_none_or(|given| *given == outcome) {
                open.push(placed_one(from, placed | 1 << (at - from), next));
            }
        }
    }
    let shown =
        operations.iter().skip(furthest.saturating_sub(8)).take(24).map(|operation| format!("\n  {operation:?}"));
    Err(format!(
        "no order explains the replies from operation {furthest} of {} on:{}",
        operations.len(),
        shown.collect::<String>()
    ))
}

fn placed_one(mut from: usize, mut placed: u128, record: Shown) -> Configuration {
    while placed & 1 == 1 {
        placed >>= 1;
        from += 1;
    }
    (from, placed, record)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(number: u64, called: u64, over: u64) -> Operation {
        let act = Act::Update { call_result: 1, attempts: number.cast_signed() };
        Operation { number, called, over, act, outcome: Some(Outcome::Done) }
    }

    fn read(called: u64, over: u64, attempts: i64) -> Operation {
        let call_result = if attempts == 0 { call_result::UNKNOWN } else { 1 };
        let shown = Shown { attempts, call_result, ..Shown::new() };
        Operation { number: 0, called, over, act: Act::Read, outcome: Some(Outcome::Shown(shown)) }
    }

    #[test]
    fn reads_see_what_was_acknowledged_before_they_began() {
        assert!(linearizable(Shown::new(), vec![update(1, 1, 2), read(3, 4, 1)]).is_ok());
        assert!(linearizable(Shown::new(), vec![update(1, 1, 2), read(3, 4, 0)]).is_err());
    }

    #[test]
    fn what_overlaps_may_be_seen_or_not_but_not_both_ways() {
        assert!(linearizable(Shown::new(), vec![update(1, 1, 9), read(2, 3, 0), read(4, 5, 1)]).is_ok());
        assert!(linearizable(Shown::new(), vec![update(1, 1, 9), read(2, 3, 1), read(4, 5, 0)]).is_err());
    }

    #[test]
    fn a_finalised_record_refuses() {
        let done = Operation { act: Act::Process { call_result: 1 }, ..update(1, 1, 2) };
        assert!(linearizable(Shown::new(), vec![done.clone(), update(2, 3, 4)]).is_err());
        let refused = Some(Outcome::Refused(RefusalCode::RecordFinalised));
        assert!(linearizable(Shown::new(), vec![done, Operation { outcome: refused, ..update(2, 3, 4) }]).is_ok());
    }
}
