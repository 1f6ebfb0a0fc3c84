//! The marking of the records that a DoNotCall is about, with the chains of these records: up to a bound in the command of the
//! request, the others in later commands that the primary proposes (spec 9, Do-Not-Call).
//!
//! A walk visits the records under each form of the subject in the order of handles, and after each record the rest of its chain.
//! The walk's place stands in a row between commands ([`DncRestRow`]), so that a new primary goes on there. Called by DoNotCall
//! and by Due.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use outbound::Handle;

use super::{
    Subjects, entries, is_marked, mark,
    matching::{PAGE, behind, of_chain},
};
use crate::{
    lookup,
    tables::{DncRestRow, DncScope, DncSubject, Key, RecordRow, Row, Table},
    turn::Turn,
    view::{Below, Bound, View},
};

/// Records that the command of a request looks at beside the records that may be marked: marked ones are passed over, and the rest is
/// counted.
const LOOKS_MAX: u64 = 10_000;

/// Records marked by the command of a request, and those left for later commands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Marked {
    /// Records that changed.
    pub(crate) records: u64,
    left: Left,
}

/// Records that later commands mark.
#[derive(Debug, PartialEq, Eq)]
enum Left {
    Exactly(u64),
    /// There are too many to count.
    AtLeast(u64),
}

/// The records that one command may mark, and may look at.
struct Budget {
    marks: u64,
    looks: u64,
}

/// Rows read ahead, a page at a time.
#[derive(Clone)]
struct Ahead<T> {
    rows: VecDeque<T>,
    ended: bool,
}

/// A walk over the records of an entry.
#[derive(Clone)]
struct Walk {
    scope: DncScope,
    /// None: the walk ends with its first chain.
    forms: Vec<DncSubject>,
    place: DncRestRow,
    /// Records behind the place, under the present form.
    matching: Ahead<Handle>,
    /// Records of the present chain, behind the place.
    chain: Ahead<(u64, Handle)>,
    /// List and chain_id of the last chain that this command has begun.
    walked: Option<(u32, u64)>,
}

/// A step of a walk.
enum Step {
    Ended,
    /// A record that is none of the scope's.
    Passed,
    Found(Handle, Arc<RecordRow>),
}

/// Marks the records of a scope that match, up to the limit of a request. Leaves a row for the others.
pub(crate) fn mark_matching<V: View>(
    scope: &DncScope,
    about: &Subjects,
    all_chain: bool,
    turn: &mut Turn<'_, '_, V>,
) -> Marked {
    let Some(own) = about.forms().first() else { return Marked::none() };
    let place = DncRestRow { entry: entry_key(scope, own), all_chain, ..DncRestRow::default() };
    let marks = turn.rules.records_per_request_max;
    begin(Walk::new(scope.clone(), about.forms().to_vec(), place), marks, turn)
}

/// Marks the other records of a record's chain, up to the limit of a request with the record itself. Leaves a row for the others.
pub(crate) fn mark_chain<V: View>(
    scope: &DncScope,
    about: &Subjects,
    handle: Handle,
    turn: &mut Turn<'_, '_, V>,
) -> Marked {
    let Some(own) = about.forms().first() else { return Marked::none() };
    let entry = entry_key(scope, own);
    let place = DncRestRow { entry, chain_of: handle.0, one_record: true, ..DncRestRow::default() };
    let marks = turn.rules.records_per_request_max.saturating_sub(1);
    begin(Walk::new(scope.clone(), Vec::new(), place), marks, turn)
}

/// The first part of a walk.
fn begin<V: View>(mut walk: Walk, marks: u64, turn: &mut Turn<'_, '_, V>) -> Marked {
    let mut budget = Budget { marks, looks: marks.saturating_add(LOOKS_MAX) };
    let has_ended = walk.go_on(&mut budget, turn);
    let records = marks - budget.marks;
    if has_ended {
        return Marked { records, left: Left::Exactly(0) };
    }
    let left = walk.clone().left(budget.looks, turn);
    if left != Left::Exactly(0) {
        let number = next_number(turn);
        turn.overlay.put(Key::DncRest(number), Row::DncRest(walk.row()));
    }
    Marked { records, left }
}

/// Goes on with the oldest rest of a large DoNotCall, then with the next one. Looks at up to `rows_max` records. Answers the
/// count of records looked at, a finished rest included; 0: nothing is left.
pub(crate) fn mark_rest<V: View>(rows_max: u32, turn: &mut Turn<'_, '_, V>) -> u32 {
    let mut budget = Budget { marks: rows_max.into(), looks: rows_max.into() };
    while budget.looks > 0 && budget.marks > 0 {
        let Some((key, row)) = first_rest(turn) else { break };
        match Walk::resumed(row, turn).and_then(|walk| walk.rest(&mut budget, turn)) {
            Some(place) => turn.overlay.put(key, Row::DncRest(place)),
            None => {
                turn.overlay.remove(key);
                budget.looks = budget.looks.saturating_sub(1);
            }
        }
    }
    rows_max - u32::try_from(budget.looks).unwrap_or(0)
}

fn first_rest<V: View>(turn: &Turn<'_, '_, V>) -> Option<(Key, DncRestRow)> {
    let bound = Bound { table: Table::DncRest, from: Vec::new(), prefix: Vec::new() };
    match turn.overlay.next(&bound, 1).pop() {
        Some((key, Row::DncRest(row))) => Some((key, row)),
        _ => None,
    }
}

fn next_number<V: View>(turn: &Turn<'_, '_, V>) -> u64 {
    let all = Below { table: Table::DncRest, prefix: Vec::new(), before: None };
    match turn.overlay.last(&all) {
        Some((Key::DncRest(last), _)) => last.saturating_add(1),
        _ => 1,
    }
}

fn record_of(view: &impl View, handle: Handle) -> Option<Arc<RecordRow>> {
    match view.get(&Key::Record(handle)) {
        Some(Row::Record(record)) => Some(record),
        _ => None,
    }
}

fn entry_key(scope: &DncScope, subject: &DncSubject) -> Vec<u8> {
    Key::Dnc(scope.clone(), subject.clone()).encode().into_vec()
}

impl Walk {
    fn new(scope: DncScope, forms: Vec<DncSubject>, place: DncRestRow) -> Self {
        Self { scope, forms, place, matching: Ahead::default(), chain: Ahead::default(), walked: None }
    }

    /// The walk of a row; none: the entry was taken back meanwhile or has expired, so that no further record is to be marked.
    fn resumed<V: View>(mut place: DncRestRow, turn: &Turn<'_, '_, V>) -> Option<Self> {
        let entry = Key::decode(Table::Dnc, &place.entry)?;
        let stands = matches!(turn.overlay.get(&entry), Some(Row::Dnc(row)) if entries::counts(&row, turn));
        let Key::Dnc(scope, own) = entry else { return None };
        let forms = match std::mem::take(&mut place.forms) {
            _ if place.one_record => Vec::new(),
            forms if forms.is_empty() => vec![own],
            forms => forms.into_iter().map(DncSubject::Phone).collect(),
        };
        stands.then(|| Self::new(scope, forms, place))
    }

    /// Goes on within a budget; none: the walk has ended.
    fn rest<V: View>(mut self, budget: &mut Budget, turn: &mut Turn<'_, '_, V>) -> Option<DncRestRow> {
        if self.go_on(budget, turn) { None } else { Some(self.row()) }
    }

    /// The place as a row. A single form is that of the entry.
    fn row(self) -> DncRestRow {
        let form = |subject: DncSubject| match subject {
            DncSubject::Phone(form) => Some(form),
            DncSubject::Customer(_) => None,
        };
        let forms = if self.forms.len() > 1 { self.forms.into_iter().filter_map(form).collect() } else { Vec::new() };
        DncRestRow { forms, ..self.place }
    }

    /// Marks records within a budget; whether the walk has ended.
    fn go_on<V: View>(&mut self, budget: &mut Budget, turn: &mut Turn<'_, '_, V>) -> bool {
        while budget.marks > 0 && budget.looks > 0 {
            match self.step(turn.overlay) {
                Step::Ended => return true,
                Step::Passed => {}
                Step::Found(_, record) if is_marked(&record) => {}
                Step::Found(handle, record) => {
                    budget.marks -= u64::from(mark(handle, Arc::unwrap_or_clone(record), turn));
                }
            }
            budget.looks -= 1;
        }
        false
    }

    /// The records that are left to mark, counted with so many looks.
    fn left<V: View>(mut self, looks: u64, turn: &Turn<'_, '_, V>) -> Left {
        let view = turn.overlay.uncached();
        let mut counted = BTreeSet::new(); // a record of a chain may match itself too
        for _ in 0..looks {
            match self.step(&view) {
                Step::Ended => return Left::Exactly(counted.len() as u64),
                Step::Found(handle, record) => counted.extend((!is_marked(&record)).then_some(handle.0)),
                Step::Passed => {}
            }
        }
        Left::AtLeast(counted.len() as u64)
    }

    fn step(&mut self, view: &impl View) -> Step {
        match self.next_of_chain(view) {
            Some(step) => step,
            None => self.next_matching(view),
        }
    }

    /// The next other record of the present chain; none: no chain is being walked any more.
    fn next_of_chain(&mut self, view: &impl View) -> Option<Step> {
        let of = Some(self.place.chain_of).filter(|of| *of != 0)?;
        loop {
            let from = self.place.chain_from;
            let read = || {
                let record = record_of(view, Handle(of));
                record.map(|record| of_chain(view, record.list, record.chain_id, from)).unwrap_or_default()
            };
            let Some((chain_n, handle)) = self.chain.next(read) else { break };
            self.place.chain_from = chain_n.saturating_add(1);
            if handle.0 != of {
                return Some(self.found(handle, view));
            }
        }
        (self.place.chain_of, self.place.chain_from, self.chain) = (0, 0, Ahead::default());
        None
    }

    /// The next record under a form of the subject.
    fn next_matching(&mut self, view: &impl View) -> Step {
        loop {
            let form = usize::try_from(self.place.form).unwrap_or(usize::MAX);
            let Some(subject) = self.forms.get(form) else { return Step::Ended };
            let last = Handle(self.place.handle);
            if let Some(handle) = self.matching.next(|| behind(view, subject, last)) {
                self.place.handle = handle.0;
                let found = self.found(handle, view);
                if let Step::Found(_, record) = &found {
                    self.begin_chain(handle, record);
                }
                return found;
            }
            (self.place.form, self.place.handle, self.matching) = (self.place.form + 1, 0, Ahead::default());
        }
    }

    /// Goes on with the chain of a matching record, unless the last matching record was of this chain.
    fn begin_chain(&mut self, handle: Handle, record: &RecordRow) {
        let chain = Some((record.list, record.chain_id));
        if self.place.all_chain && self.walked != chain {
            (self.place.chain_of, self.walked) = (handle.0, chain);
        }
    }

    /// A record, if its list is one of the scope's.
    fn found(&self, handle: Handle, view: &impl View) -> Step {
        let Some(record) = record_of(view, handle) else { return Step::Passed };
        let list = lookup::list(view, record.list).filter(|list| !list.deleting);
        let is_of_scope = |tenant: &str| match &self.scope {
            DncScope::Tenant(name) => name == tenant,
            DncScope::List(dbid) => *dbid == record.list,
            DncScope::Campaign(_) => false,
        };
        match list {
            Some(list) if is_of_scope(&list.tenant) => Step::Found(handle, record),
            _ => Step::Passed,
        }
    }
}

impl<T> Default for Ahead<T> {
    fn default() -> Self {
        Self { rows: VecDeque::new(), ended: false }
    }
}

impl<T> Ahead<T> {
    /// The next row; reads a page where none is left of the last one.
    fn next(&mut self, read: impl FnOnce() -> Vec<T>) -> Option<T> {
        if self.rows.is_empty() && !self.ended {
            let page = read();
            self.ended = page.len() < PAGE as usize;
            self.rows = page.into();
        }
        self.rows.pop_front()
    }
}

impl Marked {
    /// The record of the request itself, marked beside these.
    pub(crate) fn and_the_record(self) -> Self {
        Self { records: self.records + 1, ..self }
    }

    /// A request that marks no other record.
    pub(crate) const fn none() -> Self {
        Self { records: 0, left: Left::Exactly(0) }
    }

    /// One sentence for a person (spec 9, Do-Not-Call).
    pub(crate) fn sentence(&self) -> String {
        let marked = match self.records {
            1 => "1 record marked".to_owned(),
            records => format!("{} records marked", grouped(records)),
        };
        match self.left {
            Left::Exactly(0) => marked,
            Left::Exactly(1) => format!("{marked}, 1 is left"),
            Left::Exactly(left) => format!("{marked}, {} are left", grouped(left)),
            Left::AtLeast(0) => format!("{marked}, others may be left"),
            Left::AtLeast(left) => format!("{marked}, at least {} are left", grouped(left)),
        }
    }
}

/// A number with a comma between groups of three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_says_how_many_are_marked_and_left() {
        for (records, left, sentence) in [
            (0, Left::Exactly(0), "0 records marked"),
            (1, Left::Exactly(0), "1 record marked"),
            (3, Left::Exactly(4_000), "3 records marked, 4,000 are left"),
            (1_000, Left::Exactly(1), "1,000 records marked, 1 is left"),
            (1_234_567, Left::AtLeast(10_000), "1,234,567 records marked, at least 10,000 are left"),
            (0, Left::AtLeast(0), "0 records marked, others may be left"),
        ] {
            assert_eq!(Marked { records, left }.sentence(), sentence);
        }
    }
}
