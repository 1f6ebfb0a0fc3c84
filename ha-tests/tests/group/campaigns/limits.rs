//! A contact limit over the death of a primary (spec 9, Contact limits): counting and handing out are one command.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
    time::Duration,
};

use ocs_ha_tests::{
    Cluster,
    campaign::{Agent, HandedOut, declare, import, load},
    until,
};

/// A busy number is dialled again at once, as often as the limit allows.
const DECLARED: &str = r#"
[[treatments]]
name = "at-once"
call_result = "Busy"
number = 1
action = "Cycle"
cycle_attempts = 100

[[lists]]
name = "people"
treatments = ["at-once"]

[[campaigns]]
name = "Outbound"
lists = [{ list = "people" }]

[[campaign_groups]]
campaign = "Outbound"
group = "Agents"

[[contact_limits]]
name = "three-a-day"
campaign = "Outbound"
max = 3
per = "phone"
within = 86400
"#;
const GROUP: &str = "Outbound@Agents";

const PHONES: usize = 20;
const AGENTS: usize = 8;
const LIMIT: usize = 3;
/// Attempts before the primary is killed: a quarter of all.
const BEFORE: usize = PHONES * LIMIT / 4;
/// Length of a call.
const TALK: Duration = Duration::from_millis(50);

/// Two records of each phone, each in a spelling and a chain of its own.
fn people() -> String {
    let mut rows = "record_id,contact_info,chain_id,chain_n\n".to_owned();
    for phone in 0..PHONES {
        let first = 2 * phone + 1;
        rows.push_str(&format!("{first},+999 30 5551{phone:02},{first},0\n"));
        rows.push_str(&format!("{0},00999-30-5551{phone:02},{0},0\n", first + 1));
    }
    rows
}

/// The number, whatever its spelling.
fn number(phone: &str) -> String {
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    digits.trim_start_matches('0').to_owned()
}

/// Calls until no record is dialable: every number is busy.
fn calls(mut agent: Agent, made: &AtomicUsize) -> Vec<HandedOut> {
    let mut calls = Vec::new();
    while let Some(record) = agent.preview(GROUP) {
        made.fetch_add(1, Relaxed);
        thread::sleep(TALK);
        agent.report(&record, "Busy");
        calls.push(record);
    }
    calls
}

#[test]
fn no_phone_is_handed_out_a_fourth_time_in_a_day_though_the_primary_is_killed() {
    let mut cluster = Cluster::start();
    declare(&cluster, DECLARED);
    import(&cluster, "people", &people());
    load(&cluster, GROUP);
    let agent = |number: usize| {
        let home = if number.is_multiple_of(2) { "a" } else { "b" };
        Agent::new(&cluster, &format!("agent-{number}"), home, true)
    };
    let agents: Vec<Agent> = (0..AGENTS).map(agent).collect();
    let (made, killed) = (&AtomicUsize::new(0), cluster.primary());
    let calls: Vec<HandedOut> = thread::scope(|scope| {
        let workers: Vec<_> = agents.into_iter().map(|agent| scope.spawn(move || calls(agent, made))).collect();
        until("a quarter of the calls are made", || made.load(Relaxed) >= BEFORE);
        cluster.kill(killed);
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    cluster.start_node(killed, &[]);
    cluster.assert_equal();

    let mut attempts: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for call in &calls {
        attempts.entry(number(&call.phone)).or_default().insert(&call.guid);
    }
    assert_eq!(attempts.len(), PHONES);
    let other: Vec<_> = attempts.iter().filter(|(_, guids)| guids.len() != LIMIT).collect();
    assert!(other.is_empty(), "not called three times: {other:?}");
    assert_eq!(calls.len(), PHONES * LIMIT, "an attempt was told twice");
    for node in ["a", "b"] {
        assert_eq!(Agent::new(&cluster, &format!("late-{node}"), node, true).preview(GROUP), None);
        let mut counted: BTreeMap<String, usize> = BTreeMap::new();
        for row in cluster.export("people", node) {
            *counted.entry(number(&row["contact_info"])).or_default() += row["attempt"].parse::<usize>().unwrap();
        }
        assert!(counted.values().all(|attempts| *attempts == LIMIT), "{node}: {counted:?}");
    }
}
