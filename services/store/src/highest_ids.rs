//! The highest request id of each node that was ever remembered: a higher id is surely absent. Ids with a token have a highest id
//! of their own: their keys are longer.
//!
//! Every update looks up its request id. Nearly always this id is new and above all earlier ids of its node, and the engine would
//! search its tables for nothing. Kept by [`crate::Store`], the only writer.

use records::Encoded;

use crate::rows::PREFIX_BYTES;

/// The engine's key of each node's highest id.
#[derive(Debug, Default)]
pub(crate) struct HighestIds(Vec<Encoded>);

impl HighestIds {
    /// Whether a request may be remembered under this key.
    pub(crate) fn may_hold(&self, place: &[u8]) -> bool {
        self.0.iter().any(|highest| same_kind(highest, place) && *place <= highest[..])
    }

    /// Adds the key of a remembered request.
    pub(crate) fn add(&mut self, place: &[u8]) {
        match self.0.iter_mut().find(|highest| same_kind(highest, place)) {
            Some(highest) if *place > highest[..] => *highest = Encoded::from_slice(place),
            Some(_) => {}
            None => self.0.push(Encoded::from_slice(place)),
        }
    }
}

/// Whether both keys have the same node, and both or neither have a token.
fn same_kind(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one[..PREFIX_BYTES] == other[..PREFIX_BYTES]
}

#[cfg(test)]
mod tests {
    use outbound::RequestId;
    use records::{Key, Table};

    use super::*;
    use crate::rows;

    #[test]
    fn only_what_is_above_every_id_of_its_node_is_surely_not_there() {
        let with_token = |node, incarnation, token, counter| {
            rows::tagged(Table::Request, &Key::Request(RequestId { node, incarnation, token, counter }).encode())
        };
        let place = |node, incarnation, counter| with_token(node, incarnation, 0, counter);
        let mut seen = HighestIds::default();
        assert!(!seen.may_hold(&place(1, 1, 1)));
        for counter in [5, 9, 7] {
            seen.add(&place(1, 1, counter));
        }
        seen.add(&place(2, 3, 1));
        assert!(seen.may_hold(&place(1, 1, 9)) && seen.may_hold(&place(1, 1, 6)) && seen.may_hold(&place(2, 2, 8)));
        assert!(!seen.may_hold(&with_token(1, 1, 7, 1)), "no id with a token was seen");
        seen.add(&with_token(1, 1, 7, 3));
        assert!(seen.may_hold(&with_token(1, 1, 7, 2)) && !seen.may_hold(&with_token(1, 1, 7, 4)));
        assert!(!seen.may_hold(&place(1, 1, 10)) && !seen.may_hold(&place(1, 2, 1)) && !seen.may_hold(&place(3, 1, 1)));
    }
}
