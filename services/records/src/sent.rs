//! Default columns that travel under keys of their own, as lists declare them (spec 11, send_attributes; spec 7).
//!
//! In a request, such a key stands for the attribute of its column, where the verb uses that attribute and the request does not name
//! the attribute itself; a key of another column is an echo of an answer and changes nothing. In answers that show a record, the
//! column travels under its key too. Called by the verbs and by the reading of user-defined fields.

use std::{borrow::Cow, sync::Arc};

use outbound::{Attributes, Handle, RULES_WITH_CAMPAIGNS, Request, Resource, Value, key};

use crate::{
    columns, date_time, lookup,
    tables::{Key, ListRow, RecordRow, Row},
    turn::Turn,
    view::View,
    zones,
};

/// The columns that have an attribute, with the attribute.
const ATTRIBUTES: [(&str, &str); 14] = [
    ("contact_info", key::PHONE),
    ("contact_info_type", key::PHONE_TYPE),
    ("record_type", key::RECORD_TYPE),
    ("record_status", key::RECORD_STATUS),
    ("call_result", key::CALL_RESULT),
    ("attempt", key::ATTEMPTS),
    (DIAL_SCHED_TIME, key::DATE_TIME),
    ("call_time", key::CALL_TIME),
    ("daily_from", key::FROM),
    ("daily_till", key::UNTIL),
    ("agent_id", key::AGENT_ID),
    ("chain_id", key::CHAIN_ID),
    ("chain_n", key::CHAIN_N),
    ("app_id", key::APPLICATION_ID),
];
/// A time in exports, a text in the record's zone in answers.
const DIAL_SCHED_TIME: &str = "dial_sched_time";
/// Columns of text; the others are integers.
const TEXTS: [&str; 5] = ["contact_info", "agent_id", "treatments", "email_subject", "tz_name"];

/// The attribute of a column.
fn attribute_of(column: &str) -> Option<&'static str> {
    ATTRIBUTES.iter().find(|(known, _)| *known == column).map(|(_, attribute)| *attribute)
}

/// The request with the keys of default columns as attributes, from rules version 5 on.
pub(crate) fn as_attributes<'r, V: View>(request: &'r Request, turn: &Turn<'_, '_, V>) -> Cow<'r, Request> {
    let may_have_keys = turn.version >= RULES_WITH_CAMPAIGNS
        && request.attributes.user().next().is_some()
        && turn.overlay.declared().row().sends_columns;
    let list = if may_have_keys { list_of(request, turn) } else { None };
    list.map_or(Cow::Borrowed(request), |list| renamed(request, &list))
}

/// The list of the resource.
fn list_of<V: View>(request: &Request, turn: &Turn<'_, '_, V>) -> Option<Arc<ListRow>> {
    let of_record = |handle: Handle| match turn.overlay.get(&Key::Record(handle)) {
        Some(Row::Record(record)) => lookup::list(turn.overlay, record.list),
        _ => None,
    };
    match &request.resource {
        Resource::Record(handle) => of_record(*handle),
        Resource::List(identifier) => lookup::find_list(turn.overlay, identifier).map(|(_, list)| list),
        _ => None,
    }
}

fn renamed<'r>(request: &'r Request, list: &ListRow) -> Cow<'r, Request> {
    let attribute = |key: &str| {
        let attribute = columns::sent_under(list, key).and_then(attribute_of)?;
        request.verb.uses(attribute).then_some(attribute)
    };
    let renamed: Vec<(&str, &str)> =
        request.attributes.iter().filter_map(|(key, _)| Some((key, attribute(key)?))).collect();
    if renamed.is_empty() {
        return Cow::Borrowed(request);
    }
    let others = request.attributes.iter().filter(|(key, _)| !renamed.iter().any(|(from, _)| from == key));
    let mut attributes: Attributes = others.map(|(key, value)| (key.to_owned(), value.clone())).collect();
    for (from, to) in &renamed {
        if let Some(value) = request.attributes.get(from).filter(|_| request.attributes.get(to).is_none()) {
            attributes.set(*to, value.clone());
        }
    }
    let of_query = &request.attributes.sent.query_keys;
    attributes.sent = request.attributes.sent.clone();
    attributes.sent.unknown_form &= renamed.iter().all(|(from, _)| of_query.iter().any(|key| key == from));
    Cow::Owned(Request { attributes, ..request.clone() })
}

/// The default columns of a record that travel under keys of their own, in the order of the columns. `zone`: IANA name of the
/// record's zone.
pub(crate) fn pairs(list: &ListRow, record: &RecordRow, zone: &str) -> Vec<(String, Value)> {
    let sent = list.send_attributes.iter();
    sent.filter_map(|sent| Some((sent.key.clone(), value(list, record, &sent.column, zone)?))).collect()
}

/// As [`pairs`], for the columns whose attribute the request gave.
pub(crate) fn pairs_given(request: &Request, list: &ListRow, record: &RecordRow, zone: &str) -> Vec<(String, Value)> {
    let is_given = |column: &str| attribute_of(column).is_some_and(|key| request.attributes.get(key).is_some());
    let sent = list.send_attributes.iter().filter(|sent| is_given(&sent.column));
    sent.filter_map(|sent| Some((sent.key.clone(), value(list, record, &sent.column, zone)?))).collect()
}

/// The value of a column in an answer; none: the record has none.
fn value(list: &ListRow, record: &RecordRow, column: &str, zone: &str) -> Option<Value> {
    if column == DIAL_SCHED_TIME {
        return record.dial_sched_time.map(|at| Value::Str(date_time::show(at, &zones::zone(zone))));
    }
    let shown = (columns::named(list, column, RULES_WITH_CAMPAIGNS)?.show)(record);
    match shown.parse() {
        _ if shown.is_empty() => None,
        Ok(number) if !TEXTS.contains(&column) => Some(Value::Int(number)),
        _ => Some(Value::Str(shown)),
    }
}

#[cfg(test)]
mod tests {
    use outbound::Verb;

    use super::*;
    use crate::tables::SentColumnRow;

    fn list() -> ListRow {
        let sent = |column: &str, key: &str| SentColumnRow { column: column.into(), key: key.into() };
        let send_attributes =
            vec![sent("contact_info", "phone"), sent("dial_sched_time", "due"), sent("switch_id", "sw")];
        ListRow { send_attributes, ..ListRow::default() }
    }

    fn request(verb: Verb, pairs: &[(&str, &str)]) -> Request {
        Request {
            verb,
            resource: Resource::List("demo".into()),
            attributes: pairs.iter().map(|(key, text)| ((*key).to_owned(), Value::text(*text))).collect(),
            tenant: String::new(),
            principal: String::new(),
            idempotency_key: None,
        }
    }

    #[test]
    fn a_key_of_a_column_stands_for_its_attribute_where_the_verb_uses_it() {
        let keys = |verb: Verb, pairs: &[(&str, &str)]| {
            let request = request(verb, pairs);
            let renamed = renamed(&request, &list()).into_owned();
            renamed.attributes.iter().map(|(key, value)| format!("{key}={value:?}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(keys(Verb::AddRecord, &[("Phone", "+1"), ("sw", "1")]), "GSW_PHONE=Str(\"+1\") sw=Str(\"1\")");
        assert_eq!(keys(Verb::AddRecord, &[("GSW_PHONE", "+2"), ("phone", "+1")]), "GSW_PHONE=Str(\"+2\")");
        assert_eq!(keys(Verb::RecordProcessed, &[("due", "x")]), "due=Str(\"x\")");
    }

    #[test]
    fn a_form_with_a_key_of_a_column_is_understood_unless_only_the_query_has_the_key() {
        let mut request = request(Verb::AddRecord, &[("phone", "+1")]);
        request.attributes.sent.unknown_form = true;
        assert!(!renamed(&request, &list()).attributes.sent.unknown_form);
        request.attributes.sent.query_keys = vec!["phone".into()];
        assert!(renamed(&request, &list()).attributes.sent.unknown_form);
    }

    #[test]
    fn a_record_shows_the_columns_that_it_has_under_their_keys() {
        let record = RecordRow { contact_info: "123".into(), dial_sched_time: Some(0), ..RecordRow::default() };
        let shown = pairs(&list(), &record, "UTC");
        let wanted = [("phone", Value::text("123")), ("due", Value::text("01/01/1970 00:00"))];
        assert_eq!(shown, wanted.map(|(key, value)| (key.to_owned(), value)));
        let given = pairs_given(&request(Verb::AddRecord, &[("GSW_PHONE", "123")]), &list(), &record, "UTC");
        assert_eq!(given, [("phone".to_owned(), Value::text("123"))]);
    }
}
