//! The different windows of a list: previews look at each, so a list has at most a thousand (spec 6, TOO_MANY).
//!
//! A window stays with its list once a record has had it. Called by the verbs that add records and by bringing up.

use std::sync::Arc;

use outbound::{Refusal, RefusalCode, Value, WINDOWS_MAX, key};

use crate::{
    tables::{Key, RecordRow, Row, Window, WindowRow, WindowsRow},
    turn::Turn,
    view::View,
};

/// The windows of a list.
pub(crate) fn of(view: &impl View, list: u32) -> Arc<WindowsRow> {
    match view.get(&Key::Windows(list)) {
        Some(Row::Windows(row)) => row,
        _ => Arc::default(),
    }
}

/// Checks that a record's window is one of the list's or leaves room for it.
///
/// # Errors
/// TOO_MANY with GSW_RECORDS: the number of windows.
pub(crate) fn check<V: View>(record: &RecordRow, turn: &Turn<'_, '_, V>) -> Result<(), Refusal> {
    let windows = of(turn.overlay, record.list);
    if windows.windows.len() < WINDOWS_MAX || has(&windows, record) {
        return Ok(());
    }
    let message = format!("The list has records with {WINDOWS_MAX} different windows, and may not have another one");
    Err(Refusal::new(RefusalCode::TooMany, message).with(key::RECORDS, Value::Int(WINDOWS_MAX as i64)))
}

/// Notes a record's window.
pub(crate) fn note<V: View>(record: &RecordRow, turn: &mut Turn<'_, '_, V>) {
    let windows = of(turn.overlay, record.list);
    if !has(&windows, record) {
        let mut windows = Arc::unwrap_or_clone(windows);
        windows.windows.push(WindowRow::from(&Window::of(record)));
        turn.overlay.put(Key::Windows(record.list), Row::Windows(Arc::new(windows)));
    }
}

fn has(windows: &WindowsRow, record: &RecordRow) -> bool {
    let window = WindowRow::from(&Window::of(record));
    windows.windows.contains(&window)
}
