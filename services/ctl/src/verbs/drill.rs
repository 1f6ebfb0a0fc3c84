//! `drill`: moves, kills, stops or cuts off the primary, or stops the witness, under load. Never run a drill against a group
//! in use without an announcement: a drill adds a list named `drill-…`, which is deleted at the end, and does harm.

use std::path::Path;

use crate::{
    cli::DrillArgs,
    cluster::Cluster,
    drill::{self, Plan, Report},
    failure::Failure,
    http_client::{self, Target},
    print::Out,
};

/// Shows the report; fails if an acknowledged update was lost or applied twice, or if not all rounds could be run.
/// `ca`: the authority of HTTPS front ends.
pub(crate) async fn run(cluster: &Cluster, out: Out, args: &DrillArgs, ca: Option<&Path>) -> Result<(), Failure> {
    let proxies = Target::parse_all(args.proxies.named(), ca)?;
    Target::check_all(&proxies).await?;
    let token = http_client::token(args.proxies.token_file.as_deref())?;
    let plan = Plan { kind: args.kind, rounds: args.rounds, rate: args.rate, settle: args.settle, proxies, token };
    let report = drill::run(cluster, plan, |line| eprintln!("{line}")).await?;
    out.show(&report, Report::table)?;
    report.complaint().map_or(Ok(()), |why| Err(Failure::Refused(why)))
}
