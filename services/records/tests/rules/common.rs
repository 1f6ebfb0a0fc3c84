//! A state in a map, with the clock and the ids of a primary. After every command the world checks that its rows agree with each
//! other. Used by the tests of this crate.

use std::collections::BTreeSet;

use outbound::{
    Attributes, Body, Command, Handle, ImportBatch, ImportRow, NewList, Origin, RULES_FIRST,
    RULES_WITH_PARTED_COUNTERS, RULES_WITH_SETTINGS, RaiseRules, Reply, ReplyBody, Request, RequestId, Resource,
    ResourceType, Setting, UserField, Value, Verb,
};
use records::{
    Changes, Counter, Event, Key, ListRow, MapView, MetaRow, Row, Rules, Table, View, canonical_phone, counters,
    decide, digest_of_changes, first_phone_form, indexes_of, list_counters,
};

/// Seed of the digest.
pub const CLUSTER_KEY: u64 = 42;
/// 2024-01-01T00:00:00Z.
pub const START_US: u64 = 1_704_067_200_000_000;

pub struct World {
    pub map: MapView,
    pub rules: Rules,
    /// The rules version under which commands are stamped.
    pub version: u32,
    pub now_us: u64,
    pub counter: u64,
    pub digest: u128,
    pub events: Vec<Event>,
    pub changes: Changes,
}

impl Default for World {
    fn default() -> Self {
        Self {
            map: MapView::default(),
            rules: Rules::default(),
            version: RULES_FIRST,
            now_us: START_US,
            counter: 0,
            digest: 0,
            events: Vec::new(),
            changes: Changes::default(),
        }
    }
}

impl World {
    /// Decides a command under the next id of node 1, a millisecond later.
    pub fn ask(&mut self, body: Body) -> Reply {
        self.counter += 1;
        let id = self.id(1, 1, self.counter);
        self.ask_as(id, body)
    }

    /// An id as from a node under the present rules version: each start has a token of its own.
    pub fn id(&self, node: u32, incarnation: u64, counter: u64) -> RequestId {
        let token =
            if self.version < RULES_WITH_SETTINGS { 0 } else { u128::from(incarnation) << 100 | u128::from(node) };
        RequestId { node, incarnation, token, counter }
    }

    /// Raises the rules version.
    pub fn raise(&mut self, to: u32, settings: Vec<Setting>) -> Reply {
        let reply = self.ask(Body::RaiseRules(RaiseRules { to, settings, release: "0.1.0".into() }));
        self.version = to;
        reply
    }

    /// Decides a command under an id.
    pub fn ask_as(&mut self, id: RequestId, body: Body) -> Reply {
        self.now_us += 1_000;
        let command = self.command(id, body);
        let (reply, changes, events) = decide(&command, &self.map, &self.rules);
        self.take(std::slice::from_ref(&reply), changes, events);
        reply
    }

    pub fn command(&self, id: RequestId, body: Body) -> Command {
        Command::new(self.version.max(body.rules_min()), id, self.now_us, Origin::Http, body)
    }

    /// Applies a decision, and checks the state.
    pub fn take(&mut self, replies: &[Reply], changes: Changes, events: Vec<Event>) {
        self.digest = self.digest.wrapping_add(digest_of_changes(CLUSTER_KEY, &changes));
        self.map.apply(&changes);
        if replies.iter().all(|reply| matches!(reply.body, ReplyBody::Refused(_))) {
            assert_only_memory_changed(&changes);
        }
        (self.changes, self.events) = (changes, events);
        check(&self.map);
        assert_eq!(self.digest, self.map.digest(CLUSTER_KEY), "the digest follows the changes");
    }

    pub fn wait_ms(&mut self, ms: u64) {
        self.now_us += ms * 1_000;
    }

    pub fn create(&mut self, name: &str, zone: &str, fields: Vec<UserField>) -> Reply {
        self.ask(Body::CreateList(NewList { name: name.into(), time_zone: zone.into(), fields }))
    }
}

fn assert_only_memory_changed(changes: &Changes) {
    let memory = [
        Table::Meta,
        Table::Request,
        Table::Idempotency,
        Table::Counter,
        Table::Floor,
        Table::Content,
        Table::KeyByAge,
        // every command forgets a few old attempts
        Table::Attempt,
        Table::AttemptByAge,
        // a change of settings, tokens, lists and the like leaves its row where the change was refused, too
        Table::Audit,
    ];
    for change in &changes.0 {
        let is_number = matches!(change.key, Key::Counter(Counter::LastHandle | Counter::LastList));
        let is_memory = memory.contains(&change.key.table()) && !is_number;
        assert!(is_memory, "refused, and yet it changed {change:?}");
    }
}

/// Checks that every index agrees with its rows, and that every row decodes to itself.
pub fn check(map: &MapView) {
    for table in Table::ALL {
        for (key, row) in map.table(table) {
            assert_eq!(Row::decode(table, &row.encode()).unwrap(), row, "{key:?}");
        }
    }
    check_indexes(map);
    check_counters(map);
    check_lists(map);
    check_memories(map);
}

/// Checks that the rows of the indexes are those derived from the rows of the state, no more and no fewer. A content leads to the
/// last of its requests.
fn check_indexes(map: &MapView) {
    let state = Table::ALL.into_iter().filter(|table| table.is_state()).flat_map(|table| map.table(table));
    let derived = state.flat_map(|(key, row)| {
        let handle = if let Key::Record(handle) = &key { *handle } else { Handle(0) };
        indexes_of(&key, &row, |given| index_form(map, handle, given))
    });
    let indexes = Table::ALL.into_iter().filter(|table| !table.is_state()).flat_map(|table| map.table(table));
    let bytes = |(key, row): (Key, Row)| (key.table(), key.encode().into_vec(), row.encode());
    let is_content = |row: &(Table, Vec<u8>, Vec<u8>)| row.0 == Table::Content;
    let (contents, derived): (BTreeSet<_>, BTreeSet<_>) = derived.map(bytes).partition(is_content);
    let (standing_contents, standing): (BTreeSet<_>, BTreeSet<_>) = indexes.map(bytes).partition(is_content);
    let wrong = standing.symmetric_difference(&derived).chain(standing_contents.difference(&contents));
    let wrong: Vec<_> = wrong.map(|(table, key, _)| Key::decode(*table, key)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// The form of a phone in the index: one of two until the rows are rewritten, then the canonical form.
fn index_form(map: &MapView, handle: Handle, given: &str) -> String {
    let (first, canonical) = (first_phone_form(given), canonical_phone(given));
    let rewritten = counters(map).phones_are_rewritten();
    let stands_first = map.get(&Key::RecordByPhone { phone: first.clone(), handle }).is_some();
    if !rewritten && stands_first { first } else { canonical }
}

/// Checks that every counter stands in one place: in the rows of version 1, or from version 4 on in rows of their own.
fn check_counters(map: &MapView) {
    let lists = records::lists(map);
    let parted = [Table::Counter, Table::Floor, Table::Phones, Table::ListCounters].map(|table| map.table(table).len());
    if records::rules_version(map) < RULES_WITH_PARTED_COUNTERS {
        assert_eq!(parted, [0; 4]);
        return;
    }
    let last_stamp_us = records::last_stamp_us(map);
    assert_eq!(map.get(&Key::Meta), Some(Row::Meta(MetaRow { last_stamp_us, ..MetaRow::default() })));
    assert_eq!(parted[3], lists.len());
    for (_, list) in lists {
        let ListRow { next_record_id, next_chain_id, records, added_us, deleted_below, .. } = *list;
        assert_eq!([next_record_id, next_chain_id, records, added_us, deleted_below], [0; 5]);
    }
}

fn check_lists(map: &MapView) {
    let last_handle = counters(map).last_handle;
    let records = map.table(Table::Record);
    assert_eq!(records::records_of_all_lists(map), records.len() as u64);
    assert_eq!(map.table(Table::ListByName).len(), records::lists(map).len());
    for (dbid, list) in records::lists(map) {
        assert_eq!(records::find_list(map, &list.name), Some((dbid, list.clone())));
        let rows = records::records_from(map, dbid, 0, u32::MAX);
        let counted = list_counters(map, dbid, &list);
        assert_eq!(rows.len() as u64, counted.records);
        assert!(rows.iter().all(|(handle, _)| handle.0 <= last_handle));
        assert!(rows.iter().all(|(_, row)| row.record_id < counted.next_record_id));
        assert!(rows.iter().all(|(_, row)| row.chain_id < counted.next_chain_id));
        assert!(rows.iter().all(|(_, row)| row.user.len() <= list.fields.len()));
    }
}

fn check_memories(map: &MapView) {
    let counters = counters(map);
    let by_age = map.table(Table::KeyByAge);
    assert_eq!(by_age.len(), map.table(Table::Idempotency).len());
    for (key, row) in by_age {
        let (Key::KeyByAge(sequence), Row::KeyByAge(row)) = (key, row) else { panic!("not a key") };
        assert!((counters.keys_first..counters.keys_next).contains(&sequence));
        let place = Key::decode(Table::Idempotency, &row.key).unwrap();
        assert!(matches!(map.get(&place), Some(Row::Idempotency(row)) if row.sequence == sequence));
    }
    for (key, row) in map.table(Table::Content) {
        let Row::Content(id) = row else { panic!("not a content") };
        let request = map.get(&Key::Request((&id).into()));
        assert!(
            matches!(request, Some(Row::Request(row)) if row.contents.contains(&key.encode().into_vec())),
            "{key:?}"
        );
    }
    for (key, _) in map.table(Table::Request) {
        let Key::Request(id) = key else { panic!("not a request") };
        let floors = if id.token == 0 { &counters.floors } else { &counters.floors_with_token };
        let floor = floors.iter().find(|floor| floor.node == id.node).unwrap();
        assert!(floor.id().is_none_or(|floor| id > floor));
        assert_ne!(floor.oldest_stamp_us, 0, "what is remembered will be forgotten");
    }
}

/// A request such as `("AddRecord", "lists/demo", &[("GSW_PHONE", "+1")])`; values that are numbers are integers.
pub fn request(verb: &str, resource: &str, pairs: &[(&str, &str)]) -> Request {
    let (word, identifier) = resource.split_once('/').unwrap();
    let number = |text: &str| text.parse::<i64>().ok().filter(|number| number.to_string() == text);
    let value = |text: &str| number(text).map_or_else(|| Value::text(text), Value::Int);
    let attributes: Attributes = pairs.iter().map(|(key, text)| ((*key).to_owned(), value(text))).collect();
    Request {
        verb: Verb::parse(verb).unwrap_or_else(|| panic!("no verb {verb}")),
        resource: Resource::new(ResourceType::parse(word).unwrap(), identifier).unwrap(),
        attributes,
        tenant: String::new(),
        principal: String::new(),
        idempotency_key: None,
    }
}

pub fn field(column: &str, kind: &str) -> UserField {
    UserField { column: column.into(), kind: kind.into(), default: String::new(), send_attribute: String::new() }
}

/// A batch out of lines of a file; the first is the header, cells are separated by commas.
pub fn batch(list: &str, import_id: &str, first_row: u64, lines: &[&str]) -> ImportBatch {
    let cells = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
    ImportBatch {
        list: list.into(),
        import_id: import_id.into(),
        first_row,
        columns: cells(lines[0]),
        rows: lines[1..].iter().map(|line| ImportRow { values: cells(line) }).collect(),
    }
}

/// The lines of an export: header, then the records in the order of record_id.
pub fn export(map: &MapView, list: &str, columns: &[String]) -> Vec<String> {
    let (dbid, list) = records::find_list(map, list).unwrap();
    let rows = records::records_from(map, dbid, 0, u32::MAX).into_iter();
    let lines = rows.map(|(handle, record)| records::export_row(&list, handle, &record, columns).join(","));
    [columns.join(",")].into_iter().chain(lines).collect()
}

/// A reply as a line (or more, for an import) to compare and to read.
pub fn show(reply: &Reply) -> String {
    let pairs = |pairs: &[(String, Value)]| pairs.iter().map(pair).collect::<String>();
    let shown = match &reply.body {
        ReplyBody::Done(done) => format!("{}{}", done.event, pairs(&done.attributes)),
        ReplyBody::Refused(refusal) => {
            format!("{} \"{}\"{}", refusal.code.word(), refusal.message, pairs(&refusal.attributes))
        }
        ReplyBody::Again => "Again".to_owned(),
        ReplyBody::Imported(imported) => {
            let rejected = imported.rejected.iter().map(|row| format!("\n  row {}: {}", row.row, row.reason));
            let no_call = Some(imported.no_call).filter(|rows| *rows > 0).map(|rows| format!(" no_call={rows}"));
            format!(
                "Imported added={} duplicates={} made_ready={}{}{}",
                imported.added,
                imported.duplicates,
                imported.made_ready,
                no_call.unwrap_or_default(),
                rejected.collect::<String>()
            )
        }
    };
    if reply.replayed { format!("(replayed) {shown}") } else { shown }
}

fn pair((key, value): &(String, Value)) -> String {
    match value {
        Value::Int(number) => format!(" {key}={number}"),
        Value::Str(text) => format!(" {key}=\"{text}\""),
    }
}
