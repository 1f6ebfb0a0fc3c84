//! Linearizability of one record's history: some order of its operations explains every reply and respects real time.
//!
//! The search of Wing and Gong, with Lowe's addition: a set of configurations that were tried. Knows nothing of logs or nodes,
//! and nothing of the product either: a model of a record of its own, four numbers, by the specification (spec 8, 9). Does no
//! IO and reads no clock. Called at the end of a simulated run, and by the drills on real processes.

use std::collections::HashSet;

/// The values of the specification that the model knows.
mod value {
    pub(super) const STATUS_READY: i64 = 1;
    pub(super) const STATUS_RETRIEVED: i64 = 2;
    pub(super) const STATUS_UPDATED: i64 = 3;
    pub(super) const TYPE_GENERAL: i64 = 2;
    pub(super) const TYPE_NO_CALL: i64 = 7;
    pub(super) const RESULT_UNKNOWN: i64 = 28;
    pub(super) const RESULT_DO_NOT_CALL: i64 = 51;
}

/// The code of the refusal of a finalised record.
pub const FINALISED: &str = "RECORD_FINALISED";

/// The end of an operation without a known outcome: its effect may come at any later time, or never.
pub const NEVER_OVER: u64 = u64::MAX;

/// Operations of unknown outcome that one history may have.
const LOOSE_MAX: usize = 128;
/// Configurations that are tried before the search gives up.
const CONFIGURATIONS_MAX: usize = 1_000_000;

/// The action of an operation.
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

/// The content of a record.
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

/// The answer to an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// An acknowledgement.
    Done,
    /// A refusal of the rules.
    Refused(String),
    /// The record in the answer to a read.
    Shown(Shown),
}

/// One operation on one record.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Its number.
    pub number: u64,
    /// Time of the call.
    pub called: u64,
    /// Time of the end: answered, or the effect known; or [`NEVER_OVER`].
    pub over: u64,
    /// The action.
    pub act: Act,
    /// The answer; none: never known. Without an answer the operation had its effect, unless its end is [`NEVER_OVER`].
    pub outcome: Option<Outcome>,
}

impl Shown {
    /// A record that was just added.
    pub fn new() -> Self {
        let (status, kind) = (value::STATUS_READY, value::TYPE_GENERAL);
        Self { status, kind, call_result: value::RESULT_UNKNOWN, attempts: 0 }
    }

    /// The record after an act, and the answer.
    fn after(self, act: &Act) -> (Self, Outcome) {
        let open = matches!(self.status, value::STATUS_READY | value::STATUS_RETRIEVED);
        match act {
            Act::Read | Act::Add => (self, Outcome::Shown(self)),
            Act::DoNotCall => {
                let (status, kind) = (value::STATUS_UPDATED, value::TYPE_NO_CALL);
                (Self { status, kind, call_result: value::RESULT_DO_NOT_CALL, ..self }, Outcome::Done)
            }
            _ if !open => (self, Outcome::Refused(FINALISED.to_owned())),
            Act::Update { call_result, attempts } => {
                (Self { call_result: *call_result, attempts: *attempts, ..self }, Outcome::Done)
            }
            Act::Process { call_result } => {
                (Self { call_result: *call_result, status: value::STATUS_UPDATED, ..self }, Outcome::Done)
            }
        }
    }
}

impl Default for Shown {
    fn default() -> Self {
        Self::new()
    }
}

/// A configuration: the first operation without a place, the operations with a place among the next 128, the operations of
/// unknown outcome that had their effect, and the record then.
type Configuration = (usize, u128, u128, Shown);

/// Whether a history of one record is linearizable, beginning with `first`.
///
/// # Errors
/// The operations in the order of their calls, as far as an explanation reached.
pub fn linearizable(first: Shown, operations: Vec<Operation>) -> Result<(), String> {
    let search = Search::new(operations);
    if search.loose.len() > LOOSE_MAX {
        return Err(format!("{} operations of unknown outcome: too many to decide", search.loose.len()));
    }
    let mut tried: HashSet<Configuration> = HashSet::new();
    let mut open = vec![(0, 0, 0, first)];
    let mut furthest = 0;
    while let Some(configuration) = open.pop() {
        furthest = furthest.max(configuration.0);
        if configuration.0 == search.operations.len() {
            return Ok(());
        }
        if tried.len() == CONFIGURATIONS_MAX {
            return Err(format!("not decided after {CONFIGURATIONS_MAX} configurations{}", search.around(furthest)));
        }
        if tried.insert(configuration) {
            search.follow(configuration, &mut open);
        }
    }
    let about = search.around(furthest);
    Err(format!("no order explains the replies from operation {furthest} of {} on:{about}", search.operations.len()))
}

/// A history, taken apart.
struct Search {
    /// Operations that are over, in the order of their calls.
    operations: Vec<Operation>,
    /// Operations that are not over: each may have its place or none.
    loose: Vec<Operation>,
}

impl Search {
    fn new(operations: Vec<Operation>) -> Self {
        let (mut loose, mut operations): (Vec<_>, Vec<_>) =
            operations.into_iter().partition(|operation| operation.over == NEVER_OVER);
        loose.retain(|operation| !matches!(operation.act, Act::Read | Act::Add)); // without effect, without answer
        operations.sort_by_key(|operation| operation.called);
        Self { operations, loose }
    }

    /// Every configuration that another operation leads to; the last is tried first.
    fn follow(&self, (from, placed, used, record): Configuration, open: &mut Vec<Configuration>) {
        let window = || (from..self.operations.len().min(from + 128)).filter(|at| placed & (1 << (at - from)) == 0);
        let limit = window().map(|at| self.operations[at].over).min().unwrap_or(u64::MAX);
        for (at, operation) in self.loose.iter().enumerate() {
            let (next, _) = record.after(&operation.act);
            if used & (1 << at) == 0 && operation.called < limit && next != record {
                open.push((from, placed, used | 1 << at, next));
            }
        }
        for at in window().take_while(|at| self.operations[*at].called < limit) {
            let (next, outcome) = record.after(&self.operations[at].act);
            if self.operations[at].outcome.as_ref().is_none_or(|given| *given == outcome) {
                let (from, placed) = moved_on(from, placed | 1 << (at - from));
                open.push((from, placed, used, next));
            }
        }
    }

    /// The operations at the end of the explanation, for a person.
    fn around(&self, furthest: usize) -> String {
        let near = self.operations.iter().skip(furthest.saturating_sub(8)).take(24);
        let mut lines: Vec<String> = near.map(|operation| format!("\n  {operation:?}")).collect();
        lines.extend(self.loose.iter().take(8).map(|operation| format!("\n  of unknown outcome: {operation:?}")));
        lines.concat()
    }
}

fn moved_on(from: usize, placed: u128) -> (usize, u128) {
    let done = placed.trailing_ones();
    (from + done as usize, placed.checked_shr(done).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(number: u64, called: u64, over: u64) -> Operation {
        let act = Act::Update { call_result: 1, attempts: number.cast_signed() };
        Operation { number, called, over, act, outcome: Some(Outcome::Done) }
    }

    fn read(called: u64, over: u64, attempts: i64) -> Operation {
        let call_result = if attempts == 0 { value::RESULT_UNKNOWN } else { 1 };
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
        let refused = Some(Outcome::Refused(FINALISED.to_owned()));
        assert!(linearizable(Shown::new(), vec![done, Operation { outcome: refused, ..update(2, 3, 4) }]).is_ok());
    }

    fn lost(number: u64, called: u64) -> Operation {
        Operation { outcome: None, ..update(number, called, NEVER_OVER) }
    }

    #[test]
    fn an_unknown_outcome_may_take_effect_later_or_never_but_not_before_its_call() {
        assert!(linearizable(Shown::new(), vec![lost(1, 1), read(5, 6, 0), read(7, 8, 1)]).is_ok());
        assert!(linearizable(Shown::new(), vec![lost(1, 1), read(5, 6, 0), read(7, 8, 0)]).is_ok());
        assert!(linearizable(Shown::new(), vec![lost(1, 9), read(5, 6, 1)]).is_err());
    }

    #[test]
    fn an_unknown_outcome_takes_effect_once() {
        let history = vec![lost(1, 1), read(2, 3, 1), update(2, 4, 5), read(6, 7, 1)];
        assert!(linearizable(Shown::new(), history).is_err());
    }

    #[test]
    fn a_lost_update_is_found() {
        let history = vec![update(1, 1, 2), update(2, 3, 4), read(5, 6, 1)];
        assert!(linearizable(Shown::new(), history).is_err());
    }

    #[test]
    fn hundreds_of_operations_beside_one_of_unknown_outcome_are_decided() {
        let mut history = vec![lost(10_000, 1)];
        for number in 1..400 {
            history.push(update(number, number * 10, number * 10 + 4));
            history.push(read(number * 10 + 5, number * 10 + 6, number.cast_signed()));
        }
        history.push(read(9000, 9001, 10_000));
        assert!(linearizable(Shown::new(), history.clone()).is_ok());
        history.push(read(9002, 9003, 399));
        assert!(linearizable(Shown::new(), history).is_err());
    }
}
