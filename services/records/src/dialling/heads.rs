//! Heads: the first entry of each open window of a class in the index of dialable records. The lowest head is the next candidate.
//!
//! A search costs one read a window, and one read more for each candidate that is passed over. Never reads a record.

use outbound::Handle;

use super::lists::DialledList;
use crate::{
    tables::{Class, Key, RecordRow, Table, class_prefix, dialable, window_prefix},
    view::{Bound, View},
};

/// The lowest entry of a class.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    /// Position of its window's cursor.
    pub(super) cursor: usize,
    /// Position of its list.
    pub(super) list: usize,
    pub(super) handle: Handle,
    order: (u64, u64),
}

/// A record in the index.
struct Entry {
    order: (u64, u64),
    handle: Handle,
    key: Key,
}

/// The position of a search in a window.
struct Cursor {
    list: usize,
    prefix: Vec<u8>,
    /// None: the rest of the window is empty, or comes due later.
    entry: Option<Entry>,
}

/// The heads of a class.
pub(super) struct Heads {
    class: Class,
    now_s: u64,
    cursors: Vec<Cursor>,
}

impl Heads {
    /// The first entries of the open windows of lists, each list with its position.
    pub(super) fn of<'a>(
        class: Class,
        lists: impl IntoIterator<Item = (usize, &'a DialledList)>,
        now_s: i64,
        view: &impl View,
    ) -> Self {
        let now_s = u64::try_from(now_s).unwrap_or(0);
        let mut heads = Self { class, now_s, cursors: Vec::new() };
        for (at, list) in lists {
            let windows = list.windows(&heads.class);
            if windows.len() > 1 && !heads.has_any(list.dbid, view) {
                continue;
            }
            for window in windows {
                let prefix = window_prefix(list.dbid, &heads.class, window);
                let entry = heads.read(&prefix, prefix.clone(), view);
                heads.cursors.push(Cursor { list: at, prefix, entry });
            }
        }
        heads
    }

    /// The lowest entry; none: no record of the class is left.
    pub(super) fn first(&self) -> Option<Head> {
        let head = |(cursor, at): (usize, &Cursor)| {
            let Entry { order, handle, .. } = *at.entry.as_ref()?;
            Some(Head { cursor, list: at.list, handle, order })
        };
        self.cursors.iter().enumerate().filter_map(head).min_by_key(|head| head.order)
    }

    /// Goes on behind the entry of a cursor.
    pub(super) fn pass(&mut self, cursor: usize, view: &impl View) {
        let Some(passed) = self.cursors[cursor].entry.take() else { return };
        let behind = [passed.key.encode().as_slice(), &[0]].concat();
        self.cursors[cursor].entry = self.read(&self.cursors[cursor].prefix, behind, view);
    }

    /// Takes a record that has come into the index, or was passed over, in the window of a list that the caller found open.
    pub(super) fn offer(&mut self, list: usize, handle: Handle, record: &RecordRow) {
        let Some(entry) = dialable::key_of(handle, record).and_then(|key| self.entry(key)) else { return };
        let Key::Dialable { list: dbid, window, .. } = &entry.key else { return };
        let prefix = window_prefix(*dbid, &self.class, window);
        match self.cursors.iter_mut().find(|cursor| cursor.prefix == prefix) {
            Some(cursor) if cursor.entry.as_ref().is_some_and(|head| head.order <= entry.order) => {}
            Some(cursor) => cursor.entry = Some(entry),
            None => self.cursors.push(Cursor { list, prefix, entry: Some(entry) }),
        }
    }

    /// Whether a list has a record of the class in any window: most lists have no callbacks.
    fn has_any(&self, list: u32, view: &impl View) -> bool {
        let prefix = class_prefix(list, &self.class);
        !view.next(&Bound { table: Table::Dialable, from: prefix.clone(), prefix }, 1).is_empty()
    }

    fn read(&self, prefix: &[u8], from: Vec<u8>, view: &impl View) -> Option<Entry> {
        let bound = Bound { table: Table::Dialable, from, prefix: prefix.to_vec() };
        let (key, _) = view.next(&bound, 1).into_iter().next()?;
        self.entry(key)
    }

    /// The entry of a key of this class; none for a callback that is not due: later callbacks of its window are due later.
    fn entry(&self, key: Key) -> Option<Entry> {
        let (order, handle) = match &key {
            Key::Dialable { order, handle, class, .. } if *class == self.class => (*order, *handle),
            _ => return None,
        };
        let is_due = self.class == Class::General || order.0 <= self.now_s;
        is_due.then_some(Entry { order, handle, key })
    }
}
