//! The first fault of a read below a view that decides: from then on the view answers none, and its decisions are dropped.
//!
//! A decision is pure: with the fault told before a reply leaves or a change is written, nothing of the decision remains. The
//! mark of a doubted state lets the next start replace the state: without the mark, the process would fail at the same row again.
//! Called by `view` and `store`.

use std::cell::{Cell, RefCell};

use crate::{engine::Engine, error::StoreError};

/// The fault of a view, or of all views of a store.
#[derive(Debug, Default)]
pub(crate) struct Fault {
    met: Cell<bool>,
    /// Taken by the first check.
    error: RefCell<Option<StoreError>>,
}

impl Fault {
    /// Whether a read has failed.
    pub(crate) fn is_met(&self) -> bool {
        self.met.get()
    }

    /// The value of a read; none after a fault, of which the first is kept.
    pub(crate) fn sound<T>(&self, engine: &Engine, read: Result<T, StoreError>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(error) => {
                if !self.met.replace(true) {
                    engine.mark_doubted();
                    self.error.replace(Some(error));
                }
                None
            }
        }
    }

    /// # Errors
    /// A read has failed; the first check tells the cause.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        match self.is_met() {
            false => Ok(()),
            true => Err(self.error.take().unwrap_or(StoreError::FaultBefore)),
        }
    }
}

#[cfg(test)]
mod tests {
    use records::{Below, Bound, Changes, Key, ListRow, NumberRow, Overlay, Row, Table, View};

    use super::*;
    use crate::{
        AppliedMark, CurrentView, Store, StoreConfig,
        rows::{self, Space},
    };

    const NAME: &str = "demo";

    fn mark(index: u64) -> AppliedMark {
        AppliedMark { index, term: 1, conf_state: Vec::new() }
    }

    fn changes(store: &Store, attempt: u64) -> Changes {
        let view = store.view();
        let mut overlay = Overlay::new(&view);
        let list = ListRow { name: NAME.to_owned(), records: attempt, ..ListRow::default() };
        overlay.put(Key::ListByName(NAME.to_owned()), Row::ListByName(NumberRow { number: 101 }));
        overlay.put(Key::List(101), Row::List(list.into()));
        overlay.into_changes()
    }

    fn all() -> Bound {
        Bound { table: Table::ListByName, from: Vec::new(), prefix: Vec::new() }
    }

    /// The answers of a view to every kind of read of the name's index.
    fn answers(view: &CurrentView<'_>) -> [bool; 3] {
        let name = Key::ListByName(NAME.to_owned());
        let below = Below { table: Table::ListByName, prefix: Vec::new(), before: None };
        [view.get(&name).is_some(), !view.next(&all(), 9).is_empty(), view.last(&below).is_some()]
    }

    /// A store in which the row of a list cannot be read.
    fn spoilt(dir: &std::path::Path) -> Store {
        let mut store = Store::open(dir, StoreConfig::new([5; 16])).unwrap();
        let written = changes(&store, 1);
        store.write(&written, &mark(1)).unwrap();
        let place = rows::tagged(Table::List, &Key::List(101).encode());
        let snapshot = store.reader().snapshot();
        snapshot.engine().keyspace(Space::State).insert(&*place, b"\xff, no row").unwrap();
        store
    }

    #[test]
    fn a_view_that_fails_in_the_middle_answers_none_from_then_on_and_tells_the_fault() {
        let dir = tempfile::tempdir().unwrap();
        let store = spoilt(dir.path());
        let view = store.view();
        assert_eq!(answers(&view), [true; 3]);
        view.check().unwrap();
        assert_eq!(view.get(&Key::List(101)), None);
        assert_eq!(answers(&view), [false; 3]);
        let fault = view.check().unwrap_err();
        assert!(matches!(fault, StoreError::Damaged(_)), "{fault}");
        assert!(matches!(view.check(), Err(StoreError::FaultBefore)));
        assert_eq!(answers(&store.view()), [false; 3], "no later view of this store answers either");
    }

    #[test]
    fn nothing_is_written_that_was_decided_below_a_fault_and_the_state_is_doubted() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = spoilt(dir.path());
        let decided = changes(&store, 2);
        let refused = store.write(&decided, &mark(2)).unwrap_err();
        assert!(matches!(refused, StoreError::Damaged(_)), "{refused}");
        assert!(store.write(&decided, &mark(2)).is_err());
        assert_eq!(store.applied().index, 1);
        drop(store);
        assert!(Store::open(dir.path(), StoreConfig::new([5; 16])).unwrap().doubted());
    }
}
