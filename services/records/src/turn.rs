//! The turn of a command: the state before the command, the command's time, and the few permitted changes of the state.
//!
//! Verbs check everything first and write afterwards: a refusal leaves no trace. This module decides nothing itself.

use std::sync::Arc;

use outbound::{Command, Handle, RULES_WITH_UNDOING, RULES_WITH_WINDOW_ENDS};

use crate::{
    event::Event,
    lookup,
    overlay::Overlay,
    phone,
    rules::Rules,
    tables::{Key, ListRow, MetaRow, RecordRow, Row, indexes},
    view::View,
};

/// The context of one command's decision.
pub(crate) struct Turn<'o, 'v, V: View> {
    /// The state with the changes so far.
    pub(crate) overlay: &'o mut Overlay<'v, V>,
    /// Counters, written back by [`Turn::end`].
    pub(crate) meta: MetaRow,
    /// Stamped time; at least that of the command before, and from rules version 3 on always later.
    pub(crate) now_us: u64,
    /// The rules version that decides the command.
    pub(crate) version: u32,
    /// Options of the rules: the state's, or under rules version 1 the node's own.
    pub(crate) rules: Rules,
    /// The options of the node's own file.
    pub(crate) own: &'o Rules,
    pub(crate) events: &'o mut Vec<Event>,
}

impl<'o, 'v, V: View> Turn<'o, 'v, V> {
    pub(crate) fn begin(
        command: &Command,
        overlay: &'o mut Overlay<'v, V>,
        own: &'o Rules,
        events: &'o mut Vec<Event>,
    ) -> Self {
        let mut meta = lookup::meta(overlay);
        // distinct stamps show which of two commands changed a record last
        let apart_us = u64::from(command.rules >= RULES_WITH_WINDOW_ENDS);
        meta.last_stamp_us = meta.last_stamp_us.saturating_add(apart_us).max(command.stamp_us);
        let rules = overlay.options(own);
        Self { overlay, now_us: meta.last_stamp_us, meta, version: command.rules, rules, own, events }
    }

    /// Writes the counters back.
    pub(crate) fn end(self) {
        self.overlay.put(Key::Meta, Row::Meta(self.meta));
    }

    /// UTC seconds.
    pub(crate) fn now_s(&self) -> i64 {
        i64::try_from(self.now_us / 1_000_000).expect("microseconds of 64 bits are seconds of 63")
    }

    /// Whether a window that began at `stamp_us` is still open.
    pub(crate) fn counts(&self, stamp_us: u64, window_us: u64) -> bool {
        self.now_us < stamp_us.saturating_add(window_us)
    }

    /// The forms under which the state may have a phone, that of the command's rules version first.
    pub(crate) fn forms_of(&self, phone: &str) -> Vec<String> {
        phone::forms_to_ask(self.version, self.meta.phones_are_rewritten(), phone)
    }

    /// Writes a list.
    pub(crate) fn put_list(&mut self, dbid: u32, list: ListRow) {
        self.overlay.put(Key::List(dbid), Row::List(Arc::new(list)));
    }

    /// Adds a record under a new handle, with its index entries. The caller has checked that the record's ids are free, and
    /// writes the list back afterwards.
    pub(crate) fn add_record(&mut self, list: &mut ListRow, record: RecordRow) -> Handle {
        self.meta.last_handle += 1;
        self.meta.records += 1;
        let handle = Handle(self.meta.last_handle);
        list.records += 1;
        if self.version >= RULES_WITH_UNDOING {
            list.added_us = self.now_us;
        }
        list.next_record_id = list.next_record_id.max(record.record_id.saturating_add(1));
        list.next_chain_id = list.next_chain_id.max(record.chain_id.saturating_add(1));
        self.put_indexes(handle, &record);
        self.events.push(Event::RecordAdded { handle, list: record.list });
        self.overlay.put(Key::Record(handle), Row::Record(Arc::new(record)));
        handle
    }

    fn put_indexes(&mut self, handle: Handle, record: &RecordRow) {
        let phone = phone::phone_form(self.version, &record.contact_info);
        for (key, row) in indexes::of_record(handle, record, phone) {
            self.overlay.put(key, row);
        }
    }

    /// Removes a record that the caller has just read, with its index entries. The caller writes the list back afterwards.
    pub(crate) fn delete_record(&mut self, list: &mut ListRow, handle: Handle, record: Arc<RecordRow>) {
        for phone in self.forms_of(&record.contact_info) {
            for (key, _) in indexes::of_record(handle, &record, phone) {
                self.overlay.remove(key);
            }
        }
        self.overlay.remove_read(Key::Record(handle), Row::Record(record));
        list.records = list.records.saturating_sub(1);
        self.meta.records = self.meta.records.saturating_sub(1);
    }

    /// Overwrites an existing record. List, ids, chain and phone never change, so the indexes stay valid.
    pub(crate) fn change_record(&mut self, handle: Handle, mut record: RecordRow) {
        if self.version >= RULES_WITH_WINDOW_ENDS {
            record.changed_us = self.now_us;
        }
        self.events.push(Event::RecordChanged { handle, list: record.list });
        self.overlay.put(Key::Record(handle), Row::Record(Arc::new(record)));
    }
}
