//! Scheduled backups (`[backup]`): the confirmed primary writes one file after the other, and removes the oldest.
//!
//! The writer puts a file beside its final name and renames the file once the bytes are whole and durable. Retention removes only
//! files whose name has this pattern and whose head names this cluster. Called by `run`; `status` and `metrics` show the
//! schedule.

mod files;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use chassis::tasks::{AtEnd, Tasks};
use node_config::Config;
use tokio::sync::watch;

use self::files::Files;
use super::Archives;
use crate::role::{Role, RoleService};

/// Interval of the check whether a backup is due.
const TICK: Duration = Duration::from_secs(1);
/// From the start of the process, or the change of the role, to the first backup, unless the schedule is shorter.
const FIRST_AFTER: Duration = Duration::from_secs(60);
/// From a failure to the next attempt, unless the schedule is shorter.
const RETRY_AFTER: Duration = Duration::from_secs(10 * 60);

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
    /// Interval between backups; zero: the node makes none.
    pub every: Duration,
    /// Directory of the files.
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
        let late = self.last.is_some() && now_us.saturating_sub(self.last_us()) > late_us && !self.running;
        late.then(|| format!("the last backup is older than twice backup.every ({} s)", self.every.as_secs()))
    }

    fn last_us(&self) -> u64 {
        self.last.as_ref().map_or(0, |last| last.created_us)
    }
}

/// The status of a node without a schedule.
pub fn none() -> watch::Receiver<BackupStatus> {
    watch::channel(BackupStatus::default()).1
}

/// Makes backups until the process stops, if the configuration says so.
pub fn start(config: &Config, archives: Archives, role: RoleService, tasks: &Tasks) -> watch::Receiver<BackupStatus> {
    let Some(every) = config.backup.every() else { return none() };
    let files = Files::new(&config.backup.directory, &config.cluster.id, config.cluster_id(), &config.node.name);
    let (directory, keep) = (config.backup.directory.clone(), config.backup.keep);
    let known = BackupStatus { every, directory, keep, ..BackupStatus::default() };
    let (status, shown) = watch::channel(known);
    let schedule = Schedule { archives, role, files: Arc::new(files), status };
    let stopping = tasks.stopping();
    tasks.spawn("backups", AtEnd::Log, async move {
        tokio::select! {
            () = schedule.keep() => {}
            () = stopping.cancelled() => {}
        }
    });
    shown
}

struct Schedule {
    archives: Archives,
    role: RoleService,
    files: Arc<Files>,
    status: watch::Sender<BackupStatus>,
}

impl Schedule {
    async fn keep(self) {
        let files = self.files.clone();
        if let Ok(newest) = beside(move || Ok(files.newest())).await {
            self.status.send_modify(|status| status.last = newest);
        }
        let every = self.status.borrow().every;
        let mut not_before: Option<Instant> = None;
        loop {
            tokio::time::sleep(TICK.min(every)).await;
            if !self.is_primary() {
                not_before = None;
                continue;
            }
            let begins = *not_before.get_or_insert_with(|| Instant::now() + FIRST_AFTER.min(every));
            if Instant::now() < begins || !is_due(&self.status.borrow(), now_us()) {
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

    /// Makes a backup, and removes surplus files. False: the backup failed.
    async fn one(&self) -> bool {
        self.status.send_modify(|status| status.running = true);
        let made = self.make().await;
        let done = made.is_ok();
        self.status.send_modify(|status| {
            status.running = false;
            match made {
                Ok(made) => {
                    status.made += 1;
                    status.last = Some(made);
                }
                Err(reason) => {
                    status.failures += 1;
                    status.missed = Some(Missed { at_us: now_us(), reason });
                }
            }
        });
        if done {
            let (files, keep) = (self.files.clone(), self.status.borrow().keep);
            if let Err(reason) = beside(move || files.retain(keep)).await {
                tracing::warn!(reason, "old backups stay");
            }
        }
        done
    }

    async fn make(&self) -> Result<Made, String> {
        let began = Instant::now();
        let begun = self.archives.begin().map_err(|error| error.to_string());
        let files = self.files.clone();
        let made = match begun {
            Ok(stream) => beside(move || files.write(stream)).await,
            Err(reason) => Err(reason),
        };
        match made {
            Ok(made) => {
                let made = Made { took: began.elapsed(), ..made };
                tracing::info!(file = %made.file.display(), bytes = made.bytes, index = made.index, seconds = made.took.as_secs(), "a backup was made");
                Ok(made)
            }
            Err(reason) => {
                tracing::error!(reason, "a backup failed");
                Err(reason)
            }
        }
    }
}

/// Whether the newest backup is older than the interval, or dated in the future.
fn is_due(status: &BackupStatus, now_us: u64) -> bool {
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
    }
}
