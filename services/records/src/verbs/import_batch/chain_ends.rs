//! The ends of the chains that the rows of a batch name, read together where the chain_ids lie close to each other.
//!
//! Batches of an import arrive in any order, so most chains of a batch that was overtaken are new although higher chain_ids are known: a
//! look-up for each row would search the engine for nothing. Never writes. Called by the import of a batch.

use std::collections::BTreeMap;

use crate::{
    lookup,
    tables::{Key, Table},
    view::{Bound, View},
};

/// Chain_ids between the lowest and the highest named chain, for each row of the batch: rows of chains that the batch does not name
/// would be read for nothing.
const SPREAD_MAX: u64 = 4;

/// The highest chain_n by chain_id.
#[derive(Default)]
pub(super) struct ChainEnds {
    ends: BTreeMap<u64, u64>,
    /// The lowest chain_id that was never given before the batch: `ends` has every such chain.
    first_new: u64,
    /// The chains from the first number up to, without, the second: `ends` has each of them that exists.
    read: (u64, u64),
}

impl ChainEnds {
    /// The ends of the known chains among `named`, one for each row; `next_chain_id`: the list's counter before the batch.
    pub(super) fn read(list: u32, next_chain_id: u64, named: &[u64], view: &impl View) -> Self {
        let mut ends = Self { first_new: next_chain_id, ..Self::default() };
        let known = || named.iter().copied().filter(|chain_id| *chain_id < next_chain_id);
        let (Some(lowest), Some(highest)) = (known().min(), known().max()) else { return ends };
        let limit = SPREAD_MAX.saturating_mul(named.len() as u64);
        if highest - lowest >= limit {
            return ends;
        }
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let from = Key::RecordByChain { list, chain_id: lowest, chain_n: 0 }.encode().into_vec();
        let bound = Bound { table: Table::RecordByChain, from, prefix: list.to_be_bytes().to_vec() };
        let rows = view.next(&bound, limit);
        ends.read = (lowest, highest + 1);
        if rows.len() == limit as usize
            && let Some((Key::RecordByChain { chain_id, .. }, _)) = rows.last()
        {
            ends.read.1 = ends.read.1.min(*chain_id); // the page may end within this chain
        }
        for (key, _) in rows {
            if let Key::RecordByChain { chain_id, chain_n, .. } = key {
                ends.ends.insert(chain_id, chain_n);
            }
        }
        ends
    }

    /// The highest chain_n of a chain; none: the chain is unknown.
    pub(super) fn of(&self, list: u32, chain_id: u64, view: &impl View) -> Option<u64> {
        match chain_id >= self.first_new || (self.read.0..self.read.1).contains(&chain_id) {
            true => self.ends.get(&chain_id).copied(),
            false => lookup::chain_end(view, list, chain_id),
        }
    }

    /// Notes a record that the batch adds.
    pub(super) fn note(&mut self, chain_id: u64, chain_n: u64) {
        let end = self.ends.entry(chain_id).or_insert(chain_n);
        *end = chain_n.max(*end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        map::MapView,
        tables::{NumberRow, Row},
        view::{Change, Changes},
    };

    const LIST: u32 = 101;

    /// A list with these chains, and a second list with a chain of each number.
    fn lists(chains: &[(u64, &[u64])]) -> MapView {
        let row = |list, chain_id, chain_n| {
            let (key, number) = (Key::RecordByChain { list, chain_id, chain_n }, 300 + chain_id);
            Change { key, old: None, new: Some(Row::RecordByChain(NumberRow { number })) }
        };
        let ours = chains.iter().flat_map(|(chain, places)| places.iter().map(|place| row(LIST, *chain, *place)));
        let others = (1..50).map(|chain| row(LIST + 1, chain, 7));
        let mut map = MapView::default();
        map.apply(&Changes(ours.chain(others).collect()));
        map
    }

    #[test]
    fn the_ends_of_a_batch_are_those_that_a_look_at_each_chain_finds() {
        let view =
            lists(&[(2, &[0, 1, 4]), (3, &[1]), (5, &[0]), (6, &[0, 1, 2, 3, 4, 5, 6, 7]), (7, &[2]), (40, &[0, 9])]);
        let batches: [&[u64]; 6] = [&[], &[3], &[2, 3, 4, 5], &[6, 7, 5, 7], &[1, 40], &[60, 2]];
        for named in batches {
            let ends = ChainEnds::read(LIST, 41, named, &view);
            for chain in 0..45 {
                assert_eq!(ends.of(LIST, chain, &view), lookup::chain_end(&view, LIST, chain), "{chain} of {named:?}");
            }
        }
    }

    #[test]
    fn a_new_chain_ends_where_the_batch_has_put_its_last_record() {
        let view = lists(&[(2, &[0])]);
        let mut ends = ChainEnds::read(LIST, 3, &[2, 9], &view);
        [(2, 4), (9, 3), (9, 1)].into_iter().for_each(|(chain, place)| ends.note(chain, place));
        assert_eq!([2, 8, 9].map(|chain| ends.of(LIST, chain, &view)), [Some(4), None, Some(3)]);
    }
}
