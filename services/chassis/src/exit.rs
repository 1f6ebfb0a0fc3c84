//! The exit codes of a process.
//!
//! `main` returns one of them after the drain; unit files and scripts rely on these numbers.

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
