//! RoleChange: a new primary records its role, once a term. The state keeps the newest changes for the control API. The order that made
//! the node primary without a quorum enters the audit with the change, and so once.

use outbound::{Command, RULES_WITH_AUDIT, Reply, RoleChange};

use crate::{
    audit,
    names::cut,
    rules::{NAME_BYTES_MAX, REASON_BYTES_MAX, ROLE_CHANGES_MAX},
    tables::{Key, RoleChangeRow, Row, Table},
    turn::Turn,
    view::{Bound, View},
};

pub(crate) fn decide<V: View>(change: &RoleChange, command: &Command, turn: &mut Turn<'_, '_, V>) -> Reply {
    let key = Key::RoleChange(change.term);
    if turn.overlay.get(&key).is_none() {
        let row = RoleChangeRow {
            stamp_us: turn.now_us,
            to: cut(&change.to, NAME_BYTES_MAX).to_owned(),
            reason: cut(&change.reason, REASON_BYTES_MAX).to_owned(),
            pause_ms: change.pause_ms,
            note: String::new(),
        };
        turn.overlay.put(key, Row::RoleChange(row));
        turn.counters.role_changes += 1;
        forget_oldest(turn);
        if let Some(order) = change.ordered.as_ref().filter(|_| turn.version >= RULES_WITH_AUDIT) {
            audit::note_order(order, command, turn);
        }
    }
    Reply::done("RoleChangeNoted", Vec::new())
}

fn forget_oldest<V: View>(turn: &mut Turn<'_, '_, V>) {
    let all = Bound { table: Table::RoleChange, from: Vec::new(), prefix: Vec::new() };
    if turn.counters.role_changes > ROLE_CHANGES_MAX
        && let Some((oldest, _)) = turn.overlay.next(&all, 1).into_iter().next()
    {
        turn.overlay.remove(oldest);
        turn.counters.role_changes -= 1;
    }
}
