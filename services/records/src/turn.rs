//! The turn of a command: the state before the command, the command's time, and the few permitted changes of the state.
//!
//! Verbs check everything first and write afterwards: a refusal leaves no trace. This module decides nothing itself.

pub(crate) mod chain;

use std::{collections::BTreeSet, sync::Arc};

use outbound::{
    Body, Command, Effect, Handle, RULES_WITH_AUDIT, RULES_WITH_CAMPAIGNS, RULES_WITH_UNDOING, RULES_WITH_WINDOW_ENDS,
    record_status,
};

use crate::{
    counters::{Counters, Written},
    customers,
    event::Event,
    history, hold, lookup,
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
    /// Random bytes of the command.
    pub(crate) random: &'o [u8],
    /// The principal in the command's head.
    pub(crate) principal: &'o str,
    /// The content of the command.
    pub(crate) body: &'o Body,
    /// What a declaration has changed, a line each, for the audit.
    pub(crate) differences: Vec<String>,
    /// Chains with a change that may hold other records of theirs back, or free them; settled at the end at the latest.
    unsettled: BTreeSet<(u32, u64)>,
    pub(crate) events: &'o mut Vec<Event>,
}

impl<'o, 'v, V: View> Turn<'o, 'v, V> {
    pub(crate) fn begin(
        command: &'o Command,
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
        let (version, random) = (command.rules, command.random.as_slice());
        let (principal, body) = (command.principal.as_str(), &command.body);
        let (differences, unsettled) = (Vec::new(), BTreeSet::new());
        Self {
            overlay,
            counters,
            written,
            numbers,
            now_us,
            version,
            rules,
            own,
            random,
            principal,
            body,
            differences,
            unsettled,
            events,
        }
    }

    /// Settles chains, and writes the counters back.
    pub(crate) fn end(mut self) {
        self.settle();
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

    /// Marks a chain for settling though none of its records changes in this command: rules before version 5 settled no chain.
    pub(crate) fn unsettle(&mut self, list: u32, chain_id: u64) {
        self.unsettled.insert((list, chain_id));
    }

    /// Settles every chain with a change: which of its records wait for another (spec 9, The next record).
    pub(crate) fn settle(&mut self) {
        while let Some((list, chain_id)) = self.unsettled.pop_first() {
            chain::settle(list, chain_id, self);
        }
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

    /// Removes a list, with its counters, its windows and its index entry.
    pub(crate) fn remove_list(&mut self, dbid: u32, list: &ListRow) {
        self.overlay.remove(indexes::of_list(dbid, list).0);
        self.overlay.remove(Key::List(dbid));
        self.overlay.remove(Key::Windows(dbid));
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
    /// writes the list's counters back afterwards. `joins_chain`: the chain has other records.
    pub(crate) fn add_record(
        &mut self,
        list: &mut ListCountersRow,
        mut record: RecordRow,
        joins_chain: bool,
    ) -> Handle {
        if self.version >= RULES_WITH_CAMPAIGNS {
            record.customer = self.customer_of(&record);
        }
        let handle = self.numbers.handle(&mut self.counters);
        self.counters.records = self.counters.records.map(|records| records + 1);
        list.records += 1;
        if self.version >= RULES_WITH_UNDOING {
            list.added_us = self.now_us;
        }
        list.next_record_id = list.next_record_id.max(record.record_id.saturating_add(1));
        list.next_chain_id = list.next_chain_id.max(record.chain_id.saturating_add(1));
        if self.version >= RULES_WITH_CAMPAIGNS && joins_chain {
            self.unsettled.insert((record.list, record.chain_id));
            if let Some(until_s) = chain::pause(record.list, record.chain_id, self) {
                record = hold::paused(record, until_s);
            }
        }
        self.put_indexes(handle, &record);
        self.note_change(handle, &record);
        self.events.push(Event::Effect(Effect::RecordAdded { handle, list: record.list }));
        self.overlay.put_new(Key::Record(handle), Row::Record(Arc::new(record)));
        handle
    }

    /// The customer of a record, by the field that its list declares.
    fn customer_of(&self, record: &RecordRow) -> String {
        let list = lookup::list(self.overlay, record.list);
        list.map(|list| customers::value_of(&list, record)).unwrap_or_default()
    }

    /// The entries of a new record are new: each has the new handle, or an id that the caller found free.
    fn put_indexes(&mut self, handle: Handle, record: &RecordRow) {
        let phone = phone::phone_form(self.version, &record.contact_info);
        for (key, row) in indexes::of_record(handle, record, phone) {
            self.overlay.put_new(key, row);
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
        if self.version >= RULES_WITH_AUDIT {
            self.overlay.remove(Key::RecordHistory(handle));
        }
        list.records = list.records.saturating_sub(1);
        self.counters.records = self.counters.records.map(|records| records.saturating_sub(1));
    }

    /// Overwrites an existing record on a request. List, ids, chain and phone never change; the customer follows the user-defined
    /// fields.
    pub(crate) fn change_record(&mut self, handle: Handle, mut record: RecordRow) {
        if self.version >= RULES_WITH_WINDOW_ENDS {
            record.changed_us = self.now_us;
        }
        self.events.push(Event::Effect(Effect::RecordChanged { handle, list: record.list }));
        let before = self.record_before(handle);
        // a request may have changed what a limit or the number of attempts depends on
        if self.version >= RULES_WITH_CAMPAIGNS && hold::is_held_back(&record) {
            record = hold::freed(record);
        }
        if self.version >= RULES_WITH_CAMPAIGNS && before.as_ref().is_some_and(|before| before.user != record.user) {
            record.customer = self.customer_of(&record);
        }
        self.note_change(handle, &record);
        self.replace(handle, before, record);
    }

    /// Overwrites an existing record, with the index entries that change.
    pub(crate) fn overwrite(&mut self, handle: Handle, record: RecordRow) {
        let before = self.record_before(handle);
        if before.as_ref().is_none_or(|before| before.record_status != record.record_status) {
            self.note_change(handle, &record);
        }
        self.replace(handle, before, record);
    }

    /// Notes the new value of a record in the record's history, where its list keeps one.
    fn note_change(&mut self, handle: Handle, record: &RecordRow) {
        if self.version < RULES_WITH_AUDIT {
            return;
        }
        let list = lookup::list(self.overlay, record.list);
        if list.is_some_and(|list| list.keeps_history) {
            let change = history::change(self.now_us, self.principal, self.body, record.record_status);
            let row = history::with(lookup::record_history(self.overlay, handle), change);
            self.overlay.put(Key::RecordHistory(handle), Row::RecordHistory(row));
        }
    }

    fn record_before(&self, handle: Handle) -> Option<Arc<RecordRow>> {
        match self.overlay.get(&Key::Record(handle)) {
            Some(Row::Record(before)) => Some(before),
            _ => None,
        }
    }

    fn replace(&mut self, handle: Handle, before: Option<Arc<RecordRow>>, record: RecordRow) {
        if let Some(before) = before {
            self.move_indexes(handle, &before, &record);
        }
        self.overlay.put(Key::Record(handle), Row::Record(Arc::new(record)));
    }

    /// A record has the index entries of its row and no others, so that neither end of a move is read.
    fn move_indexes(&mut self, handle: Handle, before: &RecordRow, after: &RecordRow) {
        if before.customer != after.customer {
            let (old, new) = (indexes::of_customer(handle, before), indexes::of_customer(handle, after));
            old.into_iter().for_each(|(key, row)| self.overlay.remove_read(key, row));
            new.into_iter().for_each(|(key, row)| self.overlay.put_new(key, row));
        }
        if !is_dialled_alike(before, after) {
            let (old, new) = (indexes::of_dialling(handle, before), indexes::of_dialling(handle, after));
            for (key, row) in old.iter().filter(|row| !new.contains(row)) {
                self.overlay.remove_read(key.clone(), row.clone());
            }
            for (key, row) in new.into_iter().filter(|row| !old.contains(row)) {
                self.overlay.put_new(key, row);
            }
        }
        if self.version >= RULES_WITH_CAMPAIGNS && unsettles(before, after) {
            self.unsettled.insert((after.list, after.chain_id));
        }
    }
}

/// Whether two rows of a record have the same index entries of dialling.
fn is_dialled_alike(one: &RecordRow, other: &RecordRow) -> bool {
    let is_held = |record: &RecordRow| record.record_status == record_status::RETRIEVED;
    let times = |record: &RecordRow| (record.held_since_us, record.changed_us, record.group_id);
    one.record_status == other.record_status
        && one.record_type == other.record_type
        && one.dial_sched_time == other.dial_sched_time
        && one.waits == other.waits
        && one.not_before_s == other.not_before_s
        && one.agent_id == other.agent_id
        && (one.daily_from, one.daily_till, one.tz_dbid) == (other.daily_from, other.daily_till, other.tz_dbid)
        && one.tz_name == other.tz_name
        && (!is_held(one) || times(one) == times(other))
}

/// Whether a change of a record may change which records of its chain wait. A record that held nothing back, and is final now, changes
/// nothing for the others: its chain, which an index alone can tell, is not read.
fn unsettles(before: &RecordRow, after: &RecordRow) -> bool {
    let is_alike = before.record_status == after.record_status
        && before.record_type == after.record_type
        && before.dial_sched_time == after.dial_sched_time;
    let holds = |record: &RecordRow| record.record_status == record_status::RETRIEVED || chain::is_callback(record);
    let stands = after.record_status == record_status::READY || after.waits;
    !is_alike && (stands || holds(before) || holds(after))
}
