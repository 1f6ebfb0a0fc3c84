//! `wait`: until the group has a primary, or is whole; for scripts. Never changes anything.

use std::time::{Duration, Instant};

use crate::{
    cli::{WaitArgs, WaitFor},
    cluster::Cluster,
    failure::Failure,
    group,
};

const TIMEOUT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);

/// Waits as long as `--timeout` says.
pub(crate) async fn run(cluster: &Cluster, args: &WaitArgs) -> Result<(), Failure> {
    let limit = cluster.timeout_or(TIMEOUT);
    match args.what {
        WaitFor::Primary => for_primary(cluster, limit).await,
        WaitFor::Ready => {
            group::wait_whole(cluster, 0, limit).await.map_err(|why| Failure::Refused(format!("not ready: {why}")))
        }
    }
}

async fn for_primary(cluster: &Cluster, limit: Duration) -> Result<(), Failure> {
    let began = Instant::now();
    loop {
        match group::survey(cluster).await.require_primary() {
            Ok(_) => return Ok(()),
            Err(failure) if began.elapsed() + PAUSE > limit => return Err(failure),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
