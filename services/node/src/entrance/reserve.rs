//! A few descriptors that are kept for when there are no others: they are closed, and what matters takes their place.

use std::{
    fs::File,
    sync::{Mutex, PoisonError},
};

/// Open, and good for nothing else.
const KEPT: &str = "/dev/null";

/// The reserve of one user.
#[derive(Debug)]
pub(crate) struct Reserve {
    descriptors: usize,
    kept: Mutex<Vec<File>>,
}

impl Reserve {
    /// So many, where there are as many.
    pub(crate) fn new(descriptors: usize) -> Self {
        let reserve = Self { descriptors, kept: Mutex::default() };
        reserve.refill();
        reserve
    }

    /// Opens what was given away, as far as that is possible again.
    pub(crate) fn refill(&self) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        while kept.len() < self.descriptors {
            let Ok(file) = File::open(KEPT) else { return };
            kept.push(file);
        }
    }

    /// Gives one away; false: there is none left.
    pub(crate) fn give(&self) -> bool {
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
