//! `switchover`: hands the role over, planned, now or at a time to come. Never chooses the target itself: the primary does.

use ocs_proto::control::{Candidate, SwitchoverReply};
use serde::Serialize;

use super::scheduled_switchover;
use crate::{
    cli::SwitchoverArgs,
    cluster::Cluster,
    failure::Failure,
    group, orders,
    print::{self, Out},
};

#[derive(Debug, Serialize)]
struct View {
    done: bool,
    dry_run: bool,
    from: String,
    to: String,
    duration_ms: u64,
    candidates: Vec<CandidateView>,
    reason: String,
}

#[derive(Debug, Serialize)]
struct CandidateView {
    node: String,
    eligible: bool,
    reason: String,
}

/// Asks the primary; a refusal names each candidate and why not.
pub(crate) async fn run(cluster: &Cluster, out: Out, args: &SwitchoverArgs) -> Result<(), Failure> {
    let group = group::survey(cluster).await;
    let primary = group.require_primary()?;
    if args.at.is_some() || args.cancel {
        return scheduled_switchover::run(cluster, primary.node, out, args).await;
    }
    let to = args.target();
    let reply = orders::switch_over(cluster, primary.node, to, args.dry_run).await?;
    let possible = reply.candidates.iter().any(|one| one.eligible && (to.is_empty() || one.node == to));
    let fine = if args.dry_run { possible } else { reply.done };
    if !fine {
        return Err(Failure::Refused(orders::refusal(&reply)));
    }
    out.show(&view(reply, args.dry_run), table)
}

fn view(reply: SwitchoverReply, dry_run: bool) -> View {
    let candidate = |one: Candidate| CandidateView { node: one.node, eligible: one.eligible, reason: one.reason };
    View {
        done: reply.done,
        dry_run,
        from: reply.from,
        to: reply.to,
        duration_ms: reply.duration_ms,
        candidates: reply.candidates.into_iter().map(candidate).collect(),
        reason: reply.reason,
    }
}

fn table(view: &View) -> String {
    if !view.dry_run {
        return format!("{} is primary now, {} ms after {} began to hand over", view.to, view.duration_ms, view.from);
    }
    let yes_no = |eligible| if eligible { "yes" } else { "no" };
    let row = |one: &CandidateView| [one.node.clone(), yes_no(one.eligible).to_owned(), one.reason.clone()];
    print::table(&["candidate", "eligible", "reason"], view.candidates.iter().map(row))
}
