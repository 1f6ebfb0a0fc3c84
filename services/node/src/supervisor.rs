//! The life of HTTP Proxy (spec 10): starts it, watches it, stops it, and says how it is.
//!
//! Never decides when: that is [`crate::restart`]'s. Never takes the node along: whatever HTTP Proxy does, the node stays up and
//! says so in its log and its status. Called by `run`.

mod settings;
mod start;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use chassis::tasks::{AtEnd, Tasks};
use ocs_proto::link::Configure;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

pub use self::settings::{ProxySettings, RunAs};
use self::start::{Happening, Running};
use crate::{
    link::ProxyHandler,
    restart::{Action, Event, Life, Phase, Times},
};

/// How HTTP Proxy is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProxyStatus {
    /// "disabled", "starting", "listening", "restarting", "stopping", "stopped", or "failed: " and why.
    pub state: String,
    /// Where it listens, or is to listen.
    pub address: String,
    /// Its process (this one, where it runs as a task); none: it does not run.
    pub pid: Option<u32>,
    /// Starts after the first.
    pub restarts: u64,
    /// It ended ten times within ten minutes.
    pub alarm: bool,
}

/// The owner of this node's HTTP Proxy.
#[derive(Debug)]
pub struct Supervisor {
    status: watch::Receiver<ProxyStatus>,
    stop: CancellationToken,
    stopped: CancellationToken,
}

impl Supervisor {
    /// Starts HTTP Proxy, and keeps it running until [`Supervisor::stop`] or until `tasks` begin to stop.
    ///
    /// `node` is this node's name, `log_filter` what HTTP Proxy logs. Without a listen address there is no HTTP Proxy.
    pub fn start<H: ProxyHandler>(
        settings: ProxySettings,
        node: &str,
        log_filter: &str,
        handler: Arc<H>,
        tasks: &Tasks,
    ) -> Self {
        let (publish, status) = watch::channel(ProxyStatus { state: "disabled".into(), ..Default::default() });
        let (stop, stopped) = (tasks.stopping().child_token(), CancellationToken::new());
        let watched = Watched {
            configure: settings.configure(node, log_filter),
            life: Life::new(settings.times()),
            settings,
            handler,
            tasks: tasks.clone(),
            publish,
            began: Instant::now(),
            running: None,
            failure: None,
        };
        let (told, done, node_stops) = (stop.clone(), stopped.clone(), tasks.stopping());
        tasks.spawn("supervisor", AtEnd::Stop, async move {
            watched.run(told).await;
            done.cancel();
            node_stops.cancelled().await; // its end means something only when nobody asked for it
        });
        Self { status, stop, stopped }
    }

    /// How HTTP Proxy is, now and from now on.
    pub fn status(&self) -> watch::Receiver<ProxyStatus> {
        self.status.clone()
    }

    /// Lets HTTP Proxy finish what is in flight, and returns when it has ended.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.stopped.cancelled().await;
    }
}

/// One HTTP Proxy under supervision.
struct Watched<H> {
    settings: ProxySettings,
    configure: Configure,
    handler: Arc<H>,
    tasks: Tasks,
    publish: watch::Sender<ProxyStatus>,
    began: Instant,
    life: Life,
    running: Option<Running>,
    /// Why the last one could not serve.
    failure: Option<String>,
}

impl<H: ProxyHandler> Watched<H> {
    async fn run(mut self, stop: CancellationToken) {
        if self.settings.listen.is_empty() {
            return;
        }
        self.take(Event::Start).await;
        let mut told = false;
        while self.life.phase() != Phase::Over {
            let deadline = self.life.deadline().map(|deadline| self.began + deadline);
            let event = tokio::select! {
                () = stop.cancelled(), if !told => {
                    told = true;
                    Event::Stop
                }
                happening = next(&mut self.running) => self.learn(happening),
                () = until(deadline) => Event::Elapsed,
            };
            self.take(event).await;
        }
    }

    /// Turns what happened into an event for the state machine, and into words for the log.
    fn learn(&mut self, happening: Happening) -> Event {
        match happening {
            Happening::Listening(address) => {
                self.failure = None;
                tracing::info!(address, "HTTP Proxy listens");
                self.publish.send_modify(|status| status.address = address);
                Event::Listening
            }
            Happening::BindFailed(why) => {
                tracing::error!("HTTP Proxy cannot serve: {why}");
                self.failure = Some(why);
                Event::BindFailed
            }
            Happening::LinkLost => Event::LinkLost,
            Happening::Ended(how) => {
                self.running = None;
                if self.life.phase() == Phase::Draining {
                    tracing::info!("HTTP Proxy ended: {how}");
                } else {
                    let again = self.settings.reconnect_timeout_ms;
                    tracing::warn!("HTTP Proxy ended: {how}; starting it again in {again} ms");
                }
                Event::Ended
            }
        }
    }

    async fn take(&mut self, event: Event) {
        let alarmed = self.life.alarm(self.began.elapsed());
        match self.life.on(event, self.began.elapsed()) {
            Some(Action::Spawn) => self.spawn(),
            Some(Action::Drain) => {
                if let Some(running) = &self.running {
                    running.drain().await;
                }
            }
            Some(Action::Kill) => {
                tracing::warn!("HTTP Proxy does not end by itself; it is killed");
                if let Some(running) = &self.running {
                    running.kill();
                }
            }
            None => {}
        }
        if !alarmed && self.life.alarm(self.began.elapsed()) {
            tracing::error!("HTTP Proxy has ended ten times within ten minutes");
        }
        self.publish_status();
    }

    fn spawn(&mut self) {
        match Running::start(&self.settings, self.configure.clone(), self.handler.clone(), &self.tasks) {
            Ok(running) => self.running = Some(running),
            Err(why) => {
                tracing::error!("HTTP Proxy cannot be started: {why}");
                self.failure = Some(why);
                self.life.on(Event::Ended, self.began.elapsed());
            }
        }
    }

    fn publish_status(&self) {
        let state = match (self.life.phase(), &self.failure) {
            (Phase::Idle, _) => "disabled".to_owned(),
            (Phase::Starting, _) => "starting".to_owned(),
            (Phase::Listening, _) => "listening".to_owned(),
            (Phase::Ending | Phase::Waiting, Some(why)) => format!("failed: {why}"),
            (Phase::Ending | Phase::Waiting, None) => "restarting".to_owned(),
            (Phase::Draining, _) => "stopping".to_owned(),
            (Phase::Over, _) => "stopped".to_owned(),
        };
        self.publish.send_modify(|status| {
            status.state = state;
            if self.life.phase() != Phase::Listening && self.life.phase() != Phase::Draining {
                status.address.clone_from(&self.settings.listen);
            }
            status.pid = self.running.as_ref().map(Running::pid);
            status.restarts = self.life.restarts();
            status.alarm = self.life.alarm(self.began.elapsed());
        });
    }
}

async fn next(running: &mut Option<Running>) -> Happening {
    match running {
        Some(running) => running.next().await,
        None => std::future::pending().await,
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

impl ProxySettings {
    fn times(&self) -> Times {
        Times {
            reconnect_timeout: Duration::from_millis(self.reconnect_timeout_ms.into()),
            drain_timeout: Duration::from_millis(self.drain_timeout_ms.into()),
        }
    }
}
