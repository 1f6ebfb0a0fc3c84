//! `drill`: moves, kills, stops or cuts off the primary, or stops the witness, under load. Never run a drill against a group
//! in use without an announcement: a drill adds a list named `drill-…`, which is deleted at the end, and does harm.

use crate::{
    cli::DrillArgs,
    cluster::Cluster,
    drill::{self, Plan, Report},
    failure::Failure,
    http_client::{self, Target, Trust},
    print::Out,
};

/// Shows the report; fails if an acknowledged update was lost or applied twice, or if not all rounds could be run.
/// `trust`: for HTTPS front ends.
pub(crate) async fn run(cluster: &Cluster, out: Out, args: &DrillArgs, trust: Option<Trust>) -> Result<(), Failure> {
    let proxies = Target::parse_all(args.proxies.named(), trust.as_ref())?;
    Target::check_all(&proxies).await?;
    let token = http_client::token(args.proxies.token_file.as_deref())?;
    let (kind, rounds, rate, settle) = (args.kind, args.rounds, args.rate, args.settle);
    let plan = Plan { kind, rounds, rate, settle, proxies, trust, token };
    let report = drill::run(cluster, plan, |line| eprintln!("{line}")).await?;
    out.show(&report, Report::table)?;
    report.complaint().map_or(Ok(()), |why| Err(Failure::Refused(why)))
}
