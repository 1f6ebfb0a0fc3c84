//! Every task has a name, an owner and a policy for its end. The only module that calls `tokio::spawn`.

use std::{future::Future, time::Duration};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The consequence of a task's end before the stop of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtEnd {
    /// The task is essential: the process stops.
    Stop,
    /// The end is logged.
    Log,
    /// The task was meant to end.
    Quiet,
}

/// Threads of a process's runtime: half of the cores, since a node and its HTTP Proxy share the machine with the threads of log
/// and state. More threads would only pass the same few tasks back and forth.
pub fn worker_threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    (cores / 2).max(1)
}

/// The owner of a process's tasks. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stopping: CancellationToken,
}

impl Tasks {
    /// An owner without tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs a task under a name. The task should watch [`Tasks::stopping`].
    pub fn spawn<F>(&self, name: &'static str, at_end: AtEnd, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stopping = self.stopping.clone();
        #[allow(clippy::disallowed_methods)] // the only place, to which the ban points
        self.tracker.spawn(async move {
            let watched = Watch { name, at_end, stopping, finished: false };
            future.await;
            watched.finish();
        });
    }

    /// The token cancelled when the process begins to stop.
    pub fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }

    /// Begins the stop.
    pub fn stop(&self) {
        self.stopping.cancel();
    }

    /// Begins the stop and waits for every task, at most `deadline`. False: some tasks are still running.
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
        let is_cut_off = !self.finished && !std::thread::panicking(); // the runtime ends
        if self.stopping.is_cancelled() || is_cut_off {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_panic_of_a_needed_task_stops_the_process() {
        let tasks = Tasks::new();
        tasks.spawn("needed", AtEnd::Stop, async { panic!("on purpose") });
        tasks.stopping().cancelled().await;
    }

    #[test]
    fn the_end_of_the_runtime_is_no_panic_of_its_tasks() {
        let tasks = Tasks::new();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            tasks.spawn("needed", AtEnd::Stop, std::future::pending());
            tokio::task::yield_now().await;
        });
        drop(runtime);
        assert!(!tasks.stopping().is_cancelled());
    }

    #[tokio::test]
    async fn the_end_of_other_tasks_stops_nothing() {
        let tasks = Tasks::new();
        tasks.spawn("logged", AtEnd::Log, async {});
        tasks.spawn("quiet", AtEnd::Quiet, async {});
        tasks.tracker.close();
        tasks.tracker.wait().await;
        assert!(!tasks.stopping().is_cancelled());
    }

    #[tokio::test]
    async fn a_drain_waits_for_who_watches_and_gives_up_on_who_does_not() {
        let (good, bad) = (Tasks::new(), Tasks::new());
        let stopping = good.stopping();
        good.spawn("watches", AtEnd::Stop, async move { stopping.cancelled().await });
        assert!(good.drain(Duration::from_secs(60)).await);
        bad.spawn("deaf", AtEnd::Stop, std::future::pending());
        assert!(!bad.drain(Duration::from_millis(1)).await);
    }
}
