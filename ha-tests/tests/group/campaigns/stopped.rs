//! Do-Not-Call over the death of a primary (spec 9, Do-Not-Call): an acknowledged entry stops every form of its number.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use ocs_ha_tests::{
    Cluster,
    campaign::{Agent, HandedOut, declare, import, load},
    until,
};
use serde_json::json;

const DECLARED: &str = r#"
[[tenants]]
name = "default"
country_code = "999"
trunk_prefix = "0"

[[lists]]
name = "people"

[[campaigns]]
name = "Outbound"
lists = [{ list = "people" }]

[[campaign_groups]]
campaign = "Outbound"
group = "Agents"
"#;
const GROUP: &str = "Outbound@Agents";

/// Numbers that clients stop, half of them by the record and half by the phone.
const BY_CLIENTS: usize = 48;
/// Numbers behind these that a file stops, which leaves their records alone.
const BY_FILE: usize = 10;
/// All numbers; the last ones are never stopped.
const NUMBERS: usize = 72;
const CLIENTS: usize = 6;
/// Acknowledged entries before the primary is killed.
const BEFORE: usize = 10;
/// Pause of a client between two entries, and length of an agent's call.
const PAUSE: Duration = Duration::from_millis(60);

fn national(number: usize) -> String {
    format!("030/777{number:04}")
}

fn international(number: usize) -> String {
    format!("+999 30 777-{number:04}")
}

/// The number in the last four digits of a phone.
fn number(phone: &str) -> usize {
    phone[phone.len() - 4..].parse().unwrap()
}

/// The records have national numbers.
fn people() -> String {
    let row = |number: usize| format!("{},{}\n", number + 1, national(number));
    "record_id,contact_info\n".to_owned() + &(0..NUMBERS).map(row).collect::<String>()
}

/// Enters every so many-th number, even ones by their record and odd ones by the international phone, and notes each
/// acknowledgement.
fn stops(
    mut client: Agent,
    first: usize,
    handles: &BTreeMap<usize, String>,
    told: &AtomicUsize,
) -> Vec<(usize, Instant)> {
    let mut stopped = Vec::new();
    for number in (first..BY_CLIENTS).step_by(CLIENTS) {
        let target = match number % 2 {
            0 => format!("/records/{}?req=DoNotCall", handles[&number]),
            _ => format!("/phones/{}?req=DoNotCall", international(number).replace(' ', "%20")),
        };
        let answer = client.ask(&target, &json!({}));
        assert_eq!(answer.attribute("GSW_USER_EVENT"), "DoNotCallAcknowledge", "{answer:?}");
        stopped.push((number, Instant::now()));
        told.fetch_add(1, Relaxed);
        thread::sleep(PAUSE);
    }
    stopped
}

/// Works until the end, and then until no record is dialable; each record with the time of its first request.
fn works(mut agent: Agent, end: &AtomicBool) -> Vec<(Instant, HandedOut)> {
    let mut fetched = Vec::new();
    loop {
        let (is_end, asked) = (end.load(Relaxed), Instant::now());
        match agent.preview(GROUP) {
            Some(record) => {
                agent.report(&record, "Answer");
                fetched.push((asked, record));
            }
            None if is_end => return fetched,
            None => {}
        }
        if !is_end {
            thread::sleep(PAUSE);
        }
    }
}

/// Ends the agents' work with the test's, even where the test fails.
struct EndOfWork<'a>(&'a AtomicBool);

impl Drop for EndOfWork<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Every number that is stopped, with the time from which on, and every record that was handed out.
type Outcome = (BTreeMap<usize, Instant>, Vec<(Instant, HandedOut)>);

/// Clients stop numbers while agents work; the primary is killed, and a file of further numbers is imported meanwhile.
fn outcome(cluster: &mut Cluster, killed: &'static str, handles: &BTreeMap<usize, String>) -> Outcome {
    let client = |number: usize| {
        let home = if number.is_multiple_of(2) { "a" } else { "b" };
        Agent::new(cluster, &format!("client-{number}"), home, true)
    };
    let clients: Vec<Agent> = (0..CLIENTS).map(client).collect();
    let agents = ["a", "b"].map(|home| Agent::new(cluster, &format!("agent-{home}"), home, true));
    let (told, end) = (&AtomicUsize::new(0), &AtomicBool::new(false));
    thread::scope(|scope| {
        let end_of_work = EndOfWork(end);
        let agents = agents.map(|agent| scope.spawn(move || works(agent, end)));
        let clients = clients.into_iter().enumerate();
        let clients: Vec<_> =
            clients.map(|(first, client)| scope.spawn(move || stops(client, first, handles, told))).collect();
        until("some entries are acknowledged", || told.load(Relaxed) >= BEFORE);
        cluster.kill(killed);
        cluster.ctl(&["dnc", "import", "stop.csv"]).fine();
        let imported = Instant::now();
        let mut stopped: BTreeMap<usize, Instant> =
            clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        stopped.extend((BY_CLIENTS..BY_CLIENTS + BY_FILE).map(|number| (number, imported)));
        drop(end_of_work);
        (stopped, agents.into_iter().flat_map(|agent| agent.join().unwrap()).collect())
    })
}

#[test]
fn no_stopped_number_is_handed_out_or_added_in_any_form_though_the_primary_is_killed() {
    let mut cluster = Cluster::start();
    declare(&cluster, DECLARED);
    import(&cluster, "people", &people());
    let column = (BY_CLIENTS..BY_CLIENTS + BY_FILE).map(|number| international(number) + "\n").collect::<String>();
    fs::write(cluster.path("stop.csv"), column).unwrap();
    let rows = cluster.export("people", "a");
    let handles = rows.iter().map(|row| (number(&row["contact_info"]), row["handle"].clone())).collect();
    load(&cluster, GROUP);
    let killed = cluster.primary();
    let (stopped, fetched) = outcome(&mut cluster, killed, &handles);
    cluster.start_node(killed, &[]);
    cluster.assert_equal();

    assert_eq!(stopped.len(), BY_CLIENTS + BY_FILE);
    for (asked, record) in &fetched {
        let acknowledged = stopped.get(&number(&record.phone));
        assert!(acknowledged.is_none_or(|at| asked < at), "{record:?} was stopped before the agent asked");
    }
    let called: BTreeSet<usize> = fetched.iter().map(|(_, record)| number(&record.phone)).collect();
    assert!(
        (BY_CLIENTS + BY_FILE..NUMBERS).all(|number| called.contains(&number)),
        "the others are called: {called:?}"
    );
    for row in cluster.export("people", "b") {
        let number = number(&row["contact_info"]);
        let is_marked = row["record_type"] == "7";
        assert!(is_marked || called.contains(&number) || !stopped.contains_key(&number), "{row:?}");
    }
    for node in ["a", "b"] {
        let mut client = Agent::new(&cluster, &format!("late-{node}"), node, true);
        assert_eq!(client.preview(GROUP), None);
        for phone in stopped.keys().flat_map(|number| [national(*number), international(*number)]) {
            let refused = client.ask("/lists/people?req=AddRecord", &json!({ "GSW_PHONE": phone }));
            assert_eq!(refused.verdict(), (409, "DO_NOT_CALL".to_owned()), "{phone} at {node}: {refused:?}");
        }
    }
}
