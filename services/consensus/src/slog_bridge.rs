//! raft-rs logs through slog; this hands its lines to tracing. The only room that knows slog, besides `core`'s call.

use slog::{Drain, Level, Never, OwnedKVList, Record};

struct Bridge;

impl Drain for Bridge {
    type Ok = ();
    type Err = Never;

    fn log(&self, record: &Record<'_>, _: &OwnedKVList) -> Result<(), Never> {
        match record.level() {
            Level::Critical => tracing::error!(target: "raft", "{}", record.msg()),
            Level::Error | Level::Warning => tracing::warn!(target: "raft", "{}", record.msg()),
            Level::Info => tracing::debug!(target: "raft", "{}", record.msg()),
            Level::Debug | Level::Trace => tracing::trace!(target: "raft", "{}", record.msg()),
        }
        Ok(())
    }
}

/// A logger whose lines end in tracing; the "info" of raft-rs is of interest only in the search for a fault.
pub(crate) fn logger() -> slog::Logger {
    slog::Logger::root(Bridge, slog::o!())
}
