//! The outbox on real stores: effects outlive every move of a state, in their order and under their numbers.

#![allow(clippy::unwrap_used)] // a fault ends the test

use std::path::Path;

use consensus::{ApplyBatch, Machine};
use ocs_proto::peer::{Commands, Entry};
use outbound::{
    AcknowledgeEffects, Answer, Attributes, Body, Command, Effect, Handle, NewList, Origin, OutboxPage, Query,
    RULES_WITH_OUTBOX, RaiseRules, Request, RequestId, Resource, Setting, Value, Verb, key, wire::command_to_wire,
};
use pair::{
    StateReader,
    machine::{RecordsMachine, RecordsReader, StateOut, take_in},
};
use prost::Message;
use records::Rules;
use store::{Archive, ArchiveHead, ArchiveOut, StoreConfig, ingest};

const CLUSTER: [u8; 16] = [5; 16];

fn config() -> StoreConfig {
    StoreConfig { cache_bytes: 8 << 20, ..StoreConfig::new(CLUSTER) }
}

fn open(dir: &Path) -> RecordsMachine {
    RecordsMachine::open(dir, config(), Rules::default()).unwrap()
}

/// Applies one command as the next entry, in an epoch.
fn apply(machine: &mut RecordsMachine, epoch: u64, body: Body) {
    let index = machine.applied().index + 1;
    let id = RequestId { node: 1, incarnation: (epoch - 1) << 48 | 1, token: 9, counter: index };
    let stamp_us = 1_700_000_000_000_000 + index * 1_000;
    let command = Command::new(RULES_WITH_OUTBOX, id, stamp_us, Origin::Http, body);
    let commands = vec![command_to_wire(&command).encode_to_vec().into()];
    let entry = Entry { term: 2, index, data: Commands { commands }.encode_to_vec().into(), ..Entry::default() };
    machine.apply(&ApplyBatch { entries: &[entry], conf_state: &[] }, &mut |_| {}).unwrap();
}

fn add_record(number: u64) -> Body {
    let attributes: Attributes =
        [(key::PHONE.to_owned(), Value::text(format!("+1555{number:07}")))].into_iter().collect();
    let (verb, resource) = (Verb::AddRecord, Resource::List("demo".into()));
    let (tenant, principal) = (String::new(), String::new());
    Body::Request(Request { verb, resource, attributes, tenant, principal, idempotency_key: None })
}

/// Three added records, of which the first is acknowledged.
fn begin(machine: &mut RecordsMachine) {
    let settings = vec![Setting { key: "outbox_effects".into(), value: "record_added".into() }];
    let raise = RaiseRules { to: RULES_WITH_OUTBOX, settings, release: "0.1.0".into() };
    let list = NewList { name: "demo".into(), time_zone: String::new(), fields: Vec::new() };
    for body in [Body::RaiseRules(raise), Body::CreateList(list), add_record(1), add_record(2), add_record(3)] {
        apply(machine, 1, body);
    }
    apply(machine, 1, Body::AcknowledgeEffects(AcknowledgeEffects { up_to: 1 }));
}

fn page(reader: &RecordsReader, after: u64, rows_max: u32) -> OutboxPage {
    let mut answers = reader.query(Query::Outbox { after, rows_max }).unwrap_or_else(|refusal| panic!("{refusal:?}"));
    match (answers.next(), answers.next()) {
        (Some(Answer::Outbox(page)), None) => page,
        other => panic!("{other:?}"),
    }
}

/// Number, epoch and handle of every kept effect.
fn added(page: &OutboxPage) -> Vec<(u64, u64, u64)> {
    let facts = |kept: &outbound::KeptEffect| match kept.effect {
        Effect::RecordAdded { handle: Handle(handle), .. } => (kept.number, kept.epoch, handle),
        ref other => panic!("{other:?}"),
    };
    page.effects.iter().map(facts).collect()
}

#[test]
fn a_page_of_effects_goes_on_behind_a_number() {
    let dir = tempfile::tempdir().unwrap();
    let mut machine = open(dir.path());
    let reader = machine.reader();
    assert_eq!(page(&reader, 0, 9), OutboxPage::default());
    begin(&mut machine);
    let all = page(&reader, 0, u32::MAX);
    assert_eq!((all.last, all.gone, all.dropped), (3, 1, 0));
    assert_eq!(added(&all), [(2, 1, 2), (3, 1, 3)]);
    assert_eq!(added(&page(&reader, 0, 1)), [(2, 1, 2)]);
    assert_eq!(added(&page(&reader, 2, 9)), [(3, 1, 3)]);
    assert_eq!(page(&reader, u64::MAX, 9).effects, []);
    assert_eq!(page(&reader, 0, 0).effects, []);
}

#[test]
fn effects_outlive_a_restart_a_fetched_state_and_a_restored_backup_and_numbers_go_on() {
    let home = tempfile::tempdir().unwrap();
    let [own, other, fetched, restored] = ["own", "other", "fetched", "restored"].map(|name| home.path().join(name));
    let mut machine = open(&own);
    begin(&mut machine);
    let kept = page(&machine.reader(), 0, 9);
    machine.persist().unwrap();
    drop(machine);
    let machine = open(&own);
    let reader = machine.reader();
    assert_eq!(page(&reader, 0, 9), kept, "after a restart");

    let mut behind = open(&other);
    let chunks = StateOut::begin(&reader, CLUSTER, 1).unwrap().map(|chunk| chunk.map_err(|error| error.to_string()));
    behind.install(take_in(&fetched, &config(), chunks).unwrap()).unwrap();
    assert_eq!(page(&behind.reader(), 0, 9), kept, "on a node that fetched the state");

    let file: Vec<u8> = ArchiveOut::new(&reader.snapshot(), ArchiveHead::default()).flat_map(Result::unwrap).collect();
    let archive = Archive::open(&file[..]).unwrap();
    ingest(&restored, &config(), archive.chunks().map(|chunk| chunk.map_err(|error| error.to_string()))).unwrap();
    let mut machine = open(&restored);
    assert_eq!(page(&machine.reader(), 0, 9), kept, "after a restore");
    apply(&mut machine, 2, Body::AcknowledgeEffects(AcknowledgeEffects { up_to: 3 }));
    apply(&mut machine, 2, add_record(4));
    assert_eq!(added(&page(&machine.reader(), 0, 9)), [(4, 2, 4)], "the next number, in the new epoch");
    assert!(machine.reader().verify().unwrap().equal());
}
