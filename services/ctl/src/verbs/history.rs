//! `history`: the last changes of role, as the replicated state keeps them. Never changes anything.

use std::time::Duration;

use ocs_proto::control::{HistoryEntry, HistoryReply, HistoryRequest};
use serde::Serialize;

use crate::{
    cluster::Cluster,
    failure::Failure,
    print::{self, Out},
};

/// How long to look for a data node that answers.
const RETRY_FOR: Duration = Duration::from_secs(5);

#[derive(Debug, Serialize)]
struct View {
    /// A quorum answered: nothing is missing.
    confirmed: bool,
    changes: Vec<Change>,
}

#[derive(Debug, Serialize)]
struct Change {
    at: String,
    from: Option<String>,
    to: String,
    term: u64,
    reason: String,
    pause_ms: u64,
    /// Scheduled switchovers that lapsed while `to` was primary; none: no switchover lapsed.
    note: Option<String>,
}

/// Asks any data node.
pub(crate) async fn run(cluster: &Cluster, out: Out) -> Result<(), Failure> {
    let ask =
        |mut client: crate::cluster::Client| async move { Ok(client.history(HistoryRequest {}).await?.into_inner()) };
    let reply = cluster.on_any(RETRY_FOR, ask).await?;
    out.show(&view(reply), table)
}

fn view(reply: HistoryReply) -> View {
    View { confirmed: reply.confirmed, changes: reply.entries.into_iter().map(change).collect() }
}

fn change(entry: HistoryEntry) -> Change {
    let HistoryEntry { at_us, from, to, term, reason, pause_ms, note } = entry;
    let from = Some(from).filter(|from| !from.is_empty() && *from != to); // a node that led before and leads again
    let note = Some(note).filter(|note| !note.is_empty());
    Change { at: print::time_ms(at_us), from, to, term, reason, pause_ms, note }
}

fn table(view: &View) -> String {
    let row = |change: &Change| {
        let from = change.from.clone().unwrap_or_else(|| "-".to_owned());
        let (term, pause) = (change.term.to_string(), format!("{} ms", change.pause_ms));
        let note = change.note.iter().map(|note| format!("; {note}"));
        let reason = std::iter::once(change.reason.clone()).chain(note).collect();
        [change.at.clone(), from, change.to.clone(), term, pause, reason]
    };
    let table = print::table(&["time", "from", "to", "term", "pause", "reason"], view.changes.iter().map(row));
    if view.confirmed { table } else { format!("{table}\nno quorum answers: the newest may be missing") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_a_line_with_its_time_and_its_reason() {
        let entry = HistoryEntry {
            at_us: 1_700_000_000_123_456,
            from: "a".into(),
            to: "b".into(),
            term: 5,
            reason: "failover: connection refused by a".into(),
            pause_ms: 84,
            note: String::new(),
        };
        let noted = HistoryEntry { note: "a switchover lapsed".into(), ..entry.clone() };
        let told = table(&view(HistoryReply { entries: vec![noted], confirmed: true }));
        assert!(told.split_whitespace().collect::<Vec<_>>().join(" ").contains("by a; a switchover lapsed"), "{told}");
        let reply = HistoryReply {
            entries: vec![HistoryEntry { from: String::new(), ..entry.clone() }, entry],
            confirmed: false,
        };
        let shown = table(&view(reply));
        let lines: Vec<&str> = shown.lines().collect();
        assert!(
            lines[1].starts_with("2023-11-14T22:13:20.123Z  -     b   5     84 ms  failover: connection"),
            "{shown}"
        );
        let second = lines.iter().position(|line| line.contains("  a     b   5     84 ms  failover: connection"));
        assert!(second.is_some_and(|place| place > 1), "{shown}");
        assert!(lines.last().is_some_and(|line| line.contains("may be missing")), "{shown}");
        assert!(lines.iter().all(|line| line.chars().count() <= print::WIDTH), "{shown}");
    }
}
