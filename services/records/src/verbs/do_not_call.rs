//! DoNotCall on a record: its phone goes on the Do-Not-Call list, and the record is marked, whatever its state; with
//! AllChain, which is the default, the other records of its chain too (spec 5, 9).

use outbound::{Handle, Refusal, Reply, Request, call_result, key, record_status, record_type};

use super::target::{self, Target};
use crate::{
    acknowledge::Acknowledge,
    canonical_phone,
    event::Event,
    given,
    key::{DncScope, DncSubject, Key},
    row::{DncRow, RecordRow, Row},
    rules::LIST_TENANT,
    turn::Turn,
    view::View,
};

/// What is to be entered and marked, checked.
struct Plan {
    target: Target,
    others: Vec<(Handle, RecordRow)>,
    scope: DncScope,
}

pub(super) fn decide<V: View>(request: &Request, turn: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    let plan = check(request, turn)?;
    let reply = acknowledge(request, &plan);
    apply(plan, turn);
    Ok(reply)
}

fn check<V: View>(request: &Request, turn: &Turn<'_, '_, V>) -> Result<Plan, Refusal> {
    let target = target::record(request, turn.overlay)?;
    let scope = match given::text(request, key::CALLING_LIST, usize::MAX)? {
        Some(identifier) => DncScope::List(target::find_list(turn.overlay, &identifier)?.0),
        None => DncScope::Tenant(LIST_TENANT.to_owned()),
    };
    let others = match given::word(request, key::CHAIN_ATTR)?.unwrap_or("AllChain") {
        "AllChain" => target::others_of_chain(&target, turn, |record| *record != marked(record.clone()))?,
        _ => Vec::new(),
    };
    Ok(Plan { target, others, scope })
}

fn apply<V: View>(plan: Plan, turn: &mut Turn<'_, '_, V>) {
    enter(plan.scope, &plan.target.record.contact_info, turn);
    turn.change_record(plan.target.handle, marked(plan.target.record));
    for (handle, record) in plan.others {
        turn.change_record(handle, marked(record));
    }
}

/// An entry that is there already keeps its time.
fn enter<V: View>(scope: DncScope, phone: &str, turn: &mut Turn<'_, '_, V>) {
    let list = match &scope {
        DncScope::List(dbid) => Some(*dbid),
        DncScope::Tenant(_) => None,
    };
    let entry = Key::Dnc(scope, DncSubject::Phone(canonical_phone(phone)));
    if turn.overlay.get(&entry).is_none() {
        turn.overlay.put(entry, Row::Dnc(DncRow { stamp_us: turn.now_us, given: phone.to_owned() }));
        turn.events.push(Event::DoNotCallEntered { list });
    }
}

fn marked(record: RecordRow) -> RecordRow {
    RecordRow {
        record_type: record_type::NO_CALL,
        record_status: record_status::UPDATED,
        call_result: call_result::DO_NOT_CALL,
        ..record
    }
}

fn acknowledge(request: &Request, plan: &Plan) -> Reply {
    let begun = Acknowledge::to(request).record(&plan.target.list.name, plan.target.handle);
    begun.done("DoNotCallAcknowledge")
}
