//! Forward and hold (architecture, Failover; R7): brings an update to the primary, on this node or another, and sends the update
//! again under the same id when that primary is lost; holds the update while there is no primary.
//!
//! A request never makes a second hop: a forwarded request that finds no primary here is answered so at once. Never says "failed"
//! of a request that was handed to a primary. Called by [`crate::OutboundApi`] and by the peers' server.

mod forwarded;
mod hold;
mod together;

use std::{sync::Arc, time::Duration};

use chassis::tasks::Tasks;
use consensus::{ProposeError, RaftId};
use ocs_proto::peer::{ForwardOutcome, ForwardReply, ForwardRequest};
use outbound::{Origin, Refusal, RefusalCode, Reply, RequestId};
use tokio::{sync::watch, time::Instant};

pub use forwarded::Forwarded;
pub use hold::{Hold, HoldConfig};

use crate::{EncodedBody, Group, Leadership, Primary, PrimaryDoor, batch::Answer, leadership};

/// First pause before a known primary is asked again; doubled each time.
const PAUSE_FIRST: Duration = Duration::from_millis(5);
/// Longest such pause.
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// The outcome of a request that was sent to a peer.
#[derive(Debug, Clone, PartialEq)]
pub enum ForwardResult {
    /// The peer's answer.
    Reply(ForwardReply),
    /// The request never left this node, for this reason: safe to send elsewhere.
    NotSent(&'static str),
    /// The request left this node, and no answer will come: whether it was applied is not known.
    Lost,
}

/// The way to a peer that is primary. Dropping the future ends the wait; the request is not called back.
#[tonic::async_trait]
pub trait ForwardTo: Send + Sync + 'static {
    /// Sends one request and waits for its answer, or for the loss of the stream.
    async fn forward(&self, to: RaftId, request: Forwarded) -> ForwardResult;
}

/// An update on its way, with an id that is unique for ever.
#[derive(Debug, Clone)]
pub struct Submission {
    id: RequestId,
    origin: Origin,
    body: EncodedBody,
    deadline: Instant,
}

impl Submission {
    /// Puts a submission together.
    ///
    /// # Errors
    /// LIMIT, if its command would be larger than a command may be.
    pub fn new(id: RequestId, origin: Origin, body: EncodedBody, deadline: Instant) -> Result<Self, Reply> {
        body.check_size()?;
        Ok(Self { id, origin, body, deadline })
    }

    fn to_peer(&self) -> Forwarded {
        let left = (self.deadline - Instant::now()).as_millis();
        let head = ForwardRequest {
            id: Some(self.id.into()),
            deadline_ms: u32::try_from(left).unwrap_or(u32::MAX),
            origin: outbound::wire::origin_to_wire(self.origin).into(),
        };
        Forwarded { head, body: self.body.bytes().clone() }
    }
}

/// The outcome of one attempt.
enum Attempt {
    /// The answer.
    Reply(Reply),
    /// Known not to be in the log by this attempt; the reply says why.
    Refused(Reply),
    /// Known not to be in the log by this attempt, since there was no primary to take it.
    NotTaken,
    /// Not known.
    Unknown,
}

impl From<Answer> for Attempt {
    fn from(answer: Answer) -> Self {
        match answer {
            Ok(reply) => Self::Reply(reply),
            Err(ProposeError::NotPrimary | ProposeError::Stopped) => Self::NotTaken,
            Err(ProposeError::Overtaken) => Self::Unknown,
            Err(ProposeError::Busy | ProposeError::NoRoom | ProposeError::LogFull) => {
                Self::Refused(not_proposed(answer))
            }
        }
    }
}

/// The outcome of an attempt at the primary that was tried; unknown once another primary is known, or at `deadline`.
async fn unless_moved(
    answer: impl Future<Output = Attempt>,
    tried: Leadership,
    deadline: Instant,
    leadership: &mut watch::Receiver<Leadership>,
) -> Attempt {
    tokio::select! {
        biased;
        attempt = answer => attempt,
        () = leadership::moved(leadership, tried) => Attempt::Unknown,
        () = tokio::time::sleep_until(deadline) => Attempt::Unknown,
    }
}

/// How far one request has come.
struct Way {
    /// The request was handed to a primary: from now on it ends in its reply or in OUTCOME_UNKNOWN (R7).
    handed: bool,
    /// The place among the held requests, and when holding began.
    held: Option<(hold::Held, Instant)>,
    pause: Duration,
}

/// The way to the primary.
pub struct Forward {
    door: PrimaryDoor,
    peers: Arc<dyn ForwardTo>,
    leadership: watch::Receiver<Leadership>,
    hold: Hold,
}

impl Forward {
    /// Follows the group's status and forwards through `peers`.
    pub fn new(
        door: PrimaryDoor,
        peers: Arc<dyn ForwardTo>,
        group: &dyn Group,
        hold: HoldConfig,
        tasks: &Tasks,
    ) -> Self {
        let leadership = leadership::follow(group.status(), tasks);
        Self { door, peers, leadership, hold: Hold::new(hold) }
    }

    /// The held requests, and their limits.
    pub fn hold(&self) -> &Hold {
        &self.hold
    }

    /// The entry to the log of this node.
    pub fn door(&self) -> &PrimaryDoor {
        &self.door
    }

    /// Brings an update to the primary and waits for its reply, until its deadline.
    pub async fn submit(&self, submission: &Submission) -> Reply {
        let mut leadership = self.leadership.clone();
        let tried = *leadership.borrow_and_update();
        let first = self.attempt(tried, submission, &mut leadership).await;
        self.go_on(submission, leadership, tried, first).await
    }

    /// Goes on after a first attempt at the primary of that moment.
    async fn go_on(
        &self,
        submission: &Submission,
        mut leadership: watch::Receiver<Leadership>,
        mut tried: Leadership,
        mut attempt: Attempt,
    ) -> Reply {
        let mut way = Way { handed: false, held: None, pause: PAUSE_FIRST };
        loop {
            match attempt {
                Attempt::Reply(reply) => return reply,
                // Once handed over, the request may be in the log by an earlier attempt, even if this attempt was refused.
                Attempt::Refused(reply) if !way.handed => return reply,
                Attempt::Refused(_) | Attempt::NotTaken => {}
                Attempt::Unknown => {
                    way.handed = true;
                    self.hold.note_resend();
                }
            }
            if let Err(why) = self.wait(&mut way, tried, submission, &mut leadership).await {
                return ended(&way, why);
            }
            tried = *leadership.borrow_and_update();
            attempt = self.attempt(tried, submission, &mut leadership).await;
        }
    }

    /// One attempt at the primary of the moment. Ends early when another primary is known: the old one may be frozen.
    async fn attempt(
        &self,
        tried: Leadership,
        submission: &Submission,
        leadership: &mut watch::Receiver<Leadership>,
    ) -> Attempt {
        let answer = async {
            match tried.primary {
                Primary::Here => self.attempt_here(submission).await,
                Primary::At(peer) => self.attempt_at(peer, submission).await,
                Primary::None => Attempt::NotTaken,
            }
        };
        unless_moved(answer, tried, submission.deadline, leadership).await
    }

    async fn attempt_here(&self, submission: &Submission) -> Attempt {
        self.door.propose(submission.id, submission.origin, submission.body.clone()).await.into()
    }

    async fn attempt_at(&self, peer: RaftId, submission: &Submission) -> Attempt {
        let reply = match self.peers.forward(peer, submission.to_peer()).await {
            ForwardResult::Reply(reply) => reply,
            ForwardResult::NotSent(_) => return Attempt::NotTaken,
            ForwardResult::Lost => return Attempt::Unknown,
        };
        let outcome = reply.outcome();
        let told = reply.reply.map(outbound::wire::reply_from_wire);
        match (outcome, told) {
            (ForwardOutcome::Reply, Some(Ok(reply))) => Attempt::Reply(reply),
            (ForwardOutcome::Refused, Some(Ok(reply))) => Attempt::Refused(reply),
            (ForwardOutcome::NotPrimary, _) => Attempt::NotTaken,
            // The outcome is unknown there, or this version cannot read the answer.
            _ => Attempt::Unknown,
        }
    }

    /// Waits until another attempt is worth making.
    ///
    /// # Errors
    /// Why no attempt will follow.
    async fn wait(
        &self,
        way: &mut Way,
        tried: Leadership,
        submission: &Submission,
        leadership: &mut watch::Receiver<Leadership>,
    ) -> Result<(), &'static str> {
        if Instant::now() >= submission.deadline {
            return Err("the deadline passed");
        }
        if *leadership.borrow() != tried && leadership.borrow().primary != Primary::None {
            return Ok(());
        }
        let since = self.held_since(way, submission)?;
        let end = submission.deadline.min(since + self.hold.time());
        let retry = tried.primary != Primary::None;
        let lost =
            if retry { "the primary could not be reached for too long" } else { "there was no primary for too long" };
        tokio::select! {
            biased;
            () = tokio::time::sleep_until(end) => return Err(lost),
            () = leadership::changed(leadership) => {}
            () = tokio::time::sleep(way.pause), if retry => way.pause = (way.pause * 2).min(PAUSE_MAX),
        }
        Ok(())
    }

    /// Takes a place among the held requests, once.
    fn held_since(&self, way: &mut Way, submission: &Submission) -> Result<Instant, &'static str> {
        if let Some((_, since)) = &way.held {
            return Ok(*since);
        }
        let held = self.hold.enter(submission.body.bytes().len()).ok_or("there is no primary and too much is held")?;
        let since = Instant::now();
        way.held = Some((held, since));
        Ok(since)
    }

    /// Answers a forwarded request: proposes it here or says that this node is not the primary. Must be polled to its end for the
    /// peer to hear the outcome.
    pub async fn on_forward(&self, from: RaftId, request: Forwarded) -> ForwardReply {
        let id = request.head.id;
        let answer = |outcome: ForwardOutcome, reply: Option<Reply>| ForwardReply {
            id,
            outcome: outcome.into(),
            reply: reply.map(outbound::wire::reply_into_wire),
        };
        if self.leadership.borrow().primary != Primary::Here {
            return answer(ForwardOutcome::NotPrimary, None);
        }
        let submission = match submission_from_peer(request) {
            Ok(submission) => submission,
            Err(refused) => {
                tracing::warn!(peer = from, "a forwarded request cannot be read: is the peer newer than this node?");
                return answer(ForwardOutcome::Refused, Some(refused));
            }
        };
        let proposed = self.door.propose(submission.id, submission.origin, submission.body);
        match tokio::time::timeout_at(submission.deadline, proposed).await {
            Ok(Ok(reply)) => answer(ForwardOutcome::Reply, Some(reply)),
            Ok(Err(ProposeError::NotPrimary | ProposeError::Stopped)) => answer(ForwardOutcome::NotPrimary, None),
            Ok(Err(ProposeError::Overtaken)) | Err(_) => answer(ForwardOutcome::Unknown, None),
            Ok(refused) => answer(ForwardOutcome::Refused, Some(not_proposed(refused))),
        }
    }
}

fn submission_from_peer(Forwarded { head, body }: Forwarded) -> Result<Submission, Reply> {
    let unreadable = |what: String| Reply::refused(Refusal::new(RefusalCode::Internal, what));
    let deadline = Instant::now() + Duration::from_millis(head.deadline_ms.into());
    let id = head.id.ok_or_else(|| unreadable("The forwarded request lacks its id".to_owned()))?;
    let origin = outbound::wire::origin_from_wire(head.origin).map_err(|error| unreadable(error.to_string()))?;
    let body = EncodedBody::read(body).map_err(|error| unreadable(format!("A forwarded request: {error}")))?;
    Submission::new(id.into(), origin, body, deadline)
}

/// The answer to a request that was not put into the log for want of room or by back-pressure.
fn not_proposed(answer: Result<Reply, ProposeError>) -> Reply {
    match answer {
        Ok(reply) => reply,
        Err(ProposeError::Busy) => {
            Refusal::new(RefusalCode::Busy, "Too many requests are waiting to be applied: come back later").into()
        }
        Err(error) => Refusal::new(RefusalCode::Unavailable, format!("The request was not applied: {error}")).into(),
    }
}

/// The end of a request that got no reply (spec 6, UNAVAILABLE and OUTCOME_UNKNOWN).
fn ended(way: &Way, why: &str) -> Reply {
    let refusal = if way.handed {
        let message = format!("It is not known whether the request was applied: {why}");
        Refusal::new(RefusalCode::OutcomeUnknown, message)
    } else {
        Refusal::new(RefusalCode::Unavailable, format!("The request was not applied: {why}"))
    };
    refusal.into()
}

#[cfg(test)]
mod tests;
