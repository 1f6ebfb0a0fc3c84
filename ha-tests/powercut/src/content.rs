//! One file's bytes, twice: as programs see them, and as they are on the disk. Called by `tree`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use rand::{Rng, rngs::StdRng};

/// The unit in which the system writes to a disk.
pub(crate) const PAGE: u64 = 4096;
/// The unit that a disk writes as a whole.
const SECTOR: usize = 512;

type Page = [u8; PAGE as usize];

/// Chances of unsynced writes in a power cut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Odds {
    /// Chance that a page, or a change of a name or size, reached the disk.
    pub(crate) keep: f64,
    /// Chance that a page was torn: each sector for itself.
    pub(crate) torn: f64,
}

/// Bytes of a file; a page that is not there is zeros.
#[derive(Debug, Clone, Default)]
struct Bytes {
    size: u64,
    pages: BTreeMap<u64, Arc<Page>>,
}

impl Bytes {
    fn page(&self, number: u64) -> Option<&Page> {
        self.pages.get(&number).map(Arc::as_ref)
    }

    /// Sets the size; bytes behind the new end are gone for good.
    fn resize(&mut self, size: u64) {
        if size < self.size {
            drop(self.pages.split_off(&size.div_ceil(PAGE)));
            if let Some(page) = self.pages.get_mut(&(size / PAGE)) {
                Arc::make_mut(page)[(size % PAGE) as usize..].fill(0);
            }
        }
        self.size = size;
    }

    fn set(&mut self, number: u64, page: Option<Arc<Page>>) {
        match page {
            Some(page) => drop(self.pages.insert(number, page)),
            None => drop(self.pages.remove(&number)),
        }
    }
}

/// A file.
#[derive(Debug, Default)]
pub(crate) struct Content {
    live: Bytes,
    durable: Bytes,
    /// Pages written since the last sync.
    dirty: BTreeSet<u64>,
    /// The smallest size since the last sync, if the file was made smaller.
    shortest: Option<u64>,
}

impl Content {
    pub(crate) fn size(&self) -> u64 {
        self.live.size
    }

    /// Pages that take room.
    pub(crate) fn pages(&self) -> u64 {
        self.live.pages.len() as u64
    }

    /// Pages that a write would add.
    pub(crate) fn growth(&self, offset: u64, length: u64) -> u64 {
        pages(offset, length).filter(|number| self.live.page(*number).is_none()).count() as u64
    }

    pub(crate) fn read(&self, offset: u64, length: u64) -> Vec<u8> {
        let end = self.live.size.min(offset + length);
        let mut bytes = Vec::with_capacity(length as usize);
        for number in pages(offset, end.saturating_sub(offset)) {
            let (from, to) = within(number, offset, end);
            let zeros = [0; PAGE as usize];
            bytes.extend_from_slice(&self.live.page(number).unwrap_or(&zeros)[from..to]);
        }
        bytes
    }

    pub(crate) fn write(&mut self, offset: u64, bytes: &[u8]) {
        let end = offset + bytes.len() as u64;
        let mut rest = bytes;
        for number in pages(offset, bytes.len() as u64) {
            let (from, to) = within(number, offset, end);
            let (here, behind) = rest.split_at(to - from);
            let page = self.live.pages.entry(number).or_insert_with(|| Arc::new([0; PAGE as usize]));
            Arc::make_mut(page)[from..to].copy_from_slice(here);
            self.dirty.insert(number);
            rest = behind;
        }
        self.live.size = self.live.size.max(end);
    }

    pub(crate) fn resize(&mut self, size: u64) {
        if size < self.live.size {
            self.shortest = Some(self.shortest.map_or(size, |shortest| shortest.min(size)));
            self.dirty.insert(size / PAGE);
        }
        self.live.resize(size);
    }

    /// fsync: from now on the disk has the content that programs see.
    pub(crate) fn sync(&mut self) {
        if let Some(shortest) = self.shortest.take() {
            self.durable.resize(shortest.min(self.durable.size));
        }
        for number in std::mem::take(&mut self.dirty) {
            self.durable.set(number, self.live.pages.get(&number).cloned());
        }
        self.durable.size = self.live.size;
    }

    /// A failed fsync, as Linux leaves it: every page counts as clean although the disk never got it; some pages are dropped
    /// from memory at once, so that the next read shows the content of the disk.
    pub(crate) fn fail_sync(&mut self, chance: &mut StdRng) {
        for number in std::mem::take(&mut self.dirty) {
            if chance.random_bool(0.5) {
                self.live.set(number, self.durable.pages.get(&number).cloned());
            }
        }
    }

    /// The power is cut: from now on programs see the content of the disk. Returns the number of pages that were lost or torn.
    pub(crate) fn cut(&mut self, odds: Odds, chance: &mut StdRng) -> u64 {
        let dirty = std::mem::take(&mut self.dirty);
        if let Some(shortest) = self.shortest.take()
            && chance.random_bool(odds.keep)
        {
            self.durable.resize(shortest.min(self.durable.size));
        }
        let size = self.size_after_cut(odds, chance);
        let mut lost = 0;
        for number in dirty {
            let (page, whole) = page_after_cut(self.live.page(number), self.durable.page(number), odds, chance);
            if let Some(page) = page {
                self.durable.set(number, page);
            }
            lost += u64::from(!whole);
        }
        self.durable.size = self.durable.size.max(self.live.size); // so that pages behind the end go
        self.durable.resize(size);
        self.live = self.durable.clone();
        lost
    }

    fn size_after_cut(&self, odds: Odds, chance: &mut StdRng) -> u64 {
        let (old, new) = (self.durable.size, self.live.size);
        match (old == new, chance.random_bool(odds.keep)) {
            (true, _) => old,
            (false, true) => new,
            (false, false) if new > old && chance.random_bool(0.5) => chance.random_range(old..new),
            (false, false) => old,
        }
    }

    /// Flips a bit of a synced page; returns its place, if there is such a page.
    pub(crate) fn flip(&mut self, chance: &mut StdRng) -> Option<u64> {
        let numbers: Vec<u64> = self.durable.pages.keys().copied().filter(|n| !self.dirty.contains(n)).collect();
        let number = *numbers.get(chance.random_range(0..numbers.len().max(1)))?;
        let end = self.durable.size.min((number + 1) * PAGE);
        let at = chance.random_range(number * PAGE..end.max(number * PAGE + 1));
        self.flip_at(at, 1 << chance.random_range(0..8)).then_some(at)
    }

    fn flip_at(&mut self, at: u64, bit: u8) -> bool {
        if at >= self.durable.size {
            return false;
        }
        for bytes in [&mut self.durable, &mut self.live] {
            if let Some(page) = bytes.pages.get_mut(&(at / PAGE)) {
                Arc::make_mut(page)[(at % PAGE) as usize] ^= bit;
            }
        }
        true
    }
}

/// The page on the disk after a cut (none: unchanged), and whether that is the new page.
fn page_after_cut(
    live: Option<&Page>,
    durable: Option<&Page>,
    odds: Odds,
    chance: &mut StdRng,
) -> (Option<Option<Arc<Page>>>, bool) {
    if chance.random_bool(odds.torn) {
        let (new, mut page) = (live.unwrap_or(&[0; PAGE as usize]), *durable.unwrap_or(&[0; PAGE as usize]));
        for sector in (0..PAGE as usize).step_by(SECTOR).filter(|_| chance.random_bool(0.5)) {
            page[sector..sector + SECTOR].copy_from_slice(&new[sector..sector + SECTOR]);
        }
        let whole = page == *new;
        return (Some(Some(Arc::new(page))), whole);
    }
    if chance.random_bool(odds.keep) {
        return (Some(live.map(|page| Arc::new(*page))), true);
    }
    (None, live == durable)
}

/// The pages that a stretch touches.
fn pages(offset: u64, length: u64) -> std::ops::Range<u64> {
    if length == 0 { 0..0 } else { offset / PAGE..(offset + length).div_ceil(PAGE) }
}

/// The part of a page that lies in a stretch.
fn within(number: u64, offset: u64, end: u64) -> (usize, usize) {
    let begin = number * PAGE;
    (offset.saturating_sub(begin) as usize, (end - begin).min(PAGE) as usize)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    const LOSE: Odds = Odds { keep: 0.0, torn: 0.0 };
    const TEAR: Odds = Odds { keep: 0.0, torn: 1.0 };

    fn chance() -> StdRng {
        StdRng::seed_from_u64(7)
    }

    fn synced(bytes: &[u8]) -> Content {
        let mut content = Content::default();
        content.write(0, bytes);
        content.sync();
        content
    }

    #[test]
    fn what_was_synced_survives_and_what_was_not_may_go() {
        let mut content = synced(&[1; 10_000]);
        content.write(5000, &[2; 100]);
        content.write(20_000, &[3; 100]);
        assert_eq!(content.cut(LOSE, &mut chance()), 2);
        assert_eq!(content.read(0, 10_000), vec![1; 10_000]);
        assert!(content.read(10_000, 1 << 20).iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_size_that_was_kept_shows_zeros_where_pages_were_lost() {
        let mut content = Content::default();
        content.resize(8192);
        content.sync();
        content.write(0, &[9; 8192]);
        content.cut(LOSE, &mut chance());
        assert_eq!(content.read(0, 9000), vec![0; 8192]);
    }

    #[test]
    fn a_torn_page_has_whole_sectors_of_before_and_after() {
        let mut content = synced(&[1; 4096]);
        content.write(0, &[2; 4096]);
        assert_eq!(content.cut(TEAR, &mut chance()), 1);
        let bytes = content.read(0, 4096);
        assert!(bytes.chunks(512).all(|sector| sector.iter().all(|byte| *byte == sector[0])));
        assert!(bytes.contains(&1) && bytes.contains(&2));
    }

    #[test]
    fn a_shortened_file_is_old_or_new_but_never_shows_what_was_cut_off_and_synced() {
        let mut content = synced(&[1; 9000]);
        content.resize(100);
        content.resize(9000);
        content.sync();
        content.cut(LOSE, &mut chance());
        let bytes = content.read(0, 9000);
        assert!(bytes[..100].iter().all(|byte| *byte == 1) && bytes[100..].iter().all(|byte| *byte == 0));
        content.resize(50);
        content.cut(LOSE, &mut chance());
        assert_eq!(content.size(), 9000);
    }

    #[test]
    fn after_a_failed_sync_the_next_one_saves_nothing_of_it() {
        let mut content = synced(&[1; 4096 * 64]);
        content.write(0, &[2; 4096 * 64]);
        content.fail_sync(&mut chance());
        let seen = content.read(0, 1 << 20);
        assert!(seen.contains(&1) && seen.contains(&2));
        content.sync();
        content.cut(LOSE, &mut chance());
        assert_eq!(content.read(0, 1 << 20), vec![1; 4096 * 64]);
    }

    #[test]
    fn a_flipped_bit_is_one_bit_of_what_was_synced() {
        let mut content = synced(&[0; 4096]);
        let at = content.flip(&mut chance()).unwrap() as usize;
        let bytes = content.read(0, 4096);
        assert_eq!(bytes[at].count_ones(), 1);
        assert_eq!(bytes.iter().filter(|byte| **byte != 0).count(), 1);
    }
}
