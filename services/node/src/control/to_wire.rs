//! Answers about the state as messages of the control API. The one place of `control` that knows both. Called by `data` and
//! `do_not_call`.

use ocs_proto::{
    control::{DoNotCallEntries, DoNotCallEntry, ExportRows, HistoryEntry, KeptDigest, ListInfo, VerifyReply},
    outbound::ImportRow,
};
use outbound::{Answer, wire::field_to_wire};
use pair::StateCheck;

/// A list, not counted.
pub(super) fn list(list: outbound::ListInfo) -> ListInfo {
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
    }
}

/// A change of the role.
pub(super) fn history_entry(entry: outbound::HistoryEntry) -> HistoryEntry {
    let outbound::HistoryEntry { at_us, from, to, term, reason, pause_ms } = entry;
    HistoryEntry { at_us, from, to, term, reason, pause_ms }
}

/// A page of Do-Not-Call entries; none: a page of another answer.
pub(super) fn do_not_call(answer: Answer) -> Option<DoNotCallEntries> {
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
pub(super) fn export_rows(answer: Answer) -> Option<ExportRows> {
    match answer {
        Answer::Rows { columns, index, page } => {
            let rows = page.rows.into_iter().map(|row| ImportRow { values: row.values }).collect();
            Some(ExportRows { columns, rows, index })
        }
        _ => None,
    }
}

/// The check of a node's state.
pub(super) fn verified(node: &str, check: StateCheck) -> VerifyReply {
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
