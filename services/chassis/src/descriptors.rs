//! The limit of file descriptors: raises the soft limit to the hard limit; listeners derive their connection limits from the
//! result.
//!
//! Most systems have a default soft limit of 1,024, kept low for programs that call `select`; no ocs program does. Never
//! changes the hard limit. Called once, by `main`, before the process opens files.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limits of this process, both in descriptors; `u64::MAX`: no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptors {
    /// The limit in effect.
    pub soft: u64,
    /// The highest soft limit that a process may set itself.
    pub hard: u64,
}

/// The present limits.
pub fn limits() -> Descriptors {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    Descriptors { soft: current.unwrap_or(u64::MAX), hard: maximum.unwrap_or(u64::MAX) }
}

/// Raises the soft limit to the hard limit, for this process and its later children; answers the new limits.
///
/// # Errors
/// The system refuses the change (a hard limit above `fs.nr_open`); the limits stay unchanged.
pub fn raise() -> io::Result<Descriptors> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    }
    Ok(limits())
}

impl Descriptors {
    /// The part of `wanted` that fits below the soft limit beside `reserve` descriptors for all other uses. The reserve is at
    /// most half of the limit; the answer is at least 1.
    pub fn room_for(&self, wanted: usize, reserve: u64) -> usize {
        let room = self.soft - reserve.min(self.soft / 2);
        wanted.min(usize::try_from(room).unwrap_or(usize::MAX)).max(1)
    }
}

/// Whether an operation failed for lack of descriptors, in this process or on the whole machine.
pub fn used_up(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let number = error.raw_os_error();
    [Errno::MFILE, Errno::NFILE].iter().any(|errno| number == Some(errno.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(512), maximum }).unwrap();
        assert_eq!(limits().soft, 512);
        let raised = raise().unwrap();
        assert_eq!((raised.soft, raised), (raised.hard, limits()));
    }

    #[test]
    fn what_is_wanted_is_lowered_to_what_the_reserve_leaves() {
        let narrow = Descriptors { soft: 1024, hard: 4096 };
        assert_eq!(narrow.room_for(10_000, 64), 960);
        assert_eq!(narrow.room_for(500, 64), 500);
        assert_eq!(narrow.room_for(10_000, 2000), 512, "the reserve takes no more than half");
        assert_eq!(Descriptors { soft: 0, hard: 0 }.room_for(10_000, 64), 1);
        assert_eq!(Descriptors { soft: u64::MAX, hard: u64::MAX }.room_for(10_000, 64), 10_000);
    }
}
