//! DoNotCall by phone or customer, from rules version 5 on: the entry is made whether a record matches or not, and every record that
//! matches is marked, in this command or in later ones (spec 9, Do-Not-Call). Never refused for being large.

use std::sync::Arc;

use outbound::{Refusal, Reply, Request, Resource, key};

use super::{
    Entry, all_chain, message,
    scope::{self, Scoped},
};
use crate::{
    acknowledge::{Acknowledge, int},
    dnc::{self, Marked, Subjects},
    fields::ignored_keys,
    given, phone,
    rules::PHONE_LETTERS_MAX,
    tables::ListRow,
    turn::Turn,
    verbs::{several, target},
    view::View,
};

/// The checked entry and marks.
struct Plan {
    entry: Entry,
    all_chain: bool,
    /// The key of the path's attribute.
    key: &'static str,
    /// The list to which the request is narrowed; else a list without fields.
    list: Arc<ListRow>,
    /// The ignored keys.
    ignored: Vec<String>,
}

pub(super) fn decide<V: View>(request: &Request, turn: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    let plan = check(request, turn)?;
    let marked = apply(&plan, turn);
    Ok(acknowledge(request, &plan, &marked, turn.version))
}

fn check<V: View>(request: &Request, turn: &Turn<'_, '_, V>) -> Result<Plan, Refusal> {
    let (scoped, list) = scope::of_request(request, turn)?;
    let list = list.unwrap_or_default();
    several::check_body(request, turn)?;
    let (key, about) = about(request, &scoped, turn)?;
    let (all_chain, message) = (all_chain(request)?, message(request, turn.version)?);
    let ignored = ignored_keys(request, &list, turn.version);
    Ok(Plan { entry: Entry { scope: scoped.scope, about, message }, all_chain, key, list, ignored })
}

/// The entry that a request asks for.
pub(super) fn entry<V: View>(request: &Request, turn: &Turn<'_, '_, V>) -> Result<Entry, Refusal> {
    check(request, turn).map(|plan| plan.entry)
}

/// The subject of the path, which the body may repeat in any form (spec 5).
fn about<V: View>(
    request: &Request,
    scoped: &Scoped,
    turn: &Turn<'_, '_, V>,
) -> Result<(&'static str, Subjects), Refusal> {
    let (key, about, repeated) = match &request.resource {
        Resource::Customer(customer) => {
            check_customer(customer)?;
            several::check_indexed(&scoped.tenant, turn)?;
            let repeated = given::text(request, key::CUSTOMER_ID, usize::MAX)?;
            (key::CUSTOMER_ID, Subjects::of_customer(customer), repeated.map(|text| Subjects::of_customer(&text)))
        }
        resource => {
            let of_phone = |phone: &str| Subjects::of_phone(phone, &scoped.tenant, turn);
            let phone = resource.identifier();
            check_phone(&phone)?;
            let repeated = given::text(request, key::PHONE, usize::MAX)?;
            (key::PHONE, of_phone(&phone), repeated.map(|text| of_phone(&text)))
        }
    };
    let differs = |other: Subjects| !other.forms().iter().any(|form| about.forms().contains(form));
    if repeated.is_some_and(differs) {
        return Err(given::bad_value(key, "is not that of the path"));
    }
    Ok((key, about))
}

/// Refuses a text that has lost its number, as AddRecord does.
fn check_phone(phone: &str) -> Result<(), Refusal> {
    let letters = phone.chars().count();
    if phone.trim().is_empty() || letters > PHONE_LETTERS_MAX {
        let why = format!("must have 1 to {PHONE_LETTERS_MAX} letters, and not white space alone");
        return Err(given::bad_value(key::PHONE, &why));
    }
    phone::check_number(phone).map_err(|why| given::bad_value(key::PHONE, why))
}

fn check_customer(customer: &str) -> Result<(), Refusal> {
    Subjects::check_customer(customer).map_err(|why| given::bad_value(key::CUSTOMER_ID, &why))
}

fn apply<V: View>(plan: &Plan, turn: &mut Turn<'_, '_, V>) -> Marked {
    super::enter(&plan.entry, turn);
    let marked = dnc::mark_matching(&plan.entry.scope, &plan.entry.about, plan.all_chain, turn);
    target::tell_ignored(&plan.list, plan.ignored.clone(), turn.events);
    marked
}

fn acknowledge(request: &Request, plan: &Plan, marked: &Marked, version: u32) -> Reply {
    let begun = Acknowledge::to(request).text(plan.key, plan.entry.about.given());
    let told = begun.pair(key::RECORDS, int(marked.records)).text(key::MESSAGE, &marked.sentence());
    told.ignored(&plan.ignored, version).done("DoNotCallAcknowledge")
}
