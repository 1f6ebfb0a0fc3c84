//! The keys of a text of declarations, a table for each kind of thing (spec 11), and their values as the domain has them.
//!
//! Never checks a reference or a range: the node does, against the state. Called by the root.

use jiff::civil::{Date, DateTime};
use outbound::{
    CALL_RESULT,
    declaration::{
        ACTIONS, CampaignList, CampaignLists, Declaration, DeclaredCalendar, DeclaredCampaign, DeclaredDay,
        DeclaredField, DeclaredGroup, DeclaredHours, DeclaredLimit, DeclaredList, DeclaredNames, DeclaredOption,
        DeclaredPair, DeclaredPairs, DeclaredPrefix, DeclaredResults, DeclaredSubscription, DeclaredTenant,
        DeclaredTreatment, DeclaredZone, action,
    },
};
use toml::de::DeValue;

use crate::reading::{Kind, Reading, Section, number};

/// Days of the week as files name them, Monday first.
pub(super) const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// A limit within a calendar day of the record's zone.
pub(super) const CALENDAR_DAY: &str = "day";
/// Seconds of a day.
const DAY_S: u32 = 86_400;

/// The tables of a file.
const WORDS: [&str; 11] = [
    "options",
    "tenants",
    "time_zones",
    "calendars",
    "zone_prefixes",
    "treatments",
    "lists",
    "campaigns",
    "campaign_groups",
    "contact_limits",
    "subscriptions",
];

/// The declaration of a whole file.
pub(super) fn declaration(file: &Section<'_, '_>, reading: &mut Reading) -> Declaration {
    file.check("a declaration", &WORDS, reading);
    Declaration {
        options: options(file, reading),
        tenants: file.things(&TENANTS, reading).unwrap_or_default(),
        time_zones: file.things(&TIME_ZONES, reading).unwrap_or_default(),
        calendars: file.things(&CALENDARS, reading).unwrap_or_default(),
        zone_prefixes: file.things(&ZONE_PREFIXES, reading).unwrap_or_default(),
        treatments: file.things(&TREATMENTS, reading).unwrap_or_default(),
        lists: file.things(&LISTS, reading).unwrap_or_default(),
        campaigns: file.things(&CAMPAIGNS, reading).unwrap_or_default(),
        campaign_groups: file.things(&CAMPAIGN_GROUPS, reading).unwrap_or_default(),
        contact_limits: file.things(&CONTACT_LIMITS, reading).unwrap_or_default(),
        subscriptions: file.things(&SUBSCRIPTIONS, reading).unwrap_or_default(),
    }
}

// === options ===

fn options(file: &Section<'_, '_>, reading: &mut Reading) -> Vec<DeclaredOption> {
    let wanted = "a number, a text, true or false, or an array of texts";
    let pairs = file.pairs("options", wanted, None, reading, option);
    pairs.unwrap_or_default().into_iter().map(|(key, value)| DeclaredOption { key, value }).collect()
}

/// The text of an option's value: names of an array are separated by commas.
fn option(value: &DeValue<'_>) -> Option<String> {
    match value.as_array() {
        Some(array) => {
            let texts: Option<Vec<&str>> = array.iter().map(|value| value.get_ref().as_str()).collect();
            texts.map(|texts| texts.join(","))
        }
        None => scalar(value),
    }
}

/// The text of a text, a number or a flag.
fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => {
            let decimal = i64::from_str_radix(number.as_str(), number.radix()).ok()?;
            Some(decimal.to_string())
        }
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        _ => None,
    }
}

// === tenants, zones, calendars ===

const TENANTS: Kind<DeclaredTenant> = Kind {
    word: "tenants",
    names: &["name"],
    keys: &["dbid", "country_code", "trunk_prefix", "national_digits"],
    make: |section, reading| DeclaredTenant {
        name: section.text("name", reading).unwrap_or_default(),
        dbid: section.number("dbid", reading),
        country_code: section.text("country_code", reading),
        trunk_prefix: section.text("trunk_prefix", reading),
        national_digits: section.number("national_digits", reading),
    },
};

const TIME_ZONES: Kind<DeclaredZone> = Kind {
    word: "time_zones",
    names: &["name"],
    keys: &["dbid", "time_zone"],
    make: |section, reading| DeclaredZone {
        name: section.text("name", reading).unwrap_or_default(),
        dbid: section.number("dbid", reading),
        time_zone: section.text("time_zone", reading),
    },
};

const CALENDARS: Kind<DeclaredCalendar> = Kind {
    word: "calendars",
    names: &["name"],
    keys: &["hours", "closed"],
    make: |section, reading| DeclaredCalendar {
        name: section.text("name", reading).unwrap_or_default(),
        hours: hours(section, reading),
        closed: closed(section, reading),
    },
};

fn hours(section: &Section<'_, '_>, reading: &mut Reading) -> Option<DeclaredHours> {
    let wanted = "a span of a day as in \"08:00-20:00\", at most to 24:00, that ends after its begin";
    let spans = section.pairs("hours", wanted, Some(&DAYS), reading, |value| span(value.as_str()?))?;
    let mut days: Vec<DeclaredDay> = spans.iter().filter_map(|(day, span)| of_day(day, *span)).collect();
    days.sort_by_key(|day| day.day);
    Some(DeclaredHours { days })
}

/// Monday is 1.
fn of_day(word: &str, (from, till): (u32, u32)) -> Option<DeclaredDay> {
    let day = (1..).zip(DAYS).find(|(_, name)| *name == word)?.0;
    Some(DeclaredDay { day, from, till })
}

/// The seconds since midnight of a text like `08:00-20:00`.
fn span(text: &str) -> Option<(u32, u32)> {
    let (from, till) = text.split_once('-')?;
    let (from, till) = (seconds(from.trim())?, seconds(till.trim())?);
    (from < till).then_some((from, till))
}

/// The seconds since midnight of a text like `08:00`; `24:00` is the end of the day.
fn seconds(text: &str) -> Option<u32> {
    let (hour, minute) = text.split_once(':')?;
    let two_digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !two_digits(hour) || !two_digits(minute) {
        return None;
    }
    let (hour, minute): (u32, u32) = (hour.parse().ok()?, minute.parse().ok()?);
    let seconds = hour * 3600 + minute * 60;
    (minute < 60 && seconds <= DAY_S).then_some(seconds)
}

fn closed(section: &Section<'_, '_>, reading: &mut Reading) -> Option<DeclaredNames> {
    let dates = section.values("closed", "a date of the calendar as in \"2026-12-25\"", reading, date);
    dates.map(|names| DeclaredNames { names })
}

/// A real date in its one spelling, with or without quotes.
fn date(value: &DeValue<'_>) -> Option<String> {
    let text = match value {
        DeValue::Datetime(date) => date.to_string(),
        other => other.as_str()?.to_owned(),
    };
    let date: Date = text.parse().ok()?;
    (date.to_string() == text).then_some(text)
}

const ZONE_PREFIXES: Kind<DeclaredPrefix> = Kind {
    word: "zone_prefixes",
    names: &["prefix"],
    keys: &["time_zone"],
    make: |section, reading| DeclaredPrefix {
        prefix: section.text("prefix", reading).unwrap_or_default(),
        time_zone: section.text("time_zone", reading),
    },
};

// === treatments ===

const TREATMENTS: Kind<DeclaredTreatment> =
    Kind {
        word: "treatments",
        names: &["name"],
        keys: &["dbid", "call_result", "number", "action", "cycle_attempts", "interval", "increment", "at"],
        make: |section, reading| DeclaredTreatment {
            name: section.text("name", reading).unwrap_or_default(),
            dbid: section.number("dbid", reading),
            call_result: section.value("call_result", A_RESULT, reading, call_result),
            number: section.number("number", reading),
            action: section.value("action", &an_action(), reading, |value| action(value.as_str()?).map(str::to_owned)),
            cycle_attempts: section.number("cycle_attempts", reading),
            interval: section.number("interval", reading),
            increment: section.number("increment", reading),
            at: section
                .value("at", "a time as in \"17:30\", or \"2026-12-24T09:00\"", reading, |value| at(value.as_str()?)),
        },
    };

const A_RESULT: &str = "the name or the number of a call result";

fn call_result(value: &DeValue<'_>) -> Option<i64> {
    match value {
        DeValue::String(name) => CALL_RESULT.parse(name),
        DeValue::Integer(_) => number(value).map(i64::from).filter(|result| CALL_RESULT.contains(*result)),
        _ => None,
    }
}

fn an_action() -> String {
    let names = ACTIONS.map(|(name, _)| name);
    format!("an action: {}", names.join(", "))
}

/// A time, or a date with a time, as given; empty: none.
fn at(text: &str) -> Option<String> {
    let is_time = seconds(text).is_some_and(|seconds| seconds < DAY_S);
    let is_moment = text.len() == "2026-12-24T09:00".len() && DateTime::strptime("%Y-%m-%dT%H:%M", text).is_ok();
    (text.is_empty() || is_time || is_moment).then(|| text.to_owned())
}

// === lists ===

const LISTS: Kind<DeclaredList> = Kind {
    word: "lists",
    names: &["name"],
    keys: &[
        "dbid",
        "tenant",
        "time_zone",
        "customer_id",
        "treatments",
        "calendar",
        "attempts_max",
        "unique_phone",
        "unknown_keys",
        "zone_by_phone",
        "callbacks_any_time",
        "record_history",
        "send_attributes",
        "fields",
    ],
    make: list,
};

fn list(section: &Section<'_, '_>, reading: &mut Reading) -> DeclaredList {
    let path = section.path().to_owned();
    let fields = section.things(&FIELDS, reading).unwrap_or_default();
    for field in &fields {
        let place = format!("{path}.fields.{}", field.column);
        reading.note_too(&format!("{place}.type"), &format!("{place}.kind"));
        reading.note_too(&place, &format!("{path}.{}", field.column));
    }
    DeclaredList {
        name: section.text("name", reading).unwrap_or_default(),
        dbid: section.number("dbid", reading),
        tenant: section.text("tenant", reading),
        time_zone: section.text("time_zone", reading),
        customer_id: section.text("customer_id", reading),
        treatments: section.names("treatments", reading),
        calendar: section.text("calendar", reading),
        attempts_max: section.number("attempts_max", reading),
        unique_phone: section.text("unique_phone", reading),
        unknown_keys: section.text("unknown_keys", reading),
        zone_by_phone: section.flag("zone_by_phone", reading),
        callbacks_any_time: section.flag("callbacks_any_time", reading),
        record_history: section.flag("record_history", reading),
        send_attributes: send_attributes(section, reading),
        fields,
    }
}

fn send_attributes(section: &Section<'_, '_>, reading: &mut Reading) -> Option<DeclaredPairs> {
    let text = |value: &DeValue<'_>| value.as_str().map(str::to_owned);
    let pairs = section.pairs("send_attributes", "a text in quotes", None, reading, text)?;
    let pair = |(key, value)| DeclaredPair { key, value };
    Some(DeclaredPairs { pairs: pairs.into_iter().map(pair).collect() })
}

const FIELDS: Kind<DeclaredField> = Kind {
    word: "fields",
    names: &["name"],
    keys: &["type", "default", "send_attribute"],
    make: |section, reading| DeclaredField {
        column: section.text("name", reading).unwrap_or_default(),
        kind: section.text("type", reading).unwrap_or_default(),
        default: section.value("default", "a text or a number", reading, scalar),
        send_attribute: section.text("send_attribute", reading),
    },
};

// === campaigns and limits ===

const CAMPAIGNS: Kind<DeclaredCampaign> = Kind {
    word: "campaigns",
    names: &["name"],
    keys: &["dbid", "tenant", "lists"],
    make: |section, reading| DeclaredCampaign {
        name: section.text("name", reading).unwrap_or_default(),
        dbid: section.number("dbid", reading),
        tenant: section.text("tenant", reading),
        lists: section.things(&CAMPAIGN_LISTS, reading).map(|lists| CampaignLists { lists }),
    },
};

const CAMPAIGN_LISTS: Kind<CampaignList> = Kind {
    word: "lists",
    names: &["list"],
    keys: &["weight"],
    make: |section, reading| CampaignList {
        list: section.text("list", reading).unwrap_or_default(),
        weight: section.number("weight", reading),
    },
};

const CAMPAIGN_GROUPS: Kind<DeclaredGroup> = Kind {
    word: "campaign_groups",
    names: &["campaign", "group"],
    keys: &["dbid", "desktop_chains_limit"],
    make: |section, reading| DeclaredGroup {
        campaign: section.text("campaign", reading).unwrap_or_default(),
        group: section.text("group", reading).unwrap_or_default(),
        dbid: section.number("dbid", reading),
        desktop_chains_limit: section.number("desktop_chains_limit", reading),
    },
};

const CONTACT_LIMITS: Kind<DeclaredLimit> = Kind {
    word: "contact_limits",
    names: &["name"],
    keys: &["campaign", "tenant", "max", "per", "within", "results"],
    make: |section, reading| DeclaredLimit {
        name: section.text("name", reading).unwrap_or_default(),
        campaign: section.text("campaign", reading),
        tenant: section.text("tenant", reading),
        max: section.number("max", reading),
        per: section.text("per", reading),
        within: section.value("within", "a number of seconds from 1, or \"day\"", reading, within),
        results: section.values("results", A_RESULT, reading, call_result).map(|results| DeclaredResults { results }),
    },
};

/// Seconds; 0: a calendar day.
fn within(value: &DeValue<'_>) -> Option<u32> {
    match value.as_str() {
        Some(text) => (text == CALENDAR_DAY).then_some(0),
        None => number(value).filter(|seconds| *seconds > 0),
    }
}

/// The node refuses every subscription of this release by its name, so the values of the keys are not read.
const SUBSCRIPTIONS: Kind<DeclaredSubscription> = Kind {
    word: "subscriptions",
    names: &["name"],
    keys: &["url", "types", "lists", "campaigns", "format", "secret_file", "response_timeout"],
    make: |section, reading| DeclaredSubscription { name: section.text("name", reading).unwrap_or_default() },
};
