//! The model: what the specification says of records and requests, in the plainest form. The model looks at every record each
//! time, keeps no index, and shares no code with the rules. Where the specification leaves a choice, the model's reading stands
//! in `readings`.

use std::collections::{BTreeMap, BTreeSet};

use outbound::{Value, key};

use crate::{
    config::{Config, ListConfig, iana},
    count::Attempt,
    phones::form,
    readings,
    record::{
        AGENT_ERROR, CAMPAIGN_CALLBACK, CAMPAIGN_RESCHEDULED, CANCEL_RECORD, CANCELLED, CHAIN_UPDATED, GENERAL, Held,
        PERSONAL_CALLBACK, PERSONAL_RESCHEDULED, Pending, READY, RETRIEVED, Record, UNKNOWN, UPDATED,
    },
    steps::{Add, On, Reschedule, Step},
    time,
    treat::Fate,
};

/// An entry of Do-Not-Call: of a tenant, or of a list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entry {
    Phone(Scope, String),
    Customer(Scope, String),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    Tenant(&'static str),
    List(usize),
}

/// What a step is answered with.
#[derive(Debug, Clone)]
pub enum Answer {
    /// The event, pairs of the reply, and keys that the reply lacks.
    Done(&'static str, Vec<(&'static str, Value)>, Vec<&'static str>),
    /// Any of these codes: the specification gives no order to several reasons.
    Refused(Vec<&'static str>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    NotLoaded,
    Loaded,
    Running,
    Stopped,
    Unloading,
}

/// The state of everything.
#[derive(Debug, Clone)]
pub struct Model {
    pub config: Config,
    pub records: Vec<Record>,
    pub entries: BTreeSet<Entry>,
    pub attempts: Vec<Attempt>,
    pub states: Vec<State>,
    /// Current weights of the round robin by group and list.
    pub weights: BTreeMap<(usize, usize), i64>,
    /// Every GUID ever given.
    pub guids: Vec<String>,
    /// The stamp of the step.
    pub now_us: u64,
}

impl Model {
    pub fn new(config: Config) -> Self {
        let states = vec![State::NotLoaded; config.groups.len()];
        Self {
            config,
            records: Vec::new(),
            entries: BTreeSet::new(),
            attempts: Vec::new(),
            states,
            weights: BTreeMap::new(),
            guids: Vec::new(),
            now_us: 0,
        }
    }

    pub fn now_s(&self) -> i64 {
        i64::try_from(self.now_us / 1_000_000).unwrap()
    }

    pub fn list(&self, record: &Record) -> &ListConfig {
        &self.config.lists[record.list]
    }

    pub fn zone_of(&self, record: &Record) -> &'static str {
        record.zone.unwrap_or(self.list(record).zone)
    }

    /// The records that a group holds.
    pub fn holds(&self, group: usize) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(move |record| record.held.as_ref().is_some_and(|held| held.group == group))
    }

    /// The positions of the other records of a record's chain, by their place in it.
    pub fn others(&self, at: usize) -> Vec<usize> {
        let of = &self.records[at];
        let is_other = |other: &usize| {
            let record = &self.records[*other];
            *other != at && record.list == of.list && record.chain == of.chain
        };
        let mut others: Vec<usize> = (0..self.records.len()).filter(is_other).collect();
        others.sort_by_key(|other| self.records[*other].n);
        others
    }

    /// Does a step; the answer to its request.
    pub fn apply(&mut self, step: &Step) -> Answer {
        match step {
            Step::Add(add) => self.add(add),
            Step::Preview { group, agent } => self.preview(*group, agent),
            Step::Update { handle, result, attempts, customer, guid } => {
                self.update(*handle, *result, *attempts, customer.as_deref(), guid.as_deref())
            }
            Step::Processed { handle, result, attempts, personal, guid } => match self.open(*handle, guid.as_deref()) {
                Err(codes) => Answer::Refused(codes),
                Ok(at) => self.processed(at, *result, *attempts, *personal),
            },
            Step::Reschedule(reschedule) => self.reschedule(reschedule),
            Step::Cancel { on, chain, list, guid } => self.cancel(on, *chain, *list, guid.as_deref()),
            Step::DoNotCall { on, chain, list, .. } => self.do_not_call(on, chain.unwrap_or(true), *list),
            Step::Reject { handle, guid } => self.reject(*handle, guid.as_deref()),
            Step::Campaign { verb, group } => self.campaign(*verb, *group),
        }
    }

    fn find(&self, handle: u64) -> Option<usize> {
        self.records.iter().position(|record| record.handle == handle)
    }

    /// The open record of a handle, for a request with this GUID.
    fn open(&self, handle: u64, guid: Option<&str>) -> Result<usize, Vec<&'static str>> {
        let at = self.find(handle).ok_or_else(|| vec!["RECORD_NOT_FOUND"])?;
        let record = &self.records[at];
        if !record.is_open() {
            return Err(vec!["RECORD_FINALISED"]);
        }
        let is_anothers = |held: &Held| guid.is_some_and(|guid| guid != held.guid);
        if record.held.as_ref().is_some_and(is_anothers) { Err(vec!["CONFLICT"]) } else { Ok(at) }
    }

    fn add(&mut self, add: &Add) -> Answer {
        let list = &self.config.lists[add.list];
        let (records, place) = (&self.records, add.list);
        let of_list = || records.iter().filter(move |record| record.list == place);
        let of_chain = |chain: u64| of_list().filter(move |record| record.chain == chain);
        let zone = add.zone.map(iana);
        let due_s = add.when.map(|when| when.at_s(zone.unwrap_or(list.zone)));
        let kind = match (due_s, add.agent) {
            (None, _) => GENERAL,
            (Some(_), "") => CAMPAIGN_CALLBACK,
            (Some(_), _) => PERSONAL_CALLBACK,
        };
        let new_chain = || of_list().map(|record| record.chain).max().unwrap_or(0) + 1;
        let chain = add.chain.unwrap_or_else(new_chain);
        if add.chain.is_some_and(|chain| of_chain(chain).next().is_none()) {
            return Answer::Refused(vec!["BAD_VALUE"]);
        }
        let n = of_chain(chain).map(|record| record.n + 1).max().unwrap_or(0);
        let (from, till) = add.window.unwrap_or((0, time::DAY_S));
        let of_paused =
            of_chain(chain).filter(|record| record.status == READY).filter_map(|record| record.paused_s).max();
        let record = Record {
            handle: self.records.len() as u64 + 1,
            list: add.list,
            chain,
            n,
            phone: add.phone.clone(),
            customer: add.customer.clone(),
            zone,
            from,
            till,
            kind,
            status: READY,
            result: add.result.unwrap_or(UNKNOWN),
            attempt: add.attempts.unwrap_or(0),
            due_s,
            call_time: None,
            agent: add.agent.to_owned(),
            agent_before: String::new(),
            treatments: String::new(),
            held: None,
            paused_s: of_paused.filter(|_| readings::A_NEW_RECORD_SHARES_THE_PAUSE_OF_ITS_CHAIN),
            limited_s: None,
        };
        if self.is_stopped(&record) {
            return Answer::Refused(vec!["DO_NOT_CALL"]);
        }
        let has_phone = |other: &&Record| {
            let is_same = self.is_same_number(&other.phone, &add.phone, list.tenant);
            is_same && (list.unique_phone == 2 || other.is_open())
        };
        if list.unique_phone > 0 && of_list().any(|other| has_phone(&other)) {
            return Answer::Refused(vec!["DUPLICATE"]);
        }
        let keys = vec![
            (key::RECORD_HANDLE, int(record.handle)),
            (key::CHAIN_ID, int(record.chain)),
            (key::CHAIN_N, int(record.n)),
            (key::CALLING_LIST, Value::text(list.name)),
        ];
        self.records.push(record);
        Answer::Done("AddRecordAcknowledge", keys, Vec::new())
    }

    fn update(
        &mut self,
        handle: u64,
        result: Option<i64>,
        attempts: Option<i64>,
        customer: Option<&str>,
        guid: Option<&str>,
    ) -> Answer {
        let at = match self.open(handle, guid) {
            Ok(at) => at,
            Err(codes) => return Answer::Refused(codes),
        };
        self.touch(at);
        let record = &mut self.records[at];
        record.set(result, attempts);
        record.customer = customer.map_or_else(|| record.customer.clone(), str::to_owned);
        Answer::Done("UpdateCallCompletionStatsAcknowledge", vec![(key::RECORD_HANDLE, int(handle))], Vec::new())
    }

    /// A request came on a record.
    fn touch(&mut self, at: usize) {
        let now_us = self.now_us;
        if let Some(held) = &mut self.records[at].held {
            held.touched_us = now_us;
        }
    }

    fn processed(&mut self, at: usize, result: Option<i64>, attempts: Option<i64>, personal: bool) -> Answer {
        let now_s = self.now_s();
        let record = &mut self.records[at];
        record.set(result, attempts);
        record.call_time = Some(now_s);
        if let Some(held) = &record.held {
            record.attempt += i64::from(!held.attempts_set);
            self.note_result(at);
        } else {
            self.count(at, None);
        }
        let pending = self.records[at].held.take().and_then(|held| held.pending);
        match pending {
            Some(pending) => self.carry_out(at, &pending),
            None => {
                let fate = self.fate(at, personal);
                self.end(at, fate);
            }
        }
        let record = &self.records[at];
        let mut keys = vec![(key::RECORD_HANDLE, int(record.handle))];
        let mut absent = Vec::new();
        if record.status == READY {
            keys.extend([(key::RECORD_STATUS, Value::Int(READY)), (key::RECORD_TYPE, Value::Int(record.kind))]);
            keys.extend(self.date_time(record).map(|text| (key::DATE_TIME, text)));
        } else {
            absent.extend([key::RECORD_STATUS, key::RECORD_TYPE, key::DATE_TIME]);
        }
        Answer::Done("RecordProcessedAcknowledge", keys, absent)
    }

    /// GSW_DATE_TIME of a callback.
    pub fn date_time(&self, record: &Record) -> Option<Value> {
        let due_s = record.due_s.filter(|_| record.is_callback())?;
        Some(Value::text(time::minute_text(time::local(self.zone_of(record), due_s))))
    }

    /// A record is Ready again as a reschedule says.
    pub fn carry_out(&mut self, at: usize, pending: &Pending) {
        let record = &mut self.records[at];
        record.ready();
        (record.kind, record.due_s) = (pending.kind, Some(pending.due_s));
        record.agent.clone_from(&pending.agent);
    }

    /// Ends an attempt, or an overdue callback, as its treatment says.
    pub fn end(&mut self, at: usize, (fate, cell): (Fate, Option<String>)) {
        if let Some(cell) = cell {
            self.records[at].treatments = cell;
        }
        match fate {
            Fate::Retry { personal, due_s } => {
                let agent = if personal { self.records[at].agent.clone() } else { String::new() };
                let kind = if personal { PERSONAL_RESCHEDULED } else { CAMPAIGN_RESCHEDULED };
                self.carry_out(at, &Pending { kind, due_s, agent });
            }
            Fate::AssignToGroup => {
                let record = &mut self.records[at];
                // the agent of the ended attempt has the record no more; a Ready record is held back as before
                if record.status == RETRIEVED {
                    record.give_back();
                }
                record.becomes_the_campaigns();
            }
            Fate::AgentError => self.records[at].finalise(AGENT_ERROR),
            Fate::UpdateRecord => self.records[at].finalise(UPDATED),
            Fate::UpdateChain => {
                self.records[at].finalise(UPDATED);
                for other in self.others(at) {
                    if self.records[other].is_open() {
                        self.records[other].finalise(CHAIN_UPDATED);
                    }
                }
            }
            Fate::NextInChain(due_s) => {
                self.records[at].finalise(UPDATED);
                let next = readings::next_in_chain(self, at);
                if let Some((next, due_s)) = next.zip(due_s) {
                    let record = &mut self.records[next];
                    (record.kind, record.due_s) = (CAMPAIGN_RESCHEDULED, Some(due_s));
                    record.agent.clear();
                }
            }
        }
    }

    fn reschedule(&mut self, one: &Reschedule) -> Answer {
        let now_s = self.now_s();
        let at = match self.open(one.handle, one.guid.as_deref()) {
            Ok(at) => at,
            Err(codes) => return Answer::Refused(codes),
        };
        let record = &self.records[at];
        let due_s = one.when.at_s(one.zone.map_or(self.zone_of(record), iana));
        let holder = if record.status == RETRIEVED { record.agent.as_str() } else { "" };
        let agent = if one.agent.is_empty() { holder } else { one.agent }.to_owned();
        let is_wrong_kind = one.scheduled && !record.is_callback();
        let is_past = due_s.div_euclid(60) < now_s.div_euclid(60);
        let lacks_agent = one.personal && agent.is_empty();
        let mut codes = Vec::new();
        codes.extend((is_wrong_kind || is_past).then_some("CONFLICT"));
        codes.extend(lacks_agent.then_some("MISSING_ATTRIBUTE"));
        if !codes.is_empty() {
            return Answer::Refused(codes);
        }
        let (kind, agent, word) = if one.personal {
            (PERSONAL_RESCHEDULED, agent, "Personal")
        } else {
            (CAMPAIGN_RESCHEDULED, String::new(), "Campaign")
        };
        let pending = Pending { kind, due_s, agent };
        self.touch(at);
        let record = &mut self.records[at];
        record.set(one.result, None);
        match &mut record.held {
            Some(held) => held.pending = Some(pending),
            None => {
                // neither the record nor its chain is handed out during the pause
                let paused_s = record.paused_s;
                self.carry_out(at, &pending);
                self.records[at].paused_s = paused_s;
            }
        }
        let local_s = time::local(self.zone_of(&self.records[at]), due_s);
        let keys = vec![
            (key::RECORD_HANDLE, int(one.handle)),
            (key::DATE_TIME, Value::text(time::minute_text(local_s))),
            (key::CALLBACK_TYPE, Value::text(word)),
        ];
        let event = if one.scheduled { "ScheduledRecordRescheduleAcknowledge" } else { "RecordRescheduleAcknowledge" };
        Answer::Done(event, keys, Vec::new())
    }

    fn reject(&mut self, handle: u64, guid: Option<&str>) -> Answer {
        let at = match self.open(handle, guid) {
            Ok(at) if self.records[at].status == RETRIEVED => at,
            Ok(_) => return Answer::Refused(vec!["CONFLICT"]),
            Err(codes) => return Answer::Refused(codes),
        };
        self.take_back(at);
        self.records[at].give_back();
        let until_s = self.now_s() + self.config.pause_s;
        for paused in self.others(at).into_iter().chain([at]) {
            if self.records[paused].status == READY {
                self.records[paused].paused_s = Some(until_s);
            }
        }
        Answer::Done("RecordRejectAcknowledge", vec![(key::RECORD_HANDLE, int(handle))], Vec::new())
    }

    /// The records that a phone or a customer means, in the lists of a tenant or in one of them.
    fn matching(&self, on: &On, list: Option<usize>) -> Vec<usize> {
        let is_meant = |record: &Record| {
            let is_of =
                |tenant: &str| self.list(record).tenant == tenant && list.is_none_or(|list| record.list == list);
            match on {
                On::Record(handle) => record.handle == *handle,
                On::Phone(phone, tenant) => is_of(tenant) && self.is_same_number(&record.phone, phone, tenant),
                On::Customer(customer, tenant) => is_of(tenant) && record.customer == *customer,
            }
        };
        (0..self.records.len()).filter(|at| is_meant(&self.records[*at])).collect()
    }

    fn with_chains(&self, records: Vec<usize>) -> BTreeSet<usize> {
        records.into_iter().flat_map(|at| self.others(at).into_iter().chain([at])).collect()
    }

    fn cancel(&mut self, on: &On, chain: bool, list: Option<usize>, guid: Option<&str>) -> Answer {
        let found = match on {
            On::Record(handle) => self.open(*handle, guid).map(|at| vec![at]),
            On::Phone(..) => not_empty(self.matching(on, list), "PHONE_NOT_FOUND"),
            On::Customer(..) => not_empty(self.matching(on, list), "CUSTOMER_NOT_FOUND"),
        };
        let found = match found {
            Ok(found) => found.into_iter().filter(|at| self.records[*at].is_open()).collect::<Vec<_>>(),
            Err(codes) => return Answer::Refused(codes),
        };
        let meant = if chain { self.with_chains(found) } else { found.into_iter().collect() };
        let open: Vec<usize> = meant.into_iter().filter(|at| self.records[*at].is_open()).collect();
        for at in &open {
            self.take_back(*at);
            self.records[*at].finalise(CANCELLED);
            self.records[*at].result = CANCEL_RECORD;
        }
        Answer::Done("RecordCancelAcknowledge", vec![(key::RECORDS, int(open.len() as u64))], Vec::new())
    }

    fn do_not_call(&mut self, on: &On, chain: bool, list: Option<usize>) -> Answer {
        let scope = |tenant: &'static str| list.map_or(Scope::Tenant(tenant), Scope::List);
        let entry = match on {
            On::Record(handle) => match self.find(*handle) {
                None => return Answer::Refused(vec!["RECORD_NOT_FOUND"]),
                Some(at) => {
                    let record = &self.records[at];
                    Entry::Phone(Scope::Tenant(self.list(record).tenant), form(&record.phone))
                }
            },
            On::Phone(phone, tenant) => Entry::Phone(scope(tenant), form(phone)),
            On::Customer(customer, tenant) => Entry::Customer(scope(tenant), customer.clone()),
        };
        self.entries.insert(entry);
        let found = self.matching(on, list);
        let meant = if chain { self.with_chains(found) } else { found.into_iter().collect() };
        meant.into_iter().for_each(|at| self.records[at].stop());
        Answer::Done("DoNotCallAcknowledge", Vec::new(), Vec::new())
    }

    /// Whether an entry stops calls to a record.
    pub fn is_stopped(&self, record: &Record) -> bool {
        let tenant = self.list(record).tenant;
        let scopes = [Scope::Tenant(tenant), Scope::List(record.list)];
        let stops = |entry: &Entry| match entry {
            Entry::Phone(scope, phone) => scopes.contains(scope) && self.is_same_number(phone, &record.phone, tenant),
            Entry::Customer(scope, customer) => {
                scopes.contains(scope) && !customer.is_empty() && *customer == record.customer
            }
        };
        self.entries.iter().any(stops)
    }
}

pub fn int(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap())
}

fn not_empty(found: Vec<usize>, code: &'static str) -> Result<Vec<usize>, Vec<&'static str>> {
    if found.is_empty() { Err(vec![code]) } else { Ok(found) }
}
