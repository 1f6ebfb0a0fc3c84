//! Lists that are deleted while nodes die, and Do-Not-Call entries that are taken back, on real processes.

use std::fs;

use ocs_ha_tests::{Cluster, Process, until};
use serde_json::json;

const ROWS: u64 = 60_000;

fn started() -> Cluster {
    let cluster = Cluster::start();
    let decides = |node: &str| cluster.log(node).contains("rules version 7");
    until("both decide by rules that delete", || decides("a") && decides("b"));
    cluster
}

#[test]
fn a_list_is_deleted_with_its_records_over_a_failover() {
    let mut cluster = started();
    let rows: String = (1..=ROWS).map(|id| format!("{id},+9996{id:06}\n")).collect();
    fs::write(cluster.path("list.csv"), format!("record_id,contact_info\n{rows}")).unwrap();
    cluster.ctl(&["list", "create", "demo", "--from", "list.csv"]).fine();
    let used = cluster.ctl(&["list", "delete", "demo", "--yes"]);
    assert_eq!(used.code, 1, "{}", used.out);
    assert!(used.err.contains("in use") && used.err.contains("--in-use"), "{}", used.err);

    let words = ["list", "delete", "demo", "--yes", "--in-use"];
    let mut deletion = Process::start("ocsctl", &mut cluster.ctl_command(&words), &cluster.path("ocsctl.log"));
    until("the deletion is under way", || {
        cluster.of_node("a")["records"].as_u64().is_some_and(|records| records < ROWS)
    });
    let killed = cluster.primary();
    cluster.kill(killed);
    cluster.start_node(killed, &[]);
    assert_eq!(deletion.wait(), 0, "{}", fs::read_to_string(cluster.path("ocsctl.log")).unwrap());
    assert_eq!(cluster.ctl(&["list", "show", "demo"]).code, 1);
    assert_eq!(cluster.ctl(&["record", "get", "1"]).code, 1);
    cluster.assert_equal();
    assert_eq!(cluster.of_node(killed)["records"].as_u64(), Some(0));
    cluster.ctl(&["list", "create", "demo", "--from", "list.csv"]).fine();
    assert_eq!(cluster.ctl(&["list", "show", "demo", "-o", "json"]).json()[0]["records"], json!(ROWS));
}

#[test]
fn a_do_not_call_entry_is_found_in_every_spelling_and_taken_back() {
    let cluster = started();
    fs::write(cluster.path("list.csv"), "contact_info\n+999 555 0100\n").unwrap();
    cluster.ctl(&["list", "create", "demo", "--from", "list.csv"]).fine();
    let mut http = cluster.http("a");
    assert_eq!(http.post("/records/1?req=DoNotCall", "{}").status, 200);
    let checked = |phone: &str| cluster.ctl(&["dnc", "check", phone, "-o", "json"]).json();
    let view = checked("tel:00999-5550100");
    assert_eq!((&view["listed"], &view["forms"][0]), (&json!(true), &json!("+9995550100")), "{view}");
    cluster.ctl(&["dnc", "remove", "+999 (0) 555 0100"]).fine();
    assert_eq!(checked("+9995550100")["listed"], json!(false));
    assert_eq!(cluster.ctl(&["dnc", "export"]).out.lines().count(), 1);
    let record = cluster.ctl(&["record", "get", "1", "-o", "json"]).json();
    assert_eq!(record["GSW_RECORD_TYPE"], json!(7), "the record stays as it is: {record}");
    cluster.assert_equal();
}

#[test]
fn a_do_not_call_entry_of_a_messenger_or_an_address_is_taken_back_and_the_order_says_so() {
    let cluster = started();
    cluster.create_list("demo");
    let mut http = cluster.http(cluster.primary());
    for (phone, kind) in [("live:jim", 11), ("skype:Jane", 11), ("abc", 10), ("jane@example.org", 10)] {
        let body = json!({"GSW_PHONE": phone, "GSW_PHONE_TYPE": kind}).to_string();
        let added = http.post("/lists/demo?req=AddRecord", &body);
        let stopped = http.post(&format!("/records/{}?req=DoNotCall", added.handle()), "{}");
        assert_eq!((added.status, stopped.status), (200, 200), "{added:?} {stopped:?}");
        let removed = cluster.ctl(&["dnc", "remove", phone]).fine();
        assert!(removed.contains(&format!("{phone} is taken off the Do-Not-Call list")), "{removed}");
    }
    assert_eq!(cluster.ctl(&["dnc", "export"]).out.lines().count(), 1, "the header alone");
    let refused = cluster.ctl(&["dnc", "remove", "live:jim"]);
    assert!(refused.code == 1 && refused.err.contains("has no digit"), "{}", refused.err);
    cluster.assert_equal();
}
