//! One update on its own way after its first attempt: waits and attempts as [`crate::policy`] says, until its reply.

use std::{slice, sync::Arc};

use futures::StreamExt;
use outbound::Reply;
use tokio::{sync::watch, time::sleep_until};

use crate::{
    Engine, Heard, Standing, Submission,
    policy::{Course, Step},
    route::{Route, changed},
};

/// Takes the policy's step, and all steps after it.
pub(crate) async fn follow<E: Engine>(
    route: Arc<Route<E>>,
    mut submission: Submission,
    mut course: Course,
    mut step: Step,
    mut standing: watch::Receiver<Standing>,
) -> Reply {
    let mut held = None;
    loop {
        step = match step {
            Step::Answer(reply) => return reply,
            Step::Attempt => {
                let heard = attempt(&route, &mut submission, &mut course, &mut standing).await;
                route.note(&heard);
                course.on(heard, || route.now(&standing))
            }
            Step::Wait(until) => {
                if held.is_none() {
                    held = route.hold.enter(submission.body.bytes().len());
                }
                if held.is_none() {
                    return course.not_held();
                }
                tokio::select! {
                    () = sleep_until(route.instant(until)) => {}
                    () = changed(&mut standing) => {}
                }
                course.on_wake(route.now(&standing))
            }
        }
    }
}

/// One attempt where updates go now; given up once an answer is not worth waiting for.
async fn attempt<E: Engine>(
    route: &Route<E>,
    submission: &mut Submission,
    course: &mut Course,
    standing: &mut watch::Receiver<Standing>,
) -> Heard {
    let tried = *standing.borrow_and_update();
    submission.id = course.attempt(tried);
    let mut attempts = route.engine.submit(slice::from_ref(&*submission), tried);
    let deadline = submission.deadline;
    let unanswered = async {
        loop {
            if let Some(heard) = course.unanswered(route.now(standing)) {
                return heard;
            }
            tokio::select! {
                () = sleep_until(deadline) => {}
                () = changed(standing) => {}
            }
        }
    };
    tokio::select! {
        biased;
        outcome = attempts.next() => outcome.map_or(Heard::Lost, |(_, heard)| heard),
        heard = unanswered => heard,
    }
}
