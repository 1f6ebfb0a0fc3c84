//! The records of a request by phone or customer: all that match in the lists of a tenant, or in the list that GSW_CALLING_LIST
//! names (spec 2; spec 5; spec 9, Life of a record).
//!
//! Never writes. Called by RequestRecordCancel, by DoNotCall and by the replay window.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use outbound::{Handle, Refusal, RefusalCode, Request, Resource, Value, Verb, key};

use super::target;
use crate::{
    acknowledge::{Acknowledge, int},
    fields::{check_all_known, check_any_known, ignored_keys},
    given::{self, bad_value},
    lookup, phone,
    rules::{CUSTOMER_BYTES_MAX, PHONE_LETTERS_MAX},
    tables::{Key, ListRow, RecordRow, Row, Table, customer_prefix, phone_prefix},
    tenants,
    turn::Turn,
    view::{Bound, View, pages},
};

/// Records that a look-up counts beside the collected records: GSW_RECORDS of a refusal never says more.
const COUNTED_MAX: u64 = 10_000;

/// A record with its handle and its list.
pub(crate) type RecordOfList = (Handle, RecordRow, Arc<ListRow>);

/// The records that a request by phone or customer is about.
pub(crate) struct Several {
    /// In the order of handles, at most one more than a request may change.
    pub(crate) records: Vec<RecordOfList>,
    /// All of them, counted to the first ten thousand.
    pub(crate) total: u64,
}

/// Every record in any state whose phone or customer the path names.
///
/// # Errors
/// TENANT_NOT_FOUND, LIST_NOT_FOUND; BAD_VALUE for a body that contradicts the path; CONFLICT while the customers of a list of the
/// tenant are being indexed.
pub(crate) fn matching<V: View>(request: &Request, turn: &Turn<'_, '_, V>) -> Result<Several, Refusal> {
    Ok(find(request, turn, |_| true)?.0)
}

/// Every open record whose phone or customer the path names.
///
/// # Errors
/// As [`matching`]; PHONE_NOT_FOUND or CUSTOMER_NOT_FOUND if no record matches in any state.
pub(super) fn open<V: View>(request: &Request, turn: &Turn<'_, '_, V>) -> Result<Several, Refusal> {
    let (several, is_known) = find(request, turn, target::is_open)?;
    if is_known { Ok(several) } else { Err(not_found(request)) }
}

/// These records and the others of their chains, where `touched` holds.
pub(super) fn with_chains<V: View>(
    several: Several,
    touched: impl Fn(&RecordRow) -> bool,
    turn: &Turn<'_, '_, V>,
) -> Several {
    let view = turn.overlay.uncached();
    let Several { mut records, mut total } = several;
    let collected_max = collected_max(turn);
    let matched: BTreeSet<Handle> = records.iter().map(|(handle, ..)| *handle).collect();
    let chain = |(_, record, list): &RecordOfList| ((record.list, record.chain_id), list.clone());
    let chains: BTreeMap<(u32, u64), Arc<ListRow>> = records.iter().map(chain).collect();
    for ((dbid, chain_id), list) in chains {
        for handle in lookup::chain(&view, dbid, chain_id).filter(|handle| !matched.contains(handle)) {
            let Some(record) = lookup::record(&view, handle).filter(&touched) else { continue };
            total += 1;
            if records.len() < collected_max {
                records.push((handle, record, list.clone()));
            }
        }
    }
    records.sort_by_key(|(handle, ..)| *handle);
    Several { records, total }
}

/// Refuses more records than a request may change (spec 6, TOO_MANY).
pub(super) fn check_count<V: View>(several: &Several, turn: &Turn<'_, '_, V>) -> Result<(), Refusal> {
    let (total, max) = (several.total, turn.rules.records_per_request_max);
    if total <= max {
        return Ok(());
    }
    let message = format!("{total} records would change, {max} may: name a calling list, or the records one by one");
    Err(Refusal::new(RefusalCode::TooMany, message).with(key::RECORDS, int(total)))
}

/// Refuses a form that nobody understood: none of its keys is an attribute of the request, or a field of a list with a matching
/// record; and a body with a key that one of the lists concerned refuses (spec 4).
///
/// # Errors
/// As [`matching`]; BAD_BODY and BAD_VALUE, with keys.
pub(super) fn check_body<V: View>(request: &Request, turn: &Turn<'_, '_, V>) -> Result<(), Refusal> {
    check_form_of_any(request, turn)?;
    // a key that no list could ignore costs no look-up
    if ignored_keys(request, &ListRow::default(), turn.version).is_empty() {
        return Ok(());
    }
    lists_concerned(request, turn)?.values().try_for_each(|list| check_all_known(request, list, turn.version))
}

/// The lists of a request by DBID: the list to which the request is narrowed, else the lists with a matching record.
fn lists_concerned<V: View>(request: &Request, turn: &Turn<'_, '_, V>) -> Result<BTreeMap<u32, Arc<ListRow>>, Refusal> {
    if let Some(only) = subject(request, turn)?.only {
        return Ok(lookup::list(turn.overlay, only).map(|list| (only, list)).into_iter().collect());
    }
    let records = matching(request, turn)?.records.into_iter();
    Ok(records.map(|(_, record, list)| (record.list, list)).collect())
}

/// Refuses a form none of whose keys any list with a matching record knows.
fn check_form_of_any<V: View>(request: &Request, turn: &Turn<'_, '_, V>) -> Result<(), Refusal> {
    let knows = |(.., list): &RecordOfList| check_any_known(request, list, turn.version).is_ok();
    if !request.attributes.sent.unknown_form || matching(request, turn)?.records.iter().any(knows) {
        return Ok(());
    }
    let verb = request.verb.name();
    let message = format!("The body looks like a form none of whose keys is an attribute of {verb}");
    Err(Refusal::new(RefusalCode::BadBody, message))
}

/// Whether a request is about whole chains (GSW_CHAIN_ATTR). `by_default`: the value without the attribute.
pub(super) fn asks_for_chains(request: &Request, by_default: bool) -> Result<bool, Refusal> {
    Ok(given::word(request, key::CHAIN_ATTR)?.map_or(by_default, |word| word == "AllChain"))
}

/// Whether another request has changed a record of a request that was applied at `since_us`, or has added an open record since that
/// a cancel would find.
pub(super) fn have_changed<V: View>(request: &Request, since_us: u64, turn: &Turn<'_, '_, V>) -> bool {
    let Ok(several) = matching(request, turn) else { return true };
    let is_cancel = request.verb == Verb::RequestRecordCancel;
    if is_cancel && several.records.iter().any(|(_, record, _)| target::is_open(record)) {
        return true;
    }
    let with_theirs = asks_for_chains(request, !is_cancel).unwrap_or(true);
    let several = if with_theirs { with_chains(several, |_| true, turn) } else { several };
    several.records.iter().any(|(_, record, _)| record.changed_us > since_us)
}

/// The first pairs of the acknowledgement of a request by phone or customer.
pub(super) fn acknowledge(request: &Request) -> Acknowledge {
    let begun = Acknowledge::to(request);
    match &request.resource {
        Resource::Customer(customer) => begun.text(key::CUSTOMER_ID, customer),
        resource => begun.text(key::PHONE, &resource.identifier()),
    }
}

/// The refusal of a phone or customer that no record has.
fn not_found(request: &Request) -> Refusal {
    match &request.resource {
        Resource::Customer(customer) => {
            let message = format!("No record has the customer id {customer:?}");
            Refusal::new(RefusalCode::CustomerNotFound, message).with(key::CUSTOMER_ID, Value::text(customer))
        }
        resource => {
            let phone = resource.identifier();
            let message = format!("No record has the phone {phone:?}");
            Refusal::new(RefusalCode::PhoneNotFound, message).with(key::PHONE, Value::text(phone))
        }
    }
}

/// Records that a look-up collects, at most.
fn collected_max<V: View>(turn: &Turn<'_, '_, V>) -> usize {
    let max = turn.rules.records_per_request_max.saturating_add(1);
    usize::try_from(max).unwrap_or(usize::MAX)
}

/// The matching records that are kept, and whether any matches. Each form of a phone is read for itself, and a record stands under
/// one form alone.
fn find<V: View>(
    request: &Request,
    turn: &Turn<'_, '_, V>,
    keep: impl Fn(&RecordRow) -> bool,
) -> Result<(Several, bool), Refusal> {
    let subject = subject(request, turn)?;
    let collected_max = collected_max(turn);
    let view = turn.overlay.uncached();
    let (mut records, mut total, mut is_known) = (Vec::new(), 0, false);
    for bound in &subject.bounds {
        let mut room = collected_max;
        for handle in pages(&view, bound.clone()).filter_map(|(key, _)| handle_of(&key)) {
            let Some((record, list)) = subject.read(handle, turn) else { continue };
            is_known = true;
            if !keep(&record) {
                continue;
            }
            total += 1;
            if room > 0 {
                room -= 1;
                records.push((handle, record, list));
            } else if total >= COUNTED_MAX {
                break;
            }
        }
    }
    records.sort_by_key(|(handle, ..)| *handle);
    records.truncate(collected_max);
    Ok((Several { records, total }, is_known))
}

/// The handle of an index entry of phones or customers.
fn handle_of(key: &Key) -> Option<Handle> {
    match key {
        Key::RecordByPhone { handle, .. } | Key::RecordByCustomer { handle, .. } => Some(*handle),
        _ => None,
    }
}

/// The phone or customer of a request, and where to look.
struct Subject {
    /// As rows name it.
    tenant: String,
    /// DBID of the only list; none: every list of the tenant.
    only: Option<u32>,
    /// The index entries of the phone, a bound a form, or of the customer.
    bounds: Vec<Bound>,
}

impl Subject {
    /// The record of an index entry; none: its list is being deleted, of another tenant, or not the list that is asked for.
    fn read<V: View>(&self, handle: Handle, turn: &Turn<'_, '_, V>) -> Option<(RecordRow, Arc<ListRow>)> {
        let record = lookup::record(&turn.overlay.uncached(), handle)?;
        if self.only.is_some_and(|only| only != record.list) {
            return None;
        }
        let list = lookup::list(turn.overlay, record.list).filter(|list| !list.deleting)?;
        tenants::is_visible(Some(&self.tenant), &list.tenant).then_some((record, list))
    }
}

/// Reads what a request is about. Without `tenant=` a phone or customer means the default tenant (spec 2).
fn subject<V: View>(request: &Request, turn: &Turn<'_, '_, V>) -> Result<Subject, Refusal> {
    let tenant = tenants::of_request(request, turn.overlay.declared())?.unwrap_or_default();
    let bounds = match &request.resource {
        Resource::Phone(phone) => of_phone(request, phone, &tenant, turn)?,
        Resource::Customer(customer) => of_customer(request, customer, &tenant, turn)?,
        _ => return Err(target::wrong_resource(request)),
    };
    let only = only_list(request, &tenant, turn)?;
    Ok(Subject { tenant, only, bounds })
}

/// The list to which a request is narrowed, by name or by DBID.
fn only_list<V: View>(request: &Request, tenant: &str, turn: &Turn<'_, '_, V>) -> Result<Option<u32>, Refusal> {
    let given_dbid = given::int(request, key::CALLING_LIST_DBID, 0, i64::MAX)?;
    let name = given::text(request, key::CALLING_LIST, usize::MAX)?;
    let Some(identifier) = name.or_else(|| given_dbid.map(|dbid| dbid.to_string())) else { return Ok(None) };
    let (dbid, list) = target::find_list(turn.overlay, &identifier)?;
    if !tenants::is_visible(Some(tenant), &list.tenant) {
        return Err(target::unknown_list(&identifier));
    }
    if given_dbid.is_some_and(|given| given != i64::from(dbid)) {
        return Err(bad_value(key::CALLING_LIST_DBID, &format!("is not {dbid}, the DBID of {:?}", list.name)));
    }
    Ok(Some(dbid))
}

/// The bounds of a phone: one for each of its forms, those that the tenant declares included (spec 9).
fn of_phone<V: View>(
    request: &Request,
    phone: &str,
    tenant: &str,
    turn: &Turn<'_, '_, V>,
) -> Result<Vec<Bound>, Refusal> {
    if phone.chars().count() > PHONE_LETTERS_MAX {
        return Ok(Vec::new()); // no record has so long a phone
    }
    let canonical = phone::phone_form(turn.version, phone);
    let mut forms = turn.forms_of(phone);
    forms.extend(phone::forms_declared(&canonical, turn.overlay.declared().tenant(tenant)));
    if let Some(given) = given::text(request, key::PHONE, usize::MAX)?
        && !forms.contains(&phone::phone_form(turn.version, &given))
    {
        return Err(bad_value(key::PHONE, "is not the phone of the path"));
    }
    let distinct: BTreeSet<String> = forms.into_iter().filter(|form| !form.is_empty()).collect();
    Ok(distinct.iter().map(|form| whole(Table::RecordByPhone, phone_prefix(form))).collect())
}

/// The bound of a customer: compared exactly, spaces at both ends dropped (spec 2).
fn of_customer<V: View>(
    request: &Request,
    customer: &str,
    tenant: &str,
    turn: &Turn<'_, '_, V>,
) -> Result<Vec<Bound>, Refusal> {
    let customer = customer.trim();
    if given::text(request, key::CUSTOMER_ID, usize::MAX)?.is_some_and(|given| given.trim() != customer) {
        return Err(bad_value(key::CUSTOMER_ID, "is not the customer of the path"));
    }
    check_indexed(tenant, turn)?;
    if customer.is_empty() || customer.len() > CUSTOMER_BYTES_MAX {
        return Ok(Vec::new());
    }
    Ok(vec![whole(Table::RecordByCustomer, customer_prefix(customer))])
}

/// Refuses a request by customer until the customers of all lists of the tenant are indexed (spec 9, The record).
pub(super) fn check_indexed<V: View>(tenant: &str, turn: &Turn<'_, '_, V>) -> Result<(), Refusal> {
    let Some(Row::BringUp(row)) = turn.overlay.get(&Key::BringUp) else { return Ok(()) };
    let mut lists = row.customers.iter().filter_map(|of| lookup::list(turn.overlay, of.list));
    match lists.find(|list| tenants::is_visible(Some(tenant), &list.tenant)) {
        None => Ok(()),
        Some(list) => {
            let message =
                format!("The customer ids of calling list {:?} are being indexed: ask again later", list.name);
            Err(Refusal::new(RefusalCode::Conflict, message).with(key::CALLING_LIST, Value::text(&list.name)))
        }
    }
}

/// All rows of a table with a prefix.
fn whole(table: Table, prefix: Vec<u8>) -> Bound {
    Bound { table, from: prefix.clone(), prefix }
}
