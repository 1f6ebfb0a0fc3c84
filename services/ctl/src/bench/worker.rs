//! One client of a load: a connection, one request at a time. A client that got no answer, or 503, pauses and goes on at the next
//! front end. Never sends a request twice. Called by `bench`.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use chassis::tasks::Tasks;
use serde_json::Value;

use super::{Plan, Shared, Work};
use crate::{
    failure::Failure,
    http_client::{Answer, Connection, NoAnswer, Post},
    replay::{End, end_of},
};

/// After a request without an answer, and after 503: a front end that is away must not be asked in a tight loop.
const PAUSE: Duration = Duration::from_millis(50);
/// Event of an answer that hands a record out.
const PREVIEW: &str = "PreviewRecord";
/// Event of an answer where no record can be handed out.
const EMPTY: &str = "PreviewRecordEmpty";

/// See the module.
pub(super) struct Worker {
    number: u64,
    shared: Arc<Shared>,
    /// The front end in use.
    target: usize,
    connection: Option<Connection>,
    /// Requests so far.
    sent: u64,
}

/// A request that is not sent yet.
enum Asked {
    Get(String),
    Post(Post),
}

impl Worker {
    /// A connection for each client, at the front ends in turn.
    ///
    /// # Errors
    /// A front end takes no connection.
    pub(super) async fn connect_all(plan: &Plan, connections: &Tasks) -> Result<Vec<Connection>, Failure> {
        let mut opened = Vec::with_capacity(plan.clients);
        for number in 0..plan.clients {
            let target = &plan.targets[number % plan.targets.len()];
            let connection = Connection::open(target, connections).await;
            opened.push(connection.map_err(|why| Failure::Unreachable(format!("{target}: {}", why.word())))?);
        }
        Ok(opened)
    }

    /// A client over an open connection; `number` is its place among the clients.
    pub(super) fn new(number: usize, connection: Connection, shared: Arc<Shared>) -> Self {
        let target = number % shared.plan.targets.len();
        Self { number: number as u64, shared, target, connection: Some(connection), sent: 0 }
    }

    /// One request, measured. False: there is nothing left to ask for.
    pub(super) async fn sample(&mut self) -> bool {
        let asked = self.ask();
        let began = Instant::now();
        let outcome = self.attempt(&asked).await;
        let end = outcome.as_ref().map_or_else(|why| End::NoAnswer(why.word()), end_of);
        let handle = match (&self.shared.plan.work, &outcome) {
            (Work::Preview(_), Ok(answer)) if answer.status == 200 => match handed_out(answer) {
                Preview::Handle(handle) => Some(handle),
                Preview::Empty => {
                    self.shared.is_dry.store(true, Relaxed);
                    return false;
                }
                Preview::Other => None,
            },
            _ => None,
        };
        let must_pause = outcome.as_ref().map_or(true, |answer| answer.status == 503);
        self.shared.meter.ended(0, end, began);
        if let Some(handle) = handle {
            self.give_back(handle).await;
        }
        if must_pause {
            self.next_target();
            tokio::time::sleep(PAUSE).await;
        }
        true
    }

    /// The record goes back to its group, unchanged.
    async fn give_back(&mut self, handle: u64) {
        let post = self.post(format!("/records/{handle}?req=RecordReject"), "{}".to_owned());
        let outcome = self.attempt(&Asked::Post(post)).await;
        if !outcome.is_ok_and(|answer| answer.status == 200) {
            self.shared.kept.fetch_add(1, Relaxed);
        }
    }

    /// The next request of this client.
    fn ask(&mut self) -> Asked {
        match &self.shared.plan.work {
            Work::Get(handles) => Asked::Get(format!("/records/{}", any(handles))),
            Work::Update(handles) => {
                let path = format!("/records/{}?req=UpdateCallCompletionStats", any(handles));
                let note: u64 = rand::random();
                Asked::Post(self.post(path, format!("{{\"bench_note\":\"{note:0>128}\"}}")))
            }
            Work::Preview(group) => {
                let path = format!("/campaigngroups/{group}?req=PreviewRecordRequest");
                let agent = self.number;
                Asked::Post(self.post(path, format!("{{\"GSW_AGENT_ID\":\"bench-{agent}\"}}")))
            }
        }
    }

    /// A request under a key of its own: no answer is that of an earlier request.
    fn post(&mut self, path: String, body: String) -> Post {
        self.sent += 1;
        let key = format!("bench-{:016x}-{}-{}", self.shared.run_id, self.number, self.sent);
        Post { path, key, body: body.into() }
    }

    async fn attempt(&mut self, asked: &Asked) -> Result<Answer, NoAnswer> {
        let mut connection = match self.connection.take().filter(Connection::usable) {
            Some(connection) => connection,
            None => Connection::open(&self.shared.plan.targets[self.target], &self.shared.connections).await?,
        };
        let answer = match asked {
            Asked::Get(path) => connection.get(path).await?,
            Asked::Post(post) => connection.send(post).await?,
        };
        self.connection = Some(connection);
        Ok(answer)
    }

    fn next_target(&mut self) {
        self.connection = None;
        self.target = (self.target + 1) % self.shared.plan.targets.len();
    }
}

/// One of the handles; the list has at least one.
fn any(handles: &[u64]) -> u64 {
    handles[rand::random_range(0..handles.len())]
}

/// The meaning of an answer to a preview.
#[derive(Debug, PartialEq, Eq)]
enum Preview {
    /// A record, by its handle.
    Handle(u64),
    /// No record can be handed out now.
    Empty,
    /// Something else.
    Other,
}

fn handed_out(answer: &Answer) -> Preview {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match (body["GSW_USER_EVENT"].as_str(), body["GSW_RECORD_HANDLE"].as_u64()) {
        (Some(PREVIEW), Some(handle)) => Preview::Handle(handle),
        (Some(EMPTY), _) => Preview::Empty,
        _ => Preview::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_to_a_preview_is_a_record_or_none_or_something_else() {
        for (body, meaning) in [
            (r#"{"GSW_USER_EVENT":"PreviewRecord","GSW_RECORD_HANDLE":7}"#, Preview::Handle(7)),
            (r#"{"GSW_USER_EVENT":"PreviewRecord"}"#, Preview::Other),
            (r#"{"GSW_USER_EVENT":"PreviewRecordEmpty"}"#, Preview::Empty),
            ("not JSON", Preview::Other),
        ] {
            let answer = Answer { status: 200, node: None, replayed: false, body: body.into() };
            assert_eq!(handed_out(&answer), meaning, "{body}");
        }
    }
}
