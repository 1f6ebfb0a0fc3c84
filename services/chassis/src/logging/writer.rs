//! The path of log lines to standard error: a bounded queue, and a thread that writes.
//!
//! A pipe without a reader blocks its writer for ever, so only this thread writes to standard error. Never makes a caller wait,
//! except in [`Lines::flush`], which has a time limit. Lines beyond the bound are dropped and counted; the writer reports the
//! count at the gap.

use std::{
    io::{self, Write},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// Bytes of lines in the queue; the batch of the writer may have as many again.
const QUEUE_BYTES_MAX: usize = 512 * 1024;
/// Bytes beyond that bound, kept free for the last words of a panic or of a fatal error.
const RESERVE_BYTES: usize = 64 * 1024;

/// Formats the line about a count of dropped lines, with its end of line.
pub(super) type Notice = fn(u64) -> String;

/// The queue of a process's log lines. Clones share the queue.
#[derive(Debug, Clone, Default)]
pub(super) struct Lines(Arc<LineQueue>);

#[derive(Debug, Default)]
struct LineQueue {
    queue: Mutex<Queue>,
    came: Condvar,
    written: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    /// Whole lines, each with its end.
    waiting: Vec<u8>,
    /// The writer has a batch in progress.
    writing: bool,
    /// Dropped and not yet reported.
    dropped: u64,
    /// Dropped since the start.
    dropped_total: u64,
}

impl Queue {
    fn drop_lines(&mut self, lines: u64) {
        self.dropped += lines;
        self.dropped_total += lines;
    }
}

impl Lines {
    /// Starts the log thread. The thread ends with the process.
    ///
    /// # Errors
    /// The system has no room for a thread.
    pub(super) fn start(out: impl Write + Send + 'static, notice: Notice) -> io::Result<Self> {
        let lines = Self::default();
        let writer = LineWriter { lines: lines.clone(), out, notice };
        thread::Builder::new().name("log".to_owned()).spawn(move || writer.run())?;
        Ok(lines)
    }

    /// Queues a line; with a full queue, drops and counts the line.
    pub(super) fn push(&self, line: &[u8]) {
        self.push_within(line, QUEUE_BYTES_MAX);
    }

    /// Queues a line that may use the reserve.
    pub(super) fn push_last(&self, line: &[u8]) {
        self.push_within(line, QUEUE_BYTES_MAX + RESERVE_BYTES);
    }

    /// Waits until the queue is written, at most `timeout`. False: lines remain.
    pub(super) fn flush(&self, timeout: Duration) -> bool {
        let busy = |queue: &mut Queue| queue.writing || !queue.waiting.is_empty();
        let waited = self.0.written.wait_timeout_while(self.queue(), timeout, busy);
        let (_queue, result) = waited.unwrap_or_else(PoisonError::into_inner);
        !result.timed_out()
    }

    /// Lines dropped since the start.
    pub(super) fn dropped_total(&self) -> u64 {
        self.queue().dropped_total
    }

    fn push_within(&self, line: &[u8], bytes_max: usize) {
        let mut queue = self.queue();
        if queue.waiting.len() + line.len() > bytes_max {
            return queue.drop_lines(1);
        }
        queue.waiting.extend_from_slice(line);
        drop(queue);
        self.0.came.notify_one();
    }

    /// Waits for lines; answers all queued lines, and the count of dropped lines to report after them.
    fn take(&self) -> (Vec<u8>, u64) {
        let empty = |queue: &mut Queue| queue.waiting.is_empty();
        let waited = self.0.came.wait_while(self.queue(), empty);
        let mut queue = waited.unwrap_or_else(PoisonError::into_inner);
        queue.writing = true;
        (mem::take(&mut queue.waiting), queue.dropped)
    }

    /// Ends a batch with `failed` unwritten lines and a report about `said` dropped lines.
    fn written(&self, failed: u64, said: u64) {
        let mut queue = self.queue();
        queue.writing = false;
        queue.dropped -= said;
        queue.drop_lines(failed);
        drop(queue);
        self.0.written.notify_all();
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For the subscriber, which writes each record with one call.
impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The state of the log thread.
struct LineWriter<W> {
    lines: Lines,
    out: W,
    notice: Notice,
}

impl<W: Write> LineWriter<W> {
    fn run(mut self) {
        loop {
            self.write_batch();
        }
    }

    /// Writes line by line: other processes may write to the same pipe, and a pipe keeps short writes whole.
    fn write_batch(&mut self) {
        let (batch, dropped) = self.lines.take();
        let mut failed = 0;
        for line in batch.split_inclusive(|byte| *byte == b'\n') {
            failed += u64::from(self.out.write_all(line).is_err());
        }
        let said = dropped > 0 && self.out.write_all((self.notice)(dropped).as_bytes()).is_ok();
        self.lines.written(failed, if said { dropped } else { 0 });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Longer than any test.
    const LONG: Duration = Duration::from_secs(60);

    /// Blocks each write until the test permits the write, like a full pipe.
    struct Pipe {
        permits: Receiver<()>,
        written: Sender<String>,
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _open_for_good = self.permits.recv();
            let _test_over = self.written.send(String::from_utf8_lossy(bytes).into_owned());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn notice(lines: u64) -> String {
        format!("{lines} dropped\n")
    }

    /// A queue whose writer is blocked with the line "held", the permits of its pipe (once dropped, the pipe never blocks again),
    /// and the written lines.
    fn blocked() -> (Lines, Sender<()>, Receiver<String>) {
        let ((permit, permits), (written, out)) = (channel(), channel());
        let lines = Lines::start(Pipe { permits, written }, notice).unwrap();
        lines.push(b"held\n");
        while !lines.queue().waiting.is_empty() {
            thread::yield_now();
        }
        (lines, permit, out)
    }

    #[test]
    fn a_pipe_that_nobody_reads_keeps_no_caller_and_the_gap_is_said_once_the_writer_moves_again() {
        let (lines, permit, out) = blocked();
        let line = format!("{}\n", "x".repeat(1023));
        let fit = QUEUE_BYTES_MAX / line.len();
        (0..4 * fit).for_each(|_| lines.push(line.as_bytes()));
        assert!(!lines.flush(Duration::from_millis(1)), "the pipe is blocked");
        assert_eq!(lines.dropped_total(), 3 * fit as u64);
        drop(permit);
        assert!(lines.flush(LONG));
        let mut right = vec!["held\n".to_owned()];
        right.extend(vec![line; fit]);
        right.push(notice(3 * fit as u64));
        assert!(out.try_iter().collect::<Vec<_>>() == right, "the notice comes once, after the lines before the gap");
    }

    #[test]
    fn last_words_have_room_in_a_full_queue_but_not_without_end() {
        let (lines, permit, out) = blocked();
        let line = vec![b'x'; 1024];
        (0..4 * QUEUE_BYTES_MAX / line.len()).for_each(|_| lines.push(&line));
        let before = lines.dropped_total();
        lines.push_last(b"last words\n");
        assert_eq!(lines.dropped_total(), before);
        (0..2 * RESERVE_BYTES / line.len()).for_each(|_| lines.push_last(&line));
        assert!(lines.dropped_total() > before);
        drop(permit);
        assert!(lines.flush(LONG));
        assert!(out.try_iter().any(|written| written.ends_with("last words\n")));
    }

    #[test]
    fn a_line_that_cannot_be_written_counts_as_dropped() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::WouldBlock.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let lines = Lines::start(Closed, notice).unwrap();
        lines.push(b"one\ntwo\n");
        assert!(lines.flush(LONG));
        assert_eq!(lines.dropped_total(), 2);
    }
}
