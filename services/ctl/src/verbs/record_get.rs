//! `record get`: one record, as the nodes hold it. Never changes anything.

use std::time::Duration;

use ocs_proto::{
    control::GetRecordRequest,
    outbound::{Attribute, Done, Value, value::Kind},
};
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
    };
    let ask = |mut client: crate::cluster::Client| {
        let request = request.clone();
        async move { call::done(client.get_record(request).await?.into_inner().reply) }
    };
    let done = cluster.on_any(RETRY_FOR, ask).await?;
    out.show(&view(done), table)
}

/// The pairs in the order of the reply, as HTTP shows them.
fn view(done: Done) -> Map<String, serde_json::Value> {
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
        let view = view(Done { event: "Record".to_owned(), attributes });
        let shown = r#"{"GSW_USER_EVENT":"Record","GSW_RECORD_HANDLE":15,"GSW_PHONE":"+123"}"#;
        assert_eq!(serde_json::to_string(&view).unwrap(), shown);
        assert!(table(&view).ends_with("GSW_PHONE          +123"));
    }
}
