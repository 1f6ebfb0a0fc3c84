//! An operator forces a node to lead alone (decision 0011): a pair loses no acknowledged update, elsewhere the operator accepts
//! possible losses, and a node that returns from the epoch before joins again under a new id (R11 one-id-one-log).

use std::process::Stdio;

use ocs_ha_tests::{Cluster, Ran, until};

use crate::modes;

const NAMES: [&str; 2] = ["a", "b"];
/// Data nodes of a group of three.
const THREE: [&str; 3] = ["a", "b", "w"];
/// Kills of a node during the execution of an order.
const KILLS: usize = 3;

fn start_of_pair(cluster: &mut Cluster, node: &'static str) {
    modes::start(cluster, "pair", &NAMES, node);
}

fn add(cluster: &Cluster, node: &str, phone: &str) -> Option<Option<String>> {
    let body = format!(r#"{{"GSW_PHONE":"{phone}"}}"#);
    let answer = cluster.http(node).send("POST", "/lists/demo?req=AddRecord", &[], &body).ok()?;
    (answer.status == 200).then(|| answer.header("x-ocs-mode").map(str::to_owned))
}

fn add_all(cluster: &Cluster, node: &str, phones: std::ops::Range<u32>) -> Vec<String> {
    let phones: Vec<String> = phones.map(|number| format!("+99{number}")).collect();
    for phone in &phones {
        until("an update is acknowledged", || add(cluster, node, phone).is_some());
    }
    phones
}

fn holds(cluster: &Cluster, node: &str, phones: &[String]) -> bool {
    let text = cluster.export_text("demo", node);
    phones.iter().all(|phone| text.contains(phone.as_str()))
}

/// Repeats the order while the node has heard the others a moment ago, until the node executes the order or refuses for another
/// reason.
fn force(cluster: &Cluster, words: &[&str]) -> Ran {
    let mut last = None;
    until("the node knows that it is cut off", || {
        let ran = cluster.ctl(words);
        let too_early = ran.err.contains("hears a quorum") || ran.err.contains("quorum answers");
        last = Some(ran);
        !too_early
    });
    last.expect("just ran")
}

fn leads_alone(cluster: &Cluster, node: &str) {
    let described = cluster.of_node(node);
    assert_eq!(described["mode"], "single-copy", "{described}");
    assert!(described["survives"].as_str().is_some_and(|text| text.starts_with("nothing")), "{described}");
    assert_eq!(cluster.metric(node, "ocs_single_copy"), 1.0);
    assert!(cluster.admin(node).get("/readyz").body.contains(r#""mode":"single-copy""#));
    assert_eq!(add(cluster, node, "+77"), Some(Some("single-copy".to_owned())), "an answer does not say it");
}

#[test]
fn of_a_pair_the_survivor_is_forced_loses_nothing_and_becomes_a_pair_again() {
    let mut cluster = Cluster::prepare(&[]);
    NAMES.iter().for_each(|node| start_of_pair(&mut cluster, node));
    let lost = modes::primary(&cluster, &NAMES);
    cluster.create_list("demo");
    let mut phones = add_all(&cluster, lost, 100..140);
    cluster.kill(lost);
    let survivor = cluster.other(lost);
    let ran = force(&cluster, &["force-primary", survivor]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("last index of its log") && ran.err.contains("every acknowledged update"), "{}", ran.err);
    leads_alone(&cluster, survivor);
    let audit = cluster.ctl(&["audit", "--what", "ForcePrimary", "-o", "json"]).fine();
    assert_eq!(audit.matches(r#""outcome":"done""#).count(), 1, "the order is in the audit, once: {audit}");
    phones.extend(add_all(&cluster, survivor, 200..220));
    assert!(holds(&cluster, survivor, &phones), "an acknowledged update is gone");
    let refused = cluster.ctl(&["mode", "set", "pair"]);
    assert!(refused.code == 1 && refused.err.contains("has not joined yet"), "{}", refused.err);
    start_of_pair(&mut cluster, lost);
    until("the other one joins, catches up and votes", || cluster.ctl(&["mode", "set", "pair"]).code == 0);
    assert!(cluster.log(lost).contains("gives its Raft id up"), "{lost} went on under its old id");
    phones.extend(add_all(&cluster, lost, 300..310));
    until("both hold the same", || cluster.export_text("demo", "a") == cluster.export_text("demo", "b"));
    assert!(holds(&cluster, lost, &phones));
    assert_eq!(cluster.of_node(survivor)["mode"], "pair");
    assert_eq!(add(&cluster, survivor, "+78"), Some(None));
    let verified = cluster.ctl(&["verify", "-o", "json"]).json();
    assert_eq!(verified["equal"], true, "{verified}");
    cluster.kill(survivor); // killed and started again, the node is a voter of the pair as before
    start_of_pair(&mut cluster, survivor);
    add_all(&cluster, survivor, 400..402);
}

#[test]
fn with_a_witness_loss_must_be_accepted_and_the_epoch_before_joins_again() {
    let mut cluster = Cluster::start();
    cluster.create_list("demo");
    let early = cluster.ctl(&["force-primary", "b", "--accept-loss"]);
    assert!(early.code == 1 && early.err.contains("use `ocsctl switchover`"), "{}", early.err);
    let old = cluster.primary();
    let forced = cluster.other(old);
    let phones = add_all(&cluster, old, 100..120);
    until("the backup has them", || holds(&cluster, forced, &phones));
    cluster.kill(old);
    cluster.kill("w");
    let refused = force(&cluster, &["force-primary", forced]);
    assert!(refused.code == 1 && refused.err.contains("--accept-loss"), "{}", refused.err);
    assert_eq!(force(&cluster, &["force-primary", forced, "--accept-loss", "--dry-run"]).code, 0);
    let ran = force(&cluster, &["force-primary", forced, "--accept-loss"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    leads_alone(&cluster, forced);
    assert!(holds(&cluster, forced, &phones));
    let more = add_all(&cluster, forced, 200..220);
    for node in [old, "w"] {
        cluster.start_node(node, &[]);
    }
    for node in [old, "w"] {
        until("it gives its id up", || cluster.log(node).contains("gives its Raft id up"));
        until("it is taken in", || cluster.log(node).contains("has taken this node in under a new id"));
    }
    until("single-copy ends", || cluster.ctl(&["mode", "set", "witness"]).code == 0);
    cluster.wait_back();
    assert!(holds(&cluster, old, &phones) && holds(&cluster, old, &more));
    cluster.assert_equal();
    let history = cluster.ctl(&["history"]).fine().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(history.contains("forced it into epoch 2, loss of updates accepted: last index"), "{history}");
    until("the witness votes", || cluster.of_node(forced)["survives"] == "the loss of any one node");
}

fn is_alone(cluster: &Cluster, node: &str) -> bool {
    let ready = cluster.admin(node).send("GET", "/readyz", &[], "");
    ready.is_ok_and(|answer| answer.body.contains(r#""mode":"single-copy""#))
}

/// kill -9 of the node during each execution of the order; after the execution, a kill of the running node.
fn kill_while_it_obeys(cluster: &mut Cluster, node: &'static str) {
    let begun = |cluster: &Cluster| cluster.log(node).matches("lead alone: executing it").count();
    for times in 1..=KILLS {
        until("the order is executed", || begun(cluster) >= times || is_alone(cluster, node));
        cluster.kill(node);
        modes::start(cluster, "three", &THREE, node);
    }
}

#[test]
fn of_three_the_last_one_is_forced_and_killed_meanwhile_and_still_leads_alone_with_all_that_it_had() {
    let mut cluster = Cluster::prepare(&[]);
    THREE.iter().for_each(|node| modes::start(&mut cluster, "three", &THREE, node));
    let old = modes::primary(&cluster, &THREE);
    let forced = cluster.other(old);
    cluster.create_list("demo");
    let phones = add_all(&cluster, old, 100..120);
    until("the backup has them", || holds(&cluster, forced, &phones));
    let others = THREE.into_iter().filter(|node| *node != forced);
    others.clone().for_each(|node| cluster.kill(node));
    let refused = force(&cluster, &["force-primary", forced]);
    assert!(refused.code == 1 && refused.err.contains("--accept-loss"), "{}", refused.err);
    let words = ["force-primary", forced, "--accept-loss"];
    let mut order = cluster.ctl_command(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    kill_while_it_obeys(&mut cluster, forced);
    order.wait().unwrap(); // the ordered node was killed: the order's exit code is chance
    until("it leads alone", || is_alone(&cluster, forced));
    leads_alone(&cluster, forced);
    assert!(holds(&cluster, forced, &phones), "an update that it had is gone");
    let more = add_all(&cluster, forced, 200..210);
    others.for_each(|node| modes::start(&mut cluster, "three", &THREE, node));
    until("single-copy ends", || cluster.ctl(&["mode", "set", "three"]).code == 0);
    until("all hold the same", || {
        THREE.iter().all(|node| holds(&cluster, node, &phones) && holds(&cluster, node, &more))
    });
}
