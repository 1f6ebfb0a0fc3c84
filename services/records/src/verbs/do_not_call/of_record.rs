//! DoNotCall on a record, from rules version 5 on: the entry holds for the whole tenant of the record's list, since real clients name
//! the list of every record and mean the person (spec 9, Do-Not-Call). The agent that holds the record gets
//! RECORD_FINALISED from then on.

use outbound::{Refusal, Reply, Request, key, record_status};

use super::{Entry, all_chain, message};
use crate::{
    acknowledge::{Acknowledge, int},
    dnc::{self, Marked, Subjects},
    fields::{check_form, ignored_keys},
    hold,
    tables::DncScope,
    turn::Turn,
    verbs::target::{self, Target},
    view::View,
};

/// The checked entry and marks.
struct Plan {
    target: Target,
    entry: Entry,
    all_chain: bool,
    /// The ignored keys.
    ignored: Vec<String>,
}

pub(super) fn decide<V: View>(request: &Request, turn: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    let plan = check(request, turn)?;
    let marked = apply(&plan, turn);
    Ok(acknowledge(request, &plan, &marked, turn.version))
}

fn check<V: View>(request: &Request, turn: &Turn<'_, '_, V>) -> Result<Plan, Refusal> {
    let target = target::record(request, turn.overlay, || turn.version)?;
    check_form(request, &target.list, turn.version)?;
    target::check_list(request, target.record.list, &target.list)?;
    let all_chain = all_chain(request)?;
    let message = message(request, turn.version)?;
    let tenant = &target.list.tenant;
    let about = Subjects::of_phone(&target.record.contact_info, tenant, turn);
    let entry = Entry { scope: DncScope::Tenant(tenant.clone()), about, message };
    let ignored = ignored_keys(request, &target.list, turn.version);
    Ok(Plan { target, entry, all_chain, ignored })
}

/// The entry that a request asks for.
pub(super) fn entry<V: View>(request: &Request, turn: &Turn<'_, '_, V>) -> Result<Entry, Refusal> {
    check(request, turn).map(|plan| plan.entry)
}

fn apply<V: View>(plan: &Plan, turn: &mut Turn<'_, '_, V>) -> Marked {
    let Target { handle, record, list } = &plan.target;
    super::enter(&plan.entry, turn);
    turn.change_record(*handle, dnc::marked(hold::finalised(record.clone(), record_status::UPDATED)));
    let Entry { scope, about, .. } = &plan.entry;
    let others = if plan.all_chain { dnc::mark_chain(scope, about, *handle, turn) } else { Marked::none() };
    target::tell_ignored(list, plan.ignored.clone(), turn.events);
    others.and_the_record()
}

fn acknowledge(request: &Request, plan: &Plan, marked: &Marked, version: u32) -> Reply {
    let begun = Acknowledge::to(request).record(&plan.target.list.name, plan.target.handle);
    let told = begun.pair(key::RECORDS, int(marked.records)).text(key::MESSAGE, &marked.sentence());
    told.ignored(&plan.ignored, version).done("DoNotCallAcknowledge")
}
