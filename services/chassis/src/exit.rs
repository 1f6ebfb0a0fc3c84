//! What the number means with which a process ends, and the one way to end it on the spot.
//!
//! Everything else returns an exit code from `main`, after its drain. Unit files and scripts rely on these numbers.

/// Everything went well.
pub const OK: u8 = 0;
/// Refused or failed.
pub const FAILED: u8 = 1;
/// Wrong use or wrong configuration: starting again changes nothing.
pub const USAGE: u8 = 2;
/// The disk cannot be trusted any more (`EX_IOERR`): started again, the process checks what it has (design rule 6).
pub const IO: u8 = 74;

/// Ends the process now, without drain: for what makes every further step wrong, such as an fdatasync that failed.
pub fn fatal(code: u8, message: &str) -> ! {
    tracing::error!("{message}");
    eprintln!("fatal: {message}");
    #[allow(clippy::disallowed_methods)] // the one fatal path that the ban points to
    std::process::exit(i32::from(code))
}
