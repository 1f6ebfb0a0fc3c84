//! DoNotCall on a record: enters its phone on the Do-Not-Call list and marks the record in any state; with AllChain, the default,
//! also the other records of its chain (spec 5; spec 9, Do-Not-Call).

use outbound::{Handle, RULES_WITH_BODY_CHECKS, Refusal, Reply, Request, key};

use super::target::{self, Target};
use crate::{
    acknowledge::Acknowledge,
    dnc,
    fields::{check_form, ignored_keys},
    given,
    rules::{LIST_TENANT, MESSAGE_LETTERS_MAX},
    tables::{DncRow, DncScope, RecordRow},
    turn::Turn,
    view::View,
};

/// The checked entry and marks.
struct Plan {
    target: Target,
    others: Vec<(Handle, RecordRow)>,
    scope: DncScope,
    /// The message of the request, if given.
    message: Option<String>,
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
    let others = match given::word(request, key::CHAIN_ATTR)?.unwrap_or("AllChain") {
        "AllChain" => target::others_of_chain(&target, turn, |record| *record != dnc::marked(record.clone()))?,
        _ => Vec::new(),
    };
    let message = message(request, turn.version)?;
    let ignored = ignored(request, &target, turn.version);
    Ok(Plan { target, others, scope, message, ignored })
}

/// The ignored keys, reported from rules version 3 on.
fn ignored(request: &Request, target: &Target, version: u32) -> Vec<String> {
    if version < RULES_WITH_BODY_CHECKS { Vec::new() } else { ignored_keys(request, &target.list, version) }
}

/// The message, read from rules version 3 on (spec 8).
fn message(request: &Request, version: u32) -> Result<Option<String>, Refusal> {
    if version < RULES_WITH_BODY_CHECKS { Ok(None) } else { given::text(request, key::MESSAGE, MESSAGE_LETTERS_MAX) }
}

/// The scope of the entry: all lists, or the list that the body names.
fn scope_of<V: View>(request: &Request, turn: &Turn<'_, '_, V>) -> Result<DncScope, Refusal> {
    Ok(match given::text(request, key::CALLING_LIST, usize::MAX)? {
        Some(identifier) => DncScope::List(target::find_list(turn.overlay, &identifier)?.0),
        None => DncScope::Tenant(LIST_TENANT.to_owned()),
    })
}

/// Whether the entry of a request applied at `since_us` still exists with the same message, and was never taken back since.
pub(super) fn stands_since<V: View>(request: &Request, since_us: u64, turn: &Turn<'_, '_, V>) -> bool {
    let target = target::record(request, turn.overlay, || turn.version).ok();
    let Some((target, scope)) = target.zip(scope_of(request, turn).ok()) else { return false };
    let phone = &target.record.contact_info;
    let message = message(request, turn.version).ok().flatten();
    let is_same = |entry: DncRow| message.is_none_or(|message| entry.message == message);
    dnc::entry(&scope, phone, turn).is_some_and(is_same) && !dnc::was_removed(&[scope], phone, since_us, turn)
}

fn apply<V: View>(plan: Plan, turn: &mut Turn<'_, '_, V>) {
    dnc::enter(&plan.scope, &plan.target.record.contact_info, plan.message, turn);
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
