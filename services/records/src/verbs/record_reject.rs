//! RecordReject: gives a record back that was handed out, Ready as before. The record and its chain are not handed out again for
//! `reject_pause` (spec 5; spec 9, Life of a record).

use outbound::{Handle, Refusal, RefusalCode, Reply, Request, record_status};

use super::target::{self, Target};
use crate::{
    acknowledge::Acknowledge,
    fields::{UserValues, user_values},
    hold, limits, lookup,
    tables::RecordRow,
    turn::{Turn, chain},
    view::View,
};

/// The checked record with its new values, still held, and the rest of its chain.
struct Plan {
    target: Target,
    /// Ready records of the chain.
    others: Vec<Handle>,
    /// End of the pause, UTC seconds.
    until_s: i64,
    values: UserValues,
}

pub(crate) fn decide<V: View>(request: &Request, turn: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    let plan = check(request, turn)?;
    let reply = acknowledge(request, &plan, turn.version);
    apply(plan, turn);
    Ok(reply)
}

fn check<V: View>(request: &Request, turn: &Turn<'_, '_, V>) -> Result<Plan, Refusal> {
    let mut target = target::open_record(request, turn)?;
    if target.record.record_status != record_status::RETRIEVED {
        let what = "is Ready: only a record that was handed out can be rejected";
        return Err(target::refusal(RefusalCode::Conflict, target.handle, what));
    }
    let values = user_values(request, &target.list, turn.version)?;
    target::set_user_values(&target.list, &mut target.record, &values);
    let members = chain::members(target.record.list, target.record.chain_id, turn).into_iter();
    let is_ready = |(_, record): &(Handle, RecordRow)| record.record_status == record_status::READY;
    let others = members.filter(is_ready).map(|(handle, _)| handle).filter(|handle| *handle != target.handle).collect();
    let until_s = turn.now_s().saturating_add_unsigned(turn.rules.reject_pause_s);
    Ok(Plan { target, others, until_s, values })
}

fn apply<V: View>(plan: Plan, turn: &mut Turn<'_, '_, V>) {
    let Plan { target: Target { handle, record, list }, others, until_s, values } = plan;
    limits::take_back(handle, &record, &list, turn);
    turn.change_record(handle, hold::paused(hold::give_back(record), until_s));
    for handle in others {
        // the attempt that was taken back may have freed the record
        if let Some(record) = lookup::record(turn.overlay, handle) {
            turn.overwrite(handle, hold::paused(record, until_s));
        }
    }
    target::tell_ignored(&list, values.ignored, turn.events);
}

fn acknowledge(request: &Request, plan: &Plan, version: u32) -> Reply {
    let begun = Acknowledge::to(request).record(&plan.target.list.name, plan.target.handle);
    begun.ignored(&plan.values.ignored, version).done("RecordRejectAcknowledge")
}
