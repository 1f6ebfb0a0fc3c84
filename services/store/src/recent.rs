//! The newest rows of recently changed records: a record in a call changes several times within seconds, and each read would
//! search the engine's memtables.
//!
//! Holds at most twice [`GENERATION`] records, regardless of list size, and never a stale row: every change passes through here.
//! Kept by [`crate::Store`], the only writer; consistent states of other threads never read here.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use outbound::Handle;
use records::{Change, Key, Row};

/// Records of one generation; about a kilobyte each.
const GENERATION: usize = 16 * 1024;

/// Two generations: a full young generation becomes the old generation, and the previous old generation is dropped.
#[derive(Default)]
pub(crate) struct Recent {
    young: Generation,
    old: Generation,
}

/// Rows, each with its share in the digest.
type Generation = HashMap<Handle, (Row, u128), RandomState>;

impl Recent {
    pub(crate) fn get(&self, handle: Handle) -> Option<Row> {
        self.find(handle).map(|(row, _)| row.clone())
    }

    /// The share in the digest of the row under a key, if cached.
    pub(crate) fn share(&self, key: &Key) -> Option<u128> {
        let Key::Record(handle) = key else { return None };
        self.find(*handle).map(|(_, share)| *share)
    }

    fn find(&self, handle: Handle) -> Option<&(Row, u128)> {
        self.young.get(&handle).or_else(|| self.old.get(&handle))
    }

    /// Caches a changed row with its share in the digest. An added row is not cached: the import of a list would evict all other
    /// rows.
    pub(crate) fn change(&mut self, change: &Change, share: u128) {
        let Key::Record(handle) = change.key else { return };
        match &change.new {
            Some(row) if change.old.is_some() => self.keep(handle, (row.clone(), share)),
            _ => {
                self.young.remove(&handle);
                self.old.remove(&handle);
            }
        }
    }

    fn keep(&mut self, handle: Handle, row: (Row, u128)) {
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
        recent.change(&change(1, Some(1), Some(2)), 2);
        (2..GENERATION as u64 + 2).for_each(|handle| recent.change(&change(handle, Some(0), Some(0)), 0));
        assert_eq!(recent.get(Handle(1)), Some(row(2)), "in the old generation");
        assert_eq!(recent.share(&Key::Record(Handle(1))), Some(2));
        recent.change(&change(1, Some(2), Some(3)), 3);
        assert_eq!(recent.get(Handle(1)), Some(row(3)));
        assert_eq!(recent.share(&Key::Record(Handle(1))), Some(3), "of the newest");
        recent.change(&change(1, Some(3), None), 0);
        assert_eq!(recent.get(Handle(1)), None, "not the one of the old generation");
    }

    #[test]
    fn it_holds_no_more_than_two_generations_and_nothing_that_is_new() {
        let mut recent = Recent::default();
        (0..5 * GENERATION as u64).for_each(|handle| recent.change(&change(handle, Some(0), Some(1)), 1));
        assert!(recent.young.len() + recent.old.len() <= 2 * GENERATION);
        recent.change(&change(7, None, Some(1)), 1);
        assert_eq!(recent.get(Handle(7)), None);
    }
}
