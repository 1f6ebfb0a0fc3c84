//! Clients enter numbers into the Do-Not-Call list while the primary is killed: see `docs/drills/do-not-call.md`. Called by `drill`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use ocs_ha_tests::{
    Cluster, NODES, PATIENCE, Ran,
    campaign::{Agent, HandedOut, declare, import, load},
    drill::{DATA, Drill, Plain, Round, Stage},
    ocsctl,
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use serde_json::{Value, json};

use crate::kill_primary;

pub(crate) const DRILL: Drill =
    Drill { name: "do-not-call", bar: None, network: false, scenario: || Box::new(Plain(round)) };

/// Clients that enter numbers by HTTP.
const CLIENTS: usize = 64;
/// Threads that enter numbers by `ocsctl dnc add`.
const OPERATORS: usize = 2;
/// Agents that call numbers.
const AGENTS: usize = 16;
/// Clients that add records of entered numbers.
const ADDERS: usize = 8;
/// Numbers of a round. A quarter is never entered.
const NUMBERS: usize = 8_000;
const NEVER_ENTERED: usize = NUMBERS / 4;
/// Kills of a round.
const KILLS: u32 = 6;

/// Pause of a client between two entries.
const ENTRY_PAUSE: Duration = Duration::from_millis(350);
/// Pause of an operator between two entries.
const OPERATOR_PAUSE: Duration = Duration::from_millis(200);
/// Length of an agent's call.
const TALK: Duration = Duration::from_millis(250);
/// Pause of a client between two records that are refused.
const ADD_PAUSE: Duration = Duration::from_millis(40);

/// The record type of a record that must not be called.
const NO_CALL: &str = "7";

/// The spellings of a number, from its national digits behind code and trunk prefix.
const FORMS: [fn(&str) -> String; 14] = [
    |digits| format!("0{digits}"),
    |digits| format!("+999{digits}"),
    |digits| format!("00999{digits}"),
    |digits| format!("0{}/{}", &digits[..2], &digits[2..]),
    |digits| format!("+999 {} {} {}", &digits[..2], &digits[2..5], &digits[5..]),
    |digits| format!("(0{}) {}-{}", &digits[..2], &digits[2..5], &digits[5..]),
    |digits| format!("+999 (0){}.{}", &digits[..2], &digits[2..]),
    |digits| format!("00 999 (0) {digits}"),
    |digits| format!("tel:+999-{}-{}", &digits[..2], &digits[2..]),
    |digits| format!("'0{digits}"),
    |digits| format!("=\"0{digits}\""),
    |digits| format!("0{digits}.0"),
    |digits| format!("0{}\u{2013}{}\u{ad}", &digits[..2], &digits[2..]),
    |digits| wide(&format!("+999{digits}")),
];
/// The first spellings are those of records: no cell of a file needs quotes.
const FORMS_OF_RECORDS: usize = 5;

/// The same text in full-width letters.
fn wide(text: &str) -> String {
    const FROM_ASCII: u32 = 0xFF01 - 0x21;
    text.chars().filter_map(|letter| char::from_u32(u32::from(letter) + FROM_ASCII)).collect()
}

fn list(round: u32) -> String {
    format!("stopped-{round}")
}

fn group(round: u32) -> String {
    format!("Stopped{round}@Agents")
}

fn declared(round: u32) -> String {
    format!(
        r#"
[[tenants]]
name = "default"
country_code = "999"
trunk_prefix = "0"

[[lists]]
name = "{list}"
customer_id = "CLIENT_ID"

[[lists.fields]]
name = "CLIENT_ID"
type = "varchar(64)"

[[campaigns]]
name = "Stopped{round}"
lists = [{{ list = "{list}" }}]

[[campaign_groups]]
campaign = "Stopped{round}"
group = "Agents"
"#,
        list = list(round)
    )
}

/// The national digits of a number; no two rounds share one.
fn digits(round: u32, number: usize) -> String {
    format!("30{round:03}{number:05}")
}

fn spelled(round: u32, number: usize, form: usize) -> String {
    FORMS[form % FORMS.len()](&digits(round, number))
}

fn customer(round: u32, number: usize) -> String {
    format!("C{round}-{number}")
}

/// The number of a stored phone: its last five digits.
fn number_of(phone: &str) -> usize {
    let digits: Vec<char> = phone.chars().filter(char::is_ascii_digit).collect();
    let last: String = digits[digits.len().saturating_sub(5)..].iter().collect();
    last.parse().unwrap_or_else(|_| panic!("{phone} is no number of this drill"))
}

fn people(round: u32) -> String {
    let mut rows = "record_id,contact_info,CLIENT_ID\n".to_owned();
    for number in 0..NUMBERS {
        let (phone, customer) = (spelled(round, number, number % FORMS_OF_RECORDS), customer(round, number));
        writeln!(rows, "{},{phone},{customer}", number + 1).expect("a String takes every line");
    }
    rows
}

/// A text as a part of a path.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' => encoded.push(char::from(byte)),
            _ => write!(encoded, "%{byte:02X}").expect("a String takes every byte"),
        }
        encoded
    })
}

/// The name under which a number was entered, or the program that entered the phone.
#[derive(Debug, Clone, Copy)]
enum Entered {
    Handle,
    Phone,
    Customer,
    Ocsctl,
}

/// An acknowledged entry.
#[derive(Debug, Clone, Copy)]
struct Entry {
    number: usize,
    entered: Entered,
    /// Time of the acknowledgement.
    at: Instant,
}

/// The numbers of a round, shared by all clients.
#[derive(Debug)]
struct Town {
    round: u32,
    /// The handle of each number's record.
    handles: BTreeMap<usize, String>,
    /// The numbers to be entered, in the order of chance.
    order: Vec<usize>,
    next: AtomicUsize,
    entries: Mutex<Vec<Entry>>,
    /// No more entries are made.
    over: AtomicBool,
    /// Agents end as soon as no record is dialable.
    closing: AtomicBool,
}

impl Town {
    fn new(stage: &mut Stage) -> Self {
        let round = stage.number;
        let rows = stage.cluster.export(&list(round), stage.cluster.primary());
        let handles = rows.iter().map(|row| (number_of(&row["contact_info"]), row["handle"].clone())).collect();
        let mut order: Vec<usize> = (0..NUMBERS).collect();
        order.shuffle(&mut stage.rng);
        order.truncate(NUMBERS - NEVER_ENTERED);
        let (next, entries) = (AtomicUsize::new(0), Mutex::default());
        Self { round, handles, order, next, entries, over: AtomicBool::new(false), closing: AtomicBool::new(false) }
    }

    /// The next number to be entered, until the end.
    fn next_number(&self) -> Option<usize> {
        let at = self.next.fetch_add(1, Relaxed);
        self.order.get(at).copied().filter(|_| !self.over.load(Relaxed))
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An entry by chance; none: no entry is acknowledged yet.
    fn any_entry(&self, rng: &mut StdRng) -> Option<Entry> {
        let entries = self.entries();
        let at = rng.random_range(0..entries.len().max(1));
        entries.get(at).copied()
    }

    fn note(&self, number: usize, entered: Entered) {
        self.entries().push(Entry { number, entered, at: Instant::now() });
    }

    /// A spelling of a number; requests about the number count from 0.
    fn spelled(&self, number: usize, nth: usize) -> String {
        spelled(self.round, number, number / FORMS_OF_RECORDS + nth)
    }
}

/// Ends all clients with the round, even where the round fails.
struct EndOfTown<'a>(&'a Town);

impl Drop for EndOfTown<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Relaxed);
        self.0.closing.store(true, Relaxed);
    }
}

/// A client that enters numbers by record, phone and customer.
fn enters(mut client: Agent, town: &Town) {
    while let Some(number) = town.next_number() {
        let (entered, path) = match number % 3 {
            0 => (Entered::Handle, format!("records/{}", town.handles[&number])),
            1 => (Entered::Phone, format!("phones/{}", encoded(&town.spelled(number, 0)))),
            _ => (Entered::Customer, format!("customer_ids/{}", encoded(&customer(town.round, number)))),
        };
        let answer = client.ask(&format!("/{path}?req=DoNotCall"), &json!({}));
        assert_eq!(answer.attribute("GSW_USER_EVENT"), "DoNotCallAcknowledge", "{path}: {answer:?}");
        town.note(number, entered);
        thread::sleep(ENTRY_PAUSE);
    }
}

/// An operator that enters numbers by `ocsctl`, and asks again after each failure.
fn adds_entries(endpoints: &str, proxies: &str, town: &Town) {
    while let Some(number) = town.next_number() {
        let (phone, begun) = (town.spelled(number, 0), Instant::now());
        loop {
            let ran = Ran::of(&mut ocsctl(endpoints, proxies, &["dnc", "add", "--", &phone]));
            if ran.code == 0 {
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "{phone} is not entered: {}{}", ran.out, ran.err);
        }
        town.note(number, Entered::Ocsctl);
        thread::sleep(OPERATOR_PAUSE);
    }
}

/// A client that adds records of entered numbers, which are all refused.
fn adds_records(mut client: Agent, mut rng: StdRng, town: &Town) {
    while !town.over.load(Relaxed) {
        if let Some(entry) = town.any_entry(&mut rng) {
            let form = rng.random_range(0..FORMS.len());
            must_be_refused(&mut client, town, entry, form);
        }
        thread::sleep(ADD_PAUSE);
    }
}

/// A record of an entered number, or of an entered customer under another number, is refused.
fn must_be_refused(client: &mut Agent, town: &Town, entry: Entry, form: usize) {
    let Entry { number, entered, .. } = entry;
    let body: Value = match entered {
        Entered::Customer => json!({
            "GSW_PHONE": format!("+99931{:03}{number:05}", town.round),
            "CLIENT_ID": customer(town.round, number),
        }),
        _ => json!({ "GSW_PHONE": town.spelled(number, form) }),
    };
    let answer = client.ask(&format!("/lists/{}?req=AddRecord", list(town.round)), &body);
    assert_eq!(answer.verdict(), (409, "DO_NOT_CALL".to_owned()), "{entry:?}, {body}: {answer:?}");
}

/// An agent at work until no record is dialable; each record with the time of its first request.
fn calls(mut agent: Agent, town: &Town) -> Vec<(Instant, HandedOut)> {
    let (group, mut calls) = (group(town.round), Vec::new());
    loop {
        let (is_closing, asked) = (town.closing.load(Relaxed), Instant::now());
        match agent.preview(&group) {
            Some(record) => {
                agent.report(&record, "Answer");
                calls.push((asked, record));
            }
            None if is_closing => return calls,
            None => {}
        }
        if !is_closing {
            thread::sleep(TALK);
        }
    }
}

/// A client of a round, by its purpose and number.
fn client(cluster: &Cluster, round: u32, name: &str, number: usize, keyed: bool) -> Agent {
    Agent::new(cluster, &format!("{name}-{round}-{number}"), DATA[number % DATA.len()], keyed)
}

fn round(stage: &mut Stage) -> Round {
    let number = stage.number;
    declare(&stage.cluster, &declared(number));
    import(&stage.cluster, &list(number), &people(number));
    load(&stage.cluster, &group(number));
    let town = &Town::new(stage);
    let (outage, calls) = work(stage, town);
    let entries = town.entries().clone();
    no_call_came_after_its_entry(&entries, &calls);
    every_other_number_was_called(town, &calls);
    every_form_must_be_refused(stage, town, &entries);
    no_record_is_dialable(stage, &entries, &calls);
    let what = format!("{KILLS} kills; {} entries, {} calls", entries.len(), calls.len());
    Round { what, outage: Some(outage), barred: false }
}

/// All clients work while the primary is killed again and again; then the agents call the rest of the numbers. Returns the
/// longest outage, and the calls.
fn work(stage: &mut Stage, town: &Town) -> (Duration, Vec<(Instant, HandedOut)>) {
    let round = stage.number;
    let settings = stage.cluster.settings();
    let endpoints = &NODES.map(|node| settings.address(node, "control")).join(",");
    let proxies = &DATA.map(|node| format!("http://{}", settings.address(node, "http"))).join(",");
    let clients: Vec<Agent> =
        (0..CLIENTS).map(|number| client(&stage.cluster, round, "client", number, number % 4 < 2)).collect();
    let adders: Vec<(Agent, StdRng)> = (0..ADDERS)
        .map(|number| {
            let seed = stage.rng.random();
            (client(&stage.cluster, round, "adder", number, number % 4 < 2), StdRng::seed_from_u64(seed))
        })
        .collect();
    let agents: Vec<Agent> = (0..AGENTS).map(|number| client(&stage.cluster, round, "agent", number, true)).collect();
    thread::scope(|scope| {
        let end_of_town = EndOfTown(town);
        let agents: Vec<_> = agents.into_iter().map(|agent| scope.spawn(move || calls(agent, town))).collect();
        let mut others: Vec<_> = clients.into_iter().map(|client| scope.spawn(move || enters(client, town))).collect();
        let adders = adders.into_iter().map(|(adder, rng)| scope.spawn(move || adds_records(adder, rng, town)));
        others.extend(adders);
        others.extend((0..OPERATORS).map(|_| scope.spawn(move || adds_entries(endpoints, proxies, town))));
        let outage = kill_primary::every_five_seconds(stage, KILLS, &[], |_, _| ());
        town.over.store(true, Relaxed);
        others.into_iter().for_each(|other| other.join().expect("a client does not panic"));
        drop(end_of_town);
        (outage, agents.into_iter().flat_map(|agent| agent.join().expect("an agent does not panic")).collect())
    })
}

/// No number was handed out to an agent's request that came after the acknowledgement of the number's entry.
fn no_call_came_after_its_entry(entries: &[Entry], calls: &[(Instant, HandedOut)]) {
    let entered: BTreeMap<usize, &Entry> = entries.iter().map(|entry| (entry.number, entry)).collect();
    for (asked, record) in calls {
        let entry = entered.get(&number_of(&record.phone));
        assert!(entry.is_none_or(|entry| *asked < entry.at), "{record:?}, asked for at {asked:?}, after {entry:?}");
    }
}

/// Each number was called at most once, and every number without an entry was called.
fn every_other_number_was_called(town: &Town, calls: &[(Instant, HandedOut)]) {
    let called: BTreeSet<usize> = calls.iter().map(|(_, record)| number_of(&record.phone)).collect();
    assert_eq!(called.len(), calls.len(), "a number was called twice");
    let tried = town.next.load(Relaxed).min(town.order.len());
    let entered: BTreeSet<usize> = town.order[..tried].iter().copied().collect();
    let missed: Vec<usize> =
        (0..NUMBERS).filter(|number| !entered.contains(number) && !called.contains(number)).collect();
    assert!(missed.is_empty(), "{} numbers without an entry were not called: {missed:?}", missed.len());
}

/// At both nodes AddRecord refuses every entered number, each in two spellings, and all spellings of the first numbers.
fn every_form_must_be_refused(stage: &Stage, town: &Town, entries: &[Entry]) {
    const IN_ALL_FORMS: usize = 2;
    let workers: Vec<(usize, Agent)> =
        (0..CLIENTS).map(|number| (number, client(&stage.cluster, town.round, "late", number, false))).collect();
    let ask_all = |(worker, mut client): (usize, Agent)| {
        let own = entries.iter().skip(worker / DATA.len()).step_by(CLIENTS / DATA.len());
        for (at, entry) in own.enumerate() {
            let forms = if at < IN_ALL_FORMS { FORMS.len() } else { 2 };
            (0..forms).for_each(|form| must_be_refused(&mut client, town, *entry, at + form));
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = workers.into_iter().map(|worker| scope.spawn(move || ask_all(worker))).collect();
        workers.into_iter().for_each(|worker| worker.join().expect("a client does not panic"));
    });
}

/// No node hands a record out any more; every record of an entered number is marked, or was called before.
fn no_record_is_dialable(stage: &Stage, entries: &[Entry], calls: &[(Instant, HandedOut)]) {
    let round = stage.number;
    for (number, node) in DATA.into_iter().enumerate() {
        let mut agent = client(&stage.cluster, round, "last", number, true);
        assert_eq!(agent.preview(&group(round)), None, "at {node}");
    }
    let entered: BTreeSet<usize> = entries.iter().map(|entry| entry.number).collect();
    let called: BTreeSet<usize> = calls.iter().map(|(_, record)| number_of(&record.phone)).collect();
    let rows = stage.cluster.export(&list(round), stage.cluster.primary());
    assert_eq!(rows.len(), NUMBERS, "records were added");
    for row in rows {
        let number = number_of(&row["contact_info"]);
        let may_stay = row["record_type"] == NO_CALL || called.contains(&number) || !entered.contains(&number);
        assert!(may_stay, "{row:?}");
    }
}
