//! A few descriptors kept for the case that none are left: the reserve closes them, and important uses take their place.

use std::{
    fs::File,
    sync::{Mutex, PoisonError},
};

/// The open file of a kept descriptor, which has no other use.
const KEPT: &str = "/dev/null";

/// The reserve of one user.
#[derive(Debug)]
pub struct Reserve {
    descriptors: usize,
    kept: Mutex<Vec<File>>,
}

impl Reserve {
    /// Opens up to this many descriptors.
    pub fn new(descriptors: usize) -> Self {
        let reserve = Self { descriptors, kept: Mutex::default() };
        reserve.refill();
        reserve
    }

    /// Reopens the descriptors that were given away, as far as possible.
    pub fn refill(&self) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        while kept.len() < self.descriptors {
            let Ok(file) = File::open(KEPT) else { return };
            kept.push(file);
        }
    }

    /// Gives one descriptor away; false: none is left.
    pub fn give(&self) -> bool {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_away_is_kept_again_once_it_can_be() {
        let reserve = Reserve::new(2);
        assert_eq!([reserve.give(), reserve.give(), reserve.give()], [true, true, false]);
        reserve.refill();
        assert!(reserve.give());
    }
}
