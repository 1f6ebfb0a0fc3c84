//! The campaign of the simulation: its list, its declaration, the requests of its callers, and how their replies read.
//!
//! Never knows of nodes. Called by `callers`, `duties`, `hand_outs` and `requests`.

use outbound::{
    ApplyDeclaration, Attributes, Body, DUE_RECORDS_MAX, DoNotCallBatch, DoNotCallRow, DoNotCallScope, Done, Handle,
    ImportBatch, ImportRow, NewList, Reply, ReplyBody, Request, Resource, Value, Verb,
    declaration::{
        CampaignList, CampaignLists, Declaration, DeclaredCampaign, DeclaredGroup, DeclaredLimit, DeclaredOption,
    },
    key,
};

/// DBID of the campaign group.
pub(super) const GROUP: u32 = 301;
/// Phones that records of the campaign have.
pub(super) const PHONES: u64 = 16;
/// The phone of the queue.
pub(super) const QUEUE_PHONE: &str = "+17770000000";
/// A record on which no request came for so long is Ready again, seconds: short enough for a run.
pub(super) const RETRIEVED_TIMEOUT_S: u64 = 1;

const LIST: &str = "campaign";
const CAMPAIGN: &str = "Calls";
/// Records of each chain that is there from the beginning.
const CHAINS: [u64; 5] = [3, 3, 2, 2, 2];
/// The first of these chains: the queue's chains come before them.
const CHAIN_FIRST: u64 = 1_001;
/// Records of the queue: more than one command may pass over.
const QUEUE: u64 = DUE_RECORDS_MAX as u64 + 4;
/// A rejected record is not handed out for so long, seconds.
const REJECT_PAUSE_S: u64 = 1;
/// The beginning of 14 November 2023, the day of every run, UTC seconds.
const DAY_S: u64 = 1_699_920_000;
/// Call result of a processed attempt: Answer.
const ANSWER: i64 = 33;

/// A contact limit per phone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    /// Attempts, at most.
    pub(super) max: u32,
    /// Within so many seconds.
    pub(super) within_s: u32,
}

/// A call attempt, as PreviewRecord names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CallAttempt {
    pub(super) handle: Handle,
    /// As the reply shows it.
    pub(super) guid: String,
    /// Its digits.
    pub(super) phone: String,
    pub(super) chain_id: i64,
}

/// The question of a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ask {
    Preview,
    /// Ends an attempt, or comes late for its end.
    Process(CallAttempt),
    Reject(CallAttempt),
    /// To a time, UTC seconds.
    Reschedule(CallAttempt, u64),
    /// Adds a phone, to a chain or as a chain of its own.
    Add(String, Option<i64>),
    /// DoNotCall by phone.
    Stop(String),
    /// An operator's Do-Not-Call entry, which marks no record.
    Enter(String),
}

// === what the campaign is made of ===

/// The list and its records, under the first rules version.
pub(super) fn first_commands() -> [Body; 2] {
    let list = NewList { name: LIST.to_owned(), time_zone: "UTC".to_owned(), fields: Vec::new() };
    let chains = (CHAIN_FIRST..).zip(CHAINS);
    let places = chains.flat_map(|(chain_id, records)| (0..records).map(move |chain_n| (chain_id, chain_n)));
    let rows = (0..).zip(places).map(|(number, (chain_id, chain_n))| row(&phone(number, false), chain_id, chain_n));
    [Body::CreateList(list), import("first", rows.collect())]
}

/// Records of one phone, ahead of all others: once the phone is on Do-Not-Call, a preview passes over all of them.
pub(super) fn queue() -> Body {
    import("queue", (1..=QUEUE).map(|chain_id| row(QUEUE_PHONE, chain_id, 0)).collect())
}

fn row(phone: &str, chain_id: u64, chain_n: u64) -> ImportRow {
    ImportRow { values: vec![phone.to_owned(), chain_id.to_string(), chain_n.to_string()] }
}

fn import(name: &str, rows: Vec<ImportRow>) -> Body {
    let columns = ["contact_info", "chain_id", "chain_n"].map(str::to_owned).to_vec();
    let import_id = name.as_bytes().to_vec();
    Body::ImportBatch(ImportBatch { list: LIST.to_owned(), import_id, first_row: 1, columns, rows })
}

/// The campaign, its group, a contact limit, and times that are short enough for a run.
pub(super) fn declaration(limit: Limit) -> Body {
    let option = |key: &str, seconds: u64| DeclaredOption { key: key.to_owned(), value: seconds.to_string() };
    let lists = vec![CampaignList { list: LIST.to_owned(), weight: None }];
    let campaign = DeclaredCampaign {
        name: CAMPAIGN.to_owned(),
        lists: Some(CampaignLists { lists }),
        ..DeclaredCampaign::default()
    };
    let declaration = Declaration {
        options: vec![option("reject_pause", REJECT_PAUSE_S), option("retrieved_timeout", RETRIEVED_TIMEOUT_S)],
        campaigns: vec![campaign],
        campaign_groups: vec![declared_group()],
        contact_limits: vec![declared_limit(limit)],
        ..Declaration::default()
    };
    Body::ApplyDeclaration(Box::new(ApplyDeclaration { declaration, revision: 0, prune: false }))
}

fn declared_group() -> DeclaredGroup {
    DeclaredGroup {
        campaign: CAMPAIGN.to_owned(),
        group: "Callers".to_owned(),
        dbid: Some(GROUP),
        desktop_chains_limit: Some(0),
    }
}

fn declared_limit(limit: Limit) -> DeclaredLimit {
    DeclaredLimit {
        name: "attempts".to_owned(),
        campaign: Some(CAMPAIGN.to_owned()),
        max: Some(limit.max),
        per: Some("phone".to_owned()),
        within: Some(limit.within_s),
        ..DeclaredLimit::default()
    }
}

/// An operator's Do-Not-Call entry of a phone; a batch that is sent again under its name changes nothing.
pub(super) fn entry(phone: &str, name: &[u8]) -> Body {
    let row = DoNotCallRow { phone: phone.to_owned(), ..DoNotCallRow::default() };
    Body::DoNotCallBatch(DoNotCallBatch {
        scope: DoNotCallScope::default(),
        import_id: name.to_vec(),
        first_row: 1,
        source: "sim".to_owned(),
        rows: vec![row],
    })
}

/// Loads the campaign group.
pub(super) fn load() -> Body {
    Body::Request(request(Verb::LoadCampaign, group(), Attributes::default(), None))
}

fn group() -> Resource {
    Resource::CampaignGroup(GROUP.to_string())
}

// === requests ===

impl Ask {
    /// The body of an operation, the same in every attempt.
    pub(super) fn body(&self, agent: &str, operation: u64, idempotency_key: Option<Vec<u8>>) -> Body {
        let mut attributes = Attributes::default();
        attributes.set(key::REFERENCE_ID, Value::Int(operation.cast_signed()));
        let (verb, resource) = match self {
            Self::Preview => {
                attributes.set(key::AGENT_ID, Value::text(agent));
                (Verb::PreviewRecordRequest, group())
            }
            Self::Process(attempt) => {
                attributes.set(key::CALL_RESULT, Value::Int(ANSWER));
                (Verb::RecordProcessed, attempt.named_in(&mut attributes))
            }
            Self::Reject(attempt) => (Verb::RecordReject, attempt.named_in(&mut attributes)),
            Self::Reschedule(attempt, at_s) => {
                attributes.set(key::DATE_TIME, Value::Str(time_of(*at_s)));
                (Verb::RecordReschedule, attempt.named_in(&mut attributes))
            }
            Self::Add(phone, chain_id) => {
                attributes.set(key::PHONE, Value::text(phone.as_str()));
                if let Some(chain_id) = chain_id {
                    attributes.set(key::CHAIN_ID, Value::Int(*chain_id));
                }
                (Verb::AddRecord, Resource::List(LIST.to_owned()))
            }
            Self::Stop(phone) => (Verb::DoNotCall, Resource::Phone(phone.clone())),
            Self::Enter(phone) => return entry(phone, &operation.to_be_bytes()),
        };
        Body::Request(request(verb, resource, attributes, idempotency_key))
    }

    /// Effects of a done operation; none: the state decides whether a record changes.
    pub(super) fn effects(&self) -> Option<u32> {
        match self {
            Self::Process(_) | Self::Reject(_) | Self::Reschedule(..) | Self::Add(..) => Some(1),
            Self::Preview | Self::Stop(_) | Self::Enter(_) => None,
        }
    }
}

impl CallAttempt {
    /// The attempt of a PreviewRecord; none: another reply.
    pub(super) fn of(reply: &Reply) -> Option<Self> {
        let ReplyBody::Done(done) = &reply.body else { return None };
        if done.event != Verb::PreviewRecordRequest.event() {
            return None;
        }
        Some(Self {
            handle: Handle(int(done, key::RECORD_HANDLE)?.unsigned_abs()),
            guid: text(done, key::CALL_ATTEMPT_GUID)?.to_owned(),
            phone: digits(text(done, key::PHONE)?),
            chain_id: int(done, key::CHAIN_ID)?,
        })
    }

    /// The record; its attempt is named in the attributes.
    fn named_in(&self, attributes: &mut Attributes) -> Resource {
        attributes.set(key::CALL_ATTEMPT_GUID, Value::text(self.guid.as_str()));
        Resource::Record(self.handle)
    }
}

fn request(verb: Verb, resource: Resource, attributes: Attributes, idempotency_key: Option<Vec<u8>>) -> Request {
    Request { verb, resource, attributes, tenant: String::new(), principal: String::new(), idempotency_key }
}

fn value<'a>(done: &'a Done, name: &str) -> Option<&'a Value> {
    done.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

fn int(done: &Done, name: &str) -> Option<i64> {
    match value(done, name) {
        Some(Value::Int(number)) => Some(*number),
        _ => None,
    }
}

fn text<'a>(done: &'a Done, name: &str) -> Option<&'a str> {
    match value(done, name) {
        Some(Value::Str(text)) => Some(text),
        _ => None,
    }
}

// === phones and times ===

/// A phone of the campaign; `spelt`: in another spelling of the same number.
pub(super) fn phone(number: u64, spelt: bool) -> String {
    if spelt { format!("+1 666 00-00 {number:02}") } else { format!("+16660000{number:02}") }
}

/// The digits of a phone: the same in every spelling.
pub(super) fn digits(phone: &str) -> String {
    phone.chars().filter(char::is_ascii_digit).collect()
}

/// GSW_DATE_TIME of UTC seconds, within the day of the runs.
fn time_of(at_s: u64) -> String {
    let second = at_s.saturating_sub(DAY_S).min(86_399);
    format!("2023-11-14T{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_that_of_the_day_of_the_runs() {
        assert_eq!(time_of(1_700_000_001), "2023-11-14T22:13:21");
        assert_eq!(time_of(DAY_S + 2 * 86_400), "2023-11-14T23:59:59");
    }

    #[test]
    fn both_spellings_are_one_phone() {
        for number in 0..PHONES {
            let [plain, spelt] = [false, true].map(|spelt| phone(number, spelt));
            assert_ne!(plain, spelt);
            assert_eq!(records::canonical_phone(&plain), records::canonical_phone(&spelt));
            assert_eq!(digits(&plain), digits(&spelt));
        }
    }
}
