//! Agents at both nodes work a campaign off: every chain is handed out once (spec 9, The next record).

use std::{
    collections::BTreeMap,
    env,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
    time::Duration,
};

use ocs_ha_tests::{
    Cluster, Signal,
    campaign::{Agent, HandedOut, declare, import, load, shown},
    until,
};

/// Agents of the first group have keys; agents of the second group have none, and the limit finds their records again.
const DECLARED: &str = r#"
[[lists]]
name = "people"

[[campaigns]]
name = "Outbound"
lists = [{ list = "people" }]

[[campaign_groups]]
campaign = "Outbound"
group = "Keyed"

[[campaign_groups]]
campaign = "Outbound"
group = "Held"
desktop_chains_limit = 1
"#;
const KEYED: &str = "Outbound@Keyed";
const HELD: &str = "Outbound@Held";

/// Length of a call.
const TALK: Duration = Duration::from_millis(100);
/// Chains that are fetched before the next fault.
const FEW: usize = 4;
/// Length of the primary's pause.
const PAUSE: Duration = Duration::from_millis(1500);

/// A size: CAMPAIGN_CHAINS=4000 CAMPAIGN_AGENTS=64 is the long form.
fn size(name: &str, usual: usize) -> usize {
    env::var(name).map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text}")))
}

/// Chains of one to four records, 2.5 on average.
fn people(chains: usize) -> String {
    let mut rows = "record_id,contact_info,chain_id,chain_n\n".to_owned();
    let mut record_id = 0;
    for chain in 1..=chains {
        for chain_n in 0..=chain % 4 {
            record_id += 1;
            rows.push_str(&format!("{record_id},+9998{record_id:07},{chain},{chain_n}\n"));
        }
    }
    rows
}

/// The work of all agents, in stages.
#[derive(Debug, Default)]
struct Work {
    /// Chains that may be fetched up to the end of this stage.
    allowed: AtomicUsize,
    /// Chains that were fetched.
    fetched: AtomicUsize,
}

impl Work {
    fn allow(&self, chains: usize) {
        self.allowed.store(chains, Relaxed);
    }

    fn wait_fetched(&self, chains: usize) {
        until(&format!("{chains} chains are fetched"), || self.fetched.load(Relaxed) >= chains);
    }

    /// An agent waits for the next stage.
    fn wait_allowed(&self) {
        until("the next stage", || self.fetched.load(Relaxed) < self.allowed.load(Relaxed));
    }

    /// Waits for the end of a stage.
    fn wait_done(&self) {
        self.wait_fetched(self.allowed.load(Relaxed));
    }

    /// Begins the next stage, and waits until agents are at it.
    fn begin(&self, until_chains: usize) {
        let before = self.fetched.load(Relaxed);
        self.allow(until_chains);
        self.wait_fetched(before + FEW);
    }
}

/// Works until no record is dialable; the records that the agent reported.
fn works(mut agent: Agent, work: &Work) -> Vec<HandedOut> {
    let mut reported = Vec::new();
    loop {
        work.wait_allowed();
        let fetched =
            if agent.is_keyed() { agent.preview(KEYED) } else { fetch_carelessly(&mut agent, reported.len()) };
        let Some(record) = fetched else { return reported };
        work.fetched.fetch_add(1, Relaxed);
        thread::sleep(TALK);
        agent.report(&record, "Answer");
        reported.push(record);
    }
}

/// Throws every second answer away, and asks again: the record is the same, in the same attempt.
fn fetch_carelessly(agent: &mut Agent, nth: usize) -> Option<HandedOut> {
    match nth % 4 {
        1 => {
            let thrown = agent.preview(HELD);
            let heard = agent.preview(HELD);
            assert!(thrown.is_none() || thrown == heard, "{thrown:?} was thrown away, and then came {heard:?}");
            heard
        }
        3 => {
            agent.preview_unheard(HELD);
            agent.preview(HELD)
        }
        _ => agent.preview(HELD),
    }
}

/// Kills the primary, moves the role, and pauses the primary, each while agents fetch.
fn disturb(cluster: &mut Cluster, chains: usize, work: &Work) {
    let stage = |number: usize| number * chains / 4;
    let killed = cluster.primary();
    work.begin(stage(1));
    cluster.kill(killed);
    work.wait_done();
    assert_ne!(cluster.primary(), killed);
    cluster.start_node(killed, &[]);
    cluster.wait_back();
    hold_one_at_most(cluster);

    work.begin(stage(2));
    cluster.move_primary_under_load(killed);
    work.wait_done();

    let paused = cluster.primary();
    work.begin(stage(3));
    cluster.signal(paused, Signal::STOP);
    thread::sleep(PAUSE); // the pause must last so long
    cluster.signal(paused, Signal::CONT);
    work.wait_done();
    cluster.wait_back();
    hold_one_at_most(cluster);
    work.allow(usize::MAX);
}

/// No agent without a key holds a second record, however many answers were thrown away.
fn hold_one_at_most(cluster: &Cluster) {
    let group = shown(cluster, HELD);
    let agents = group["agents"].as_array().unwrap_or_else(|| panic!("{group}"));
    assert!(agents.iter().all(|agent| agent["records"] == 1), "{group}");
}

/// Each chain was handed out once, by the first of its records.
fn each_chain_was_handed_out_once(chains: usize, reported: &[HandedOut]) {
    let mut by_chain: BTreeMap<u64, Vec<&HandedOut>> = BTreeMap::new();
    reported.iter().for_each(|record| by_chain.entry(record.chain).or_default().push(record));
    let twice: Vec<_> = by_chain.values().filter(|records| records.len() > 1).collect();
    assert!(twice.is_empty(), "{} chains were handed out twice, the first: {:?}", twice.len(), twice[0]);
    let lost: Vec<u64> = (1..=chains as u64).filter(|chain| !by_chain.contains_key(chain)).collect();
    assert!(lost.is_empty(), "{} chains were never handed out: {:?} …", lost.len(), &lost[..lost.len().min(5)]);
    assert!(reported.iter().all(|record| record.chain_n == 0), "a later number of a chain came first");
}

/// At each node the first record of every chain is Updated after one attempt, and the others are ChainUpdated after none.
fn the_list_is_worked_off(cluster: &Cluster) {
    cluster.assert_equal();
    for node in ["a", "b"] {
        for row in cluster.export("people", node) {
            let wanted = if row["chain_n"] == "0" { ("3", "1") } else { ("7", "0") };
            assert_eq!((row["record_status"].as_str(), row["attempt"].as_str()), wanted, "{node}: {row:?}");
        }
    }
    for group in [KEYED, HELD] {
        assert_eq!(shown(cluster, group)["held_total"], 0, "{group}");
    }
}

#[test]
fn every_chain_is_handed_out_once_while_the_primary_is_killed_moved_and_paused() {
    let (chains, agents) = (size("CAMPAIGN_CHAINS", 240), size("CAMPAIGN_AGENTS", 16));
    let mut cluster = Cluster::start();
    declare(&cluster, DECLARED);
    import(&cluster, "people", &people(chains));
    [KEYED, HELD].iter().for_each(|group| load(&cluster, group));
    let agent = |number: usize| {
        let home = if number.is_multiple_of(2) { "a" } else { "b" };
        Agent::new(&cluster, &format!("agent-{number}"), home, number % 4 < 2)
    };
    let agents: Vec<Agent> = (0..agents).map(agent).collect();
    let work = &Work::default();
    let reported: Vec<HandedOut> = thread::scope(|scope| {
        let workers: Vec<_> = agents.into_iter().map(|agent| scope.spawn(move || works(agent, work))).collect();
        disturb(&mut cluster, chains, work);
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    each_chain_was_handed_out_once(chains, &reported);
    the_list_is_worked_off(&cluster);
}
