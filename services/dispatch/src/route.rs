//! The way to the engine, and the surroundings of a decision: this node's clock, and where updates go.
//!
//! Called by `replies` and `follow`.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use crate::{
    Heard, Hold, Standing, Submission,
    policy::{Course, Moment, Now, QuorumOutage},
};

/// The way to the engine.
pub(crate) struct Route<E> {
    pub(crate) engine: E,
    pub(crate) hold: Hold,
    /// The start of the policy's time.
    began: Instant,
    outage: Mutex<QuorumOutage>,
}

impl<E> Route<E> {
    pub(crate) fn new(engine: E, hold: Hold) -> Self {
        Self { engine, hold, began: Instant::now(), outage: Mutex::default() }
    }

    pub(crate) fn instant(&self, at: Moment) -> Instant {
        self.began + at
    }

    pub(crate) fn now(&self, standing: &watch::Receiver<Standing>) -> Now {
        Now { at: Instant::now() - self.began, standing: *standing.borrow() }
    }

    /// The course of an update whose first attempt was made at `tried`.
    pub(crate) fn course(&self, submission: &Submission, tried: Standing) -> Course {
        Course::new(submission.id, submission.deadline - self.began, self.hold.time(), tried)
    }

    /// Notes whether a quorum answered just now.
    pub(crate) fn note_quorum(&self, answered: bool) {
        let mut outage = self.outage();
        if answered { outage.ended() } else { outage.goes_on(self.began.elapsed()) }
    }

    /// How long a read that comes now waits for a quorum.
    pub(crate) fn read_patience(&self) -> Duration {
        self.outage().patience(self.began.elapsed(), self.hold.time())
    }

    fn outage(&self) -> MutexGuard<'_, QuorumOutage> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the attempts with an unknown outcome, which are made again.
    pub(crate) fn note(&self, heard: &Heard) {
        if matches!(heard, Heard::Lost | Heard::Moved(_)) {
            self.hold.note_resend();
        }
    }
}

/// Completes at the next change; never, once the engine's knowledge has ended (the node is stopping).
pub(crate) async fn changed(standing: &mut watch::Receiver<Standing>) {
    if standing.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
