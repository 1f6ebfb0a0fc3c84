//! `upgrade finalize`: raises the versions of the group's formats and rules. The primary decides whether every node knows
//! them, and answers once its state decides by the new rules.

use std::time::Duration;

use ocs_proto::control::{UpgradeReply, UpgradeRequest};
use serde::Serialize;

use crate::{cli::UpgradeFinalizeArgs, cluster::Cluster, failure::Failure, group, print::Out};

/// Longer than the primary waits for the raise.
const TIMEOUT: Duration = Duration::from_secs(15);

#[derive(Debug, Serialize)]
struct View {
    done: bool,
    formats: u32,
    formats_newest: u32,
    rules: u32,
    rules_newest: u32,
    waits_for: Vec<String>,
}

/// Asks the primary.
pub(crate) async fn finalize(cluster: &Cluster, out: Out, args: &UpgradeFinalizeArgs) -> Result<(), Failure> {
    let group = group::survey(cluster).await;
    let primary = group.require_primary()?.node;
    let request = UpgradeRequest { dry_run: args.dry_run };
    let reply = primary
        .call(cluster.timeout_or(TIMEOUT), |mut client| async move { Ok(client.upgrade(request).await?.into_inner()) })
        .await
        .map_err(|error| error.into_failure(&primary.address))?;
    if !reply.reason.is_empty() {
        return Err(Failure::Refused(refusal(&reply)));
    }
    let UpgradeReply { done, formats, formats_newest, rules, rules_newest, waits_for, .. } = reply;
    out.show(&View { done, formats, formats_newest, rules, rules_newest, waits_for }, table)
}

fn refusal(reply: &UpgradeReply) -> String {
    match reply.waits_for.as_slice() {
        [] => format!("upgrade finalize: {}", reply.reason),
        waits_for => format!("upgrade finalize: {} ({})", reply.reason, waits_for.join("; ")),
    }
}

fn table(view: &View) -> String {
    let same = (view.formats, view.rules) == (view.formats_newest, view.rules_newest);
    match (same, view.done) {
        (true, _) => format!("nothing to do: formats {}, rules {}", view.formats, view.rules),
        (false, true) => format!(
            "raised: formats {} to {}, rules {} to {}; an older release cannot be put back any more",
            view.formats, view.formats_newest, view.rules, view.rules_newest
        ),
        (false, false) => format!(
            "every node knows the new versions: formats {} would go to {}, rules {} to {}",
            view.formats, view.formats_newest, view.rules, view.rules_newest
        ),
    }
}
