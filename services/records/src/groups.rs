//! Campaign groups: their states, and the records that they hold (spec 9, Campaign groups).
//!
//! A group without a row is NotLoaded. Called by the verbs, by due work, and by the node's questions.

use outbound::{Handle, declaration::DeclaredGroup};

use crate::{
    declared::group_name,
    hold, lookup,
    tables::{GroupRow, Key, Row, Table, group_prefix, group_state},
    turn::Turn,
    view::{Bound, View, behind_prefix, pages, table_pages},
};

/// Records that [`GroupState::held`] names, at most.
const HELD_SHOWN_MAX: usize = 1_000;

/// A campaign group with its state and its held records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupState {
    /// DBID.
    pub dbid: u32,
    /// As in `Campaign@Group`.
    pub name: String,
    /// Name of the campaign.
    pub campaign: String,
    /// DBID of the campaign.
    pub campaign_dbid: u32,
    /// A number of [`group_state`].
    pub state: u32,
    /// The held records by agent and time, at most a thousand: the agent, the handle, and the time of the hand-out in
    /// microseconds since 1970.
    pub held: Vec<(String, u64, u64)>,
    /// Held records in all.
    pub held_total: u64,
}

/// All campaign groups, in the order of their declaration.
pub fn groups(view: &impl View) -> Vec<GroupState> {
    let declared = lookup::declared(view);
    let state = |group: &DeclaredGroup| {
        let dbid = group.dbid.unwrap_or(0);
        let mut held: Vec<(String, u64, u64)> = Vec::new();
        let mut held_total = 0;
        for (agent, since_us, handle) in held_by(view, dbid) {
            held_total += 1;
            if held.len() < HELD_SHOWN_MAX {
                held.push((agent, handle.0, since_us));
            }
        }
        let campaign_dbid = declared.find_campaign(&group.campaign).and_then(|campaign| campaign.dbid).unwrap_or(0);
        let (name, campaign) = (group_name(group), group.campaign.clone());
        GroupState { dbid, name, campaign, campaign_dbid, state: row(view, dbid).state, held, held_total }
    };
    declared.groups().iter().map(state).collect()
}

/// The state of a group, with the turns of its lists.
pub(crate) fn row(view: &impl View, dbid: u32) -> GroupRow {
    match view.get(&Key::Group(dbid)) {
        Some(Row::Group(row)) => row,
        _ => GroupRow::default(),
    }
}

/// Sets the state of a group. A group that is not loaded has no row, so that its lists begin anew with their turns.
pub(crate) fn set_state<V: View>(dbid: u32, state: u32, turn: &mut Turn<'_, '_, V>) {
    let before = row(turn.overlay, dbid);
    match state {
        group_state::NOT_LOADED => turn.overlay.remove(Key::Group(dbid)),
        state if state == before.state => {}
        state => turn.overlay.put(Key::Group(dbid), Row::Group(GroupRow { state, ..before })),
    }
}

/// Whether a group holds a record.
pub(crate) fn holds_any(view: &impl View, dbid: u32) -> bool {
    !view.next(&held_bound(dbid), 1).is_empty()
}

/// Number of the records that a group holds.
pub(crate) fn held_count(view: &impl View, dbid: u32) -> u64 {
    pages(view, held_bound(dbid)).count() as u64
}

/// The records that a group holds, by agent and time: agent, time of the hand-out, handle.
fn held_by(view: &impl View, dbid: u32) -> impl Iterator<Item = (String, u64, Handle)> {
    pages(view, held_bound(dbid)).filter_map(|(key, _)| match key {
        Key::HeldByGroup { agent, held_since_us, handle, .. } => Some((agent, held_since_us, handle)),
        _ => None,
    })
}

fn held_bound(dbid: u32) -> Bound {
    let prefix = group_prefix(dbid);
    Bound { table: Table::HeldByGroup, from: prefix.clone(), prefix }
}

/// Makes up to `rows_max` records that a group holds Ready again, as they were; answers their count. `by_request`: a request on
/// the group changes them, and not the passing of time.
pub(crate) fn give_back<V: View>(dbid: u32, rows_max: u32, by_request: bool, turn: &mut Turn<'_, '_, V>) -> u32 {
    let held = turn.overlay.next(&held_bound(dbid), rows_max);
    let mut given = 0;
    for (key, _) in held {
        let Key::HeldByGroup { handle, .. } = key else { continue };
        let Some(record) = lookup::record(turn.overlay, handle) else { continue };
        let ready = hold::give_back(record);
        if by_request {
            turn.change_record(handle, ready);
        } else {
            turn.overwrite(handle, ready);
        }
        given += 1;
    }
    given
}

/// Makes up to `rows_max` records Ready again that groups hold which are not loaded: the rest of a large ForceUnloadCampaign,
/// and what a group held that is not declared any more. Answers their count.
pub(crate) fn give_back_of_unloaded<V: View>(rows_max: u32, turn: &mut Turn<'_, '_, V>) -> u32 {
    let mut given = 0;
    for dbid in holding(turn.overlay) {
        if given < rows_max && row(turn.overlay, dbid).state == group_state::NOT_LOADED {
            given += give_back(dbid, rows_max - given, false, turn);
        }
    }
    given
}

/// Ends the unloading of every group that holds no record any more; answers their count.
pub(crate) fn finish_unloading<V: View>(turn: &mut Turn<'_, '_, V>) -> u32 {
    let mut finished = 0;
    for dbid in unloading(turn.overlay) {
        if !holds_any(turn.overlay, dbid) {
            set_state(dbid, group_state::NOT_LOADED, turn);
            finished += 1;
        }
    }
    finished
}

/// Whether groups have due work: to give records back, or to end an unloading.
pub(crate) fn groups_are_due(view: &impl View) -> bool {
    let is_unloaded = |dbid: &u32| row(view, *dbid).state == group_state::NOT_LOADED;
    unloading(view).iter().any(|dbid| !holds_any(view, *dbid)) || holding(view).iter().any(is_unloaded)
}

/// The groups that are unloading.
fn unloading(view: &impl View) -> Vec<u32> {
    let is_unloading = |(key, row)| match (key, row) {
        (Key::Group(dbid), Row::Group(row)) if row.state == group_state::UNLOADING => Some(dbid),
        _ => None,
    };
    table_pages(view, Table::Group).filter_map(is_unloading).collect()
}

/// The groups that hold a record: one read a group, however many records the group holds.
fn holding(view: &impl View) -> Vec<u32> {
    let (mut groups, mut from) = (Vec::new(), Some(Vec::new()));
    while let Some(first) = from.take() {
        let rows = view.next(&Bound { table: Table::HeldByGroup, from: first, prefix: Vec::new() }, 1);
        if let Some((Key::HeldByGroup { group, .. }, _)) = rows.first() {
            groups.push(*group);
            from = behind_prefix(&group_prefix(*group));
        }
    }
    groups
}
