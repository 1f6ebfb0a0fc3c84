//! The life of HTTP Proxy (spec 10): starts, watches and stops the process, and publishes its status.
//!
//! Never decides when: [`crate::restart`] does. Never takes the node along: after any fault of HTTP Proxy the node stays up and
//! reports the fault in its log and its status. Called by `run`.

mod orders;
mod processor;
mod start;
mod stderr;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use chassis::tasks::{AtEnd, Tasks};
use http_proxy::link::{LINK_VERSIONS, LINK_WITH_ECHO};
use node_config::{ProxySettings, RunAs};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, Interval, MissedTickBehavior},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    orders::Order,
    start::{Happening, Running},
};
use crate::{
    link::ProxyHandler,
    restart::{Action, Event, Life, Phase, Standstill, TICK, Times, Verdict},
};

pub use orders::ProxyControl;

/// The state of the HTTP Proxy of a node that an operator has drained.
pub const DRAINED: &str = "drained";
/// The state of an HTTP Proxy that has not opened its port yet.
const STARTING: &str = "starting";
/// The state of an HTTP Proxy that serves.
const LISTENING: &str = "listening";
/// The state without a port.
const DISABLED: &str = "disabled";
/// The beginning of a state that names a fault.
const FAILED: &str = "failed: ";

/// The status of HTTP Proxy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProxyStatus {
    /// "disabled", "starting", "listening", "restarting", "stopping", "stopped", "drained", or "failed: " and why.
    pub state: String,
    /// The address on which HTTP Proxy listens, or is to listen.
    pub address: String,
    /// The process of HTTP Proxy (this process, where HTTP Proxy runs as a task); none: HTTP Proxy does not run.
    pub pid: Option<u32>,
    /// All starts.
    pub starts: u64,
    /// Starts after the first.
    pub restarts: u64,
    /// HTTP Proxy ended ten times within ten minutes.
    pub alarm: bool,
}

impl ProxyStatus {
    /// Whether clients are served, as far as HTTP Proxy is concerned.
    pub fn serves(&self) -> bool {
        matches!(self.state.as_str(), LISTENING | DISABLED)
    }

    /// Whether this node is to have an HTTP Proxy: the configuration names a port, and no operator has drained the node.
    pub fn is_wanted(&self) -> bool {
        !matches!(self.state.as_str(), DISABLED | DRAINED)
    }

    /// Whether HTTP Proxy runs and has had its port: a start that has not succeeded yet does not count.
    pub fn is_up(&self) -> bool {
        self.pid.is_some() && self.state != STARTING && !self.state.starts_with(FAILED)
    }
}

/// The owner of this node's HTTP Proxy.
#[derive(Debug)]
pub struct Supervisor {
    status: watch::Receiver<ProxyStatus>,
    orders: mpsc::Sender<Order>,
    stop: CancellationToken,
    /// The time of the kill, once a stop has begun.
    stop_by: Arc<OnceLock<std::time::Instant>>,
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
        let (publish, status) = watch::channel(ProxyStatus { state: DISABLED.into(), ..Default::default() });
        let (orders, given) = mpsc::channel(orders::ORDERS_MAX);
        let (stop, stopped) = (tasks.stopping().child_token(), CancellationToken::new());
        let (kill, stop_by) = (CancellationToken::new(), Arc::<OnceLock<std::time::Instant>>::default());
        let watched = Watched {
            node: node.to_owned(),
            log_filter: log_filter.to_owned(),
            life: Life::new(times(&settings)),
            settings,
            drained: false,
            stop_by: stop_by.clone(),
            retired: Retired { running: TaskTracker::new(), kill: CancellationToken::new() },
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
            watched.run(told, killed, given).await;
            done.cancel();
            node_stops.cancelled().await; // an ordinary end of this task must not stop the node
        });
        Self { status, orders, stop, stop_by, kill, stopped }
    }

    /// Gives orders of an operator to HTTP Proxy.
    pub fn control(&self) -> ProxyControl {
        ProxyControl::new(self.orders.clone(), self.status.clone())
    }

    /// The status of HTTP Proxy, now and from now on.
    pub fn status(&self) -> watch::Receiver<ProxyStatus> {
        self.status.clone()
    }

    /// Lets HTTP Proxy finish the requests in flight, and returns when HTTP Proxy has ended; `until` is the time of the kill.
    pub async fn stop(&self, until: std::time::Instant) {
        let _ = self.stop_by.set(until); // of two stops the first counts
        self.stop.cancel();
        if tokio::time::timeout_at(until.into(), self.stopped.cancelled()).await.is_err() {
            self.kill.cancel();
            drop(tokio::time::timeout(KILL_PATIENCE, self.stopped.cancelled()).await);
        }
    }
}

/// The HTTP Proxy of a node under supervision, one after the other.
struct Watched<H> {
    /// This node's name.
    node: String,
    /// Levels of HTTP Proxy's log.
    log_filter: String,
    /// Of the next HTTP Proxy.
    settings: ProxySettings,
    /// An operator has drained the node: there is no HTTP Proxy, whatever the settings say.
    drained: bool,
    /// The time of the kill, once a stop has begun.
    stop_by: Arc<OnceLock<std::time::Instant>>,
    retired: Retired,
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

/// HTTP Proxies that have closed their port for another one, and finish their requests in flight.
struct Retired {
    running: TaskTracker,
    kill: CancellationToken,
}

impl Retired {
    /// Waits for their ends; `kill` brings these about.
    async fn end(&self, kill: &CancellationToken) {
        self.running.close();
        tokio::select! {
            () = self.running.wait() => {}
            () = kill.cancelled() => {
                self.kill.cancel();
                self.running.wait().await;
            }
        }
    }
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
    async fn run(mut self, stop: CancellationToken, kill: CancellationToken, mut orders: mpsc::Receiver<Order>) {
        if self.has_port() {
            self.take(Event::Start);
        }
        let (mut told, mut killed) = (false, false);
        while self.life.phase() != Phase::Over {
            let deadline = self.life.deadline().map(|deadline| self.began + deadline);
            let event = tokio::select! {
                () = stop.cancelled(), if !told => {
                    told = true;
                    Some(Event::Stop)
                }
                () = kill.cancelled(), if told && !killed => {
                    killed = true;
                    Some(Event::Elapsed)
                }
                happening = next(&mut self.running, &mut self.pulse) => Some(self.learn(happening)),
                Some(order) = orders.recv() => self.obey(order),
                () = until(deadline) => Some(Event::Elapsed),
            };
            match event {
                Some(event) => self.take(event),
                None => self.publish_status(),
            }
        }
        self.retired.end(&kill).await;
    }

    /// Whether there is to be an HTTP Proxy.
    fn has_port(&self) -> bool {
        !self.drained && !self.settings.is_off()
    }

    /// Turns an order into an event for the state machine; none: the order changes a later step.
    fn obey(&mut self, order: Order) -> Option<Event> {
        let before = self.has_port();
        match order {
            Order::Settings(settings, log_filter) => {
                self.settings = *settings;
                if self.log_filter != log_filter {
                    self.running.iter().for_each(|running| running.set_log_filter(&log_filter));
                    self.log_filter = log_filter;
                }
            }
            Order::Restart if before => {
                tracing::info!("an operator has the HTTP front end replaced");
                return Some(Event::Restart);
            }
            Order::Restart => {}
            Order::Drained(drained) => self.drained = drained,
        }
        match (before, self.has_port()) {
            (true, false) => Some(Event::PortRemoved),
            (false, true) => Some(Event::PortAdded),
            _ => None,
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
            Happening::PortClosed => Event::PortClosed,
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
                    let again = self.life.reconnect_timeout().as_millis();
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
        let is_process = self.running.as_ref().is_some_and(|running| running.run_as() == RunAs::Process);
        self.pulse = (is_process && version >= LINK_WITH_ECHO).then(Pulse::new);
    }

    fn take(&mut self, event: Event) {
        let alarmed = self.life.alarm(self.began.elapsed());
        match self.life.on(event, self.began.elapsed()) {
            Some(Action::Spawn) => self.spawn(),
            Some(Action::Replace) => {
                self.retire();
                self.spawn();
            }
            Some(Action::Drain) => {
                self.pulse = None; // from now on HTTP Proxy has a deadline
                let until_kill = self.stop_by.get().map(|by| by.saturating_duration_since(std::time::Instant::now()));
                if let Some(running) = &self.running {
                    running.drain(until_kill);
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

    /// Leaves the running HTTP Proxy, whose port is closed, to its requests in flight.
    fn retire(&mut self) {
        self.pulse = None;
        let Some(old) = self.running.take() else { return };
        let (patience, kill) = (self.life.drain_patience(), self.retired.kill.clone());
        let seeing_off = self.retired.running.track_future(see_off(old, patience, kill));
        self.tasks.spawn("proxy retired", AtEnd::Quiet, seeing_off);
    }

    fn spawn(&mut self) {
        self.life.set_times(times(&self.settings));
        self.handler.begins(&self.settings);
        let mut configure = self.settings.configure(&self.node, &self.log_filter);
        configure.trace_millionths = self.handler.trace_millionths();
        match Running::start(&self.settings, configure, self.handler.clone(), &self.tasks) {
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
            (Phase::Idle, _) if self.drained => DRAINED.to_owned(),
            (Phase::Idle, _) => DISABLED.to_owned(),
            (Phase::Starting, _) => STARTING.to_owned(),
            (Phase::Listening, _) => LISTENING.to_owned(),
            (Phase::Ending | Phase::Waiting, Some(why)) => format!("{FAILED}{why}"),
            (Phase::Ending | Phase::Waiting, None) => "restarting".to_owned(),
            (Phase::Draining, _) => "stopping".to_owned(),
            (Phase::Over, _) if self.life.starts() == 0 => DISABLED.to_owned(),
            (Phase::Over, _) => "stopped".to_owned(),
        };
        self.publish.send_modify(|status| {
            status.state = state;
            if self.life.phase() != Phase::Listening && self.life.phase() != Phase::Draining {
                status.address = self.settings.addresses();
            }
            status.pid = self.running.as_ref().map(Running::pid);
            status.starts = self.life.starts();
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

/// Follows an HTTP Proxy that was replaced to its end; after `patience`, or by `kill`, the end is a kill.
async fn see_off(mut old: Running, patience: Duration, kill: CancellationToken) {
    let ended = tokio::select! {
        how = end_of(&mut old) => Some(how),
        () = tokio::time::sleep(patience) => None,
        () = kill.cancelled() => None,
    };
    let how = match ended {
        Some(how) => how,
        None => {
            tracing::warn!("the HTTP front end that was replaced does not end by itself; it is killed");
            old.kill();
            end_of(&mut old).await
        }
    };
    tracing::info!("the HTTP front end that was replaced ended: {how}");
}

async fn end_of(running: &mut Running) -> String {
    loop {
        if let Happening::Ended(how) = running.next().await {
            return how;
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
        drain_timeout: Duration::from_millis(settings.drain_timeout_ms().into()),
    }
}
