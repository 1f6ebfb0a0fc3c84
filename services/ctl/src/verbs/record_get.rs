//! `record get`: one record, as the nodes hold it, and the reason why no group gets the record now. Never changes anything.

use std::time::Duration;

use ocs_proto::{
    control::{GetRecordRequest, NotDialable, RecordChange},
    outbound::{Attribute, Done, Value, value::Kind},
};
use outbound::RECORD_STATUS;
use serde_json::Map;

use crate::{
    call,
    cli::RecordGetArgs,
    cluster::Cluster,
    failure::Failure,
    print::{self, Out},
};

const RETRY_FOR: Duration = Duration::from_secs(15);

/// Asks any node.
pub(crate) async fn run(cluster: &Cluster, out: Out, args: &RecordGetArgs) -> Result<(), Failure> {
    let request = GetRecordRequest {
        handle: args.handle.unwrap_or_default(),
        list: args.list.clone().unwrap_or_default(),
        record_id: args.record_id.unwrap_or_default(),
        history: args.history,
    };
    let ask = |mut client: crate::cluster::Client| {
        let request = request.clone();
        async move {
            let reply = client.get_record(request).await?.into_inner();
            let dialable = Dialable { now: reply.dialable, not: reply.not_dialable };
            Ok((call::done(reply.reply)?, dialable, reply.changes))
        }
    };
    let (done, dialable, changes) = cluster.on_any(RETRY_FOR, ask).await?;
    let pairs = view(done);
    let mut shown = dialable.beside(pairs.clone());
    if args.history {
        shown.insert("history".to_owned(), changes.iter().map(change).collect());
    }
    let sentence = dialable.sentence().map(|sentence| print::paragraph(&sentence));
    let history = args.history.then(|| history(&changes));
    out.show(&shown, |_| {
        let parts: Vec<String> = std::iter::once(table(&pairs)).chain(sentence).chain(history).collect();
        parts.join("\n\n")
    })
}

/// A change of the record for a program.
fn change(change: &RecordChange) -> serde_json::Value {
    let principal = Some(&change.principal).filter(|principal| !principal.is_empty());
    serde_json::json!({
        "at": print::time_ms(change.at_us),
        "principal": principal,
        "what": change.what,
        "record_status": status(change.record_status),
    })
}

/// The last changes for a person, oldest first.
fn history(changes: &[RecordChange]) -> String {
    if changes.is_empty() {
        return "no change is kept: its list may not keep them (record_history)".to_owned();
    }
    let row = |change: &RecordChange| {
        let principal = if change.principal.is_empty() { "-" } else { change.principal.as_str() };
        let status = status(change.record_status);
        [print::time_ms(change.at_us), principal.to_owned(), change.what.clone(), status]
    };
    print::table(&["changed", "principal", "what", "status"], changes.iter().map(row))
}

/// The name of a status; the number of a newer release's.
fn status(number: i64) -> String {
    RECORD_STATUS.name_of(number).map_or_else(|| number.to_string(), str::to_owned)
}

/// Whether a preview may hand the record out.
#[derive(Debug)]
struct Dialable {
    now: bool,
    not: Option<NotDialable>,
}

impl Dialable {
    /// The pairs of a record with the keys `dialable` and `not_dialable`; without them where the node did not look.
    fn beside(&self, mut pairs: Map<String, serde_json::Value>) -> Map<String, serde_json::Value> {
        if self.now || self.not.is_some() {
            pairs.insert("dialable".to_owned(), self.not.is_none().into());
        }
        if let Some(NotDialable { condition, reason, until_s }) = &self.not {
            let why = serde_json::json!({ "condition": condition, "reason": reason, "until": until_s.map(time) });
            pairs.insert("not_dialable".to_owned(), why);
        }
        pairs
    }

    /// For a person; none: the node did not look.
    fn sentence(&self) -> Option<String> {
        let Some(NotDialable { reason, until_s, .. }) = &self.not else {
            return self.now.then(|| "dialable now".to_owned());
        };
        let until = until_s.map(|until_s| format!(" (until {})", time(until_s))).unwrap_or_default();
        Some(format!("not dialable: {}{until}", shown(reason)))
    }
}

/// UTC seconds, to the second.
fn time(seconds: i64) -> String {
    print::time(u64::try_from(seconds).unwrap_or_default().saturating_mul(1_000_000))
}

/// The pairs in the order of the reply, as HTTP shows them.
pub(super) fn view(done: Done) -> Map<String, serde_json::Value> {
    let event =
        Attribute { key: "GSW_USER_EVENT".to_owned(), value: Some(Value { kind: Some(Kind::Str(done.event)) }) };
    std::iter::once(event).chain(done.attributes).map(|pair| (pair.key, json(pair.value))).collect()
}

fn json(value: Option<Value>) -> serde_json::Value {
    match value.and_then(|value| value.kind) {
        Some(Kind::Int(number)) => number.into(),
        Some(Kind::Str(text)) => text.into(),
        None => serde_json::Value::Null,
    }
}

fn table(view: &Map<String, serde_json::Value>) -> String {
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), shown);
    let keys: Vec<String> = view.keys().map(|key| shown(key)).collect();
    let pairs: Vec<_> = keys.iter().zip(view.values()).map(|(key, value)| (key.as_str(), text(value))).collect();
    print::pairs(&pairs)
}

fn shown(text: &str) -> String {
    print::visible(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_keeps_the_order_and_the_types_of_its_pairs() {
        let pair = |key: &str, kind| Attribute { key: key.to_owned(), value: Some(Value { kind: Some(kind) }) };
        let attributes =
            vec![pair("GSW_RECORD_HANDLE", Kind::Int(15)), pair("GSW_PHONE", Kind::Str("+123".to_owned()))];
        let view = view(Done { event: "Record".to_owned(), attributes, records: None });
        let shown = r#"{"GSW_USER_EVENT":"Record","GSW_RECORD_HANDLE":15,"GSW_PHONE":"+123"}"#;
        assert_eq!(serde_json::to_string(&view).unwrap(), shown);
        assert!(table(&view).ends_with("GSW_PHONE          +123"));
    }

    #[test]
    fn a_change_has_its_principal_and_the_status_behind_it() {
        let changed = RecordChange {
            at_us: 1_700_000_000_123_456,
            principal: "crm".into(),
            what: "RecordProcessed".into(),
            record_status: outbound::record_status::UPDATED,
        };
        let json = change(&changed);
        assert_eq!((&json["at"], &json["record_status"]), (&"2023-11-14T22:13:20.123Z".into(), &"Updated".into()));
        let by_the_group = RecordChange { what: "Due".into(), record_status: 1_000, ..RecordChange::default() };
        assert_eq!(change(&by_the_group)["principal"], serde_json::Value::Null);
        let shown = history(&[changed, by_the_group]);
        assert!(shown.contains("crm") && shown.contains("RecordProcessed") && shown.contains("1000"), "{shown}");
        assert!(history(&[]).contains("record_history"));
    }

    #[test]
    fn a_record_says_why_and_until_when_no_group_gets_it() {
        let reason = "its window opens at 08:00".to_owned();
        let why =
            |until_s| Dialable { now: false, not: Some(NotDialable { condition: 3, reason: reason.clone(), until_s }) };
        let until = why(Some(1_700_000_000));
        let sentence = "not dialable: its window opens at 08:00 (until 2023-11-14T22:13:20Z)";
        assert_eq!(until.sentence().as_deref(), Some(sentence));
        let json = serde_json::to_string(&until.beside(Map::new())).unwrap();
        let wanted = r#"{"dialable":false,"not_dialable":{"condition":3,"reason":"its window opens at 08:00","until":"2023-11-14T22:13:20Z"}}"#;
        assert_eq!(json, wanted);
        assert_eq!(why(None).sentence().as_deref(), Some("not dialable: its window opens at 08:00"));
        assert_eq!(why(None).beside(Map::new())["not_dialable"]["until"], serde_json::Value::Null);
    }

    #[test]
    fn a_record_that_a_preview_may_hand_out_says_so_and_an_older_node_says_nothing() {
        let now = Dialable { now: true, not: None };
        assert_eq!(now.sentence().as_deref(), Some("dialable now"));
        assert_eq!(serde_json::to_string(&now.beside(Map::new())).unwrap(), r#"{"dialable":true}"#);
        let unknown = Dialable { now: false, not: None };
        assert!(unknown.sentence().is_none() && unknown.beside(Map::new()).is_empty());
    }
}
