//! The scan: reads every row of the state now and then, at low priority and a fixed pace, and compares the rows with the recorded
//! digest, so that a disk that spoils rarely read rows is found out.
//!
//! Never repairs anything: the caller hears the findings. Called by `run`; `status` and `metrics` show the scan.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use chassis::tasks::{AtEnd, Tasks};
use pair::machine::{Finding, RecordsReader, found};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

/// From the start of the process to the first scan, unless the interval is shorter.
const FIRST_AFTER: Duration = Duration::from_secs(15 * 60);
/// The lowest of priorities.
const NICE: i32 = 19;

/// Interval and speed of the scans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// From the end of a scan to the next; zero: never.
    pub every: Duration,
    /// Limit of row bytes a second.
    pub bytes_per_s: u64,
}

/// State of the scans of this process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScanStatus {
    /// Bytes read by the scan under way; none: no scan.
    pub running_bytes: Option<u64>,
    /// Number of scans that came to an end.
    pub done: u64,
    /// Of these, scans that found wrong rows.
    pub bad: u64,
    /// The finding of the last scan, in words; empty: no scan yet.
    pub last: String,
}

/// Scans until the process stops. Calls `wrong` with each fault.
pub fn start(
    state: RecordsReader,
    pace: Pace,
    tasks: &Tasks,
    wrong: impl Fn(String) + Send + 'static,
) -> watch::Receiver<ScanStatus> {
    let (status, shown) = watch::channel(ScanStatus::default());
    if pace.every.is_zero() {
        return shown;
    }
    let (status, stopping) = (Arc::new(status), tasks.stopping());
    tasks.spawn("scan", AtEnd::Quiet, async move {
        let mut pause = pace.every.min(FIRST_AFTER);
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stopping.cancelled() => return,
            }
            if let Some(Finding::Wrong(why)) = one(&state, pace, &status, &stopping).await {
                wrong(why);
            }
            pause = pace.every;
        }
    });
    shown
}

/// One scan, on a thread of its own; none: broken off.
async fn one(
    state: &RecordsReader,
    pace: Pace,
    status: &Arc<watch::Sender<ScanStatus>>,
    stopping: &CancellationToken,
) -> Option<Finding> {
    let (answer, answered) = oneshot::channel();
    let (state, shown, stopping) = (state.clone(), status.clone(), stopping.clone());
    let scan = move || {
        let _ = rustix::process::setpriority_process(None, NICE); // of this thread; without it the pace must do
        let _ = answer.send(scan(&state, pace, &shown, &stopping)); // a process that stops needs no answer
    };
    if let Err(error) = thread::Builder::new().name("ocs-scan".to_owned()).spawn(scan) {
        tracing::warn!(%error, "the scan of the state could not be started");
        return None;
    }
    answered.await.ok().flatten()
}

fn scan(
    state: &RecordsReader,
    pace: Pace,
    status: &watch::Sender<ScanStatus>,
    stopping: &CancellationToken,
) -> Option<Finding> {
    let (began, mut read_bytes) = (Instant::now(), 0);
    tracing::info!("the scan of the state begins");
    let verified = state.verify_paced(|bytes| {
        read_bytes += bytes;
        status.send_modify(|status| status.running_bytes = Some(read_bytes));
        let due = Duration::from_secs_f64(read_bytes as f64 / pace.bytes_per_s as f64);
        thread::sleep(due.saturating_sub(began.elapsed()));
        !stopping.is_cancelled()
    });
    let rows = verified.as_ref().ok().and_then(Option::as_ref).map_or(0, |verified| verified.rows);
    let finding = found(verified)?;
    let seconds = began.elapsed().as_secs();
    let last = match &finding {
        Finding::Sound => format!("{rows} rows are as they were written"),
        Finding::Wrong(why) => why.clone(),
    };
    tracing::info!(rows, seconds, found = last, "the scan of the state has ended");
    status.send_modify(|status| {
        let bad = status.bad + u64::from(finding != Finding::Sound);
        *status = ScanStatus { running_bytes: None, done: status.done + 1, bad, last };
    });
    Some(finding)
}

#[cfg(test)]
mod tests {
    use pair::machine::RecordsMachine;
    use records::Rules;
    use store::StoreConfig;

    use super::*;

    #[tokio::test]
    async fn a_scan_comes_when_it_is_due_and_is_shown() {
        let dir = tempfile::tempdir().unwrap();
        let config = StoreConfig { cache_bytes: 8 << 20, ..StoreConfig::new([5; 16]) };
        let machine = RecordsMachine::open(&dir.path().join("state"), config, Rules::default()).unwrap();
        let tasks = Tasks::new();
        let pace = Pace { every: Duration::from_millis(1), bytes_per_s: 1 << 20 };
        let mut shown = start(machine.reader(), pace, &tasks, |why| panic!("{why}"));
        let status = shown.wait_for(|status| status.done >= 2).await.unwrap().clone();
        assert_eq!((status.bad, status.last.as_str()), (0, "0 rows are as they were written"));
        let never = start(machine.reader(), Pace { every: Duration::ZERO, ..pace }, &tasks, drop);
        assert_eq!(*never.borrow(), ScanStatus::default());
        tasks.drain(Duration::from_secs(10)).await;
    }
}
