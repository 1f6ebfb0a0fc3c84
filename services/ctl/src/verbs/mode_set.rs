//! `mode set`: ends single-copy. The primary decides whether the group is ready.

use std::time::Duration;

use ocs_proto::control::{SetModeReply, SetModeRequest};
use serde::Serialize;

use crate::{cli::ModeSetArgs, cluster::Cluster, failure::Failure, group, print::Out};

const TIMEOUT: Duration = Duration::from_secs(15);

#[derive(Debug, Serialize)]
struct View {
    done: bool,
    mode: String,
    missing: Vec<String>,
}

/// Asks the primary.
pub(crate) async fn run(cluster: &Cluster, out: Out, args: &ModeSetArgs) -> Result<(), Failure> {
    let group = group::survey(cluster).await;
    let primary = group.require_primary()?.node;
    let request = SetModeRequest { mode: args.mode.clone() };
    let reply = primary
        .call(cluster.timeout_or(TIMEOUT), |mut client| async move { Ok(client.set_mode(request).await?.into_inner()) })
        .await
        .map_err(|error| error.into_failure(&primary.address))?;
    if !reply.done {
        return Err(Failure::Refused(refusal(&reply)));
    }
    out.show(&View { done: reply.done, mode: reply.mode, missing: reply.missing }, table)
}

fn refusal(reply: &SetModeReply) -> String {
    match reply.missing.as_slice() {
        [] => format!("mode set refused: {}", reply.reason),
        missing => format!("mode set refused: {} ({})", reply.reason, missing.join("; ")),
    }
}

fn table(view: &View) -> String {
    let missing: String = view.missing.iter().map(|line| format!("\nstill missing: {line}")).collect();
    format!("mode {}{missing}", view.mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_stands_behind_the_reason() {
        let mut reply = SetModeReply { reason: "no copy".to_owned(), ..SetModeReply::default() };
        assert_eq!(refusal(&reply), "mode set refused: no copy");
        reply.missing = vec!["data node b has not joined yet".to_owned()];
        assert_eq!(refusal(&reply), "mode set refused: no copy (data node b has not joined yet)");
    }
}
