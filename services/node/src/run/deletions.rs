//! Deletes the records of lists that are being deleted, a few hundred a command, and the list behind the last record. The state
//! has the lists and their remaining records, so that another primary goes on.
//!
//! Proposes only while this node is primary; every data node shows the progress. Called by `run`.

use std::{sync::Arc, time::Duration};

use chassis::tasks::Tasks;
use ocs_proto::control::ListInfo;
use outbound::{Body, DELETED_ROWS_MAX, DeleteRecords, Origin, RULES_WITH_UNDOING, ReplyBody};
use pair::OutboundApi;
use tokio::{sync::watch, time::Instant};

use super::spawn_quiet;
use crate::role::RoleService;

/// Interval of the check whether a list is being deleted.
const LOOK: Duration = Duration::from_secs(1);
/// Pause between two commands, so that clients' updates go first.
const PAUSE: Duration = Duration::from_millis(10);
/// Commands between two checks.
const COMMANDS: u32 = 50;
/// Deadline of a command.
const DEADLINE: Duration = Duration::from_secs(10);

/// Lists that are being deleted, a line each.
pub(super) type Deletions = watch::Receiver<Arc<[String]>>;

/// Deletes records from now on, in every marked list; shows the rest.
pub(super) fn go_on(role: RoleService, api: Arc<OutboundApi>, tasks: &Tasks) -> Deletions {
    let (shown, deletions) = watch::channel(Arc::default());
    let stopping = tasks.stopping();
    spawn_quiet(tasks, "deletions", async move {
        tokio::select! {
            () = delete_all(role, api, shown) => {}
            () = stopping.cancelled() => {}
        }
    });
    deletions
}

/// No deletions: for a witness.
pub(super) fn none() -> Deletions {
    watch::channel(Arc::default()).1
}

async fn delete_all(role: RoleService, api: Arc<OutboundApi>, shown: watch::Sender<Arc<[String]>>) {
    loop {
        let lists = marked(&api).await;
        shown.send_replace(lists.iter().map(words).collect());
        match lists.first().filter(|_| role.status().serving) {
            Some(list) => delete(&role, &api, list.dbid).await,
            None => tokio::time::sleep(LOOK).await,
        }
    }
}

/// No list is marked before the rules version that deletes.
async fn marked(api: &Arc<OutboundApi>) -> Vec<ListInfo> {
    if api.state().rules_version() < RULES_WITH_UNDOING {
        return Vec::new();
    }
    let state = api.state().clone();
    let lists = tokio::task::spawn_blocking(move || state.lists(None)).await.unwrap_or_default();
    lists.into_iter().filter(|list| list.deleting).collect()
}

fn words(list: &ListInfo) -> String {
    format!("{:?} is being deleted: {} records are left", list.name, list.records)
}

/// Proposes some commands, until no record is left.
async fn delete(role: &RoleService, api: &OutboundApi, list: u32) {
    for _ in 0..COMMANDS {
        if !role.status().serving {
            return;
        }
        let body = Body::DeleteRecords(DeleteRecords { list, rows_max: DELETED_ROWS_MAX });
        let reply = api.answer(body, Origin::Control, Instant::now() + DEADLINE).await;
        match reply.body {
            ReplyBody::Done(done) if is_done(&done) => return,
            ReplyBody::Refused(refusal) => {
                tracing::warn!(list, "the records of a list are not deleted yet: {}", refusal.message);
                return tokio::time::sleep(LOOK).await;
            }
            _ => tokio::time::sleep(PAUSE).await,
        }
    }
}

fn is_done(done: &outbound::Done) -> bool {
    done.attributes.iter().any(|(name, value)| name == "done" && *value == outbound::Value::Int(1))
}
