//! The cost of applying one update on the apply thread: the rules, the state and its engine, without network or log.
//!
//! A benchmark, not a test: `cargo run --release -p node --example apply_bench -- [COMMANDS] [RECORDS] [COMMANDS OF AN ENTRY]`.
//! Stamps run at 10,000 updates a second, so that from 600,000 commands on each command also forgets an old one.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a fault ends the benchmark, and figures go to standard output

use std::time::{Duration, Instant};

use consensus::{ApplyBatch, Machine};

use ocs_proto::peer::{Commands, Entry};
use outbound::{
    Attributes, Body, Command, Handle, ImportBatch, ImportRow, NewList, Origin, RULES_FIRST, Request, RequestId,
    Resource, UserField, Value, Verb, wire::command_to_wire,
};
use pair::machine::RecordsMachine;
use prost::Message;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use records::Rules;
use store::StoreConfig;

/// Rows of an import entry.
const IMPORT_ROWS: u64 = 500;
/// Stamped time between two commands.
const STEP_US: u64 = 100;
/// Commands between two lines of figures.
const REPORT_EVERY: u64 = 100_000;

#[global_allocator]
static ALLOCATOR: node::memory::Jemalloc = node::memory::Jemalloc;

fn main() {
    let given: Vec<u64> = std::env::args().skip(1).map(|given| given.parse().expect("a number")).collect();
    let of = |at: usize, default| given.get(at).copied().unwrap_or(default);
    let (commands, records, per_entry) = (of(0, 1_000_000), of(1, 10_000), of(2, 20));
    let dir = tempfile::tempdir().unwrap();
    let config = StoreConfig::new([5; 16]);
    let mut bench = Bench {
        machine: RecordsMachine::open(dir.path(), config, Rules::default()).unwrap(),
        random: SmallRng::seed_from_u64(1),
        index: 0,
        counter: 0,
        spent: Duration::ZERO,
    };
    bench.apply(&[create_list()]);
    (0..records.div_ceil(IMPORT_ROWS))
        .for_each(|at| bench.apply(&[import(at * IMPORT_ROWS, IMPORT_ROWS.min(records))]));
    bench.updates(commands, records, per_entry);
}

struct Bench {
    machine: RecordsMachine,
    random: SmallRng,
    index: u64,
    counter: u64,
    spent: Duration,
}

impl Bench {
    fn updates(&mut self, commands: u64, records: u64, per_entry: u64) {
        let (mut told, mut since) = (self.counter, Instant::now());
        self.spent = Duration::ZERO;
        let end = self.counter + commands;
        while self.counter < end {
            let bodies: Vec<Body> = (0..per_entry).map(|_| self.update(records)).collect();
            self.apply(&bodies);
            if self.counter - told >= REPORT_EVERY {
                let done = self.counter - told;
                let (spent_us, wall_s) = (self.spent.as_micros() as f64 / done as f64, since.elapsed().as_secs_f64());
                println!("{:>9} commands: {spent_us:6.2} us of the thread each, {wall_s:.2} s", self.counter);
                (told, since, self.spent) = (self.counter, Instant::now(), Duration::ZERO);
                self.machine.persist().unwrap();
            }
        }
    }

    fn update(&mut self, records: u64) -> Body {
        let handle = Handle(self.random.random_range(1..=records));
        let mut text = || Value::text(format!("{:0>128}", self.random.random::<u64>()));
        let attributes: Attributes = [("note".to_owned(), text()), ("memo".to_owned(), text())].into_iter().collect();
        let (tenant, principal) = (String::new(), String::new());
        let (verb, resource) = (Verb::UpdateCallCompletionStats, Resource::Record(handle));
        Body::Request(Request { verb, resource, attributes, tenant, principal, idempotency_key: None })
    }

    fn apply(&mut self, bodies: &[Body]) {
        let commands = bodies.iter().map(|body| {
            self.counter += 1;
            let (id, stamp_us) = (
                RequestId { node: 1, incarnation: 1, token: 0, counter: self.counter },
                1_700_000_000_000_000 + self.counter * STEP_US,
            );
            let command =
                Command { random: vec![7; 16], ..Command::new(RULES_FIRST, id, stamp_us, Origin::Http, body.clone()) };
            command_to_wire(&command).encode_to_vec().into()
        });
        let data = Commands { commands: commands.collect() }.encode_to_vec().into();
        self.index += 1;
        let entry = Entry { term: 1, index: self.index, data, ..Entry::default() };
        let before = thread_time();
        let mut answered = 0;
        let batch = ApplyBatch { entries: &[entry], conf_state: &[] };
        self.machine.apply(&batch, &mut |replies| answered += replies.len()).unwrap();
        self.spent += thread_time() - before;
        assert_eq!(answered, bodies.len());
    }
}

fn create_list() -> Body {
    let field = |name: &str| UserField {
        column: name.into(),
        kind: "varchar(255)".into(),
        default: "-".into(),
        send_attribute: String::new(),
    };
    Body::CreateList(NewList {
        name: "bench".into(),
        time_zone: String::new(),
        fields: vec![field("note"), field("memo")],
    })
}

fn import(first_row: u64, rows: u64) -> Body {
    let row = |n| ImportRow { values: vec![format!("+9995{n:08}")] };
    Body::ImportBatch(ImportBatch {
        list: "bench".into(),
        import_id: vec![9; 32],
        first_row,
        columns: vec!["contact_info".into()],
        rows: (first_row..first_row + rows).map(row).collect(),
    })
}

/// Processor time of this thread.
fn thread_time() -> Duration {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(spent.split(' ').next().unwrap().parse().unwrap())
}
