//! The only path on which a fault of the disk under a client's read ends the process (architecture, Storage: a fault of the store
//! stops the process). Such a read has no error to answer, and a guessed answer would reach a client. Below a decision, see
//! `fault`.

use std::{fmt::Display, sync::OnceLock};

use crate::engine::Engine;

/// The exit code after a fault of the disk (architecture, What loses what); the service manager starts the process again.
pub const EXIT_DISK_FAULT: i32 = 74;

/// The step that runs last before the process exits.
static LAST_STEP: OnceLock<fn()> = OnceLock::new();

/// Sets the last step before a fault of the disk ends the process, once: the flush of the log, which must have a time limit.
pub fn before_fatal(step: fn()) {
    let _first_stays = LAST_STEP.set(step);
}

/// Logs the reason and ends the process.
#[allow(clippy::disallowed_methods, reason = "no reply may leave after a fault of the disk, not even from a drain")]
pub(crate) fn fatal(what: &str, error: &dyn Display) -> ! {
    tracing::error!(%error, "{what}: the store cannot be read; the process ends");
    if let Some(step) = LAST_STEP.get() {
        step();
    }
    std::process::exit(EXIT_DISK_FAULT)
}

/// The value, or the end of the process. The mark lets the next start replace the state: without the mark, the process would
/// fail at the same row again.
pub(crate) fn or_fatal<T, E: Display>(engine: &Engine, what: &str, result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| {
        engine.mark_doubted();
        fatal(what, &error)
    })
}
