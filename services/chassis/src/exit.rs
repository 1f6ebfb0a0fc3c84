//! The exit codes of a process, and the only way to end a process at once.
//!
//! Every other end returns an exit code from `main`, after the drain. Unit files and scripts rely on these numbers.

/// Success.
pub const OK: u8 = 0;
/// Refused or failed.
pub const FAILED: u8 = 1;
/// Wrong use or wrong configuration: an operator must fix the cause, and a restart changes nothing.
pub const USAGE: u8 = 2;
/// An essential thread stands still (`EX_SOFTWARE`): the supervisor starts the process again.
pub const STALLED: u8 = 70;
/// The disk is no longer trustworthy (`EX_IOERR`): a restart checks the process's files (R6 durable-before-acknowledged).
pub const IO: u8 = 74;
/// A transient obstacle (`EX_TEMPFAIL`), such as the lock of a process about to end: the supervisor starts the process again.
pub const TEMPORARY: u8 = 75;

/// Ends the process now, without drain: for a fault that makes every further step wrong, such as a failed fdatasync.
/// Standard error gets the message, unless its reader stalls for half a second.
pub fn fatal(code: u8, message: &str) -> ! {
    tracing::error!("{message}");
    crate::logging::last_words(&format!("fatal: {message}"));
    #[allow(clippy::disallowed_methods)] // the only fatal path, to which the ban points
    std::process::exit(i32::from(code))
}
