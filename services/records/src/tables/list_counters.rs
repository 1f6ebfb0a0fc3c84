//! Counters of calling lists by DBID, from rules version 4 on: an added record writes them, and leaves the list's row alone.

use prost::Message;

use super::{
    Key,
    bytes::{Encoded, KeyBytes, KeyParts, message, put},
    list::ListRow,
};
#[cfg(any(test, feature = "contract"))]
use super::{
    Row,
    sample::{Sample, sample},
};

/// The counters of a list. Under rules versions before 4 they are part of [`ListRow`].
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct ListCountersRow {
    /// Highest record_id ever, plus 1.
    #[prost(uint64, tag = "1")]
    pub next_record_id: u64,
    /// Highest chain_id ever, plus 1.
    #[prost(uint64, tag = "2")]
    pub next_chain_id: u64,
    /// Records in the list.
    #[prost(uint64, tag = "3")]
    pub records: u64,
    /// Time of the last added record, microseconds since 1970; 0: never, or under a rules version before 3.
    #[prost(uint64, tag = "4")]
    pub added_us: u64,
    /// Progress of a deletion: records with a lower record_id are gone.
    #[prost(uint64, tag = "5")]
    pub deleted_below: u64,
}

impl ListCountersRow {
    /// The counters of a list that is about to be made.
    pub(crate) fn first() -> Self {
        Self { next_record_id: 1, next_chain_id: 1, ..Self::default() }
    }

    /// The counters in the row of a list.
    pub(crate) fn of(list: &ListRow) -> Self {
        let ListRow { next_record_id, next_chain_id, records, added_us, deleted_below, .. } = *list;
        Self { next_record_id, next_chain_id, records, added_us, deleted_below }
    }

    /// The row of a list with these counters.
    pub(crate) fn put_into(self, list: ListRow) -> ListRow {
        let Self { next_record_id, next_chain_id, records, added_us, deleted_below } = self;
        ListRow { next_record_id, next_chain_id, records, added_us, deleted_below, ..list }
    }
}

pub(super) fn encode_key(list: &u32) -> Encoded {
    KeyBytes::default().u32(*list).0
}

pub(super) fn decode_key(parts: &mut KeyParts<'_>) -> Option<Key> {
    Some(Key::ListCounters(parts.u32()?))
}

pub(super) fn encode_row(row: &ListCountersRow, bytes: &mut Vec<u8>) {
    put(row, bytes);
}

pub(super) fn decode_row(bytes: &[u8]) -> Option<ListCountersRow> {
    message(bytes)
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    let row = ListCountersRow { next_record_id: 5, next_chain_id: 6, records: 4, added_us: 9, deleted_below: 3 };
    vec![sample(Key::ListCounters(101), Row::ListCounters(row), "00000065", "08051006180420092803")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_a_list_come_back_from_the_row_of_the_list() {
        let counters =
            ListCountersRow { next_record_id: 5, next_chain_id: 6, records: 4, added_us: 9, deleted_below: 3 };
        let list = counters.put_into(ListRow { name: "demo".to_owned(), ..ListRow::default() });
        assert_eq!((list.name.as_str(), ListCountersRow::of(&list)), ("demo", counters));
    }
}
