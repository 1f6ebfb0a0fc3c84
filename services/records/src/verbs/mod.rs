//! The verbs: one file a verb, each with `decide`, then `check` (reads, refuses), `apply` (writes, cannot refuse) and
//! `acknowledge`, in this order. A new verb needs a file, and a line in `decide` or `read`.

pub(crate) mod acknowledge_effects;
pub(crate) mod apply_declaration;
pub(crate) mod apply_do_not_call;
pub(crate) mod audited;
pub(crate) mod bring_up;
pub(crate) mod cancel_switchover;
pub(crate) mod create_list;
pub(crate) mod create_token;
pub(crate) mod delete_list;
pub(crate) mod delete_records;
pub(crate) mod do_not_call_batch;
pub(crate) mod due;
pub(crate) mod due_switchover;
pub(crate) mod import_batch;
pub(crate) mod raise_rules;
pub(crate) mod remove_do_not_call;
pub(crate) mod revoke_token;
pub(crate) mod rewrite_phones;
pub(crate) mod role_change;
pub(crate) mod schedule_switchover;
pub(crate) mod set_settings;
pub(crate) mod shown;

mod add_record;
mod campaign;
mod chained_records;
mod do_not_call;
mod get_record;
mod outcome;
mod patch_record;
mod preview;
mod record_cancel;
mod record_processed;
mod record_reject;
mod record_reschedule;
mod room;
mod several;
mod target;
mod unique;
mod update_call_completion_stats;

use outbound::{RULES_FIRST, RULES_WITH_CAMPAIGNS, Refusal, RefusalCode, Reply, Request, Verb};

use crate::{lookup, sent, turn::Turn, view::View};

/// Decides a request that changes state.
pub(crate) fn decide<V: View>(request: &Request, turn: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    let request: &Request = &sent::as_attributes(request, turn);
    match request.verb {
        Verb::AddRecord => add_record::decide(request, turn),
        Verb::UpdateCallCompletionStats => update_call_completion_stats::decide(request, turn),
        Verb::RecordProcessed => record_processed::decide(request, turn),
        Verb::RecordReschedule | Verb::ScheduledRecordReschedule => record_reschedule::decide(request, turn),
        Verb::RequestRecordCancel => record_cancel::decide(request, turn),
        Verb::DoNotCall => do_not_call::decide(request, turn),
        Verb::RecordReject => record_reject::decide(request, turn),
        Verb::PatchRecord => patch_record::decide(request, turn),
        Verb::PreviewRecordRequest => preview::decide(request, turn),
        Verb::LoadCampaign
        | Verb::StartDialing
        | Verb::StopDialing
        | Verb::UnloadCampaign
        | Verb::ForceUnloadCampaign => campaign::decide(request, turn),
        Verb::GetRecord | Verb::ChainedRecordRequest | Verb::CampaignStatusRequest => read(request, turn.overlay),
    }
}

/// Whether the Do-Not-Call entry of a request's phone has changed since the request was applied: a different entry exists, or an
/// entry was taken back since.
pub(crate) fn entry_has_changed<V: View>(request: &Request, since_us: u64, turn: &Turn<'_, '_, V>) -> bool {
    let request: &Request = &sent::as_attributes(request, turn);
    match request.verb {
        Verb::AddRecord => !add_record::is_free_since(request, since_us, turn),
        Verb::DoNotCall => !do_not_call::stands_since(request, since_us, turn),
        _ => false,
    }
}

/// Whether another request has changed a record of a request by phone or customer since that request was applied.
pub(crate) fn records_have_changed<V: View>(request: &Request, since_us: u64, turn: &Turn<'_, '_, V>) -> bool {
    several::have_changed(request, since_us, turn)
}

/// Answers a request that only reads.
pub(crate) fn read(request: &Request, view: &impl View) -> Result<Reply, Refusal> {
    if request.rules_min() > RULES_FIRST && lookup::rules_version(view) < request.rules_min() {
        let message = format!(
            "{} needs rules version {RULES_WITH_CAMPAIGNS}, which the group has not reached yet",
            request.verb.name()
        );
        return Err(Refusal::new(RefusalCode::Unavailable, message));
    }
    match request.verb {
        Verb::GetRecord => get_record::decide(request, view),
        Verb::ChainedRecordRequest => chained_records::decide(request, view),
        Verb::CampaignStatusRequest => campaign::status(request, view),
        verb => {
            let message = format!("{} changes state and cannot be read", verb.name());
            Err(Refusal::new(RefusalCode::BadRequestName, message))
        }
    }
}
