//! Callers at both nodes reach a contact limit while the primary is killed and the stamp moves on by days: see
//! `docs/drills/contact-limit.md`. Called by `drill`.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    process::Command,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::Duration,
};

use ocs_ha_tests::{
    Cluster, Ran,
    campaign::{Agent, HandedOut, declare, import, load},
    drill::{Clocks, DATA, Drill, Options, Round, Scenario, Stage},
    program,
};

use crate::kill_primary;

pub(crate) const DRILL: Drill =
    Drill { name: "contact-limit", bar: None, network: false, scenario: || Box::new(ContactLimit::default()) };

/// A busy number is dialled again at once, as often as the limit allows. No held record comes back by itself, however far the
/// stamp moves on: a report on such a record would count as an attempt without a hand-out, which no limit forbids.
const DECLARED: &str = r#"
[options]
retrieved_timeout = 1000000000
idempotency_hours = 10000

[[treatments]]
name = "at-once"
call_result = "Busy"
number = 1
action = "Cycle"
cycle_attempts = 1000

[[lists]]
name = "limited"
treatments = ["at-once"]

[[campaigns]]
name = "Limited"
lists = [{ list = "limited" }]

[[campaign_groups]]
campaign = "Limited"
group = "Keyed"

[[campaign_groups]]
campaign = "Limited"
group = "Keyless"
desktop_chains_limit = 1

[[contact_limits]]
name = "three-a-day"
campaign = "Limited"
max = 3
per = "phone"
within = 86400
"#;
const KEYED: &str = "Limited@Keyed";
/// The limit of this group finds the record of a lost answer again.
const KEYLESS: &str = "Limited@Keyless";

/// The limit.
const MAX: usize = 3;
const WITHIN_S: u64 = 86_400;

const CALLERS: usize = 64;
/// Each phone has two records, in spellings and chains of their own.
const PHONES: usize = 1_000;
/// Kills of a round.
const KILLS: u32 = 8;
/// All clocks move on by so much with every kill: less than half of the limit's time, so that every attempt is seen in two looks.
const STEP_S: i64 = 9 * 3600;
/// Part of a step that the stamps may lack at the end of a round.
const SLACK_S: u64 = 3600;

/// Length of a call.
const TALK: Duration = Duration::from_millis(60);
/// Pause of a caller that found no record.
const EMPTY_PAUSE: Duration = Duration::from_millis(50);

/// The attempts that the separate program has seen so far.
const SEEN: &str = "attempts.tsv";

fn people() -> String {
    let mut rows = "record_id,contact_info,chain_id,chain_n\n".to_owned();
    for phone in 0..PHONES {
        let (first, second) = (2 * phone + 1, 2 * phone + 2);
        writeln!(rows, "{first},+999 30 55{phone:04},{first},0").expect("a String takes every line");
        writeln!(rows, "{second},00999-30-55{phone:04},{second},0").expect("a String takes every line");
    }
    rows
}

#[derive(Debug, Default)]
struct ContactLimit {
    clocks: Option<Clocks>,
    /// All clocks are ahead by so much.
    ahead_s: i64,
    /// Hand-outs that callers have heard of, by record.
    heard: BTreeMap<u64, u64>,
    /// Hand-outs that no caller may have heard of.
    unknown: u64,
}

impl Scenario for ContactLimit {
    fn start(&mut self, _options: &Options) -> Result<Cluster, String> {
        let (clocks, cluster) = Clocks::form()?;
        self.clocks = Some(clocks);
        Ok(cluster)
    }

    fn prepare(&mut self, stage: &mut Stage) {
        declare(&stage.cluster, DECLARED);
        import(&stage.cluster, "limited", &people());
        [KEYED, KEYLESS].iter().for_each(|group| load(&stage.cluster, group));
    }

    fn round(&mut self, stage: &mut Stage) -> Round {
        let agent = |number: usize| {
            let (home, keyed) = (DATA[number % DATA.len()], number % 4 < 2);
            Agent::new(&stage.cluster, &format!("caller-{}-{number}", stage.number), home, keyed)
        };
        let agents: Vec<Agent> = (0..CALLERS).map(agent).collect();
        let (over, before) = (&AtomicBool::new(false), seen(stage));
        let (outage, worked) = thread::scope(|scope| {
            let end_of_work = EndOfWork(over);
            let callers: Vec<_> = agents.into_iter().map(|agent| scope.spawn(move || calls(agent, over))).collect();
            let outage = self.kill_and_move_on(stage);
            drop(end_of_work);
            let worked: Vec<_> =
                callers.into_iter().map(|caller| caller.join().expect("a caller does not panic")).collect();
            (outage, worked)
        });
        for (calls, unknown) in worked {
            self.unknown += unknown;
            calls.iter().for_each(|record| *self.heard.entry(record.handle).or_default() += 1);
        }
        let told = DATA.map(|node| look_at_stopped(stage, node));
        assert!(told.iter().all(|told| told.contains(&format!("at most {MAX} on a phone"))), "{told:?}");
        let after = seen(stage);
        self.every_hand_out_is_an_attempt(&after);
        let moved_h = moved_on(&before, &after) / 3600;
        let calls: u64 = self.heard.values().sum();
        let what =
            format!("{KILLS} kills, the stamps moved on by {moved_h} h, {calls} calls so far; {}", told[0].trim());
        Round { what, outage: Some(outage), barred: false }
    }
}

impl ContactLimit {
    /// Kills the primary again and again. While the node is down, its attempts are read and all clocks move on: the node is the
    /// next primary, and its stamps begin at the clocks. Requests in flight have unknown outcomes then, at the other node too.
    fn kill_and_move_on(&mut self, stage: &mut Stage) -> Duration {
        let clocks = self.clocks.as_ref().expect("a group that was formed has clocks");
        let ahead_s = &mut self.ahead_s;
        excuse_both(stage);
        kill_primary::every_five_seconds(stage, KILLS, &DATA, |stage, killed| {
            stage.cluster.node(killed).wait();
            look(stage, killed);
            *ahead_s += STEP_S;
            clocks.set_all(*ahead_s);
            excuse_both(stage);
        })
    }

    /// Every hand-out that a caller has heard of is an attempt, and there are no others but those of lost answers.
    fn every_hand_out_is_an_attempt(&self, seen: &[Attempt]) {
        let mut counted: BTreeMap<u64, u64> = BTreeMap::new();
        seen.iter().for_each(|attempt| *counted.entry(attempt.handle).or_default() += 1);
        for (handle, heard) in &self.heard {
            let counted = counted.get(handle).copied().unwrap_or_default();
            assert!(counted >= *heard, "record {handle} was handed out {heard} times, and has {counted} attempts");
        }
        let surplus = seen.len() as u64 - self.heard.values().sum::<u64>();
        assert!(surplus <= self.unknown, "{surplus} attempts without a hand-out after {} lost answers", self.unknown);
    }
}

/// Ends the callers' work with the round's, even where the round fails.
struct EndOfWork<'a>(&'a AtomicBool);

impl Drop for EndOfWork<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Calls until the end: every number is busy. Returns the records, and the count of attempts without a known outcome.
fn calls(mut agent: Agent, over: &AtomicBool) -> (Vec<HandedOut>, u64) {
    let group = if agent.is_keyed() { KEYED } else { KEYLESS };
    let mut calls = Vec::new();
    while !over.load(Relaxed) {
        match agent.preview(group) {
            Some(record) => {
                thread::sleep(TALK);
                agent.report_keyed(&record, "Busy");
                calls.push(record);
            }
            None => thread::sleep(EMPTY_PAUSE),
        }
    }
    (calls, agent.unknown())
}

/// Stamps jump with the role: a request in flight is too old for its answer to be given, at whichever node.
fn excuse_both(stage: &mut Stage) {
    for node in DATA {
        stage.excuse(node);
    }
}

/// Stops a node, and reads its attempts; returns the summary.
fn look_at_stopped(stage: &mut Stage, node: &'static str) -> String {
    excuse_both(stage);
    assert_eq!(stage.cluster.stop(node), 0, "{node} did not end well");
    let told = look(stage, node);
    stage.cluster.start_node(node, &[]);
    stage.back(node);
    told
}

/// The separate program reads the attempts of a stopped node, beside the attempts of earlier looks; returns the program's summary.
fn look(stage: &Stage, node: &str) -> String {
    let mut attempts = Command::new(program("attempts"));
    attempts.args(["--max", &MAX.to_string(), "--within", &WITHIN_S.to_string()]);
    attempts.arg("--seen").arg(stage.cluster.path(SEEN)).arg(stage.cluster.settings().data(node));
    let ran = Ran::of(&mut attempts);
    assert_eq!(ran.code, 0, "the attempts of {node}: {}{}", ran.out, ran.err);
    ran.out
}

/// An attempt as the separate program writes it.
#[derive(Debug)]
struct Attempt {
    stamp_us: u64,
    handle: u64,
}

/// The attempts that the program has seen so far.
fn seen(stage: &Stage) -> Vec<Attempt> {
    let text = fs::read_to_string(stage.cluster.path(SEEN)).unwrap_or_default(); // before the first look there are none
    let cell = |cells: &[&str], at: usize| cells.get(at).and_then(|cell| cell.parse().ok());
    let attempt = |line: &str| {
        let cells: Vec<&str> = line.split('\t').collect();
        Some(Attempt { stamp_us: cell(&cells, 2)?, handle: cell(&cells, 3)? })
    };
    text.lines().map(|line| attempt(line).unwrap_or_else(|| panic!("no attempt: {line:?}"))).collect()
}

/// The time by which stamps moved on in a round, seconds.
fn moved_on(before: &[Attempt], after: &[Attempt]) -> u64 {
    let stamps = |attempts: &[Attempt]| attempts.iter().map(|attempt| attempt.stamp_us).collect::<Vec<u64>>();
    let (earlier, all) = (stamps(before), stamps(after));
    let begun = earlier.iter().max().or(all.iter().min()).copied().unwrap_or_default();
    let moved_s = (all.iter().max().copied().unwrap_or_default() - begun) / 1_000_000;
    // the first kill of a drill's first round finds a primary whose stamps have moved by nothing yet, and behind the last kill every
    // phone may have reached its limit
    let least_s = (u64::from(KILLS) - 2) * STEP_S.unsigned_abs() - SLACK_S;
    assert!(moved_s >= least_s, "the stamps moved on by {moved_s} s, and {least_s} s were expected at least");
    moved_s
}
