//! The records that were changed a moment ago, as they are now: a record that is being called is changed several times within
//! seconds, and the engine would search its tables in memory for it each time.
//!
//! Holds no more than twice [`GENERATION`] records, whatever the lists hold, and never a row that is not the newest: every change
//! comes by here. Kept by [`crate::Store`], the only writer; consistent states of other threads never look here.

use std::collections::HashMap;

use outbound::Handle;
use records::{Change, Key, Row};

/// Records of one generation; about a kilobyte each.
const GENERATION: usize = 16 * 1024;

/// Two generations: when the young one is full it becomes the old one, and the one that was old is forgotten.
#[derive(Default)]
pub(crate) struct Recent {
    young: HashMap<Handle, Row>,
    old: HashMap<Handle, Row>,
}

impl Recent {
    pub(crate) fn get(&self, handle: Handle) -> Option<Row> {
        self.young.get(&handle).or_else(|| self.old.get(&handle)).cloned()
    }

    /// A row was changed. One that is new is not kept: a list that is imported would push all others out.
    pub(crate) fn change(&mut self, change: &Change) {
        let Key::Record(handle) = change.key else { return };
        match &change.new {
            Some(row) if change.old.is_some() => self.keep(handle, row.clone()),
            _ => {
                self.young.remove(&handle);
                self.old.remove(&handle);
            }
        }
    }

    fn keep(&mut self, handle: Handle, row: Row) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(handle, row);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use records::RecordRow;

    use super::*;

    fn row(attempt: i64) -> Row {
        Row::Record(Arc::new(RecordRow { attempt, ..RecordRow::default() }))
    }

    fn change(handle: u64, old: Option<i64>, new: Option<i64>) -> Change {
        Change { key: Key::Record(Handle(handle)), old: old.map(row), new: new.map(row) }
    }

    #[test]
    fn the_newest_row_is_given_in_whichever_generation_the_one_before_stands() {
        let mut recent = Recent::default();
        recent.change(&change(1, Some(1), Some(2)));
        (2..GENERATION as u64 + 2).for_each(|handle| recent.change(&change(handle, Some(0), Some(0))));
        assert_eq!(recent.get(Handle(1)), Some(row(2)), "in the old generation");
        recent.change(&change(1, Some(2), Some(3)));
        assert_eq!(recent.get(Handle(1)), Some(row(3)));
        recent.change(&change(1, Some(3), None));
        assert_eq!(recent.get(Handle(1)), None, "not the one of the old generation");
    }

    #[test]
    fn it_holds_no_more_than_two_generations_and_nothing_that_is_new() {
        let mut recent = Recent::default();
        (0..5 * GENERATION as u64).for_each(|handle| recent.change(&change(handle, Some(0), Some(1))));
        assert!(recent.young.len() + recent.old.len() <= 2 * GENERATION);
        recent.change(&change(7, None, Some(1)));
        assert_eq!(recent.get(Handle(7)), None);
    }
}
