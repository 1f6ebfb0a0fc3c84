//! The turn of a command: the state before the command, the command's time, and the few permitted changes of the state.
//!
//! Verbs check everything first and write afterwards: a refusal leaves no trace. This module decides nothing itself.

use std::sync::Arc;

use outbound::{Command, Effect, Handle, RULES_WITH_UNDOING, RULES_WITH_WINDOW_ENDS};

use crate::{
    counters::{Counters, Written},
    event::Event,
    lookup,
    numbers::Numbers,
    overlay::Overlay,
    phone,
    rules::Rules,
    tables::{Key, ListCountersRow, ListRow, RecordRow, Row, indexes},
    view::View,
};

/// The context of one command's decision.
pub(crate) struct Turn<'o, 'v, V: View> {
    /// The state with the changes so far.
    pub(crate) overlay: &'o mut Overlay<'v, V>,
    /// Counters, written back by [`Turn::end`].
    pub(crate) counters: Counters,
    /// The rows of the counters; none: the counters are one row, and those of a list stand in the list's row.
    written: Option<Written>,
    /// The numbers of new rows.
    numbers: &'o mut dyn Numbers,
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
        numbers: &'o mut dyn Numbers,
        events: &'o mut Vec<Event>,
    ) -> Self {
        let (mut counters, written) = overlay.take_counters();
        // distinct stamps show which of two commands changed a record last
        let apart_us = u64::from(command.rules >= RULES_WITH_WINDOW_ENDS);
        counters.last_stamp_us = counters.last_stamp_us.saturating_add(apart_us).max(command.stamp_us);
        let (rules, now_us) = (overlay.options(own), counters.last_stamp_us);
        Self { overlay, counters, written, numbers, now_us, version: command.rules, rules, own, events }
    }

    /// Writes the counters back.
    pub(crate) fn end(self) {
        let Self { overlay, counters, written, .. } = self;
        match written {
            None => overlay.put(Key::Meta, Row::Meta(counters.into())),
            Some(mut written) => {
                written.put_changed(&counters, |key, row| overlay.put(key, row));
                overlay.keep_counters(counters, written);
            }
        }
    }

    /// Gives every counter a row of its own, once: two rows for each list, however many lists there are.
    pub(crate) fn part_counters(&mut self) {
        if self.written.is_some() {
            return;
        }
        for (dbid, list) in lookup::lists(self.overlay) {
            let counters = ListCountersRow::of(&list);
            let list = ListCountersRow::default().put_into(Arc::unwrap_or_clone(list));
            self.overlay.put(Key::List(dbid), Row::List(Arc::new(list)));
            self.overlay.put(Key::ListCounters(dbid), Row::ListCounters(counters));
        }
        self.counters.records = None;
        self.written = Some(Written::default());
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
        phone::forms_to_ask(self.version, self.counters.phones_are_rewritten(), phone)
    }

    /// The counters of a list, whose row the caller has just read.
    pub(crate) fn list_counters(&self, dbid: u32, list: &ListRow) -> ListCountersRow {
        if self.written.is_some() { lookup::list_counters(self.overlay, dbid, list) } else { ListCountersRow::of(list) }
    }

    /// Writes a list with its counters.
    pub(crate) fn put_list(&mut self, dbid: u32, list: ListRow, counters: ListCountersRow) {
        let list = if self.written.is_some() {
            self.overlay.put(Key::ListCounters(dbid), Row::ListCounters(counters));
            list
        } else {
            counters.put_into(list)
        };
        self.overlay.put(Key::List(dbid), Row::List(Arc::new(list)));
    }

    /// Writes the counters of a list that does not change itself.
    pub(crate) fn put_list_counters(&mut self, dbid: u32, list: &ListRow, counters: ListCountersRow) {
        if self.written.is_some() {
            self.overlay.put(Key::ListCounters(dbid), Row::ListCounters(counters));
        } else {
            self.put_list(dbid, list.clone(), counters);
        }
    }

    /// Removes a list, with its counters and its index entry.
    pub(crate) fn remove_list(&mut self, dbid: u32, list: &ListRow) {
        self.overlay.remove(indexes::of_list(dbid, list).0);
        self.overlay.remove(Key::List(dbid));
        if self.written.is_some() {
            self.overlay.remove(Key::ListCounters(dbid));
        }
    }

    /// The DBID of a new list.
    pub(crate) fn new_dbid(&mut self) -> u32 {
        let dbid = self.numbers.list(&self.counters);
        self.counters.last_list = self.counters.last_list.max(dbid);
        dbid
    }

    /// The record_id of a new record.
    pub(crate) fn new_record_id(&mut self, list: u32, counters: &ListCountersRow) -> u64 {
        loop {
            let record_id = self.numbers.record_id(list, counters);
            if self.numbers.ids_are_free() || self.overlay.get(&Key::RecordById { list, record_id }).is_none() {
                return record_id;
            }
        }
    }

    /// The chain_id of a new chain.
    pub(crate) fn new_chain_id(&mut self, list: u32, counters: &ListCountersRow) -> u64 {
        loop {
            let chain_id = self.numbers.chain_id(list, counters);
            if self.numbers.ids_are_free() || lookup::chain_end(self.overlay, list, chain_id).is_none() {
                return chain_id;
            }
        }
    }

    /// Adds a record under a new handle, with its index entries. The caller has checked that the record's ids are free, and
    /// writes the list's counters back afterwards.
    pub(crate) fn add_record(&mut self, list: &mut ListCountersRow, record: RecordRow) -> Handle {
        let handle = self.numbers.handle(&mut self.counters);
        self.counters.records = self.counters.records.map(|records| records + 1);
        list.records += 1;
        if self.version >= RULES_WITH_UNDOING {
            list.added_us = self.now_us;
        }
        list.next_record_id = list.next_record_id.max(record.record_id.saturating_add(1));
        list.next_chain_id = list.next_chain_id.max(record.chain_id.saturating_add(1));
        self.put_indexes(handle, &record);
        self.events.push(Event::Effect(Effect::RecordAdded { handle, list: record.list }));
        self.overlay.put(Key::Record(handle), Row::Record(Arc::new(record)));
        handle
    }

    fn put_indexes(&mut self, handle: Handle, record: &RecordRow) {
        let phone = phone::phone_form(self.version, &record.contact_info);
        for (key, row) in indexes::of_record(handle, record, phone) {
            self.overlay.put(key, row);
        }
    }

    /// Removes a record that the caller has just read, with its index entries. The caller writes the list's counters back
    /// afterwards.
    pub(crate) fn delete_record(&mut self, list: &mut ListCountersRow, handle: Handle, record: Arc<RecordRow>) {
        for phone in self.forms_of(&record.contact_info) {
            for (key, _) in indexes::of_record(handle, &record, phone) {
                self.overlay.remove(key);
            }
        }
        self.overlay.remove_read(Key::Record(handle), Row::Record(record));
        list.records = list.records.saturating_sub(1);
        self.counters.records = self.counters.records.map(|records| records.saturating_sub(1));
    }

    /// Overwrites an existing record. List, ids, chain and phone never change, so the indexes stay valid.
    pub(crate) fn change_record(&mut self, handle: Handle, mut record: RecordRow) {
        if self.version >= RULES_WITH_WINDOW_ENDS {
            record.changed_us = self.now_us;
        }
        self.events.push(Event::Effect(Effect::RecordChanged { handle, list: record.list }));
        self.overlay.put(Key::Record(handle), Row::Record(Arc::new(record)));
    }
}
