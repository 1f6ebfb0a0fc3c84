//! The lists of a campaign with their open windows: the places where a search looks for the next record.
//!
//! Never reads a record: the windows of a list stand in one row, and closed windows cost no further read.

use std::sync::Arc;

use outbound::declaration::{DeclaredCalendar, DeclaredCampaign};

use super::hours::{self, Clock, Hours};
use crate::{
    declared::{Declared, lists_of},
    lookup,
    tables::{Class, Key, ListRow, RecordRow, Row, Window, WindowRow},
    view::View,
    windows, zones,
};

/// A list that a campaign dials.
pub(super) struct DialledList {
    /// DBID.
    pub(super) dbid: u32,
    pub(super) row: Arc<ListRow>,
    /// At least 1.
    pub(super) weight: u32,
    /// The windows that are open now.
    open: Vec<Window>,
    /// The windows of callbacks where hours do not bind them.
    of_callbacks: Option<Vec<Window>>,
}

impl DialledList {
    /// The windows whose records may be called now.
    pub(super) fn windows(&self, class: &Class) -> &[Window] {
        match &self.of_callbacks {
            Some(all) if *class != Class::General => all,
            _ => &self.open,
        }
    }
}

/// The lists of a campaign from which something is handed out: weight 0 excludes a list (spec 9, Campaign groups), and so does
/// its deletion.
pub(super) fn of(
    campaign: &DeclaredCampaign,
    declared: &Declared,
    clock: &mut Clock,
    view: &impl View,
) -> Vec<DialledList> {
    let mut dialled = Vec::new();
    for (name, weight) in lists_of(campaign).filter(|(_, weight)| *weight > 0) {
        let Some((dbid, row)) = named(name, view).filter(|(_, row)| !row.deleting) else { continue };
        let windows = windows::of(view, dbid);
        let calendar = hours::calendar_of(&row, declared);
        let is_open = |window: &&WindowRow| {
            let hours = Hours { from: window.from, till: window.till, calendar };
            hours.are_open(clock.local(zone_of(window, &row, declared)))
        };
        let open = windows.windows.iter().filter(is_open).map(Window::from).collect();
        let of_callbacks = row.callbacks_any_time.then(|| windows.windows.iter().map(Window::from).collect());
        dialled.push(DialledList { dbid, row, weight, open, of_callbacks });
    }
    dialled
}

/// The list of a name. Digits are a name here, never a DBID.
fn named(name: &str, view: &impl View) -> Option<(u32, Arc<ListRow>)> {
    let Some(Row::ListByName(number)) = view.get(&Key::ListByName(name.to_owned())) else { return None };
    let dbid = u32::try_from(number.number).ok()?;
    Some((dbid, lookup::list(view, dbid)?))
}

/// The IANA name of a window's zone: that of the records with this window ([`zones::name_under`]).
fn zone_of<'a>(window: &'a WindowRow, list: &'a ListRow, declared: &'a Declared) -> &'a str {
    let configured = |dbid| declared.zone_of_dbid(dbid)?.time_zone.as_deref();
    match (window.zone_dbid, window.zone_name.as_str()) {
        (0, "") => &list.time_zone,
        (0, name) => name,
        (dbid, _) => configured(dbid).unwrap_or(&list.time_zone),
    }
}

/// The hours of a record.
pub(super) fn hours_of<'a>(record: &RecordRow, calendar: Option<&'a DeclaredCalendar>) -> Hours<'a> {
    let Window { from, till, .. } = Window::of(record);
    Hours { from, till, calendar }
}

/// Whether a record may be called now: its hours are open, or do not bind it.
pub(super) fn is_callable(record: &RecordRow, list: &ListRow, declared: &Declared, clock: &mut Clock) -> bool {
    let is_free = list.callbacks_any_time && Class::of(record).is_some_and(|class| class != Class::General);
    let hours = hours_of(record, hours::calendar_of(list, declared));
    is_free || hours.are_open(clock.local(zones::name_under(record, list, declared)))
}
