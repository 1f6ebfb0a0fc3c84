//! Pages over a state in memory that changes between them.

use std::collections::{BTreeMap, BTreeSet};

use outbound::{
    ApplyDeclaration, Attributes, Body, BringUp, Command, Cursor, Origin, RULES_NEWEST, RaiseRules, ReplyBody, Request,
    RequestId, Resource, Verb,
    declaration::{Declaration, DeclaredField, DeclaredList},
    key,
};
use records::{MapView, Rules, decide, lists};

use super::*;
use crate::machine::declared;

const CLUSTER: [u8; 16] = [3; 16];
/// 2024-01-01T00:00:00Z.
const START_S: i64 = 1_704_067_200;
const PHONES: u64 = 7;
const CUSTOMERS: u64 = 5;

/// A state, its next command, and chance from a seed.
struct World {
    map: MapView,
    counter: u64,
    chance: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self { map: MapView::default(), counter: 0, chance: seed };
        for version in 2..=RULES_NEWEST {
            let raise = RaiseRules { to: version, settings: Vec::new(), release: "0.1.0".into() };
            world.ask(Body::RaiseRules(raise));
        }
        let field = DeclaredField { column: "CLIENT".into(), kind: "varchar(20)".into(), ..Default::default() };
        let list = |name: &str| DeclaredList {
            name: name.into(),
            customer_id: Some("CLIENT".into()),
            fields: vec![field.clone()],
            ..DeclaredList::default()
        };
        let declaration = Declaration { lists: vec![list("demo"), list("other")], ..Declaration::default() };
        let apply = ApplyDeclaration { declaration, revision: 0, prune: false };
        let applied = world.ask(Body::ApplyDeclaration(Box::new(apply)));
        assert!(matches!(applied.body, ReplyBody::Done(_)), "{applied:?}");
        world
    }

    fn ask(&mut self, body: Body) -> outbound::Reply {
        self.counter += 1;
        let id = RequestId { node: 1, incarnation: 1, token: 1, counter: self.counter };
        let stamp_us = START_S as u64 * 1_000_000 + self.counter * 1_000;
        let version = if let Body::RaiseRules(raise) = &body { raise.to } else { RULES_NEWEST };
        let command = Command::new(version, id, stamp_us, Origin::Http, body);
        let (reply, changes, _) = decide(&command, &self.map, &Rules::default());
        self.map.apply(&changes);
        reply
    }

    fn request(&mut self, verb: Verb, resource: Resource, pairs: &[(&str, Value)]) -> outbound::Reply {
        let mut attributes: Attributes = pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        attributes.set(key::REFERENCE_ID, Value::Int(self.counter.cast_signed())); // no repeat of another request
        let (tenant, principal) = (String::new(), String::new());
        self.ask(Body::Request(Request { verb, resource, attributes, tenant, principal, idempotency_key: None }))
    }

    /// A number below a bound (SplitMix64).
    fn below(&mut self, bound: u64) -> u64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.chance;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn phone(&mut self) -> Value {
        Value::text(format!("+4930{:04}", self.below(PHONES)))
    }

    fn time(&mut self) -> Value {
        Value::text(format!("01/02/2099 {:02}:00", self.below(24)))
    }

    fn add(&mut self) {
        let list = if self.below(4) == 0 { "other" } else { "demo" };
        let client = Value::text(format!("c{}", self.below(CUSTOMERS)));
        let mut pairs = vec![(key::PHONE, self.phone()), ("CLIENT", client)];
        if self.below(2) == 0 {
            pairs.push((key::DATE_TIME, self.time()));
        }
        if self.below(3) == 0 && list == "demo" {
            pairs.push((key::CHAIN_ID, Value::Int(1)));
        }
        self.request(Verb::AddRecord, Resource::List(list.into()), &pairs);
    }

    /// Any change that clients make; a refused change changes nothing.
    fn change(&mut self) {
        let record = Resource::Record(Handle(1 + self.below(120)));
        match self.below(6) {
            0 => self.add(),
            1 | 2 => {
                let pairs = [(key::DATE_TIME, self.time())];
                self.request(Verb::RecordReschedule, record, &pairs);
            }
            3 => {
                let pairs = [(key::CALL_RESULT, Value::Int(6 + self.below(3).cast_signed()))];
                self.request(Verb::UpdateCallCompletionStats, record, &pairs);
            }
            4 => drop(self.request(Verb::RequestRecordCancel, record, &[])),
            _ => {
                let pairs = [("CLIENT", Value::text(format!("c{}", self.below(CUSTOMERS))))];
                self.request(Verb::PatchRecord, record, &pairs);
            }
        }
    }

    fn page(&self, query: &RecordsQuery) -> Result<Page<Pairs>, Refusal> {
        match page(&self.map, &CLUSTER, query)? {
            Answer::Records(page) => Ok(page),
            other => panic!("{other:?}"),
        }
    }

    /// The handles of all records that fit now, by one walk without pages.
    fn fitting(&self, query: &RecordsQuery) -> BTreeSet<i64> {
        let dbid = lists(&self.map).into_iter().find(|(_, list)| list.name == query.list).unwrap().0;
        let list = list_for(&self.map, &query.list, "").unwrap().1;
        let walk = Walk { view: &self.map, dbid, list, query };
        let fits = |(handle, record): &(Handle, RecordRow)| {
            let is_by = match &query.by {
                RecordsBy::Phone(phone) => record.contact_info == *phone,
                RecordsBy::Customer(customer) => record.customer == *customer,
                RecordsBy::Chain(chain) => record.chain_id == *chain,
                RecordsBy::RecordId | RecordsBy::DueBefore(_) => true,
            };
            (is_by && walk.fits(record)).then_some(handle.0.cast_signed())
        };
        records_from(&self.map, dbid, 0, u32::MAX).iter().filter_map(fits).collect()
    }
}

fn int(row: &[(String, Value)], wanted: &str) -> i64 {
    let found = row.iter().find_map(|(name, value)| match value {
        Value::Int(number) if name == wanted => Some(*number),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("{wanted} in {row:?}"))
}

fn query(by: RecordsBy, beside: RecordFilter, limit: u32) -> RecordsQuery {
    RecordsQuery { list: "demo".into(), tenant: String::new(), by, beside, limit, after: None }
}

/// Every kind of filter, alone and with conditions beside.
fn filters() -> Vec<(RecordsBy, RecordFilter)> {
    let ready = || RecordFilter { statuses: vec![record_status::READY], ..RecordFilter::default() };
    let busy = || RecordFilter { results: vec![6, 7], ..RecordFilter::default() };
    let callbacks = || RecordFilter { types: vec![3, 6], ..RecordFilter::default() };
    let noon_s = 4_071_038_400; // 2099-01-02T12:00:00Z
    let all = [
        RecordsBy::RecordId,
        RecordsBy::Phone("+49300003".into()),
        RecordsBy::Customer("c2".into()),
        RecordsBy::Chain(1),
        RecordsBy::DueBefore(noon_s),
    ];
    let beside = [RecordFilter::default(), ready(), busy(), callbacks()];
    all.iter().flat_map(|by| beside.clone().map(|beside| (by.clone(), beside))).collect()
}

#[test]
fn whatever_changes_between_pages_no_record_comes_twice_and_none_that_fits_throughout_is_left_out() {
    for seed in 0..12 {
        for (at, (by, beside)) in (0..).zip(filters()) {
            let mut world = World::new(seed * 1_000 + at);
            (0..100).for_each(|_| world.add());
            let mut query = query(by, beside, 1 + seed as u32 % 5);
            let mut fits_throughout = world.fitting(&query);
            let mut shown: BTreeMap<i64, u32> = BTreeMap::new();
            loop {
                let page = world.page(&query).unwrap();
                assert!(page.rows.len() <= query.limit as usize);
                page.rows.iter().for_each(|row| *shown.entry(int(row, key::RECORD_HANDLE)).or_default() += 1);
                let Some(next) = page.next else { break };
                query.after = Some(next);
                for _ in 0..4 {
                    world.change();
                    let now = world.fitting(&query);
                    fits_throughout.retain(|handle| now.contains(handle));
                }
            }
            let twice: Vec<_> = shown.iter().filter(|(_, times)| **times > 1).collect();
            assert!(twice.is_empty(), "seed {seed}, {:?}: {twice:?} came twice", query.by);
            let left_out: Vec<_> = fits_throughout.iter().filter(|handle| !shown.contains_key(handle)).collect();
            assert!(left_out.is_empty(), "seed {seed}, {:?}: {left_out:?} were left out", query.by);
        }
    }
}

#[test]
fn pages_of_a_state_that_stands_still_are_all_records_that_fit_in_one_order() {
    let mut world = World::new(7);
    (0..150).for_each(|_| world.add());
    (0..150).for_each(|_| world.change());
    for (by, beside) in filters() {
        for limit in [1, 3, 100, PAGE_RECORDS_MAX] {
            let (mut query, mut shown) = (query(by.clone(), beside.clone(), limit), Vec::new());
            loop {
                let page = world.page(&query).unwrap();
                shown.extend(page.rows.iter().map(|row| int(row, key::RECORD_HANDLE)));
                let Some(next) = page.next else { break };
                query.after = Some(next);
            }
            let all: BTreeSet<i64> = shown.iter().copied().collect();
            assert_eq!((all.len(), &all), (shown.len(), &world.fitting(&query)), "{by:?} {beside:?} {limit}");
        }
    }
}

#[test]
fn a_list_that_ends_with_its_page_has_no_further_page() {
    let mut world = World::new(1);
    for phone in ["+1", "+2", "+3"] {
        world.request(Verb::AddRecord, Resource::List("demo".into()), &[(key::PHONE, Value::text(phone))]);
    }
    for (limit, more) in [(2, true), (3, false), (4, false)] {
        let page = world.page(&query(RecordsBy::RecordId, RecordFilter::default(), limit)).unwrap();
        assert_eq!((page.rows.len(), page.next.is_some()), (limit.min(3) as usize, more), "{limit}");
    }
    let empty = world.page(&query(RecordsBy::Phone("+4".into()), RecordFilter::default(), 2)).unwrap();
    assert!(empty.rows.is_empty() && empty.next.is_none());
}

#[test]
fn a_limit_a_list_and_a_cursor_that_are_none_are_refused() {
    let world = World::new(1);
    let good = query(RecordsBy::RecordId, RecordFilter::default(), 1);
    let code = |query: &RecordsQuery| world.page(query).unwrap_err().code;
    for limit in [0, PAGE_RECORDS_MAX + 1] {
        assert_eq!(code(&RecordsQuery { limit, ..good.clone() }), RefusalCode::BadValue, "{limit}");
    }
    assert_eq!(code(&RecordsQuery { list: "nowhere".into(), ..good.clone() }), RefusalCode::ListNotFound);
    let of_other = RecordsQuery { list: "other".into(), ..good.clone() }.cursor(&CLUSTER, 102, 3);
    for after in [of_other, Cursor(Vec::new()), Cursor(vec![1; 25])] {
        assert_eq!(code(&RecordsQuery { after: Some(after), ..good.clone() }), RefusalCode::BadValue);
    }
}

#[test]
fn a_page_by_customer_waits_until_the_customers_of_the_list_are_indexed() {
    let mut world = World::new(1);
    let index_all = |world: &mut World| {
        while bring_up(&world.map).is_left() {
            world.ask(Body::BringUp(BringUp { rows_max: 10 }));
        }
    };
    let by = |number: u64| query(RecordsBy::Customer(format!("c{number}")), RecordFilter::default(), 100);
    let shown = |world: &World| (0..CUSTOMERS).map(|number| world.page(&by(number)).unwrap().rows.len()).sum::<usize>();
    (0..30).for_each(|_| world.add());
    index_all(&mut world);
    assert!(shown(&world) > 0);
    let field = DeclaredField { column: "OTHER".into(), kind: "varchar(20)".into(), ..Default::default() };
    let list = DeclaredList {
        name: "demo".into(),
        customer_id: Some("OTHER".into()),
        fields: vec![field],
        ..DeclaredList::default()
    };
    let declaration = Declaration { lists: vec![list], ..Declaration::default() };
    let Answer::Declaration { revision, .. } = declared::declaration(&world.map) else { panic!("a declaration") };
    let apply = ApplyDeclaration { declaration, revision, prune: false };
    let applied = world.ask(Body::ApplyDeclaration(Box::new(apply)));
    assert!(matches!(applied.body, ReplyBody::Done(_)), "{applied:?}");
    assert_eq!(world.page(&by(1)).unwrap_err().code, RefusalCode::Conflict);
    let other = RecordsQuery { list: "other".into(), ..by(1) };
    assert!(world.page(&other).is_ok(), "the customers of the other list stand");
    index_all(&mut world);
    assert_eq!(shown(&world), 0, "no record has a customer of that field");
}

#[test]
fn a_record_has_its_version_which_changes_with_each_change_and_is_the_same_in_pages() {
    let mut world = World::new(1);
    world.request(Verb::AddRecord, Resource::List("demo".into()), &[(key::PHONE, Value::text("+1"))]);
    let version = |world: &World| {
        let Ok(Answer::Records(found)) = one(&world.map, &RecordName::Handle(Handle(1)), "") else {
            panic!("a record")
        };
        let paged = world.page(&query(RecordsBy::RecordId, RecordFilter::default(), 1)).unwrap();
        assert_eq!(found.rows, paged.rows);
        found.rows[0].iter().find(|(name, _)| name == key::ROW_VERSION).unwrap().1.clone()
    };
    let first = version(&world);
    for result in [6, 7, 6] {
        let before = version(&world);
        let pairs = [(key::CALL_RESULT, Value::Int(result))];
        let reply = world.request(Verb::UpdateCallCompletionStats, Resource::Record(Handle(1)), &pairs);
        assert!(matches!(reply.body, ReplyBody::Done(_)), "{reply:?}");
        assert_ne!(version(&world), before);
    }
    assert_ne!(version(&world), first);
    let by_id = RecordName::InList { list: "demo".into(), record_id: 1 };
    assert!(one(&world.map, &by_id, "").is_ok());
    let unknown = one(&world.map, &RecordName::InList { list: "demo".into(), record_id: 9 }, "").unwrap_err();
    assert_eq!(unknown.code, RefusalCode::RecordNotFound);
}
