//! Callers at both nodes work a campaign off while the primary is killed, moved or paused: see `docs/drills/campaign-callers.md`.
//! Called by `drill`.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use ocs_ha_tests::{
    Cluster, Row,
    campaign::{Agent, HandedOut, declare, import, load, shown},
    drill::{DATA, Drill, Plain, Round, Stage},
    until, until_some_within,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::json;

use crate::{kill_primary, pause_primary, switchover};

pub(crate) const DRILL: Drill =
    Drill { name: "campaign-callers", bar: None, network: false, scenario: || Box::new(Plain(round)) };

/// The faults, a round each in turn.
const FAULTS: [fn(&mut Stage) -> Round; 3] = [kill_primary::round, switchover::round, pause_primary::round];

const CALLERS: usize = 64;
/// Chains of one to four records, 2.5 on average.
const CHAINS: u64 = 4_000;
const RECORDS: usize = 10_000;
/// Every eighth chain, of four records, is called number by number; of each other chain the first number alone.
const BY_NUMBER: u64 = 8;
/// Hand-outs before the fault: a quarter of all.
const BEFORE: usize = 1_400;

/// Length of a call.
const TALK: Duration = Duration::from_millis(120);
/// Pause of a caller that found no record.
const EMPTY_PAUSE: Duration = Duration::from_millis(100);
/// The work is done once every caller has found no record so many times since the last hand-out.
const EMPTIES: usize = 10;
/// Longer than any round.
const WORK_MAX: Duration = Duration::from_secs(120);
/// Time for a node to apply the last updates.
const APPLIED_MAX: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(100);

/// The ways of a caller with requests and answers; each has a campaign group of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Habit {
    /// Each request has an Idempotency-Key.
    Keyed,
    /// No request has a key, and a preview without an answer is asked again: the record of a lost answer stays held.
    Keyless,
    /// No request has a key, and half of the answers are thrown away. The limit of the group finds the record again.
    Careless,
}

use Habit::{Careless, Keyed, Keyless};

impl Habit {
    const ALL: [Self; 3] = [Keyed, Keyless, Careless];

    /// The campaign group in a round.
    fn group(self, round: u32) -> String {
        format!("Callers{round}@{self:?}")
    }
}

fn list(round: u32) -> String {
    format!("callers-{round}")
}

/// The declaration of a round. No answer leads to the next number of a chain.
fn declared(round: u32) -> String {
    let mut text = format!(
        r#"
[[treatments]]
name = "next-number"
call_result = "NoAnswer"
number = 1
action = "NextInChain"

[[lists]]
name = "{list}"
treatments = ["next-number"]

[[campaigns]]
name = "Callers{round}"
lists = [{{ list = "{list}" }}]
"#,
        list = list(round)
    );
    for habit in Habit::ALL {
        let limit = u32::from(habit == Careless);
        let group = format!(
            "\n[[campaign_groups]]\ncampaign = \"Callers{round}\"\ngroup = \"{habit:?}\"\ndesktop_chains_limit = {limit}\n"
        );
        text.push_str(&group);
    }
    text
}

/// The count of records of a chain.
fn length(chain: u64) -> u64 {
    chain % 4 + 1
}

/// Whether every number of a chain is called: no number answers.
fn is_called_by_number(chain: u64) -> bool {
    chain % BY_NUMBER == BY_NUMBER - 1
}

fn people() -> String {
    let mut rows = "record_id,contact_info,chain_id,chain_n\n".to_owned();
    let places = (1..=CHAINS).flat_map(|chain| (0..length(chain)).map(move |chain_n| (chain, chain_n)));
    for (record_id, (chain, chain_n)) in (1..).zip(places) {
        writeln!(rows, "{record_id},+9997{record_id:07},{chain},{chain_n}").expect("a String takes every line");
    }
    rows
}

/// The work of all callers.
#[derive(Debug)]
struct Work {
    fetched: AtomicUsize,
    /// How often each caller found no record since the last hand-out.
    empties: Vec<AtomicUsize>,
    over: AtomicBool,
}

impl Work {
    fn new() -> Self {
        let empties = (0..CALLERS).map(|_| AtomicUsize::new(0)).collect();
        Self { fetched: AtomicUsize::new(0), empties, over: AtomicBool::new(false) }
    }

    fn note_fetched(&self) {
        self.fetched.fetch_add(1, Relaxed);
        self.empties.iter().for_each(|empties| empties.store(0, Relaxed));
    }

    fn wait_fetched(&self, records: usize) {
        until(&format!("{records} records are handed out"), || self.fetched.load(Relaxed) >= records);
    }

    /// Waits until no caller finds a record.
    fn wait_done(&self) {
        let is_idle = |empties: &AtomicUsize| empties.load(Relaxed) >= EMPTIES;
        until_some_within(WORK_MAX, "no caller finds a record", || self.empties.iter().all(is_idle).then_some(()));
    }
}

/// Ends the callers' work with the round's, even where the round fails.
struct EndOfWork<'a>(&'a Work);

impl Drop for EndOfWork<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Relaxed);
    }
}

/// A record in the hands of a caller.
#[derive(Debug)]
struct HandOut {
    record: HandedOut,
    heard: Instant,
    /// Begin of the report: the record was held until then at least.
    ended: Instant,
}

#[derive(Debug)]
struct Caller {
    agent: Agent,
    group: String,
    habit: Habit,
    rng: StdRng,
}

impl Caller {
    fn new(stage: &mut Stage, number: usize) -> Self {
        let habit = Habit::ALL[number / DATA.len() % Habit::ALL.len()];
        let name = format!("caller-{}-{number}", stage.number);
        let agent = Agent::new(&stage.cluster, &name, DATA[number % DATA.len()], habit == Keyed);
        Self { agent, group: habit.group(stage.number), habit, rng: StdRng::seed_from_u64(stage.rng.random()) }
    }

    /// Works until the end; returns the calls made, and how many records may be held without the caller's knowledge.
    fn works(mut self, number: usize, work: &Work) -> (Vec<HandOut>, u64) {
        let mut calls = Vec::new();
        while !work.over.load(Relaxed) {
            let Some(record) = self.fetch() else {
                work.empties[number].fetch_add(1, Relaxed);
                thread::sleep(EMPTY_PAUSE);
                continue;
            };
            work.note_fetched();
            calls.push(self.call(record, TALK));
        }
        while self.habit == Careless
            && let Some(record) = self.agent.preview(&self.group)
        {
            calls.push(self.call(record, Duration::ZERO)); // its answer was thrown away
        }
        (calls, if self.habit == Keyless { self.agent.unknown() } else { 0 })
    }

    fn call(&mut self, record: HandedOut, talk: Duration) -> HandOut {
        let heard = Instant::now();
        thread::sleep(talk);
        let ended = Instant::now();
        let result = if is_called_by_number(record.chain) { "NoAnswer" } else { "Answer" };
        self.agent.report(&record, result);
        HandOut { record, heard, ended }
    }

    fn fetch(&mut self) -> Option<HandedOut> {
        let mut thrown = None;
        while self.habit == Careless && self.rng.random_ratio(1, 2) {
            if self.rng.random_ratio(1, 2) {
                self.agent.preview_unheard(&self.group);
            } else {
                let heard = self.agent.preview(&self.group);
                same(&thrown, &heard);
                thrown = heard;
            }
        }
        let heard = self.agent.preview(&self.group);
        same(&thrown, &heard);
        heard
    }
}

/// A caller that has thrown a record away gets the same record in the same attempt.
fn same(thrown: &Option<HandedOut>, heard: &Option<HandedOut>) {
    assert!(thrown.is_none() || thrown == heard, "{thrown:?} was thrown away, and then came {heard:?}");
}

/// No careless caller holds a second record, however many answers were thrown away; no caller with keys holds a record without
/// knowing.
fn nobody_holds_too_many(cluster: &Cluster, round: u32) {
    let group = shown(cluster, &Careless.group(round));
    let agents = group["agents"].as_array().unwrap_or_else(|| panic!("{group}"));
    assert!(agents.iter().all(|agent| agent["records"] == 1), "{group}");
    let keyed = shown(cluster, &Keyed.group(round));
    let agents = keyed["agents"].as_array().unwrap_or_else(|| panic!("{keyed}"));
    assert!(agents.iter().all(|agent| agent["records"] == 1), "{keyed}");
}

fn held(cluster: &Cluster, group: &str) -> u64 {
    let shown = shown(cluster, group);
    shown["held_total"].as_u64().unwrap_or_else(|| panic!("{shown}"))
}

fn round(stage: &mut Stage) -> Round {
    let number = stage.number;
    declare(&stage.cluster, &declared(number));
    import(&stage.cluster, &list(number), &people());
    Habit::ALL.iter().for_each(|habit| load(&stage.cluster, &habit.group(number)));
    let callers: Vec<Caller> = (0..CALLERS).map(|caller| Caller::new(stage, caller)).collect();
    let work = &Work::new();
    let (befallen, worked) = thread::scope(|scope| {
        let end_of_work = EndOfWork(work);
        let callers = callers.into_iter().enumerate();
        let callers: Vec<_> = callers.map(|(number, caller)| scope.spawn(move || caller.works(number, work))).collect();
        work.wait_fetched(BEFORE);
        let befallen = FAULTS[(number as usize - 1) % FAULTS.len()](stage);
        nobody_holds_too_many(&stage.cluster, number);
        work.wait_done();
        nobody_holds_too_many(&stage.cluster, number);
        drop(end_of_work);
        let worked: Vec<_> =
            callers.into_iter().map(|caller| caller.join().expect("a caller does not panic")).collect();
        (befallen, worked)
    });
    let unknown: u64 = worked.iter().map(|(_, unknown)| unknown).sum();
    let mut calls: Vec<HandOut> = worked.into_iter().flat_map(|(calls, _)| calls).collect();
    [Keyed, Careless].iter().for_each(|habit| assert_eq!(held(&stage.cluster, &habit.group(number)), 0, "{habit:?}"));
    let lost = held(&stage.cluster, &Keyless.group(number));
    assert!(lost <= unknown, "{lost} records are held without a caller's knowledge after {unknown} lost answers");
    calls.extend(work_off_the_rest(stage));
    each_number_was_handed_out_once(&calls);
    the_list_is_worked_off(stage);
    let what = format!("{}; {} calls, {lost} answers lost", befallen.what, calls.len());
    Round { what, outage: befallen.outage, barred: false }
}

/// Records whose answers were lost are held still, and their chains wait: the group is unloaded and loaded again.
fn work_off_the_rest(stage: &mut Stage) -> Vec<HandOut> {
    let (number, group) = (stage.number, Keyless.group(stage.number));
    let agent = Agent::new(&stage.cluster, &format!("closer-{number}"), "a", true);
    let mut closer = Caller { agent, group: group.clone(), habit: Keyed, rng: StdRng::seed_from_u64(0) };
    let unloaded = closer.agent.ask(&format!("/campaigngroups/{group}?req=ForceUnloadCampaign"), &json!({}));
    assert_eq!(unloaded.status, 200, "{unloaded:?}");
    until("the records are given back", || held(&stage.cluster, &group) == 0);
    load(&stage.cluster, &group);
    let mut calls = Vec::new();
    while let Some(record) = closer.fetch() {
        calls.push(closer.call(record, Duration::ZERO));
    }
    calls
}

/// Each chain was handed out once, by its first number, or number by number; no two numbers of a chain were held at a time.
fn each_number_was_handed_out_once(calls: &[HandOut]) {
    let mut by_chain: BTreeMap<u64, Vec<&HandOut>> = BTreeMap::new();
    calls.iter().for_each(|call| by_chain.entry(call.record.chain).or_default().push(call));
    for chain in 1..=CHAINS {
        let mut of_chain = by_chain.remove(&chain).unwrap_or_default();
        of_chain.sort_by_key(|call| call.heard);
        let numbers: Vec<u64> = of_chain.iter().map(|call| call.record.chain_n).collect();
        let wanted = if is_called_by_number(chain) { length(chain) } else { 1 };
        assert!(numbers.iter().copied().eq(0..wanted), "chain {chain}: of {wanted} numbers, in turn: {of_chain:?}");
        let overlap = of_chain.windows(2).find(|pair| pair[1].heard < pair[0].ended);
        assert!(overlap.is_none(), "two numbers of chain {chain} were held at a time: {overlap:?}");
    }
    assert!(by_chain.is_empty(), "records of chains that were never added: {by_chain:?}");
}

/// At each node every number that was called is Updated after one attempt, and every other number is ChainUpdated after none.
fn the_list_is_worked_off(stage: &Stage) {
    for node in DATA {
        let begun = Instant::now();
        loop {
            let rows = stage.cluster.export(&list(stage.number), node);
            let other = rows.iter().find(|row| !is_worked_off(row));
            if rows.len() == RECORDS && other.is_none() {
                break;
            }
            let applied = begun.elapsed() < APPLIED_MAX;
            assert!(applied, "{node}: of {RECORDS} records {}, not worked off: {other:?}", rows.len());
            thread::sleep(LOOK);
        }
    }
}

fn is_worked_off(row: &Row) -> bool {
    let is_called = row["chain_n"] == "0" || row["chain_id"].parse().is_ok_and(is_called_by_number);
    let wanted = if is_called { ("3", "1") } else { ("7", "0") };
    (row["record_status"].as_str(), row["attempt"].as_str()) == wanted
}
