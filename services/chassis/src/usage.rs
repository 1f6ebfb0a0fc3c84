//! The use that a process makes of the machine: memory, processor time, file descriptors, as `/proc` tells them.
//!
//! Never changes a limit: `descriptors` does. Called at each scrape of the metrics.

use std::{
    fs, io,
    time::{SystemTime, UNIX_EPOCH},
};

/// Ticks a second of the times in `/proc/PID/stat`: the same on every architecture of Linux that this program runs on.
const TICKS_PER_S: f64 = 100.0;
/// Places of a process' figures in `/proc/PID/stat`, counted from the state, which stands behind the name.
const USER_TICKS: usize = 11;
const SYSTEM_TICKS: usize = 12;
const START_TICKS: usize = 19;
const VIRTUAL_BYTES: usize = 20;

/// Figures of one process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// Memory in use, bytes.
    pub resident_bytes: u64,
    /// Address space, bytes.
    pub virtual_bytes: u64,
    /// Open file descriptors.
    pub open_descriptors: u64,
    /// Processor time of all threads, seconds.
    pub cpu_s: f64,
}

/// The figures of a process; none: there is no such process, or its figures are not for this user.
pub fn of(pid: u32) -> Option<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let (user, system) = (figure(&stat, USER_TICKS)?, figure(&stat, SYSTEM_TICKS)?);
    Some(Usage {
        resident_bytes: resident_bytes(&status)?,
        virtual_bytes: figure(&stat, VIRTUAL_BYTES)?,
        open_descriptors: fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as u64,
        cpu_s: (user + system) as f64 / TICKS_PER_S,
    })
}

/// When this process began, seconds since 1970. A clock that is set moves the answer: keep the first.
///
/// # Errors
/// `/proc` is not there.
pub fn own_start_s() -> io::Result<f64> {
    let unreadable = || io::Error::from(io::ErrorKind::InvalidData);
    let (stat, uptime) = (fs::read_to_string("/proc/self/stat")?, fs::read_to_string("/proc/uptime")?);
    let start_ticks = figure(&stat, START_TICKS).ok_or_else(unreadable)?;
    let up_s: f64 = uptime.split(' ').next().and_then(|text| text.parse().ok()).ok_or_else(unreadable)?;
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    Ok(now_s - up_s + start_ticks as f64 / TICKS_PER_S)
}

/// A figure of `/proc/PID/stat`. The name of a process may contain blanks and brackets: the last bracket ends it.
fn figure(stat: &str, place: usize) -> Option<u64> {
    let (_, behind_name) = stat.rsplit_once(") ")?;
    behind_name.split(' ').nth(place)?.trim_end().parse().ok()
}

/// `VmRSS` of `/proc/PID/status`, which is in KiB.
fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_memory_and_descriptors_and_has_begun() {
        let before = of(std::process::id()).unwrap();
        assert!(before.resident_bytes > 100_000 && before.virtual_bytes > before.resident_bytes, "{before:?}");
        let _open: Vec<_> = (0..20).map(|_| fs::File::open("/proc/self/stat").unwrap()).collect();
        assert!(of(std::process::id()).unwrap().open_descriptors >= 20);
        assert!(own_start_s().unwrap() > 1_000_000_000.0);
        assert_eq!(of(u32::MAX), None);
    }

    #[test]
    fn figures_stand_behind_a_name_with_blanks_and_brackets() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 140 60 0 0 20 0 9 0 4711 1048576 256 0\n";
        let found = [USER_TICKS, SYSTEM_TICKS, START_TICKS, VIRTUAL_BYTES].map(|place| figure(stat, place));
        assert_eq!(found, [140, 60, 4711, 1_048_576].map(Some));
        assert_eq!(figure("7 (a", START_TICKS), None);
        assert_eq!(resident_bytes("Name:\ta\nVmRSS:\t  2048 kB\n"), Some(2 << 20));
        assert_eq!(resident_bytes("Name:\tkworker\n"), None);
    }
}
