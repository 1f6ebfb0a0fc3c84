//! The events of deciding (`records::Event`), as counters and as lines of the log, once their changes are in the store.
//!
//! Clients choose the keys of their requests: only a hash of a key is kept, and lines have a budget. Called by the machine on the
//! apply thread.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chassis::{lines::Causes, logging::masked};
use outbound::{Effect, Origin};
use records::Event;

use crate::{DueCounts, PreviewCounts};

/// Ignored keys that are remembered as logged; beyond, all are forgotten, and may be logged again.
const LOGGED_KEYS_MAX: usize = 10_000;
/// Characters of a list's name in a line.
const LIST_CHARS_MAX: usize = 64;
/// Lines about keys of requests and about repeated ids, a minute and cause.
const LINES_PER_MINUTE: u32 = 60;
/// Lines about idempotency keys that were forgotten before their time.
const SHORTENED_LINES_PER_MINUTE: u32 = 1;
/// Longest time between two stamps that counts: a group without commands makes no time.
const STAMP_GAP_US_MAX: u64 = 1_000_000;

/// Counts of events since the start of this process. Cheap to clone; all clones show the same counts.
#[derive(Debug, Clone, Default)]
pub(super) struct EventCounts {
    ignored_keys: Arc<AtomicU64>,
    client_updates: Arc<AtomicU64>,
    last_stamp_us: Arc<AtomicU64>,
    stamped_us: Arc<AtomicU64>,
    previews: Arc<Mutex<PreviewCounts>>,
    due: Arc<Mutex<DueCounts>>,
}

impl EventCounts {
    /// Keys of requests that map to no field and were ignored (spec 4).
    pub(super) fn ignored_keys(&self) -> u64 {
        self.ignored_keys.load(Ordering::Relaxed)
    }

    /// Updates by clients of HTTP.
    pub(super) fn client_updates(&self) -> u64 {
        self.client_updates.load(Ordering::Relaxed)
    }

    /// The time that passed by the stamps of the commands, gaps beyond [`STAMP_GAP_US_MAX`] cut to that.
    pub(super) fn stamped_time(&self) -> Duration {
        Duration::from_micros(self.stamped_us.load(Ordering::Relaxed))
    }

    /// Counts of previews.
    pub(super) fn previews(&self) -> PreviewCounts {
        self.previews.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts of records that changed by themselves.
    pub(super) fn due(&self) -> DueCounts {
        *self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count_due(&self, event: &Event) {
        let mut counts = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Returned { records } => counts.returned += u64::from(*records),
            Event::Overdue { records } => counts.overdue += u64::from(*records),
            Event::Missed { records } => counts.missed += u64::from(*records),
            _ => {}
        }
    }

    fn count_preview(&self, event: &Event) {
        let mut counts = self.previews.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::HandedOut { group, class } => *counts.handed_out.entry((*group, *class)).or_default() += 1,
            Event::PreviewEmpty { group } => *counts.empty.entry(*group).or_default() += 1,
            Event::MetOnDoNotCall => counts.met_on_do_not_call += 1,
            Event::HeldBack => counts.held_back += 1,
            _ => {}
        }
    }
}

/// Counts of one run of entries.
#[derive(Debug, Default)]
pub(super) struct RunCounts {
    of_clients: u64,
    last_stamp_us: u64,
    stamped_us: u64,
}

impl RunCounts {
    /// Counts a command.
    pub(super) fn take(&mut self, origin: Origin, stamp_us: u64) {
        self.of_clients += u64::from(origin == Origin::Http);
        self.stamped_us += stamp_us.saturating_sub(self.last_stamp_us).min(STAMP_GAP_US_MAX);
        self.last_stamp_us = stamp_us;
    }
}

/// The counts, and the keys and lines logged already.
pub(super) struct Told {
    counts: EventCounts,
    keys: LoggedKeys,
    lines: Causes,
    shortened_lines: Causes,
}

impl Told {
    pub(super) fn new() -> Self {
        Self {
            counts: EventCounts::default(),
            keys: LoggedKeys::default(),
            lines: Causes::new(LINES_PER_MINUTE),
            shortened_lines: Causes::new(SHORTENED_LINES_PER_MINUTE),
        }
    }

    /// The counts, for every other thread.
    pub(super) fn counts(&self) -> EventCounts {
        self.counts.clone()
    }

    /// The counts of a run that begins behind the last one.
    pub(super) fn begin_run(&self) -> RunCounts {
        RunCounts { last_stamp_us: self.counts.last_stamp_us.load(Ordering::Relaxed), ..RunCounts::default() }
    }

    /// Adds the counts of a run that was decided.
    pub(super) fn add_run(&self, run: &RunCounts) {
        self.counts.client_updates.fetch_add(run.of_clients, Ordering::Relaxed);
        self.counts.stamped_us.fetch_add(run.stamped_us, Ordering::Relaxed);
        self.counts.last_stamp_us.store(run.last_stamp_us, Ordering::Relaxed);
    }

    /// Counts and logs an event. After a crash the events of entries that were not yet durable come a second time.
    pub(super) fn take(&mut self, event: &Event) {
        match event {
            Event::KeyIgnored { list, key } => self.key_ignored(list, key),
            Event::KeysShortened { .. } => {
                if let Some(more) = self.shortened_lines.line("shortened") {
                    tracing::warn!(
                        "idempotency keys went before their time: rules.idempotency_keys_max is too small{more}"
                    );
                }
            }
            Event::Effect(Effect::RulesRaised { from, to }) => {
                tracing::info!("the group decides by rules version {to} from now on, not {from}: for good");
            }
            Event::Effect(Effect::SettingChanged { key, from, to }) => {
                tracing::info!("the option {key} of the rules changes from {from} to {to}");
            }
            Event::Effect(Effect::ListDeletionBegun { list, name, records }) => {
                tracing::info!(dbid = list, list = name.as_str(), records, "a list is being deleted with its records");
            }
            Event::Effect(Effect::ListDeleted { list, name }) => {
                tracing::info!(dbid = list, list = name.as_str(), "a list is deleted");
            }
            Event::RequestIdReused { id } => {
                if let Some(more) = self.lines.line("reused id") {
                    tracing::error!(
                        "a request came under the id {id}, which another request has: it was not applied. Ids are never given \
                         twice: is a node's disk one that was put back?{more}"
                    );
                }
            }
            Event::HandedOut { .. } | Event::PreviewEmpty { .. } | Event::MetOnDoNotCall | Event::HeldBack => {
                self.counts.count_preview(event);
            }
            Event::Returned { .. } | Event::Overdue { .. } | Event::Missed { .. } => self.counts.count_due(event),
            Event::Effect(_) => {}
        }
    }

    /// Keys that map to no field are counted, and logged once per key and list (spec 4).
    fn key_ignored(&mut self, list: &str, key: &str) {
        self.counts.ignored_keys.fetch_add(1, Ordering::Relaxed);
        let hash = self.keys.hash(list, key);
        if self.keys.knows(hash) {
            return;
        }
        let Some(more) = self.lines.line("ignored key") else { return };
        self.keys.insert(hash);
        let list: String = list.chars().take(LIST_CHARS_MAX).collect();
        let shown = masked(key); // a client may give a number in place of a key
        tracing::warn!(
            list,
            key = &*shown,
            "a request has a key that maps to no field of the list; it is ignored{more}"
        );
    }
}

/// Hashes of list and key, under a seed of this process: a client cannot make two keys look alike.
#[derive(Default)]
struct LoggedKeys {
    seed: RandomState,
    hashes: HashSet<u64>,
}

impl LoggedKeys {
    fn hash(&self, list: &str, key: &str) -> u64 {
        self.seed.hash_one((list, key))
    }

    fn knows(&self, hash: u64) -> bool {
        self.hashes.contains(&hash)
    }

    fn insert(&mut self, hash: u64) {
        if self.hashes.len() >= LOGGED_KEYS_MAX {
            self.hashes.clear();
        }
        self.hashes.insert(hash);
    }
}

#[cfg(test)]
mod tests {
    use records::HandOutClass;

    use super::*;

    #[test]
    fn hand_outs_count_by_group_and_class_and_empty_answers_by_group() {
        let mut told = Told::new();
        let counts = told.counts();
        let handed_out = |group, class| Event::HandedOut { group, class };
        let (personal, general) = (HandOutClass::Personal, HandOutClass::General);
        let events = [
            handed_out(101, general),
            handed_out(101, general),
            handed_out(101, personal),
            handed_out(102, general),
            Event::PreviewEmpty { group: 102 },
            Event::MetOnDoNotCall,
            Event::HeldBack,
            Event::HeldBack,
        ];
        events.iter().for_each(|event| told.take(event));
        let expected = PreviewCounts {
            handed_out: [((101, personal), 1), ((101, general), 2), ((102, general), 1)].into(),
            empty: [(102, 1)].into(),
            met_on_do_not_call: 1,
            held_back: 2,
        };
        assert_eq!(counts.previews(), expected);
    }

    #[test]
    fn records_that_change_by_themselves_count_by_their_cause() {
        let mut told = Told::new();
        let counts = told.counts();
        let events = [
            Event::Returned { records: 100 },
            Event::Overdue { records: 2 },
            Event::Missed { records: 3 },
            Event::Returned { records: 1 },
            Event::Missed { records: 1 },
        ];
        events.iter().for_each(|event| told.take(event));
        assert_eq!(counts.due(), DueCounts { returned: 101, overdue: 2, missed: 4 });
    }

    #[test]
    fn time_by_stamps_goes_on_over_runs_and_a_silence_counts_as_a_second_at_most() {
        let told = Told::new();
        let counts = told.counts();
        let second = 1_000_000;
        for (stamps, of_clients, time_us) in [
            (&[1_700_000_000 * second][..], 1, second),
            (&[1_700_000_000 * second + 300, 1_700_000_000 * second + 500], 3, second + 500),
            (&[], 3, second + 500),
            (&[1_700_003_600 * second, 1_700_003_600 * second + 7], 5, 2 * second + 507),
        ] {
            let mut run = told.begin_run();
            stamps.iter().for_each(|stamp_us| run.take(Origin::Http, *stamp_us));
            run.take(Origin::Control, stamps.last().copied().unwrap_or(run.last_stamp_us));
            told.add_run(&run);
            assert_eq!((counts.client_updates(), counts.stamped_time()), (of_clients, Duration::from_micros(time_us)));
        }
    }

    #[test]
    fn a_key_is_known_by_its_list_and_its_name() {
        let mut keys = LoggedKeys::default();
        let hash = keys.hash("demo", "shoe");
        assert!(!keys.knows(hash));
        keys.insert(hash);
        assert!(keys.knows(keys.hash("demo", "shoe")));
        for (list, key) in [("demo", "shoes"), ("demos", "shoe"), ("demosh", "oe")] {
            assert!(!keys.knows(keys.hash(list, key)), "{list} {key}");
        }
    }

    #[test]
    fn however_many_keys_are_made_up_only_so_many_hashes_are_kept() {
        let mut keys = LoggedKeys::default();
        for number in 0..3 * LOGGED_KEYS_MAX as u64 + 1 {
            keys.insert(number);
            assert!(keys.hashes.len() <= LOGGED_KEYS_MAX);
        }
        assert!(keys.knows(3 * LOGGED_KEYS_MAX as u64));
    }
}
