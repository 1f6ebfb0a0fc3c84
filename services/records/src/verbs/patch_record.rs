//! PatchRecord: sets user-defined fields, window, zone and phone type of a Ready record (spec 13, PATCH). From rules version 7 on.
//!
//! The condition of `If-Match` is part of the decision: no change fits between the comparison and the write. Takes no part in the
//! replay window: two clients that read the same version may ask for the same change, and the later client must hear of the earlier.

use outbound::{RULES_WITH_PATCH, Refusal, RefusalCode, Reply, Request, key, record_status};

use super::{
    shown::row_version,
    target::{self, Target},
};
use crate::{
    acknowledge::{Acknowledge, int},
    fields::{UserValues, user_values},
    given::{self, bad_value},
    lookup, phone,
    rules::DAY_END,
    tables::RecordRow,
    turn::Turn,
    view::View,
    windows, zones,
};

/// The version that any row has (RFC 9110, 13.1.1).
const ANY: &str = "*";

/// The checked record with its new values.
struct Plan {
    target: Target,
    values: UserValues,
}

pub(super) fn decide<V: View>(request: &Request, turn: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    let plan = check(request, turn)?;
    Ok(apply(request, plan, turn))
}

fn check<V: View>(request: &Request, turn: &Turn<'_, '_, V>) -> Result<Plan, Refusal> {
    check_version(turn)?;
    let target = target::open_record(request, turn)?;
    if target.record.record_status == record_status::RETRIEVED {
        let what = "was handed out: it changes by the requests of its attempt alone";
        return Err(target::refusal(RefusalCode::Conflict, target.handle, what));
    }
    check_condition(request, &target)?;
    let values = user_values(request, &target.list, turn.version)?;
    let Target { handle, record, list } = target;
    let mut record = in_zone(request, with_numbers(request, record)?, turn)?;
    phone::check(&record.contact_info, record.contact_info_type).map_err(|why| bad_value(key::PHONE_TYPE, why))?;
    target::set_user_values(&list, &mut record, &values);
    windows::check(&record, turn)?;
    Ok(Plan { target: Target { handle, record, list }, values })
}

/// Refuses the request before the group decides by a version that knows it.
fn check_version<V: View>(turn: &Turn<'_, '_, V>) -> Result<(), Refusal> {
    if turn.version >= RULES_WITH_PATCH {
        return Ok(());
    }
    let message = format!("PatchRecord needs rules version {RULES_WITH_PATCH}, and version {} decides", turn.version);
    Err(Refusal::new(RefusalCode::Unavailable, message))
}

/// Refuses a request on another version of the row than those in its condition.
fn check_condition(request: &Request, target: &Target) -> Result<(), Refusal> {
    let wanted = &request.attributes.sent.if_match;
    if wanted.is_empty() || wanted.iter().any(|version| version == ANY) {
        return Ok(());
    }
    let stands = row_version(&target.record);
    if wanted.contains(&stands) {
        return Ok(());
    }
    Err(target::refusal(RefusalCode::PreconditionFailed, target.handle, "has changed since its ETag was read"))
}

fn with_numbers(request: &Request, record: RecordRow) -> Result<RecordRow, Refusal> {
    let (from, till) = (given::int(request, key::FROM, 0, DAY_END)?, given::int(request, key::UNTIL, 0, DAY_END)?);
    Ok(RecordRow {
        contact_info_type: given::number(request, key::PHONE_TYPE)?.unwrap_or(record.contact_info_type),
        daily_from: from.unwrap_or(record.daily_from),
        daily_till: till.unwrap_or(record.daily_till),
        ..record
    })
}

/// The record in the zone that the request names. A time that was promised is a moment and stays.
fn in_zone<V: View>(request: &Request, record: RecordRow, turn: &Turn<'_, '_, V>) -> Result<RecordRow, Refusal> {
    let Some(name) = given::text(request, key::TZ_NAME, usize::MAX)? else { return Ok(record) };
    let named = zones::named(&name, turn.overlay.declared());
    let unknown = || bad_value(key::TZ_NAME, "is no known time zone");
    Ok(named.ok_or_else(unknown)?.put_into(record))
}

/// The acknowledgement has the version of the row as written, so that a client goes on without another read.
fn apply<V: View>(request: &Request, plan: Plan, turn: &mut Turn<'_, '_, V>) -> Reply {
    let Plan { target: Target { handle, record, list }, values } = plan;
    let record_id = record.record_id;
    windows::note(&record, turn);
    turn.change_record(handle, record);
    turn.settle();
    let version = lookup::record(turn.overlay, handle).map(|record| row_version(&record)).unwrap_or_default();
    let begun = Acknowledge::to(request).record(&list.name, handle).pair(key::RECORD_ID, int(record_id));
    let reply =
        begun.text(key::ROW_VERSION, &version).ignored(&values.ignored, turn.version).done(request.verb.event());
    target::tell_ignored(&list, values.ignored, turn.events);
    reply
}
