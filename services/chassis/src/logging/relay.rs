//! The log of a process whose parent keeps it: each record is a line of standard error, in the form that the two agreed on.
//!
//! The same queue and thread as of any log: a record that was queued is written by a thread of its own, so that neither a panic
//! nor a runtime that stands still takes it along, and a flood is dropped and counted. Never knows the form.

use std::io;

use super::{LogError, PanicForm, watch_panics, writer::Lines};

/// The lines that the log writes by itself, whole or without the end.
#[derive(Debug, Clone, Copy)]
pub struct RelayForm {
    /// The line about a count of dropped records, with its end.
    pub dropped: fn(u64) -> String,
    /// The line about a panic, without its end.
    pub panic: PanicForm,
}

/// The queue of such a process. Clones share the queue.
#[derive(Debug, Clone)]
pub struct Relay(Lines);

impl Relay {
    /// Starts the thread that writes, and takes the messages of panics.
    ///
    /// # Errors
    /// [`LogError::Twice`], [`LogError::Thread`].
    pub fn start(form: RelayForm) -> Result<Self, LogError> {
        let lines = Lines::start(io::stderr(), form.dropped).map_err(LogError::Thread)?;
        watch_panics(lines.clone(), form.panic)?;
        Ok(Self(lines))
    }

    /// Queues a line, which has its end; with a full queue, drops and counts the line.
    pub fn push(&self, line: &str) {
        self.0.push(line.as_bytes());
    }
}
