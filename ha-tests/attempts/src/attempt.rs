//! Attempts on phones, and the count of those within a time. Pure. Called by `main`, `rows` and `seen`.

use std::collections::{BTreeMap, BTreeSet};

/// An attempt on a phone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Attempt {
    /// DBID of the tenant; 0: the default tenant.
    pub(crate) tenant: u32,
    /// The phone's digits (see [`number`]).
    pub(crate) number: String,
    /// Microseconds since 1970.
    pub(crate) stamp_us: u64,
    /// The record.
    pub(crate) handle: u64,
    /// DBID of the campaign; 0: the record was processed without a hand-out.
    pub(crate) campaign: u32,
}

/// The digits of a phone without leading zeros: all international spellings of a number are alike. A text without digits stays.
pub(crate) fn number(phone: &str) -> String {
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    let number = digits.trim_start_matches('0');
    if number.is_empty() { phone.to_owned() } else { number.to_owned() }
}

/// The stamps of each phone's attempts, in order. A phone of two tenants is two phones.
pub(crate) fn by_phone(attempts: &BTreeSet<Attempt>) -> BTreeMap<String, Vec<u64>> {
    let mut phones: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for attempt in attempts {
        let phone = match attempt.tenant {
            0 => attempt.number.clone(),
            tenant => format!("{} of tenant {tenant}", attempt.number),
        };
        phones.entry(phone).or_default().push(attempt.stamp_us);
    }
    phones.values_mut().for_each(|stamps| stamps.sort_unstable());
    phones
}

/// The most attempts in any time of this length, from stamps in order.
pub(crate) fn most_within(stamps: &[u64], within_us: u64) -> usize {
    let from = |(last, stamp): (usize, &u64)| {
        let first = stamps.partition_point(|other| other.saturating_add(within_us) <= *stamp);
        last + 1 - first
    };
    stamps.iter().enumerate().map(from).max().unwrap_or(0)
}

/// The first attempts beyond the limit that lie within a time of this length, from stamps in order.
pub(crate) fn too_many(stamps: &[u64], max: usize, within_us: u64) -> Option<&[u64]> {
    let is_within = |stamps: &&[u64]| match stamps {
        [first, .., last] => last - first < within_us,
        _ => true,
    };
    stamps.windows(max.saturating_add(1)).find(is_within)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stamps, those that are one too many within a time, and the most stamps within it.
    type Case = (&'static [u64], Option<&'static [u64]>, usize);

    #[test]
    fn a_fourth_attempt_counts_if_the_first_is_younger_than_the_time() {
        let cases: [Case; 7] = [
            (&[], None, 0),
            (&[5], None, 1),
            (&[0, 1, 2], None, 3),
            (&[0, 1, 2, 100], None, 3),
            (&[0, 1, 2, 99], Some(&[0, 1, 2, 99][..]), 4),
            (&[0, 50, 100, 101, 149], Some(&[50, 100, 101, 149][..]), 4),
            (&[7, 7, 7, 7], Some(&[7, 7, 7, 7][..]), 4),
        ];
        for (stamps, found, most) in cases {
            assert_eq!(too_many(stamps, 3, 100), found, "{stamps:?}");
            assert_eq!(most_within(stamps, 100), most, "{stamps:?}");
        }
    }

    #[test]
    fn without_an_allowed_attempt_a_single_one_is_too_many() {
        assert_eq!(too_many(&[5], 0, 100), Some(&[5][..]));
    }

    #[test]
    fn spellings_of_a_number_are_one_phone_and_tenants_have_phones_of_their_own() {
        let attempt =
            |tenant, phone: &str, stamp_us| Attempt { tenant, number: number(phone), stamp_us, handle: 1, campaign: 1 };
        let attempts = [attempt(0, "+999 30 1", 9), attempt(0, "00999-30-1", 3), attempt(7, "+999301", 5)];
        let phones = by_phone(&attempts.into_iter().collect());
        let wanted = [("999301", vec![3, 9]), ("999301 of tenant 7", vec![5])];
        assert_eq!(phones, BTreeMap::from(wanted.map(|(phone, stamps)| (phone.to_owned(), stamps))));
        assert_eq!(number("a@b"), "a@b");
    }
}
