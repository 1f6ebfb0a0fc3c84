//! Undoing over the control API: lists with their records.
//!
//! Never contains a rule. Whether clients use a list is checked here and not by the rules: a warning for an operator, not a lock.
//! Called by the control API.

use std::{
    sync::Arc,
    time::{Duration, Instant as StdInstant},
};

use ocs_proto::{control::DeleteListRequest, outbound as wire};
use outbound::{Body, RULES_WITH_UNDOING, Refusal, RefusalCode, Value, key, wire::reply_into_wire};
use pair::{ListTally, wall_us};
use tokio::time::Instant;
use tonic::Status;

use super::{
    acting::Acting,
    data::{Long, unreadable},
    do_not_call::not_yet,
};

/// A list whose records were changed or added within this time is in use.
const IN_USE: Duration = Duration::from_secs(60);
/// Time limit of the scan of a list's records for signs of use; later records are not checked.
const LOOK_TIME: Duration = Duration::from_secs(120);

type Door = Arc<pair::Door>;

/// Marks a list as being deleted, unless clients use the list; the primary deletes its rows.
pub(super) async fn delete_list(
    door: &Acting,
    long: &Long,
    asked: DeleteListRequest,
    limit: Duration,
) -> Result<wire::Reply, Status> {
    if let Some(reply) = not_yet(door, RULES_WITH_UNDOING) {
        return Ok(reply);
    }
    if !asked.in_use
        && let Some(refusal) = in_use(door, long, &asked.list, limit).await?
    {
        door.note_refused("DeleteList", &asked.list, &refusal).await;
        return Ok(reply_into_wire(refusal.into()));
    }
    let reply = door.order(Body::DeleteList(asked.list), Instant::now() + limit).await;
    Ok(reply_into_wire(reply))
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
