//! Cursors and conditions of the REST interface under many random changes and a failover.
//!
//! `make test` runs a small size of each; `make api-proofs` sets API_CHANGES and API_PATCHES. SEED repeats the choices of a run, as
//! far as the order of concurrent clients allows.

use std::{
    collections::BTreeMap,
    env, io,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use ocs_ha_tests::{Answer, Client, Cluster, until_some, until_some_within};
use rand::{Rng, SeedableRng, random, rngs::StdRng};

const API: &str = "http_proxy.api=true";
const V1: &str = "/api/v1";
/// Clients that page, and clients that change records.
const PAGERS: usize = 4;
const CHANGERS: usize = 4;
/// Records that fit the filters below from the first page to the last; at most as many volatile ones at the beginning.
const STEADY: u64 = 120;
const VOLATILE: u64 = 120;
/// For all changes, on a busy machine.
const LONG: Duration = Duration::from_secs(1_800);
/// The handle of no record.
const NOBODY: u64 = u64::MAX >> 1;
/// Times of steady callbacks are before the bound of the filter, 2099-01-04T12:00:00Z; those of volatile callbacks before or behind it.
const STEADY_DAY: &str = "01/02/2099";
const LATE_DAY: &str = "01/10/2099";

/// The records that fit a filter for ever from the moment on in which they are known to fit.
type Fitting = fn(&Known) -> &Vec<u64>;

/// The filters of walks.
const FILTERS: [(&str, Fitting); 6] = [
    ("limit=50", |known| &known.all),
    ("limit=7&phone=%2B999610000", |known| &known.of_phone),
    ("limit=5&chain=1", |known| &known.of_chain),
    ("limit=20&status=Ready", |known| &known.ready),
    ("limit=7&customer=steady", |known| &known.of_customer),
    ("limit=5&due_before=4071211200", |known| &known.callbacks),
];

/// The size of a proof.
fn size(name: &str, small: u64) -> u64 {
    env::var(name).map_or(small, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Handles of acknowledged records.
#[derive(Debug, Default)]
struct Known {
    /// No record goes.
    all: Vec<u64>,
    /// Phone and chain of a record never change.
    of_phone: Vec<u64>,
    of_chain: Vec<u64>,
    /// No client finalises them, or gives them another customer.
    ready: Vec<u64>,
    of_customer: Vec<u64>,
    /// They move, and stay before the bound.
    callbacks: Vec<u64>,
    /// The others, until they are finalised.
    volatile: Vec<u64>,
}

/// The state that all clients of a proof share.
struct Proof {
    addresses: [String; 2],
    known: Mutex<Known>,
    /// Changes that were acknowledged, and their aim.
    changes: AtomicU64,
    wanted: u64,
    /// A client met an answer that no client may meet: the others stop.
    is_broken: AtomicBool,
    /// The primary is dead: a page that is asked for from now on needs another one.
    is_killed: AtomicBool,
    /// Walks that began before the failover and went on behind it, and walks in all.
    over_the_failover: AtomicU64,
    walks: AtomicU64,
    /// Numbers for phones and references.
    numbers: AtomicU64,
}

impl Proof {
    fn new(cluster: &Cluster, wanted: u64) -> Self {
        Self {
            addresses: ["a", "b"].map(|node| cluster.settings().address(node, "http")),
            known: Mutex::default(),
            changes: AtomicU64::new(0),
            wanted,
            is_broken: AtomicBool::new(false),
            is_killed: AtomicBool::new(false),
            over_the_failover: AtomicU64::new(0),
            walks: AtomicU64::new(0),
            numbers: AtomicU64::new(1),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether so many changes are made, or no more will be.
    fn has_made(&self, changes: u64) -> bool {
        self.changes.load(Relaxed) >= changes || self.is_broken.load(Relaxed)
    }

    fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Relaxed)
    }

    fn clients(&self) -> [Client; 2] {
        [0, 1].map(|at: usize| Client::new(&self.addresses[at]))
    }

    // === records ===

    /// A list with the steady records, and some volatile ones.
    fn fill(&self) {
        let [mut http, _] = self.clients();
        let fields =
            r#"[{"name":"CLIENT","type":"varchar(20)","default":""},{"name":"COUNT","type":"int","default":"0"}]"#;
        let list = format!(r#"{{"name":"demo","time_zone":"UTC","customer_id":"CLIENT","fields":{fields}}}"#);
        let made = http.post(&format!("{V1}/lists"), &list);
        assert_eq!(made.status, 201, "{made:?}");
        (0..STEADY).for_each(|number| self.add_steady(&mut http, number));
        for _ in 0..VOLATILE {
            let added = self.add_volatile(&mut http).unwrap();
            assert_eq!(added.status, 201, "{added:?}");
        }
    }

    fn add_steady(&self, http: &mut Client, number: u64) {
        let (has_phone, has_chain) = (number.is_multiple_of(3), number.is_multiple_of(4));
        let (has_customer, is_callback) = (number.is_multiple_of(2), number.is_multiple_of(5));
        // with a number of its own, no addition repeats another one
        let mut body =
            serde_json::json!({ "GSW_PHONE": "+999610000", "CLIENT": "other", "GSW_REFERENCE_ID": self.number() });
        if !has_phone {
            body["GSW_PHONE"] = self.phone().into();
        }
        if has_chain && number > 0 {
            body["GSW_CHAIN_ID"] = 1.into(); // the first record has begun chain 1
        }
        if has_customer {
            body["CLIENT"] = "steady".into();
        }
        if is_callback {
            body["GSW_DATE_TIME"] = format!("{STEADY_DAY} 05:00").into();
        }
        let added = http.post(&format!("{V1}/lists/demo/records"), &body.to_string());
        assert_eq!(added.status, 201, "{added:?}");
        let (handle, mut guard) = (added.handle(), self.known());
        let known = &mut *guard;
        known.all.push(handle);
        known.ready.push(handle);
        for (fits, handles) in [
            (has_phone, &mut known.of_phone),
            (has_chain, &mut known.of_chain),
            (has_customer, &mut known.of_customer),
            (is_callback, &mut known.callbacks),
        ] {
            if fits {
                handles.push(handle);
            }
        }
    }

    fn phone(&self) -> String {
        format!("+99962{:06}", self.number())
    }

    /// Each third record has the phone of the filter.
    fn add_volatile(&self, http: &mut Client) -> io::Result<Answer> {
        let has_phone = self.number().is_multiple_of(3);
        let phone = if has_phone { "+999610000".to_owned() } else { self.phone() };
        let body = format!(r#"{{"GSW_PHONE":"{phone}","CLIENT":"c","GSW_REFERENCE_ID":{}}}"#, self.number());
        let answer = http.send("POST", &format!("{V1}/lists/demo/records"), &[], &body)?;
        if answer.status == 201 {
            let (handle, mut known) = (answer.handle(), self.known());
            known.all.push(handle);
            known.volatile.push(handle);
            if has_phone {
                known.of_phone.push(handle);
            }
        }
        Ok(answer)
    }

    // === changes ===

    /// Changes records until enough changes were acknowledged; a client goes to the other node where the first does not answer.
    fn change_all(&self, seed: u64) {
        let (mut random, mut clients) = (StdRng::seed_from_u64(seed), self.clients());
        let mut at: usize = random.random_range(0..2);
        while !self.has_made(self.wanted) {
            match self.change(&mut random, &mut clients[at]) {
                Ok(answer) if matches!(answer.status, 200 | 201) => {
                    self.changes.fetch_add(1, Relaxed);
                }
                Ok(answer) if matches!(answer.status, 404 | 409) => {} // another client has finalised the record
                Ok(answer) if matches!(answer.status, 429 | 503 | 504) => at = 1 - at,
                Ok(answer) => {
                    self.is_broken.store(true, Relaxed);
                    panic!("{answer:?}");
                }
                Err(_) => at = 1 - at,
            }
        }
    }

    fn change(&self, random: &mut StdRng, http: &mut Client) -> io::Result<Answer> {
        let (reference, hour) = (self.number(), random.random_range(0..24));
        let timed = |day: &str| format!(r#"{{"GSW_DATE_TIME":"{day} {hour:02}:00","GSW_REFERENCE_ID":{reference}}}"#);
        let (method, handle, action, body) = match random.random_range(0..10) {
            0 => return self.add_volatile(http),
            1 | 2 => ("POST", self.any(random, |known| &known.callbacks), "/reschedule", timed(STEADY_DAY)),
            3 => ("POST", self.any(random, |known| &known.volatile), "/reschedule", timed(STEADY_DAY)),
            4 => ("POST", self.any(random, |known| &known.volatile), "/reschedule", timed(LATE_DAY)),
            5 => ("POST", self.take(random), "/cancel", String::new()),
            6 | 7 => ("PATCH", self.any(random, |known| &known.ready), "", format!(r#"{{"COUNT":{reference}}}"#)),
            _ => {
                let client = ["steady", "c", "d"][random.random_range(0..3)];
                let body = format!(r#"{{"CLIENT":"{client}","COUNT":{reference}}}"#);
                ("PATCH", self.any(random, |known| &known.volatile), "", body)
            }
        };
        http.send(method, &format!("{V1}/records/{handle}{action}"), &[], &body)
    }

    fn any(&self, random: &mut StdRng, of: fn(&Known) -> &Vec<u64>) -> u64 {
        let known = self.known();
        let handles = of(&known);
        if handles.is_empty() { NOBODY } else { handles[random.random_range(0..handles.len())] }
    }

    /// A volatile record that is about to be finalised.
    fn take(&self, random: &mut StdRng) -> u64 {
        let mut known = self.known();
        if known.volatile.is_empty() {
            return NOBODY;
        }
        let at = random.random_range(0..known.volatile.len());
        known.volatile.swap_remove(at)
    }

    // === walks ===

    /// Walks through the list until all changes are made, with one filter after the other.
    fn page_all(&self, first: usize) {
        let mut clients = self.clients();
        for walk in 0.. {
            if walk >= FILTERS.len() && self.has_made(self.wanted) {
                return;
            }
            self.walk(&mut clients, FILTERS[(first + walk) % FILTERS.len()]);
            self.walks.fetch_add(1, Relaxed);
        }
    }

    /// All pages of a filter, at both nodes in turn: no record twice, and each that fits throughout.
    fn walk(&self, clients: &mut [Client; 2], (query, fits): (&str, fn(&Known) -> &Vec<u64>)) {
        let throughout = fits(&self.known()).clone();
        let (began_before, mut went_on) = (!self.is_killed.load(Relaxed), false);
        let (mut shown, mut cursor, mut turn) = (BTreeMap::<u64, u32>::new(), String::new(), 0);
        loop {
            let target = format!("{V1}/lists/demo/records?{query}{cursor}");
            let page = until_some("a page comes", || {
                turn += 1;
                went_on |= self.is_killed.load(Relaxed);
                answered(&mut clients[turn % 2], &target)
            });
            for item in page.attribute("items").as_array().unwrap() {
                *shown.entry(item["GSW_RECORD_HANDLE"].as_u64().unwrap()).or_default() += 1;
            }
            match page.attribute("next").as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let twice: Vec<&u64> = shown.iter().filter(|(_, times)| **times > 1).map(|(handle, _)| handle).collect();
        assert!(twice.is_empty(), "{query}: {twice:?} came twice");
        let left_out: Vec<&u64> = throughout.iter().filter(|handle| !shown.contains_key(*handle)).collect();
        assert!(left_out.is_empty(), "{query}: {left_out:?} were left out of {}", shown.len());
        if began_before && went_on {
            self.over_the_failover.fetch_add(1, Relaxed);
        }
    }
}

fn wait_for(proof: &Proof, changes: u64) {
    until_some_within(LONG, "so many changes are made", || proof.has_made(changes).then_some(()));
}

/// The page; none: the node does not answer now.
fn answered(client: &mut Client, target: &str) -> Option<Answer> {
    match client.send("GET", target, &[], "") {
        Ok(answer) if answer.status == 200 => Some(answer),
        Ok(answer) if matches!(answer.status, 429 | 503 | 504) => None,
        Ok(answer) => panic!("{target}: {answer:?}"),
        Err(_) => None,
    }
}

#[test]
fn pages_show_no_record_twice_and_leave_none_out_while_records_change_and_the_primary_dies() {
    let seed = size("SEED", random());
    eprintln!("SEED={seed}");
    let mut cluster = Cluster::with(&[API]);
    let proof = Proof::new(&cluster, size("API_CHANGES", 2_000));
    proof.fill();
    thread::scope(|scope| {
        let proof = &proof;
        (0..PAGERS).for_each(|first| drop(scope.spawn(move || proof.page_all(first))));
        (0..CHANGERS as u64).for_each(|client| drop(scope.spawn(move || proof.change_all(seed.wrapping_add(client)))));
        wait_for(proof, proof.wanted / 2);
        let primary = cluster.primary();
        cluster.kill_with_proxy(primary);
        proof.is_killed.store(true, Relaxed);
        cluster.wait_primary();
        cluster.start_node(primary, &[]);
        wait_for(proof, proof.wanted);
    });
    let (walks, over) = (proof.walks.load(Relaxed), proof.over_the_failover.load(Relaxed));
    eprintln!("{} changes, {walks} walks, {over} of them over the failover", proof.changes.load(Relaxed));
    assert!(over > 0, "no walk went over the failover");
    cluster.assert_equal();
}

#[test]
fn two_clients_that_patch_a_record_under_conditions_lose_no_change() {
    let changes = size("API_PATCHES", 200);
    let cluster = Cluster::with(&[API]);
    let mut http = cluster.http("a");
    http.post(&format!("{V1}/lists"), r#"{"name":"demo","fields":[{"name":"COUNT","type":"int","default":"0"}]}"#);
    let added = http.post(&format!("{V1}/lists/demo/records"), r#"{"GSW_PHONE":"+999610001"}"#);
    let target = added.header("location").unwrap().to_owned();
    let counts = |mut http: Client, target: String| {
        let (mut done, mut refused) = (0, 0_u64);
        while done < changes {
            let record = http.get(&target);
            let count = record.attribute("COUNT").as_u64().unwrap() + 1;
            let condition = [("If-Match", record.header("etag").unwrap())];
            let patched = http.must("PATCH", &target, &condition, &format!(r#"{{"COUNT":{count}}}"#));
            match patched.status {
                200 => done += 1,
                412 => refused += 1,
                _ => panic!("{patched:?}"),
            }
        }
        eprintln!("{done} changes, {refused} refused by their condition");
    };
    thread::scope(|scope| {
        for node in ["a", "b"] {
            let (http, target) = (cluster.http(node), target.clone());
            scope.spawn(move || counts(http, target));
        }
    });
    assert_eq!(http.get(&target).attribute("COUNT").as_u64(), Some(2 * changes));
    cluster.assert_equal();
}
