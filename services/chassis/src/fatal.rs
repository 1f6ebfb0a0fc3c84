//! The only way to end a process at once.
//!
//! Every other end returns an exit code from `main`, after the drain.

/// Ends the process now, without drain: for a fault that makes every further step wrong, such as a failed fdatasync.
/// Standard error gets the message, unless its reader stalls for half a second.
pub fn fatal(code: u8, message: &str) -> ! {
    tracing::error!("{message}");
    crate::logging::last_words(&format!("fatal: {message}"));
    #[allow(clippy::disallowed_methods)] // the only fatal path, to which the ban points
    std::process::exit(i32::from(code))
}
