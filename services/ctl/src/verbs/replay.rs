//! `replay`: a file of requests through the HTTP Proxies. Never sends anything when a line of the file makes no sense.

use sha2::{Digest, Sha256};

use crate::{
    cli::ReplayArgs,
    cluster::Cluster,
    failure::Failure,
    front_ends, group,
    http_client::{self, Target, Trust},
    print::{self, Out},
    replay::{self, Plan, Report, Trace},
};

/// Shows the report; fails if a request did not end in success. `trust`: for HTTPS front ends.
pub(crate) async fn run(cluster: &Cluster, out: Out, args: &ReplayArgs, trust: Option<Trust>) -> Result<(), Failure> {
    let mut proxies = Target::parse_all(args.proxies.named(), trust.as_ref())?;
    if proxies.is_empty() {
        proxies = front_ends::of(&group::survey(cluster).await, trust.as_ref())?;
    }
    Target::check_all(&proxies).await?;
    let proxies = Target::bearing(proxies, http_client::token(args.proxies.token_file.as_deref())?.as_ref());
    let handles = replay::handles(cluster, &args.list).await?;
    let trace = Trace::read(&args.file, &handles)?;
    drop(handles);
    let run_id = if args.as_new { fresh() } else { stable(&args.list, &trace.digest) };
    let plan =
        Plan { proxies, connections: args.connections.into(), retry_for: args.retry_for, run_id, rate: args.rate };
    let bar = print::bar(trace.requests);
    let report = replay::run(trace, plan, &bar).await;
    bar.finish_and_clear();
    out.show(&report, Report::table)?;
    if report.all_succeeded() {
        return Ok(());
    }
    let failed = report.requests - report.succeeded;
    Err(Failure::Refused(format!("{failed} of {} requests did not end in success", report.requests)))
}

fn fresh() -> String {
    format!("{:016x}", rand::random::<u64>())
}

/// The run id of a file and a list, always the same: an interrupted replay goes on when run again.
fn stable(list: &str, digest: &str) -> String {
    let hash = Sha256::new().chain_update(list).chain_update([0]).chain_update(digest).finalize();
    hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_of_the_same_file_into_the_same_list_has_the_same_keys() {
        assert_eq!(stable("demo", "aa"), stable("demo", "aa"));
        assert_ne!(stable("demo", "aa"), stable("demo", "ab"));
        assert_ne!(stable("demo", "aa"), stable("demo2", "aa"));
        assert_ne!(fresh(), fresh());
    }
}
