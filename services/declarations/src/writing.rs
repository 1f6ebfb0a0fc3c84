//! A declaration as a file of TOML, in the order of the kinds in spec 11. Values that a new thing has by itself are left out.
//!
//! Called by `ocsctl export-config`.

use std::fmt::Write;

use chassis::visible::acts;
use outbound::{
    CALL_RESULT,
    declaration::{
        CampaignList, DEFAULT_TENANT, Declaration, DeclaredCalendar, DeclaredCampaign, DeclaredDay, DeclaredField,
        DeclaredGroup, DeclaredLimit, DeclaredList, DeclaredOption, DeclaredPair, DeclaredPrefix, DeclaredSubscription,
        DeclaredTenant, DeclaredTreatment, DeclaredZone,
    },
};

use crate::things::{CALENDAR_DAY, DAYS};

/// Options whose values are names, separated by commas.
const OF_NAMES: [&str; 2] = ["webhook_allow", "outbox_effects"];

/// The file that declares all this.
pub fn to_toml(declaration: &Declaration) -> String {
    let mut file = TomlText::default();
    options(&declaration.options, &mut file);
    declaration.tenants.iter().for_each(|one| tenant(one, &mut file));
    declaration.time_zones.iter().for_each(|one| time_zone(one, &mut file));
    declaration.calendars.iter().for_each(|one| calendar(one, &mut file));
    declaration.zone_prefixes.iter().for_each(|one| zone_prefix(one, &mut file));
    declaration.treatments.iter().for_each(|one| treatment(one, &mut file));
    declaration.lists.iter().for_each(|one| list(one, &mut file));
    declaration.campaigns.iter().for_each(|one| campaign(one, &mut file));
    declaration.campaign_groups.iter().for_each(|one| group(one, &mut file));
    declaration.contact_limits.iter().for_each(|one| limit(one, &mut file));
    declaration.subscriptions.iter().for_each(|one| subscription(one, &mut file));
    file.0
}

/// The text of a file so far.
#[derive(Default)]
struct TomlText(String);

impl TomlText {
    /// Begins a table.
    fn table(&mut self, header: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.line(format_args!("{header}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // a text takes every line
        let _ = writeln!(self.0, "{line}");
    }

    fn text(&mut self, key: &str, text: &str) {
        self.line(format_args!("{key} = {}", quoted(text)));
    }

    /// A text that is not empty.
    fn given_text(&mut self, key: &str, text: Option<&String>) {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            self.text(key, text);
        }
    }

    fn number(&mut self, key: &str, number: impl Into<i64>) {
        self.line(format_args!("{key} = {}", number.into()));
    }

    /// A number other than 0.
    fn given_number(&mut self, key: &str, number: Option<u32>) {
        if let Some(number) = number.filter(|number| *number != 0) {
            self.number(key, number);
        }
    }

    /// A flag that is set.
    fn given_flag(&mut self, key: &str, flag: Option<bool>) {
        if flag == Some(true) {
            self.line(format_args!("{key} = true"));
        }
    }

    /// An array that is not empty.
    fn given_texts(&mut self, key: &str, texts: &[String]) {
        if !texts.is_empty() {
            self.line(format_args!("{key} = [{}]", joined(texts.iter().map(|text| quoted(text)))));
        }
    }

    /// A tenant other than the default one.
    fn tenant(&mut self, tenant: Option<&String>) {
        self.given_text("tenant", tenant.filter(|tenant| *tenant != DEFAULT_TENANT));
    }
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

/// A text in quotes; letters that would act on a terminal are escapes.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            letter if acts(letter) => quoted.push_str(&format!("\\U{:08X}", u32::from(letter))),
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

/// A key, in quotes where the letters need them.
pub(super) fn key(name: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !name.is_empty() && name.bytes().all(bare) { name.to_owned() } else { quoted(name) }
}

fn options(options: &[DeclaredOption], file: &mut TomlText) {
    if !options.is_empty() {
        file.table("[options]");
    }
    for DeclaredOption { key: name, value } in options {
        let name = key(name);
        file.line(format_args!("{name} = {}", option(&name, value)));
    }
}

/// A number, names, or a text.
fn option(name: &str, value: &str) -> String {
    let is_number = value.parse::<i64>().is_ok_and(|number| number.to_string() == value);
    if OF_NAMES.contains(&name) {
        let names = value.split(',').filter(|name| !name.is_empty());
        format!("[{}]", joined(names.map(quoted)))
    } else if is_number {
        value.to_owned()
    } else {
        quoted(value)
    }
}

fn tenant(tenant: &DeclaredTenant, file: &mut TomlText) {
    file.table("[[tenants]]");
    file.text("name", &tenant.name);
    file.given_number("dbid", tenant.dbid);
    file.given_text("country_code", tenant.country_code.as_ref());
    file.given_text("trunk_prefix", tenant.trunk_prefix.as_ref());
    file.given_number("national_digits", tenant.national_digits);
}

fn time_zone(zone: &DeclaredZone, file: &mut TomlText) {
    file.table("[[time_zones]]");
    file.text("name", &zone.name);
    file.given_text("time_zone", zone.time_zone.as_ref());
    file.given_number("dbid", zone.dbid);
}

fn calendar(calendar: &DeclaredCalendar, file: &mut TomlText) {
    file.table("[[calendars]]");
    file.text("name", &calendar.name);
    let days = calendar.hours.iter().flat_map(|hours| &hours.days).filter_map(hours_of_day);
    let days = joined(days);
    if !days.is_empty() {
        file.line(format_args!("hours = {{ {days} }}"));
    }
    let closed = calendar.closed.as_ref().map(|closed| closed.names.as_slice());
    file.given_texts("closed", closed.unwrap_or_default());
}

/// None: a number of a newer release, which names no day.
fn hours_of_day(day: &DeclaredDay) -> Option<String> {
    let name = DAYS.get((day.day as usize).checked_sub(1)?)?;
    Some(format!("{name} = \"{}-{}\"", time(day.from), time(day.till)))
}

fn time(seconds: u32) -> String {
    format!("{:02}:{:02}", seconds / 3600, seconds / 60 % 60)
}

fn zone_prefix(prefix: &DeclaredPrefix, file: &mut TomlText) {
    file.table("[[zone_prefixes]]");
    file.text("prefix", &prefix.prefix);
    file.given_text("time_zone", prefix.time_zone.as_ref());
}

fn treatment(treatment: &DeclaredTreatment, file: &mut TomlText) {
    file.table("[[treatments]]");
    file.text("name", &treatment.name);
    file.given_number("dbid", treatment.dbid);
    if let Some(result) = treatment.call_result {
        file.line(format_args!("call_result = {}", call_result(result)));
    }
    file.given_number("number", treatment.number);
    file.given_text("action", treatment.action.as_ref());
    file.given_number("cycle_attempts", treatment.cycle_attempts);
    file.given_number("interval", treatment.interval);
    file.given_number("increment", treatment.increment);
    file.given_text("at", treatment.at.as_ref());
}

/// The name of a call result; the number of a newer release's.
fn call_result(result: i64) -> String {
    CALL_RESULT.name_of(result).map_or_else(|| result.to_string(), quoted)
}

fn list(list: &DeclaredList, file: &mut TomlText) {
    file.table("[[lists]]");
    file.text("name", &list.name);
    file.given_number("dbid", list.dbid);
    file.tenant(list.tenant.as_ref());
    file.given_text("time_zone", list.time_zone.as_ref());
    file.given_text("customer_id", list.customer_id.as_ref());
    let treatments = list.treatments.as_ref().map(|treatments| treatments.names.as_slice());
    file.given_texts("treatments", treatments.unwrap_or_default());
    file.given_text("calendar", list.calendar.as_ref());
    file.given_number("attempts_max", list.attempts_max);
    file.given_text("unique_phone", list.unique_phone.as_ref().filter(|word| *word != "no"));
    file.given_text("unknown_keys", list.unknown_keys.as_ref().filter(|word| *word != "ignore"));
    file.given_flag("zone_by_phone", list.zone_by_phone);
    file.given_flag("callbacks_any_time", list.callbacks_any_time);
    file.given_flag("record_history", list.record_history);
    let pair = |pair: &DeclaredPair| format!("{} = {}", key(&pair.key), quoted(&pair.value));
    let pairs = joined(list.send_attributes.iter().flat_map(|pairs| &pairs.pairs).map(pair));
    if !pairs.is_empty() {
        file.line(format_args!("send_attributes = {{ {pairs} }}"));
    }
    list.fields.iter().for_each(|one| field(one, file));
}

fn field(field: &DeclaredField, file: &mut TomlText) {
    file.table("[[lists.fields]]");
    file.text("name", &field.column);
    file.given_text("type", Some(&field.kind));
    file.given_text("default", field.default.as_ref());
    file.given_text("send_attribute", field.send_attribute.as_ref());
}

fn campaign(campaign: &DeclaredCampaign, file: &mut TomlText) {
    file.table("[[campaigns]]");
    file.text("name", &campaign.name);
    file.given_number("dbid", campaign.dbid);
    file.tenant(campaign.tenant.as_ref());
    let list = |one: &CampaignList| {
        let weight = one.weight.map(|weight| format!(", weight = {weight}")).unwrap_or_default();
        format!("{{ list = {}{weight} }}", quoted(&one.list))
    };
    let lists = joined(campaign.lists.iter().flat_map(|lists| &lists.lists).map(list));
    if !lists.is_empty() {
        file.line(format_args!("lists = [{lists}]"));
    }
}

fn group(group: &DeclaredGroup, file: &mut TomlText) {
    file.table("[[campaign_groups]]");
    file.text("campaign", &group.campaign);
    file.text("group", &group.group);
    file.given_number("dbid", group.dbid);
    file.given_number("desktop_chains_limit", group.desktop_chains_limit);
}

fn limit(limit: &DeclaredLimit, file: &mut TomlText) {
    file.table("[[contact_limits]]");
    file.text("name", &limit.name);
    match limit.campaign.as_ref().filter(|campaign| !campaign.is_empty()) {
        Some(campaign) => file.text("campaign", campaign),
        None => {
            let tenant = limit.tenant.as_deref().filter(|tenant| !tenant.is_empty());
            file.text("tenant", tenant.unwrap_or(DEFAULT_TENANT));
        }
    }
    if let Some(max) = limit.max {
        file.number("max", max);
    }
    file.given_text("per", limit.per.as_ref());
    match limit.within {
        Some(0) => file.text("within", CALENDAR_DAY),
        within => file.given_number("within", within),
    }
    let results = limit.results.iter().flat_map(|results| &results.results);
    let results = joined(results.map(|result| call_result(*result)));
    if !results.is_empty() {
        file.line(format_args!("results = [{results}]"));
    }
}

fn subscription(subscription: &DeclaredSubscription, file: &mut TomlText) {
    file.table("[[subscriptions]]");
    file.text("name", &subscription.name);
}
