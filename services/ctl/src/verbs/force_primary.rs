//! `force-primary`: an operator lets a node lead alone. Shows the state of the node's log before anything is changed; the
//! node decides whether the order is allowed.

use std::time::{Duration, Instant};

use ocs_proto::control::{ForcePrimaryReply, ForcePrimaryRequest};
use serde::Serialize;

use crate::{
    cli::ForcePrimaryArgs,
    cluster::{Cluster, Node},
    failure::Failure,
    group,
    print::Out,
};

/// For one answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Until the node leads: the node drains, applies its whole log, and starts again.
const LEADS_TIMEOUT: Duration = Duration::from_secs(120);
/// Beginning of the reason of a dry run whose order would be carried out.
const DRY_RUN: &str = "dry run";
const PAUSE: Duration = Duration::from_millis(200);

#[derive(Debug, Serialize)]
struct View {
    node: String,
    ordered: bool,
    leads: bool,
    last_index: u64,
    last_commit: u64,
    epoch: u64,
    may_lose: bool,
    fence: Vec<String>,
    reason: String,
}

/// Shows the possible loss, gives the order, and waits until the node leads.
pub(crate) async fn run(cluster: &Cluster, out: Out, args: &ForcePrimaryArgs) -> Result<(), Failure> {
    let group = group::survey(cluster).await;
    let seen = group.required(&args.node)?;
    let ask = |dry_run| ask(cluster, seen.node, args.accept_loss, dry_run);
    let before = ask(true).await?;
    eprintln!("{}", warning(&before));
    if !before.reason.starts_with(DRY_RUN) {
        return Err(refused(&before));
    }
    if args.dry_run {
        return out.show(&view(before, false), |view| view.reason.clone());
    }
    let reply = ask(false).await?;
    if !reply.ordered {
        return Err(refused(&reply));
    }
    wait_leads(cluster, &args.node).await?;
    out.show(&view(reply, true), table)
}

async fn ask(cluster: &Cluster, node: &Node, accept_loss: bool, dry_run: bool) -> Result<ForcePrimaryReply, Failure> {
    let request = ForcePrimaryRequest { accept_loss, dry_run };
    node.call(
        cluster.timeout_or(TIMEOUT),
        |mut client| async move { Ok(client.force_primary(request).await?.into_inner()) },
    )
    .await
    .map_err(|error| error.into_failure(&node.address))
}

fn refused(reply: &ForcePrimaryReply) -> Failure {
    Failure::Refused(format!("force-primary refused: {}", reply.reason))
}

/// The facts that an operator must know before the order.
fn warning(reply: &ForcePrimaryReply) -> String {
    let loss = if reply.may_lose {
        format!("Acknowledged updates that exist only on {} WILL BE LOST.", reply.fence.join(" or "))
    } else {
        "It has every acknowledged update.".to_owned()
    };
    format!(
        "{}: the last index of its log is {}, the last commit it heard of {}. {loss}\nFirst power off or isolate {}; anything they \
         accept from now on is lost.",
        reply.node,
        reply.last_index,
        reply.last_commit,
        reply.fence.join(" and ")
    )
}

async fn wait_leads(cluster: &Cluster, name: &str) -> Result<(), Failure> {
    let began = Instant::now();
    let limit = cluster.timeout_or(LEADS_TIMEOUT);
    loop {
        let group = group::survey(cluster).await;
        let alone = group
            .primary()
            .and_then(|seen| seen.role())
            .is_some_and(|role| role.node == name && role.mode == "single-copy");
        if alone {
            return Ok(());
        }
        if began.elapsed() >= limit {
            return Err(Failure::NoPrimary(format!("the order stands, but {name} does not lead yet: see its log")));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn view(reply: ForcePrimaryReply, leads: bool) -> View {
    View {
        node: reply.node,
        ordered: reply.ordered,
        leads,
        last_index: reply.last_index,
        last_commit: reply.last_commit,
        epoch: reply.epoch,
        may_lose: reply.may_lose,
        fence: reply.fence,
        reason: reply.reason,
    }
}

fn table(view: &View) -> String {
    format!(
        "{} leads alone in epoch {}: updates are on one disk only. Start the others again: they join under new ids; then \
         `ocsctl mode set` ends it",
        view.node, view.epoch
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warning_names_both_numbers_who_is_to_be_fenced_and_what_is_lost() {
        let mut reply = ForcePrimaryReply {
            node: "b".to_owned(),
            last_index: 120,
            last_commit: 118,
            fence: vec!["a".to_owned(), "w".to_owned()],
            ..ForcePrimaryReply::default()
        };
        assert!(warning(&reply).contains("every acknowledged update"));
        reply.may_lose = true;
        let text = warning(&reply);
        for part in
            ["last index of its log is 120", "heard of 118", "power off or isolate a and w", "only on a or w WILL BE"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
