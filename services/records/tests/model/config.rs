//! Random configurations, as the model reads them and as the state has them.

use std::sync::Arc;

use outbound::{
    Setting,
    declaration::{
        CampaignList, CampaignLists, Declaration, DeclaredCalendar, DeclaredCampaign, DeclaredDay, DeclaredGroup,
        DeclaredHours, DeclaredLimit, DeclaredNames, DeclaredResults, DeclaredTenant, DeclaredTreatment, DeclaredZone,
    },
};
use records::{BringUpRow, DeclaredRow, Key, ListRow, MapView, Row};

use crate::{
    random::Random,
    time::{self, DAY_S},
};

pub const BUSY: i64 = 6;
pub const NO_ANSWER: i64 = 7;
pub const ANSWER: i64 = 33;
pub const AGENT_CALL_BACK_ERROR: i64 = 47;
/// Results that requests give.
pub const RESULTS: [i64; 4] = [BUSY, NO_ANSWER, ANSWER, 28];

pub const FIRST_LIST: u32 = 101;
pub const FIRST_CAMPAIGN: u32 = 201;
pub const FIRST_GROUP: u32 = 301;
pub const NORTH: &str = "north";
pub const CUSTOMER_COLUMN: &str = "CLIENT_ID";

/// A configured zone, and the zones by their own names.
pub const ZONES: [&str; 5] = ["VIC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Melbourne"];

/// The IANA name of a zone's name.
pub fn iana(name: &'static str) -> &'static str {
    if name == "VIC" { "Australia/Melbourne" } else { name }
}

/// country_code of every declared country.
pub const CODE: &str = "1";

/// How a tenant's country writes its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Country {
    Undeclared,
    /// National numbers begin with this prefix.
    Trunk(&'static str),
    /// National numbers have so many digits.
    Digits(usize),
}

#[derive(Debug, Clone)]
pub struct ListConfig {
    pub name: &'static str,
    pub tenant: &'static str,
    pub zone: &'static str,
    pub treatments: Vec<usize>,
    pub attempts_max: i64,
    pub callbacks_any_time: bool,
    pub has_calendar: bool,
    /// 0 no, 1 open, 2 ever.
    pub unique_phone: u32,
}

#[derive(Debug, Clone)]
pub struct CampaignConfig {
    pub name: &'static str,
    pub tenant: &'static str,
    /// Positions of lists with their weights.
    pub lists: Vec<(usize, i64)>,
}

#[derive(Debug, Clone)]
pub struct GroupConfig {
    pub campaign: usize,
    /// desktop_chains_limit.
    pub holds_max: usize,
}

#[derive(Debug, Clone)]
pub struct TreatmentConfig {
    pub result: i64,
    pub number: i64,
    pub action: &'static str,
    pub attempts: i64,
    pub interval_s: i64,
    pub increment_s: i64,
    pub at: String,
}

#[derive(Debug, Clone)]
pub struct LimitConfig {
    /// None: a tenant's.
    pub campaign: Option<usize>,
    pub tenant: &'static str,
    pub max: usize,
    /// phone, customer or chain.
    pub per: &'static str,
    /// 0: a calendar day.
    pub within_s: i64,
    pub results: Vec<i64>,
}

/// Everything that is declared, and the options.
#[derive(Debug, Clone)]
pub struct Config {
    pub start_s: i64,
    pub has_tenants: bool,
    /// The countries of the default tenant and of the other one.
    pub countries: [Country; 2],
    pub lists: Vec<ListConfig>,
    pub campaigns: Vec<CampaignConfig>,
    pub groups: Vec<GroupConfig>,
    pub treatments: Vec<TreatmentConfig>,
    pub limits: Vec<LimitConfig>,
    /// Opening hours by day of the week from Monday on, and a closed date.
    pub hours: [Option<(i64, i64)>; 7],
    pub closed: String,
    pub pause_s: i64,
    pub timeout_s: i64,
    pub grace_s: i64,
    pub expiry_s: i64,
}

/// Noons before the clocks change somewhere, and one before none do.
const STARTS: [i64; 6] = [1_711_800_000, 1_729_944_000, 1_709_985_600, 1_730_548_800, 1_712_404_800, 1_719_835_200];

impl Config {
    pub fn any(random: &mut Random) -> Self {
        let has_tenants = random.one_in(3);
        let start_s = random.pick(&STARTS);
        let treatments = any_treatments(random, start_s);
        let lists = any_lists(random, has_tenants, &treatments);
        let (campaigns, groups) = any_campaigns(random, has_tenants);
        let limits = any_limits(random, has_tenants);
        let hours = [(); 7]
            .map(|()| (!random.one_in(4)).then(|| (random.between(0, 11) * 3600, random.between(12, 24) * 3600)));
        let closed = time::date_text(start_s + DAY_S);
        // callbacks that are overdue and expire at once would come due in no order that the specification gives
        let (grace_s, expiry_s) = random.pick(&[(1800, 0), (300, 0), (0, 0), (0, 7200), (0, 90_000)]);
        let countries = [Country::Undeclared, Country::Undeclared, Country::Trunk("0"), Country::Digits(7)];
        Self {
            start_s,
            has_tenants,
            countries: [(); 2].map(|()| random.pick(&countries)),
            lists,
            campaigns,
            groups,
            treatments,
            limits,
            hours,
            closed,
            pause_s: random.pick(&[60, 600]),
            timeout_s: random.pick(&[1800, 120]),
            grace_s,
            expiry_s,
        }
    }

    pub fn country(&self, tenant: &str) -> Country {
        self.countries[usize::from(tenant == NORTH)]
    }

    /// The options of the rules.
    pub fn settings(&self) -> Vec<Setting> {
        let options = [
            ("reject_pause", self.pause_s),
            ("retrieved_timeout", self.timeout_s),
            ("personal_callback_grace", self.grace_s),
            ("callback_expiry", self.expiry_s),
        ];
        options.map(|(key, value)| Setting { key: key.to_owned(), value: value.to_string() }).to_vec()
    }

    /// The rows of the declaration. The lists are there already, with their fields.
    pub fn rows(&self, map: &MapView) -> Vec<(Key, Row)> {
        let declared = DeclaredRow { revision: 1, declaration: Some(self.declaration()), ..DeclaredRow::default() };
        let bring_up = BringUpRow { done: true, ..BringUpRow::default() };
        let mut rows =
            vec![(Key::Declared, Row::Declared(Arc::new(declared.into()))), (Key::BringUp, Row::BringUp(bring_up))];
        for (dbid, list) in (FIRST_LIST..).zip(&self.lists) {
            let row = records::list(map, dbid).unwrap();
            rows.push((Key::List(dbid), Row::List(Arc::new(self.list_row(list, (*row).clone())))));
        }
        rows
    }

    fn list_row(&self, list: &ListConfig, row: ListRow) -> ListRow {
        ListRow {
            tenant: list.tenant.to_owned(),
            customer_column: CUSTOMER_COLUMN.to_owned(),
            treatments: list.treatments.iter().map(|at| self.treatments[*at].name()).collect(),
            calendar: if list.has_calendar { "hours".to_owned() } else { String::new() },
            attempts_max: u32::try_from(list.attempts_max).unwrap(),
            unique_phone: list.unique_phone,
            callbacks_any_time: list.callbacks_any_time,
            ..row
        }
    }

    fn declaration(&self) -> Declaration {
        let zone = DeclaredZone { name: "VIC".to_owned(), dbid: Some(122), time_zone: Some(iana("VIC").to_owned()) };
        Declaration {
            tenants: self.tenants(),
            time_zones: vec![zone],
            calendars: vec![self.calendar()],
            treatments: self.treatments.iter().map(TreatmentConfig::declared).collect(),
            campaigns: (FIRST_CAMPAIGN..).zip(&self.campaigns).map(|(dbid, one)| self.campaign(dbid, one)).collect(),
            campaign_groups: (FIRST_GROUP..).zip(&self.groups).map(|(dbid, one)| self.group(dbid, one)).collect(),
            contact_limits: self.limits.iter().map(|limit| self.limit(limit)).collect(),
            ..Declaration::default()
        }
    }

    /// The default tenant is declared for its country alone.
    fn tenants(&self) -> Vec<DeclaredTenant> {
        let [of_default, of_north] = self.countries;
        let default = (of_default != Country::Undeclared).then(|| of_default.tenant("default", 107));
        let north = self.has_tenants.then(|| of_north.tenant(NORTH, 108));
        default.into_iter().chain(north).collect()
    }

    fn calendar(&self) -> DeclaredCalendar {
        let second = |at: i64| u32::try_from(at).unwrap();
        let day = |(day, hours): (u32, &Option<(i64, i64)>)| {
            hours.map(|(from, till)| DeclaredDay { day, from: second(from), till: second(till) })
        };
        let days = (1..).zip(&self.hours).filter_map(day).collect();
        let closed = DeclaredNames { names: vec![self.closed.clone()] };
        DeclaredCalendar { name: "hours".to_owned(), hours: Some(DeclaredHours { days }), closed: Some(closed) }
    }

    fn campaign(&self, dbid: u32, campaign: &CampaignConfig) -> DeclaredCampaign {
        let list = |(at, weight): &(usize, i64)| CampaignList {
            list: self.lists[*at].name.to_owned(),
            weight: Some(u32::try_from(*weight).unwrap()),
        };
        DeclaredCampaign {
            name: campaign.name.to_owned(),
            dbid: Some(dbid),
            tenant: Some(campaign.tenant.to_owned()),
            lists: Some(CampaignLists { lists: campaign.lists.iter().map(list).collect() }),
        }
    }

    fn group(&self, dbid: u32, group: &GroupConfig) -> DeclaredGroup {
        DeclaredGroup {
            campaign: self.campaigns[group.campaign].name.to_owned(),
            group: "Agents".to_owned(),
            dbid: Some(dbid),
            desktop_chains_limit: Some(u32::try_from(group.holds_max).unwrap()),
        }
    }

    fn limit(&self, limit: &LimitConfig) -> DeclaredLimit {
        let campaign = limit.campaign.map_or("", |at| self.campaigns[at].name);
        DeclaredLimit {
            name: format!("{limit:?}"),
            campaign: Some(campaign.to_owned()),
            tenant: Some(limit.tenant.to_owned()),
            max: u32::try_from(limit.max).ok(),
            per: Some(limit.per.to_owned()),
            within: u32::try_from(limit.within_s).ok(),
            results: Some(DeclaredResults { results: limit.results.clone() }),
        }
    }
}

impl Country {
    fn tenant(self, name: &str, dbid: u32) -> DeclaredTenant {
        let (code, trunk_prefix, digits) = match self {
            Self::Undeclared => ("", "", 0),
            Self::Trunk(prefix) => (CODE, prefix, 0),
            Self::Digits(count) => (CODE, "", count),
        };
        DeclaredTenant {
            name: name.to_owned(),
            dbid: Some(dbid),
            country_code: Some(code.to_owned()),
            trunk_prefix: Some(trunk_prefix.to_owned()),
            national_digits: u32::try_from(digits).ok(),
        }
    }
}

impl TreatmentConfig {
    fn name(&self) -> String {
        format!("{}-{}", self.result, self.number)
    }

    fn declared(&self) -> DeclaredTreatment {
        let number = |value: i64| u32::try_from(value).ok();
        DeclaredTreatment {
            name: self.name(),
            dbid: number(self.result * 100 + self.number),
            call_result: Some(self.result),
            number: number(self.number),
            action: Some(self.action.to_owned()),
            cycle_attempts: number(self.attempts),
            interval: number(self.interval_s / 60),
            increment: number(self.increment_s / 60),
            at: Some(self.at.clone()),
        }
    }
}

const ACTIONS: [&str; 10] = [
    "RetryIn",
    "Cycle",
    "RetryAtDate",
    "NextInChain",
    "NextInChainAfter",
    "NextInChainAtDate",
    "AssignToGroup",
    "MarkAsAgentError",
    "MarkDB",
    "MarkAllChain",
];

fn any_treatments(random: &mut Random, start_s: i64) -> Vec<TreatmentConfig> {
    let mut treatments = Vec::new();
    for result in [BUSY, NO_ANSWER] {
        for number in 1..=random.between(0, 3) {
            let action = if random.one_in(2) { random.pick(&["RetryIn", "Cycle"]) } else { random.pick(&ACTIONS) };
            treatments.push(any_treatment(random, start_s, result, number, action));
        }
    }
    if random.one_in(3) {
        // the specification does not say what an overdue callback becomes after the last treatment
        let action = random.pick(&["RetryIn", "AssignToGroup", "MarkDB", "MarkAsAgentError"]);
        let treatment = any_treatment(random, start_s, AGENT_CALL_BACK_ERROR, 1, action);
        treatments.push(TreatmentConfig { attempts: 99, ..treatment });
    }
    treatments
}

fn any_treatment(random: &mut Random, start_s: i64, result: i64, number: i64, action: &'static str) -> TreatmentConfig {
    let hour = random.between(0, 23);
    let minute = random.pick(&[0, 30]);
    let at = match random.below(3) {
        0 => format!("{}T{hour:02}:{minute:02}", time::date_text(start_s + random.between(0, 2) * DAY_S)),
        _ => format!("{hour:02}:{minute:02}"),
    };
    TreatmentConfig {
        result,
        number,
        action,
        attempts: random.between(0, 3),
        interval_s: random.pick(&[0, 60, 1800]),
        increment_s: random.pick(&[0, 900]),
        at,
    }
}

fn any_lists(random: &mut Random, has_tenants: bool, treatments: &[TreatmentConfig]) -> Vec<ListConfig> {
    let names: &[(&str, &str)] =
        if has_tenants { &[("one", ""), ("two", ""), ("three", NORTH)] } else { &[("one", ""), ("two", "")] };
    let mut lists = Vec::new();
    for (name, tenant) in names.iter().copied() {
        let treats = !random.one_in(4);
        lists.push(ListConfig {
            name,
            tenant,
            zone: random.pick(&["UTC", "Europe/Berlin", "America/New_York"]),
            treatments: if treats { (0..treatments.len()).collect() } else { Vec::new() },
            attempts_max: if random.one_in(4) { random.between(1, 4) } else { 0 },
            callbacks_any_time: random.one_in(4),
            has_calendar: random.one_in(5),
            unique_phone: if random.one_in(8) { u32::try_from(random.between(1, 2)).unwrap() } else { 0 },
        });
    }
    lists
}

fn any_campaigns(random: &mut Random, has_tenants: bool) -> (Vec<CampaignConfig>, Vec<GroupConfig>) {
    let weight = |random: &mut Random| random.pick(&[1, 2, 5, 10, 10, 0]);
    let first = vec![(0, weight(random)), (1, weight(random))];
    let mut campaigns = vec![
        CampaignConfig { name: "First", tenant: "", lists: first },
        CampaignConfig { name: "Second", tenant: "", lists: vec![(1, 10)] },
    ];
    if has_tenants {
        campaigns.push(CampaignConfig { name: "Third", tenant: NORTH, lists: vec![(2, 10)] });
    }
    let mut groups = Vec::new();
    for campaign in 0..campaigns.len() {
        groups.push(GroupConfig { campaign, holds_max: random.pick(&[0, 0, 1, 2]) });
    }
    (campaigns, groups)
}

fn any_limits(random: &mut Random, has_tenants: bool) -> Vec<LimitConfig> {
    let count = if random.one_in(2) { 0 } else { random.between(1, 3) };
    let mut limits = Vec::new();
    for _ in 0..count {
        limits.push(LimitConfig {
            campaign: random.maybe(2, |random| random.at(2)),
            tenant: if has_tenants && random.one_in(3) { NORTH } else { "" },
            max: random.pick(&[1, 1, 2, 3]),
            per: random.pick(&["phone", "customer", "chain"]),
            within_s: random.pick(&[0, 600, 3600, DAY_S, 7 * DAY_S]),
            results: if random.one_in(3) { vec![ANSWER, NO_ANSWER] } else { Vec::new() },
        });
    }
    limits
}
