//! Without a quorum: a read is answered at once from the state of the node that is left, straight and behind balancers; any other
//! request hears when to come back.

use std::time::{Duration, Instant};

use ocs_ha_tests::{Answer, Balancer, Client, Cluster, until};

/// Reads that each waited for `hold_time` would take minutes.
const READS: u32 = 50;
const AT_ONCE: Duration = Duration::from_secs(5);

/// A group of which one data node is left, that node, and the path of a record.
fn left_alone(start: impl FnOnce(&Cluster) -> Option<Balancer>) -> (Cluster, &'static str, String, Option<Balancer>) {
    let mut cluster = Cluster::start();
    cluster.create_list("demo");
    let balancer = start(&cluster);
    let left = cluster.primary();
    let added = cluster.http(left).post("/lists/demo?req=AddRecord", r#"{"GSW_PHONE":"+99950000001"}"#);
    let record = format!("/records/{}", added.handle());
    cluster.kill_with_proxy(cluster.other(left));
    cluster.kill("w");
    (cluster, left, record, balancer)
}

fn is_stale(answer: &Answer) -> bool {
    answer.status == 200 && answer.header("x-ocs-stale") == Some("true")
}

fn get(client: &mut Client, path: &str) -> Option<Answer> {
    client.send("GET", path, &[], "").ok()
}

/// From the first stale read on, no read waits.
fn reads_are_at_once(client: &mut Client, record: &str) {
    until("a read is stale", || get(client, record).is_some_and(|answer| is_stale(&answer)));
    let begun = Instant::now();
    for _ in 0..READS {
        let answer = get(client, record).unwrap();
        assert!(is_stale(&answer), "{answer:?}");
    }
    assert!(begun.elapsed() < AT_ONCE, "{READS} reads took {:?}", begun.elapsed());
}

#[test]
fn a_read_without_a_quorum_waits_for_hold_time_once_and_never_again_until_a_quorum_is_back() {
    let (mut cluster, left, record, _) = left_alone(|_| None);
    let mut client = cluster.http(left);
    reads_are_at_once(&mut client, &record);
    cluster.start_node("w", &[]);
    until("a read is confirmed", || {
        get(&mut client, &record).is_some_and(|answer| answer.status == 200 && answer.header("x-ocs-stale").is_none())
    });
}

/// Reads come through a balancer at once, other requests hear when to come back, and without any node both do.
fn behind(start: impl FnOnce(&Cluster) -> Option<Balancer>) {
    let (mut cluster, left, record, balancer) = left_alone(start);
    let balancer = balancer.expect("it was started");
    let mut client = Client::new(balancer.address());
    reads_are_at_once(&mut client, &record);
    let update = format!("{record}?req=RecordProcessed");
    let refused = client.must("POST", &update, &[], "{}");
    assert_error(&refused, &[503, 504]);
    cluster.kill(left);
    until("no node answers", || get(&mut client, &record).is_some_and(|answer| answer.status >= 503));
    assert_error(&get(&mut client, &record).unwrap(), &[503, 504]);
    assert_error(&client.must("POST", &update, &[], "{}"), &[503, 504]);
}

/// One of these statuses, in the shape of a node's errors, with a time to come back.
fn assert_error(answer: &Answer, statuses: &[u16]) {
    let (status, code) = answer.verdict();
    assert!(statuses.contains(&status) && ["UNAVAILABLE", "OUTCOME_UNKNOWN"].contains(&code.as_str()), "{answer:?}");
    assert_eq!(answer.attribute("GSW_USER_EVENT"), "Error");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
}

#[test]
fn behind_haproxy_a_read_goes_to_the_node_that_is_left_and_other_requests_get_json() {
    match Balancer::missing() {
        Some(why) => eprintln!("skipped: {why}"),
        None => behind(|cluster| Some(Balancer::start(cluster))),
    }
}

#[test]
fn behind_nginx_a_read_goes_to_the_node_that_is_left_and_other_requests_get_json() {
    match Balancer::missing_nginx() {
        Some(why) => eprintln!("skipped: {why}"),
        None => behind(|cluster| Some(Balancer::start_nginx(cluster))),
    }
}
