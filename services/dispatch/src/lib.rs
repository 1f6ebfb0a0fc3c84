//! Between the entrances (link, gRPC) and the engines: a request enters here once, whichever engine decides it.
//!
//! [`Dispatch`] gives an update its id, hands it to the engine, and does as [`policy`] says with the outcome of each attempt.
//! Never contains an engine, a rule of records or HTTP. Called by `node`; [`Engine`] is implemented by the engines.

mod encoded;
mod engine;
mod follow;
mod hold;
#[cfg(mutant)]
pub mod mutant;
pub mod policy;
mod reads;
mod replies;
mod route;
mod submission;

use std::sync::Arc;

use futures::StreamExt;
use outbound::{Body, Origin, Reply};
use tokio::time::Instant;

pub use encoded::{BodyError, EncodedBody, HEAD_BYTES_MAX, is_whole, too_early};
pub use engine::{Engine, Heard, NotTaken, Standing, Target};
pub use hold::{Held, Hold, HoldConfig};
pub use replies::Replies;
pub use submission::{RequestIds, Submission};

use route::Route;

/// The one entry of requests, on any data node.
pub struct Dispatch<E> {
    ids: RequestIds,
    route: Arc<Route<E>>,
}

impl<E: Engine> Dispatch<E> {
    /// Puts the entry of an engine together.
    pub fn new(ids: RequestIds, engine: E, hold: HoldConfig) -> Self {
        Self { ids, route: Arc::new(Route::new(engine, Hold::new(hold))) }
    }

    /// Answers one request before `deadline`. Dropping the future ends the wait; an update that was handed over goes on.
    pub async fn answer(&self, body: Body, origin: Origin, deadline: Instant) -> Reply {
        match body {
            Body::Request(request) if request.verb.reads() => self.read(&request, deadline).await,
            body => self.answer_update(EncodedBody::of(body), origin, deadline).await,
        }
    }

    /// As [`Dispatch::answer`], for an update of an operator, whose name and address the command's head carries.
    pub async fn answer_operator(&self, operator: &str, address: &str, body: Body, deadline: Instant) -> Reply {
        let update = EncodedBody::of(body).by(operator).at(address);
        self.answer_update(update, Origin::Control, deadline).await
    }

    /// As [`Dispatch::answer`], for an update that is encoded.
    pub async fn answer_update(&self, update: EncodedBody, origin: Origin, deadline: Instant) -> Reply {
        let mut replies = self.updates(vec![(update, deadline)], origin);
        replies.next().await.expect("each update has one reply").1
    }

    /// The replies to updates that came together, each with the place of its update, as soon as the reply is known, and before
    /// the update's deadline. Dropping the replies ends the wait; updates that were handed over go on.
    pub fn updates(&self, updates: Vec<(EncodedBody, Instant)>, origin: Origin) -> Replies<E> {
        let rules_version = self.route.engine.rules_version();
        let submission = |(body, deadline)| Submission::new(self.ids.give(rules_version), origin, body, deadline);
        Replies::new(self.route.clone(), updates.into_iter().map(submission))
    }

    /// The requests that are held, and their limits.
    pub fn hold(&self) -> &Hold {
        &self.route.hold
    }

    /// The engine behind this entry.
    pub fn engine(&self) -> &E {
        &self.route.engine
    }
}
