//! The target of a request: the record or list that its path names, checked against its body.
//!
//! Never writes. Called by the verbs.

use std::sync::Arc;

use outbound::{Handle, RULES_WITH_CAMPAIGNS, Refusal, RefusalCode, Request, Resource, Value, key, record_status};

use crate::{
    acknowledge::int,
    date_time,
    event::Event,
    fields::{UserValues, check_form, field_of_column, set_user_value, user_value},
    given, lookup, phone, phone_form,
    tables::{ListRow, RecordRow},
    tenants,
    turn::Turn,
    view::View,
    zones,
};

/// The record that a request names.
pub(crate) struct Target {
    pub(crate) handle: Handle,
    pub(crate) record: RecordRow,
    pub(crate) list: Arc<ListRow>,
}

/// The record that the path names, in any state. `version`: the rules version that decides, read only if the body has a phone or a
/// customer.
pub(crate) fn record(request: &Request, view: &impl View, version: impl Fn() -> u32) -> Result<Target, Refusal> {
    let Resource::Record(handle) = request.resource else {
        return Err(wrong_resource(request));
    };
    let unknown = || refusal(RefusalCode::RecordNotFound, handle, "does not exist");
    let record = lookup::record(view, handle).ok_or_else(unknown)?;
    let list = lookup::list(view, record.list).filter(|list| !list.deleting).ok_or_else(unknown)?;
    check_tenant(request, &list, view, unknown)?;
    let given_handle = given::int(request, key::RECORD_HANDLE, 0, i64::MAX)?;
    if given_handle.is_some_and(|given| Value::Int(given) != int(handle.0)) {
        return Err(given::bad_value(key::RECORD_HANDLE, "is not the handle of the path"));
    }
    check_phone(request, &record, &list, view, &version)?;
    check_customer(request, &record, &version)?;
    Ok(Target { handle, record, list })
}

/// The open record that the path names (spec 9, Life of a record); refused if the body names another list, or from rules version 5
/// on an attempt that no longer holds the record.
pub(crate) fn open_record<V: View>(request: &Request, turn: &Turn<'_, '_, V>) -> Result<Target, Refusal> {
    let target = record(request, turn.overlay, || turn.version)?;
    check_form(request, &target.list, turn.version)?;
    match target.record.record_status {
        record_status::READY | record_status::RETRIEVED => {}
        0 => return Err(refusal(RefusalCode::Conflict, target.handle, "has no status and is not open")),
        _ => return Err(refusal(RefusalCode::RecordFinalised, target.handle, "is already finalised")),
    }
    check_list(request, target.record.list, &target.list)?;
    if turn.version >= RULES_WITH_CAMPAIGNS {
        check_attempt(request, &target)?;
    }
    Ok(target)
}

/// Refuses a request of an attempt while another attempt holds the record: a late answer never ends another agent's call (spec 5).
pub(super) fn check_attempt(request: &Request, target: &Target) -> Result<(), Refusal> {
    #[cfg(mutant)]
    if crate::mutant::on(crate::mutant::Mutant::AttemptNotCompared) {
        return Ok(());
    }
    let Some(given) = given::text(request, key::CALL_ATTEMPT_GUID, usize::MAX)? else { return Ok(()) };
    let Target { handle, record, .. } = target;
    let is_held = record.record_status == record_status::RETRIEVED;
    if is_held && !shown_guid(&record.attempt_guid).eq_ignore_ascii_case(given.trim()) {
        return Err(refusal(RefusalCode::Conflict, *handle, "is held by another call attempt"));
    }
    Ok(())
}

/// The GUID of an attempt as clients see it: 32 hexadecimal digits in upper case (spec 7).
pub(super) fn shown_guid(guid: &[u8]) -> String {
    guid.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// The list that the path names.
pub(crate) fn list(request: &Request, view: &impl View) -> Result<(u32, Arc<ListRow>), Refusal> {
    let Resource::List(identifier) = &request.resource else {
        return Err(wrong_resource(request));
    };
    let (dbid, list) = find_list(view, identifier)?;
    check_tenant(request, &list, view, || unknown_list(identifier))?;
    check_list(request, dbid, &list)?;
    Ok((dbid, list))
}

/// The list of an identifier; an unknown list and a list in deletion are refused.
pub(crate) fn find_list(view: &impl View, identifier: &str) -> Result<(u32, Arc<ListRow>), Refusal> {
    match lookup::find_list(view, identifier) {
        Some((_, list)) if list.deleting => {
            let message = format!("Calling list {identifier:?} is being deleted with its records");
            Err(Refusal::new(RefusalCode::Conflict, message).with(key::CALLING_LIST, Value::text(identifier)))
        }
        Some(found) => Ok(found),
        None => Err(unknown_list(identifier)),
    }
}

/// The refusal of a list that is not there, or not for the tenant that asks.
pub(super) fn unknown_list(identifier: &str) -> Refusal {
    let message = format!("There is no calling list {identifier:?}");
    Refusal::new(RefusalCode::ListNotFound, message).with(key::CALLING_LIST, Value::text(identifier))
}

/// Refuses a record or list of another tenant than the one that the request names, with the refusal of an unknown one (spec 2).
fn check_tenant(
    request: &Request,
    list: &ListRow,
    view: &impl View,
    unknown: impl FnOnce() -> Refusal,
) -> Result<(), Refusal> {
    if request.tenant.is_empty() {
        return Ok(()); // a record or list answers for its own tenant
    }
    let named = tenants::of_request(request, &lookup::declared(view))?;
    if tenants::is_visible(named.as_deref(), &list.tenant) { Ok(()) } else { Err(unknown()) }
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
    if count <= max { Ok(others) } else { Err(too_many(target.handle, count, turn)) }
}

/// From rules version 5 on with the number of records (spec 6).
fn too_many<V: View>(handle: Handle, count: u64, turn: &Turn<'_, '_, V>) -> Refusal {
    let max = turn.rules.records_per_request_max;
    let what = format!("has a chain: {count} records would change, {max} may");
    let refusal = refusal(RefusalCode::TooMany, handle, &what);
    if turn.version < RULES_WITH_CAMPAIGNS { refusal } else { refusal.with(key::RECORDS, int(count)) }
}

/// Sets the user-defined values of a request in a record; the record's customer follows its field.
pub(crate) fn set_user_values(list: &ListRow, record: &mut RecordRow, values: &UserValues) {
    for (at, value) in &values.set {
        set_user_value(list, record, *at, value.clone());
    }
    if let Some(at) = field_of_column(list, &list.customer_column) {
        record.customer = user_value(list, record, at).trim().to_owned();
    }
}

/// A time of a record as clients see it: in the record's zone, to the minute. From rules version 5 on.
pub(super) fn shown_time<V: View>(at_s: i64, record: &RecordRow, list: &ListRow, turn: &Turn<'_, '_, V>) -> Value {
    let zone_name = zones::name_under(record, list, turn.overlay.declared());
    Value::Str(date_time::show(at_s, &zones::zone(zone_name)))
}

/// Adds an event for every ignored key of a request.
pub(crate) fn tell_ignored(list: &ListRow, ignored: Vec<String>, events: &mut Vec<Event>) {
    events.extend(ignored.into_iter().map(|key| Event::KeyIgnored { list: list.name.clone(), key }));
}

/// A refusal about a record.
pub(crate) fn refusal(code: RefusalCode, handle: Handle, what: &str) -> Refusal {
    Refusal::new(code, format!("Record handle {handle} {what}")).with(key::RECORD_HANDLE, int(handle.0))
}

/// The refusal of a request that its resource does not take.
pub(super) fn wrong_resource(request: &Request) -> Refusal {
    let (verb, word) = (request.verb.name(), request.resource.kind().word());
    Refusal::new(RefusalCode::BadRequestName, format!("{verb} is not a request on {word}"))
}

/// Refuses a body that names another list than the path; a body with the same list is fine (spec 5).
pub(super) fn check_list(request: &Request, dbid: u32, list: &ListRow) -> Result<(), Refusal> {
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

/// Refuses another phone than the record's; from rules version 5 on the forms that the list's tenant declares are the same phone.
fn check_phone(
    request: &Request,
    record: &RecordRow,
    list: &ListRow,
    view: &impl View,
    version: &impl Fn() -> u32,
) -> Result<(), Refusal> {
    let Some(given) = given::text(request, key::PHONE, usize::MAX)? else { return Ok(()) };
    let version = version();
    let (given, own) = (phone_form(version, &given), phone_form(version, &record.contact_info));
    let is_declared = || {
        let declared = lookup::declared(view);
        phone::forms_declared(&own, declared.tenant(&list.tenant)).contains(&given)
    };
    if given == own || (version >= RULES_WITH_CAMPAIGNS && is_declared()) {
        return Ok(());
    }
    Err(given::bad_value(key::PHONE, "is not the phone of this record"))
}

/// Refuses another customer than the record's, where the record has one and the request may name it.
fn check_customer(request: &Request, record: &RecordRow, version: &impl Fn() -> u32) -> Result<(), Refusal> {
    let given = given::text(request, key::CUSTOMER_ID, usize::MAX)?;
    let is_other = |given: &String| !record.customer.is_empty() && given.trim() != record.customer;
    let may_be_named = || request.verb.uses(key::CUSTOMER_ID) && version() >= RULES_WITH_CAMPAIGNS;
    if given.as_ref().is_some_and(is_other) && may_be_named() {
        return Err(given::bad_value(key::CUSTOMER_ID, "is not the customer of this record"));
    }
    Ok(())
}
