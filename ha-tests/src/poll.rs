//! Waiting for what must come, by looking until it is there: never a fixed sleep. Called by everything here.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Far longer than anything takes; reaching it fails the test.
pub const PATIENCE: Duration = Duration::from_secs(40);
const LOOK: Duration = Duration::from_millis(20);

/// Looks until there is something.
///
/// # Panics
/// When there is nothing after [`PATIENCE`]; says what was waited for.
pub fn until_some<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain: {what}");
        thread::sleep(LOOK);
    }
}

/// Looks until it is so.
///
/// # Panics
/// As [`until_some`].
pub fn until(what: &str, mut look: impl FnMut() -> bool) {
    until_some(what, || look().then_some(()));
}
