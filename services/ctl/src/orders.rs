//! Orders that a verb gives and a drill repeats: create a list, delete a list, hand the role over.
//!
//! Never prints. Called by `verbs`, `drill` and `bench`.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use ocs_proto::{
    control::{Candidate, DeleteListRequest, SwitchoverReply, SwitchoverRequest},
    outbound::CreateList,
};

use crate::{
    call::{self, CallError},
    cluster::{Client, Cluster, Node},
    failure::Failure,
};

/// How long to look for a node that accepts the order, over a failover.
const RETRY_FOR: Duration = Duration::from_secs(15);
/// For the deletion of a list: the node first checks the records for use by clients.
const DELETE_TIMEOUT: Duration = Duration::from_secs(180);
const SWITCHOVER_TIMEOUT: Duration = Duration::from_secs(15);

/// Creates a list at any node. After an attempt of unknown outcome, "there is one already" means that the attempt had
/// succeeded.
pub(crate) async fn create_list(cluster: &Cluster, name: &str, time_zone: &str) -> Result<(), Failure> {
    let request = CreateList { name: name.to_owned(), time_zone: time_zone.to_owned(), fields: Vec::new() };
    create_list_as(cluster, request).await
}

/// As [`create_list`], with user-defined fields.
pub(crate) async fn create_list_as(cluster: &Cluster, request: CreateList) -> Result<(), Failure> {
    let maybe_ours = AtomicBool::new(false);
    let attempt = |mut client: Client| {
        let (request, maybe_ours) = (request.clone(), &maybe_ours);
        async move {
            let result = match client.create_list(request).await {
                Ok(reply) => call::done(reply.into_inner().reply).map(|_| ()),
                Err(status) => Err(CallError::from(status)),
            };
            match result {
                Err(CallError::Refused(no)) if no.code == "CONFLICT" && maybe_ours.load(Relaxed) => Ok(()),
                Err(error) => {
                    maybe_ours.fetch_or(error.maybe_applied(), Relaxed);
                    Err(error)
                }
                Ok(()) => Ok(()),
            }
        }
    };
    cluster.on_any(RETRY_FOR, attempt).await
}

/// Has the list marked at any node; from then on its records are gone for every client. After an attempt of unknown outcome,
/// "there is no such list" means that the attempt had succeeded.
pub(crate) async fn delete_list(cluster: &Cluster, list: &str, in_use: bool) -> Result<(), Failure> {
    let request = DeleteListRequest { list: list.to_owned(), in_use };
    let maybe_ours = AtomicBool::new(false);
    let attempt = |mut client: Client| {
        let (request, maybe_ours) = (request.clone(), &maybe_ours);
        async move {
            let result = match client.delete_list(request).await {
                Ok(reply) => call::done(reply.into_inner().reply).map(|_| ()),
                Err(status) => Err(CallError::from(status)),
            };
            match result {
                Err(CallError::Refused(no)) if no.code == "LIST_NOT_FOUND" && maybe_ours.load(Relaxed) => Ok(()),
                Err(error) => {
                    maybe_ours.fetch_or(error.maybe_applied(), Relaxed);
                    Err(error)
                }
                Ok(()) => Ok(()),
            }
        }
    };
    cluster.on_any_within(DELETE_TIMEOUT, RETRY_FOR, attempt).await
}

/// One Switchover call.
pub(crate) async fn switch_over(
    cluster: &Cluster,
    node: &Node,
    to: &str,
    dry_run: bool,
) -> Result<SwitchoverReply, Failure> {
    let request = SwitchoverRequest { to: to.to_owned(), dry_run };
    let limit = cluster.timeout_or(SWITCHOVER_TIMEOUT);
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
