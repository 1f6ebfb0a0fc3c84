//! Answers about the state as messages of the control API, which the link carries to the REST interface, too. The one place that
//! knows both. Called by `control` and `rest`.

use ocs_proto::{
    control::{
        AuditEntries, AuditEntry, DeclarationFault, DoNotCallEntries, DoNotCallEntry, ExportRows, GroupInfo,
        HeldRecord, HistoryEntry, KeptDigest, ListInfo, ListTokensReply, NotDialable, PlanDeclarationReply,
        RecordChange, ScheduledSwitchover, ShowDeclarationReply, ShowGroupsReply, TokenInfo, VerifyReply,
    },
    outbound::ImportRow,
};
use outbound::{Answer, wire::field_to_wire};
use pair::StateCheck;
use records::ScheduledSwitchoverRow;

/// A list, not counted.
pub(crate) fn list(list: outbound::ListInfo) -> ListInfo {
    ListInfo {
        dbid: list.dbid,
        name: list.name,
        time_zone: list.time_zone,
        fields: list.fields.iter().map(field_to_wire).collect(),
        records: list.records,
        next_record_id: list.next_record_id,
        next_chain_id: list.next_chain_id,
        deleting: list.deleting,
        counts: None,
        tenant: list.tenant,
        customer_id: list.customer_id,
        treatments: list.treatments,
        calendar: list.calendar,
        attempts_max: list.attempts_max,
        unique_phone: list.unique_phone.to_owned(),
        refuses_unknown_keys: list.refuses_unknown_keys,
        zone_by_phone: list.zone_by_phone,
        callbacks_any_time: list.callbacks_any_time,
        keeps_history: list.keeps_history,
        send_attributes: list.send_attributes,
        windows: list.windows,
        windows_never_open: list.windows_never_open,
    }
}

/// The declaration that would make the state; none: another answer.
pub(crate) fn declaration(answer: Answer) -> Option<ShowDeclarationReply> {
    match answer {
        Answer::Declaration { revision, declaration } => {
            Some(ShowDeclarationReply { revision, declaration: Some(*declaration) })
        }
        _ => None,
    }
}

/// The effect of a declaration; none: another answer.
pub(crate) fn plan(answer: Answer) -> Option<PlanDeclarationReply> {
    let Answer::Plan(plan) = answer else { return None };
    let outbound::DeclarationPlan { revision, differences, faults } = plan;
    let fault = |fault: outbound::DeclarationFault| DeclarationFault { path: fault.path, message: fault.message };
    Some(PlanDeclarationReply { revision, differences, faults: faults.into_iter().map(fault).collect() })
}

/// Campaign groups; none: another answer.
pub(crate) fn groups(answer: Answer) -> Option<ShowGroupsReply> {
    match answer {
        Answer::Groups(groups) => Some(ShowGroupsReply { groups: groups.into_iter().map(group).collect() }),
        _ => None,
    }
}

fn group(group: outbound::GroupInfo) -> GroupInfo {
    let held = |held: outbound::HeldRecord| {
        let outbound::HeldRecord { agent, handle, since_us } = held;
        HeldRecord { agent, handle, since_us }
    };
    GroupInfo {
        dbid: group.dbid,
        name: group.name,
        campaign: group.campaign,
        campaign_dbid: group.campaign_dbid,
        state: group.state.to_owned(),
        held: group.held.into_iter().map(held).collect(),
        held_total: group.held_total,
    }
}

/// API tokens; none: another answer.
pub(crate) fn tokens(answer: Answer) -> Option<ListTokensReply> {
    match answer {
        Answer::Tokens(tokens) => {
            let tokens = tokens.into_iter().map(token).collect();
            Some(ListTokensReply { tokens, unconfirmed: false })
        }
        _ => None,
    }
}

fn token(token: outbound::TokenInfo) -> TokenInfo {
    let outbound::TokenInfo { id, name, note, scopes, lists, tenant, expires_s, created_us, created_by } = token;
    let scopes = scopes.into_iter().map(str::to_owned).collect();
    TokenInfo { id, name, note, scopes, lists, tenant, expires_s, created_us, created_by }
}

/// The reason why no group gets a record.
pub(crate) fn not_dialable(why: outbound::NotDialable) -> NotDialable {
    let outbound::NotDialable { condition, reason, until_s } = why;
    NotDialable { condition, reason, until_s }
}

/// The scheduled switchover.
pub(crate) fn scheduled_switchover(row: ScheduledSwitchoverRow) -> ScheduledSwitchover {
    let ScheduledSwitchoverRow { at_s, to, principal, asked_us, from, .. } = row;
    ScheduledSwitchover { at_s, to, principal, asked_us, from }
}

/// A change of the role.
pub(crate) fn history_entry(entry: outbound::HistoryEntry) -> HistoryEntry {
    let outbound::HistoryEntry { at_us, from, to, term, reason, pause_ms, note } = entry;
    HistoryEntry { at_us, from, to, term, reason, pause_ms, note }
}

/// A page of the audit; none: a page of another answer.
pub(crate) fn audit(answer: Answer) -> Option<AuditEntries> {
    let entry = |entry: outbound::AuditEntry| {
        let outbound::AuditEntry { at_us, number, principal, address, what, about, .. } = entry;
        let outbound::AuditEntry { details, outcome, node, acted_us, .. } = entry;
        AuditEntry { at_us, number, principal, address, what, about, details, outcome, node, acted_us }
    };
    match answer {
        Answer::Audit(page) => {
            Some(AuditEntries { entries: page.rows.into_iter().map(entry).collect(), confirmed: false })
        }
        _ => None,
    }
}

/// A change of a record.
pub(crate) fn record_change(change: outbound::RecordChange) -> RecordChange {
    let outbound::RecordChange { at_us, principal, what, record_status } = change;
    RecordChange { at_us, principal, what, record_status }
}

/// A page of Do-Not-Call entries; none: a page of another answer.
pub(crate) fn do_not_call(answer: Answer) -> Option<DoNotCallEntries> {
    let entry = |entry: outbound::DoNotCallEntry| {
        let outbound::DoNotCallEntry { form, given, since_us, list_dbid, list, customer, message, .. } = entry;
        let outbound::DoNotCallEntry { tenant, campaign_dbid, campaign, source, expires_s, .. } = entry;
        DoNotCallEntry {
            form,
            given,
            since_us,
            list_dbid,
            list,
            customer,
            message,
            tenant,
            campaign_dbid,
            campaign,
            source,
            expires_s,
        }
    };
    match answer {
        Answer::DoNotCall { forms, page } => {
            Some(DoNotCallEntries { forms, entries: page.rows.into_iter().map(entry).collect() })
        }
        _ => None,
    }
}

/// A page of a list's rows; none: a page of another answer.
pub(crate) fn export_rows(answer: Answer) -> Option<ExportRows> {
    match answer {
        Answer::Rows { columns, index, page } => {
            let rows = page.rows.into_iter().map(|row| ImportRow { values: row.values }).collect();
            Some(ExportRows { columns, rows, index })
        }
        _ => None,
    }
}

/// The check of a node's state.
pub(crate) fn verified(node: &str, check: StateCheck) -> VerifyReply {
    let kept = check.kept.iter().map(|(index, digest)| KeptDigest { index: *index, recorded: hex(*digest) }).collect();
    VerifyReply {
        node: node.to_owned(),
        index: check.index,
        recorded: hex(check.recorded),
        recomputed: hex(check.recomputed),
        rows: check.rows,
        equal: check.equal(),
        kept,
    }
}

fn hex(digest: u128) -> String {
    format!("{digest:032x}")
}
