//! The steps of a sequence, as requests and as the model reads them, and random ones.

use outbound::{Request, Resource, Value, Verb, key};

use crate::{
    config::{CUSTOMER_COLUMN, Config, FIRST_GROUP, NORTH, RESULTS, ZONES, iana},
    model::Model,
    random::Random,
    record::{READY, RETRIEVED},
    time,
};

/// A time as a request gives it.
#[derive(Debug, Clone, Copy)]
pub enum When {
    /// `MM/dd/yyyy HH:mm`, a local time.
    Minute(i64),
    /// ISO 8601 without an offset, a local time.
    Iso(i64),
    /// ISO 8601 in UTC.
    Utc(i64),
}

impl When {
    fn text(self) -> String {
        match self {
            Self::Minute(local_s) => time::minute_text(local_s),
            Self::Iso(local_s) => time::iso_text(local_s),
            Self::Utc(at_s) => format!("{}Z", time::iso_text(at_s)),
        }
    }

    /// The instant, read in a zone.
    pub fn at_s(self, zone: &str) -> i64 {
        match self {
            Self::Minute(local_s) | Self::Iso(local_s) => time::instant(zone, local_s),
            Self::Utc(at_s) => at_s,
        }
    }
}

/// The resource of a cancellation or of DoNotCall.
#[derive(Debug, Clone)]
pub enum On {
    Record(u64),
    Phone(String, &'static str),
    Customer(String, &'static str),
}

#[derive(Debug, Clone)]
pub struct Add {
    pub list: usize,
    pub phone: String,
    pub customer: String,
    pub chain: Option<u64>,
    pub window: Option<(i64, i64)>,
    pub zone: Option<&'static str>,
    pub when: Option<When>,
    pub agent: &'static str,
    pub attempts: Option<i64>,
    pub result: Option<i64>,
}

#[derive(Debug, Clone)]
pub struct Reschedule {
    pub handle: u64,
    /// ScheduledRecordReschedule.
    pub scheduled: bool,
    pub when: When,
    pub zone: Option<&'static str>,
    pub personal: bool,
    pub agent: &'static str,
    pub result: Option<i64>,
    pub guid: Option<String>,
}

#[derive(Debug, Clone)]
pub enum Step {
    Add(Add),
    Preview {
        group: usize,
        agent: &'static str,
    },
    Update {
        handle: u64,
        result: Option<i64>,
        attempts: Option<i64>,
        customer: Option<String>,
        guid: Option<String>,
    },
    Processed {
        handle: u64,
        result: Option<i64>,
        attempts: Option<i64>,
        personal: bool,
        guid: Option<String>,
    },
    Reschedule(Reschedule),
    Cancel {
        on: On,
        chain: bool,
        list: Option<usize>,
        guid: Option<String>,
    },
    DoNotCall {
        on: On,
        chain: Option<bool>,
        list: Option<usize>,
        guid: Option<String>,
    },
    Reject {
        handle: u64,
        guid: Option<String>,
    },
    /// One of the requests that change the state of a campaign group, or that ask for it.
    Campaign {
        verb: Verb,
        group: usize,
    },
}

/// Pairs of a request.
struct Pairs(Vec<(String, Value)>);

impl Pairs {
    fn int(self, key: &str, value: impl Into<Option<i64>>) -> Self {
        self.with(key, value.into().map(Value::Int))
    }

    fn text(self, key: &str, text: &str) -> Self {
        self.with(key, (!text.is_empty()).then(|| Value::text(text)))
    }

    fn with(mut self, key: &str, value: Option<Value>) -> Self {
        self.0.extend(value.map(|value| (key.to_owned(), value)));
        self
    }

    fn guid(self, guid: Option<&String>) -> Self {
        self.text(key::CALL_ATTEMPT_GUID, guid.map_or("", String::as_str))
    }

    fn chain(self, chain: Option<bool>) -> Self {
        let word = chain.map_or("", |chain| if chain { "AllChain" } else { "RecordOnly" });
        self.text(key::CHAIN_ATTR, word)
    }
}

impl Step {
    /// Whether all due work is done before this step: hand-outs and campaigns would show work that is left.
    pub fn needs_due(&self) -> bool {
        matches!(self, Self::Preview { .. } | Self::Campaign { .. })
    }

    /// The request. `reference` keeps two requests from being repeats of each other.
    pub fn request(&self, config: &Config, reference: i64) -> Request {
        let group = |group: usize| Resource::CampaignGroup((FIRST_GROUP as usize + group).to_string());
        let record = |handle: u64| Resource::Record(outbound::Handle(handle));
        let pairs = Pairs(Vec::new()).int(key::REFERENCE_ID, reference);
        let list = |list: &Option<usize>| list.map_or("", |list| config.lists[list].name);
        let (verb, resource, pairs) = match self {
            Self::Add(add) => {
                (Verb::AddRecord, Resource::List(config.lists[add.list].name.to_owned()), add.pairs(pairs))
            }
            Self::Preview { group: at, agent } => {
                (Verb::PreviewRecordRequest, group(*at), pairs.text(key::AGENT_ID, agent))
            }
            Self::Update { handle, result, attempts, customer, guid } => {
                let pairs = pairs.int(key::CALL_RESULT, *result).int(key::ATTEMPTS, *attempts).guid(guid.as_ref());
                let pairs = pairs.text(CUSTOMER_COLUMN, customer.as_deref().unwrap_or_default());
                (Verb::UpdateCallCompletionStats, record(*handle), pairs)
            }
            Self::Processed { handle, result, attempts, personal, guid } => {
                let pairs = pairs.int(key::CALL_RESULT, *result).int(key::ATTEMPTS, *attempts).guid(guid.as_ref());
                let pairs = pairs.text(key::TREATMENT, if *personal { "Personal" } else { "" });
                (Verb::RecordProcessed, record(*handle), pairs)
            }
            Self::Reschedule(one) => (one.verb(), record(one.handle), one.pairs(pairs)),
            Self::Cancel { on, chain, list: narrow, guid } => {
                let pairs = pairs.chain(Some(*chain)).text(key::CALLING_LIST, list(narrow)).guid(guid.as_ref());
                (Verb::RequestRecordCancel, on.resource(), pairs)
            }
            Self::DoNotCall { on, chain, list: narrow, guid } => {
                let pairs = pairs.chain(*chain).text(key::CALLING_LIST, list(narrow)).guid(guid.as_ref());
                (Verb::DoNotCall, on.resource(), pairs)
            }
            Self::Reject { handle, guid } => (Verb::RecordReject, record(*handle), pairs.guid(guid.as_ref())),
            Self::Campaign { verb, group: at } => (*verb, group(*at), pairs),
        };
        let attributes = pairs.0.into_iter().collect();
        let (tenant, principal) = (self.tenant().to_owned(), String::new());
        Request { verb, resource, attributes, tenant, principal, idempotency_key: None }
    }

    fn tenant(&self) -> &'static str {
        match self {
            Self::Cancel { on: On::Phone(_, tenant) | On::Customer(_, tenant), .. }
            | Self::DoNotCall { on: On::Phone(_, tenant) | On::Customer(_, tenant), .. } => tenant,
            _ => "",
        }
    }
}

impl On {
    fn resource(&self) -> Resource {
        match self {
            Self::Record(handle) => Resource::Record(outbound::Handle(*handle)),
            Self::Phone(phone, _) => Resource::Phone(phone.clone()),
            Self::Customer(customer, _) => Resource::Customer(customer.clone()),
        }
    }
}

impl Add {
    fn pairs(&self, pairs: Pairs) -> Pairs {
        let chain = self.chain.map(|chain| i64::try_from(chain).unwrap());
        pairs
            .text(key::PHONE, &self.phone)
            .text(CUSTOMER_COLUMN, &self.customer)
            .int(key::CHAIN_ID, chain)
            .int(key::FROM, self.window.map(|window| window.0))
            .int(key::UNTIL, self.window.map(|window| window.1))
            .text(key::TZ_NAME, self.zone.unwrap_or_default())
            .text(key::DATE_TIME, &self.when.map(When::text).unwrap_or_default())
            .text(key::AGENT_ID, self.agent)
            .int(key::ATTEMPTS, self.attempts)
            .int(key::CALL_RESULT, self.result)
    }
}

impl Reschedule {
    fn verb(&self) -> Verb {
        if self.scheduled { Verb::ScheduledRecordReschedule } else { Verb::RecordReschedule }
    }

    fn pairs(&self, pairs: Pairs) -> Pairs {
        pairs
            .text(key::DATE_TIME, &self.when.text())
            .text(key::TZ_NAME, self.zone.unwrap_or_default())
            .text(key::CALLBACK_TYPE, if self.personal { "Personal" } else { "" })
            .text(key::AGENT_ID, self.agent)
            .int(key::CALL_RESULT, self.result)
            .guid(self.guid.as_ref())
    }
}

const AGENTS: [&str; 3] = ["a", "b", "c"];
/// The same phones in several spellings; the last are national ones.
const PHONES: [&str; 14] = [
    "+15550001",
    "001 555-0001",
    "+1 (555) 0002",
    "+15550003",
    "+15550004",
    "+15550005",
    "+1.555.0005",
    "+15550006",
    "+15550007",
    "+15550008",
    "5550001",
    "1-555-0002",
    "0555 0003",
    "0555-0005",
];
const CUSTOMERS: [&str; 4] = ["ann", "bob", "cy", "dee"];

/// A random step on the state as the model knows it.
pub fn any_step(random: &mut Random, model: &Model, now_s: i64) -> Step {
    let groups = model.config.groups.len();
    match random.below(100) {
        0..20 => Step::Add(any_add(random, model, now_s)),
        20..44 => Step::Preview { group: random.at(groups), agent: any_asking(random) },
        44..62 => {
            let handle = any_handle(random, model, 3);
            let result = if random.one_in(6) { None } else { Some(random.pick(&RESULTS)) };
            let attempts = any_attempts(random, model, handle);
            Step::Processed {
                handle,
                result,
                attempts,
                personal: random.one_in(3),
                guid: any_guid(random, model, handle),
            }
        }
        62..67 => {
            let handle = any_handle(random, model, 2);
            Step::Update {
                handle,
                result: random.maybe(2, |random| random.pick(&RESULTS)),
                attempts: any_attempts(random, model, handle),
                customer: random.maybe(4, |random| random.pick(&CUSTOMERS).to_owned()),
                guid: any_guid(random, model, handle),
            }
        }
        67..80 => Step::Reschedule(any_reschedule(random, model, now_s)),
        80..85 => {
            let handle = any_handle(random, model, 5);
            Step::Reject { handle, guid: any_guid(random, model, handle) }
        }
        85..89 => {
            let (on, list) = any_on(random, model);
            Step::Cancel { chain: random.one_in(2), list, guid: guid_on(random, model, &on), on }
        }
        89..92 => {
            let (on, list) = any_on(random, model);
            Step::DoNotCall {
                chain: random.maybe(2, |random| random.one_in(2)),
                list,
                guid: guid_on(random, model, &on),
                on,
            }
        }
        _ => any_campaign_step(random, model, groups),
    }
}

/// Loads a group mostly: most other states hand nothing out.
fn any_campaign_step(random: &mut Random, model: &Model, groups: usize) -> Step {
    let group = random.at(groups);
    let verb = random.pick(&[
        Verb::LoadCampaign,
        Verb::LoadCampaign,
        Verb::StartDialing,
        Verb::StartDialing,
        Verb::StopDialing,
        Verb::UnloadCampaign,
        Verb::ForceUnloadCampaign,
        Verb::CampaignStatusRequest,
    ]);
    // the specification leaves open the fate of a pending reschedule when its group is unloaded by force
    let has_pending = model.holds(group).any(|record| record.held.as_ref().is_some_and(|held| held.pending.is_some()));
    let verb = if verb == Verb::ForceUnloadCampaign && has_pending { Verb::StopDialing } else { verb };
    Step::Campaign { verb, group }
}

/// An agent; none now and then.
fn any_asking(random: &mut Random) -> &'static str {
    if random.one_in(6) { "" } else { random.pick(&AGENTS) }
}

/// A held record in most cases, else any, and rarely no record at all. `rest`: others in one of so many cases.
fn any_handle(random: &mut Random, model: &Model, rest: u64) -> u64 {
    let held: Vec<u64> =
        model.records.iter().filter(|record| record.status == RETRIEVED).map(|record| record.handle).collect();
    if held.is_empty() || random.one_in(rest) {
        return random.below(model.records.len() as u64 + 2);
    }
    random.pick(&held)
}

/// Fewer attempts than a limit of the list: the specification leaves open the fate of a Ready record with more.
fn any_attempts(random: &mut Random, model: &Model, handle: u64) -> Option<i64> {
    let record = model.records.iter().find(|record| record.handle == handle)?;
    let max = model.config.lists[record.list].attempts_max;
    let most = if max == 0 { 5 } else { max - 1 };
    random.maybe(8, |random| random.between(0, most))
}

/// The GUID of the present attempt, or of any earlier one.
fn any_guid(random: &mut Random, model: &Model, handle: u64) -> Option<String> {
    let record = model.records.iter().find(|record| record.handle == handle)?;
    let held = record.held.as_ref().map(|held| held.guid.clone());
    match random.below(8) {
        0 | 1 => held,
        2 if !model.guids.is_empty() => Some(random.pick(&model.guids)),
        _ => None,
    }
}

fn guid_on(random: &mut Random, model: &Model, on: &On) -> Option<String> {
    match on {
        On::Record(handle) => any_guid(random, model, *handle),
        On::Phone(..) | On::Customer(..) => None,
    }
}

fn any_on(random: &mut Random, model: &Model) -> (On, Option<usize>) {
    let tenant = if model.config.has_tenants && random.one_in(3) { NORTH } else { "" };
    let of_tenant: Vec<usize> =
        (0..model.config.lists.len()).filter(|at| model.config.lists[*at].tenant == tenant).collect();
    let on = match random.below(4) {
        0 | 1 => return (On::Record(any_handle(random, model, 2)), None),
        2 => On::Phone(random.pick(&PHONES).to_owned(), tenant),
        _ => On::Customer(random.pick(&CUSTOMERS).to_owned(), tenant),
    };
    (on, random.maybe(3, |random| random.pick(&of_tenant)))
}

/// A record of a new chain, or one more of a chain that has less than ten.
pub fn any_add(random: &mut Random, model: &Model, now_s: i64) -> Add {
    let list = random.at(model.config.lists.len());
    let of_list: Vec<_> = model.records.iter().filter(|record| record.list == list).collect();
    let chain = (!of_list.is_empty() && random.below(20) < 13).then(|| random.pick(&of_list).chain);
    let chain = chain.filter(|chain| of_list.iter().filter(|record| record.chain == *chain).count() < 10);
    let zone = random.maybe(3, |random| random.pick(&ZONES));
    let of_zone = zone.map_or(model.config.lists[list].zone, iana);
    let when = random.maybe(5, |random| any_when(random, of_zone, now_s - 600, now_s + 7200));
    let attempts_max = model.config.lists[list].attempts_max;
    Add {
        list,
        phone: random.pick(&PHONES).to_owned(),
        customer: if random.one_in(3) { random.pick(&CUSTOMERS).to_owned() } else { String::new() },
        chain,
        window: any_window(random),
        zone,
        when,
        agent: if when.is_some() && random.one_in(2) { random.pick(&AGENTS) } else { "" },
        attempts: random.maybe(10, |random| random.between(0, 3)).filter(|_| attempts_max == 0),
        result: random.maybe(10, |random| random.pick(&RESULTS)),
    }
}

/// No window in most cases; else whole hours, across midnight too, and rarely a window that is never open.
fn any_window(random: &mut Random) -> Option<(i64, i64)> {
    let hour = |random: &mut Random| random.between(0, 24) * 3600;
    random.maybe(3, |random| (hour(random), hour(random)))
}

/// A time of a range in one of the forms; now and then half past two of the local day, which a change of clocks leaves out or
/// doubles.
fn any_when(random: &mut Random, zone: &str, first_s: i64, last_s: i64) -> When {
    let at_s = random.between(first_s, last_s);
    let local_s = time::local(zone, at_s);
    let minute = local_s.div_euclid(60) * 60;
    match random.below(10) {
        0 => {
            let half_past_two = local_s.div_euclid(time::DAY_S) * time::DAY_S + 9_000;
            let is_near = |local_s: &i64| (first_s..=last_s + time::DAY_S).contains(&time::instant(zone, *local_s));
            When::Minute(Some(half_past_two).filter(is_near).unwrap_or(minute))
        }
        1 | 2 => When::Iso(local_s),
        3 => When::Utc(at_s),
        _ => When::Minute(minute),
    }
}

fn any_reschedule(random: &mut Random, model: &Model, now_s: i64) -> Reschedule {
    let handle = any_handle(random, model, 4);
    let record = model.records.iter().find(|record| record.handle == handle);
    let zone = random.maybe(3, |random| random.pick(&ZONES));
    let of_zone = zone.map_or_else(|| record.map_or("UTC", |record| model.zone_of(record)), iana);
    let is_past = random.one_in(8);
    let (first_s, last_s) = if is_past { (now_s - 90_000, now_s - 120) } else { (now_s, now_s + 14_400) };
    let personal = random.one_in(2);
    // the specification does not say that a request without an agent means a Ready record's own agent
    let names_agent = record.is_some_and(|record| record.status == READY && !record.agent.is_empty());
    Reschedule {
        handle,
        scheduled: random.one_in(4),
        when: any_when(random, of_zone, first_s, last_s),
        zone,
        personal,
        agent: if personal && (names_agent || random.one_in(2)) { random.pick(&AGENTS) } else { "" },
        result: random.maybe(4, |random| random.pick(&RESULTS)),
        guid: any_guid(random, model, handle),
    }
}
