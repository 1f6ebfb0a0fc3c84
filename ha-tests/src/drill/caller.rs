//! A client that behaves like a real one: asks its own HTTP Proxy, goes to the other after a failure, and retries where a retry
//! is safe: after "not applied", for reads, and with an Idempotency-Key. Never makes up an outcome: without an answer the
//! outcome is recorded as unknown. Called by `recorder` and by drills.

use std::{
    io,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use ocs_history::{Act, Outcome, Shown};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use super::{
    call::{Attempt, Call, Ended},
    recorder::Recording,
};
use crate::http::{Answer, Client};

/// Pause between two attempts at one call.
const RETRY_PAUSE: Duration = Duration::from_millis(10);
/// Time for all attempts at one call.
const CALL_PATIENCE: Duration = Duration::from_secs(20);
/// Results of calls that are written: 0 to this.
const RESULTS: i64 = 50;

/// A client. The history holds its calls.
#[derive(Debug)]
pub struct Caller {
    shared: Arc<Recording>,
    clients: Vec<Client>,
    home: usize,
    rng: StdRng,
}

/// The outcome of one attempt.
enum Heard {
    Ended(Ended),
    NotApplied(String),
    Unknown(String),
}

impl Caller {
    pub(super) fn new(shared: Arc<Recording>, home: usize, seed: u64) -> Self {
        let clients = shared.proxies.iter().map(|(_, at)| Client::patient(at, shared.patience)).collect();
        Self { shared, clients, home, rng: StdRng::seed_from_u64(seed) }
    }

    /// One call of a client that mixes all actions.
    pub(super) fn any(&mut self) {
        let number = self.shared.number();
        let result = self.rng.random_range(0..RESULTS);
        let keyed = self.rng.random_ratio(1, 2);
        let drawn = self.rng.random_range(0..100);
        let record = self.shared.record(drawn as usize + number as usize);
        let (act, handle) = match (drawn, record) {
            (20..57, Some(handle)) => (Act::Read, Some(handle)),
            (57..96, Some(handle)) => {
                (Act::Update { call_result: result, attempts: number.cast_signed() }, Some(handle))
            }
            (96..98, Some(handle)) => (Act::Process { call_result: result }, Some(handle)),
            (98.., Some(handle)) => (Act::DoNotCall, Some(handle)),
            _ => (Act::Add, None),
        };
        let keyed = keyed && act != Act::Read;
        self.call(Wanted { number, act, handle, keyed, tries: usize::MAX, closing: false });
    }

    /// One attempt at an AddRecord, at home alone.
    pub fn probe(&mut self) -> Ended {
        let number = self.shared.number();
        self.call(Wanted { number, act: Act::Add, handle: None, keyed: true, tries: 1, closing: false })
    }

    /// Tries an action on a record until its outcome is known.
    pub fn act(&mut self, act: Act, handle: u64) -> Ended {
        let number = self.shared.number();
        self.call(Wanted { number, act, handle: Some(handle), keyed: true, tries: usize::MAX, closing: false })
    }

    /// Reads one record at the end.
    pub(super) fn close(&mut self, handle: u64) {
        let number = self.shared.number();
        let tries = usize::MAX;
        self.call(Wanted { number, act: Act::Read, handle: Some(handle), keyed: false, tries, closing: true });
    }

    fn call(&mut self, wanted: Wanted) -> Ended {
        let phone = if wanted.act == Act::Add { wanted.phone() } else { String::new() };
        let (called_ns, begun) = (self.shared.clock.ns(), Instant::now());
        let (mut attempts, mut unknown, mut ended) = (Vec::new(), false, None);
        for at in 0..wanted.tries {
            let heard = self.attempt(at, &wanted, &mut attempts);
            unknown |= matches!(heard, Heard::Unknown(_));
            if let Heard::Ended(known) = heard {
                ended = Some(known);
                break;
            }
            let may_again = !unknown || wanted.keyed || wanted.act == Act::Read;
            if !may_again || begun.elapsed() > CALL_PATIENCE {
                break;
            }
            thread::sleep(RETRY_PAUSE);
        }
        let ended = ended.unwrap_or(if unknown { Ended::Unknown } else { Ended::NotApplied });
        let Wanted { number, act, handle, keyed, closing, .. } = wanted;
        let over_ns = self.shared.clock.ns();
        let call =
            Call { number, act, handle, phone, keyed, called_ns, over_ns, ended: ended.clone(), attempts, closing };
        self.shared.record_call(call);
        ended
    }

    fn attempt(&mut self, at: usize, wanted: &Wanted, attempts: &mut Vec<Attempt>) -> Heard {
        let at = (self.home + at) % self.clients.len();
        let from_ns = self.shared.clock.ns();
        let heard = wanted.send(&mut self.clients[at], &self.shared.list);
        let (to_ns, proxy) = (self.shared.clock.ns(), self.shared.proxies[at].0);
        let failure = match &heard {
            Heard::Ended(_) => None,
            Heard::NotApplied(why) | Heard::Unknown(why) => Some(why.clone()),
        };
        self.shared.heard(at, failure.is_none());
        attempts.push(Attempt { proxy, from_ns, to_ns, failure });
        heard
    }
}

/// A call and its settings.
struct Wanted {
    number: u64,
    act: Act,
    handle: Option<u64>,
    keyed: bool,
    tries: usize,
    closing: bool,
}

impl Wanted {
    fn phone(&self) -> String {
        format!("+1555{:09}", self.number)
    }

    /// The body, the same in every attempt; its number makes each call different from all others, so that no window takes a
    /// call for a repetition.
    fn body(&self) -> Value {
        let mut body = json!({ "GSW_REFERENCE_ID": self.number });
        match &self.act {
            Act::Add => body["GSW_PHONE"] = json!(self.phone()),
            Act::Update { call_result, attempts } => {
                body["GSW_CALL_RESULT"] = json!(call_result);
                body["GSW_ATTEMPTS"] = json!(attempts);
            }
            Act::Process { call_result } => body["GSW_CALL_RESULT"] = json!(call_result),
            Act::DoNotCall | Act::Read => {}
        }
        body
    }

    fn send(&self, client: &mut Client, list: &str) -> Heard {
        if let Err(error) = client.connect_first() {
            return Heard::NotApplied(format!("no connection: {error}"));
        }
        let handle = self.handle.unwrap_or_default();
        let request = match self.act {
            Act::Add => format!("/lists/{list}?req=AddRecord"),
            Act::Update { .. } => format!("/records/{handle}?req=UpdateCallCompletionStats"),
            Act::Process { .. } => format!("/records/{handle}?req=RecordProcessed"),
            Act::DoNotCall => format!("/records/{handle}?req=DoNotCall"),
            Act::Read => format!("/records/{handle}"),
        };
        let key = format!("{list}-{}", self.number);
        let headers: &[(&str, &str)] = if self.keyed { &[("Idempotency-Key", &key)] } else { &[] };
        let answer = match self.act {
            Act::Read => client.send("GET", &request, &[], ""),
            _ => client.send("POST", &request, headers, &self.body().to_string()),
        };
        self.heard(answer)
    }

    fn heard(&self, answer: io::Result<Answer>) -> Heard {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return Heard::Unknown(format!("the connection broke: {error}")),
        };
        let told = || format!("{} {}", answer.status, answer.body);
        match (answer.status, &self.act) {
            (200, Act::Add) => Heard::Ended(Ended::Added(answer.handle())),
            // The last state that the node knew, labelled as such: no claim about now.
            (200, Act::Read) if answer.header("x-ocs-stale").is_some() => Heard::NotApplied(told()),
            (200, Act::Read) => Heard::Ended(Ended::Answered(Outcome::Shown(shown(&answer)))),
            (200, _) => Heard::Ended(Ended::Answered(Outcome::Done)),
            (429 | 503, _) => Heard::NotApplied(told()),
            (500.., _) => Heard::Unknown(told()),
            _ => Heard::Ended(Ended::Answered(Outcome::Refused(answer.verdict().1))),
        }
    }
}

fn shown(answer: &Answer) -> Shown {
    let body = answer.json();
    let int = |name: &str| body[name].as_i64().unwrap_or(-1);
    Shown {
        status: int("GSW_RECORD_STATUS"),
        kind: int("GSW_RECORD_TYPE"),
        call_result: int("GSW_CALL_RESULT"),
        attempts: int("GSW_ATTEMPTS"),
    }
}
