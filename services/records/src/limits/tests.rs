//! Tests of contact limits: the end of a limit, the subjects of an attempt, and the rows that attempts leave.

use outbound::{
    Body, BringUp, Command, Origin, RequestId,
    declaration::{CampaignList, CampaignLists, Declaration, DeclaredCampaign, DeclaredResults, DeclaredTenant},
};

use super::*;
use crate::{map::MapView, numbers::OneByOne, overlay::Overlay, rules::Rules, tables::DeclaredRow, tables::indexes_of};

/// 2024-03-30T12:00:00Z: a day before Berlin's clocks go forward.
const NOON_S: i64 = 1_711_800_000;
const HOUR_S: i64 = 3600;
const DAY_S: i64 = 24 * HOUR_S;
const BUSY: i64 = 6;
const ANSWER: i64 = 33;
/// The campaign of the lists of the default tenant, and one without lists.
const CAMPAIGN: u32 = 101;
const OTHER: u32 = 102;

/// country_code, trunk_prefix and national_digits of a tenant.
type Country = (&'static str, &'static str, u32);
const NONE: Country = ("", "", 0);
const GERMANY: Country = ("49", "0", 0);
const AUSTRIA: Country = ("43", "0", 0);
const AMERICA: Country = ("1", "", 10);

/// A state with limits, and the record of the tests.
struct World {
    map: MapView,
    record: RecordRow,
    list: ListRow,
}

fn limit(max: u32, per: Per, within_s: i64) -> DeclaredLimit {
    DeclaredLimit {
        max: Some(max),
        per: Some(per.word().to_owned()),
        within: u32::try_from(within_s).ok(),
        ..DeclaredLimit::default()
    }
}

fn of_result(result: i64, limit: DeclaredLimit) -> DeclaredLimit {
    DeclaredLimit { results: Some(DeclaredResults { results: vec![result] }), ..limit }
}

fn of_campaign(limit: DeclaredLimit) -> DeclaredLimit {
    DeclaredLimit { campaign: Some("renewals".to_owned()), ..limit }
}

fn world(limits: Vec<DeclaredLimit>) -> World {
    let lists = CampaignLists { lists: vec![CampaignList { list: "demo".to_owned(), weight: None }] };
    let campaign = |dbid, name: &str, lists| DeclaredCampaign {
        name: name.to_owned(),
        dbid: Some(dbid),
        lists: Some(lists),
        ..DeclaredCampaign::default()
    };
    let tenant =
        |name: &str, dbid| DeclaredTenant { name: name.to_owned(), dbid: Some(dbid), ..DeclaredTenant::default() };
    let declaration = Declaration {
        tenants: vec![tenant("default", 7), tenant("north", 8)],
        campaigns: vec![campaign(CAMPAIGN, "renewals", lists), campaign(OTHER, "other", CampaignLists::default())],
        contact_limits: limits,
        ..Declaration::default()
    };
    let list = ListRow { name: "demo".to_owned(), time_zone: "UTC".to_owned(), ..ListRow::default() };
    let record = RecordRow {
        list: 101,
        contact_info: "+1 555".to_owned(),
        customer: "c".to_owned(),
        chain_id: 7,
        ..RecordRow::default()
    };
    let mut world = World { map: MapView::default(), record, list };
    let row = DeclaredRow { declaration: Some(declaration), ..DeclaredRow::default() };
    let list = std::sync::Arc::new(world.list.clone());
    world.at(-10, |turn| {
        turn.overlay.put_declared(row.into());
        turn.overlay.put(Key::List(101), Row::List(list));
    });
    world
}

impl World {
    /// Does something as a command at a time, microseconds from noon.
    fn at_us<T>(&mut self, us: i64, act: impl FnOnce(&mut Turn<'_, '_, MapView>) -> T) -> T {
        let body = Body::BringUp(BringUp { rows_max: 1 });
        let stamp_us = (NOON_S * 1_000_000 + us).unsigned_abs();
        let command = Command::new(RULES_WITH_CAMPAIGNS, RequestId::default(), stamp_us, Origin::Control, body);
        let (rules, mut numbers, mut events) = (Rules::default(), OneByOne, Vec::new());
        let mut overlay = Overlay::new(&self.map);
        let mut turn = Turn::begin(&command, &mut overlay, &rules, &mut numbers, &mut events);
        let done = act(&mut turn);
        turn.end();
        let changes = overlay.into_changes();
        self.map.apply(&changes);
        done
    }

    fn at<T>(&mut self, after_s: i64, act: impl FnOnce(&mut Turn<'_, '_, MapView>) -> T) -> T {
        self.at_us(after_s * 1_000_000, act)
    }

    /// Hands the record out, and ends its attempt with this result.
    fn attempt(&mut self, after_s: i64, campaign: Option<u32>, result: Option<i64>) {
        let (record, list) = (self.record.clone(), self.list.clone());
        self.at(after_s, |turn| {
            let record = RecordRow { call_result: result.unwrap_or(28), ..record };
            count(Handle(1), &record, &list, campaign, turn);
            let held = RecordRow { held_since_us: turn.now_us, ..record };
            if let Some(result) = result.filter(|_| campaign.is_some()) {
                note_result(Handle(1), &held, &list, result, turn);
            }
        });
    }

    /// Declares the country of every tenant.
    fn declare_country(&mut self, after_s: i64, country: Country) {
        self.at(after_s, |turn| {
            let mut declaration = turn.overlay.declared().declaration().clone();
            for tenant in &mut declaration.tenants {
                tenant.country_code = Some(country.0.to_owned());
                tenant.trunk_prefix = Some(country.1.to_owned());
                tenant.national_digits = Some(country.2);
            }
            let row = DeclaredRow { declaration: Some(declaration), ..DeclaredRow::default() };
            turn.overlay.put_declared(row.into());
        });
    }

    /// Hands a record with this phone out.
    fn dial(&mut self, after_s: i64, phone: &str) {
        self.record.contact_info = phone.to_owned();
        self.attempt(after_s, Some(CAMPAIGN), None);
    }

    /// As [`World::held_until`], for a record with this phone.
    fn phone_held_until(&mut self, after_s: i64, phone: &str) -> Option<i64> {
        self.record.contact_info = phone.to_owned();
        self.held_until(after_s, CAMPAIGN)
    }

    /// The seconds from noon until which the limits hold the record back; none: not held back.
    fn held_until(&mut self, after_s: i64, campaign: u32) -> Option<i64> {
        let (record, list) = (self.record.clone(), self.list.clone());
        self.at(after_s, |turn| check(&record, &list, campaign, turn)).err().map(|until_s| until_s - NOON_S)
    }

    fn attempts(&self) -> usize {
        for (key, row) in self.map.table(Table::Attempt) {
            for (index, _) in indexes_of(&key, &row, |_| String::new()) {
                assert!(self.map.get(&index).is_some(), "{index:?}");
            }
        }
        assert_eq!(self.map.table(Table::Attempt).len(), self.map.table(Table::AttemptByAge).len());
        self.map.table(Table::Attempt).len()
    }
}

/// Each row: the limit; attempts as seconds from noon and result; a time, and until when the record is held back then.
#[test]
fn a_limit_holds_back_from_its_last_attempt_until_the_oldest_of_them_counts_no_more() {
    let weekly: Vec<(i64, Option<i64>)> = (0..7).map(|day| (day * DAY_S, Some(BUSY))).collect();
    let table = [
        ("7 in 7 days", limit(7, Per::Phone, 7 * DAY_S), weekly.clone(), 6 * DAY_S + 1, Some(7 * DAY_S)),
        ("6 of them", limit(7, Per::Phone, 7 * DAY_S), weekly[..6].to_vec(), 6 * DAY_S + 1, None),
        ("over", limit(7, Per::Phone, 7 * DAY_S), weekly.clone(), 7 * DAY_S, None),
        ("more than the limit", limit(3, Per::Phone, 7 * DAY_S), weekly, 6 * DAY_S + 1, Some(11 * DAY_S)),
        (
            "1 Answer in 7 days",
            of_result(ANSWER, limit(1, Per::Customer, 7 * DAY_S)),
            vec![(0, Some(ANSWER)), (1, Some(BUSY)), (2, None)],
            HOUR_S,
            Some(7 * DAY_S),
        ),
        (
            "another result, and none yet",
            of_result(ANSWER, limit(1, Per::Customer, 7 * DAY_S)),
            vec![(1, Some(BUSY)), (2, None)],
            HOUR_S,
            None,
        ),
        ("3 in 24 hours", limit(3, Per::Chain, DAY_S), vec![(0, None), (5, None), (9, Some(6))], 10, Some(DAY_S)),
        ("an attempt that runs", limit(1, Per::Phone, DAY_S), vec![(0, None)], 1, Some(DAY_S)),
        ("none at all", limit(0, Per::Phone, DAY_S), vec![], 1, Some(NEVER_S + 1)),
    ];
    for (name, limit, attempts, at_s, expected) in table {
        let mut world = world(vec![limit]);
        for (after_s, result) in attempts {
            world.attempt(after_s, Some(CAMPAIGN), result);
        }
        assert_eq!(world.held_until(at_s, CAMPAIGN), expected, "{name}");
    }
}

/// Each row: the record's zone; an attempt and a time, hours from noon UTC; until when the record is held back.
#[test]
fn a_day_is_a_calendar_day_of_the_records_zone_however_long() {
    for (zone, attempt_h, at_h, until_h) in [
        ("UTC", 0, 1, Some(12)),
        ("UTC", 11, 12, None),
        ("Europe/Berlin", 0, 1, Some(11)),
        // the day of 23 hours
        ("Europe/Berlin", 12, 33, Some(34)),
        ("Europe/Berlin", 12, 34, None),
        ("Australia/Melbourne", 0, 0, Some(1)),
        ("Australia/Melbourne", 0, 1, None),
    ] {
        let mut world = world(vec![limit(1, Per::Phone, 0)]);
        world.record.tz_name = zone.to_owned();
        world.attempt(attempt_h * HOUR_S, Some(CAMPAIGN), Some(BUSY));
        let expected = until_h.map(|hours| hours * HOUR_S);
        assert_eq!(world.held_until(at_h * HOUR_S, CAMPAIGN), expected, "{zone}, {attempt_h} h, {at_h} h");
    }
}

#[test]
fn the_latest_of_several_limits_counts() {
    let mut world = world(vec![limit(1, Per::Phone, HOUR_S), limit(1, Per::Chain, DAY_S), limit(2, Per::Customer, 1)]);
    world.attempt(0, Some(CAMPAIGN), None);
    assert_eq!(world.held_until(1, CAMPAIGN), Some(DAY_S));
    world.record.chain_id = 8;
    assert_eq!(world.held_until(1, CAMPAIGN), Some(HOUR_S));
    world.record.contact_info = "+1 556".to_owned();
    assert_eq!(world.held_until(1, CAMPAIGN), None);
}

#[test]
fn a_part_of_a_second_is_waited_for() {
    let mut world = world(vec![limit(1, Per::Phone, 10)]);
    let (record, list) = (world.record.clone(), world.list.clone());
    world.at_us(1, |turn| count(Handle(1), &record, &list, Some(CAMPAIGN), turn));
    assert_eq!(world.held_until(9, CAMPAIGN), Some(11));
    assert!(world.at_us(10_000_000, |turn| check(&record, &list, CAMPAIGN, turn)).is_err());
    assert!(world.at_us(10_000_001, |turn| check(&record, &list, CAMPAIGN, turn)).is_ok());
}

/// Each row: the limit; the campaign of the attempt, none for a record that was not handed out; the asking campaign; held back?
#[test]
fn an_attempt_counts_for_its_campaign_its_tenant_and_without_a_hand_out_for_every_campaign_of_its_list() {
    let (tenants, campaigns) = (|| limit(1, Per::Phone, DAY_S), || of_campaign(limit(1, Per::Phone, DAY_S)));
    for (limit, of, asking, is_held) in [
        (tenants(), Some(CAMPAIGN), CAMPAIGN, true),
        (tenants(), Some(OTHER), CAMPAIGN, true),
        (tenants(), None, OTHER, true),
        (campaigns(), Some(CAMPAIGN), CAMPAIGN, true),
        (campaigns(), Some(OTHER), CAMPAIGN, false),
        (campaigns(), Some(CAMPAIGN), OTHER, false),
        (campaigns(), None, CAMPAIGN, true),
        (campaigns(), None, OTHER, false),
    ] {
        let mut world = world(vec![limit.clone(), of_campaign(self::limit(99, Per::Phone, DAY_S))]);
        world.attempt(0, of, Some(BUSY));
        assert_eq!(world.held_until(1, asking).is_some(), is_held, "{limit:?}, {of:?}, {asking}");
    }
}

/// Each row: the limit's tenant, the list's tenant, whether the limit binds the list.
#[test]
fn a_limit_binds_the_lists_of_its_tenant() {
    for (of_limit, of_list, binds) in [
        (None, "", true),
        (Some(""), "", true),
        (Some("default"), "", true),
        (Some("north"), "", false),
        (Some("north"), "north", true),
        (None, "north", false),
    ] {
        let tenant = of_limit.map(str::to_owned);
        let mut world = world(vec![DeclaredLimit { tenant, ..limit(1, Per::Phone, DAY_S) }]);
        world.list.tenant = of_list.to_owned();
        world.attempt(0, Some(CAMPAIGN), None);
        assert_eq!(world.held_until(1, CAMPAIGN).is_some(), binds, "{of_limit:?}, {of_list:?}");
    }
}

#[test]
fn tenants_do_not_share_their_phones() {
    let of_north = DeclaredLimit { tenant: Some("north".to_owned()), ..limit(1, Per::Phone, DAY_S) };
    let mut world = world(vec![limit(1, Per::Phone, DAY_S), of_north]);
    world.attempt(0, Some(CAMPAIGN), None);
    world.list.tenant = "north".to_owned();
    assert_eq!(world.held_until(1, CAMPAIGN), None);
    world.attempt(2, Some(CAMPAIGN), None);
    assert_eq!(world.held_until(3, CAMPAIGN), Some(DAY_S + 2));
}

/// Each row: the country, spellings of one number, and a phone that is another number.
#[test]
fn all_spellings_of_a_number_share_one_allowance() {
    for (country, spellings, other) in [
        (GERMANY, ["+49 30 12345", "030 12345", "0049-30-12345"], "30 12345"),
        (AMERICA, ["+1 212 555 0100", "1 212 555 0100", "212 555 0100"], "555 0100"),
    ] {
        for first in spellings {
            for second in spellings {
                let mut world = world(vec![limit(2, Per::Phone, DAY_S)]);
                world.declare_country(0, country);
                world.dial(1, first);
                let asked = spellings.map(|phone| world.phone_held_until(2, phone));
                assert_eq!(asked, [None; 3], "{first} counts once");
                world.dial(3, second);
                let asked = spellings.map(|phone| world.phone_held_until(4, phone));
                assert_eq!(asked, [Some(DAY_S + 1); 3], "{first}, {second}");
                assert_eq!(world.phone_held_until(4, other), None, "{other}");
                assert_eq!(world.attempts(), 2);
            }
        }
    }
}

#[test]
fn attempts_under_several_spellings_count_in_the_order_of_their_times() {
    let phones = ["030 12345", "+49 30 12345"];
    for first in [0, 1] {
        let mut world = world(vec![limit(2, Per::Phone, DAY_S)]);
        world.declare_country(0, GERMANY);
        for (second, at) in (1..).zip([first, 1 - first, first, 1 - first]) {
            world.dial(second, phones[at]);
        }
        for phone in phones {
            // the limit allows an attempt once the fourth alone counts
            assert_eq!(world.phone_held_until(9, phone), Some(DAY_S + 3), "{phone}");
        }
    }
}

/// Each row: the phone of an attempt, the countries at the attempt and now, a phone, and whether that phone is held back now.
#[test]
fn a_country_that_is_declared_later_loses_no_attempt() {
    let (national, german, austrian) = ("030 12345", "+49 30 12345", "+43 30 12345");
    for (dialled, before, now, asked, is_held) in [
        (national, NONE, GERMANY, german, true),
        (german, NONE, GERMANY, national, true),
        (national, NONE, GERMANY, national, true),
        (national, NONE, GERMANY, austrian, false),
        (national, GERMANY, NONE, national, true),
        (german, GERMANY, NONE, german, true),
        (national, GERMANY, NONE, german, false),
        (national, GERMANY, AUSTRIA, national, true),
        (national, GERMANY, AUSTRIA, austrian, true),
        (national, GERMANY, AUSTRIA, german, false),
        (german, GERMANY, AUSTRIA, national, false),
        (german, GERMANY, AUSTRIA, german, true),
    ] {
        let mut world = world(vec![limit(1, Per::Phone, DAY_S)]);
        world.declare_country(0, before);
        world.dial(1, dialled);
        world.declare_country(2, now);
        let expected = is_held.then_some(DAY_S + 1);
        assert_eq!(world.phone_held_until(3, asked), expected, "{dialled}, {before:?}, {now:?}, {asked}");
    }
}

#[test]
fn an_attempt_is_noted_and_taken_back_under_the_spelling_of_its_hand_out() {
    let answers = of_result(ANSWER, limit(1, Per::Phone, DAY_S));
    let mut world = world(vec![answers, limit(2, Per::Phone, DAY_S)]);
    world.dial(1, "030 12345");
    world.declare_country(2, GERMANY);
    let held_since_us = (NOON_S.unsigned_abs() + 1) * 1_000_000;
    let (list, held) = (world.list.clone(), RecordRow { held_since_us, ..world.record.clone() });
    world.at(3, |turn| note_result(Handle(1), &held, &list, ANSWER, turn));
    assert_eq!((world.attempts(), world.phone_held_until(4, "+49 30 12345")), (1, Some(DAY_S + 1)));
    world.at(5, |turn| take_back(Handle(1), &held, &list, turn));
    assert_eq!((world.attempts(), world.phone_held_until(6, "+49 30 12345")), (0, None));
}

#[test]
fn without_a_country_the_spellings_of_a_number_are_numbers_of_their_own() {
    let mut world = world(vec![limit(1, Per::Phone, DAY_S)]);
    world.dial(1, "030 12345");
    assert_eq!(world.phone_held_until(2, "030-12345"), Some(DAY_S + 1));
    assert_eq!(world.phone_held_until(2, "+49 30 12345"), None);
}

/// Each row: an address, an address that is compared with it, and whether both are the same.
#[test]
fn an_address_has_no_national_form() {
    for (dialled, asked, is_same) in [
        ("Ann@b.example", "ann@B.example", true),
        ("ann@b.example", "0ann@b.example", false),
        ("0123@b.example", "+49123@b.example", false),
        ("+49123@b.example", "0123@b.example", false),
    ] {
        let mut world = world(vec![limit(1, Per::Phone, DAY_S)]);
        world.declare_country(0, GERMANY);
        world.dial(1, dialled);
        assert_eq!(world.phone_held_until(2, asked), is_same.then_some(DAY_S + 1), "{dialled}, {asked}");
    }
}

#[test]
fn rows_are_written_by_kind_and_only_where_a_limit_binds() {
    for (limits, rows) in [
        (vec![], 0),
        (vec![limit(1, Per::Phone, 0)], 1),
        (vec![limit(1, Per::Phone, 0), limit(7, Per::Phone, DAY_S)], 1),
        (vec![limit(1, Per::Phone, 0), of_campaign(limit(1, Per::Chain, 9)), limit(1, Per::Customer, 9)], 3),
        (vec![DeclaredLimit { tenant: Some("north".to_owned()), ..limit(1, Per::Phone, 0) }], 0),
    ] {
        let mut world = world(limits.clone());
        world.attempt(0, Some(CAMPAIGN), Some(BUSY));
        assert_eq!(world.attempts(), rows, "{limits:?}");
    }
    let mut world = world(vec![limit(1, Per::Customer, DAY_S)]);
    world.record.customer.clear();
    world.attempt(0, Some(CAMPAIGN), None);
    assert_eq!((world.attempts(), world.held_until(1, CAMPAIGN)), (0, None), "no customer, no limit per customer");
}

#[test]
fn an_attempt_that_is_taken_back_leaves_no_row_even_if_the_customer_has_changed() {
    let mut world = world(vec![limit(1, Per::Phone, DAY_S), limit(1, Per::Customer, DAY_S)]);
    world.attempt(0, Some(CAMPAIGN), None);
    let held_since_us = NOON_S.unsigned_abs() * 1_000_000;
    let (list, other) = (world.list.clone(), RecordRow { held_since_us: held_since_us + 5, ..world.record.clone() });
    world.at(1, |turn| take_back(Handle(1), &other, &list, turn));
    assert_eq!(world.attempts(), 2, "the attempt of another hand-out");
    let held = RecordRow { held_since_us, customer: "d".to_owned(), ..world.record.clone() };
    world.at(2, |turn| take_back(Handle(1), &held, &list, turn));
    assert_eq!((world.attempts(), world.held_until(3, CAMPAIGN)), (0, None));
}

#[test]
fn attempts_are_forgotten_a_few_a_command_once_they_are_older_than_the_longest_limit() {
    let mut world = world(vec![limit(99, Per::Phone, HOUR_S), limit(99, Per::Chain, 2 * HOUR_S)]);
    (0..40).for_each(|second| world.attempt(second, Some(CAMPAIGN), None));
    for second in 0..100 {
        world.at(2 * HOUR_S - 101 + second, forget_old);
    }
    assert_eq!(world.attempts(), 80);
    let mut most = 0;
    for second in 0..100 {
        let before = world.attempts();
        world.at(2 * HOUR_S + 39 + second, forget_old);
        most = most.max(before - world.attempts());
    }
    assert_eq!((world.attempts(), most), (0, 16));
}

#[test]
fn a_day_is_remembered_as_long_as_any_day_lasts() {
    assert_eq!(Span::longest_us(&limit(1, Per::Phone, 0)), 48 * 3600 * 1_000_000);
    assert_eq!(Span::longest_us(&limit(1, Per::Phone, 5)), 5_000_000);
}
