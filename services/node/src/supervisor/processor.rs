//! The processor time that a process has used. Never waits; a process that is gone has no figure.

use std::fs;

/// Processor time so far, all threads together, in ticks of the system (10 ms); none: there is no such process.
pub(super) fn used(pid: u32) -> Option<u64> {
    of_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The fields behind the name, which may contain anything, are counted from 3 in proc(5): utime is 14, stime 15.
fn of_stat(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_ascii_whitespace().skip(14 - 3).map(|field| field.parse::<u64>().ok());
    Some(times.next()?? + times.next()??)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_found_behind_any_name() {
        let stat = "4711 (a) b) (c) S 1 4711 4711 0 -1 4194560 1500 0 0 0 730 42 0 0 20 0 3 0 100 1 2";
        assert_eq!(of_stat(stat), Some(772));
        assert_eq!(of_stat("4711 (cut) S 1 2"), None);
        assert!(used(std::process::id()).is_some());
        assert_eq!(used(u32::MAX), None);
    }
}
