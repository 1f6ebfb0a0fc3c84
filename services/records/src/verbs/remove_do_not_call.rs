//! RemoveDoNotCall: takes back a Do-Not-Call entry made by mistake. Requested through the control API.
//!
//! Never changes a record: records marked by the entry stay marked.

use outbound::{
    DoNotCallScope, RULES_WITH_CAMPAIGNS, Refusal, RefusalCode, RemoveDoNotCall, Reply, RequestId, Value, key,
};

use super::{
    delete_list::check_version,
    do_not_call::scope::{self, Scoped},
};
use crate::{
    dnc::{self, Subjects},
    phone,
    rules::{CUSTOMER_BYTES_MAX, PHONE_LETTERS_MAX},
    tables::Key,
    turn::Turn,
    view::View,
};

/// The reply, and the marks that tell the replay window of the entry's change.
pub(crate) fn decide<V: View>(
    id: RequestId,
    asked: &RemoveDoNotCall,
    turn: &mut Turn<'_, '_, V>,
) -> Result<(Reply, Vec<Key>), Refusal> {
    let (scoped, about) = check(asked, turn)?;
    let marks = dnc::remove(id, &scoped.scope, &about, turn);
    if marks.is_empty() && asked.customer.is_empty() {
        check_number(&asked.phone)?;
    }
    Ok((acknowledge(asked, !marks.is_empty()), marks))
}

/// Refuses a text that is no number and has no entry; only an entry from a record of another type may have such a text.
fn check_number(phone: &str) -> Result<(), Refusal> {
    phone::check_number(phone).map_err(|why| Refusal::new(RefusalCode::BadValue, format!("The phone {phone:?} {why}")))
}

/// Scope and subject of the entry.
fn check<V: View>(asked: &RemoveDoNotCall, turn: &Turn<'_, '_, V>) -> Result<(Scoped, Subjects), Refusal> {
    check_version(turn)?;
    check_later_fields(asked, turn)?;
    if asked.customer.is_empty() {
        check_phone(&asked.phone)?;
    } else {
        check_customer(asked)?;
    }
    let RemoveDoNotCall { tenant, campaign, list, .. } = asked.clone();
    let scoped = scope::to_take_back(&DoNotCallScope { tenant, campaign, list }, turn)?;
    let about = match asked.customer.as_str() {
        "" => Subjects::of_phone(&asked.phone, &scoped.tenant, turn),
        customer => Subjects::of_customer(customer),
    };
    Ok((scoped, about))
}

/// Refuses what a rules version before 5 has no entries for.
fn check_later_fields<V: View>(asked: &RemoveDoNotCall, turn: &Turn<'_, '_, V>) -> Result<(), Refusal> {
    let is_later = [&asked.customer, &asked.tenant, &asked.campaign].into_iter().any(|text| !text.is_empty());
    if turn.version >= RULES_WITH_CAMPAIGNS || !is_later {
        return Ok(());
    }
    let message = format!("Rules version {} has no entries of customers, tenants and campaigns", turn.version);
    Err(Refusal::new(RefusalCode::Unavailable, message))
}

fn check_phone(phone: &str) -> Result<(), Refusal> {
    if phone.trim().is_empty() || phone.chars().count() > PHONE_LETTERS_MAX {
        let message = format!("A phone has 1 to {PHONE_LETTERS_MAX} letters, and not white space alone");
        return Err(Refusal::new(RefusalCode::BadValue, message));
    }
    Ok(())
}

fn check_customer(asked: &RemoveDoNotCall) -> Result<(), Refusal> {
    let refuse = |message: String| Err(Refusal::new(RefusalCode::BadValue, message));
    let bytes = asked.customer.trim().len();
    if !asked.phone.is_empty() {
        return refuse("An entry is about a phone or about a customer, not about both".to_owned());
    }
    if !(1..=CUSTOMER_BYTES_MAX).contains(&bytes) {
        return refuse(format!("A customer id has 1 to {CUSTOMER_BYTES_MAX} bytes, and not white space alone"));
    }
    Ok(())
}

fn acknowledge(asked: &RemoveDoNotCall, removed: bool) -> Reply {
    let about = match asked.customer.trim() {
        "" => (key::PHONE, Value::text(&asked.phone)),
        customer => (key::CUSTOMER_ID, Value::text(customer)),
    };
    let pairs = [about, ("removed", Value::Int(removed.into()))];
    Reply::done("DoNotCallRemoved", pairs.map(|(key, value)| (key.to_owned(), value)).to_vec())
}
