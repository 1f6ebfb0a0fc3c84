//! The end of a running node: its reasons, and the drain in the opposite order of the start, within one drain timeout.
//!
//! Leaves the balancers at once (not ready, `Connection: close`), hands over, then finishes the requests in flight, then ends log and
//! tasks. Called by `run`.

use std::time::{Duration, Instant};

use chassis::{notify, tasks::Tasks};
use node_config::Config;
use peers::Admission;

use super::{Ended, RunError, Started, open, pulses};
use crate::upkeep::successors;

/// Most time that a stop gives the handover.
const HANDOVER_TIMEOUT: Duration = Duration::from_secs(3);
/// Most time that a stop leaves for log and tasks, once HTTP Proxy has ended.
const END_TIMEOUT: Duration = Duration::from_secs(3);

/// The event that ends the waiting.
enum Woken {
    Ended(Ended),
    /// The group has given this node a new id.
    Readmitted(Admission),
}

/// Deadlines of the parts of a stop; together they keep the drain timeout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct StopTimes {
    handover: Instant,
    proxy: Instant,
    all: Instant,
}

impl StopTimes {
    /// A fifth at most for the handover and for the end, the rest for the requests in flight in HTTP Proxy.
    fn from(now: Instant, drain_timeout: Duration) -> Self {
        let share = drain_timeout / 5;
        Self {
            handover: now + share.min(HANDOVER_TIMEOUT),
            proxy: now + drain_timeout - share.min(END_TIMEOUT),
            all: now + drain_timeout,
        }
    }
}

impl Started {
    /// Waits for a signal, a failed part or a reason to start again, and then drains: hand over first, finish the requests in
    /// flight, sync, end. One drain timeout covers all steps.
    pub(super) async fn until_stopped(mut self, config: &Config, tasks: &Tasks) -> Result<Ended, RunError> {
        let watcher = pulses::watch(self.running.pulse.clone(), tasks)?;
        let woken = self.wait(tasks).await;
        drop(watcher); // a stop has a time limit of its own
        let (ended, admission) = match woken {
            Ok(Woken::Readmitted(admission)) => (Ok(Ended::Again), Some(admission)),
            Ok(Woken::Ended(ended)) => (Ok(ended), None),
            Err(error) => (Err(error), None),
        };
        let directory = self.directory.clone();
        let stop = StopTimes::from(Instant::now(), Duration::from_millis(config.limits.drain_timeout_ms));
        self.health.drain();
        notify::status("stopping");
        if !matches!(ended, Ok(Ended::Again)) {
            self.hand_over(stop.handover).await;
        }
        if let Some(supervisor) = &self.supervisor {
            supervisor.stop(stop.proxy).await;
        }
        tasks.stop(); // from here on no task asks consensus any more
        self.running.handle.stop();
        let joined = tokio::task::spawn_blocking(move || self.running.join());
        let left = stop.all.saturating_duration_since(Instant::now());
        let (joined, drained) = tokio::join!(tokio::time::timeout(left, joined), tasks.drain(left));
        if joined.is_err() {
            tracing::warn!("the log did not end within the drain timeout");
        }
        if !drained {
            tracing::warn!("some tasks did not end within the drain timeout");
        }
        if let Some(admission) = admission {
            open::clear_aside(&directory)?;
            open::begin_as(config, &directory, admission)?;
        }
        tracing::info!("stopped");
        ended
    }

    async fn wait(&mut self, tasks: &Tasks) -> Result<Woken, RunError> {
        let stop = chassis::stop::signal().map_err(|source| RunError::Io { doing: "listen for signals", source })?;
        let stopping = tasks.stopping();
        tokio::select! {
            signal = stop => {
                tracing::info!(signal, "stopping");
                Ok(Woken::Ended(Ended::Stopped))
            }
            Ok(admission) = &mut self.readmitted => Ok(Woken::Readmitted(admission)),
            () = stopping.cancelled() => {
                if self.gave_up.is_cancelled() { Ok(Woken::Ended(Ended::GaveUp)) } else { Err(RunError::PartFailed) }
            }
            () = self.full_disk.room_again() => {
                tracing::info!("the disk has room again: this node starts again, and applies what it has not");
                Ok(Woken::Ended(Ended::Again))
            }
            () = self.ordered.cancelled() => {
                tracing::warn!("an operator ordered that this node lead alone: it starts again");
                Ok(Woken::Ended(Ended::Again))
            }
            epoch = self.peers.id_over() => {
                // No handover: a node of a lower epoch is to leave that epoch as well, and a replaced node leads no other.
                tracing::error!(epoch, "this node gives its Raft id up and joins the group of this epoch under a new one");
                self.directory.give_up_for(epoch)?;
                Ok(Woken::Ended(Ended::Again))
            }
        }
    }

    /// A primary that has to stop hands over first (architecture, Failover).
    async fn hand_over(&self, until: Instant) {
        let status = self.role.status();
        if !status.serving {
            return;
        }
        if status.paused_for != 0 {
            return tracing::warn!(
                "automatic failover is paused: the role stays here, updates wait until this node is back"
            );
        }
        let Some(target) = successors(&status.peers).first().map(|peer| peer.id) else { return };
        let transfer = self.running.handle.transfer(target, "handover before a stop");
        match tokio::time::timeout_at(until.into(), transfer).await {
            Ok(Ok(())) => tracing::info!("handed over before the stop"),
            _ if self.is_left_alone() => {
                tracing::info!("no handover before the stop: the other data node is away or stops too")
            }
            Ok(Err(refusal)) => tracing::warn!(%refusal, "could not hand over before the stop"),
            Err(_) => tracing::warn!("could not hand over in time before the stop"),
        }
    }

    fn is_left_alone(&self) -> bool {
        !self.role.peers().iter().any(|peer| peer.connected && !peer.witness)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_stop_share_one_timeout() {
        let now = Instant::now();
        let stop = StopTimes::from(now, Duration::from_secs(15));
        assert_eq!([stop.handover, stop.proxy, stop.all].map(|until| (until - now).as_secs()), [3, 12, 15]);
        let short = StopTimes::from(now, Duration::from_millis(500));
        assert_eq!([short.handover, short.proxy, short.all].map(|until| (until - now).as_millis()), [100, 400, 500]);
    }
}
