//! `settings show` and `settings set`: the options of the rules, the same for the whole group.

use std::time::Duration;

use ocs_proto::{
    control::{ShowSettingsReply, ShowSettingsRequest},
    outbound::{Attribute, SetSettings, Setting, value::Kind},
};
use serde::Serialize;

use crate::{
    call::{self, CallError},
    cli::SettingsSetArgs,
    cluster::{Client, Cluster},
    failure::Failure,
    print::{self, Out},
};

/// How long to look for a node that answers, over a failover.
const RETRY_FOR: Duration = Duration::from_secs(15);

#[derive(Debug, Serialize)]
struct View {
    node: String,
    rules_version: u32,
    /// False: each node's own file decides, and this is the answering node's.
    replicated: bool,
    /// A quorum answered: nothing is missing.
    confirmed: bool,
    settings: Vec<OptionView>,
}

#[derive(Debug, Serialize)]
struct OptionView {
    key: String,
    value: String,
}

/// Any data node answers.
pub(crate) async fn show(cluster: &Cluster, out: Out) -> Result<(), Failure> {
    let ask = |mut client: Client| async move { Ok(client.show_settings(ShowSettingsRequest {}).await?.into_inner()) };
    out.show(&view(cluster.on_any(RETRY_FOR, ask).await?), table)
}

fn view(reply: ShowSettingsReply) -> View {
    let option = |Setting { key, value }| OptionView { key, value };
    View {
        node: reply.node,
        rules_version: reply.rules_version,
        replicated: reply.replicated,
        confirmed: reply.confirmed,
        settings: reply.settings.into_iter().map(option).collect(),
    }
}

fn table(view: &View) -> String {
    let row = |option: &OptionView| [option.key.clone(), option.value.clone()];
    let mut text = print::table(&["option", "value"], view.settings.iter().map(row));
    text.push_str(&format!("\nrules version {}", view.rules_version));
    if !view.replicated {
        text.push_str(&format!(": each node's own file decides, and this is what {}'s says", view.node));
    }
    if !view.confirmed {
        text.push_str("\nno quorum answers: the newest may be missing");
    }
    text
}

#[derive(Debug, Serialize)]
struct Changes {
    changed: Vec<Change>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Change {
    key: String,
    from: String,
    to: String,
}

/// Any data node forwards the order to the primary. Setting the same value again changes nothing.
pub(crate) async fn set(cluster: &Cluster, out: Out, args: &SettingsSetArgs) -> Result<(), Failure> {
    let setting = |(key, value): &(String, String)| Setting { key: key.clone(), value: value.clone() };
    let request = SetSettings { settings: args.settings.iter().map(setting).collect() };
    let ask = |mut client: Client| {
        let request = request.clone();
        async move {
            let reply = client.set_settings(request).await.map_err(CallError::from)?;
            call::done(reply.into_inner().reply)
        }
    };
    let done = cluster.on_any(RETRY_FOR, ask).await?;
    out.show(&Changes { changed: changes(&done.attributes) }, changed)
}

/// Every changed option comes twice: before and now.
fn changes(pairs: &[Attribute]) -> Vec<Change> {
    let text = |pair: &Attribute| match pair.value.as_ref().and_then(|value| value.kind.as_ref()) {
        Some(Kind::Str(text)) => text.clone(),
        Some(Kind::Int(number)) => number.to_string(),
        None => String::new(),
    };
    let change = |pair: &[Attribute]| Change { key: pair[0].key.clone(), from: text(&pair[0]), to: text(&pair[1]) };
    pairs.chunks_exact(2).map(change).collect()
}

fn changed(changes: &Changes) -> String {
    if changes.changed.is_empty() {
        return "nothing changes: these are the settings already".to_owned();
    }
    let line = |change: &Change| format!("{}: {} (was {})", change.key, shown(&change.to), shown(&change.from));
    changes.changed.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn shown(value: &str) -> &str {
    if value.is_empty() { "empty" } else { value }
}

#[cfg(test)]
mod tests {
    use ocs_proto::outbound::Value;

    use super::*;

    #[test]
    fn what_changed_is_shown_with_both_values() {
        let pair = |value: &str| Attribute {
            key: "webhook_allow".into(),
            value: Some(Value { kind: Some(Kind::Str(value.into())) }),
        };
        let changes = Changes { changed: changes(&[pair(""), pair("crm.example.com")]) };
        assert_eq!(changed(&changes), "webhook_allow: crm.example.com (was empty)");
        assert!(changed(&Changes { changed: Vec::new() }).contains("nothing changes"));
    }

    #[test]
    fn settings_of_one_file_alone_are_shown_as_such() {
        let reply = ShowSettingsReply {
            node: "a".into(),
            rules_version: 1,
            replicated: false,
            confirmed: true,
            settings: vec![Setting { key: "replay_window_ms".into(), value: "5000".into() }],
        };
        let shown = table(&view(reply));
        assert!(shown.contains("replay_window_ms  5000") && shown.contains("what a's says"), "{shown}");
    }
}
