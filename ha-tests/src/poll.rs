//! Waits for a condition by polling: never a fixed sleep. Called by the whole harness.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Far longer than any expected wait; reaching the end fails the test.
pub const PATIENCE: Duration = Duration::from_secs(40);
const LOOK: Duration = Duration::from_millis(20);

/// Polls until there is a value.
///
/// # Panics
/// When there is no value after [`PATIENCE`]; names the awaited value.
pub fn until_some<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_some_within(PATIENCE, what, look)
}

/// The same for waits that take long on a busy machine.
///
/// # Panics
/// When there is no value after `patience`.
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

/// Polls until the condition holds.
///
/// # Panics
/// As [`until_some`].
pub fn until(what: &str, mut look: impl FnMut() -> bool) {
    until_some(what, || look().then_some(()));
}
