//! Groups without a witness (architecture, What loses what): three data nodes go on without one of them; the survivor of two
//! stops, and loses no update.

use ocs_ha_tests::{Cluster, until};

fn nodes(cluster: &Cluster, names: &[&str]) -> String {
    let member = |name: &&str| {
        let address = |purpose| cluster.settings().address(name, purpose);
        format!(r#"{{name="{name}",role="data",peer="{}",control="{}"}}"#, address("peer"), address("control"))
    };
    format!("cluster.nodes=[{}]", names.iter().map(member).collect::<Vec<_>>().join(","))
}

/// Starts a node of a group of these data nodes in a mode.
pub(crate) fn start(cluster: &mut Cluster, mode: &str, names: &[&'static str], node: &'static str) {
    let (mode, nodes) = (format!("cluster.mode={mode}"), nodes(cluster, names));
    cluster.start_node(node, &["--bootstrap", "--set", &mode, "--set", &nodes]);
}

fn add(cluster: &Cluster, node: &str, phone: &str) -> bool {
    let body = format!(r#"{{"GSW_PHONE":"{phone}"}}"#);
    cluster.http(node).send("POST", "/lists/demo?req=AddRecord", &[], &body).is_ok_and(|answer| answer.status == 200)
}

fn is_primary(cluster: &Cluster, node: &str) -> bool {
    cluster.admin(node).send("GET", "/primary", &[], "").is_ok_and(|answer| answer.status == 200)
}

pub(crate) fn primary(cluster: &Cluster, names: &[&'static str]) -> &'static str {
    let find = || names.iter().copied().find(|node| is_primary(cluster, node));
    until("there is a primary", || find().is_some());
    find().expect("just looked")
}

#[test]
fn of_three_data_nodes_one_may_be_lost_and_the_others_go_on() {
    let mut cluster = Cluster::prepare(&[]);
    let names = ["a", "b", "w"];
    names.iter().for_each(|node| start(&mut cluster, "three", &names, node));
    let lost = primary(&cluster, &names);
    cluster.create_list("demo");
    assert!(add(&cluster, lost, "+9991"));
    cluster.kill(lost);
    let rest: Vec<&'static str> = names.into_iter().filter(|node| *node != lost).collect();
    let now = primary(&cluster, &rest);
    assert!(add(&cluster, now, "+9992"));
    start(&mut cluster, "three", &names, lost);
    until("all hold the same", || names.iter().all(|node| cluster.export_text("demo", node).lines().count() == 3));
    assert_eq!(cluster.of_node(now)["mode"], "three");
}

#[test]
fn of_a_pair_the_survivor_takes_no_update_and_loses_none() {
    let mut cluster = Cluster::prepare(&[]);
    let names = ["a", "b"];
    names.iter().for_each(|node| start(&mut cluster, "pair", &names, node));
    let lost = primary(&cluster, &names);
    cluster.create_list("demo");
    assert!(add(&cluster, lost, "+9991"));
    cluster.kill(lost);
    let survivor = cluster.other(lost);
    assert!(!add(&cluster, survivor, "+9992"), "an update was taken on one disk");
    assert!(!is_primary(&cluster, survivor));
    start(&mut cluster, "pair", &names, lost);
    let now = primary(&cluster, &names);
    assert!(add(&cluster, now, "+9993"));
    until("both hold the same", || cluster.export_text("demo", "a") == cluster.export_text("demo", "b"));
    assert!(cluster.export_text("demo", "a").contains("+9991"), "an acknowledged update is gone");
}
