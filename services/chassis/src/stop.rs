//! When to stop: SIGINT and SIGTERM. Never stops anything itself; `main` waits here and then drains its tasks.

use std::{future::Future, io};

use tokio::signal::unix::{Signal, SignalKind, signal as listen};

/// Listens from the moment of the call on, so that a signal during start-up is not lost. The future ends with the name of
/// the first signal that came.
///
/// # Errors
/// The process cannot install handlers. Must be called inside a tokio runtime.
pub fn signal() -> io::Result<impl Future<Output = &'static str> + Send> {
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    Ok(async move { first(&mut interrupt, &mut terminate).await })
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
}
