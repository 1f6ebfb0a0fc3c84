//! Updates that came together: as long as no attempt fails, one task follows all of them, with one timer and one watch on
//! leadership.
//!
//! The replies come in the order of the log, so that waiting for one after the other delays none. At the first failure each
//! update goes its own way, like a single update. Never decides how to handle the failure: [`Forward::go_on`] does.

use std::{collections::VecDeque, pin::pin};

use futures::{StreamExt, stream::FuturesUnordered};
use outbound::Reply;
use tokio::sync::watch;

use super::{Attempt, Forward, Submission, unless_moved};
use crate::{
    Leadership, Primary,
    batch::{Awaited, heard},
    leadership,
};

/// The first attempt of an update.
enum First {
    /// Still to be made.
    ToMake,
    /// The update was handed to this node's door; the outcome arrives here.
    Made(Awaited),
    /// The outcome.
    Known(Attempt),
}

impl Forward {
    /// Brings updates to the primary; calls `answered` with every reply and the place of its update, as soon as the reply is
    /// known.
    pub async fn submit_all<F: Future<Output = ()> + Send>(
        &self,
        submissions: &[Submission],
        answered: impl Fn(usize, Reply) -> F + Send + Sync,
    ) {
        let mut leadership = self.leadership.clone();
        let tried = *leadership.borrow_and_update();
        let left: VecDeque<_> = if tried.primary == Primary::Here {
            self.propose_all(submissions, tried, leadership.clone(), &answered).await
        } else {
            (0..submissions.len()).map(|place| (place, First::ToMake)).collect()
        };
        let alone = left.into_iter().map(|(place, first)| {
            // a clone still sees every change since the attempt, so no change of leadership is missed
            let leadership = leadership.clone();
            async move { (place, self.follow(&submissions[place], leadership, tried, first).await) }
        });
        let mut alone: FuturesUnordered<_> = alone.collect();
        while let Some((place, reply)) = alone.next().await {
            answered(place, reply).await;
        }
    }

    /// Hands all updates to this node's door and answers one after the other. Returns the updates that still lack an answer.
    async fn propose_all<F: Future<Output = ()> + Send>(
        &self,
        submissions: &[Submission],
        tried: Leadership,
        mut leadership: watch::Receiver<Leadership>,
        answered: &(impl Fn(usize, Reply) -> F + Send + Sync),
    ) -> VecDeque<(usize, First)> {
        let mut left: VecDeque<_> =
            submissions.iter().map(|submission| self.propose_one(submission)).enumerate().collect();
        let Some(deadline) = submissions.iter().map(|submission| submission.deadline).min() else { return left };
        let mut trouble = pin!(async move {
            tokio::select! {
                () = leadership::moved(&mut leadership, tried) => {}
                () = tokio::time::sleep_until(deadline) => {}
            }
        });
        if left.iter().any(|(_, first)| matches!(first, First::Known(_))) {
            return left; // a refused update is answered at once
        }
        while let Some((place, First::Made(awaited))) = left.front_mut() {
            let place = *place;
            let answer = tokio::select! {
                biased;
                answer = heard(awaited) => answer,
                () = &mut trouble => return left,
            };
            left.pop_front();
            match answer.into() {
                Attempt::Reply(reply) => answered(place, reply).await,
                other => left.push_front((place, First::Known(other))),
            }
        }
        left
    }

    fn propose_one(&self, submission: &Submission) -> First {
        match self.door.enqueue(submission.id, submission.origin, submission.body.clone()) {
            Ok(awaited) => First::Made(awaited),
            Err(error) => First::Known(Err(error).into()),
        }
    }

    /// Follows one update after its first attempt.
    async fn follow(
        &self,
        submission: &Submission,
        mut leadership: watch::Receiver<Leadership>,
        tried: Leadership,
        first: First,
    ) -> Reply {
        let attempt = match first {
            First::ToMake => self.attempt(tried, submission, &mut leadership).await,
            First::Made(mut awaited) => {
                let answer = async { heard(&mut awaited).await.into() };
                unless_moved(answer, tried, submission.deadline, &mut leadership).await
            }
            First::Known(attempt) => attempt,
        };
        self.go_on(submission, leadership, tried, attempt).await
    }
}
