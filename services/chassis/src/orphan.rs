//! A child process ends with its parent, however the parent ends. Called once, by `main` of the child, before its runtime starts.
//!
//! The parent-death signal is SIGTERM: the child drains as on any order to stop, and answers its clients. The end of the link to
//! the parent is watched by a thread of its own: a runtime that stands still neither sees that end nor takes the signal. Never
//! ends a child whose parent lives.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    thread,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    process::{Signal, getpid, kill_process, set_parent_process_death_signal},
};

/// The child ends by itself within this after the end of the link; otherwise the thread kills the process.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause after a poll that failed.
const PAUSE: Duration = Duration::from_secs(1);

/// From now on this process ends with its parent; `link` is a socket whose other end is the parent's alone.
///
/// # Errors
/// The system refuses the signal, another descriptor, or a thread.
pub fn end_with_parent(link: impl AsFd) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::TERM))?;
    let link = link.as_fd().try_clone_to_owned()?;
    let watch = move || {
        wait_for_end(&link);
        thread::sleep(PATIENCE);
        let _ = kill_process(getpid(), Signal::KILL); // a process may always signal itself
    };
    thread::Builder::new().name("parent".to_owned()).spawn(watch)?;
    Ok(())
}

/// Returns when the other end of the link is closed.
fn wait_for_end(link: &OwnedFd) {
    loop {
        let mut watched = [PollFd::new(link, PollFlags::RDHUP)];
        match poll(&mut watched, None) {
            Ok(_) if !watched[0].revents().is_empty() => return,
            Ok(_) => {}
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn the_end_of_the_other_end_is_noticed_and_bytes_are_none() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let link = theirs.as_fd().try_clone_to_owned().unwrap();
        let watching = thread::spawn(move || wait_for_end(&link));
        io::Write::write_all(&mut &ours, b"a frame").unwrap();
        assert!(!watching.is_finished());
        drop(ours);
        watching.join().unwrap();
    }
}
