//! ScheduleSwitchover: a planned switchover at a time to come. Requested through the control API or over REST, from rules version 7 on.
//!
//! The state holds one schedule. A command of the same time and the same target is acknowledged again: an operator's tool may send it
//! over a failover.

use outbound::{
    Command, RULES_WITH_SCHEDULED_SWITCHOVER, Refusal, RefusalCode, Reply, SWITCHOVER_AHEAD_MAX_S, ScheduleSwitchover,
    Value, switchover_event,
};

use crate::{
    date_time, lookup,
    names::cut,
    rules::NAME_BYTES_MAX,
    tables::{Key, Row, ScheduledSwitchoverRow},
    turn::Turn,
    view::View,
};

/// Bytes of an address that the row keeps.
const ADDRESS_BYTES_MAX: usize = 64;

pub(crate) fn decide<V: View>(
    asked: &ScheduleSwitchover,
    command: &Command,
    turn: &mut Turn<'_, '_, V>,
) -> Result<Reply, Refusal> {
    if check(asked, turn)? == Known::No {
        apply(asked, command, turn);
    }
    Ok(acknowledge(asked))
}

/// Whether the state has the schedule already.
#[derive(PartialEq, Eq)]
enum Known {
    Yes,
    No,
}

/// Refuses the command under a rules version without schedules.
pub(super) fn check_version<V: View>(turn: &Turn<'_, '_, V>) -> Result<(), Refusal> {
    if turn.version >= RULES_WITH_SCHEDULED_SWITCHOVER {
        return Ok(());
    }
    let message = format!("Rules version {} has no scheduled switchover", turn.version);
    Err(Refusal::new(RefusalCode::Unavailable, message))
}

/// The stamped time, UTC seconds.
pub(super) fn now_s<V: View>(turn: &Turn<'_, '_, V>) -> u64 {
    turn.now_us / 1_000_000
}

fn check<V: View>(asked: &ScheduleSwitchover, turn: &Turn<'_, '_, V>) -> Result<Known, Refusal> {
    check_version(turn)?;
    if asked.to.len() > NAME_BYTES_MAX {
        return Err(Refusal::new(RefusalCode::BadValue, "The name of a node has at most 255 bytes"));
    }
    if let Some(known) = lookup::scheduled_switchover(turn.overlay) {
        return if known.at_s == asked.at_s && known.to == asked.to { Ok(Known::Yes) } else { Err(standing(&known)) };
    }
    let now_s = now_s(turn);
    if asked.at_s <= now_s {
        let message = format!("{} is past: the group's time is {}", shown(asked.at_s), shown(now_s));
        return Err(Refusal::new(RefusalCode::BadValue, message));
    }
    if asked.at_s - now_s > SWITCHOVER_AHEAD_MAX_S {
        let message = format!("{} is more than a year ahead", shown(asked.at_s));
        return Err(Refusal::new(RefusalCode::BadValue, message));
    }
    Ok(Known::No)
}

fn standing(known: &ScheduledSwitchoverRow) -> Refusal {
    let to = if known.to.is_empty() { String::new() } else { format!(" to {}", known.to) };
    let message = format!("A switchover{to} is scheduled for {}: cancel that one first", shown(known.at_s));
    Refusal::new(RefusalCode::Conflict, message)
}

fn apply<V: View>(asked: &ScheduleSwitchover, command: &Command, turn: &mut Turn<'_, '_, V>) {
    let row = ScheduledSwitchoverRow {
        at_s: asked.at_s,
        to: asked.to.clone(),
        principal: cut(&command.principal, NAME_BYTES_MAX).to_owned(),
        address: cut(&command.address, ADDRESS_BYTES_MAX).to_owned(),
        asked_us: turn.now_us,
        ..ScheduledSwitchoverRow::default()
    };
    turn.overlay.put(Key::ScheduledSwitchover, Row::ScheduledSwitchover(row));
}

fn acknowledge(asked: &ScheduleSwitchover) -> Reply {
    let pairs = vec![
        (switchover_event::TO.to_owned(), Value::text(&asked.to)),
        (switchover_event::DETAILS.to_owned(), Value::text(format!("for {}", shown(asked.at_s)))),
    ];
    Reply::done(switchover_event::SCHEDULED, pairs)
}

/// UTC seconds as RFC 3339.
pub(super) fn shown(at_s: u64) -> String {
    date_time::rfc_3339(at_s)
}
