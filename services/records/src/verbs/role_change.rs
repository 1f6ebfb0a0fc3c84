//! RoleChange: a new primary records its role, once a term. The state keeps the newest changes for the control API.

use outbound::{Reply, RoleChange};

use crate::{
    rules::{NAME_BYTES_MAX, REASON_BYTES_MAX, ROLE_CHANGES_MAX},
    tables::{Key, RoleChangeRow, Row, Table},
    turn::Turn,
    view::{Bound, View},
};

pub(crate) fn decide<V: View>(change: &RoleChange, turn: &mut Turn<'_, '_, V>) -> Reply {
    let key = Key::RoleChange(change.term);
    if turn.overlay.get(&key).is_none() {
        let row = RoleChangeRow {
            stamp_us: turn.now_us,
            to: shortened(&change.to, NAME_BYTES_MAX),
            reason: shortened(&change.reason, REASON_BYTES_MAX),
            pause_ms: change.pause_ms,
        };
        turn.overlay.put(key, Row::RoleChange(row));
        turn.counters.role_changes += 1;
        forget_oldest(turn);
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

/// The text, cut between characters to at most `bytes_max` bytes.
fn shortened(text: &str, bytes_max: usize) -> String {
    text[..text.floor_char_boundary(bytes_max)].to_owned()
}
