//! Calling lists: their options, and their rows (spec 9, The record; spec 11).

use outbound::{
    declaration::{DeclaredList, DeclaredNames, DeclaredPair, DeclaredPairs},
    spec_of,
};

use super::{
    Faults, fields,
    item::{Item, Pairs, Shown, number, path, set, tenant, text},
};
use crate::{
    columns,
    declared::Declared,
    names::hidden_letter,
    rules::NAME_BYTES_MAX,
    tables::{ListRow, SentColumnRow, unique_phone},
    zones,
};

/// The zone of a list that names none.
const ZONE_BY_DEFAULT: &str = "UTC";
/// Most attempts that a list may allow.
const ATTEMPTS_MAX: u32 = 1_000_000;
/// Words of `unique_phone`, by their numbers.
static UNIQUE_PHONE: [(&str, u32); 3] =
    [("no", unique_phone::NO), ("open", unique_phone::OPEN), ("ever", unique_phone::EVER)];
/// Words of `unknown_keys`.
const UNKNOWN_KEYS: [&str; 2] = ["ignore", "refuse"];

impl Shown for DeclaredList {
    const WORD: &'static str = "list";

    fn name(&self) -> String {
        self.name.clone()
    }

    fn pairs(&self) -> Pairs {
        let treatments: Vec<&str> = self.treatments.iter().flat_map(|names| &names.names).map(String::as_str).collect();
        let sent = self.send_attributes.iter().flat_map(|pairs| &pairs.pairs);
        let sent: Vec<String> = sent.map(|pair| format!("{} = {}", pair.key, pair.value)).collect();
        vec![
            ("dbid", text(&self.dbid)),
            ("tenant", text(&self.tenant)),
            ("time_zone", text(&self.time_zone)),
            ("customer_id", text(&self.customer_id)),
            ("treatments", treatments.join(", ")),
            ("calendar", text(&self.calendar)),
            ("attempts_max", text(&self.attempts_max)),
            ("unique_phone", text(&self.unique_phone)),
            ("unknown_keys", text(&self.unknown_keys)),
            ("zone_by_phone", text(&self.zone_by_phone)),
            ("callbacks_any_time", text(&self.callbacks_any_time)),
            ("record_history", text(&self.record_history)),
            ("send_attributes", sent.join(", ")),
        ]
    }
}

impl Item for DeclaredList {
    const KIND: &'static str = "lists";

    fn take(&mut self, named: Self) {
        set(&mut self.dbid, named.dbid);
        set(&mut self.tenant, named.tenant);
        set(&mut self.time_zone, named.time_zone);
        set(&mut self.customer_id, named.customer_id);
        set(&mut self.treatments, named.treatments);
        set(&mut self.calendar, named.calendar);
        set(&mut self.attempts_max, named.attempts_max);
        set(&mut self.unique_phone, named.unique_phone);
        set(&mut self.unknown_keys, named.unknown_keys);
        set(&mut self.zone_by_phone, named.zone_by_phone);
        set(&mut self.callbacks_any_time, named.callbacks_any_time);
        set(&mut self.record_history, named.record_history);
        set(&mut self.send_attributes, named.send_attributes);
        fields::take(&mut self.fields, named.fields);
    }

    fn complete(&mut self, faults: &mut Faults) {
        self.tenant = tenant(self.tenant.take());
        let zone = self.time_zone.take().filter(|zone| !zone.is_empty());
        self.time_zone = Some(zone.unwrap_or_else(|| ZONE_BY_DEFAULT.to_owned()));
        self.attempts_max = number(self, "attempts_max", self.attempts_max, 0, (0, ATTEMPTS_MAX), faults);
        let words = UNIQUE_PHONE.map(|(word, _)| word);
        self.unique_phone = word(self, "unique_phone", self.unique_phone.as_deref(), &words, faults);
        self.unknown_keys = word(self, "unknown_keys", self.unknown_keys.as_deref(), &UNKNOWN_KEYS, faults);
        self.customer_id.get_or_insert_default();
        self.treatments.get_or_insert_default();
        self.calendar.get_or_insert_default();
        self.zone_by_phone.get_or_insert_default();
        self.callbacks_any_time.get_or_insert_default();
        self.record_history.get_or_insert_default();
        for field in &mut self.fields {
            field.default.get_or_insert_default();
            field.send_attribute.get_or_insert_default();
        }
        let pairs = self.send_attributes.take().unwrap_or_default().pairs;
        let pairs = sent_columns(self, pairs, faults);
        self.send_attributes = Some(DeclaredPairs { pairs });
    }

    fn dbid(&self) -> Option<u32> {
        self.dbid
    }

    fn set_dbid(&mut self, dbid: u32) {
        self.dbid = Some(dbid);
    }
}

/// A word of a few, the first by default.
fn word(list: &DeclaredList, key: &str, given: Option<&str>, words: &[&str], faults: &mut Faults) -> Option<String> {
    let given = given.filter(|given| !given.is_empty()).unwrap_or(words[0]);
    let known = words.iter().find(|word| word.eq_ignore_ascii_case(given.trim()));
    if known.is_none() {
        faults.add(path(list, key), format!("is {given:?}, and must be one of {}", words.join(", ")));
    }
    known.map(|word| (*word).to_owned())
}

/// The default columns with keys of their own, in the order of the columns.
fn sent_columns(list: &DeclaredList, named: Vec<DeclaredPair>, faults: &mut Faults) -> Vec<DeclaredPair> {
    let mut pairs: Vec<DeclaredPair> = Vec::with_capacity(named.len());
    for DeclaredPair { key: name, value } in named {
        let path = path(list, &format!("send_attributes.{name}"));
        let Some(column) = column_of(&name) else {
            faults.add(path, "is no column of every list");
            continue;
        };
        match why_no_key(list, column, &value) {
            Some(why) => faults.add(path, why),
            None if pairs.iter().any(|pair| pair.key == column) => faults.add(path, "is there twice"),
            None if pairs.iter().any(|pair| pair.value.eq_ignore_ascii_case(&value)) => {
                faults.add(path, format!("has the key {value:?} of another column"));
            }
            None => pairs.push(DeclaredPair { key: column.to_owned(), value }),
        }
    }
    let place = |column: &str| columns_of_every_list().position(|known| known == column);
    pairs.sort_by_key(|pair| place(&pair.key));
    pairs
}

fn columns_of_every_list() -> impl Iterator<Item = &'static str> {
    columns::of_every_list().map(|column| column.name)
}

/// The column of a name in any case.
fn column_of(name: &str) -> Option<&'static str> {
    columns_of_every_list().find(|column| column.eq_ignore_ascii_case(name))
}

/// Why a key cannot be a column's; none: the column may travel under the key.
fn why_no_key(list: &DeclaredList, column: &str, key: &str) -> Option<String> {
    let is_of_field = |names: [&str; 2]| names.iter().any(|name| name.eq_ignore_ascii_case(key));
    let mut fields = list.fields.iter();
    let is_fields =
        fields.any(|field| is_of_field([&field.column, field.send_attribute.as_deref().unwrap_or_default()]));
    match () {
        () if key.trim().is_empty() || key.len() > NAME_BYTES_MAX => {
            Some(format!("has a key of 1 to {NAME_BYTES_MAX} bytes"))
        }
        () if hidden_letter(key).is_some() => {
            Some(format!("has the key {key:?} with a control, format or line-separator character"))
        }
        () if spec_of(key).is_some() => Some(format!("has the key {key:?} of an attribute of the protocol")),
        () if is_fields => Some(format!("has the key {key:?} of a field")),
        () if column_of(key).is_some_and(|other| other != column) => {
            Some(format!("has the key {key:?}, which is the name of another column"))
        }
        () => None,
    }
}

/// A list with all of its values.
pub(super) fn declared(dbid: u32, row: &ListRow) -> DeclaredList {
    let zone = if row.zone_name.is_empty() { &row.time_zone } else { &row.zone_name };
    let word = UNIQUE_PHONE.iter().find(|(_, number)| *number == row.unique_phone).map_or("no", |(word, _)| *word);
    let pair = |sent: &SentColumnRow| DeclaredPair { key: sent.column.clone(), value: sent.key.clone() };
    DeclaredList {
        name: row.name.clone(),
        dbid: Some(dbid),
        tenant: Some(row.tenant.clone()),
        time_zone: Some(zone.clone()),
        customer_id: Some(row.customer_column.clone()),
        treatments: Some(DeclaredNames { names: row.treatments.clone() }),
        calendar: Some(row.calendar.clone()),
        attempts_max: Some(row.attempts_max),
        unique_phone: Some(word.to_owned()),
        unknown_keys: Some(UNKNOWN_KEYS[usize::from(row.refuses_unknown_keys)].to_owned()),
        zone_by_phone: Some(row.zone_by_phone),
        callbacks_any_time: Some(row.callbacks_any_time),
        record_history: Some(row.keeps_history),
        send_attributes: Some(DeclaredPairs { pairs: row.send_attributes.iter().map(pair).collect() }),
        fields: row.fields.iter().map(fields::declared).collect(),
    }
}

/// The row of a complete list; columns that no declaration has are as in the standing row.
pub(super) fn row(list: DeclaredList, standing: Option<&ListRow>, zones: &Declared) -> ListRow {
    let zone = list.time_zone.as_deref().and_then(|name| zones::named(name, zones));
    let (zone_name, time_zone) = zone
        .map_or_else(Default::default, |zone| (zone.configured.map(|(_, name)| name).unwrap_or_default(), zone.iana));
    let unique = UNIQUE_PHONE.iter().find(|(word, _)| list.unique_phone.as_deref() == Some(*word));
    let sent = |pair: DeclaredPair| SentColumnRow { column: pair.key, key: pair.value };
    ListRow {
        name: list.name,
        time_zone,
        zone_name,
        fields: list.fields.iter().map(fields::row).collect(),
        tenant: list.tenant.unwrap_or_default(),
        customer_column: list.customer_id.unwrap_or_default(),
        treatments: list.treatments.unwrap_or_default().names,
        calendar: list.calendar.unwrap_or_default(),
        attempts_max: list.attempts_max.unwrap_or_default(),
        unique_phone: unique.map_or(unique_phone::NO, |(_, number)| *number),
        refuses_unknown_keys: list.unknown_keys.as_deref() == Some(UNKNOWN_KEYS[1]),
        zone_by_phone: list.zone_by_phone.unwrap_or_default(),
        callbacks_any_time: list.callbacks_any_time.unwrap_or_default(),
        keeps_history: list.record_history.unwrap_or_default(),
        send_attributes: list.send_attributes.unwrap_or_default().pairs.into_iter().map(sent).collect(),
        ..standing.cloned().unwrap_or_default()
    }
}
