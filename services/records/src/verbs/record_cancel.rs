//! RequestRecordCancel: cancels an open record, or every open record of a phone or customer; with AllChain the open records of
//! their chains too (spec 5; spec 9, Life of a record).
//!
//! A record that an agent holds is cancelled as well: the agent's next request is told that the record is finalised.

use std::sync::Arc;

use outbound::{Handle, Refusal, Reply, Request, Resource, call_result, key, record_status};

use super::{
    several::{self, RecordOfList, Several},
    target::{self, Target},
};
use crate::{
    acknowledge::{Acknowledge, int},
    fields::ignored_keys,
    hold, limits,
    tables::{ListRow, RecordRow},
    turn::Turn,
    view::View,
};

/// Whether chains are cancelled without GSW_CHAIN_ATTR.
const CHAINS_BY_DEFAULT: bool = false;

/// The checked records to cancel.
struct Plan {
    records: Vec<RecordOfList>,
    /// The handle of the path, with its list; none: the path names a phone or customer.
    named: Option<(Handle, Arc<ListRow>)>,
    /// The ignored keys.
    ignored: Vec<String>,
}

pub(crate) fn decide<V: View>(request: &Request, turn: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    let plan = match &request.resource {
        Resource::Record(_) => check_record(request, turn)?,
        _ => check_several(request, turn)?,
    };
    let reply = acknowledge(request, &plan, turn.version);
    apply(plan, turn);
    Ok(reply)
}

fn check_record<V: View>(request: &Request, turn: &Turn<'_, '_, V>) -> Result<Plan, Refusal> {
    let target = target::open_record(request, turn)?;
    let others = if several::asks_for_chains(request, CHAINS_BY_DEFAULT)? {
        target::others_of_chain(&target, turn, target::is_open)?
    } else {
        Vec::new()
    };
    let ignored = ignored_keys(request, &target.list, turn.version);
    let Target { handle, record, list } = target;
    let named = Some((handle, list.clone()));
    let records = std::iter::once((handle, record)).chain(others);
    let records = records.map(|(handle, record)| (handle, record, list.clone())).collect();
    Ok(Plan { records, named, ignored })
}

fn check_several<V: View>(request: &Request, turn: &Turn<'_, '_, V>) -> Result<Plan, Refusal> {
    several::check_body(request, turn)?;
    let open = several::open(request, turn)?;
    let with_theirs = several::asks_for_chains(request, CHAINS_BY_DEFAULT)?;
    let several = if with_theirs { several::with_chains(open, target::is_open, turn) } else { open };
    several::check_count(&several, turn)?;
    let Several { records, .. } = several;
    Ok(Plan { records, named: None, ignored: ignored_keys(request, &ListRow::default(), turn.version) })
}

fn apply<V: View>(plan: Plan, turn: &mut Turn<'_, '_, V>) {
    for (handle, record, list) in plan.records {
        if record.record_status == record_status::RETRIEVED {
            limits::take_back(handle, &record, &list, turn);
        }
        turn.change_record(handle, cancelled(record));
    }
    let list = plan.named.map(|(_, list)| list).unwrap_or_default();
    target::tell_ignored(&list, plan.ignored, turn.events);
}

/// A record that is cancelled.
fn cancelled(record: RecordRow) -> RecordRow {
    let record = RecordRow { call_result: call_result::CANCEL_RECORD, ..record };
    hold::finalised(record, record_status::CANCELLED)
}

fn acknowledge(request: &Request, plan: &Plan, version: u32) -> Reply {
    let begun = match &plan.named {
        Some((handle, list)) => Acknowledge::to(request).record(&list.name, *handle),
        None => several::acknowledge(request),
    };
    let count = plan.records.len() as u64;
    let message =
        if count == 1 { "1 record was cancelled".to_owned() } else { format!("{count} records were cancelled") };
    let counted = begun.pair(key::RECORDS, int(count)).text(key::MESSAGE, &message);
    counted.ignored(&plan.ignored, version).done("RecordCancelAcknowledge")
}
