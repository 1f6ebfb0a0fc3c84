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
    /// HTTP Proxy has closed its port by order; requests in flight go on.
    PortClosed,
    /// HTTP Proxy has ended, or could not be started.
    Ended,
    /// The time of [`Life::deadline`] has come.
    Elapsed,
    /// The configuration has a port again.
    PortAdded,
    /// The port is gone from the configuration, or the node is drained.
    PortRemoved,
    /// An operator wants another HTTP Proxy in place of this one.
    Restart,
    /// The node stops.
    Stop,
}

/// The answer to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Start HTTP Proxy.
    Spawn,
    /// Ask HTTP Proxy to close its port and to finish the requests in flight.
    Drain,
    /// Leave the HTTP Proxy that has closed its port to its requests in flight, and start another one.
    Replace,
    /// End HTTP Proxy now.
    Kill,
}

/// A phase of HTTP Proxy's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not started yet, or ended without a port.
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

/// The next step once a drained HTTP Proxy has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// A start of another HTTP Proxy, as soon as the port is closed.
    Start,
    /// No start before the configuration has a port.
    Wait,
    /// No start any more.
    End,
}

/// The life of one node's HTTP Proxy. All times are since any fixed moment.
#[derive(Debug)]
pub struct Life {
    times: Times,
    phase: Phase,
    then: Then,
    deadline: Option<Duration>,
    starts: u64,
    ends: VecDeque<Duration>,
}

impl Life {
    /// Nothing started yet.
    pub fn new(times: Times) -> Self {
        Self { times, phase: Phase::Idle, then: Then::End, deadline: None, starts: 0, ends: VecDeque::new() }
    }

    /// The times of the HTTP Proxy that is started next.
    pub fn set_times(&mut self, times: Times) {
        self.times = times;
    }

    /// Takes an event in, and returns the action.
    pub fn on(&mut self, event: Event, now: Duration) -> Option<Action> {
        use Phase::{Draining, Ending, Idle, Listening, Over, Starting, Waiting};
        let times = self.times;
        match (self.phase, event) {
            (Idle, Event::Start | Event::PortAdded) => self.start(now, Action::Spawn),
            (Starting, Event::Listening) => self.go(Listening, None, None),
            (Starting, Event::BindFailed) => self.go(Ending, Some(now + END_PATIENCE), None),
            (Starting | Listening, Event::LinkLost) => self.go(Ending, Some(now + END_PATIENCE), None),
            (Listening, Event::StandsStill) => self.go(Ending, None, Some(Action::Kill)),
            (Starting | Listening | Ending, Event::Ended) => {
                self.count_end(now);
                self.go(Waiting, Some(now + times.reconnect_timeout), None)
            }
            (Starting | Ending, Event::Elapsed) => self.go(Ending, None, Some(Action::Kill)),
            (Waiting, Event::Elapsed | Event::Restart) => self.start(now, Action::Spawn),
            (Waiting, Event::PortRemoved) => self.go(Idle, None, None),
            (Idle | Waiting, Event::Stop) => self.go(Over, None, None),
            (Starting | Listening | Ending, Event::Stop) => self.drain(Then::End, now),
            (Starting | Listening | Ending, Event::PortRemoved) => self.drain(Then::Wait, now),
            (Starting | Listening | Ending, Event::Restart) => self.drain(Then::Start, now),
            (Draining, event) => self.while_draining(event, now),
            _ => None,
        }
    }

    /// An order during a drain changes the step behind the drain; a stop is final.
    fn while_draining(&mut self, event: Event, now: Duration) -> Option<Action> {
        match (self.then, event) {
            (_, Event::Stop) => self.then = Then::End,
            (Then::Start, Event::PortRemoved) => self.then = Then::Wait,
            (Then::Wait, Event::PortAdded) => self.then = Then::Start,
            (Then::Start, Event::PortClosed) => return self.start(now, Action::Replace),
            (Then::Start, Event::Ended) => return self.start(now, Action::Spawn),
            (Then::Wait, Event::Ended) => return self.go(Phase::Idle, None, None),
            (Then::End, Event::Ended) => return self.go(Phase::Over, None, None),
            (_, Event::Elapsed) => return self.go(Phase::Draining, None, Some(Action::Kill)),
            _ => {}
        }
        None
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
        self.starts.saturating_sub(1)
    }

    /// All starts.
    pub fn starts(&self) -> u64 {
        self.starts
    }

    /// From an unordered end to the next start.
    pub fn reconnect_timeout(&self) -> Duration {
        self.times.reconnect_timeout
    }

    /// For the requests in flight of an HTTP Proxy that was replaced, with the node's own grace.
    pub fn drain_patience(&self) -> Duration {
        self.times.drain_timeout + DRAIN_GRACE
    }

    /// Whether HTTP Proxy has ended ten times within ten minutes without being asked to.
    pub fn alarm(&self, now: Duration) -> bool {
        self.ends.iter().filter(|end| now.saturating_sub(**end) < ALARM_WINDOW).count() >= ALARM_ENDS
    }

    fn start(&mut self, now: Duration, action: Action) -> Option<Action> {
        self.starts += 1;
        self.go(Phase::Starting, Some(now + START_PATIENCE), Some(action))
    }

    fn drain(&mut self, then: Then, now: Duration) -> Option<Action> {
        self.then = then;
        self.go(Phase::Draining, Some(now + self.drain_patience()), Some(Action::Drain))
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
