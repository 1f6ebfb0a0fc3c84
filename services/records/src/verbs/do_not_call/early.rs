//! DoNotCall under rules versions 1 to 4: on a record alone, whose body may narrow the entry to a list.

use outbound::{Handle, RULES_WITH_BODY_CHECKS, Refusal, Reply, Request, key};

use super::{Entry, all_chain, message};
use crate::{
    acknowledge::Acknowledge,
    dnc::{self, Subjects},
    fields::{check_form, ignored_keys},
    given,
    rules::LIST_TENANT,
    tables::{DncScope, RecordRow},
    turn::Turn,
    verbs::target::{self, Target},
    view::View,
};

/// The checked entry and marks.
struct Plan {
    target: Target,
    others: Vec<(Handle, RecordRow)>,
    entry: Entry,
    /// The ignored keys.
    ignored: Vec<String>,
}

pub(super) fn decide<V: View>(request: &Request, turn: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    let plan = check(request, turn)?;
    let reply = acknowledge(request, &plan, turn.version);
    apply(plan, turn);
    Ok(reply)
}

fn check<V: View>(request: &Request, turn: &Turn<'_, '_, V>) -> Result<Plan, Refusal> {
    let target = target::record(request, turn.overlay, || turn.version)?;
    check_form(request, &target.list, turn.version)?;
    let scope = scope_of(request, turn)?;
    let is_touched = |record: &RecordRow| *record != dnc::marked(record.clone());
    let others = if all_chain(request)? { target::others_of_chain(&target, turn, is_touched)? } else { Vec::new() };
    let message = message(request, turn.version)?;
    let ignored = ignored(request, &target, turn.version);
    let entry = Entry { scope, about: about(&target, turn), message };
    Ok(Plan { target, others, entry, ignored })
}

/// The entry that a request asks for, without a look at the chain.
pub(super) fn entry<V: View>(request: &Request, turn: &Turn<'_, '_, V>) -> Result<Entry, Refusal> {
    let target = target::record(request, turn.overlay, || turn.version)?;
    let scope = scope_of(request, turn)?;
    let message = message(request, turn.version).ok().flatten();
    Ok(Entry { scope, about: about(&target, turn), message })
}

/// The ignored keys, reported from rules version 3 on.
fn ignored(request: &Request, target: &Target, version: u32) -> Vec<String> {
    if version < RULES_WITH_BODY_CHECKS { Vec::new() } else { ignored_keys(request, &target.list, version) }
}

/// The scope of the entry: all lists, or the list that the body names.
fn scope_of<V: View>(request: &Request, turn: &Turn<'_, '_, V>) -> Result<DncScope, Refusal> {
    Ok(match given::text(request, key::CALLING_LIST, usize::MAX)? {
        Some(identifier) => DncScope::List(target::find_list(turn.overlay, &identifier)?.0),
        None => DncScope::Tenant(LIST_TENANT.to_owned()),
    })
}

fn about<V: View>(target: &Target, turn: &Turn<'_, '_, V>) -> Subjects {
    Subjects::of_phone(&target.record.contact_info, LIST_TENANT, turn)
}

fn apply<V: View>(plan: Plan, turn: &mut Turn<'_, '_, V>) {
    super::enter(&plan.entry, turn);
    turn.change_record(plan.target.handle, dnc::marked(plan.target.record));
    for (handle, record) in plan.others {
        turn.change_record(handle, dnc::marked(record));
    }
    target::tell_ignored(&plan.target.list, plan.ignored, turn.events);
}

fn acknowledge(request: &Request, plan: &Plan, version: u32) -> Reply {
    let begun = Acknowledge::to(request).record(&plan.target.list.name, plan.target.handle);
    begun.ignored(&plan.ignored, version).done("DoNotCallAcknowledge")
}
