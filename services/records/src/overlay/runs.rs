//! Runs of the base under an overlay: pages of rows, some of which changes hide, kept for the next command of the entry.
//!
//! Never writes, and knows no change. Called by the overlay, which merges its changes in.

use std::collections::BTreeMap;

use crate::{
    tables::{Encoded, Key, Row, Table},
    view::{Bound, View},
};

/// Rows of a page, at least, once changes have hidden rows of the page before: the commands of an entry hide the rows that they take
/// from the front of a queue, and a page of a row each would search the engine for each of them.
pub(super) const HIDDEN_PAGE: u32 = 64;
/// Cached runs, at most: the windows that the previews of an entry look at.
const RUNS_MAX: usize = 32;

/// Whether runs of a table are cached: each preview of an entry looks at the front of the same windows anew.
const fn is_run_cached(table: Table) -> bool {
    matches!(table, Table::Dialable)
}

/// Rows of the base under a prefix, in order and without a gap.
#[derive(Debug)]
pub(super) struct Run {
    /// No row from here to the first is missing.
    start: Vec<u8>,
    rows: Vec<(Encoded, (Key, Row))>,
    /// No row is behind the last.
    ended: bool,
}

impl Run {
    fn new(bound: &Bound) -> Self {
        Self { start: (&bound.from).max(&bound.prefix).clone(), rows: Vec::new(), ended: false }
    }

    /// Whether the rows of a bound with the run's prefix begin in the run, or right behind the run.
    fn begins(&self, bound: &Bound) -> bool {
        let from = (&bound.from).max(&bound.prefix);
        self.start <= *from && (self.ended || *from <= self.behind())
    }

    /// The position of the first row of a bound.
    fn position(&self, bound: &Bound) -> usize {
        self.rows.partition_point(|(key, _)| key.as_slice() < bound.from.as_slice())
    }

    /// Where the rows behind the run begin.
    fn behind(&self) -> Vec<u8> {
        self.rows.last().map_or_else(|| self.start.clone(), |(last, _)| [last.as_slice(), &[0]].concat())
    }
}

/// Runs of cached tables, by prefix.
#[derive(Debug, Default)]
pub(super) struct Runs(BTreeMap<Vec<u8>, Run>);

impl Runs {
    /// Whether the rows of a bound begin in a cached run.
    pub(super) fn has(&self, bound: &Bound) -> bool {
        is_run_cached(bound.table) && self.0.get(&bound.prefix).is_some_and(|run| run.begins(bound))
    }

    /// The cached run for a bound, else an empty one.
    pub(super) fn take(&mut self, bound: &Bound) -> Run {
        let cached = || self.0.remove(&bound.prefix).filter(|run| run.begins(bound));
        is_run_cached(bound.table).then(cached).flatten().unwrap_or_else(|| Run::new(bound))
    }

    /// Keeps a run for the next read with its prefix.
    pub(super) fn keep(&mut self, bound: &Bound, run: Run) {
        if !is_run_cached(bound.table) {
            return;
        }
        if self.0.len() == RUNS_MAX {
            self.0.pop_last();
        }
        self.0.insert(bound.prefix.clone(), run);
    }
}

/// The rows of the base from a bound on, read in pages because changes may hide some rows.
pub(super) struct Pages<'a, V: View> {
    base: &'a V,
    bound: &'a Bound,
    /// Rows of the next page.
    limit: u32,
    run: Run,
    /// Position of the next row in the run.
    at: usize,
}

impl<'a, V: View> Pages<'a, V> {
    pub(super) fn new(base: &'a V, bound: &'a Bound, limit: u32, run: Run) -> Self {
        let (at, limit) = (run.position(bound), if run.rows.is_empty() { limit } else { limit.max(HIDDEN_PAGE) });
        Self { base, bound, limit, run, at }
    }

    pub(super) fn into_run(self) -> Run {
        self.run
    }

    pub(super) fn peek(&mut self) -> Option<&[u8]> {
        if self.at == self.run.rows.len() && !self.run.ended {
            self.fetch();
        }
        self.run.rows.get(self.at).map(|(key, _)| key.as_slice())
    }

    pub(super) fn take(&mut self) -> Option<&(Key, Row)> {
        let (_, row) = self.run.rows.get(self.at)?;
        self.at += 1;
        Some(row)
    }

    fn fetch(&mut self) {
        let bound = Bound { from: self.run.behind(), ..self.bound.clone() };
        let rows = self.base.next(&bound, self.limit);
        self.run.ended = rows.len() < self.limit as usize;
        self.limit = self.limit.max(HIDDEN_PAGE);
        self.run.rows.extend(rows.into_iter().map(|(key, row)| (key.encode(), (key, row))));
    }
}
