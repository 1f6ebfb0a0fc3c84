//! The stop signals: SIGINT and SIGTERM. Never stops a task itself; `main` waits here and then drains its tasks. The other
//! signals of an operator or a terminal end nothing: their default would kill a process without its drain.

use std::{convert::Infallible, future::Future, io};

use tokio::signal::unix::{Signal, SignalKind, signal as listen};

/// Listens from the moment of the call on, so that a signal during start-up is not lost. The future ends with the name of
/// the first signal.
///
/// # Errors
/// The process cannot install handlers. Must be called inside a tokio runtime.
pub fn signal() -> io::Result<impl Future<Output = &'static str> + Send> {
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    Ok(async move { first(&mut interrupt, &mut terminate).await })
}

/// The SIGHUPs to this process, which no longer kill it; nor do SIGUSR1, SIGUSR2 and SIGALRM.
#[derive(Debug)]
pub struct Hangups(Signal);

impl Hangups {
    /// Listens from the moment of the call on.
    ///
    /// # Errors
    /// The process cannot install handlers. Must be called inside a tokio runtime.
    pub fn listen() -> io::Result<Self> {
        for kind in [SignalKind::user_defined1(), SignalKind::user_defined2(), SignalKind::alarm()] {
            drop(listen(kind)?); // an installed handler stays
        }
        listen(SignalKind::hangup()).map(Self)
    }

    /// Completes at the next SIGHUP; several that came meanwhile count once. Safe to cancel.
    pub async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await; // no signal can come any more
        }
    }

    /// Tells each SIGHUP by a line of the log; never ends.
    pub async fn tell(&mut self, line: &str) -> Infallible {
        loop {
            self.next().await;
            tracing::info!(signal = "SIGHUP", "{line}");
        }
    }
}

async fn first(interrupt: &mut Signal, terminate: &mut Signal) -> &'static str {
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal, getpid, kill_process};

    #[tokio::test]
    async fn a_signal_before_the_first_poll_is_not_lost() {
        let stop = super::signal().unwrap();
        kill_process(getpid(), Signal::TERM).unwrap();
        assert_eq!(stop.await, "SIGTERM");
    }

    #[tokio::test]
    async fn no_other_signal_ends_the_process() {
        let mut hangups = super::Hangups::listen().unwrap();
        for signal in [Signal::HUP, Signal::USR1, Signal::USR2, Signal::ALARM] {
            kill_process(getpid(), signal).unwrap(); // the default of each would end this test's process here
        }
        hangups.next().await;
        let told = tokio::time::timeout(std::time::Duration::from_millis(1), hangups.tell("nothing is reloaded")).await;
        assert!(told.is_err(), "the wait for further ones never ends");
    }

    #[tokio::test]
    async fn a_hangup_before_the_first_wait_is_not_lost() {
        let mut hangups = super::Hangups::listen().unwrap();
        kill_process(getpid(), Signal::HUP).unwrap();
        hangups.next().await;
    }
}
