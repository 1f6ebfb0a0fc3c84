//! CancelSwitchover: takes the scheduled switchover back, also while the primary still tries to hand over. Requested through the control
//! API or over REST, from rules version 7 on.

use outbound::{Refusal, RefusalCode, Reply, Value, switchover_event};

use super::schedule_switchover::{check_version, shown};
use crate::{
    lookup,
    tables::{Key, ScheduledSwitchoverRow},
    turn::Turn,
    view::View,
};

pub(crate) fn decide<V: View>(turn: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    let row = check(turn)?;
    turn.overlay.remove(Key::ScheduledSwitchover);
    Ok(acknowledge(&row))
}

fn check<V: View>(turn: &Turn<'_, '_, V>) -> Result<ScheduledSwitchoverRow, Refusal> {
    check_version(turn)?;
    let row = lookup::scheduled_switchover(turn.overlay);
    row.ok_or_else(|| Refusal::new(RefusalCode::Conflict, "No switchover is scheduled"))
}

fn acknowledge(row: &ScheduledSwitchoverRow) -> Reply {
    let pairs = vec![
        (switchover_event::TO.to_owned(), Value::text(&row.to)),
        (switchover_event::DETAILS.to_owned(), Value::text(format!("that for {}", shown(row.at_s)))),
    ];
    Reply::done(switchover_event::CANCELLED, pairs)
}
