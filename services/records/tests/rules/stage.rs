//! A campaign in preview mode: lists of one campaign, a campaign group, and declarations that a test sets in the state itself.

use std::sync::Arc;

use outbound::{
    Body, Handle, RULES_NEWEST, Reply, ReplyBody, Setting, Value,
    declaration::{
        CampaignList, CampaignLists, Declaration, DeclaredCalendar, DeclaredCampaign, DeclaredDay, DeclaredGroup,
        DeclaredHours, DeclaredNames,
    },
    key,
};
use records::{
    BringUpRow, DeclaredRow, DncRow, DncScope, DncSubject, GroupRow, Key, ListRow, Overlay, RecordRow, Row, View,
    canonical_phone, group_state, indexes_of,
};

use crate::common::{World, batch, request};

pub const CAMPAIGN: u32 = 201;
pub const GROUP: u32 = 301;
/// The path of the group.
pub const PATH: &str = "campaigngroups/301";
/// An hour before the world begins.
pub const PAST: &str = "2023-12-31T23:00:00Z";
/// A day after the world begins.
pub const FUTURE: &str = "2024-01-02T00:00:00Z";
pub const HOUR_S: u64 = 3600;

pub struct Stage {
    pub world: World,
}

impl Stage {
    /// Lists in UTC with their weights in the campaign, and the group, loaded.
    pub fn of(lists: &[(&str, u32)]) -> Self {
        let mut world = World::default();
        (2..=RULES_NEWEST).for_each(|version| drop(world.raise(version, Vec::new())));
        for (list, _) in lists {
            world.create(list, "UTC", Vec::new());
        }
        let mut stage = Self { world };
        stage.put(vec![(Key::BringUp, Row::BringUp(BringUpRow { done: true, ..BringUpRow::default() }))]);
        stage.declare(campaign(lists));
        stage.set_state(group_state::LOADED);
        stage
    }

    /// One list, `demo`.
    pub fn new() -> Self {
        Self::of(&[("demo", 10)])
    }

    /// Sets rows of the state.
    pub fn put(&mut self, rows: Vec<(Key, Row)>) {
        self.change(|overlay| rows.into_iter().for_each(|(key, row)| overlay.put(key, row)));
    }

    fn change(&mut self, change: impl FnOnce(&mut Overlay<'_, records::MapView>)) {
        let mut overlay = Overlay::new(&self.world.map);
        change(&mut overlay);
        let changes = overlay.into_changes();
        self.world.take(&[Reply::done("Set", Vec::new())], changes, Vec::new());
    }

    pub fn declare(&mut self, declaration: Declaration) {
        let row = DeclaredRow { revision: 1, declaration: Some(declaration), ..DeclaredRow::default() };
        self.put(vec![(Key::Declared, Row::Declared(Arc::new(row.into())))]);
    }

    /// Changes the declaration.
    pub fn redeclare(&mut self, change: impl FnOnce(&mut Declaration)) {
        let Some(Row::Declared(declared)) = self.world.map.get(&Key::Declared) else { panic!("nothing is declared") };
        let mut declaration = declared.declaration().clone();
        change(&mut declaration);
        self.declare(declaration);
    }

    pub fn set_state(&mut self, state: u32) {
        self.put(vec![(Key::Group(GROUP), Row::Group(GroupRow { state, ..GroupRow::default() }))]);
    }

    pub fn state(&self) -> u32 {
        match self.world.map.get(&Key::Group(GROUP)) {
            Some(Row::Group(row)) => row.state,
            _ => group_state::NOT_LOADED,
        }
    }

    /// Changes the row of a list.
    pub fn edit_list(&mut self, name: &str, change: impl FnOnce(&mut ListRow)) {
        let (dbid, list) = records::find_list(&self.world.map, name).unwrap();
        let mut list = (*list).clone();
        change(&mut list);
        self.put(vec![(Key::List(dbid), Row::List(Arc::new(list)))]);
    }

    /// Changes rows of records past the rules, with their index entries.
    pub fn edit_all(&mut self, handles: impl IntoIterator<Item = u64>, change: impl Fn(&mut RecordRow)) {
        let edited: Vec<_> = handles.into_iter().map(|handle| (Handle(handle), self.record(handle))).collect();
        self.change(|overlay| {
            for (handle, before) in edited {
                let key = Key::Record(handle);
                let rows =
                    |record: &RecordRow| indexes_of(&key, &Row::Record(Arc::new(record.clone())), canonical_phone);
                let mut after = before.clone();
                change(&mut after);
                rows(&before).into_iter().for_each(|(index, _)| overlay.remove(index));
                rows(&after).into_iter().for_each(|(index, row)| overlay.put(index, row));
                overlay.put(key.clone(), Row::Record(Arc::new(after)));
            }
        });
    }

    pub fn edit(&mut self, handle: u64, change: impl Fn(&mut RecordRow)) {
        self.edit_all([handle], change);
    }

    pub fn record(&self, handle: u64) -> RecordRow {
        records::record(&self.world.map, Handle(handle)).unwrap()
    }

    /// Adds a record with a phone of its own; answers its handle.
    pub fn add(&mut self, list: &str, pairs: &[(&str, &str)]) -> u64 {
        let phone = format!("+1555{:07}", self.world.counter);
        let phone = [(key::PHONE, phone.as_str())];
        let reply = self.ask("AddRecord", &format!("lists/{list}"), &[&phone[..], pairs].concat());
        u64::try_from(int(&reply, key::RECORD_HANDLE)).unwrap()
    }

    /// Adds a record behind the last one of another record's chain.
    pub fn add_to_chain(&mut self, of: u64, pairs: &[(&str, &str)]) -> u64 {
        let record = self.record(of);
        let (chain, list) = (record.chain_id.to_string(), record.list.to_string());
        self.add(&list, &[&[(key::CHAIN_ID, chain.as_str())][..], pairs].concat())
    }

    /// Imports lines of a file; answers the handles of its rows.
    pub fn import(&mut self, list: &str, lines: &[&str]) -> Vec<u64> {
        let first = records::counters(&self.world.map).last_handle + 1;
        for (at, rows) in lines[1..].chunks(500).enumerate() {
            let file = [&lines[..1], rows].concat();
            self.world.ask(Body::ImportBatch(batch(list, "file", 1 + 500 * at as u64, &file)));
        }
        (first..=records::counters(&self.world.map).last_handle).collect()
    }

    /// Enters a record's phone into the Do-Not-Call list of the default tenant.
    pub fn do_not_call(&mut self, handles: impl IntoIterator<Item = u64>) {
        let entry = |handle| {
            let phone = self.record(handle).contact_info;
            let subject = DncSubject::Phone(canonical_phone(&phone));
            let row = DncRow { stamp_us: 1, given: phone, ..DncRow::default() };
            (Key::Dnc(DncScope::Tenant(String::new()), subject), Row::Dnc(row))
        };
        let entries = handles.into_iter().map(entry).collect();
        self.put(entries);
    }

    pub fn set_option(&mut self, key: &str, value: &str) {
        let setting = Setting { key: key.to_owned(), value: value.to_owned() };
        self.world.ask(Body::SetSettings(vec![setting]));
    }

    pub fn wait_s(&mut self, seconds: u64) {
        self.world.wait_ms(1_000 * seconds);
    }

    /// Lets the time go on to UTC seconds.
    pub fn go_to(&mut self, at_s: i64) {
        let at_us = u64::try_from(at_s).unwrap() * 1_000_000;
        assert!(at_us >= self.world.now_us, "time goes on");
        self.world.now_us = at_us;
    }

    /// A request with content of its own.
    pub fn ask(&mut self, verb: &str, resource: &str, pairs: &[(&str, &str)]) -> Reply {
        let reference = self.world.counter.to_string();
        let pairs = [pairs, &[(key::REFERENCE_ID, reference.as_str())]].concat();
        self.world.ask(Body::Request(request(verb, resource, &pairs)))
    }

    /// The reply to a preview request of an agent; empty: the request names no agent.
    pub fn preview_reply(&mut self, agent: &str) -> Reply {
        let agent = [(key::AGENT_ID, agent)];
        let pairs = if agent[0].1.is_empty() { &[][..] } else { &agent[..] };
        self.ask("PreviewRecordRequest", PATH, pairs)
    }

    /// The handle of the next record.
    pub fn preview(&mut self, agent: &str) -> Option<u64> {
        let reply = self.preview_reply(agent);
        match event(&reply) {
            "PreviewRecord" => Some(u64::try_from(int(&reply, key::RECORD_HANDLE)).unwrap()),
            "PreviewRecordEmpty" => None,
            other => panic!("{other}"),
        }
    }

    /// The condition that a record fails now; none: the record is dialable.
    pub fn why(&self, handle: u64) -> Option<u32> {
        let why = records::why_not_dialable(&self.world.map, Handle(handle), self.world.now_us);
        why.map(|why| why.condition)
    }
}

/// A campaign `Renewals` of lists with their weights, and its group `Renewals@Agents`.
fn campaign(lists: &[(&str, u32)]) -> Declaration {
    let list = |(list, weight): &(&str, u32)| CampaignList { list: (*list).to_owned(), weight: Some(*weight) };
    let campaign = DeclaredCampaign {
        name: "Renewals".to_owned(),
        dbid: Some(CAMPAIGN),
        tenant: Some(String::new()),
        lists: Some(CampaignLists { lists: lists.iter().map(list).collect() }),
    };
    let group = DeclaredGroup {
        campaign: "Renewals".to_owned(),
        group: "Agents".to_owned(),
        dbid: Some(GROUP),
        desktop_chains_limit: Some(0),
    };
    Declaration { campaigns: vec![campaign], campaign_groups: vec![group], ..Declaration::default() }
}

/// A calendar with hours by day of the week, seconds since midnight, and closed dates.
pub fn calendar(name: &str, days: &[(u32, u32, u32)], closed: &[&str]) -> DeclaredCalendar {
    let days = days.iter().map(|(day, from, till)| DeclaredDay { day: *day, from: *from, till: *till }).collect();
    let names = closed.iter().map(|date| (*date).to_owned()).collect();
    DeclaredCalendar {
        name: name.to_owned(),
        hours: Some(DeclaredHours { days }),
        closed: Some(DeclaredNames { names }),
    }
}

/// The event of a reply, the code of a refusal, or `Again`.
pub fn event(reply: &Reply) -> &str {
    match &reply.body {
        ReplyBody::Done(done) => &done.event,
        ReplyBody::Refused(refusal) => refusal.code.word(),
        ReplyBody::Again => "Again",
        ReplyBody::Imported(_) => "Imported",
    }
}

pub fn value(reply: &Reply, name: &str) -> Option<Value> {
    let ReplyBody::Done(done) = &reply.body else { panic!("{reply:?}") };
    done.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
}

pub fn int(reply: &Reply, name: &str) -> i64 {
    match value(reply, name) {
        Some(Value::Int(number)) => number,
        other => panic!("{name} is {other:?} in {reply:?}"),
    }
}

pub fn text(reply: &Reply, name: &str) -> String {
    match value(reply, name) {
        Some(Value::Str(text)) => text,
        other => panic!("{name} is {other:?} in {reply:?}"),
    }
}
