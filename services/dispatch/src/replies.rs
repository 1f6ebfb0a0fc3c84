//! Updates that came together: their first attempts are one batch, followed with one timer and one watch on where updates go.
//!
//! An update whose first attempt brings no reply goes its own way ([`crate::follow`]). Never decides on an outcome:
//! [`crate::policy`] does.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::{FutureExt, Stream, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use outbound::Reply;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::{
    Engine, Heard, Standing, Submission, follow,
    policy::Step,
    route::{Route, changed},
};

/// The replies to updates that came together, each with the place of its update, as soon as the reply is known.
///
/// Dropping them ends the wait; updates that were handed over go on.
pub struct Replies<E: Engine> {
    route: Arc<Route<E>>,
    standing: watch::Receiver<Standing>,
    /// Where updates went when the first attempts were made.
    tried: Standing,
    batch: Vec<Submission>,
    /// The place of each update of the batch; none, once the outcome of its first attempt is known.
    places: Vec<Option<usize>>,
    unheard: usize,
    attempts: E::Attempts,
    /// Completes when updates go elsewhere, or at the first deadline.
    trouble: Pin<Box<dyn Future<Output = ()> + Send>>,
    known: VecDeque<(usize, Reply)>,
    /// The updates that go their own way.
    alone: Option<FuturesUnordered<BoxFuture<'static, (usize, Reply)>>>,
}

impl<E: Engine> Replies<E> {
    /// Makes the first attempts. A refused update never reaches the engine.
    pub(crate) fn new(route: Arc<Route<E>>, updates: impl ExactSizeIterator<Item = Result<Submission, Reply>>) -> Self {
        let mut standing = route.engine.standing();
        let tried = *standing.borrow_and_update();
        let (mut batch, mut places) = (Vec::with_capacity(updates.len()), Vec::with_capacity(updates.len()));
        let mut known = VecDeque::new();
        for (place, update) in updates.enumerate() {
            match update {
                Ok(submission) => {
                    batch.push(submission);
                    places.push(Some(place));
                }
                Err(refused) => known.push_back((place, refused)),
            }
        }
        let attempts = route.engine.submit(&batch, tried);
        let deadline = batch.iter().map(|submission| submission.deadline).min();
        let trouble = trouble(standing.clone(), tried, deadline);
        let unheard = batch.len();
        Self { route, standing, tried, batch, places, unheard, attempts, trouble, known, alone: None }
    }

    /// The outcome of an update's first attempt. Returns the reply, if the outcome is one.
    fn hear(&mut self, position: usize, heard: Heard) -> Option<(usize, Reply)> {
        let place = self.places[position].take()?;
        self.unheard -= 1;
        self.route.note(&heard);
        let submission = &self.batch[position];
        let mut course = self.route.course(submission, self.tried);
        match course.on(heard, || self.route.now(&self.standing)) {
            Step::Answer(reply) => Some((place, reply)),
            step => {
                let (route, standing) = (self.route.clone(), self.standing.clone());
                let follow = follow::follow(route, submission.clone(), course, step, standing);
                let alone = self.alone.get_or_insert_default();
                alone.push(follow.map(move |reply| (place, reply)).boxed());
                None
            }
        }
    }

    /// Gives up the attempts that are not worth waiting for any more.
    fn look(&mut self) {
        let now = self.route.now(&self.standing);
        for position in 0..self.batch.len() {
            let course = self.route.course(&self.batch[position], self.tried);
            if let Some(heard) = course.unanswered(now) {
                let told = self.hear(position, heard);
                self.known.extend(told);
            }
        }
        let unheard = self.batch.iter().zip(&self.places).filter(|(_, place)| place.is_some());
        let deadline = unheard.map(|(submission, _)| submission.deadline).min();
        self.trouble = trouble(self.standing.clone(), self.tried, deadline);
    }

    /// An engine that ends without an outcome has lost the update.
    fn lose_rest(&mut self) {
        for position in 0..self.batch.len() {
            let told = self.hear(position, Heard::Lost);
            self.known.extend(told);
        }
    }
}

impl<E: Engine> Stream for Replies<E> {
    type Item = (usize, Reply);

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(told) = this.known.pop_front() {
                return Poll::Ready(Some(told));
            }
            if this.unheard > 0 {
                match this.attempts.poll_next_unpin(context) {
                    Poll::Ready(Some((position, heard))) => match this.hear(position, heard) {
                        Some(told) => return Poll::Ready(Some(told)),
                        None => continue,
                    },
                    Poll::Ready(None) => {
                        this.lose_rest();
                        continue;
                    }
                    Poll::Pending => {}
                }
                if this.trouble.as_mut().poll(context).is_ready() {
                    this.look();
                    continue;
                }
            }
            let alone = this.alone.as_mut().map_or(Poll::Ready(None), |alone| alone.poll_next_unpin(context));
            return match alone {
                Poll::Ready(None) if this.unheard > 0 => Poll::Pending,
                alone => alone,
            };
        }
    }
}

/// Completes when updates go elsewhere, or at `deadline`.
fn trouble(
    mut standing: watch::Receiver<Standing>,
    tried: Standing,
    deadline: Option<Instant>,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        let moved = async {
            loop {
                let now = *standing.borrow_and_update();
                if now != tried && now.target.is_some() {
                    return;
                }
                changed(&mut standing).await;
            }
        };
        let late = async {
            match deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = moved => {}
            () = late => {}
        }
    })
}
