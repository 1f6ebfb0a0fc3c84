//! Do-Not-Call: the calls that an entry stops, the making and taking back of entries, the marking of stopped records (spec 9,
//! Do-Not-Call).
//!
//! An entry holds for a tenant, a list or a campaign, and is about a phone in each of its forms or about a customer. From rules
//! version 5 on an entry may expire: an expired entry counts as absent. Called by the verbs.

mod entries;
mod marking;
mod matching;
mod subjects;

use outbound::{Handle, RULES_WITH_CAMPAIGNS, call_result, record_status, record_type};

pub(crate) use entries::{Given, enter, entry, remove, rewrite, tell_entered, was_removed, was_taken_back};
pub(crate) use marking::{Marked, mark_chain, mark_matching, mark_rest};
pub(crate) use subjects::Subjects;

use crate::{
    hold, lookup,
    rules::{CUSTOMER_BYTES_MAX, LIST_TENANT},
    tables::{DncScope, DncSubject, ListRow, RecordRow},
    turn::Turn,
    view::View,
};

/// Whether an entry of the list's tenant, or of the list alone, stops calls to a phone out of a list.
pub(crate) fn stops<V: View>(list: u32, phone: &str, turn: &Turn<'_, '_, V>) -> bool {
    let tenant = tenant_of(list, turn);
    let scopes = || [DncScope::Tenant(tenant.clone()), DncScope::List(list)];
    let mut forms = subjects::forms(phone, &tenant, turn).into_iter();
    forms.any(|form| entries::stands_in(scopes(), DncSubject::Phone(form), turn))
}

/// Whether an entry about a record's phone or customer stops calls to the record: an entry of its list's tenant, of its list, or
/// of `campaign`. From rules version 5 on.
pub(crate) fn stops_record<V: View>(
    record: &RecordRow,
    list: &ListRow,
    campaign: Option<u32>,
    turn: &Turn<'_, '_, V>,
) -> bool {
    let scopes = || {
        let of_list = [DncScope::Tenant(list.tenant.clone()), DncScope::List(record.list)];
        of_list.into_iter().chain(campaign.map(DncScope::Campaign))
    };
    let mut forms = subjects::forms(&record.contact_info, &list.tenant, turn).into_iter();
    if forms.any(|form| entries::stands_in(scopes(), DncSubject::Phone(form), turn)) {
        return true;
    }
    let customer = Some(&record.customer).filter(|customer| (1..=CUSTOMER_BYTES_MAX).contains(&customer.len()));
    customer.is_some_and(|customer| entries::stands_in(scopes(), DncSubject::Customer(customer.clone()), turn))
}

/// The scopes whose entries stop calls out of a list of the default tenant.
pub(crate) fn scopes_of(list: u32) -> [DncScope; 2] {
    [DncScope::Tenant(LIST_TENANT.to_owned()), DncScope::List(list)]
}

/// The tenant of a list; before rules version 5 every list is of the default tenant.
fn tenant_of<V: View>(list: u32, turn: &Turn<'_, '_, V>) -> String {
    if turn.version < RULES_WITH_CAMPAIGNS {
        return LIST_TENANT.to_owned();
    }
    lookup::list(turn.overlay, list).map(|list| list.tenant.clone()).unwrap_or_default()
}

/// A record with the marks of Do-Not-Call.
pub(crate) fn marked(record: RecordRow) -> RecordRow {
    RecordRow {
        record_type: record_type::NO_CALL,
        record_status: record_status::UPDATED,
        call_result: call_result::DO_NOT_CALL,
        ..record
    }
}

/// Marks a record, held or not, unless the record is marked already. From rules version 5 on. Answers whether the record changed.
pub(crate) fn mark<V: View>(handle: Handle, record: RecordRow, turn: &mut Turn<'_, '_, V>) -> bool {
    if is_marked(&record) {
        return false;
    }
    turn.change_record(handle, marked(hold::finalised(record, record_status::UPDATED)));
    true
}

fn is_marked(record: &RecordRow) -> bool {
    record.record_type == record_type::NO_CALL
        && record.record_status == record_status::UPDATED
        && record.call_result == call_result::DO_NOT_CALL
}
