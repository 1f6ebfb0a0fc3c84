//! Random sequences of requests against the rules and against a naive model: same replies, same states, same next record.
//!
//! `OCS_SEQUENCES` says how many sequences (300), `OCS_FIRST_SEED` the seed of the first (1). A difference shows the seed and the
//! fewest of the steps up to it that still differ; `OCS_FIRST_SEED=n OCS_SEQUENCES=1` repeats sequence n alone.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // no other crate reads this; a test may unwrap

mod campaign;
mod compare;
mod config;
mod count;
mod due;
mod minimise;
mod model;
mod next;
mod phones;
mod random;
mod readings;
mod record;
mod steps;
mod time;
mod treat;

use std::{collections::BTreeMap, env, fmt::Write};

use config::{CUSTOMER_COLUMN, Config};
use minimise::{Deed, Done};
use model::Model;
use outbound::{
    Body, Command, Due, NewList, Origin, RULES_NEWEST, RaiseRules, Reply, ReplyBody, RequestId, UserField, Value, key,
};
use random::Random;
use records::{Key, MapView, Overlay, Row, Rules, decide};
use steps::{Step, any_add, any_step};

const SEQUENCES: u64 = 300;
const STEPS: u64 = 60;
/// Commands of due work until no work is left: the changes of a command may make other work due.
const DUE_COMMANDS: u32 = 4;
/// A preview that is asked again and again is a difference.
const AGAIN_MAX: u32 = 5;

#[test]
fn whatever_comes_the_rules_decide_as_the_model_does() {
    let number = |name: &str, default: u64| env::var(name).map_or(default, |text| text.parse().unwrap());
    let first = number("OCS_FIRST_SEED", 1);
    for seed in first..first + number("OCS_SEQUENCES", SEQUENCES) {
        let mut sequence = Sequence::begin(seed);
        if let Err(difference) = sequence.run() {
            panic!("{}", minimise::shown(seed, sequence.done, difference, &sequence.drawn));
        }
    }
}

/// A sequence under way.
struct Sequence {
    seed: u64,
    random: Random,
    model: Model,
    map: MapView,
    now_us: u64,
    counter: u64,
    /// The steps and the due work so far.
    done: Vec<Done>,
    /// The random bytes of the commands by their stamps: the same commands have the same bytes in a shorter sequence.
    drawn: BTreeMap<u64, Vec<u8>>,
    /// The steps so far, for a difference.
    trace: String,
}

impl Sequence {
    /// A group of nodes with lists and everything declared, and with some records.
    fn begin(seed: u64) -> Self {
        let mut random = Random(seed);
        let config = Config::any(&mut random);
        let now_us = u64::try_from(config.start_s).unwrap() * 1_000_000;
        let trace = format!("{config:#?}\n");
        let model = Model::new(config.clone());
        let mut sequence = Self {
            seed,
            random,
            model,
            map: MapView::default(),
            now_us,
            counter: 0,
            done: Vec::new(),
            drawn: BTreeMap::new(),
            trace,
        };
        for version in 2..=RULES_NEWEST {
            let settings = if version == 2 { config.settings() } else { Vec::new() };
            let raise = RaiseRules { to: version, settings, release: String::new() };
            let reply = sequence.decide(version, Body::RaiseRules(raise));
            assert!(matches!(reply.body, ReplyBody::Done(_)), "{reply:?}");
        }
        for list in &config.lists {
            let field = UserField {
                column: CUSTOMER_COLUMN.to_owned(),
                kind: "varchar(32)".to_owned(),
                default: String::new(),
                send_attribute: String::new(),
            };
            let (name, time_zone) = (list.name.to_owned(), list.zone.to_owned());
            sequence.ask(Body::CreateList(NewList { name, time_zone, fields: vec![field] }));
        }
        let rows = config.rows(&sequence.map);
        sequence.put(rows);
        sequence
    }

    fn put(&mut self, rows: Vec<(Key, Row)>) {
        let mut overlay = Overlay::new(&self.map);
        rows.into_iter().for_each(|(key, row)| overlay.put(key, row));
        let changes = overlay.into_changes();
        self.map.apply(&changes);
    }

    fn run(&mut self) -> Result<(), String> {
        for _ in 0..self.random.between(3, 20) {
            self.tick(1_000_000);
            let add = any_add(&mut self.random, &self.model, self.model.now_s());
            self.do_next(Deed::Step(Step::Add(add)))?;
        }
        for group in 0..self.model.config.groups.len() {
            if !self.random.one_in(10) {
                self.do_next(Deed::Step(Step::Campaign { verb: outbound::Verb::LoadCampaign, group }))?;
            }
        }
        for _ in 0..STEPS {
            self.pass_time();
            if !self.random.one_in(4) {
                self.do_next(Deed::Due)?;
            }
            let step = any_step(&mut self.random, &self.model, self.model.now_s());
            self.do_next(Deed::Step(step))?;
        }
        Ok(())
    }

    fn do_next(&mut self, deed: Deed) -> Result<(), String> {
        self.done.push(Done { now_us: self.now_us, deed: deed.clone() });
        match deed {
            Deed::Due => self.due(),
            Deed::Step(step) => self.step(&step),
        }
    }

    /// Moves the clock on, mostly by seconds, to a time at which nothing is just about to be due.
    fn pass_time(&mut self) {
        let longest_s = match self.random.below(20) {
            0..8 => 3,
            8..13 => 60,
            13..17 => 1_800,
            17..19 => 12 * 3_600,
            _ => 36 * 3_600,
        };
        let us = self.random.below(longest_s * 1_000_000);
        self.tick(us);
        while self.model.is_near_an_end() {
            self.tick(5_000_000);
        }
    }

    fn tick(&mut self, us: u64) {
        self.now_us += us + 10;
        self.model.now_us = self.now_us;
    }

    /// Decides a command under the newest rules.
    fn ask(&mut self, body: Body) -> Reply {
        self.decide(RULES_NEWEST, body)
    }

    fn decide(&mut self, rules: u32, body: Body) -> Reply {
        self.tick(0);
        self.counter += 1;
        let id = RequestId { node: 1, incarnation: 1, token: 1 << 100, counter: self.counter };
        let drawn = self.random.bytes(32);
        let random = self.drawn.entry(self.now_us).or_insert(drawn).clone();
        let command = Command { random, ..Command::new(rules, id, self.now_us, Origin::Http, body) };
        let (reply, changes, _) = decide(&command, &self.map, &Rules::default());
        self.map.apply(&changes);
        reply
    }

    /// Does a step, after due work if the step would show that work, and compares everything.
    fn step(&mut self, step: &Step) -> Result<(), String> {
        if step.needs_due() {
            self.due()?;
        }
        self.counter += 1;
        let request = step.request(&self.model.config, i64::try_from(self.counter).unwrap());
        let before = if let Step::Preview { .. } = step { compare::held_back(&self.map) } else { Vec::new() };
        let mut reply = self.ask(Body::Request(request.clone()));
        for _ in 0..AGAIN_MAX {
            if reply.body == ReplyBody::Again {
                reply = self.ask(Body::Request(request.clone()));
            }
        }
        let passed_s = i64::try_from(self.now_us / 1_000_000).unwrap() - self.model.config.start_s;
        writeln!(self.trace, "+{passed_s} s ({} us): {step:?}", self.now_us).unwrap();
        let expected = self.model.apply(step);
        if let Some(difference) = compare::reply(&expected, &reply) {
            return self.fail(&difference);
        }
        self.take_guid(step, &reply)?;
        let followed = compare::follow(&mut self.model, step, &before, &self.map);
        match followed.or_else(|| compare::state(&self.model, &self.map)) {
            Some(difference) => self.fail(&difference),
            None => Ok(()),
        }
    }

    fn due(&mut self) -> Result<(), String> {
        for _ in 0..DUE_COMMANDS {
            let reply = self.ask(Body::Due(Due { rows_max: 100 }));
            if matches!(reply.body, ReplyBody::Refused(_)) {
                return self.fail(&format!("what is due is refused: {reply:?}"));
            }
        }
        self.model.due();
        match compare::state(&self.model, &self.map) {
            Some(difference) => self.fail(&format!("{} us, after what is due:\n{difference}", self.now_us)),
            None => Ok(()),
        }
    }

    /// The GUID of an attempt is the reply's; no two attempts have the same.
    fn take_guid(&mut self, step: &Step, reply: &Reply) -> Result<(), String> {
        let (Step::Preview { .. }, ReplyBody::Done(done)) = (step, &reply.body) else { return Ok(()) };
        let value = |key: &str| done.attributes.iter().find(|(name, _)| name == key).map(|(_, value)| value);
        let (Some(Value::Int(handle)), Some(Value::Str(guid))) =
            (value(key::RECORD_HANDLE), value(key::CALL_ATTEMPT_GUID))
        else {
            return Ok(());
        };
        let record = self.model.records.iter_mut().find(|record| i64::try_from(record.handle) == Ok(*handle));
        let held = record.and_then(|record| record.held.as_mut());
        let Some(held) = held.filter(|held| held.guid != *guid) else { return Ok(()) };
        let is_new = held.guid.is_empty() && !self.model.guids.contains(guid);
        held.guid.clone_from(guid);
        self.model.guids.push(guid.clone());
        if is_new { Ok(()) } else { self.fail(&format!("the GUID {guid} is not new")) }
    }

    fn fail(&self, difference: &str) -> Result<(), String> {
        let Self { seed, trace, .. } = self;
        Err(format!("{trace}\nseed {seed}, after the last of these steps:\n{difference}\n"))
    }
}
