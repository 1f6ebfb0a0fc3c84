//! The bytes of all bodies in flight, from the first byte kept until the request is answered: the memory that clients make
//! HTTP Proxy hold has a bound, whatever their number.
//!
//! No request waits for room: a request without room is refused at once, so that holders cannot lock each other out, and each
//! holder ends by its deadline. The budget counts allocated bytes, not announced ones: a client that announces much and sends
//! nothing takes nothing from the others.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of each body that are not counted: the usual request costs no atomic operation, and is answered while large bodies fill the
/// budget. Small beside what a connection costs anyway.
pub(crate) const FREE_BYTES: usize = 4096;

/// The budget of all connections.
#[derive(Debug)]
pub(crate) struct BodyBudget {
    used: AtomicUsize,
    bytes_max: usize,
}

/// There is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoRoom;

/// One body's share of the budget, released on drop.
#[derive(Debug)]
pub(crate) struct Share<'a> {
    budget: &'a BodyBudget,
    counted: usize,
}

impl BodyBudget {
    /// At most `bytes_max` bytes.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { used: AtomicUsize::new(0), bytes_max }
    }

    /// A share without a byte yet.
    pub(crate) fn share(&self) -> Share<'_> {
        Share { budget: self, counted: 0 }
    }

    /// Whether a body of so many bytes would find room now.
    pub(crate) fn has_room_for(&self, bytes: u64) -> bool {
        let counted = bytes.saturating_sub(FREE_BYTES as u64);
        counted == 0 || counted.saturating_add(self.used.load(Ordering::Relaxed) as u64) <= self.bytes_max as u64
    }
}

impl Share<'_> {
    /// Grows the share to fit a body of so many bytes. A share never shrinks.
    pub(crate) fn grow_to(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let more = bytes.saturating_sub(FREE_BYTES).saturating_sub(self.counted);
        if more == 0 {
            return Ok(());
        }
        let fits = |used: usize| used.checked_add(more).filter(|used| *used <= self.budget.bytes_max);
        let taken = self.budget.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
        taken.map(|_| self.counted += more).map_err(|_| NoRoom)
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        if self.counted > 0 {
            self.budget.used.fetch_sub(self.counted, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_fill_the_budget_and_give_their_bytes_back() {
        let budget = BodyBudget::new(10_000);
        let (mut first, mut second) = (budget.share(), budget.share());
        assert_eq!(first.grow_to(FREE_BYTES + 6000), Ok(()));
        assert_eq!(first.grow_to(FREE_BYTES + 5000), Ok(()), "a share does not shrink");
        assert_eq!(second.grow_to(FREE_BYTES + 4001), Err(NoRoom));
        assert_eq!(second.grow_to(FREE_BYTES + 4000), Ok(()));
        assert!(!budget.has_room_for(FREE_BYTES as u64 + 1));
        drop(first);
        assert!(budget.has_room_for(FREE_BYTES as u64 + 6000) && !budget.has_room_for(FREE_BYTES as u64 + 6001));
        drop(second);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_small_body_finds_room_in_a_full_budget() {
        let budget = BodyBudget::new(1);
        let mut large = budget.share();
        assert_eq!(large.grow_to(FREE_BYTES + 1), Ok(()));
        assert!(budget.has_room_for(FREE_BYTES as u64));
        assert_eq!(budget.share().grow_to(FREE_BYTES), Ok(()));
        assert_eq!(budget.share().grow_to(FREE_BYTES + 1), Err(NoRoom));
    }
}
