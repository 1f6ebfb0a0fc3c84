//! A record of the model: its states, its types, and its changes by requests and attempts.

pub const READY: i64 = 1;
pub const RETRIEVED: i64 = 2;
pub const UPDATED: i64 = 3;
pub const CANCELLED: i64 = 5;
pub const AGENT_ERROR: i64 = 6;
pub const CHAIN_UPDATED: i64 = 7;
pub const MISSED_CALLBACK: i64 = 8;

pub const GENERAL: i64 = 2;
pub const CAMPAIGN_RESCHEDULED: i64 = 3;
pub const PERSONAL_RESCHEDULED: i64 = 4;
pub const PERSONAL_CALLBACK: i64 = 5;
pub const CAMPAIGN_CALLBACK: i64 = 6;
pub const NO_CALL: i64 = 7;

pub const DO_NOT_CALL: i64 = 51;
pub const CANCEL_RECORD: i64 = 52;
pub const UNKNOWN: i64 = 28;

/// A reschedule that waits for the end of an attempt.
#[derive(Debug, Clone)]
pub struct Pending {
    pub kind: i64,
    pub due_s: i64,
    pub agent: String,
}

/// The attempt for which a record is handed out.
#[derive(Debug, Clone)]
pub struct Held {
    pub since_us: u64,
    /// The last request on the record.
    pub touched_us: u64,
    /// Position of the group.
    pub group: usize,
    pub pending: Option<Pending>,
    pub attempts_set: bool,
    /// As the reply gave it.
    pub guid: String,
}

#[derive(Debug, Clone)]
pub struct Record {
    pub handle: u64,
    pub list: usize,
    pub chain: u64,
    pub n: u64,
    pub phone: String,
    pub customer: String,
    /// IANA name of the record's own zone.
    pub zone: Option<&'static str>,
    pub from: i64,
    pub till: i64,
    pub kind: i64,
    pub status: i64,
    pub result: i64,
    pub attempt: i64,
    pub due_s: Option<i64>,
    pub call_time: Option<i64>,
    pub agent: String,
    pub agent_before: String,
    pub treatments: String,
    pub held: Option<Held>,
    /// The end of a pause after a reject.
    pub paused_s: Option<i64>,
    /// The end of a limit that held the record back at a preview.
    pub limited_s: Option<i64>,
}

impl Record {
    pub fn is_open(&self) -> bool {
        self.status == READY || self.status == RETRIEVED
    }

    /// A personal callback becomes the same kind of campaign callback, and no agent's any more.
    pub fn becomes_the_campaigns(&mut self) {
        let kind = campaigns_kind(self.kind);
        if kind != self.kind {
            self.agent.clear();
        }
        self.kind = kind;
    }

    /// Ready, and of a type that is called.
    pub fn is_to_be_called(&self) -> bool {
        self.status == READY && (self.kind == GENERAL || self.is_callback())
    }

    /// Types 3 to 6.
    pub fn is_callback(&self) -> bool {
        (CAMPAIGN_RESCHEDULED..=CAMPAIGN_CALLBACK).contains(&self.kind)
    }

    /// The types of callbacks that wait for one agent.
    pub fn is_personal(&self) -> bool {
        [PERSONAL_RESCHEDULED, PERSONAL_CALLBACK].contains(&self.kind) && !self.agent.is_empty()
    }

    pub fn set(&mut self, result: Option<i64>, attempts: Option<i64>) {
        self.result = result.unwrap_or(self.result);
        self.attempt = attempts.unwrap_or(self.attempt);
        if let Some(held) = &mut self.held {
            held.attempts_set |= attempts.is_some();
        }
    }

    /// Ready, and neither held nor held back.
    pub fn ready(&mut self) {
        (self.status, self.held, self.paused_s, self.limited_s) = (READY, None, None, None);
    }

    /// Ready again as before the hand-out.
    pub fn give_back(&mut self) {
        self.ready();
        self.agent.clone_from(&self.agent_before);
    }

    pub fn finalise(&mut self, status: i64) {
        self.ready();
        self.status = status;
    }

    /// The marks of Do-Not-Call.
    pub fn stop(&mut self) {
        self.finalise(UPDATED);
        (self.kind, self.result) = (NO_CALL, DO_NOT_CALL);
    }
}

/// The campaign's type of a personal type.
fn campaigns_kind(kind: i64) -> i64 {
    match kind {
        PERSONAL_RESCHEDULED => CAMPAIGN_RESCHEDULED,
        PERSONAL_CALLBACK => CAMPAIGN_CALLBACK,
        kind => kind,
    }
}
