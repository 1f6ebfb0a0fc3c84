//! The counters of the state: the only place that knows where a counter stands.
//!
//! Under rules versions before 4 all counters are one row, which every command writes. From version 4 on that row keeps the last
//! stamp alone, and every other counter is a row of its own, written only with a change: two commands of a transactional
//! engine wait for each other only over a counter that both change. Called by the overlay, by every command, and by all readers
//! outside the rules.

use outbound::RULES_WITH_PARTED_COUNTERS;

use crate::{
    settings::Settings,
    tables::{Counter, FloorRow, Key, MetaRow, NumberRow, PhonesRow, Row, Table},
    view::{View, table_pages},
};

/// The counters of the state, wherever they stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Stamp of the last decided command, microseconds since 1970; later commands count as stamped at least here.
    pub last_stamp_us: u64,
    /// Last handle given; 0: none yet.
    pub last_handle: u64,
    /// Last DBID given; 0: none yet.
    pub last_list: u32,
    /// Sequence of the next idempotency key.
    pub keys_next: u64,
    /// Sequence of the oldest idempotency key kept; equal to `keys_next`: none kept.
    pub keys_first: u64,
    /// Stamp of that oldest key.
    pub keys_first_stamp_us: u64,
    /// Each node's floor of request ids without a token, sorted by node.
    pub floors: Vec<FloorRow>,
    /// As `floors`, for ids with a token: two orders, since a node may give ids of both kinds around the raise.
    pub floors_with_token: Vec<FloorRow>,
    /// Records in all lists; none: the sum over the lists ([`crate::records_of_all_lists`]), from rules version 4 on.
    pub records: Option<u64>,
    /// Count of role changes kept.
    pub role_changes: u32,
    /// Progress of the rewrite to the phone form of rules version 3; absent: not begun.
    pub phones: Option<PhonesRow>,
}

impl Counters {
    /// Whether every row has the phone form of rules version 3.
    pub fn phones_are_rewritten(&self) -> bool {
        self.phones.as_ref().is_some_and(|phones| phones.done)
    }

    /// The floors of a kind of ids.
    pub(crate) fn floors_of(&mut self, with_token: bool) -> &mut Vec<FloorRow> {
        if with_token { &mut self.floors_with_token } else { &mut self.floors }
    }

    fn number(&self, counter: Counter) -> u64 {
        match counter {
            Counter::LastHandle => self.last_handle,
            Counter::LastList => self.last_list.into(),
            Counter::KeysNext => self.keys_next,
            Counter::KeysFirst => self.keys_first,
            Counter::KeysFirstStampUs => self.keys_first_stamp_us,
            Counter::RoleChanges => self.role_changes.into(),
        }
    }

    fn set_number(&mut self, counter: Counter, number: u64) {
        let short = || u32::try_from(number).unwrap_or(u32::MAX);
        match counter {
            Counter::LastHandle => self.last_handle = number,
            Counter::LastList => self.last_list = short(),
            Counter::KeysNext => self.keys_next = number,
            Counter::KeysFirst => self.keys_first = number,
            Counter::KeysFirstStampUs => self.keys_first_stamp_us = number,
            Counter::RoleChanges => self.role_changes = short(),
        }
    }
}

impl From<MetaRow> for Counters {
    fn from(row: MetaRow) -> Self {
        let MetaRow { last_stamp_us, last_handle, last_list, keys_next, keys_first, keys_first_stamp_us, .. } = row;
        let MetaRow { floors, floors_with_token, records, role_changes, phones, .. } = row;
        Self {
            last_stamp_us,
            last_handle,
            last_list,
            keys_next,
            keys_first,
            keys_first_stamp_us,
            floors,
            floors_with_token,
            records: Some(records),
            role_changes,
            phones: phones.map(|phones| *phones),
        }
    }
}

impl From<Counters> for MetaRow {
    fn from(counters: Counters) -> Self {
        let Counters { last_stamp_us, last_handle, last_list, keys_next, keys_first, keys_first_stamp_us, .. } =
            counters;
        let Counters { floors, floors_with_token, records, role_changes, phones, .. } = counters;
        Self {
            last_stamp_us,
            last_handle,
            last_list,
            keys_next,
            keys_first,
            keys_first_stamp_us,
            floors,
            records: records.unwrap_or_default(),
            role_changes,
            floors_with_token,
            phones: phones.map(Box::new),
        }
    }
}

/// The counters of the state.
pub fn counters(view: &impl View) -> Counters {
    if are_parted(view) { parted(view) } else { whole(view) }
}

/// Stamp of the last decided command, microseconds since 1970; a single row under every rules version.
pub fn last_stamp_us(view: &impl View) -> u64 {
    match view.get(&Key::Meta) {
        Some(Row::Meta(row)) => row.last_stamp_us,
        _ => 0,
    }
}

/// Whether counters are rows of their own. The state decides, and not the version of a command: a command stamped before the
/// raise may follow the raise in the log.
pub(crate) fn are_parted(view: &impl View) -> bool {
    let settings = view.get(&Key::Settings);
    matches!(settings, Some(Row::Settings(settings)) if are_parted_under(&settings))
}

/// As [`are_parted`], for the settings of the state.
pub(crate) fn are_parted_under(settings: &Settings) -> bool {
    settings.rules_version() >= RULES_WITH_PARTED_COUNTERS
}

/// The counters of rules versions before 4.
pub(crate) fn whole(view: &impl View) -> Counters {
    match view.get(&Key::Meta) {
        Some(Row::Meta(row)) => row.into(),
        _ => MetaRow::default().into(),
    }
}

/// The counters of rules versions from 4 on.
pub(crate) fn parted(view: &impl View) -> Counters {
    let mut counters = Counters { last_stamp_us: last_stamp_us(view), ..Counters::default() };
    for (key, row) in table_pages(view, Table::Counter) {
        if let (Key::Counter(counter), Row::Counter(row)) = (key, row) {
            counters.set_number(counter, row.number);
        }
    }
    for (key, row) in table_pages(view, Table::Floor) {
        if let (Key::Floor { with_token, .. }, Row::Floor(row)) = (key, row) {
            counters.floors_of(with_token).push(row);
        }
    }
    if let Some(Row::Phones(row)) = view.get(&Key::Phones) {
        counters.phones = Some(row);
    }
    counters
}

/// The rows of parted counters as the last command left them, to tell changed rows from others.
#[derive(Debug, Default)]
pub(crate) struct Written {
    numbers: [u64; Counter::ALL.len()],
    /// Without a token, and with a token.
    floors: [Vec<FloorRow>; 2],
    phones: Option<PhonesRow>,
}

impl Written {
    /// The rows of counters just read.
    pub(crate) fn of(counters: &Counters) -> Self {
        let Counters { floors, floors_with_token, phones, .. } = counters.clone();
        let numbers = Counter::ALL.map(|counter| counters.number(counter));
        Self { numbers, floors: [floors, floors_with_token], phones }
    }

    /// Puts the last stamp and every changed row, which count as written from then on.
    pub(crate) fn put_changed(&mut self, counters: &Counters, mut put: impl FnMut(Key, Row)) {
        put(Key::Meta, Row::Meta(MetaRow { last_stamp_us: counters.last_stamp_us, ..MetaRow::default() }));
        for (counter, written) in Counter::ALL.into_iter().zip(&mut self.numbers) {
            let number = counters.number(counter);
            if *written != number {
                *written = number;
                put(Key::Counter(counter), Row::Counter(NumberRow { number }));
            }
        }
        let floors = [&counters.floors, &counters.floors_with_token];
        for ((floors, written), with_token) in floors.into_iter().zip(&mut self.floors).zip([false, true]) {
            if written == floors {
                continue;
            }
            for floor in floors.iter().filter(|floor| !written.contains(floor)) {
                put(Key::Floor { node: floor.node, with_token }, Row::Floor(floor.clone()));
            }
            written.clone_from(floors);
        }
        if self.phones != counters.phones {
            self.phones.clone_from(&counters.phones);
            self.phones.iter().for_each(|phones| put(Key::Phones, Row::Phones(phones.clone())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters() -> Counters {
        let floor = |node| FloorRow { node, oldest_stamp_us: 4, ..FloorRow::default() };
        Counters {
            last_stamp_us: 7,
            last_handle: 300,
            last_list: 101,
            keys_next: 9,
            keys_first: 4,
            keys_first_stamp_us: 6,
            floors: vec![floor(1)],
            floors_with_token: vec![floor(1), floor(2)],
            records: Some(12),
            role_changes: 1,
            phones: Some(PhonesRow { done: true, ..PhonesRow::default() }),
        }
    }

    fn changed(written: &mut Written, counters: &Counters) -> Vec<Key> {
        let mut keys = Vec::new();
        written.put_changed(counters, |key, _| keys.push(key));
        keys
    }

    #[test]
    fn counters_of_one_row_come_back_from_their_row() {
        assert_eq!(Counters::from(MetaRow::from(counters())), counters());
    }

    #[test]
    fn a_counter_that_did_not_change_is_not_written() {
        let mut counters = counters();
        let mut written = Written::of(&counters);
        assert_eq!(changed(&mut written, &counters), [Key::Meta]);
        counters.last_handle += 1;
        counters.floors_with_token[1].oldest_stamp_us = 5;
        let rows = [Key::Meta, Key::Counter(Counter::LastHandle), Key::Floor { node: 2, with_token: true }];
        assert_eq!(changed(&mut written, &counters), rows);
        assert_eq!(changed(&mut written, &counters), [Key::Meta], "the last changes are written");
        counters.phones = Some(PhonesRow::default());
        assert_eq!(changed(&mut written, &counters), [Key::Meta, Key::Phones]);
    }

    #[test]
    fn every_counter_has_a_row_once_all_are_written() {
        let keys = changed(&mut Written::default(), &counters());
        let rows = Counter::ALL.len() + 3;
        assert_eq!(keys.len(), 1 + rows + 1, "last stamp, counters, floors, phones: {keys:?}");
    }
}
