//! STUB: treatments (spec 9, Treatments)

use crate::{
    tables::{ListRow, RecordRow},
    turn::Turn,
    view::View,
};

/// What becomes of a record whose attempt has ended. `cell`: the new value of the column `treatments`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// No treatment: Updated, and the chain's other open records ChainUpdated.
    Finish,
    /// Ready again with this type (CampaignRescheduled or PersonalRescheduled), due at this time.
    Retry { record_type: i64, due_s: i64, cell: String },
    /// Updated, the rest of the chain stays open; with a time, its next open record becomes CampaignRescheduled at this time.
    NextInChain { due_s: Option<i64>, cell: String },
    /// Ready; personal types become campaign types.
    AssignToGroup { cell: String },
    /// AgentError, the rest of the chain stays open.
    AgentError { cell: String },
    /// Updated, the rest of the chain stays open.
    UpdateRecord { cell: String },
    /// Updated, the other open records ChainUpdated.
    UpdateChain { cell: String },
}

/// The outcome of an attempt. `record` has the attempt's result and its count of attempts already; `personally`: GSW_TREATMENT
/// says Personal.
pub(crate) fn outcome<V: View>(
    record: &RecordRow,
    list: &ListRow,
    personally: bool,
    turn: &Turn<'_, '_, V>,
) -> Outcome {
    let _ = (record, list, personally, turn);
    Outcome::Finish
}
