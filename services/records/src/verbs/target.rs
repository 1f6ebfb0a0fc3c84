//! The target of a request: the record or list that its path names, checked against its body.
//!
//! Never writes. Called by the verbs.

use std::sync::Arc;

use outbound::{Handle, RULES_WITH_CAMPAIGNS, Refusal, RefusalCode, Request, Resource, Value, key, record_status};

use crate::{
    acknowledge::int,
    event::Event,
    fields::{UserValues, check_form, set_user_value},
    given, lookup,
    phone::{canonical_phone, forms_declared},
    phone_form,
    tables::{ListRow, RecordRow},
    tenants,
    turn::Turn,
    view::View,
};

/// The record that a request names.
pub(crate) struct Target {
    pub(crate) handle: Handle,
    pub(crate) record: RecordRow,
    pub(crate) list: Arc<ListRow>,
}

/// The record that the path names, in any state. `version`: the rules version that decides, read only if the body has a phone.
pub(crate) fn record(request: &Request, view: &impl View, version: impl FnOnce() -> u32) -> Result<Target, Refusal> {
    let Resource::Record(handle) = request.resource else {
        return Err(wrong_resource(request));
    };
    let unknown = || refusal(RefusalCode::RecordNotFound, handle, "does not exist");
    let record = lookup::record(view, handle).ok_or_else(unknown)?;
    let list = lookup::list(view, record.list).filter(|list| !list.deleting).ok_or_else(unknown)?;
    if !is_visible(request, &list, view)? {
        return Err(unknown());
    }
    let given_handle = given::int(request, key::RECORD_HANDLE, 0, i64::MAX)?;
    if given_handle.is_some_and(|given| Value::Int(given) != int(handle.0)) {
        return Err(given::bad_value(key::RECORD_HANDLE, "is not the handle of the path"));
    }
    check_phone(request, &record, &list, view, version)?;
    Ok(Target { handle, record, list })
}

/// Whether a list and its records are there for the tenant that a request names.
fn is_visible(request: &Request, list: &ListRow, view: &impl View) -> Result<bool, Refusal> {
    if request.tenant.is_empty() {
        return Ok(true);
    }
    let named = tenants::of_request(request, &lookup::declared(view))?;
    Ok(tenants::is_visible(named.as_deref(), &list.tenant))
}

/// The open record that the path names (spec 9, Life of a record); refused if the body names another list.
pub(crate) fn open_record<V: View>(request: &Request, turn: &Turn<'_, '_, V>) -> Result<Target, Refusal> {
    let target = record(request, turn.overlay, || turn.version)?;
    check_form(request, &target.list, turn.version)?;
    match target.record.record_status {
        record_status::READY | record_status::RETRIEVED => {}
        0 => return Err(refusal(RefusalCode::Conflict, target.handle, "has no status and is not open")),
        _ => return Err(refusal(RefusalCode::RecordFinalised, target.handle, "is already finalised")),
    }
    check_list(request, target.record.list, &target.list)?;
    Ok(target)
}

/// The list that the path names.
pub(crate) fn list(request: &Request, view: &impl View) -> Result<(u32, Arc<ListRow>), Refusal> {
    let Resource::List(identifier) = &request.resource else {
        return Err(wrong_resource(request));
    };
    let (dbid, list) = find_list(view, identifier)?;
    if !is_visible(request, &list, view)? {
        return Err(unknown_list(identifier));
    }
    check_list(request, dbid, &list)?;
    Ok((dbid, list))
}

/// The list of an identifier; an unknown list and a list in deletion are refused.
pub(crate) fn find_list(view: &impl View, identifier: &str) -> Result<(u32, Arc<ListRow>), Refusal> {
    match lookup::find_list(view, identifier) {
        Some((_, list)) if list.deleting => {
            let message = format!("Calling list {identifier:?} is being deleted with its records");
            Err(about_list(RefusalCode::Conflict, message, identifier))
        }
        Some(found) => Ok(found),
        None => Err(unknown_list(identifier)),
    }
}

fn unknown_list(identifier: &str) -> Refusal {
    about_list(RefusalCode::ListNotFound, format!("There is no calling list {identifier:?}"), identifier)
}

fn about_list(code: RefusalCode, message: String, identifier: &str) -> Refusal {
    Refusal::new(code, message).with(key::CALLING_LIST, Value::text(identifier))
}

/// Whether a record is open.
pub(crate) fn is_open(record: &RecordRow) -> bool {
    matches!(record.record_status, record_status::READY | record_status::RETRIEVED)
}

/// The other records of the target's chain that a change touches; refused if target and others exceed the limit.
pub(crate) fn others_of_chain<V: View>(
    target: &Target,
    turn: &Turn<'_, '_, V>,
    touched: impl Fn(&RecordRow) -> bool,
) -> Result<Vec<(Handle, RecordRow)>, Refusal> {
    let max = turn.rules.records_per_request_max;
    let mut others = Vec::new();
    let mut count = 1;
    let chain = lookup::chain(turn.overlay, target.record.list, target.record.chain_id);
    for handle in chain.filter(|handle| *handle != target.handle) {
        let Some(record) = lookup::record(&turn.overlay.uncached(), handle).filter(&touched) else { continue };
        count += 1;
        if count <= max {
            others.push((handle, record));
        }
    }
    if count <= max { Ok(others) } else { Err(too_many(target.handle, count, max)) }
}

fn too_many(handle: Handle, count: u64, max: u64) -> Refusal {
    refusal(RefusalCode::TooMany, handle, &format!("has a chain: {count} records would change, {max} may"))
}

/// Sets the user-defined values of a request in a record.
pub(crate) fn set_user_values(list: &ListRow, record: &mut RecordRow, values: &UserValues) {
    for (at, value) in &values.set {
        set_user_value(list, record, *at, value.clone());
    }
}

/// Adds an event for every ignored key of a request.
pub(crate) fn tell_ignored(list: &ListRow, ignored: Vec<String>, events: &mut Vec<Event>) {
    events.extend(ignored.into_iter().map(|key| Event::KeyIgnored { list: list.name.clone(), key }));
}

/// A refusal about a record.
pub(crate) fn refusal(code: RefusalCode, handle: Handle, what: &str) -> Refusal {
    Refusal::new(code, format!("Record handle {handle} {what}")).with(key::RECORD_HANDLE, int(handle.0))
}

fn wrong_resource(request: &Request) -> Refusal {
    let (verb, word) = (request.verb.name(), request.resource.kind().word());
    Refusal::new(RefusalCode::BadRequestName, format!("{verb} is not a request on {word}"))
}

/// Refuses a body that names another list than the path; a body with the same list is fine (spec 5).
fn check_list(request: &Request, dbid: u32, list: &ListRow) -> Result<(), Refusal> {
    let name = given::text(request, key::CALLING_LIST, usize::MAX)?;
    if name.is_some_and(|name| name != list.name && name != dbid.to_string()) {
        return Err(given::bad_value(key::CALLING_LIST, &format!("is not {:?}, which the path means", list.name)));
    }
    let given_dbid = given::int(request, key::CALLING_LIST_DBID, 0, i64::MAX)?;
    if given_dbid.is_some_and(|given| given != i64::from(dbid)) {
        return Err(given::bad_value(key::CALLING_LIST_DBID, &format!("is not {dbid}, which the path means")));
    }
    Ok(())
}

/// Refuses a body with another phone than the record's; from rules version 5 on, any form of the number is the record's.
fn check_phone(
    request: &Request,
    record: &RecordRow,
    list: &ListRow,
    view: &impl View,
    version: impl FnOnce() -> u32,
) -> Result<(), Refusal> {
    let Some(phone) = given::text(request, key::PHONE, usize::MAX)? else { return Ok(()) };
    let version = version();
    let is_same = phone_form(version, &phone) == phone_form(version, &record.contact_info);
    if is_same || (version >= RULES_WITH_CAMPAIGNS && is_other_form(&phone, record, list, view)) {
        return Ok(());
    }
    Err(given::bad_value(key::PHONE, "is not the phone of this record"))
}

fn is_other_form(phone: &str, record: &RecordRow, list: &ListRow, view: &impl View) -> bool {
    let declared = lookup::declared(view);
    let forms = forms_declared(&canonical_phone(&record.contact_info), declared.tenant(&list.tenant));
    forms.contains(&canonical_phone(phone))
}
