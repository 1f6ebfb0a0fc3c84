//! Judges a history: acknowledged updates that are lost, updates applied twice, stale reads. Pure: calls and exports come in,
//! findings go out. Called by `run`.

use std::collections::BTreeMap;

use ocs_history::{Act, Operation, Shown, linearizable};

use super::call::{Call, Ended};
use crate::cluster::Row;

/// The faults of a history; none, where all lists are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Acknowledged, and not there.
    pub lost: Vec<String>,
    /// There twice, or acknowledged twice under one handle.
    pub duplicates: Vec<String>,
    /// Stale reads: an older state than was known.
    pub stale: Vec<String>,
    /// Answers that contradict the state in another way.
    pub false_answers: Vec<String>,
}

impl Verdict {
    /// All findings.
    pub fn findings(&self) -> impl Iterator<Item = String> {
        let named = |name: &'static str, of: &[String]| {
            of.iter().map(move |finding| format!("{name}: {finding}")).collect::<Vec<_>>()
        };
        let lists = [
            named("lost", &self.lost),
            named("twice", &self.duplicates),
            named("stale", &self.stale),
            named("false", &self.false_answers),
        ];
        lists.into_iter().flatten()
    }

    /// Both.
    pub fn add(&mut self, other: Self) {
        self.lost.extend(other.lost);
        self.duplicates.extend(other.duplicates);
        self.stale.extend(other.stale);
        self.false_answers.extend(other.false_answers);
    }
}

/// The verdict on a history, and on the content of its list on each data node at `ns`, after every call.
pub(super) fn judge(calls: &[Call], exports: &[(&str, Vec<Row>)], ns: u64) -> Verdict {
    let mut verdict = Verdict::default();
    for (node, rows) in exports {
        added_once(calls, node, rows, &mut verdict);
    }
    let shown = exports.iter().flat_map(|(_, rows)| rows);
    let exported: Vec<Call> = shown.filter_map(|row| Some(Call::exported(0, handle(row)?, state(row), ns))).collect();
    let mut records: BTreeMap<u64, Vec<&Call>> = BTreeMap::new();
    for call in calls.iter().chain(&exported) {
        if let Some(handle) = call.handle {
            records.entry(handle).or_default().push(call);
        }
    }
    for (handle, calls) in records {
        explained(handle, &calls, &mut verdict);
    }
    verdict
}

/// Each acknowledged record is there once, under its handle; a record whose add was not applied is not there.
fn added_once(calls: &[Call], node: &str, rows: &[Row], verdict: &mut Verdict) {
    let mut held: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for row in rows {
        held.entry(row.get("contact_info").map_or("", String::as_str)).or_default().extend(handle(row));
    }
    for call in calls.iter().filter(|call| call.act == Act::Add) {
        let here = held.remove(call.phone.as_str()).unwrap_or_default();
        let about = || format!("{} at {node}: {here:?} after {call:?}", call.phone);
        match call.ended {
            _ if here.len() > 1 => verdict.duplicates.push(about()),
            Ended::Added(handle) if here != [handle] => verdict.lost.push(about()),
            Ended::NotApplied | Ended::Answered(_) if !here.is_empty() => verdict.false_answers.push(about()),
            _ => {}
        }
    }
    verdict.false_answers.extend(held.keys().map(|phone| format!("{phone} at {node}: nobody added it")));
}

/// Some order explains every answer about one record. If an order exists only without the reads that clients made meanwhile,
/// one of these reads was stale; else an update was lost, or had its effect twice.
fn explained(handle: u64, calls: &[&Call], verdict: &mut Verdict) {
    let operations = |keep: fn(&Call) -> bool| -> Vec<Operation> {
        calls.iter().filter(|call| keep(call)).filter_map(|call| call.operation()).collect()
    };
    let Err(why) = linearizable(Shown::new(), operations(|_| true)) else { return };
    let unread = linearizable(Shown::new(), operations(|call| call.act != Act::Read || call.closing));
    let list = if unread.is_ok() { &mut verdict.stale } else { &mut verdict.lost };
    list.push(format!("record {handle}: {why}"));
}

fn handle(row: &Row) -> Option<u64> {
    row.get("handle")?.parse().ok()
}

fn state(row: &Row) -> Shown {
    let int = |column: &str| row.get(column).and_then(|text| text.parse().ok()).unwrap_or(-1);
    Shown {
        status: int("record_status"),
        kind: int("record_type"),
        call_result: int("call_result"),
        attempts: int("attempt"),
    }
}

#[cfg(test)]
mod tests {
    use ocs_history::Outcome;

    use super::*;

    fn call(number: u64, act: Act, called_ns: u64, ended: Ended) -> Call {
        let base = Call::exported(number, 7, Shown::new(), called_ns);
        let handle = (act != Act::Add).then_some(7);
        Call { act, handle, ended, closing: false, phone: "+1".into(), ..base }
    }

    fn update(number: u64, called_ns: u64) -> Call {
        let act = Act::Update { call_result: 1, attempts: number.cast_signed() };
        call(number, act, called_ns, Ended::Answered(Outcome::Done))
    }

    fn read(called_ns: u64, attempts: i64) -> Call {
        let shown = Shown { attempts, call_result: if attempts == 0 { 28 } else { 1 }, ..Shown::new() };
        call(0, Act::Read, called_ns, Ended::Answered(Outcome::Shown(shown)))
    }

    fn row(handle: u64, attempts: i64) -> Row {
        let result = if attempts == 0 { 28 } else { 1 };
        let columns = [
            ("contact_info", "+1".to_owned()),
            ("handle", handle.to_string()),
            ("record_status", "1".to_owned()),
            ("record_type", "2".to_owned()),
            ("call_result", result.to_string()),
            ("attempt", attempts.to_string()),
        ];
        columns.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn added() -> Call {
        call(1, Act::Add, 1, Ended::Added(7))
    }

    #[test]
    fn a_history_that_is_right_has_no_findings() {
        let calls = [added(), update(2, 10), read(20, 2), update(3, 30)];
        let unknown = Call { ended: Ended::Unknown, ..update(4, 40) };
        let exports = [("a", vec![row(7, 3)]), ("b", vec![row(7, 3)])];
        assert_eq!(judge(&calls, &exports, 100), Verdict::default());
        let calls = [&calls[..], &[unknown]].concat();
        assert_eq!(judge(&calls, &exports, 100), Verdict::default());
        assert_eq!(judge(&calls, &[("a", vec![row(7, 4)])], 100), Verdict::default());
    }

    #[test]
    fn a_lost_update_a_lost_record_and_a_record_of_one_node_alone_are_found() {
        let calls = [added(), update(2, 10), update(3, 30)];
        assert_eq!(judge(&calls, &[("a", vec![row(7, 2)])], 100).lost.len(), 1);
        assert_eq!(judge(&calls, &[("a", vec![row(7, 3)]), ("b", vec![])], 100).lost.len(), 1);
        assert_eq!(judge(&calls, &[("a", vec![row(7, 3)]), ("b", vec![row(7, 2)])], 100).lost.len(), 1);
    }

    #[test]
    fn a_record_that_is_there_twice_is_found() {
        assert_eq!(judge(&[added()], &[("a", vec![row(7, 0), row(8, 0)])], 100).duplicates.len(), 1);
    }

    #[test]
    fn a_stale_read_is_found_and_told_from_a_lost_update() {
        let verdict = judge(&[added(), update(2, 10), read(20, 0)], &[("a", vec![row(7, 2)])], 100);
        assert_eq!((verdict.stale.len(), verdict.lost.len()), (1, 0));
    }

    #[test]
    fn what_was_said_not_to_be_applied_must_not_be_there() {
        let refused = Call { ended: Ended::NotApplied, ..added() };
        assert_eq!(judge(&[refused], &[("a", vec![row(7, 0)])], 100).false_answers.len(), 1);
        let refused = Call { ended: Ended::NotApplied, ..update(2, 10) };
        assert_eq!(judge(&[added(), refused], &[("a", vec![row(7, 2)])], 100).lost.len(), 1);
    }
}
