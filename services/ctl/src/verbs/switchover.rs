//! `switchover`: hands the role over, planned. Never chooses the target itself: the primary does.

use std::time::Duration;

use ocs_proto::control::{Candidate, SwitchoverReply, SwitchoverRequest};
use serde::Serialize;

use crate::{
    cli::SwitchoverArgs,
    cluster::{Cluster, Node},
    failure::Failure,
    group, print,
    print::Out,
};

const TIMEOUT: Duration = Duration::from_secs(15);

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
    let to = args.to.clone().unwrap_or_default();
    let reply = ask(cluster, primary.node, &to, args.dry_run).await?;
    let possible = reply.candidates.iter().any(|one| one.eligible && (to.is_empty() || one.node == to));
    let fine = if args.dry_run { possible } else { reply.done };
    if !fine {
        return Err(Failure::Refused(refusal(&reply)));
    }
    out.show(&view(reply, args.dry_run), table)
}

/// One Switchover call.
pub(crate) async fn ask(cluster: &Cluster, node: &Node, to: &str, dry_run: bool) -> Result<SwitchoverReply, Failure> {
    let request = SwitchoverRequest { to: to.to_owned(), dry_run };
    let limit = cluster.timeout_or(TIMEOUT);
    node.call(limit, |mut client| async move { Ok(client.switchover(request).await?.into_inner()) })
        .await
        .map_err(|error| error.into_failure(&node.address))
}

/// The line that says why not, each candidate by name.
pub(crate) fn refusal(reply: &SwitchoverReply) -> String {
    let named = |one: &Candidate| {
        let why = if one.reason.is_empty() { "eligible" } else { one.reason.as_str() };
        format!("{}: {why}", one.node)
    };
    let candidates: Vec<_> = reply.candidates.iter().map(named).collect();
    let reason = if reply.reason.is_empty() { "no candidate" } else { reply.reason.as_str() };
    match candidates.as_slice() {
        [] => format!("switchover refused: {reason}"),
        _ => format!("switchover refused: {reason} ({})", candidates.join("; ")),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_each_candidate_and_why_not() {
        let candidate =
            |node: &str, reason: &str| Candidate { node: node.to_owned(), eligible: false, reason: reason.to_owned() };
        let reply = SwitchoverReply {
            reason: "nobody can take over".to_owned(),
            candidates: vec![candidate("b", "1200 entries behind"), candidate("w", "a witness never serves")],
            ..SwitchoverReply::default()
        };
        let line = "switchover refused: nobody can take over (b: 1200 entries behind; w: a witness never serves)";
        assert_eq!(refusal(&reply), line);
    }
}
