//! When to start, await, drain and kill HTTP Proxy (spec 10): a pure state machine, with time as a number.
//!
//! Never does anything itself and never reads a clock. Called by [`crate::supervisor`].

mod standstill;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, time::Duration};

pub use standstill::{Sign, Standstill, TICK, Verdict};

/// This many ends within [`ALARM_WINDOW`] raise the alarm (spec 10.3).
const ALARM_ENDS: usize = 10;
const ALARM_WINDOW: Duration = Duration::from_secs(600);
/// A start has failed if HTTP Proxy has not reported on its port within this time.
const START_PATIENCE: Duration = Duration::from_secs(10);
/// HTTP Proxy ends by itself within this once its link is lost or its port cannot be opened.
const END_PATIENCE: Duration = Duration::from_secs(5);
/// HTTP Proxy keeps its drain timeout itself; the node kills it this much later.
const DRAIN_GRACE: Duration = Duration::from_secs(3);

/// An event in HTTP Proxy's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The node serves from now on.
    Start,
    /// HTTP Proxy has opened the port.
    Listening,
    /// HTTP Proxy could not open the port, and will end.
    BindFailed,
    /// The link ended; so will HTTP Proxy.
    LinkLost,
    /// HTTP Proxy stands still, and will not end by itself.
    StandsStill,
    /// HTTP Proxy has ended, or could not be started.
    Ended,
    /// The time of [`Life::deadline`] has come.
    Elapsed,
    /// The port is gone from the configuration.
    PortRemoved,
    /// The node stops.
    Stop,
}

/// The answer to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Start HTTP Proxy.
    Spawn,
    /// Ask HTTP Proxy to finish the requests in flight.
    Drain,
    /// End HTTP Proxy now.
    Kill,
}

/// A phase of HTTP Proxy's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not started yet.
    Idle,
    /// Started; the port is not open yet.
    Starting,
    /// Serving.
    Listening,
    /// Will end, though no stop was ordered.
    Ending,
    /// Ended; waits for the Reconnect Timeout.
    Waiting,
    /// Asked to end.
    Draining,
    /// Ended for good.
    Over,
}

/// The configured times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// From an end to the next start (the Reconnect Timeout).
    pub reconnect_timeout: Duration,
    /// For the requests in flight when HTTP Proxy is asked to end.
    pub drain_timeout: Duration,
}

/// The life of one node's HTTP Proxy. All times are since any fixed moment.
#[derive(Debug)]
pub struct Life {
    times: Times,
    phase: Phase,
    deadline: Option<Duration>,
    ends: VecDeque<Duration>,
    restarts: u64,
}

impl Life {
    /// Nothing started yet.
    pub fn new(times: Times) -> Self {
        Self { times, phase: Phase::Idle, deadline: None, ends: VecDeque::new(), restarts: 0 }
    }

    /// Takes an event in, and returns the action.
    pub fn on(&mut self, event: Event, now: Duration) -> Option<Action> {
        use Phase::{Draining, Ending, Idle, Listening, Over, Starting, Waiting};
        let times = self.times;
        match (self.phase, event) {
            (Idle, Event::Start) => self.go(Starting, Some(now + START_PATIENCE), Some(Action::Spawn)),
            (Starting, Event::Listening) => self.go(Listening, None, None),
            (Starting, Event::BindFailed) => self.go(Ending, Some(now + END_PATIENCE), None),
            (Starting | Listening, Event::LinkLost) => self.go(Ending, Some(now + END_PATIENCE), None),
            (Listening, Event::StandsStill) => self.go(Ending, None, Some(Action::Kill)),
            (Starting | Listening | Ending, Event::Ended) => {
                self.count_end(now);
                self.go(Waiting, Some(now + times.reconnect_timeout), None)
            }
            (Starting | Ending, Event::Elapsed) => self.go(Ending, None, Some(Action::Kill)),
            (Waiting, Event::Elapsed) => {
                self.restarts += 1;
                self.go(Starting, Some(now + START_PATIENCE), Some(Action::Spawn))
            }
            (Idle | Waiting, Event::Stop | Event::PortRemoved) => self.go(Over, None, None),
            (Starting | Listening | Ending, Event::Stop | Event::PortRemoved) => {
                self.go(Draining, Some(now + times.drain_timeout + DRAIN_GRACE), Some(Action::Drain))
            }
            (Draining, Event::Elapsed) => self.go(Draining, None, Some(Action::Kill)),
            (Draining, Event::Ended) => self.go(Over, None, None),
            _ => None,
        }
    }

    /// The present phase.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// When to call again with [`Event::Elapsed`], without an earlier event.
    pub fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// Starts after the first.
    pub fn restarts(&self) -> u64 {
        self.restarts
    }

    /// Whether HTTP Proxy has ended ten times within ten minutes without being asked to.
    pub fn alarm(&self, now: Duration) -> bool {
        self.ends.iter().filter(|end| now.saturating_sub(**end) < ALARM_WINDOW).count() >= ALARM_ENDS
    }

    fn go(&mut self, phase: Phase, deadline: Option<Duration>, action: Option<Action>) -> Option<Action> {
        (self.phase, self.deadline) = (phase, deadline);
        action
    }

    fn count_end(&mut self, now: Duration) {
        self.ends.push_back(now);
        if self.ends.len() > ALARM_ENDS {
            self.ends.pop_front();
        }
    }
}
