//! Undoing over the control API: lists with their records, and Do-Not-Call entries.
//!
//! Never contains a rule. Whether clients use a list is checked here and not by the rules: a warning for an operator, not a lock.
//! Called by the control API.

use std::{
    sync::Arc,
    time::{Duration, Instant as StdInstant},
};

use dispatch::{Engine, too_early};
use ocs_proto::{
    control::{DeleteListRequest, DoNotCallEntries, DoNotCallRequest},
    outbound as wire,
};
use outbound::{
    Body, Origin, Query, RULES_WITH_UNDOING, Refusal, RefusalCode, Reply, Value, key,
    wire::{remove_from_wire, reply_into_wire},
};
use pair::{ListTally, wall_us};
use tokio::time::Instant;
use tonic::Status;

use super::{
    data::{Long, refused, unreadable},
    to_wire,
};
use crate::bulk::Pieces;

/// A list whose records were changed or added within this time is in use.
const IN_USE: Duration = Duration::from_secs(60);
/// Time limit of the scan of a list's records for signs of use; later records are not checked.
const LOOK_TIME: Duration = Duration::from_secs(120);

type Door = Arc<pair::Door>;

/// Marks a list as being deleted, unless clients use the list; the primary deletes its rows.
pub(super) async fn delete_list(
    door: &Door,
    long: &Long,
    asked: DeleteListRequest,
    limit: Duration,
) -> Result<wire::Reply, Status> {
    if let Some(reply) = not_yet(door) {
        return Ok(reply);
    }
    if !asked.in_use
        && let Some(refusal) = in_use(door, long, &asked.list, limit).await?
    {
        return Ok(reply_into_wire(refusal.into()));
    }
    let reply = door.answer(Body::DeleteList(asked.list), Origin::Control, Instant::now() + limit).await;
    Ok(reply_into_wire(reply))
}

/// Before the raise the primary may run a release that cannot read the request. The raise takes longer than seconds, so a retry
/// is not worth its cost.
fn not_yet(door: &Door) -> Option<wire::Reply> {
    let version = door.engine().state().rules_version();
    let reply = || reply_into_wire(too_early(version, RULES_WITH_UNDOING, RefusalCode::Conflict));
    (version < RULES_WITH_UNDOING).then(reply)
}

/// Why a list is in use; none: no client uses the list, or the rules answer the request.
async fn in_use(door: &Door, long: &Long, list: &str, limit: Duration) -> Result<Option<Refusal>, Status> {
    door.wait_until_readable(Instant::now() + limit).await.map_err(unreadable)?;
    let since_us = wall_us().saturating_sub(u64::try_from(IN_USE.as_micros()).unwrap_or(u64::MAX));
    let (state, name, began) = (door.engine().state().clone(), list.to_owned(), StdInstant::now());
    let counted = long.counts.run(move || state.tally(&name, since_us, &|| began.elapsed() < LOOK_TIME)).await?;
    Ok(counted.ok().and_then(|tally| use_of(list, &tally, since_us)))
}

fn use_of(list: &str, tally: &ListTally, since_us: u64) -> Option<Refusal> {
    let count = |records: u64, what: &str| match records {
        0 => None,
        1 => Some(format!("1 record {what}")),
        records => Some(format!("{records} records {what}")),
    };
    let added = (tally.added_us > since_us).then(|| "records were added within the last minute".to_owned());
    let seen: Vec<String> = [
        count(tally.retrieved, "retrieved and not given back"),
        count(tally.changed, "changed within the last minute"),
        added,
    ]
    .into_iter()
    .flatten()
    .collect();
    if seen.is_empty() {
        return None;
    }
    let message = format!(
        "Calling list {list:?} is in use: {}. Stop its clients and ask again a minute after their last request, or delete it all \
         the same (--in-use)",
        seen.join(", ")
    );
    Some(Refusal::new(RefusalCode::Conflict, message).with(key::CALLING_LIST, Value::text(list)))
}

/// The entries of one consistent state, read no faster than the client takes them.
pub(super) async fn do_not_call(
    door: &Door,
    long: &Long,
    asked: DoNotCallRequest,
    deadline: Instant,
) -> Result<Pieces<DoNotCallEntries>, Status> {
    door.wait_until_readable(deadline).await.map_err(unreadable)?;
    let (door, DoNotCallRequest { phone, entries_max }) = (door.clone(), asked);
    let phone = (!phone.is_empty()).then_some(phone);
    let entries_max = if entries_max == 0 { u64::MAX } else { entries_max };
    let query = Query::DoNotCall { phone, entries_max, after: None };
    let open = move || {
        let pages = door.engine().query(query).map_err(refused);
        pages.map(|pages| pages.filter_map(to_wire::do_not_call).map(Ok))
    };
    long.exports.pieces(open).await
}

pub(super) async fn remove_do_not_call(door: &Door, asked: wire::RemoveDoNotCall, deadline: Instant) -> wire::Reply {
    if let Some(reply) = not_yet(door) {
        return reply;
    }
    let reply: Reply = door.answer(Body::RemoveDoNotCall(remove_from_wire(asked)), Origin::Control, deadline).await;
    reply_into_wire(reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_in_use_while_records_are_held_changed_or_added() {
        assert_eq!(
            use_of("demo", &ListTally { records: 5, never_open: 5, added_us: 100, ..Default::default() }, 100),
            None
        );
        let busy = ListTally { retrieved: 1, changed: 2, added_us: 101, ..Default::default() };
        let refusal = use_of("demo", &busy, 100).unwrap();
        assert_eq!(refusal.code, RefusalCode::Conflict);
        let seen =
            "1 record retrieved and not given back, 2 records changed within the last minute, records were added";
        assert!(refusal.message.contains(seen) && refusal.message.contains("--in-use"), "{}", refusal.message);
    }
}
