//! The columns of the default calling-list format (spec 9): one table for import and export.
//!
//! An empty cell is an absent value: the default of `blank`, which is itself empty for an optional column. An import thus reads
//! an exported row back as the same record. Called by the import and the export.

use outbound::{
    CALL_RESULT, CONTACT_INFO_TYPE, Enumeration, RECORD_STATUS, RECORD_TYPE, RULES_WITH_ZONE_COLUMN, call_result,
    record_status, record_type,
};

use crate::{
    rules::{AGENT_LETTERS_MAX, DAY_END, ID_MAX, INT_MAX, PHONE_LETTERS_MAX, TIME_MAX},
    tables::{ListRow, RecordRow},
    zones,
};

/// Letters of treatments and email_subject.
const TEXT_LETTERS_MAX: usize = 255;

/// A record built from a row of an import; the list assigns absent ids.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) record: RecordRow,
    pub(crate) record_id: Option<u64>,
    pub(crate) chain_id: Option<u64>,
    pub(crate) chain_n: Option<u64>,
}

/// Why a cell is rejected: the text follows the column's name in a sentence.
type Why = String;

/// A column of every list.
pub(crate) struct Column {
    /// Lower case.
    pub(crate) name: &'static str,
    /// Its cell in an export.
    pub(crate) show: fn(&RecordRow) -> String,
    /// Reads a cell that is not empty.
    pub(crate) read: fn(&mut Draft, &str) -> Result<(), Why>,
}

/// The column that is mandatory in an import.
pub(crate) const CONTACT_INFO: &str = "contact_info";
/// The column of chains.
pub(crate) const CHAIN_ID: &str = "chain_id";
/// The column of handles in an export; an import ignores this column and assigns new handles.
pub(crate) const HANDLE: &str = "handle";
/// The column of a zone given by name, from rules version 3 on.
const TZ_NAME: &str = "tz_name";

/// A record of default values: an import and an AddRecord take absent values from here (spec 9, Life of a record).
pub(crate) fn blank(list: u32) -> RecordRow {
    RecordRow {
        list,
        record_type: record_type::GENERAL,
        record_status: record_status::READY,
        call_result: call_result::UNKNOWN,
        daily_till: DAY_END,
        ..RecordRow::default()
    }
}

/// All columns in their order.
static COLUMNS: [Column; 24] = [
    column("record_id", |record| record.record_id.to_string(), |draft, cell| put(&mut draft.record_id, id(cell, 1))),
    column(
        CONTACT_INFO,
        |record| record.contact_info.clone(),
        |draft, cell| put(&mut draft.record.contact_info, text(cell, PHONE_LETTERS_MAX)),
    ),
    column(
        "contact_info_type",
        |record| record.contact_info_type.to_string(),
        |draft, cell| put(&mut draft.record.contact_info_type, word(cell, &CONTACT_INFO_TYPE)),
    ),
    column(
        "record_type",
        |record| record.record_type.to_string(),
        |draft, cell| put(&mut draft.record.record_type, word(cell, &RECORD_TYPE)),
    ),
    column(
        "record_status",
        |record| record.record_status.to_string(),
        |draft, cell| put(&mut draft.record.record_status, word(cell, &RECORD_STATUS)),
    ),
    column(
        "call_result",
        |record| record.call_result.to_string(),
        |draft, cell| put(&mut draft.record.call_result, word(cell, &CALL_RESULT)),
    ),
    column(
        "attempt",
        |record| record.attempt.to_string(),
        |draft, cell| put(&mut draft.record.attempt, int(cell, 0, INT_MAX)),
    ),
    column(
        "dial_sched_time",
        |record| shown(record.dial_sched_time),
        |draft, cell| put(&mut draft.record.dial_sched_time, int(cell, 0, TIME_MAX).map(Some)),
    ),
    column(
        "call_time",
        |record| shown(record.call_time),
        |draft, cell| put(&mut draft.record.call_time, int(cell, 0, TIME_MAX).map(Some)),
    ),
    column(
        "daily_from",
        |record| record.daily_from.to_string(),
        |draft, cell| put(&mut draft.record.daily_from, int(cell, 0, DAY_END)),
    ),
    column(
        "daily_till",
        |record| record.daily_till.to_string(),
        |draft, cell| put(&mut draft.record.daily_till, int(cell, 0, DAY_END)),
    ),
    column(
        "tz_dbid",
        |record| shown(record.tz_dbid),
        |draft, cell| put(&mut draft.record.tz_dbid, int(cell, 0, INT_MAX).map(Some)),
    ),
    column(
        "campaign_id",
        |record| shown(record.campaign_id),
        |draft, cell| put(&mut draft.record.campaign_id, any_int(cell)),
    ),
    column(
        "agent_id",
        |record| record.agent_id.clone(),
        |draft, cell| put(&mut draft.record.agent_id, text(cell, AGENT_LETTERS_MAX)),
    ),
    column(CHAIN_ID, |record| record.chain_id.to_string(), |draft, cell| put(&mut draft.chain_id, id(cell, 0))),
    column("chain_n", |record| record.chain_n.to_string(), |draft, cell| put(&mut draft.chain_n, id(cell, 0))),
    column("group_id", |record| shown(record.group_id), |draft, cell| put(&mut draft.record.group_id, any_int(cell))),
    column("app_id", |record| shown(record.app_id), |draft, cell| put(&mut draft.record.app_id, any_int(cell))),
    column(
        "treatments",
        |record| record.treatments.clone(),
        |draft, cell| put(&mut draft.record.treatments, text(cell, TEXT_LETTERS_MAX)),
    ),
    column(
        "media_ref",
        |record| shown(record.media_ref),
        |draft, cell| put(&mut draft.record.media_ref, any_int(cell)),
    ),
    column(
        "email_subject",
        |record| record.email_subject.clone(),
        |draft, cell| put(&mut draft.record.email_subject, text(cell, TEXT_LETTERS_MAX)),
    ),
    column(
        "email_template_id",
        |record| shown(record.email_template_id),
        |draft, cell| put(&mut draft.record.email_template_id, any_int(cell)),
    ),
    column(
        "switch_id",
        |record| shown(record.switch_id),
        |draft, cell| put(&mut draft.record.switch_id, any_int(cell)),
    ),
    column(TZ_NAME, |record| record.tz_name.clone(), read_zone),
];

/// The columns of every list, in their order.
pub(crate) fn of_every_list() -> impl Iterator<Item = &'static Column> {
    COLUMNS.iter()
}

/// The columns of a list beside its fields, in their order.
pub(crate) fn of(list: &ListRow, version: u32) -> impl Iterator<Item = &'static Column> {
    COLUMNS.iter().filter(move |column| stands(column, list, version))
}

/// The column of a name in a list, in any case.
pub(crate) fn named(list: &ListRow, name: &str, version: u32) -> Option<&'static Column> {
    by_name(name).filter(|column| stands(column, list, version))
}

/// Whether every new list has a column of this name, `handle` included.
pub(crate) fn is_default(name: &str, version: u32) -> bool {
    by_name(name).is_some_and(|column| is_known(column, version)) || name.eq_ignore_ascii_case(HANDLE)
}

/// The default column that travels under a key, in any case (spec 11, send_attributes).
pub(crate) fn sent_under<'a>(list: &'a ListRow, key: &str) -> Option<&'a str> {
    list.send_attributes.iter().find(|sent| sent.key.eq_ignore_ascii_case(key)).map(|sent| sent.column.as_str())
}

fn by_name(name: &str) -> Option<&'static Column> {
    COLUMNS.iter().find(|column| column.name.eq_ignore_ascii_case(name))
}

fn is_known(column: &Column, version: u32) -> bool {
    column.name != TZ_NAME || version >= RULES_WITH_ZONE_COLUMN
}

/// A field `tz_name` that an import made before rules version 3 stays the list's own.
fn stands(column: &Column, list: &ListRow, version: u32) -> bool {
    let is_field = || list.fields.iter().any(|field| field.column.eq_ignore_ascii_case(TZ_NAME));
    column.name != TZ_NAME || (is_known(column, version) && !is_field())
}

/// A zone given by name has DBID 0, unless the row has a DBID of its own (spec 9).
fn read_zone(draft: &mut Draft, cell: &str) -> Result<(), Why> {
    let name = zones::canonical(cell.trim()).ok_or_else(|| format!("{cell:?} is no known time zone"))?;
    draft.record.tz_name = name;
    draft.record.tz_dbid.get_or_insert(0);
    Ok(())
}

const fn column(
    name: &'static str,
    show: fn(&RecordRow) -> String,
    read: fn(&mut Draft, &str) -> Result<(), Why>,
) -> Column {
    Column { name, show, read }
}

fn put<T>(place: &mut T, value: Result<T, Why>) -> Result<(), Why> {
    value.map(|value| *place = value)
}

fn shown(number: Option<i64>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

fn int(cell: &str, min: i64, max: i64) -> Result<i64, Why> {
    let number = cell.trim().parse().ok().filter(|number| (min..=max).contains(number));
    number.ok_or_else(|| format!("{cell:?} is not a number from {min} to {max}"))
}

fn any_int(cell: &str) -> Result<Option<i64>, Why> {
    int(cell, -INT_MAX, INT_MAX).map(Some)
}

fn id(cell: &str, min: i64) -> Result<Option<u64>, Why> {
    int(cell, min, ID_MAX).map(|number| u64::try_from(number).ok())
}

fn text(cell: &str, letters_max: usize) -> Result<String, Why> {
    let fits = cell.chars().count() <= letters_max;
    fits.then(|| cell.to_owned()).ok_or_else(|| format!("has more than {letters_max} letters"))
}

fn word(cell: &str, words: &Enumeration) -> Result<i64, Why> {
    words.parse(cell).ok_or_else(|| format!("{cell:?} is no {}", words.name))
}
