//! The machine on a real store: the same entries make the same state, on every node and after every restart.

#![allow(clippy::unwrap_used)] // a fault ends the test

mod questions;

use std::{path::Path, time::Duration};

use consensus::{ApplyBatch, Comparison, FetchedState, Machine, MachineError};
use ocs_proto::peer::{Commands, ConfState, Entry};
use outbound::{
    Answer, Attributes, Body, Command, CreateToken, Cursor, DeleteRecords, ImportBatch, ImportRow, NewList, Origin,
    Page, Query, RULES_FIRST, RULES_NEWEST, RaiseRules, Refusal, RefusalCode, Reply, ReplyBody, Request, RequestId,
    Resource, RevokeToken, TokenInfo, UserField, Value, Verb, key, token_hash, token_id, wire::command_to_wire,
};
use pair::{
    StateReader,
    machine::{Finding, RecordsMachine, RecordsReader, StateOut, judge, take_in},
};
use prost::Message;
use records::{Change, Changes, DncRow, Key, NumberRow, Row, Rules};
use store::{AppliedMark, Store, StoreConfig};

const CLUSTER: [u8; 16] = [5; 16];

fn config() -> StoreConfig {
    StoreConfig { cache_bytes: 8 << 20, ..StoreConfig::new(CLUSTER) }
}

fn open(dir: &Path) -> RecordsMachine {
    RecordsMachine::open(dir, config(), Rules::default()).unwrap()
}

fn command(counter: u64, body: Body) -> Command {
    let (id, stamp_us) =
        (RequestId { node: 1, incarnation: 1, token: 0, counter }, 1_700_000_000_000_000 + counter * 1000);
    Command { random: vec![counter as u8; 16], ..Command::new(RULES_FIRST, id, stamp_us, Origin::Http, body) }
}

fn entry(index: u64, commands: &[Command]) -> Entry {
    let commands = commands.iter().map(|command| command_to_wire(command).encode_to_vec().into()).collect();
    Entry { term: 2, index, data: Commands { commands }.encode_to_vec().into(), ..Entry::default() }
}

fn create_list() -> Body {
    let field = UserField {
        column: "client_id".into(),
        kind: "varchar(20)".into(),
        default: "none".into(),
        send_attribute: String::new(),
    };
    Body::CreateList(NewList { name: "demo".into(), time_zone: String::new(), fields: vec![field] })
}

#[test]
fn a_preview_says_what_an_import_would_reject_and_leaves_the_state_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let mut machine = open(dir.path());
    let reader = machine.reader();
    let batch = |list: &str| ImportBatch {
        list: list.into(),
        import_id: vec![9; 32],
        first_row: 1,
        columns: vec!["contact_info".into(), "attempt".into()],
        rows: [["+15550000001", "1"], ["+15550000002", "many"], ["", "1"]]
            .map(|cells| ImportRow { values: cells.map(str::to_owned).to_vec() })
            .to_vec(),
    };
    let rejected = |reply: Reply| match reply.body {
        ReplyBody::Imported(imported) => imported.rejected.iter().map(|row| row.row).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let code = |reply: Reply| match reply.body {
        ReplyBody::Refused(refusal) => refusal.code,
        other => panic!("{other:?}"),
    };
    assert_eq!(code(reader.preview_import(batch("demo"), false)), RefusalCode::ListNotFound);
    assert_eq!(rejected(reader.preview_import(batch("demo"), true)), [2, 3]);
    apply(&mut machine, &[entry(1, &[command(1, create_list())])]);
    assert_eq!(code(reader.preview_import(batch("demo"), true)), RefusalCode::Conflict);
    for _ in 0..2 {
        assert_eq!(rejected(reader.preview_import(batch("demo"), false)), [2, 3], "nothing of the first one was kept");
    }
    assert_eq!(reader.records(), 0);
}

fn import(first_row: u64, rows: u64) -> Body {
    let row = |n| ImportRow { values: vec![format!("+1555{n:07}"), format!("client {n}")] };
    Body::ImportBatch(ImportBatch {
        list: "demo".into(),
        import_id: vec![9; 32],
        first_row,
        columns: vec!["contact_info".into(), "client_id".into()],
        rows: (first_row..first_row + rows).map(row).collect(),
    })
}

fn request(verb: Verb, resource: Resource, attributes: &[(&str, Value)]) -> Body {
    let attributes: Attributes = attributes.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let (tenant, principal) = (String::new(), String::new());
    Body::Request(Request { verb, resource, attributes, tenant, principal, idempotency_key: None })
}

fn add_record(phone: &str) -> Body {
    request(Verb::AddRecord, Resource::List("demo".into()), &[(key::PHONE, Value::text(phone))])
}

fn update(handle: u64, attempts: i64) -> Body {
    let resource = Resource::Record(outbound::Handle(handle));
    let attributes = [(key::ATTEMPTS, Value::Int(attempts)), ("unheard-of", Value::Int(1))];
    request(Verb::UpdateCallCompletionStats, resource, &attributes)
}

/// A list, 500 records, one more, then updates: one command an entry, a new leader's entry now and then.
fn story(last: u64) -> Vec<Entry> {
    (1..=last)
        .map(|index| match index {
            1 => entry(1, &[command(1, create_list())]),
            2 => entry(2, &[command(2, import(1, 500)), command(3, add_record("+49 30 1234"))]),
            _ if index % 50 == 0 => Entry { term: 2, index, ..Entry::default() },
            _ => entry(index, &[command(10 + index, update(1 + index % 500, index as i64))]),
        })
        .collect()
}

fn conf_state() -> Vec<u8> {
    ConfState { voters: vec![1, 2, 3], ..ConfState::default() }.encode_to_vec()
}

fn apply(machine: &mut RecordsMachine, entries: &[Entry]) -> Vec<(RequestId, Reply)> {
    let mut answers = Vec::new();
    machine.apply(&ApplyBatch { entries, conf_state: &conf_state() }, &mut |replies| answers.extend(replies)).unwrap();
    answers
}

/// The columns, the index and the pages of an export.
type Exported = (Vec<String>, u64, Vec<Page<ImportRow>>);

/// An export from a cursor on.
fn exported(reader: &RecordsReader, columns: &[&str], after: Option<Cursor>) -> Result<Exported, Refusal> {
    let columns = columns.iter().map(|column| (*column).to_owned()).collect();
    let (mut first, mut pages) = ((Vec::new(), 0), Vec::new());
    for answer in reader.query(Query::Export { list: "demo".into(), columns, after })? {
        let Answer::Rows { columns, index, page } = answer else { panic!("{answer:?}") };
        if pages.is_empty() {
            first = (columns, index);
        }
        pages.push(page);
    }
    Ok((first.0, first.1, pages))
}

fn values(pages: Vec<Page<ImportRow>>) -> Vec<Vec<String>> {
    pages.into_iter().flat_map(|page| page.rows).map(|row| row.values).collect()
}

fn rows(reader: &RecordsReader) -> Vec<Vec<String>> {
    values(exported(reader, &[], None).unwrap_or_else(|refusal| panic!("{refusal:?}")).2)
}

fn code(reply: &Reply) -> Option<RefusalCode> {
    match &reply.body {
        ReplyBody::Refused(refusal) => Some(refusal.code),
        _ => None,
    }
}

#[test]
fn commands_are_answered_in_order_under_their_ids() {
    let dir = tempfile::tempdir().unwrap();
    let mut machine = open(dir.path());
    let replies = apply(&mut machine, &story(3));
    assert_eq!(replies.iter().map(|(id, _)| id.counter).collect::<Vec<_>>(), [1, 2, 3, 13]);
    let ReplyBody::Imported(imported) = &replies[1].1.body else { panic!("{:?}", replies[1]) };
    assert_eq!((imported.added, imported.duplicates, imported.rejected.len()), (500, 0, 0));
    assert!(replies.iter().all(|(_, reply)| code(reply).is_none()), "{replies:?}");
    assert_eq!(machine.applied().index, 3);
    assert_eq!(machine.applied().conf_state.unwrap().voters, [1, 2, 3]);
}

#[test]
fn a_request_that_is_decided_again_keeps_its_answer() {
    let dir = tempfile::tempdir().unwrap();
    let mut machine = open(dir.path());
    let first = apply(&mut machine, &story(2));
    let again = apply(&mut machine, &[entry(3, &[command(3, add_record("+49 30 1234"))])]);
    assert_eq!(again[0].0, first[2].0);
    assert_eq!(again[0].1.body, first[2].1.body);
    assert_eq!(machine.reader().records(), 501);
}

#[test]
fn however_entries_are_batched_the_state_is_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (mut at_once, mut singly) = (open(&dir.path().join("a")), open(&dir.path().join("b")));
    let story = story(1100);
    let together = apply(&mut at_once, &story);
    let alone: Vec<_> = story.chunks(1).flat_map(|one| apply(&mut singly, one)).collect();
    assert_eq!(together, alone);
    assert_eq!(at_once.digest().unwrap().0, 1024);
    assert_eq!(at_once.digest(), singly.digest());
    assert_eq!(at_once.digest_at(1024), singly.digest_at(1024));
    let verified = [&at_once, &singly].map(|machine| machine.reader().verify().unwrap());
    assert!(verified[0].equal() && verified[0] == verified[1], "{verified:?}");
    assert_eq!(rows(&at_once.reader()), rows(&singly.reader()));
}

#[test]
fn a_machine_opened_again_goes_on_to_the_same_state() {
    let dir = tempfile::tempdir().unwrap();
    let story = story(1500);
    let mut whole = open(&dir.path().join("whole"));
    apply(&mut whole, &story);
    let mut machine = open(&dir.path().join("restarted"));
    apply(&mut machine, &story[..700]);
    assert_eq!(machine.persist().unwrap(), 700);
    drop(machine);
    let mut machine = open(&dir.path().join("restarted"));
    let from = usize::try_from(machine.applied().index).unwrap();
    assert_eq!(from, 700);
    apply(&mut machine, &story[from..]);
    assert_eq!(machine.digest(), whole.digest());
    assert_eq!(machine.reader().verify().unwrap(), whole.reader().verify().unwrap());
}

#[test]
fn entries_without_commands_only_move_the_index() {
    let dir = tempfile::tempdir().unwrap();
    let mut machine = open(dir.path());
    assert_eq!(machine.applied().conf_state, None);
    let change = Entry { kind: 2, term: 1, index: 2, data: vec![1, 2, 3].into(), ..Entry::default() };
    let empty = Entry { term: 1, index: 3, ..Entry::default() };
    assert_eq!(apply(&mut machine, &[change, empty]), []);
    assert_eq!((machine.applied().index, machine.applied().term), (3, 1));
    assert_eq!(machine.reader().verify().unwrap().rows, 0);
}

#[test]
fn an_entry_of_an_unknown_version_stops_the_machine_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut machine = open(dir.path());
    let newer = Command { rules: RULES_NEWEST + 1, ..command(1, create_list()) };
    let mut format = command_to_wire(&command(1, create_list()));
    format.format = 99;
    let data = Commands { commands: vec![format.encode_to_vec().into()] }.encode_to_vec();
    let bad = [
        (entry(1, &[newer]), &*format!("rules version {}", RULES_NEWEST + 1)),
        (Entry { data: data.into(), ..entry(1, &[]) }, "command format 99"),
        (Entry { data: vec![255; 9].into(), ..entry(1, &[]) }, "not a list of commands"),
    ];
    for (entry, why) in bad {
        let Err(MachineError::Entry { index: 1, reason }) =
            machine.apply(&ApplyBatch { entries: &[entry], conf_state: &[] }, &mut |_| panic!("{why} was answered"))
        else {
            panic!("{why} was applied")
        };
        assert!(reason.contains(why), "{reason}");
        assert_eq!(machine.applied().index, 0);
    }
}

#[test]
fn no_reply_leaves_that_was_decided_below_a_fault_of_the_state() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), config()).unwrap();
    let set = |key, row| Change { key, old: None, new: Some(row) };
    let unreadable = set(Key::List(777), Row::Dnc(DncRow { stamp_us: 1, ..DncRow::default() })); // no list has these bytes
    let name = set(Key::ListByName("demo".into()), Row::ListByName(NumberRow { number: 777 }));
    let mark = AppliedMark { index: 1, term: 2, conf_state: Vec::new() };
    store.write(&Changes(vec![unreadable, name]), &mark).unwrap();
    store.persist().unwrap();
    drop(store);

    let mut machine = open(dir.path());
    let list = |name: u64| NewList { name: name.to_string(), time_zone: String::new(), fields: Vec::new() };
    let mut commands: Vec<_> = (1..=20).map(|n| command(n, Body::CreateList(list(n)))).collect();
    commands.push(command(21, add_record("+15550000001")));
    commands.extend((22..=60).map(|n| command(n, Body::CreateList(list(n)))));
    let mut replies = 0;
    let batch = ApplyBatch { entries: &[entry(2, &commands)], conf_state: &[] };
    let failed = machine.apply(&batch, &mut |given| replies += given.len());
    assert!(matches!(failed, Err(MachineError::Store(_))), "{failed:?}");
    assert_eq!(replies, 16, "a group of replies from before the fault");
    assert_eq!(machine.applied().index, 1);
}

#[test]
fn an_ignored_key_is_counted_where_its_entry_is_applied() {
    let dir = tempfile::tempdir().unwrap();
    let mut machine = open(dir.path());
    let reader = machine.reader();
    for (last, ignored) in [(2, 0), (3, 1), (5, 3)] {
        let applied = usize::try_from(machine.applied().index).unwrap();
        apply(&mut machine, &story(last)[applied..]);
        assert_eq!(reader.ignored_keys(), ignored, "of the first {last} entries");
    }
}

#[test]
fn clients_updates_and_the_time_by_their_stamps_are_counted_where_entries_are_applied() {
    let dir = tempfile::tempdir().unwrap();
    let mut machine = open(dir.path());
    let reader = machine.reader();
    assert_eq!((reader.client_updates(), reader.stamped_time()), (0, Duration::ZERO));
    apply(&mut machine, &story(3)); // the counters 1, 2, 3 and 13, a millisecond each
    assert_eq!((reader.client_updates(), reader.stamped_time()), (4, Duration::from_millis(1012)));
}

#[test]
fn reads_lists_and_exports_show_what_was_applied() {
    let dir = tempfile::tempdir().unwrap();
    let mut machine = open(dir.path());
    let reader = machine.reader();
    assert_eq!((reader.records(), reader.last_stamp_us(), reader.lists(None).len()), (0, 0, 0));
    apply(&mut machine, &story(2));
    assert_eq!((reader.records(), reader.last_stamp_us()), (501, 1_700_000_000_003_000));
    let lists = reader.lists(Some("demo"));
    assert_eq!((lists.len(), lists[0].records, lists[0].fields.len()), (1, 501, 1));
    assert_eq!(reader.lists(Some("none")), []);
    assert_eq!(code(&reader.read_by_id("none", 1)), Some(RefusalCode::ListNotFound));
    assert_eq!(code(&reader.read_by_id("demo", 9999)), Some(RefusalCode::RecordNotFound));
    let first = lists[0].next_record_id - 501;
    assert_eq!(code(&reader.read_by_id("demo", first)), None);

    let rows = rows(&reader);
    let ids: Vec<u64> = rows.iter().map(|row| row[0].parse().unwrap()).collect();
    assert!(ids.len() == 501 && ids.is_sorted());
    let some = ["CLIENT_ID", "contact_info"];
    let (columns, index, pages) = exported(&reader, &some, None).unwrap_or_else(|refusal| panic!("{refusal:?}"));
    assert_eq!(
        (columns.as_slice(), index, pages.last().unwrap().next.clone()),
        (&some.map(str::to_owned)[..], 2, None)
    );
    assert_eq!(pages[0].rows[0].values, ["client 1", "+15550000001"]);
    let behind = Cursor((first + 1).to_be_bytes().to_vec());
    assert_eq!(values(exported(&reader, &[], Some(behind)).unwrap().2), rows[1..]);
    let refused = |columns: &[&str], after| exported(&reader, columns, after).err().map(|refusal| refusal.code);
    assert_eq!(refused(&["no such"], None), Some(RefusalCode::BadValue));
    assert_eq!(refused(&[], Some(Cursor(vec![1]))), Some(RefusalCode::BadValue));
}

#[test]
fn a_state_fetched_from_another_node_replaces_this_one_under_its_readers() {
    let dir = tempfile::tempdir().unwrap();
    let story = story(1300);
    let (mut ahead, mut behind) = (open(&dir.path().join("ahead")), open(&dir.path().join("behind")));
    apply(&mut ahead, &story[..1200]);
    apply(&mut behind, &story[..10]);
    let (reader, from) = (behind.reader(), ahead.reader());
    assert!(StateOut::begin(&from, CLUSTER, 1201).is_none());
    let chunks = StateOut::begin(&from, CLUSTER, 1200).unwrap().map(|chunk| chunk.map_err(|error| error.to_string()));
    let chunks: Vec<_> = chunks.map(Result::unwrap).collect();
    assert!(chunks[0].mark.is_some() && chunks.last().is_some_and(|last| last.last && last.digest.len() == 16));

    let fetched = dir.path().join("fetched");
    let fetched: FetchedState = take_in(&fetched, &config(), chunks.into_iter().map(Ok)).unwrap();
    assert_eq!(fetched.mark, ahead.applied());
    assert_eq!(behind.install(fetched).unwrap(), ahead.applied());

    assert_eq!(behind.digest(), ahead.digest());
    assert_eq!(rows(&reader), rows(&from));
    apply(&mut ahead, &story[1200..]);
    apply(&mut behind, &story[1200..]);
    assert_eq!(ahead.reader().verify().unwrap(), behind.reader().verify().unwrap());
}

#[test]
fn a_state_that_is_not_what_the_log_makes_of_the_last_agreed_one_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let mut machine = open(dir.path());
    let entries = story(2048);
    apply(&mut machine, &entries);
    let state = machine.reader();
    let agreed = state.at_digest(1024).unwrap();
    let ours = machine.digest_at(2048).unwrap();
    let at = |ours| Comparison { peer: 2, index: 2048, ours, theirs: 1 };
    let by_log = Some((&agreed, &entries[1024..]));
    assert_eq!(judge(&state, by_log, &Rules::default(), &at(ours)), Finding::Sound);
    let wrong = judge(&state, by_log, &Rules::default(), &at(ours + 1));
    assert!(matches!(&wrong, Finding::Wrong(why) if why.contains("index 1024, where the nodes agreed")), "{wrong:?}");
    // Without a state to replay from only the rows can tell, and these are as they were written.
    assert_eq!(judge(&state, None, &Rules::default(), &at(ours + 1)), Finding::Sound);
}

/// A command with the stamp of a group whose rules version was raised.
fn raised_command(counter: u64, body: Body) -> Command {
    Command { rules: RULES_NEWEST, ..command(counter, body) }
}

#[test]
fn a_list_goes_in_batches_over_a_restart_and_every_way_to_apply_them_makes_one_state() {
    let raise = Body::RaiseRules(RaiseRules { to: RULES_NEWEST, settings: Vec::new(), release: "0.1.0".into() });
    let batch = |index| {
        let body = Body::DeleteRecords(DeleteRecords { list: 101, rows_max: 200 });
        entry(index, &[raised_command(100 + index, body)])
    };
    let marked =
        [entry(11, &[raised_command(111, raise)]), entry(12, &[raised_command(112, Body::DeleteList("demo".into()))])];
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut machine = open(one.path());
    apply(&mut machine, &story(10));
    apply(&mut machine, &[marked[0].clone(), marked[1].clone(), batch(13)]);
    assert_eq!(machine.reader().records(), 301);
    machine.persist().unwrap();
    drop(machine);

    let mut machine = open(one.path());
    let reader = machine.reader();
    let list = &reader.lists(Some("demo"))[0];
    assert_eq!((list.deleting, list.records), (true, 301));
    assert_eq!(code(&reader.read_by_id("demo", 450)), Some(RefusalCode::RecordNotFound), "marked, and still there");
    assert_eq!(exported(&reader, &[], None).err().map(|refusal| refusal.code), Some(RefusalCode::Conflict));
    (14..=15).for_each(|index| drop(apply(&mut machine, &[batch(index)])));
    assert_eq!((reader.records(), reader.lists(None).len()), (0, 0));
    assert!(reader.verify().unwrap().equal());

    let mut at_once = open(other.path());
    let entries: Vec<Entry> = story(10).into_iter().chain(marked).chain((13..=15).map(batch)).collect();
    apply(&mut at_once, &entries);
    assert_eq!(at_once.reader().verify().unwrap().recomputed, reader.verify().unwrap().recomputed);
}

/// The names of the tokens as each reply is given.
fn known(machine: &mut RecordsMachine, entries: &[Entry]) -> Vec<Vec<String>> {
    let (reader, mut known) = (machine.reader(), Vec::new());
    let mut see = |replies: Vec<(RequestId, Reply)>| {
        let names = || reader.api_tokens().values().map(|token| token.name.clone()).collect();
        known.extend(replies.iter().map(|_| names()));
    };
    machine.apply(&ApplyBatch { entries, conf_state: &conf_state() }, &mut see).unwrap();
    known
}

#[test]
fn a_token_counts_and_counts_no_longer_before_its_command_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let hash = token_hash(b"ocs_1");
    let mut machine = open(&dir.path().join("ahead"));
    let raise = Body::RaiseRules(RaiseRules { to: RULES_NEWEST, settings: Vec::new(), release: "0.1.0".into() });
    apply(&mut machine, &[entry(1, &[command(1, create_list())]), entry(2, &[command(2, raise)])]);
    let create = |lists: &[&str]| {
        let lists = lists.iter().map(|list| (*list).to_owned()).collect();
        let scopes = vec!["read".to_owned(), "update".to_owned()];
        Body::CreateToken(CreateToken { hash: hash.to_vec(), name: "crm".into(), scopes, lists, ..Default::default() })
    };
    let made = entry(3, &[raised_command(3, create(&["demo"]))]);
    assert_eq!(known(&mut machine, &[made]), [["crm"]]);
    let token = machine.reader().api_tokens()[&hash].clone();
    assert_eq!((token.id, token.lists, token.scopes.words()), (token_id(&hash), vec![101], vec!["read", "update"]));
    let answers: Vec<Answer> = machine.reader().query(Query::Tokens).unwrap().collect();
    let [Answer::Tokens(infos)] = answers.as_slice() else { panic!("{answers:?}") };
    let info: TokenInfo = infos[0].clone();
    assert_eq!((info.name.as_str(), info.lists, info.created_by.as_str()), ("crm", vec!["demo".to_owned()], ""));

    machine.persist().unwrap();
    drop(machine);
    let mut machine = open(&dir.path().join("ahead"));
    assert_eq!(machine.reader().api_tokens().len(), 1, "read from the rows at the start");
    let revoke = Body::RevokeToken(RevokeToken { id: token_id(&hash) });
    assert_eq!(known(&mut machine, &[entry(4, &[raised_command(4, revoke)])]), [Vec::<String>::new()]);
    let again = entry(5, &[raised_command(5, create(&[])), raised_command(6, update(1, 1))]);
    assert_eq!(known(&mut machine, &[again]), [["crm"], ["crm"]]);
}

#[test]
fn a_fetched_state_brings_its_tokens() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ahead, mut behind) = (open(&dir.path().join("ahead")), open(&dir.path().join("behind")));
    let raise = Body::RaiseRules(RaiseRules { to: RULES_NEWEST, settings: Vec::new(), release: "0.1.0".into() });
    let token = |number: u8| CreateToken {
        hash: token_hash(&[number]).to_vec(),
        name: format!("{number}"),
        scopes: vec!["admin".into()],
        ..Default::default()
    };
    let made = |number: u8| raised_command(10 * u64::from(number), Body::CreateToken(token(number)));
    let first = [entry(1, &[command(1, raise)]), entry(2, &[made(1)])];
    apply(&mut behind, &first);
    apply(&mut ahead, &first);
    let rest: Vec<Entry> = (3..=1024).map(|index| Entry { term: 2, index, ..Entry::default() }).collect();
    apply(
        &mut ahead,
        &[entry(3, &[raised_command(15, Body::RevokeToken(RevokeToken { id: token_id(&token_hash(&[1])) }))])],
    );
    apply(&mut ahead, &[entry(4, &[made(2)])]);
    apply(&mut ahead, &rest[2..]);
    let chunks = StateOut::begin(&ahead.reader(), CLUSTER, 1024).unwrap();
    let chunks: Vec<_> = chunks.map(Result::unwrap).collect();
    let fetched: FetchedState = take_in(&dir.path().join("fetched"), &config(), chunks.into_iter().map(Ok)).unwrap();
    let reader = behind.reader();
    behind.install(fetched).unwrap();
    assert_eq!(reader.api_tokens().values().map(|token| token.name.as_str()).collect::<Vec<_>>(), ["2"]);
}
