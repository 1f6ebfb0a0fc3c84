//! The life of HTTP Proxy (spec 10): starts, watches and stops the process, and publishes its status.
//!
//! Never decides when: [`crate::restart`] does. Never takes the node along: after any fault of HTTP Proxy the node stays up and
//! reports the fault in its log and its status. Called by `run`.

mod processor;
mod start;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use chassis::tasks::{AtEnd, Tasks};
use http_proxy::link::{LINK_VERSIONS, LINK_WITH_ECHO};
use node_config::{ProxySettings, RunAs};
use ocs_proto::link::Configure;
use tokio::{
    sync::watch,
    time::{Instant, Interval, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use self::start::{Happening, Running};
use crate::{
    link::ProxyHandler,
    restart::{Action, Event, Life, Phase, Standstill, TICK, Times, Verdict},
};

/// The status of HTTP Proxy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProxyStatus {
    /// "disabled", "starting", "listening", "restarting", "stopping", "stopped", or "failed: " and why.
    pub state: String,
    /// The address on which HTTP Proxy listens, or is to listen.
    pub address: String,
    /// The process of HTTP Proxy (this process, where HTTP Proxy runs as a task); none: HTTP Proxy does not run.
    pub pid: Option<u32>,
    /// Starts after the first.
    pub restarts: u64,
    /// HTTP Proxy ended ten times within ten minutes.
    pub alarm: bool,
}

impl ProxyStatus {
    /// Whether clients are served, as far as HTTP Proxy is concerned.
    pub fn serves(&self) -> bool {
        matches!(self.state.as_str(), "listening" | "disabled")
    }
}

/// The owner of this node's HTTP Proxy.
#[derive(Debug)]
pub struct Supervisor {
    status: watch::Receiver<ProxyStatus>,
    stop: CancellationToken,
    kill: CancellationToken,
    stopped: CancellationToken,
}

/// How long a stop waits for the end of a killed process.
const KILL_PATIENCE: Duration = Duration::from_millis(500);

impl Supervisor {
    /// Starts HTTP Proxy, and keeps it running until [`Supervisor::stop`] or until `tasks` begin to stop.
    ///
    /// `node` is this node's name, `log_filter` the filter of HTTP Proxy's log. Without a listen address there is no HTTP Proxy.
    pub fn start<H: ProxyHandler>(
        settings: ProxySettings,
        node: &str,
        log_filter: &str,
        handler: Arc<H>,
        tasks: &Tasks,
    ) -> Self {
        let (publish, status) = watch::channel(ProxyStatus { state: "disabled".into(), ..Default::default() });
        let (stop, stopped) = (tasks.stopping().child_token(), CancellationToken::new());
        let kill = CancellationToken::new();
        let watched = Watched {
            configure: settings.configure(node, log_filter),
            life: Life::new(times(&settings)),
            settings,
            handler,
            tasks: tasks.clone(),
            publish,
            began: Instant::now(),
            running: None,
            pulse: None,
            failure: None,
        };
        let (told, killed, done, node_stops) = (stop.clone(), kill.clone(), stopped.clone(), tasks.stopping());
        tasks.spawn("supervisor", AtEnd::Stop, async move {
            watched.run(told, killed).await;
            done.cancel();
            node_stops.cancelled().await; // an ordinary end of this task must not stop the node
        });
        Self { status, stop, kill, stopped }
    }

    /// The status of HTTP Proxy, now and from now on.
    pub fn status(&self) -> watch::Receiver<ProxyStatus> {
        self.status.clone()
    }

    /// Lets HTTP Proxy finish the requests in flight, and returns when HTTP Proxy has ended; `until` is the time of the kill.
    pub async fn stop(&self, until: std::time::Instant) {
        self.stop.cancel();
        if tokio::time::timeout_at(until.into(), self.stopped.cancelled()).await.is_err() {
            self.kill.cancel();
            drop(tokio::time::timeout(KILL_PATIENCE, self.stopped.cancelled()).await);
        }
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
    /// Detects a standstill; none: HTTP Proxy is not listening, is a task, or knows no echoes.
    pulse: Option<Pulse>,
    /// Why the last HTTP Proxy could not serve.
    failure: Option<String>,
}

/// The ticks that look for a sign of life, and their findings.
struct Pulse {
    ticks: Interval,
    standstill: Standstill,
    asked: u64,
}

impl Pulse {
    fn new() -> Self {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay); // a late tick counts once
        Self { ticks, standstill: Standstill::default(), asked: 0 }
    }

    /// Checks for a sign of life, and asks for an echo where there is none. True: HTTP Proxy stands still.
    fn look(&mut self, running: &mut Running) -> bool {
        let verdict = self.standstill.tick(running.sign());
        if verdict == Verdict::Ask {
            self.asked += 1;
            running.ask_echo(self.asked);
        }
        verdict == Verdict::StandsStill
    }
}

impl<H: ProxyHandler> Watched<H> {
    async fn run(mut self, stop: CancellationToken, kill: CancellationToken) {
        if self.settings.is_off() {
            return;
        }
        self.take(Event::Start);
        let (mut told, mut killed) = (false, false);
        while self.life.phase() != Phase::Over {
            let deadline = self.life.deadline().map(|deadline| self.began + deadline);
            let event = tokio::select! {
                () = stop.cancelled(), if !told => {
                    told = true;
                    Event::Stop
                }
                () = kill.cancelled(), if told && !killed => {
                    killed = true;
                    Event::Elapsed
                }
                happening = next(&mut self.running, &mut self.pulse) => self.learn(happening),
                () = until(deadline) => Event::Elapsed,
            };
            self.take(event);
        }
    }

    /// Turns a happening into an event for the state machine, and into words for the log.
    fn learn(&mut self, happening: Happening) -> Event {
        match happening {
            Happening::Listening(address, version) => {
                self.failure = None;
                tracing::debug!(address, "the HTTP front end listens"); // HTTP Proxy logs this itself
                self.watch_pulse(version);
                self.publish.send_modify(|status| status.address = address);
                Event::Listening
            }
            Happening::BindFailed(why) => {
                tracing::error!("the HTTP front end cannot serve: {why}");
                self.failure = Some(why);
                Event::BindFailed
            }
            Happening::StandsStill => {
                tracing::error!("the HTTP front end stands still: it answers nothing on its link; it is killed");
                self.failure = Some("it stood still, and was killed".to_owned());
                Event::StandsStill
            }
            Happening::LinkLost => Event::LinkLost,
            Happening::Ended(how) => {
                (self.running, self.pulse) = (None, None);
                if self.life.phase() == Phase::Draining {
                    tracing::info!("the HTTP front end ended: {how}");
                } else {
                    let again = self.settings.reconnect_timeout_ms;
                    tracing::warn!("the HTTP front end ended: {how}; starting it again in {again} ms");
                }
                Event::Ended
            }
        }
    }

    /// A task has the node's own runtime, and is not watched; nor is an HTTP Proxy of a release that does not know echoes.
    fn watch_pulse(&mut self, version: u32) {
        if version < LINK_VERSIONS.max {
            tracing::warn!(
                version,
                "the HTTP front end is of an older release: it does not know every setting of this one, and may stand still unnoticed"
            );
        }
        let watched = self.settings.run_as == RunAs::Process && version >= LINK_WITH_ECHO;
        self.pulse = watched.then(Pulse::new);
    }

    fn take(&mut self, event: Event) {
        let alarmed = self.life.alarm(self.began.elapsed());
        match self.life.on(event, self.began.elapsed()) {
            Some(Action::Spawn) => self.spawn(),
            Some(Action::Drain) => {
                self.pulse = None; // from now on HTTP Proxy has a deadline
                if let Some(running) = &self.running {
                    running.drain();
                }
            }
            Some(Action::Kill) => {
                self.pulse = None;
                if event != Event::StandsStill {
                    tracing::warn!("the HTTP front end does not end by itself; it is killed");
                }
                if let Some(running) = &self.running {
                    running.kill();
                }
            }
            None => {}
        }
        if !alarmed && self.life.alarm(self.began.elapsed()) {
            tracing::error!("the HTTP front end crashed ten times within ten minutes");
        }
        self.publish_status();
    }

    fn spawn(&mut self) {
        match Running::start(&self.settings, self.configure.clone(), self.handler.clone(), &self.tasks) {
            Ok(running) => self.running = Some(running),
            Err(why) => {
                tracing::error!("the HTTP front end cannot be started: {why}");
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
                status.address = self.settings.addresses();
            }
            status.pid = self.running.as_ref().map(Running::pid);
            status.restarts = self.life.restarts();
            status.alarm = self.life.alarm(self.began.elapsed());
        });
    }
}

async fn next(running: &mut Option<Running>, pulse: &mut Option<Pulse>) -> Happening {
    let Some(running) = running else { return std::future::pending().await };
    let Some(pulse) = pulse else { return running.next().await };
    loop {
        tokio::select! {
            biased;
            happening = running.next() => return happening,
            _ = pulse.ticks.tick() => {}
        }
        if pulse.look(running) {
            return Happening::StandsStill;
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

fn times(settings: &ProxySettings) -> Times {
    Times {
        reconnect_timeout: Duration::from_millis(settings.reconnect_timeout_ms.into()),
        drain_timeout: Duration::from_millis(settings.drain_timeout_ms.into()),
    }
}
