//! Do-Not-Call over the control API: entries shown, made, taken back, and applied to a list.
//!
//! Never contains a rule. Called by the control API.

use std::{sync::Arc, time::Duration};

use dispatch::{Engine, too_early};
use ocs_proto::{
    control::{DoNotCallEntries, DoNotCallRequest},
    outbound as wire,
};
use outbound::{
    Body, Query, RULES_WITH_CAMPAIGNS, RULES_WITH_UNDOING, RefusalCode,
    wire::{application_from_wire, entries_from_wire, remove_from_wire, reply_into_wire},
};
use tokio::time::Instant;
use tonic::Status;

use super::{
    acting::Acting,
    data::{Long, read, refused, unreadable},
    to_wire,
};
use crate::bulk::Pieces;

type Door = Arc<pair::Door>;

/// Longest rest after a batch: a failover prolongs no rest.
const REST_MAX: Duration = Duration::from_millis(100);

/// The entries of one consistent state, read no faster than the client takes them.
pub(super) async fn entries(
    door: &Door,
    long: &Long,
    asked: DoNotCallRequest,
    deadline: Instant,
) -> Result<Pieces<DoNotCallEntries>, Status> {
    let DoNotCallRequest { phone, entries_max, customer } = asked;
    if !phone.is_empty() && !customer.is_empty() {
        return Err(Status::invalid_argument("entries are asked for by a phone or by a customer, not by both"));
    }
    door.wait_until_readable(deadline).await.map_err(unreadable)?;
    let [phone, customer] = [phone, customer].map(|text| (!text.is_empty()).then_some(text));
    let entries_max = if entries_max == 0 { u64::MAX } else { entries_max };
    let query = Query::DoNotCall { phone, customer, entries_max, after: None };
    let door = door.clone();
    let open = move || {
        let pages = door.engine().query(query).map_err(refused);
        pages.map(|pages| pages.filter_map(to_wire::do_not_call).map(Ok))
    };
    long.exports.pieces(open).await
}

/// Makes the entries of a batch. The answer comes after a rest while clients update records: the sender of a long import sends as
/// fast as its batches are answered.
pub(super) async fn enter(door: &Acting, batch: wire::DoNotCallBatch, deadline: Instant) -> wire::Reply {
    if let Some(reply) = not_yet(door, RULES_WITH_CAMPAIGNS) {
        return reply;
    }
    let body = Body::DoNotCallBatch(entries_from_wire(batch));
    let client_updates = || door.engine().state().client_updates();
    let (began, before) = (Instant::now(), client_updates());
    let reply = door.order(body, deadline).await;
    let now = Instant::now();
    let rest = rest(now - began, client_updates() - before);
    tokio::time::sleep_until((now + rest).min(deadline)).await;
    reply_into_wire(reply)
}

/// The rest after a batch: as long as its work took, while clients update records.
fn rest(took: Duration, client_updates: u64) -> Duration {
    if client_updates > 0 { took.min(REST_MAX) } else { Duration::ZERO }
}

/// The answer that a batch would get.
pub(super) async fn preview(
    door: &Door,
    batch: wire::DoNotCallBatch,
    deadline: Instant,
) -> Result<wire::Reply, Status> {
    if let Some(reply) = not_yet(door, RULES_WITH_CAMPAIGNS) {
        return Ok(reply);
    }
    let batch = entries_from_wire(batch);
    read(door, deadline, move |state| state.preview_do_not_call(batch)).await.map(reply_into_wire)
}

/// Marks the next records of a list.
pub(super) async fn apply(door: &Acting, asked: wire::ApplyDoNotCall, deadline: Instant) -> wire::Reply {
    if let Some(reply) = not_yet(door, RULES_WITH_CAMPAIGNS) {
        return reply;
    }
    let body = Body::ApplyDoNotCall(application_from_wire(asked));
    reply_into_wire(door.order(body, deadline).await)
}

/// Takes an entry back. Entries of customers, tenants and campaigns are as new as the rules that have them.
pub(super) async fn remove(door: &Acting, asked: wire::RemoveDoNotCall, deadline: Instant) -> wire::Reply {
    let is_later = [&asked.customer, &asked.tenant, &asked.campaign].into_iter().any(|text| !text.is_empty());
    let needed = if is_later { RULES_WITH_CAMPAIGNS } else { RULES_WITH_UNDOING };
    if let Some(reply) = not_yet(door, needed) {
        return reply;
    }
    reply_into_wire(door.order(Body::RemoveDoNotCall(remove_from_wire(asked)), deadline).await)
}

/// Before the raise the primary may run a release that cannot read the request. The raise takes longer than seconds, so a retry
/// is not worth its cost.
pub(super) fn not_yet(door: &Door, needed: u32) -> Option<wire::Reply> {
    let version = door.engine().state().rules_version();
    let reply = || reply_into_wire(too_early(version, needed, RefusalCode::Conflict));
    (version < needed).then(reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_rests_as_long_as_its_work_took_while_clients_update_records() {
        let took = Duration::from_millis(7);
        assert_eq!([rest(took, 0), rest(took, 1)], [Duration::ZERO, took]);
        assert_eq!(rest(Duration::from_secs(5), 9), REST_MAX);
    }
}
