//! Forward and hold (architecture, Failover; R7): brings an update to the primary, on this node or another, and sends the update
//! again under the same id when that primary is lost; holds the update while there is no primary.
//!
//! A request never makes a second hop: a forwarded request that finds no primary here is answered so at once. Never says "failed"
//! of a request that was handed to a primary. Called by [`crate::outbound_api`] and by the peers' server.

mod hold;
mod leadership;
mod together;

use std::{sync::Arc, time::Duration};

use chassis::tasks::Tasks;
use consensus::{ProposeError, RaftId};
use ocs_proto::{
    outbound as wire,
    peer::{ForwardOutcome, ForwardReply, ForwardRequest, forward_request},
};
use outbound::{Body, Origin, Refusal, RefusalCode, Reply, RequestId};
use prost::Message;
use tokio::{sync::watch, time::Instant};

pub use hold::{Hold, HoldConfig};
pub use leadership::{Leadership, Primary};

use crate::outbound_api::{Answer, EncodedBody, Group, PrimaryDoor, encode_body};

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
    async fn forward(&self, to: RaftId, request: ForwardRequest) -> ForwardResult;
}

/// An update on its way, with an id that is unique for ever.
#[derive(Debug, Clone)]
pub struct Submission {
    id: RequestId,
    origin: Origin,
    /// Its body as part of an encoded command.
    encoded: EncodedBody,
    deadline: Instant,
}

impl Submission {
    /// Puts a submission together.
    ///
    /// # Errors
    /// LIMIT, if its command would be larger than a command may be.
    pub fn new(id: RequestId, origin: Origin, body: Body, deadline: Instant) -> Result<Self, Reply> {
        Ok(Self { id, origin, encoded: encode_body(body)?, deadline })
    }

    fn to_peer(&self) -> ForwardRequest {
        let command = wire::Command::decode(self.encoded.bytes.clone()).expect("this node encoded it");
        let body = command.body.map(|body| match body {
            wire::command::Body::Request(request) => forward_request::Body::Request(request),
            wire::command::Body::CreateList(list) => forward_request::Body::CreateList(list),
            wire::command::Body::ImportBatch(batch) => forward_request::Body::ImportBatch(batch),
            wire::command::Body::RoleChange(change) => forward_request::Body::RoleChange(change),
            wire::command::Body::RaiseRules(raise) => forward_request::Body::RaiseRules(raise),
            wire::command::Body::SetSettings(settings) => forward_request::Body::SetSettings(settings),
            wire::command::Body::RewritePhones(rewrite) => forward_request::Body::RewritePhones(rewrite),
            wire::command::Body::DeleteList(delete) => forward_request::Body::DeleteList(delete),
            wire::command::Body::DeleteRecords(delete) => forward_request::Body::DeleteRecords(delete),
            wire::command::Body::RemoveDoNotCall(remove) => forward_request::Body::RemoveDoNotCall(remove),
        });
        let left = (self.deadline - Instant::now()).as_millis();
        ForwardRequest {
            id: Some(self.id.into()),
            deadline_ms: u32::try_from(left).unwrap_or(u32::MAX),
            origin: outbound::wire::origin_to_wire(self.origin).into(),
            body,
        }
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
        self.door.propose(submission.id, submission.origin, submission.encoded.clone()).await.into()
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
        let held = self.hold.enter(submission.encoded.bytes.len()).ok_or("there is no primary and too much is held")?;
        let since = Instant::now();
        way.held = Some((held, since));
        Ok(since)
    }

    /// Answers a forwarded request: proposes it here or says that this node is not the primary. Must be polled to its end for the
    /// peer to hear the outcome.
    pub async fn on_forward(&self, from: RaftId, request: ForwardRequest) -> ForwardReply {
        let id = request.id;
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
        let proposed = self.door.propose(submission.id, submission.origin, submission.encoded);
        match tokio::time::timeout_at(submission.deadline, proposed).await {
            Ok(Ok(reply)) => answer(ForwardOutcome::Reply, Some(reply)),
            Ok(Err(ProposeError::NotPrimary | ProposeError::Stopped)) => answer(ForwardOutcome::NotPrimary, None),
            Ok(Err(ProposeError::Overtaken)) | Err(_) => answer(ForwardOutcome::Unknown, None),
            Ok(refused) => answer(ForwardOutcome::Refused, Some(not_proposed(refused))),
        }
    }
}

fn submission_from_peer(request: ForwardRequest) -> Result<Submission, Reply> {
    let unreadable = |what: String| Reply::refused(Refusal::new(RefusalCode::Internal, what));
    let missing = |what: &str| unreadable(format!("The forwarded request lacks its {what}"));
    let deadline = Instant::now() + Duration::from_millis(request.deadline_ms.into());
    let id: wire::RequestId = request.id.ok_or_else(|| missing("id"))?;
    let origin = outbound::wire::origin_from_wire(request.origin).map_err(|error| unreadable(error.to_string()))?;
    let body = match request.body.ok_or_else(|| missing("body"))? {
        forward_request::Body::Request(request) => {
            Body::Request(outbound::wire::request_from_wire(request).map_err(|error| unreadable(error.to_string()))?)
        }
        forward_request::Body::CreateList(list) => Body::CreateList(outbound::wire::list_from_wire(list)),
        forward_request::Body::ImportBatch(batch) => Body::ImportBatch(outbound::wire::batch_from_wire(batch)),
        forward_request::Body::RoleChange(change) => Body::RoleChange(outbound::wire::change_from_wire(change)),
        forward_request::Body::RaiseRules(raise) => Body::RaiseRules(outbound::wire::raise_from_wire(raise)),
        forward_request::Body::SetSettings(settings) => Body::SetSettings(outbound::wire::settings_from_wire(settings)),
        forward_request::Body::RewritePhones(rewrite) => {
            Body::RewritePhones(outbound::wire::rewrite_from_wire(rewrite))
        }
        forward_request::Body::DeleteList(delete) => Body::DeleteList(delete.list),
        forward_request::Body::DeleteRecords(delete) => Body::DeleteRecords(outbound::wire::delete_from_wire(delete)),
        forward_request::Body::RemoveDoNotCall(remove) => {
            Body::RemoveDoNotCall(outbound::wire::remove_from_wire(remove))
        }
    };
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
