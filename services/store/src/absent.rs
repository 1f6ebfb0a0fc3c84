//! Which request ids are surely not there: a counting filter over the table that is mostly asked for what it does not hold.
//!
//! Every update asks for its request id, which is new nearly always; the engine would search all its tables in memory to
//! say so. Never says "not there" of a key that is there. Kept by [`crate::Store`], the only writer.

use records::Table;
use xxhash_rust::xxh3::xxh3_64;

/// The table that it covers.
const TABLE: Table = Table::Request;
/// Counters, one byte each: a power of two. A minute of 20,000 updates a second fills a quarter.
const COUNTERS: usize = 8 * 1024 * 1024;

/// Counts keys by two places of their hash.
pub(crate) struct Absent {
    counters: Vec<u8>,
}

impl Absent {
    /// Of an empty table.
    pub(crate) fn new() -> Self {
        Self { counters: vec![0; COUNTERS] }
    }

    /// Whether a key (with its table's tag) may be there.
    pub(crate) fn may_hold(&self, table: Table, key: &[u8]) -> bool {
        table != TABLE || places(key).iter().all(|place| self.counters[*place] > 0)
    }

    /// A row was set or removed.
    pub(crate) fn change(&mut self, table: Table, key: &[u8], before: bool, after: bool) {
        match (table == TABLE, before, after) {
            (true, false, true) => self.add(key),
            (true, true, false) => self.remove(key),
            _ => {}
        }
    }

    /// A row stands under a key of the table that it covers.
    pub(crate) fn add(&mut self, key: &[u8]) {
        for place in places(key) {
            self.counters[place] = self.counters[place].saturating_add(1);
        }
    }

    /// A counter that is full has lost count and stays.
    fn remove(&mut self, key: &[u8]) {
        for place in places(key) {
            if self.counters[place] < u8::MAX {
                self.counters[place] = self.counters[place].saturating_sub(1);
            }
        }
    }
}

fn places(key: &[u8]) -> [usize; 2] {
    let hash = xxh3_64(key);
    [hash as usize % COUNTERS, (hash >> 32) as usize % COUNTERS]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_may_be_there_until_it_was_removed_as_often() {
        let mut absent = Absent::new();
        let keys: Vec<Vec<u8>> = (0..1000_u32).map(|n| n.to_be_bytes().to_vec()).collect();
        for key in &keys {
            absent.change(Table::Request, key, false, true);
            absent.change(Table::Request, key, true, true);
        }
        assert!(keys.iter().all(|key| absent.may_hold(Table::Request, key)));
        for key in &keys[..500] {
            absent.change(Table::Request, key, true, false);
        }
        assert!(keys[500..].iter().all(|key| absent.may_hold(Table::Request, key)));
        keys[500..].iter().for_each(|key| absent.change(Table::Request, key, true, false));
        assert!(keys.iter().all(|key| !absent.may_hold(Table::Request, key)));
    }

    #[test]
    fn a_counter_that_was_full_never_says_that_nothing_is_there() {
        let mut absent = Absent::new();
        (0..300).for_each(|_| absent.add(b"key"));
        (0..300).for_each(|_| absent.remove(b"key"));
        assert!(absent.may_hold(Table::Request, b"key"));
    }

    #[test]
    fn other_tables_may_hold_anything() {
        let absent = Absent::new();
        assert!(absent.may_hold(Table::Record, b"key"));
    }
}
