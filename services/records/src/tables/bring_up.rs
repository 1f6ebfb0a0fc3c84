//! Progress of bringing records up to rules version 5 and to changed customer fields, one row; none: not begun.

use prost::Message;

use super::{
    Key,
    bytes::{Encoded, KeyParts, message, put},
};
#[cfg(any(test, feature = "contract"))]
use super::{
    Row,
    sample::{Sample, sample},
};

/// The progress of bringing up.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct BringUpRow {
    /// Every record has been visited: previews are answered.
    #[prost(bool, tag = "1")]
    pub done: bool,
    /// Handle of the last visited record.
    #[prost(uint64, tag = "2")]
    pub handle: u64,
    /// Lists whose customer field has changed, in the order of the changes: their requests by customer are refused.
    #[prost(message, repeated, tag = "3")]
    pub customers: Vec<CustomersRow>,
    /// The last record that was freed because the declaration has changed since a limit held the record back; none: no record is
    /// left to free.
    #[prost(message, optional, tag = "4")]
    pub held_back: Option<HeldBackRow>,
}

impl BringUpRow {
    /// Whether records are left to visit, to free, or to give a customer.
    pub fn is_left(&self) -> bool {
        !self.done || self.held_back.is_some() || !self.customers.is_empty()
    }
}

/// A place in the index of records that wait ([`super::Table::WaitingUntil`]).
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct HeldBackRow {
    /// UTC seconds.
    #[prost(uint64, tag = "1")]
    pub until_s: u64,
    /// Handle of the record.
    #[prost(uint64, tag = "2")]
    pub handle: u64,
}

/// A list whose records get the values of another customer field.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct CustomersRow {
    /// DBID.
    #[prost(uint32, tag = "1")]
    pub list: u32,
    /// The next record_id to visit.
    #[prost(uint64, tag = "2")]
    pub record_id: u64,
}

pub(super) fn encode_key() -> Encoded {
    Encoded::new()
}

pub(super) fn decode_key(_: &mut KeyParts<'_>) -> Option<Key> {
    Some(Key::BringUp)
}

pub(super) fn encode_row(row: &BringUpRow, bytes: &mut Vec<u8>) {
    put(row, bytes);
}

pub(super) fn decode_row(bytes: &[u8]) -> Option<BringUpRow> {
    message(bytes)
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    let customers = vec![CustomersRow { list: 101, record_id: 7 }];
    let held_back = Some(HeldBackRow { until_s: 5, handle: 15 });
    let row = BringUpRow { done: false, handle: 5, customers, held_back };
    vec![sample(Key::BringUp, Row::BringUp(row), "", "10051a040865100722040805100f")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn something_is_left_until_every_record_is_visited_and_freed_and_every_list_has_its_customers() {
        let list = CustomersRow { list: 101, record_id: 1 };
        let place = HeldBackRow::default();
        for (done, customers, held_back, left) in [
            (false, Vec::new(), None, true),
            (false, vec![list.clone()], None, true),
            (true, vec![list], None, true),
            (true, Vec::new(), Some(place), true),
            (true, Vec::new(), None, false),
        ] {
            assert_eq!(BringUpRow { done, handle: 0, customers, held_back }.is_left(), left, "{done} {held_back:?}");
        }
    }
}
