//! Turns: the list whose General record is next, by smooth weighted round robin (spec 9, The next record).
//!
//! Each list that has a record now gains its weight; the list with the highest sum is next, and pays the weights of all. With
//! weights 5, 1 and 1 the lists follow each other as a a b a c a a. The sums are replicated state.

use crate::tables::{GroupRow, ListTurnRow};

/// A list that has a record now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Contender {
    /// DBID.
    pub(super) list: u32,
    pub(super) weight: u32,
}

/// The position of the list with the next turn; of equals the first. `contenders` is not empty.
pub(super) fn take(contenders: &[Contender], row: &mut GroupRow) -> usize {
    let total: i64 = contenders.iter().map(|contender| i64::from(contender.weight)).sum();
    let (mut chosen, mut highest) = (0, i64::MIN);
    for (at, contender) in contenders.iter().enumerate() {
        let current = sum_of(contender.list, row);
        *current = current.saturating_add(contender.weight.into());
        if *current > highest {
            (chosen, highest) = (at, *current);
        }
    }
    let current = sum_of(contenders[chosen].list, row);
    *current = current.saturating_sub(total);
    chosen
}

/// The sum of a list, which begins with 0.
fn sum_of(list: u32, row: &mut GroupRow) -> &mut i64 {
    let at = row.turns.binary_search_by_key(&list, |turn| turn.list).unwrap_or_else(|at| {
        row.turns.insert(at, ListTurnRow { list, current: 0 });
        at
    });
    &mut row.turns[at].current
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contenders(weights: &[(u32, u32)]) -> Vec<Contender> {
        weights.iter().map(|(list, weight)| Contender { list: *list, weight: *weight }).collect()
    }

    fn sequence(weights: &[(u32, u32)], turns: usize, row: &mut GroupRow) -> Vec<usize> {
        (0..turns).map(|_| take(&contenders(weights), row)).collect()
    }

    #[test]
    fn lists_follow_each_other_smoothly_by_their_weights() {
        let mut row = GroupRow::default();
        assert_eq!(sequence(&[(101, 5), (102, 1), (103, 1)], 7, &mut row), [0, 0, 1, 0, 2, 0, 0]);
        assert!(row.turns.iter().all(|turn| turn.current == 0), "a whole round leaves nothing: {row:?}");
        assert_eq!(sequence(&[(101, 10), (102, 10)], 4, &mut row), [0, 1, 0, 1]);
    }

    #[test]
    fn a_list_without_a_record_keeps_its_sum_and_loses_no_turn() {
        let mut row = GroupRow::default();
        assert_eq!(sequence(&[(103, 1), (101, 1)], 1, &mut row), [0], "of equals the first, whatever their numbers");
        assert_eq!(sequence(&[(103, 1)], 3, &mut row), [0, 0, 0]);
        assert_eq!(sequence(&[(103, 1), (101, 1)], 2, &mut row), [1, 0]);
        assert!(row.turns.is_sorted_by_key(|turn| turn.list));
    }
}
