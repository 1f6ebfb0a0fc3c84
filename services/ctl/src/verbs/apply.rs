//! `apply`: a file of declarations, shown as the difference to the group and applied by one command, all or nothing.
//!
//! Never compares anything itself: a node plans. Applying the same file again changes nothing.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use ocs_proto::{control::PlanDeclarationReply, outbound::ApplyDeclaration};
use serde::Serialize;

use crate::{
    call::{self, CallError},
    cli::ApplyArgs,
    cluster::{Client, Cluster},
    declared_file::DeclaredFile,
    failure::Failure,
    print::{self, Out},
};

/// How long to look for a node that answers, over a failover.
const RETRY_FOR: Duration = Duration::from_secs(15);

#[derive(Debug, Serialize)]
struct View {
    /// The revision that the differences are about.
    revision: u64,
    /// A line each; none: the group is as the file declares.
    differences: Vec<String>,
    applied: bool,
}

/// Any data node plans, and forwards the command to the primary.
pub(crate) async fn run(cluster: &Cluster, out: Out, args: &ApplyArgs) -> Result<(), Failure> {
    let file = DeclaredFile::open(&args.file)?;
    let asked = ApplyDeclaration { declaration: Some(file.declaration.clone()), revision: 0, prune: args.prune };
    let PlanDeclarationReply { revision, differences, faults } = plan(cluster, &asked).await?;
    if !faults.is_empty() {
        return Err(file.refused(faults.into_iter().map(|fault| (fault.path, fault.message))));
    }
    let differs = !differences.is_empty();
    let applied = differs && !args.dry_run;
    if applied {
        apply(cluster, ApplyDeclaration { revision, ..asked }).await?;
    }
    out.show(&View { revision, differences, applied }, |view| text(view, args.dry_run))?;
    if args.exit_code && differs {
        return Err(Failure::Refused("the group differs from the file".to_owned()));
    }
    Ok(())
}

async fn plan(cluster: &Cluster, asked: &ApplyDeclaration) -> Result<PlanDeclarationReply, Failure> {
    let ask = |mut client: Client| {
        let asked = asked.clone();
        async move { Ok(client.plan_declaration(asked).await?.into_inner()) }
    };
    cluster.on_any(RETRY_FOR, ask).await
}

/// The end of an application that no node refused for good.
enum Outcome {
    Applied,
    /// The state has another revision, for this reason.
    ChangedMeanwhile(String),
}

/// After an attempt of unknown outcome another revision may be the attempt's own: then the group is as the file declares.
async fn apply(cluster: &Cluster, request: ApplyDeclaration) -> Result<(), Failure> {
    let maybe_ours = AtomicBool::new(false);
    let attempt = |mut client: Client| {
        let (request, maybe_ours) = (request.clone(), &maybe_ours);
        async move {
            let result = match client.apply_declaration(request).await {
                Ok(reply) => call::done(reply.into_inner().reply).map(|_| Outcome::Applied),
                Err(status) => Err(CallError::from(status)),
            };
            match result {
                Err(CallError::Refused(no)) if no.code == "CONFLICT" => Ok(Outcome::ChangedMeanwhile(no.message)),
                Err(error) => {
                    maybe_ours.fetch_or(error.maybe_applied(), Relaxed);
                    Err(error)
                }
                Ok(outcome) => Ok(outcome),
            }
        }
    };
    let Outcome::ChangedMeanwhile(why) = cluster.on_any(RETRY_FOR, attempt).await? else { return Ok(()) };
    if maybe_ours.load(Relaxed) && plan(cluster, &request).await?.differences.is_empty() {
        return Ok(());
    }
    Err(Failure::Refused(format!("changed meanwhile, nothing applied: run it again ({why})")))
}

fn text(view: &View, dry_run: bool) -> String {
    let end = match view.differences.len() {
        0 => "nothing to change: the group is as the file declares".to_owned(),
        _ if dry_run => "dry run: nothing is changed".to_owned(),
        1 => "applied: 1 difference".to_owned(),
        many => format!("applied: {many} differences"),
    };
    let lines = view.differences.iter().map(|line| print::visible(line).into_owned());
    lines.chain([end]).collect::<Vec<_>>().join("\n")
}
