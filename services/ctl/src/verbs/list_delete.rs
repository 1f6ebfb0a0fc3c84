//! `list delete`: a list goes with its records. Names the list and its records first, and waits until nothing is left; the
//! primary also finishes a deletion for which no client waits.
//!
//! Never decides whether clients use the list: the node does.

use std::time::{Duration, Instant};

use ocs_proto::control::{ListInfo, ShowListRequest};
use serde::Serialize;

use crate::{
    cli::ListDeleteArgs,
    cluster::{Client, Cluster},
    failure::Failure,
    orders,
    print::{self, Out},
};

/// How long to look for a node that answers, over a failover.
const RETRY_FOR: Duration = Duration::from_secs(15);
/// Until nothing is left.
const WAIT: Duration = Duration::from_secs(3600);
/// Pause between two counts of the rest.
const LOOK: Duration = Duration::from_millis(500);

#[derive(Debug, Serialize)]
struct View {
    list: String,
    dbid: u32,
    /// Records that the list had.
    records: u64,
}

/// Without `--yes` nothing is changed.
pub(crate) async fn run(cluster: &Cluster, out: Out, args: &ListDeleteArgs) -> Result<(), Failure> {
    let list = find(cluster, &args.name).await?;
    let name = print::visible(&list.name);
    if !args.yes {
        return Err(Failure::Refused(format!(
            "list {name} has {} records, and nothing brings them back: `ocsctl list export` keeps them in a file, --yes deletes them",
            list.records
        )));
    }
    orders::delete_list(cluster, &list.name, args.in_use).await?;
    let records = wait(cluster, &list).await?;
    let view = View { list: list.name.clone(), dbid: list.dbid, records };
    out.show(&view, |view| format!("list {name} is deleted, with {} records", view.records))
}

async fn find(cluster: &Cluster, name: &str) -> Result<ListInfo, Failure> {
    let lists = lists(cluster, name).await?;
    let found = lists.into_iter().find(|list| list.name == name || list.dbid.to_string() == name);
    found.ok_or_else(|| Failure::Refused(format!("there is no list named {name}")))
}

/// Of one name, or all.
async fn lists(cluster: &Cluster, name: &str) -> Result<Vec<ListInfo>, Failure> {
    let request = ShowListRequest { name: name.to_owned(), count: false };
    let ask = |mut client: Client| {
        let request = request.clone();
        async move { Ok(client.show_list(request).await?.into_inner().lists) }
    };
    cluster.on_any(RETRY_FOR, ask).await
}

/// Polls until the list is gone, and returns the highest count of its records: clients may have added some before the order.
/// A new list of the same name has another DBID.
async fn wait(cluster: &Cluster, list: &ListInfo) -> Result<u64, Failure> {
    let (began, bar, mut records) = (Instant::now(), print::bar(list.records), list.records);
    loop {
        let left =
            lists(cluster, "").await?.into_iter().find(|other| other.dbid == list.dbid && other.name == list.name);
        let Some(left) = left else {
            bar.finish_and_clear();
            return Ok(records);
        };
        records = records.max(left.records);
        bar.set_length(records);
        bar.set_position(records - left.records);
        if began.elapsed() + LOOK > cluster.timeout_or(WAIT) {
            let name = print::visible(&list.name);
            return Err(Failure::Refused(format!(
                "list {name} is not gone in time, and its deletion goes on by itself: {} records are left",
                left.records
            )));
        }
        tokio::time::sleep(LOOK).await;
    }
}
