//! `audit`: orders of operators and changes of settings, tokens, lists, campaigns and groups, as the replicated state keeps them. Never
//! changes anything.

use std::time::Duration;

use ocs_proto::control::{AuditEntries, AuditEntry, AuditRequest};
use serde::Serialize;
use tonic::Streaming;

use crate::{
    call::CallError,
    cli::AuditArgs,
    cluster::{Client, Cluster},
    failure::Failure,
    print::{self, Out},
};

/// How long to look for a data node that answers.
const RETRY_FOR: Duration = Duration::from_secs(5);
/// How long a node may pause between two messages.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(60);

/// A row.
#[derive(Debug, Serialize)]
struct View {
    /// RFC 3339, UTC.
    at: String,
    /// One more than that of the row before.
    number: u64,
    /// None: without a name, or the group itself.
    principal: Option<String>,
    /// None: not known.
    address: Option<String>,
    what: String,
    about: Option<String>,
    details: Option<String>,
    /// `done`, `begun`, or the code of a refusal.
    outcome: String,
    /// The node that took an order; none: a command of the log.
    node: Option<String>,
    /// Time of an order by the clock of its node; none: a command of the log.
    acted_at: Option<String>,
}

impl From<AuditEntry> for View {
    fn from(entry: AuditEntry) -> Self {
        let text = |text: String| (!text.is_empty()).then_some(text);
        Self {
            at: print::time_ms(entry.at_us),
            number: entry.number,
            principal: text(entry.principal),
            address: text(entry.address),
            what: entry.what,
            about: text(entry.about),
            details: text(entry.details),
            outcome: entry.outcome,
            node: text(entry.node),
            acted_at: entry.acted_us.map(print::time_ms),
        }
    }
}

/// Asks any data node. To a program each row is a line.
pub(crate) async fn run(cluster: &Cluster, out: Out, args: &AuditArgs) -> Result<(), Failure> {
    let ask = |client: Client| Rows::open(client, request(args));
    let mut rows = cluster.on_any(RETRY_FOR, ask).await?;
    let mut shown = Vec::new();
    while let Some(more) = rows.more().await? {
        if out.is_json() {
            more.iter().try_for_each(print::json_line)?;
        } else {
            shown.extend(more);
        }
    }
    if !out.is_json() {
        print::line(&table(&shown))?;
    }
    if !rows.confirmed {
        eprintln!("no quorum answers: the newest may be missing");
    }
    Ok(())
}

fn request(args: &AuditArgs) -> AuditRequest {
    let us = |seconds: i64| u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000_000);
    AuditRequest {
        since_us: args.since.map(us),
        until_us: args.until.map(us),
        principal: args.principal.clone(),
        what: args.what.clone(),
        rows_max: 0,
    }
}

/// Rows in flight from a node.
struct Rows {
    /// A quorum answered: no row is missing.
    confirmed: bool,
    next: Option<Vec<AuditEntry>>,
    stream: Streaming<AuditEntries>,
}

impl Rows {
    async fn open(mut client: Client, request: AuditRequest) -> Result<Self, CallError> {
        let mut stream = client.audit(request).await?.into_inner();
        let first = message(&mut stream).await?.ok_or(CallError::Malformed)?;
        Ok(Self { confirmed: first.confirmed, next: Some(first.entries), stream })
    }

    /// The next rows; none at the end.
    async fn more(&mut self) -> Result<Option<Vec<View>>, Failure> {
        let entries = match self.next.take() {
            Some(entries) => Some(entries),
            None => {
                let more = message(&mut self.stream).await.map_err(|error| error.into_failure("audit"))?;
                more.map(|message| message.entries)
            }
        };
        Ok(entries.map(|entries| entries.into_iter().map(View::from).collect()))
    }
}

async fn message(stream: &mut Streaming<AuditEntries>) -> Result<Option<AuditEntries>, CallError> {
    let message = tokio::time::timeout(MESSAGE_TIMEOUT, stream.message()).await;
    Ok(message.map_err(|_| CallError::TimedOut)??)
}

fn table(rows: &[View]) -> String {
    if rows.is_empty() {
        return "the audit has no such row".to_owned();
    }
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let row = |view: &View| {
        let parts =
            [view.about.clone(), view.details.clone(), view.address.as_ref().map(|from| format!("from {from}"))];
        let subject: Vec<String> = parts.into_iter().flatten().collect();
        [view.at.clone(), or_none(&view.principal), view.what.clone(), view.outcome.clone(), subject.join("; ")]
    };
    print::row_table(&["time", "principal", "what", "outcome", "subject"], rows.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_its_time_its_principal_and_its_outcome_and_acts_on_no_terminal() {
        let entry = AuditEntry {
            at_us: 1_700_000_000_123_456,
            number: 7,
            principal: "maria".into(),
            address: "10.0.0.9:4711".into(),
            what: "CreateToken".into(),
            about: "crm\u{1b}[2J".into(),
            outcome: "done".into(),
            ..AuditEntry::default()
        };
        let order = AuditEntry { what: "Drain".into(), acted_us: Some(1_700_000_000_000_000), ..AuditEntry::default() };
        let views: Vec<View> = [entry, order].into_iter().map(View::from).collect();
        let shown = table(&views);
        for part in ["2023-11-14T22:13:20.123Z", "maria", "CreateToken", "done", "10.0.0.9:4711", "Drain"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(!shown.contains('\u{1b}'), "{shown}");
        let json = serde_json::to_value(&views[1]).unwrap();
        assert_eq!(json["acted_at"], "2023-11-14T22:13:20.000Z");
        assert_eq!((&json["principal"], &json["node"]), (&serde_json::Value::Null, &serde_json::Value::Null));
        assert_eq!(table(&[]), "the audit has no such row");
    }

    #[test]
    fn moments_are_microseconds_and_what_is_not_asked_for_is_absent() {
        let args = AuditArgs {
            since: Some(1),
            until: None,
            principal: Some(String::new()),
            what: None,
            format: crate::cli::FormatArg::default(),
        };
        let wanted =
            AuditRequest { since_us: Some(1_000_000), principal: Some(String::new()), ..AuditRequest::default() };
        assert_eq!(request(&args), wanted);
    }
}
