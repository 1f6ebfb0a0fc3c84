//! STUB: contact limits (spec 9, Contact limits)

use outbound::Handle;

use crate::{
    tables::{ListRow, RecordRow},
    turn::Turn,
    view::View,
};

/// Whether no limit holds a record back now; else the time, UTC seconds, at which the limits allow it. `campaign`: DBID of the
/// asking group's campaign.
pub(crate) fn check<V: View>(
    record: &RecordRow,
    list: &ListRow,
    campaign: u32,
    turn: &Turn<'_, '_, V>,
) -> Result<(), i64> {
    let _ = (record, list, campaign, turn);
    Ok(())
}

/// Counts an attempt: at the hand-out to a campaign's group, or (none) at the processing of a record that was not handed out.
pub(crate) fn count<V: View>(
    handle: Handle,
    record: &RecordRow,
    list: &ListRow,
    campaign: Option<u32>,
    turn: &mut Turn<'_, '_, V>,
) {
    let _ = (handle, record, list, campaign, turn);
}

/// Notes the result of the attempt that a Retrieved record was handed out for.
pub(crate) fn note_result<V: View>(
    handle: Handle,
    record: &RecordRow,
    list: &ListRow,
    result: i64,
    turn: &mut Turn<'_, '_, V>,
) {
    let _ = (handle, record, list, result, turn);
}

/// Takes back the attempt that a Retrieved record was handed out for (RecordReject, RequestRecordCancel).
pub(crate) fn take_back<V: View>(handle: Handle, record: &RecordRow, list: &ListRow, turn: &mut Turn<'_, '_, V>) {
    let _ = (handle, record, list, turn);
}
