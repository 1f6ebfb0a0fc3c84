//! Every task has a name, an owner and a policy for its end. The only room that calls `tokio::spawn`.

use std::{future::Future, time::Duration};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// What the end of a task means, when nobody asked it to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtEnd {
    /// The process cannot do without it: everything stops.
    Stop,
    /// Worth a line in the log.
    Log,
    /// It was meant to end.
    Quiet,
}

/// The owner of a process's tasks. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stopping: CancellationToken,
}

impl Tasks {
    /// No tasks yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs a task under a name. It should watch [`Tasks::stopping`].
    pub fn spawn<F>(&self, name: &'static str, at_end: AtEnd, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stopping = self.stopping.clone();
        #[allow(clippy::disallowed_methods)] // this is the one place that the ban points to
        self.tracker.spawn(async move {
            let watched = Watch { name, at_end, stopping, finished: false };
            future.await;
            watched.finish();
        });
    }

    /// Cancelled when the process begins to stop.
    pub fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }

    /// Begins the stop.
    pub fn stop(&self) {
        self.stopping.cancel();
    }

    /// Begins the stop and waits for every task, at most `deadline`. False: some did not end.
    pub async fn drain(&self, deadline: Duration) -> bool {
        self.stop();
        self.tracker.close();
        tokio::time::timeout(deadline, self.tracker.wait()).await.is_ok()
    }
}

/// Notices the end of a task, by return or by panic.
struct Watch {
    name: &'static str,
    at_end: AtEnd,
    stopping: CancellationToken,
    finished: bool,
}

impl Watch {
    fn finish(mut self) {
        self.finished = true;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.stopping.is_cancelled() {
            return;
        }
        let how = if self.finished { "ended" } else { "panicked" };
        match self.at_end {
            AtEnd::Stop => {
                tracing::error!(task = self.name, "task {how}: the process stops");
                self.stopping.cancel();
            }
            AtEnd::Log => tracing::warn!(task = self.name, "task {how}"),
            AtEnd::Quiet if !self.finished => tracing::error!(task = self.name, "task {how}"),
            AtEnd::Quiet => {}
        }
    }
}
