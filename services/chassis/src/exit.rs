//! What the number means with which a process ends, and the one way to end it on the spot.
//!
//! Everything else returns an exit code from `main`, after its drain. Unit files and scripts rely on these numbers.

/// Everything went well.
pub const OK: u8 = 0;
/// Refused or failed.
pub const FAILED: u8 = 1;
/// Wrong use or wrong configuration: a person must mend it, and starting again changes nothing.
pub const USAGE: u8 = 2;
/// A thread that the process cannot do without stands still (`EX_SOFTWARE`): the supervisor starts the process again.
pub const STALLED: u8 = 70;
/// The disk cannot be trusted any more (`EX_IOERR`): started again, the process checks what it has (R6 durable-before-acknowledged).
pub const IO: u8 = 74;
/// Something that passes by itself is in the way (`EX_TEMPFAIL`), such as the lock of a process that is just ending: the
/// supervisor starts the process again.
pub const TEMPORARY: u8 = 75;

/// Ends the process now, without drain: for what makes every further step wrong, such as an fdatasync that failed.
/// The message is written, unless standard error takes nothing for half a second.
pub fn fatal(code: u8, message: &str) -> ! {
    tracing::error!("{message}");
    crate::logging::last_words(&format!("fatal: {message}"));
    #[allow(clippy::disallowed_methods)] // the one fatal path that the ban points to
    std::process::exit(i32::from(code))
}
