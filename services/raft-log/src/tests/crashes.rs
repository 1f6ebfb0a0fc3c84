//! Crashes: everything acknowledged is there afterwards, and never an error.

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::*;
use crate::{Keep, Unsynced};

/// The log that a recovery must find: acknowledged for certain, or with the batch that was in flight when the power went.
#[derive(Clone, Default, Debug)]
struct Model {
    start: u64,
    start_term: u64,
    terms: BTreeMap<u64, u64>,
    hard_state: HardState,
}

impl Model {
    fn last(&self) -> u64 {
        self.terms.keys().next_back().copied().unwrap_or(self.start)
    }

    fn apply(&mut self, batch: &Batch) {
        if let Some(mark) = &batch.reset {
            (self.start, self.start_term) = (mark.index, mark.term);
            self.terms.clear();
        }
        if let Some(hard_state) = batch.hard_state {
            self.hard_state = hard_state;
        }
        for entry in &batch.entries {
            self.terms.retain(|index, _| *index < entry.index);
            self.terms.insert(entry.index, entry.term);
        }
    }

    fn compact(&mut self, index: u64) {
        self.start_term = self.terms[&index];
        self.start = index;
        self.terms.retain(|at, _| *at > index);
    }

    fn matches(&self, log: &Log<MemDisk>, recovered: &Recovered) -> bool {
        let start = (recovered.start.index, recovered.start.term) == (self.start, self.start_term);
        let found = (recovered.hard_state, recovered.first_index, recovered.last_index);
        start && found == (self.hard_state, self.start + 1, self.last()) && self.same_entries(log)
    }

    fn same_entries(&self, log: &Log<MemDisk>) -> bool {
        if self.terms.is_empty() {
            return true;
        }
        let terms = all(log).into_iter().map(|e| {
            assert_eq!(e, entry(e.index, e.term, e.data.len()));
            (e.index, e.term)
        });
        terms.collect::<BTreeMap<_, _>>() == self.terms
    }
}

fn draw_batch(draw: &mut StdRng, model: &Model, term: u64) -> Batch {
    let hard_state =
        draw.random_bool(0.5).then(|| HardState { term, vote: draw.random_range(0..3), commit: model.start });
    if draw.random_bool(0.02) {
        let mark = mark_at(model.last() + draw.random_range(0..50), term);
        return Batch { reset: Some(mark), hard_state, ..Batch::default() };
    }
    let back = if draw.random_bool(0.2) { draw.random_range(0..6) } else { 0 };
    let first = model.last().saturating_sub(back).max(model.start) + 1;
    let (count, bytes) = (draw.random_range(0..12), draw.random_range(1..3000));
    Batch { hard_state, ..entries(first..=(first + count).saturating_sub(1), term, bytes) }
}

/// One story: batches, compactions, and a crash now and then, at rest or in the middle of a batch.
fn run(seed: u64) {
    let mut draw = StdRng::seed_from_u64(seed);
    let disk = MemDisk::new();
    let mut log = create(&disk);
    let mut model = Model::default();
    for step in 0..150 {
        let term = step / 10 + 1;
        let before = model.clone();
        if draw.random_bool(0.08) && model.last() > model.start {
            let index = draw.random_range(model.start + 1..=model.last());
            model.compact(index);
            log.compact(mark_at(index, model.start_term)).unwrap();
        } else {
            let batch = draw_batch(&mut draw, &model, term);
            model.apply(&batch);
            let cut_short = !batch.is_empty() && draw.random_bool(0.1);
            if cut_short {
                disk.fail_next_sync();
            }
            if log.append(&batch).is_err() {
                assert!(cut_short);
                (log, model) = crash(&mut draw, &disk, log, &[&before, &model], seed);
                continue;
            }
        }
        if draw.random_bool(0.1) {
            (log, model) = crash(&mut draw, &disk, log, &[&model], seed);
        }
    }
}

/// The power goes, or the process alone; the recovered log must equal one of the models.
fn crash(draw: &mut StdRng, disk: &MemDisk, log: Log<MemDisk>, models: &[&Model], seed: u64) -> (Log<MemDisk>, Model) {
    drop(log);
    if draw.random_bool(0.3) {
        disk.kill();
    } else {
        disk.crash_seeded(draw.random());
    }
    let (log, recovered) = Log::open(disk.clone(), CONFIG).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
    let found = models.iter().find(|model| model.matches(&log, &recovered));
    let model = (*found.unwrap_or_else(|| panic!("seed {seed}: {recovered:?} is none of {models:?}"))).clone();
    (log, model)
}

#[test]
fn whatever_was_acknowledged_survives_every_crash() {
    for seed in 0..100 {
        run(seed);
    }
}

#[test]
fn every_subset_of_the_pages_of_a_batch_leaves_all_of_it_or_nothing() {
    for subset in 0..64_u64 {
        let disk = MemDisk::new();
        let mut log = create(&disk);
        log.append(&entries(1..=3, 1, 500)).unwrap();
        disk.fail_next_sync();
        log.append(&entries(4..=6, 2, 6000)).unwrap_err();
        let mut pages = 0;
        disk.crash(|unsynced| match unsynced {
            Unsynced::Page { file: MARK, .. } => Keep::Old,
            _ => {
                pages += 1;
                if subset >> (pages - 1) & 1 == 1 { Keep::New } else { Keep::Old }
            }
        });
        assert!((5..=6).contains(&pages), "{pages} pages");
        let (log, recovered) = Log::open(disk.clone(), CONFIG).unwrap();
        let whole = subset & ((1 << pages) - 1) == (1 << pages) - 1;
        assert_eq!(recovered.last_index, if whole { 6 } else { 3 }, "pages {subset:b}");
        assert_eq!(all(&log)[..3], entries(1..=3, 1, 500).entries);
    }
}

#[test]
fn a_crash_while_the_log_is_made_leaves_a_log_or_none() {
    for seed in 0..50 {
        for syncs in 0..4 {
            let disk = MemDisk::new();
            let limit = if syncs == 0 { 10_000 } else { 8192 + syncs * 20_000 };
            disk.set_capacity(Some(limit));
            let made = Log::create(disk.clone(), CONFIG, mark_at(0, 0), HardState::default());
            let made = made.map(drop).is_ok();
            disk.crash_seeded(seed);
            disk.set_capacity(None);
            match Log::open(disk.clone(), CONFIG) {
                Ok((_, recovered)) => assert!(made && recovered.empty),
                Err(LogError::Missing) => assert!(!made),
                Err(error) => panic!("seed {seed}: {error}"),
            }
            if !made {
                drop(create(&disk));
            }
        }
    }
}
