//! One worker of a replay: a connection to a proxy, one request at a time, moved to the next proxy after a failure. Never
//! goes on to a record's next request before the last request has ended. Called by `replay`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chassis::tasks::Tasks;

use super::{
    Pace, Plan,
    report::{End, Meter},
    trace::{Record, Step},
};
use crate::{
    backoff::Backoff,
    http_client::{Answer, Connection, NoAnswer, Post},
};

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// See the module.
pub(super) struct Worker {
    plan: Arc<Plan>,
    meter: Arc<Meter>,
    pace: Arc<Pace>,
    tasks: Tasks,
    /// The proxy in use.
    proxy: usize,
    connection: Option<Connection>,
}

impl Worker {
    /// Workers begin at the proxies in turn.
    pub(super) fn new(number: usize, plan: Arc<Plan>, meter: Arc<Meter>, pace: Arc<Pace>, tasks: Tasks) -> Self {
        let proxy = number % plan.proxies.len();
        Self { plan, meter, pace, tasks, proxy, connection: None }
    }

    /// The requests of one record, one after another.
    pub(super) async fn replay(&mut self, record: &Record) {
        for step in &record.steps {
            self.pace.turn().await;
            let began = Instant::now();
            let end = self.until_it_ends(&post(&self.plan.run_id, record.handle, step), began).await;
            self.meter.ended(step.line, end, began);
        }
    }

    async fn until_it_ends(&mut self, post: &Post, began: Instant) -> End {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let end = match self.attempt(post).await {
                Ok(answer) if !may_be_tried_again(answer.status) => return end_of(&answer),
                Ok(answer) => end_of(&answer),
                Err(why) => End::NoAnswer(why.word()),
            };
            let pause = backoff.pause();
            if began.elapsed() + pause > self.plan.retry_for {
                return end;
            }
            self.meter.retried(&end);
            self.next_proxy();
            tokio::time::sleep(pause).await;
        }
    }

    async fn attempt(&mut self, post: &Post) -> Result<Answer, NoAnswer> {
        let mut connection = match self.connection.take().filter(Connection::usable) {
            Some(connection) => connection,
            None => Connection::open(&self.plan.proxies[self.proxy], &self.tasks).await?,
        };
        let answer = connection.send(post).await?;
        self.connection = Some(connection);
        Ok(answer)
    }

    fn next_proxy(&mut self) {
        self.connection = None;
        self.proxy = (self.proxy + 1) % self.plan.proxies.len();
    }
}

/// The key stands for the line: a second replay of the same file into the same list gets the first answers.
fn post(run_id: &str, handle: u64, step: &Step) -> Post {
    Post {
        path: format!("/records/{handle}?req={}", step.req),
        key: format!("replay-{run_id}-{}", step.line),
        body: step.body.clone(),
    }
}

/// Whether a retry under the same key is safe and may help: the request was not applied, or its outcome is unknown. 502 and
/// 408 are a load balancer's.
fn may_be_tried_again(status: u16) -> bool {
    matches!(status, 408 | 429 | 502 | 503 | 504)
}

/// How a request ended, by its answer.
pub(crate) fn end_of(answer: &Answer) -> End {
    if answer.status == 200 {
        return End::Succeeded { replayed: answer.replayed };
    }
    let body: Option<serde_json::Value> = serde_json::from_slice(&answer.body).ok();
    let code = body.as_ref().and_then(|body| body.get("GSW_ERROR_CODE")?.as_str());
    End::Refused { status: answer.status, code: code.unwrap_or_default().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_temporary_or_unknown_is_tried_again_and_nothing_else() {
        let again: Vec<u16> = (100..600).filter(|status| may_be_tried_again(*status)).collect();
        assert_eq!(again, [408, 429, 502, 503, 504]);
    }

    #[test]
    fn a_refusal_keeps_its_code() {
        let body = br#"{"GSW_USER_EVENT":"Error","GSW_ERROR_CODE":"RECORD_FINALISED"}"#;
        let answer = Answer { status: 404, node: None, replayed: false, body: body.as_slice().into() };
        assert_eq!(end_of(&answer), End::Refused { status: 404, code: "RECORD_FINALISED".to_owned() });
    }
}
