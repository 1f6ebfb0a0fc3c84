//! Lists, campaigns, groups, Do-Not-Call entries, and the answers to operators, as JSON. Keys of declared things are those of the file
//! of declarations (spec 11). Times end in their unit.

use bytes::Bytes;
use chassis::moment;
use http::StatusCode;
use ocs_proto::{
    control::{
        AuditEntry, BackupSchedule, Candidate, DoNotCallEntry, GroupInfo, HistoryReply, ListInfo, PauseReply, PeerLag,
        ScheduleSwitchoverReply, ScheduledSwitchover, StatusReply, SwitchoverReply,
    },
    link::{ApiBackups, ApiSeries},
    outbound::DeclaredCampaign,
};
use outbound::{Refusal, RefusalCode};
use serde_json::{Map, Value as Json, json};

use super::json_answer;
use crate::to_http::Answer;

/// A list as declared, with its counters.
pub(super) fn list(list: ListInfo) -> Json {
    let field = |field: ocs_proto::outbound::UserField| {
        json!({
            "name": field.column,
            "type": field.kind,
            "default": field.default,
            "send_attribute": field.send_attribute,
        })
    };
    let sent: Map<String, Json> =
        list.send_attributes.into_iter().map(|pair| (pair.key, Json::String(pair.value))).collect();
    json!({
        "name": list.name,
        "dbid": list.dbid,
        "tenant": list.tenant,
        "time_zone": list.time_zone,
        "customer_id": list.customer_id,
        "treatments": list.treatments,
        "calendar": list.calendar,
        "attempts_max": list.attempts_max,
        "unique_phone": list.unique_phone,
        "unknown_keys": if list.refuses_unknown_keys { "refuse" } else { "ignore" },
        "zone_by_phone": list.zone_by_phone,
        "callbacks_any_time": list.callbacks_any_time,
        "record_history": list.keeps_history,
        "send_attributes": sent,
        "fields": list.fields.into_iter().map(field).collect::<Vec<_>>(),
        "records": list.records,
        "next_record_id": list.next_record_id,
        "next_chain_id": list.next_chain_id,
        "deleting": list.deleting,
        "windows": list.windows,
        "windows_never_open": list.windows_never_open,
    })
}

/// A campaign as declared.
pub(super) fn campaign(campaign: DeclaredCampaign) -> Json {
    let lists = campaign.lists.unwrap_or_default().lists.into_iter();
    let list =
        |list: ocs_proto::outbound::CampaignList| json!({ "list": list.list, "weight": list.weight.unwrap_or(10) });
    json!({
        "name": campaign.name,
        "dbid": campaign.dbid,
        "tenant": campaign.tenant.unwrap_or_default(),
        "lists": lists.map(list).collect::<Vec<_>>(),
    })
}

/// A campaign group with its state.
pub(super) fn group(group: GroupInfo) -> Json {
    json!({
        "dbid": group.dbid,
        "name": group.name,
        "campaign": group.campaign,
        "campaign_dbid": group.campaign_dbid,
        "state": group.state,
        "held": group.held_total,
    })
}

/// A Do-Not-Call entry under the keys of requests.
pub(super) fn entry(entry: DoNotCallEntry) -> Json {
    let mut members = Map::new();
    let subject = if entry.customer { outbound::key::CUSTOMER_ID } else { outbound::key::PHONE };
    let mut text = |name: &str, value: String| {
        if !value.is_empty() {
            members.insert(name.to_owned(), Json::String(value));
        }
    };
    text(subject, entry.given);
    text("form", entry.form);
    text(outbound::key::MESSAGE, entry.message);
    text(outbound::key::CALLING_LIST, entry.list);
    text(outbound::key::CAMPAIGN_NAME, entry.campaign);
    text("tenant", entry.tenant);
    text("source", entry.source);
    members.insert("since_us".to_owned(), Json::from(entry.since_us));
    if let Some(expires_s) = entry.expires_s {
        members.insert("expires".to_owned(), Json::from(expires_s));
    }
    Json::Object(members)
}

// === operators ===

/// The node that answers, and its group.
pub(super) fn cluster(status: StatusReply) -> Json {
    let role = status.role.unwrap_or_default();
    let peer = |peer: PeerLag| {
        json!({
            "node": peer.node,
            "connected": peer.connected,
            "witness": peer.witness,
            "voter": peer.voter,
            "drained": peer.drained,
            "lag_entries": peer.lag_entries,
            "last_heard_ms": peer.last_heard_ms,
        })
    };
    json!({
        "node": role.node,
        "role": role_word(role.role),
        "confirmed": role.confirmed,
        "primary": role.primary,
        "term": role.term,
        "mode": role.mode,
        "failover_paused": role.failover_paused,
        "cluster": status.cluster,
        "epoch": status.epoch,
        "version": status.version,
        "rules": status.rules,
        "formats": status.formats,
        "applied_index": status.applied_index,
        "commit_index": status.commit_index,
        "records": status.records,
        "uptime_ms": status.uptime_ms,
        "survives": status.survives,
        "loses": status.loses,
        "updates_stopped": status.updates_stopped,
        "warnings": status.warnings,
        "scheduled_switchover": status.scheduled_switchover.map(scheduled_switchover),
        "peers": role.peers.into_iter().map(peer).collect::<Vec<_>>(),
    })
}

fn role_word(role: i32) -> &'static str {
    use ocs_proto::control::Role;
    match Role::try_from(role) {
        Ok(Role::Primary) => "primary",
        Ok(Role::Backup) => "backup",
        Ok(Role::Witness) => "witness",
        _ => "unknown",
    }
}

/// Changes of the role, oldest first.
pub(super) fn history(history: HistoryReply) -> Json {
    let entry = |entry: ocs_proto::control::HistoryEntry| {
        json!({
            "at_us": entry.at_us,
            "from": entry.from,
            "to": entry.to,
            "term": entry.term,
            "reason": entry.reason,
            "pause_ms": entry.pause_ms,
            "note": Some(entry.note).filter(|note| !note.is_empty()),
        })
    };
    json!({ "items": history.entries.into_iter().map(entry).collect::<Vec<_>>(), "confirmed": history.confirmed })
}

/// The outcome of a switchover, or its plan: the candidates with their reasons, and `to` empty where no candidate is eligible.
pub(super) fn switchover(reply: SwitchoverReply, plans: bool) -> Answer {
    // a node that is not the primary names no candidates, and has no plan
    let is_plan = plans && !reply.candidates.is_empty();
    if !reply.done && !is_plan {
        return conflict(&reply.reason);
    }
    json_answer(
        StatusCode::OK,
        json!({
            "done": reply.done,
            "from": reply.from,
            "to": reply.to,
            "duration_ms": reply.duration_ms,
            "reason": reply.reason,
            "scheduled_switchover": null,
            "candidates": reply.candidates.into_iter().map(candidate).collect::<Vec<_>>(),
        }),
    )
}

fn candidate(candidate: Candidate) -> Json {
    json!({ "node": candidate.node, "eligible": candidate.eligible, "reason": candidate.reason })
}

/// The outcome of the order for a time to come. A plan is no refusal.
pub(super) fn scheduled(reply: ScheduleSwitchoverReply) -> Answer {
    if !reply.done && !reply.reason.starts_with("dry run") {
        return conflict(&reply.reason);
    }
    json_answer(
        StatusCode::OK,
        json!({
            "done": reply.done,
            "reason": reply.reason,
            "scheduled_switchover": reply.scheduled.map(scheduled_switchover),
            "candidates": reply.candidates.into_iter().map(candidate).collect::<Vec<_>>(),
        }),
    )
}

/// The outcome of a cancellation: nothing to cancel is not found.
pub(super) fn cancelled(reply: &ScheduleSwitchoverReply) -> Answer {
    match (reply.done, reply.absent) {
        (true, _) => Answer::new(StatusCode::NO_CONTENT, Bytes::new()),
        (false, true) => Answer::of_refusal(&Refusal::new(RefusalCode::BadResource, "no switchover is scheduled")),
        (false, false) => conflict(&reply.reason),
    }
}

fn scheduled_switchover(scheduled: ScheduledSwitchover) -> Json {
    let text = |text: String| Some(text).filter(|text| !text.is_empty());
    json!({
        "at": moment::text_of(scheduled.at_s),
        "to": text(scheduled.to),
        "principal": text(scheduled.principal),
        "asked_us": scheduled.asked_us,
        "from": text(scheduled.from),
    })
}

/// The outcome of a pause.
pub(super) fn pause(reply: PauseReply) -> Answer {
    if reply.done { json_answer(StatusCode::OK, json!({ "done": true })) } else { conflict(&reply.reason) }
}

fn conflict(reason: &str) -> Answer {
    Answer::of_refusal(&Refusal::new(RefusalCode::Conflict, reason))
}

/// The backups in the node's directory.
pub(super) fn backups(backups: ApiBackups) -> Json {
    let Some(schedule) = backups.schedule else { return json!({ "scheduled": false }) };
    let BackupSchedule { every_ms, keep, directory, running, last, last_failure, failures } = schedule;
    json!({
        "scheduled": every_ms > 0,
        "every_ms": every_ms,
        "keep": keep,
        "directory": directory,
        "running": running,
        "failures": failures,
        "last": last.map(|made| json!({
            "created_us": made.created_us,
            "file": made.file,
            "bytes": made.bytes,
            "index": made.index,
            "records": made.records,
            "took_ms": made.took_ms,
        })),
        "last_failure": last_failure.map(|missed| json!({ "at_us": missed.at_us, "reason": missed.reason })),
    })
}

/// Figures of a node; an interval without a value has null.
pub(super) fn series(told: ApiSeries) -> Json {
    let series: Map<String, Json> =
        told.series.into_iter().map(|series| (series.name, Json::from(series.values))).collect();
    json!({ "node": told.node, "step_s": told.step_s, "from_s": told.from_s, "series": series })
}

/// A row of the audit; texts that a row lacks are null, as `ocsctl audit -o json` writes them.
pub(super) fn audit_entry(entry: AuditEntry) -> Json {
    let text = |text: String| Some(text).filter(|text| !text.is_empty());
    json!({
        "at_us": entry.at_us,
        "number": entry.number,
        "principal": text(entry.principal),
        "address": text(entry.address),
        "what": entry.what,
        "about": text(entry.about),
        "details": text(entry.details),
        "outcome": entry.outcome,
        "node": text(entry.node),
        "acted_us": entry.acted_us,
    })
}
