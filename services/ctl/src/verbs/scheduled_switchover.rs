//! `switchover --at` and `switchover --cancel`: the schedule that the group keeps. Never waits for the time: the primary of that time hands
//! over.

use std::time::Duration;

use ocs_proto::control::{Candidate, ScheduleSwitchoverReply, ScheduleSwitchoverRequest};
use serde::Serialize;

use crate::{
    cli::SwitchoverArgs,
    cluster::{Cluster, Node},
    failure::Failure,
    print::{self, Out, status::ScheduledSwitchoverView},
};

/// Longer than a node's own deadline of 10 s, so that the node's answer comes first.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How the reason of a plan begins.
const DRY_RUN: &str = "dry run";

#[derive(Debug, Serialize)]
struct View {
    done: bool,
    dry_run: bool,
    cancelled: bool,
    /// The schedule behind the order; of a cancellation, the schedule that was.
    scheduled_switchover: Option<ScheduledSwitchoverView>,
    /// The nodes, as they could take over now.
    candidates: Vec<CandidateView>,
    reason: String,
}

#[derive(Debug, Serialize)]
struct CandidateView {
    node: String,
    eligible: bool,
    reason: String,
}

/// Asks the primary. A node of an older release does not know the call, and hands nothing over.
pub(crate) async fn run(cluster: &Cluster, primary: &Node, out: Out, args: &SwitchoverArgs) -> Result<(), Failure> {
    let request = ScheduleSwitchoverRequest {
        at_s: args.at.unwrap_or_default(),
        to: args.target().to_owned(),
        dry_run: args.dry_run,
        cancel: args.cancel,
    };
    let limit = cluster.timeout_or(TIMEOUT);
    let reply = primary
        .call(limit, |mut client| async move { Ok(client.schedule_switchover(request).await?.into_inner()) })
        .await
        .map_err(|error| error.into_failure(&primary.address))?;
    let is_plan = args.dry_run && reply.reason.starts_with(DRY_RUN);
    if !reply.done && !is_plan {
        let what = if args.cancel { "not cancelled" } else { "switchover not scheduled" };
        return Err(Failure::Refused(format!("{what}: {}", reply.reason)));
    }
    out.show(&view(reply, args), text)
}

fn view(reply: ScheduleSwitchoverReply, args: &SwitchoverArgs) -> View {
    let candidate = |one: Candidate| CandidateView { node: one.node, eligible: one.eligible, reason: one.reason };
    View {
        done: reply.done,
        dry_run: args.dry_run,
        cancelled: reply.done && args.cancel,
        scheduled_switchover: reply.scheduled.map(ScheduledSwitchoverView::from),
        candidates: reply.candidates.into_iter().map(candidate).collect(),
        reason: reply.reason,
    }
}

fn text(view: &View) -> String {
    let scheduled = view.scheduled_switchover.as_ref().map(ScheduledSwitchoverView::line).unwrap_or_default();
    if view.cancelled {
        return print::paragraph(&format!("cancelled: {scheduled}"));
    }
    if view.done {
        let end = "`ocsctl status` shows the schedule, `ocsctl switchover --cancel` ends it";
        return print::paragraph(&format!("{scheduled}; {end}"));
    }
    let yes_no = |eligible| if eligible { "yes" } else { "no" };
    let row = |one: &CandidateView| [one.node.clone(), yes_no(one.eligible).to_owned(), one.reason.clone()];
    let table = print::table(&["candidate", "eligible now", "reason"], view.candidates.iter().map(row));
    format!("{}\n{table}", print::paragraph(&view.reason))
}

#[cfg(test)]
mod tests {
    use ocs_proto::control::ScheduledSwitchover;

    use super::*;
    use crate::cli::FormatArg;

    fn args(cancel: bool, dry_run: bool) -> SwitchoverArgs {
        SwitchoverArgs { node: None, to: None, at: None, cancel, dry_run, format: FormatArg::default() }
    }

    fn reply(done: bool, reason: &str) -> ScheduleSwitchoverReply {
        let scheduled = ScheduledSwitchover {
            at_s: 1_700_000_000,
            to: "b".into(),
            principal: "maria".into(),
            ..ScheduledSwitchover::default()
        };
        let candidates = vec![Candidate { node: "b".into(), eligible: true, reason: "is connected".into() }];
        ScheduleSwitchoverReply { done, reason: reason.into(), candidates, scheduled: Some(scheduled), absent: false }
    }

    #[test]
    fn an_order_its_cancellation_and_its_plan_are_told_in_words() {
        let line = "switchover to b scheduled for 2023-11-14T22:13:20Z, by maria";
        let shown = |reply, args| text(&view(reply, &args)).replace("\n  ", " ");
        assert!(shown(reply(true, ""), args(false, false)).starts_with(&format!("{line}; `ocsctl status`")));
        assert_eq!(shown(reply(true, ""), args(true, false)), format!("cancelled: {line}"));
        let plan = shown(reply(false, "dry run: would hand over to b"), args(false, true));
        assert!(plan.starts_with("dry run: would hand over to b\n") && plan.contains("ELIGIBLE NOW"), "{plan}");
    }
}
