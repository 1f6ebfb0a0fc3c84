//! The decisions above an engine: attempt again, wait, or answer. The only author of "not applied" (503) and "not known" (504).
//!
//! Pure: no async and no clock; a moment is the time since a start of the caller's choice. The simulator runs this very code.
//! Called by [`crate::Dispatch`].

mod reads;

use std::time::Duration;

use outbound::{Refusal, RefusalCode, Reply, ReplyBody, RequestId};

pub use self::reads::QuorumOutage;
use crate::{Heard, NotTaken, Standing};

/// First pause before a known primary is asked again; doubled each time.
pub const PAUSE_FIRST: Duration = Duration::from_millis(5);
/// Longest such pause.
pub const PAUSE_MAX: Duration = Duration::from_millis(100);

/// A moment: the time since a start of the caller's choice.
pub type Moment = Duration;

/// The surroundings of a decision.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// The moment.
    pub at: Moment,
    /// Where updates go.
    pub standing: Standing,
}

/// The next step of an update.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Attempt, where updates go now.
    Attempt,
    /// Hold the update until this moment or until updates go elsewhere; then [`Course::on_wake`] decides.
    Wait(Moment),
    /// The end.
    Answer(Reply),
}

/// How far one update has come.
#[derive(Debug, Clone)]
pub struct Course {
    id: RequestId,
    deadline: Moment,
    hold_time: Duration,
    /// Where updates went when the last attempt was made.
    tried: Standing,
    /// The update was handed over: from now on the update ends in its reply or in OUTCOME_UNKNOWN (R7 unknown-is-not-failed).
    handed: bool,
    held_since: Option<Moment>,
    pause: Duration,
    /// The end of the pause before a known primary is asked again.
    again_at: Option<Moment>,
}

impl Course {
    /// The course of an update whose first attempt is made at `tried`.
    pub fn new(id: RequestId, deadline: Moment, hold_time: Duration, tried: Standing) -> Self {
        let pause = PAUSE_FIRST;
        Self { id, deadline, hold_time, tried, handed: false, held_since: None, pause, again_at: None }
    }

    /// Another attempt is made, where updates go now. Returns the id of the attempt: that of every attempt, by which the state knows
    /// the update again.
    pub fn attempt(&mut self, standing: Standing) -> RequestId {
        self.tried = standing;
        #[cfg(mutant)]
        if mutant::on(Mutant::NewIdWhenSentAgain) {
            self.id.counter += 1_000_000;
        }
        self.id
    }

    /// The outcome that an attempt in flight has without an answer; none: the answer is worth waiting for. A primary that updates
    /// do not go to any more may be frozen.
    pub fn unanswered(&self, now: Now) -> Option<Heard> {
        if self.has_moved(now.standing) {
            return Some(Heard::Moved(now.standing));
        }
        self.is_late(now.at).then_some(Heard::Lost)
    }

    /// Decides on the outcome of an attempt. `now` is asked only where the decision depends on it.
    pub fn on(&mut self, heard: Heard, now: impl FnOnce() -> Now) -> Step {
        let moved = match heard {
            Heard::Reply(reply) if asks_again(&reply) => return self.on_again(now().at),
            Heard::Reply(reply) => return Step::Answer(reply),
            Heard::NotTaken(why) => {
                if let Some(refusal) = self.refusal(why) {
                    return Step::Answer(refusal);
                }
                None
            }
            Heard::Lost => {
                self.hand_over();
                None
            }
            Heard::Moved(to) => {
                self.hand_over();
                Some(to)
            }
        };
        let now = now();
        if self.is_late(now.at) {
            return Step::Answer(self.ended("the deadline passed"));
        }
        if self.has_moved(moved.unwrap_or(now.standing)) {
            return Step::Attempt;
        }
        self.held_since.get_or_insert(now.at);
        self.again_at = self.tried.target.map(|_| now.at + self.pause());
        Step::Wait(self.wake_at())
    }

    /// Decides on a reply that asks for another attempt: the update was decided and not done, so an attempt at once goes on where
    /// the last attempt ended. Such a reply is remembered under no id, and hands nothing over.
    fn on_again(&self, at: Moment) -> Step {
        if self.is_late(at) { Step::Answer(self.ended("the deadline passed")) } else { Step::Attempt }
    }

    /// Decides after a wait.
    pub fn on_wake(&mut self, now: Now) -> Step {
        if now.at >= self.end() {
            return Step::Answer(self.ended(match self.tried.target {
                Some(_) => "the primary could not be reached for too long",
                None => "there was no primary for too long",
            }));
        }
        if self.has_moved(now.standing) {
            return Step::Attempt;
        }
        if now.standing != self.tried {
            (self.tried, self.again_at) = (now.standing, None); // no primary is known any more
        }
        if self.again_at.is_some_and(|again_at| now.at >= again_at) {
            self.pause = (self.pause * 2).min(PAUSE_MAX);
            return Step::Attempt;
        }
        Step::Wait(self.wake_at())
    }

    /// The answer to an update that finds no place among the held requests.
    pub fn not_held(&self) -> Reply {
        self.ended("there is no primary and too much is held")
    }

    fn pause(&self) -> Duration {
        #[cfg(mutant)]
        if mutant::on(Mutant::PauseSkipped) {
            return Duration::ZERO;
        }
        self.pause
    }

    /// Whether the time of the update is over.
    fn is_late(&self, at: Moment) -> bool {
        at >= self.latest()
    }

    fn latest(&self) -> Moment {
        #[cfg(mutant)]
        if mutant::on(Mutant::DeadlinePassedOver) {
            return self.deadline * 2;
        }
        self.deadline
    }

    fn hand_over(&mut self) {
        #[cfg(mutant)]
        if mutant::on(Mutant::UnknownToldAsFailed) {
            return;
        }
        self.handed = true;
    }

    /// The refusal to be told. Once handed over, the update may be applied by an earlier attempt, even where this attempt is refused.
    fn refusal(&self, why: NotTaken) -> Option<Reply> {
        #[cfg(mutant)]
        if mutant::on(Mutant::RefusedAfterHandedTold) {
            return refused(why);
        }
        refused(why).filter(|_| !self.handed)
    }

    /// Updates go to another place than the one that was tried, or to that place again after another.
    fn has_moved(&self, standing: Standing) -> bool {
        #[cfg(mutant)]
        if mutant::on(Mutant::MoveNotFollowed) {
            return false;
        }
        standing != self.tried && standing.target.is_some()
    }

    fn held_until(&self) -> Option<Moment> {
        #[cfg(mutant)]
        if mutant::on(Mutant::HeldBeyondHoldTime) {
            return None;
        }
        self.held_since.map(|since| since + self.hold_time)
    }

    /// The end of the wait for a primary.
    fn end(&self) -> Moment {
        self.held_until().map_or(self.latest(), |until| until.min(self.latest()))
    }

    fn wake_at(&self) -> Moment {
        self.again_at.map_or(self.end(), |again_at| again_at.min(self.end()))
    }

    /// The end of an update that got no reply (spec 6, UNAVAILABLE and OUTCOME_UNKNOWN).
    fn ended(&self, why: &str) -> Reply {
        let unknown = self.handed;
        #[cfg(mutant)]
        let unknown = unknown || mutant::on(Mutant::NotAppliedToldAsUnknown);
        let refusal = if unknown {
            let message = format!("It is not known whether the request was applied: {why}");
            Refusal::new(RefusalCode::OutcomeUnknown, message)
        } else {
            not_applied(why)
        };
        refusal.into()
    }
}

/// Whether a reply is for this node: another attempt goes on where the command ended.
fn asks_again(reply: &Reply) -> bool {
    #[cfg(mutant)]
    if mutant::on(Mutant::AgainToldAsAnswer) {
        return false;
    }
    reply.body == ReplyBody::Again
}

/// The refusal behind an attempt that took nothing; none: another attempt may take the update.
pub fn refused(why: NotTaken) -> Option<Reply> {
    match why {
        NotTaken::NotServing => None,
        NotTaken::Busy => {
            let message = "Too many requests are waiting to be applied: come back later";
            Some(Refusal::new(RefusalCode::Busy, message).into())
        }
        NotTaken::NoRoom(why) => Some(not_applied(&why).into()),
        NotTaken::Refused(reply) => Some(reply),
    }
}

fn not_applied(why: &str) -> Refusal {
    Refusal::new(RefusalCode::Unavailable, format!("The request was not applied: {why}"))
}

/// The refusal of a read, which is known not to have changed anything.
pub fn unreadable(why: &str) -> Reply {
    Refusal::new(RefusalCode::Unavailable, format!("The state cannot be read now: {why}")).into()
}

#[cfg(mutant)]
use crate::mutant::{self, Mutant};

#[cfg(test)]
mod tests;
