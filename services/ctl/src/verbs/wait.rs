//! `wait`: until the group has a primary, is whole, or meets another condition; for scripts. Never changes anything.

use std::time::{Duration, Instant};

use crate::{
    cli::{WaitArgs, WaitFor},
    cluster::Cluster,
    failure::Failure,
    group::{self, Committed, GroupAnswers},
};

const TIMEOUT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);

/// Waits as long as `--timeout` says.
pub(crate) async fn run(cluster: &Cluster, args: &WaitArgs) -> Result<(), Failure> {
    let limit = cluster.timeout_or(TIMEOUT);
    match &args.what {
        WaitFor::Primary => until(cluster, limit, |group| group.require_primary().map(|_| ())).await,
        WaitFor::Ready => {
            group::wait_whole(cluster, 0, limit).await.map_err(|why| Failure::Refused(format!("not ready: {why}")))
        }
        WaitFor::Replicated => {
            let mut target: Option<Committed> = None;
            until(cluster, limit, |group| {
                target = group::of_this_reign(target, group.committed()).or_else(|| group.committed());
                group.is_replicated(target)
            })
            .await
        }
        WaitFor::Drained(node) => until(cluster, limit, |group| group.is_drained(node)).await,
        WaitFor::Version(release) => until(cluster, limit, |group| group.runs_release(release)).await,
        WaitFor::Role(node, role) => until(cluster, limit, |group| group.has_role(node, *role)).await,
    }
}

/// Surveys the group until the condition is met; at the end of the time, the failure of the last survey.
async fn until(
    cluster: &Cluster,
    limit: Duration,
    mut met: impl FnMut(&GroupAnswers<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let began = Instant::now();
    loop {
        let group = group::survey(cluster).await;
        match met(&group) {
            Ok(()) => return Ok(()),
            Err(failure) if began.elapsed() + PAUSE > limit => return Err(failure),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
