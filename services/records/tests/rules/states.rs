//! States made by hand under the newest rules: rows set with their index rows, and commands decided on them. After every command the
//! index rows are compared with those that the rows of the state have. Used by the tests of this crate.

use std::collections::BTreeSet;

use outbound::{
    Body, Command, Done, Handle, NewList, Origin, RULES_NEWEST, RaiseRules, Refusal, Reply, ReplyBody, RequestId,
    Setting, Value, record_status, record_type,
};
use records::{
    Changes, Event, Key, MapView, Overlay, RecordRow, Row, Rules, Table, View, canonical_phone, decide, indexes_of,
};

/// The list of every state.
pub const LIST: u32 = 101;
/// 2024-01-01T00:00:00Z.
pub const START_S: u64 = 1_704_067_200;

pub struct State {
    pub map: MapView,
    /// The stamp of the next command, UTC seconds.
    pub now_s: u64,
    pub changes: Changes,
    /// Of the last command.
    pub events: Vec<Event>,
    counter: u64,
}

impl Default for State {
    fn default() -> Self {
        let (changes, events) = (Changes::default(), Vec::new());
        Self { map: MapView::default(), now_s: START_S, changes, events, counter: 0 }
    }
}

impl State {
    /// The newest rules, and an empty list.
    pub fn with_list() -> Self {
        let mut state = Self::default();
        let raise = RaiseRules { to: RULES_NEWEST, settings: Vec::new(), release: "0.1.0".into() };
        done(state.ask(Body::RaiseRules(raise)));
        let list = NewList { name: "demo".into(), time_zone: String::new(), fields: Vec::new() };
        done(state.ask(Body::CreateList(list)));
        state
    }

    pub fn set(&mut self, key: &str, value: u64) {
        let setting = Setting { key: key.into(), value: value.to_string() };
        done(self.ask(Body::SetSettings(vec![setting])));
    }

    /// Decides a command under the newest rules.
    pub fn ask(&mut self, body: Body) -> Reply {
        self.ask_under(RULES_NEWEST, body)
    }

    pub fn ask_under(&mut self, version: u32, body: Body) -> Reply {
        self.counter += 1;
        let id = RequestId { node: 1, incarnation: 1, token: 1 << 100, counter: self.counter };
        let command = Command::new(version, id, self.now_s * 1_000_000, Origin::Control, body);
        let (reply, changes, events) = decide(&command, &self.map, &Rules::default());
        self.map.apply(&changes);
        (self.changes, self.events) = (changes, events);
        check_indexes(&self.map);
        reply
    }

    /// Sets a row with its index rows.
    pub fn put(&mut self, key: Key, row: Row) {
        let changes = {
            let mut overlay = Overlay::new(&self.map);
            if let Some(before) = self.map.get(&key) {
                indexes_of(&key, &before, canonical_phone).into_iter().for_each(|(key, _)| overlay.remove(key));
            }
            indexes_of(&key, &row, canonical_phone).into_iter().for_each(|(key, row)| overlay.put(key, row));
            overlay.put(key, row);
            overlay.into_changes()
        };
        self.map.apply(&changes);
    }

    pub fn put_record(&mut self, handle: u64, record: RecordRow) {
        self.put(Key::Record(Handle(handle)), Row::Record(record.into()));
    }

    pub fn record(&self, handle: u64) -> RecordRow {
        records::record(&self.map, Handle(handle)).unwrap()
    }

    pub fn now_us(&self) -> u64 {
        self.now_s * 1_000_000
    }
}

fn check_indexes(map: &MapView) {
    let bytes = |(key, row): (Key, Row)| (key.table(), key.encode().into_vec(), row.encode());
    let rows = |is_state: bool| {
        let tables = Table::ALL.into_iter().filter(move |table| table.is_state() == is_state);
        tables.filter(|table| *table != Table::Content).flat_map(|table| map.table(table))
    };
    let derived = rows(true).flat_map(|(key, row)| indexes_of(&key, &row, canonical_phone));
    let derived: BTreeSet<_> = derived.filter(|(key, _)| key.table() != Table::Content).map(bytes).collect();
    let standing: BTreeSet<_> = rows(false).map(bytes).collect();
    let wrong: Vec<_> = standing.symmetric_difference(&derived).map(|row| Key::decode(row.0, &row.1)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// A Ready record of the list, with a chain of its own.
pub fn ready(record_id: u64) -> RecordRow {
    RecordRow {
        list: LIST,
        record_id,
        contact_info: format!("+9995{record_id:06}"),
        record_status: record_status::READY,
        record_type: record_type::GENERAL,
        daily_till: 86_400,
        chain_id: record_id,
        ..RecordRow::default()
    }
}

/// A callback; with an agent: a personal one.
pub fn callback(record_id: u64, agent: &str, due_s: u64) -> RecordRow {
    let record_type = if agent.is_empty() { record_type::CAMPAIGN_CALLBACK } else { record_type::PERSONAL_CALLBACK };
    let dial_sched_time = Some(i64::try_from(due_s).unwrap());
    RecordRow { record_type, dial_sched_time, agent_id: agent.into(), ..ready(record_id) }
}

/// A record that an agent holds; a request asked for it last at this second.
pub fn held(record_id: u64, agent: &str, changed_s: u64) -> RecordRow {
    RecordRow {
        record_status: record_status::RETRIEVED,
        agent_id: agent.into(),
        agent_before: "own".into(),
        campaign_id: Some(7),
        held_since_us: changed_s * 1_000_000,
        changed_us: changed_s * 1_000_000,
        attempt_guid: vec![1; 16],
        ..ready(record_id)
    }
}

pub fn done(reply: Reply) -> Done {
    match reply.body {
        ReplyBody::Done(done) => done,
        other => panic!("not done: {other:?}"),
    }
}

pub fn refused(reply: Reply) -> Refusal {
    match reply.body {
        ReplyBody::Refused(refusal) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

pub fn number(done: &Done, name: &str) -> i64 {
    let found = done.attributes.iter().find(|(key, _)| key == name);
    match found {
        Some((_, Value::Int(number))) => *number,
        other => panic!("{name} is no number of {done:?}: {other:?}"),
    }
}
