//! Backups into the directory of a node (`[backup]`): by the schedule the confirmed primary writes one file after the other; on order any
//! data node writes a file. The oldest files go.
//!
//! The writer puts a file beside its final name and renames the file once the bytes are whole and durable. Retention removes only
//! files whose name has this pattern and whose head names this cluster. Called by `run` and, for orders, by the control API; `status`
//! and `metrics` show the outcome.

mod files;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use chassis::tasks::{AtEnd, Tasks};
use node_config::Config;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use self::files::Files;
use super::{ArchiveStream, Archives};
use crate::role::{Role, RoleService};

/// Interval of the check whether a backup is due.
const TICK: Duration = Duration::from_secs(1);
/// From the start of the process, or the change of the role, to the first backup, unless the schedule is shorter.
const FIRST_AFTER: Duration = Duration::from_secs(60);
/// From a failure to the next attempt, unless the schedule is shorter.
const RETRY_AFTER: Duration = Duration::from_secs(10 * 60);

/// Interval of the looks at the bytes written: no byte between two looks, and the disk counts as hanging. Longer than a part waits to be
/// taken.
const STALL: Duration = Duration::from_secs(120);

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Made {
    /// Begin of the backup, microseconds since 1970.
    pub created_us: u64,
    /// Its file.
    pub file: PathBuf,
    /// The file's length.
    pub bytes: u64,
    /// The index of its state.
    pub index: u64,
    /// Records in it.
    pub records: u64,
    /// Duration of the backup; 0: an earlier process made the file.
    pub took: Duration,
}

/// A backup that was not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// When, microseconds since 1970.
    pub at_us: u64,
    /// Why.
    pub reason: String,
}

/// State of this node's scheduled backups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BackupStatus {
    /// Interval between backups; zero: no schedule, backups on order alone.
    pub every: Duration,
    /// Directory of the files; empty: the node makes no backups.
    pub directory: PathBuf,
    /// Number of files that are kept.
    pub keep: u32,
    /// A backup is under way.
    pub running: bool,
    /// The newest backup in this node's directory.
    pub last: Option<Made>,
    /// The last failure of this process.
    pub missed: Option<Missed>,
    /// Number of backups that this process made.
    pub made: u64,
    /// Number of backups that failed in this process.
    pub failures: u64,
}

impl BackupStatus {
    /// The fault, in words, at a node that is primary; none: the schedule works.
    pub fn warning(&self, now_us: u64) -> Option<String> {
        if let Some(missed) = self.missed.as_ref().filter(|missed| missed.at_us >= self.last_us()) {
            return Some(format!("the last backup failed: {}", missed.reason));
        }
        let late_us = u64::try_from(self.every.as_micros()).unwrap_or(u64::MAX).saturating_mul(2);
        let is_scheduled = !self.every.is_zero();
        let late =
            is_scheduled && self.last.is_some() && now_us.saturating_sub(self.last_us()) > late_us && !self.running;
        late.then(|| format!("the last backup is older than twice backup.every ({} s)", self.every.as_secs()))
    }

    fn last_us(&self) -> u64 {
        self.last.as_ref().map_or(0, |last| last.created_us)
    }
}

/// The status of a node without a directory for backups.
pub fn none() -> watch::Receiver<BackupStatus> {
    watch::channel(BackupStatus::default()).1
}

/// Makes backups until the process stops: by the schedule, if the configuration has an interval, and on order, if the configuration has
/// a directory.
pub fn start(
    config: &Config,
    archives: Archives,
    role: RoleService,
    tasks: &Tasks,
) -> (watch::Receiver<BackupStatus>, Option<BackupOrders>) {
    let directory = config.backup.directory.clone();
    if directory.as_os_str().is_empty() {
        return (none(), None);
    }
    let files = Files::new(&directory, &config.cluster.id, config.cluster_id(), &config.node.name)
        .sparing(&config.node.data_dir, config.node.disk_reserve_bytes);
    let (every, keep) = (config.backup.every().unwrap_or_default(), config.backup.keep);
    let (status, shown) = watch::channel(BackupStatus { every, directory, keep, ..BackupStatus::default() });
    let maker = Arc::new(Maker { archives, files: Arc::new(files), status, places: Arc::new(Semaphore::new(1)) });
    let (schedule, stopping) = (Schedule { maker: maker.clone(), role }, tasks.stopping());
    tasks.spawn("backups", AtEnd::Log, async move {
        tokio::select! {
            () = schedule.keep() => {}
            () = stopping.cancelled() => {}
        }
    });
    (shown, Some(BackupOrders { maker, tasks: tasks.clone() }))
}

/// Makes backups on order. Cheap to clone.
#[derive(Clone)]
pub struct BackupOrders {
    maker: Arc<Maker>,
    tasks: Tasks,
}

impl BackupOrders {
    /// Begins a backup and returns: the status shows that the backup is under way, and its outcome. Must run inside a runtime.
    ///
    /// # Errors
    /// Why no backup begins.
    pub fn begin(&self) -> Result<(), String> {
        let begun = self.maker.begin()?;
        let (maker, stopping) = (self.maker.clone(), self.tasks.stopping());
        self.tasks.spawn("backup on order", AtEnd::Quiet, async move {
            tokio::select! {
                _ = maker.finish(begun) => {}
                () = stopping.cancelled() => {}
            }
        });
        Ok(())
    }
}

/// Makes the backups of a node, one at a time.
struct Maker {
    archives: Archives,
    files: Arc<Files>,
    status: watch::Sender<BackupStatus>,
    /// One place: a write that hangs keeps its place, so that no second write waits for the same disk.
    places: Arc<Semaphore>,
}

/// A backup that has begun: its bytes wait to be written.
struct Begun {
    place: OwnedSemaphorePermit,
    stream: ArchiveStream,
    at: Instant,
}

impl Maker {
    /// Begins a backup, and shows its begin.
    fn begin(&self) -> Result<Begun, String> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| self.no_place())?;
        let stream = self.archives.begin().map_err(|error| error.to_string())?;
        self.status.send_modify(|status| status.running = true);
        Ok(Begun { place, stream, at: Instant::now() })
    }

    fn no_place(&self) -> String {
        let status = self.status.borrow();
        match status.running {
            true => "a backup is under way already".to_owned(),
            false => format!("an earlier backup still waits for the disk of {}", status.directory.display()),
        }
    }

    /// Writes a backup, and removes surplus files. False: the backup failed.
    async fn finish(&self, begun: Begun) -> bool {
        let made = self.write(begun).await;
        match &made {
            Ok(made) => {
                let seconds = made.took.as_secs();
                tracing::info!(file = %made.file.display(), bytes = made.bytes, index = made.index, seconds, "a backup was made");
            }
            Err(reason) => tracing::error!(reason, "a backup failed"),
        }
        let is_done = made.is_ok();
        self.status.send_modify(|status| status.running = false);
        self.show(made);
        if is_done {
            let (files, keep) = (self.files.clone(), self.status.borrow().keep);
            if let Err(reason) = beside(move || files.retain(keep)).await {
                tracing::warn!(reason, "old backups stay");
            }
        }
        is_done
    }

    /// Shows the outcome of an attempt.
    fn show(&self, made: Result<Made, String>) {
        self.status.send_modify(|status| match made {
            Ok(made) => {
                status.made += 1;
                status.last = Some(made);
            }
            Err(reason) => {
                status.failures += 1;
                status.missed = Some(Missed { at_us: now_us(), reason });
            }
        });
    }

    /// Writes the bytes on a thread that may block. A disk that takes nothing is given up: the thread keeps its place.
    async fn write(&self, begun: Begun) -> Result<Made, String> {
        let Begun { place, stream, at } = begun;
        let (files, written) = (self.files.clone(), Arc::new(AtomicU64::new(0)));
        let counted = written.clone();
        let mut writing = tokio::task::spawn_blocking(move || {
            let _place = place;
            files.write(stream, &counted)
        });
        let mut seen = None;
        loop {
            if let Ok(ended) = tokio::time::timeout(STALL, &mut writing).await {
                let made = ended.unwrap_or_else(|_| Err("writing it panicked".to_owned()))?;
                return Ok(Made { took: at.elapsed(), ..made });
            }
            let now = Some(written.load(Ordering::Relaxed));
            if seen == now {
                return Err(format!("{}: the disk takes nothing", self.status.borrow().directory.display()));
            }
            seen = now;
        }
    }
}

struct Schedule {
    maker: Arc<Maker>,
    role: RoleService,
}

impl Schedule {
    async fn keep(self) {
        let (files, status) = (self.maker.files.clone(), &self.maker.status);
        let found = move || {
            files.clear();
            Ok(files.newest())
        };
        if let Ok(newest) = beside(found).await {
            status.send_modify(|status| status.last = status.last.take().or(newest));
        }
        let every = status.borrow().every;
        if every.is_zero() {
            return std::future::pending().await; // backups on order alone
        }
        let mut not_before: Option<Instant> = None;
        loop {
            tokio::time::sleep(TICK.min(every)).await;
            if !self.is_primary() {
                not_before = None;
                continue;
            }
            let begins = *not_before.get_or_insert_with(|| Instant::now() + FIRST_AFTER.min(every));
            if Instant::now() < begins || !is_due(&status.borrow(), now_us()) {
                continue;
            }
            if !self.one().await {
                not_before = Some(Instant::now() + RETRY_AFTER.min(every));
            }
        }
    }

    fn is_primary(&self) -> bool {
        let view = self.role.watch().borrow().clone();
        view.confirmed && view.role == Role::Primary
    }

    /// Makes a backup. False: the backup failed.
    async fn one(&self) -> bool {
        match self.maker.begin() {
            Ok(begun) => self.maker.finish(begun).await,
            Err(reason) => {
                tracing::error!(reason, "a backup failed");
                self.maker.show(Err(reason));
                false
            }
        }
    }
}

/// Whether the newest backup is older than the interval, or dated in the future, and no backup is under way.
fn is_due(status: &BackupStatus, now_us: u64) -> bool {
    if status.running {
        return false;
    }
    let Some(last) = &status.last else { return true };
    let every_us = u64::try_from(status.every.as_micros()).unwrap_or(u64::MAX);
    now_us.saturating_sub(last.created_us) >= every_us || last.created_us.saturating_sub(now_us) > every_us
}

async fn beside<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err("writing it panicked".to_owned()))
}

fn now_us() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> BackupStatus {
        let last = Made { created_us: 100_000_000, ..Made::default() };
        BackupStatus { every: Duration::from_secs(10), last: Some(last), ..BackupStatus::default() }
    }

    #[test]
    fn one_is_due_when_there_is_none_when_the_last_is_old_and_when_the_clock_was_set_back() {
        let status = known();
        assert!(is_due(&BackupStatus { last: None, ..known() }, 1));
        assert!(!is_due(&status, 109_000_000) && is_due(&status, 110_000_000));
        assert!(!is_due(&status, 95_000_000) && is_due(&status, 80_000_000));
        assert!(!is_due(&BackupStatus { running: true, ..known() }, 110_000_000), "an operator's order is under way");
    }

    #[test]
    fn a_failure_is_told_until_one_succeeds_and_so_is_one_that_does_not_come() {
        let mut status = known();
        assert_eq!(status.warning(115_000_000), None);
        assert!(status.warning(121_000_000).is_some_and(|text| text.contains("older than twice")));
        status.missed = Some(Missed { at_us: 112_000_000, reason: "disk full".into() });
        assert_eq!(status.warning(115_000_000).as_deref(), Some("the last backup failed: disk full"));
        status.last.as_mut().unwrap().created_us = 113_000_000;
        assert_eq!(status.warning(115_000_000), None);
        let on_order_alone = BackupStatus { every: Duration::ZERO, ..known() };
        assert_eq!(on_order_alone.warning(u64::MAX), None);
    }
}
