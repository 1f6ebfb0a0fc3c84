//! Campaigns of a test's group, and their agents: clients of both HTTP Proxies, which ask the other one after a failure. Never
//! judges. Called by tests and drills.

use std::{
    fs, io, thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    cluster::Cluster,
    http::{Answer, Client},
    poll::PATIENCE,
};

/// Pause between two attempts at one request.
const RETRY_PAUSE: Duration = Duration::from_millis(20);
/// Time for an answer that no agent waits for.
const UNHEARD: Duration = Duration::from_millis(1);
/// Statuses after which the same request is sent again: not applied, or not known.
const AGAIN: [u16; 4] = [408, 429, 503, 504];
/// The status of a request whose outcome is not known.
const NOT_KNOWN: u16 = 504;

/// Applies a declaration.
///
/// # Panics
/// When the group refuses the declaration.
pub fn declare(cluster: &Cluster, text: &str) {
    fs::write(cluster.path("declared.toml"), text).expect("a temporary file can be written");
    cluster.ctl(&["apply", "-f", "declared.toml"]).fine();
}

/// Imports records, a header and rows, into a list.
///
/// # Panics
/// When the import fails.
pub fn import(cluster: &Cluster, list: &str, rows: &str) {
    let file = format!("{list}.csv");
    fs::write(cluster.path(&file), rows).expect("a temporary file can be written");
    cluster.ctl(&["list", "import", list, &file]).fine();
}

/// Loads a campaign group.
///
/// # Panics
/// When the group is not loaded afterwards.
pub fn load(cluster: &Cluster, group: &str) {
    let loaded = cluster.http("a").post(&format!("/campaigngroups/{group}?req=LoadCampaign"), "");
    assert_eq!((loaded.status, loaded.attribute("GSW_USER_EVENT")), (200, json!("CampaignLoaded")), "{loaded:?}");
}

/// The campaign group that `ocsctl group show` shows for a name.
pub fn shown(cluster: &Cluster, group: &str) -> Value {
    cluster.ctl(&["group", "show", group, "-o", "json"]).json()[0].clone()
}

/// A record that was handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandedOut {
    /// The handle.
    pub handle: u64,
    /// The chain.
    pub chain: u64,
    /// The place in the chain, from 0.
    pub chain_n: u64,
    /// The phone as stored.
    pub phone: String,
    /// GUID of the attempt: another one each time that a record is handed out.
    pub guid: String,
}

impl HandedOut {
    /// Out of an answer; none: no record is dialable.
    fn of(answer: &Answer) -> Option<Self> {
        let event = answer.attribute("GSW_USER_EVENT");
        if event == "PreviewRecordEmpty" {
            return None;
        }
        assert!(answer.status == 200 && event == "PreviewRecord", "{answer:?}");
        let absent = |name: &str| format!("no {name} in {answer:?}");
        let number = |name: &str| answer.attribute(name).as_u64().unwrap_or_else(|| panic!("{}", absent(name)));
        let text = |name: &str| match answer.attribute(name) {
            Value::String(text) => text,
            _ => panic!("{}", absent(name)),
        };
        Some(Self {
            handle: number("GSW_RECORD_HANDLE"),
            chain: number("GSW_CHAIN_ID"),
            chain_n: number("GSW_CHAIN_N"),
            phone: text("GSW_PHONE"),
            guid: text("GSW_CALL_ATTEMPT_GUID"),
        })
    }
}

/// An agent.
#[derive(Debug)]
pub struct Agent {
    name: String,
    addresses: Vec<String>,
    doors: Vec<Client>,
    at: usize,
    keyed: bool,
    asked: u64,
    unknown: u64,
}

impl Agent {
    /// Asks at the HTTP Proxy of `home` first. `keyed`: each request has an Idempotency-Key, the same at every attempt.
    pub fn new(cluster: &Cluster, name: &str, home: &str, keyed: bool) -> Self {
        let addresses = [home, cluster.other(home)].map(|node| cluster.settings().address(node, "http"));
        let doors = addresses.iter().map(|address| Client::new(address)).collect();
        Self { name: name.to_owned(), addresses: addresses.to_vec(), doors, at: 0, keyed, asked: 0, unknown: 0 }
    }

    /// Whether each request has an Idempotency-Key.
    pub fn is_keyed(&self) -> bool {
        self.keyed
    }

    /// Attempts so far whose outcome is not known: 504, or the connection broke after the request was sent.
    pub fn unknown(&self) -> u64 {
        self.unknown
    }

    /// Sends a request until an answer stands.
    ///
    /// # Panics
    /// When there is no answer in time.
    pub fn ask(&mut self, target: &str, body: &Value) -> Answer {
        self.ask_until_answered(self.keyed, target, body)
    }

    fn ask_until_answered(&mut self, keyed: bool, target: &str, body: &Value) -> Answer {
        self.asked += 1;
        let (key, begun) = (format!("{}-{}", self.name, self.asked), Instant::now());
        let with_key = [("Idempotency-Key", key.as_str())];
        let headers: &[(&str, &str)] = if keyed { &with_key } else { &[] };
        loop {
            let failure = match self.attempt(target, headers, &body.to_string()) {
                Ok(answer) if !AGAIN.contains(&answer.status) => return answer,
                Ok(answer) => format!("{} {}", answer.status, answer.body),
                Err(error) => error.to_string(),
            };
            assert!(begun.elapsed() < PATIENCE, "{} gets no answer to {target} {body}: {failure}", self.name);
            self.at = (self.at + 1) % self.doors.len();
            thread::sleep(RETRY_PAUSE);
        }
    }

    fn attempt(&mut self, target: &str, headers: &[(&str, &str)], body: &str) -> io::Result<Answer> {
        let door = &mut self.doors[self.at];
        door.connect_first()?;
        let answer = door.send("POST", target, headers, body);
        let is_known = answer.as_ref().is_ok_and(|answer| answer.status != NOT_KNOWN);
        self.unknown += u64::from(!is_known);
        answer
    }

    fn preview_request(&self, group: &str) -> (String, Value) {
        (format!("/campaigngroups/{group}?req=PreviewRecordRequest"), json!({ "GSW_AGENT_ID": self.name }))
    }

    /// The next record of a campaign group; none: no record is dialable now.
    ///
    /// # Panics
    /// When the answer is neither.
    pub fn preview(&mut self, group: &str) -> Option<HandedOut> {
        let (target, body) = self.preview_request(group);
        HandedOut::of(&self.ask(&target, &body))
    }

    /// Asks for the next record, and is gone before the answer.
    pub fn preview_unheard(&self, group: &str) {
        let (target, body) = self.preview_request(group);
        let mut door = Client::patient(&self.addresses[self.at], UNHEARD);
        let _ = door.send("POST", &target, &[], &body.to_string()); // the answer, if any, is thrown away
    }

    /// Reports the result of a call. The record may be finalised: by an attempt whose answer was lost, or by Do-Not-Call.
    ///
    /// # Panics
    /// When the report is refused for another reason.
    pub fn report(&mut self, record: &HandedOut, result: &str) {
        self.report_as(self.keyed, record, result);
    }

    /// The same with an Idempotency-Key, whatever the habit of the agent: the result counts once even where the record is open
    /// again after the first attempt at the report.
    ///
    /// # Panics
    /// As [`Agent::report`].
    pub fn report_keyed(&mut self, record: &HandedOut, result: &str) {
        self.report_as(true, record, result);
    }

    fn report_as(&mut self, keyed: bool, record: &HandedOut, result: &str) {
        let target = format!("/records/{}?req=RecordProcessed", record.handle);
        let body = json!({ "GSW_CALL_RESULT": result, "GSW_CALL_ATTEMPT_GUID": record.guid });
        let answer = self.ask_until_answered(keyed, &target, &body);
        let is_finalised = answer.verdict() == (404, "RECORD_FINALISED".to_owned());
        assert!(answer.status == 200 || is_finalised, "{answer:?}");
    }
}
