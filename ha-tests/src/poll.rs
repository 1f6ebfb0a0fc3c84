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
pub fn until_some<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_some_within(PATIENCE, what, look)
}

/// The same for what takes long on a machine that is busy.
///
/// # Panics
/// When there is nothing after `patience`.
pub fn until_some_within<T>(patience: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {patience:?} in vain: {what}");
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
