//! DeleteList: marks a list as being deleted. From then on, its records answer as not found, and the list takes no new records;
//! DeleteRecords deletes the rows. Requested through the control API.
//!
//! Never touches a Do-Not-Call entry, not even an entry of this list alone: a stopped call stays stopped.

use std::sync::Arc;

use outbound::{Effect, RULES_WITH_UNDOING, Refusal, RefusalCode, Reply, Value, key};

use crate::{
    acknowledge::int,
    event::Event,
    lookup,
    tables::{ListCountersRow, ListRow},
    turn::Turn,
    view::View,
};

pub(crate) fn decide<V: View>(identifier: &str, turn: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    let (dbid, list) = check(identifier, turn)?;
    let counters = turn.list_counters(dbid, &list);
    let reply = acknowledge(dbid, &list, counters.records);
    apply(dbid, list, counters, turn);
    Ok(reply)
}

fn check<V: View>(identifier: &str, turn: &Turn<'_, '_, V>) -> Result<(u32, Arc<ListRow>), Refusal> {
    check_version(turn)?;
    lookup::find_list(turn.overlay, identifier).ok_or_else(|| {
        let message = format!("There is no calling list {identifier:?}");
        Refusal::new(RefusalCode::ListNotFound, message).with(key::CALLING_LIST, Value::text(identifier))
    })
}

/// Refuses the command under a rules version without deletion.
pub(super) fn check_version<V: View>(turn: &Turn<'_, '_, V>) -> Result<(), Refusal> {
    if turn.version >= RULES_WITH_UNDOING {
        return Ok(());
    }
    let message = format!("Nothing is deleted under rules version {}", turn.version);
    Err(Refusal::new(RefusalCode::Unavailable, message))
}

/// A repeat on a list in deletion changes nothing.
pub(super) fn apply<V: View>(dbid: u32, list: Arc<ListRow>, counters: ListCountersRow, turn: &mut Turn<'_, '_, V>) {
    if list.deleting {
        return;
    }
    let (name, records) = (list.name.clone(), counters.records);
    turn.events.push(Event::Effect(Effect::ListDeletionBegun { list: dbid, name, records }));
    turn.put_list(dbid, ListRow { deleting: true, ..Arc::unwrap_or_clone(list) }, counters);
}

fn acknowledge(dbid: u32, list: &ListRow, records: u64) -> Reply {
    let pairs = [
        (key::CALLING_LIST, Value::text(&list.name)),
        (key::CALLING_LIST_DBID, Value::Int(dbid.into())),
        ("records", int(records)),
    ];
    Reply::done("ListDeletionBegun", pairs.map(|(key, value)| (key.to_owned(), value)).to_vec())
}
