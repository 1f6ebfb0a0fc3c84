//! `dnc apply`: marks the open records of a list that Do-Not-Call stops, a few hundred records by one order. Interrupted, the same
//! command begins again and marks the records that are left.

use std::time::Duration;

use ocs_proto::{control::ShowListRequest, outbound::ApplyDoNotCall};
use serde::Serialize;

use crate::{
    call::{self, CallError},
    cli::DncApplyArgs,
    cluster::{Client, Cluster},
    failure::Failure,
    print::{self, Out},
};

/// Records that one order looks at (architecture, Limits).
const ROWS_MAX: u32 = 500;
/// How long one order is tried again, over failovers.
const RETRY_FOR: Duration = Duration::from_secs(60);

#[derive(Debug, Serialize)]
struct AppliedView {
    list: String,
    /// Records of the list that were looked at.
    records: u64,
    /// Records that were marked by this run.
    marked: u64,
}

/// The result of one order.
struct Step {
    looked: u64,
    marked: u64,
    /// None: the list's end is reached.
    next_record_id: Option<u64>,
}

pub(super) async fn run(cluster: &Cluster, out: Out, args: &DncApplyArgs) -> Result<(), Failure> {
    let mut view = AppliedView { list: args.list.clone(), records: 0, marked: 0 };
    let bar = print::bar(records_of(cluster, &args.list).await?);
    let mut from = Some(0);
    while let Some(record_id) = from {
        let step = apply_from(cluster, &args.list, record_id).await;
        let step = step.map_err(|failure| in_context(failure, record_id)).inspect_err(|_| bar.finish_and_clear())?;
        (view.records, view.marked) = (view.records + step.looked, view.marked + step.marked);
        bar.set_position(view.records);
        bar.set_message(format!("{} records marked", view.marked));
        from = step.next_record_id;
    }
    bar.finish_and_clear();
    out.show(&view, |view| {
        let [records, marked] = [view.records, view.marked].map(print::grouped);
        format!("{records} records of list {}: {marked} are on Do-Not-Call and were marked", print::visible(&view.list))
    })
}

/// The number of the list's records, for the progress; 0: the list is named by its DBID.
async fn records_of(cluster: &Cluster, list: &str) -> Result<u64, Failure> {
    let lists = |mut client: Client| async move {
        let reply = client.show_list(ShowListRequest::default()).await.map_err(CallError::from)?;
        Ok(reply.into_inner().lists)
    };
    let lists = cluster.on_any(RETRY_FOR, lists).await?;
    Ok(lists.into_iter().find(|known| known.name == list).map_or(0, |known| known.records))
}

async fn apply_from(cluster: &Cluster, list: &str, from_record_id: u64) -> Result<Step, Failure> {
    let request = ApplyDoNotCall { list: list.to_owned(), from_record_id, rows_max: ROWS_MAX };
    let attempt = |mut client: Client| {
        let request = request.clone();
        async move {
            let reply = client.apply_do_not_call(request).await.map_err(CallError::from)?;
            let done = call::done(reply.into_inner().reply)?;
            let [looked, marked, next] =
                ["looked", "marked", "next_record_id"].map(|key| call::number(&done, key).map(i64::unsigned_abs));
            if next.is_some_and(|next| next <= from_record_id) {
                return Err(CallError::Malformed); // such an answer would never end
            }
            Ok(Step { looked: looked.unwrap_or(0), marked: marked.unwrap_or(0), next_record_id: next })
        }
    };
    cluster.on_any(RETRY_FOR, attempt).await
}

/// The same failure, with the way on.
fn in_context(failure: Failure, record_id: u64) -> Failure {
    let line = |why: String| format!("stopped at record_id {record_id}: {why}; run it again to mark the others");
    match failure {
        Failure::Unreachable(why) if record_id > 0 => Failure::Unreachable(line(why)),
        Failure::NoPrimary(why) if record_id > 0 => Failure::NoPrimary(line(why)),
        failure => failure,
    }
}
