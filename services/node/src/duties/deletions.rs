//! Deletes the records of lists that are being deleted, a few hundred a command, and the list behind the last record. The state
//! has the lists and their remaining records, so that another primary goes on.

use std::{sync::Arc, time::Duration};

use chassis::tasks::{AtEnd, Tasks};
use outbound::{Body, DELETED_ROWS_MAX, DeleteRecords, ListInfo, RULES_WITH_UNDOING, ReplyBody};
use pair::Door;
use tokio::sync::watch;

use super::{Duty, decide};

/// Interval of the check whether a list is being deleted.
const LOOK: Duration = Duration::from_secs(1);
/// Pause between two commands, so that clients' updates go first.
const PAUSE: Duration = Duration::from_millis(10);
/// Commands between two checks.
const COMMANDS: u32 = 50;

/// Lists that are being deleted, a line each; every data node shows them.
pub(crate) struct Remaining;

impl Remaining {
    /// Shows the lists that this node's state has marked.
    pub(crate) fn shown(api: Arc<Door>, tasks: &Tasks) -> watch::Receiver<Arc<[String]>> {
        let (shown, remaining) = watch::channel(Arc::default());
        let stopping = tasks.stopping();
        tasks.spawn("deletions shown", AtEnd::Quiet, async move {
            let show = async {
                loop {
                    shown.send_replace(marked(&api).await.iter().map(words).collect());
                    tokio::time::sleep(LOOK).await;
                }
            };
            tokio::select! {
                () = show => {}
                () = stopping.cancelled() => {}
            }
        });
        remaining
    }

    /// No lists: for a witness.
    pub(crate) fn none() -> watch::Receiver<Arc<[String]>> {
        watch::channel(Arc::default()).1
    }
}

/// Deletes the records of every marked list.
pub(crate) struct Deletions(pub(crate) Arc<Door>);

impl Duty for Deletions {
    const NAME: &'static str = "deletions";

    async fn perform(&mut self) {
        loop {
            match marked(&self.0).await.first() {
                Some(list) => delete(&self.0, list.dbid).await,
                None => tokio::time::sleep(LOOK).await,
            }
        }
    }
}

/// No list is marked before the rules version that deletes.
async fn marked(api: &Arc<Door>) -> Vec<ListInfo> {
    if api.engine().state().rules_version() < RULES_WITH_UNDOING {
        return Vec::new();
    }
    let state = api.engine().state().clone();
    let lists = tokio::task::spawn_blocking(move || state.lists(None)).await.unwrap_or_default();
    lists.into_iter().filter(|list| list.deleting).collect()
}

fn words(list: &ListInfo) -> String {
    format!("{:?} is being deleted: {} records are left", list.name, list.records)
}

/// Proposes some commands, until no record is left.
async fn delete(api: &Arc<Door>, list: u32) {
    for _ in 0..COMMANDS {
        match decide(api, Body::DeleteRecords(DeleteRecords { list, rows_max: DELETED_ROWS_MAX })).await {
            Ok(ReplyBody::Done(done)) if is_done(&done) => return,
            Ok(_) => tokio::time::sleep(PAUSE).await,
            Err(refusal) => {
                tracing::warn!(list, "the records of a list are not deleted yet: {}", refusal.message);
                return tokio::time::sleep(LOOK).await;
            }
        }
    }
}

fn is_done(done: &outbound::Done) -> bool {
    done.attributes.iter().any(|(name, value)| name == "done" && *value == outbound::Value::Int(1))
}
