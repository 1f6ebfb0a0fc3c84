//! The verbs: one file a verb, each with `decide`, then `check` (reads, refuses), `apply` (writes, cannot refuse) and
//! `acknowledge`, in this order. A new verb needs a file, and a line in `decide` or `read`.

pub(crate) mod acknowledge_effects;
pub(crate) mod create_list;
pub(crate) mod delete_list;
pub(crate) mod delete_records;
pub(crate) mod import_batch;
pub(crate) mod raise_rules;
pub(crate) mod remove_do_not_call;
pub(crate) mod rewrite_phones;
pub(crate) mod role_change;
pub(crate) mod set_settings;

mod add_record;
mod do_not_call;
mod get_record;
mod record_processed;
mod target;
mod update_call_completion_stats;

use outbound::{Refusal, RefusalCode, Reply, Request, Verb};

use crate::{turn::Turn, view::View};

/// Decides a request that changes state.
pub(crate) fn decide<V: View>(request: &Request, turn: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    match request.verb {
        Verb::AddRecord => add_record::decide(request, turn),
        Verb::UpdateCallCompletionStats => update_call_completion_stats::decide(request, turn),
        Verb::RecordProcessed => record_processed::decide(request, turn),
        Verb::DoNotCall => do_not_call::decide(request, turn),
        Verb::GetRecord => get_record::decide(request, turn.overlay),
    }
}

/// Whether the Do-Not-Call entry of a request's phone has changed since the request was applied: a different entry exists, or an
/// entry was taken back since.
pub(crate) fn entry_has_changed<V: View>(request: &Request, since_us: u64, turn: &Turn<'_, '_, V>) -> bool {
    match request.verb {
        Verb::AddRecord => !add_record::is_free_since(request, since_us, turn),
        Verb::DoNotCall => !do_not_call::stands_since(request, since_us, turn),
        _ => false,
    }
}

/// Answers a request that only reads.
pub(crate) fn read(request: &Request, view: &impl View) -> Result<Reply, Refusal> {
    match request.verb {
        Verb::GetRecord => get_record::decide(request, view),
        verb => {
            let message = format!("{} changes state and cannot be read", verb.name());
            Err(Refusal::new(RefusalCode::BadRequestName, message))
        }
    }
}
