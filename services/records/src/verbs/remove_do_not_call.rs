//! RemoveDoNotCall: takes back a Do-Not-Call entry made by mistake. Requested through the control API.
//!
//! Never changes a record: records marked by the entry stay marked.

use outbound::{Refusal, RefusalCode, RemoveDoNotCall, Reply, RequestId, Value, key};

use super::delete_list::check_version;
use crate::{
    dnc, lookup, phone,
    rules::{LIST_TENANT, PHONE_LETTERS_MAX},
    tables::{DncScope, Key},
    turn::Turn,
    view::View,
};

/// The reply, and the marks that tell the replay window of the entry's change.
pub(crate) fn decide<V: View>(
    id: RequestId,
    asked: &RemoveDoNotCall,
    turn: &mut Turn<'_, '_, V>,
) -> Result<(Reply, Vec<Key>), Refusal> {
    let scope = check(asked, turn)?;
    let marks = dnc::remove(id, &scope, &asked.phone, turn);
    if marks.is_empty() {
        check_number(&asked.phone)?;
    }
    Ok((acknowledge(&asked.phone, !marks.is_empty()), marks))
}

/// Refuses a text that is no number and has no entry; only an entry from a record of another type may have such a text.
fn check_number(phone: &str) -> Result<(), Refusal> {
    phone::check_number(phone).map_err(|why| Refusal::new(RefusalCode::BadValue, format!("The phone {phone:?} {why}")))
}

/// The scope of the entry.
fn check<V: View>(asked: &RemoveDoNotCall, turn: &Turn<'_, '_, V>) -> Result<DncScope, Refusal> {
    check_version(turn)?;
    if asked.phone.trim().is_empty() || asked.phone.chars().count() > PHONE_LETTERS_MAX {
        let message = format!("A phone has 1 to {PHONE_LETTERS_MAX} letters, and not white space alone");
        return Err(Refusal::new(RefusalCode::BadValue, message));
    }
    if asked.list.is_empty() {
        return Ok(DncScope::Tenant(LIST_TENANT.to_owned()));
    }
    let known = lookup::find_list(turn.overlay, &asked.list).map(|(dbid, _)| dbid);
    let unknown = || {
        let message = format!("There is no calling list {:?}", asked.list);
        Refusal::new(RefusalCode::ListNotFound, message).with(key::CALLING_LIST, Value::text(&asked.list))
    };
    // an entry outlives its list: the DBID still names its scope
    let dbid = known.or_else(|| asked.list.parse().ok()).ok_or_else(unknown)?;
    Ok(DncScope::List(dbid))
}

fn acknowledge(phone: &str, removed: bool) -> Reply {
    let pairs = [(key::PHONE, Value::text(phone)), ("removed", Value::Int(removed.into()))];
    Reply::done("DoNotCallRemoved", pairs.map(|(key, value)| (key.to_owned(), value)).to_vec())
}
