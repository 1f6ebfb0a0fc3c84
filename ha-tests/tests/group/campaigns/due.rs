//! Changes that come due by themselves (spec 9, Life of a record): records that are held too long, callbacks that are not fetched.
//! A new primary goes on where the old primary stopped.

use ocs_ha_tests::{
    Cluster,
    campaign::{Agent, declare, load},
    until,
};
use serde_json::{Value, json};

const DECLARED: &str = r#"
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
const ADD: &str = "/lists/people?req=AddRecord";

/// Record types and states, and a call result (spec 9).
const CAMPAIGN_RESCHEDULED: i64 = 3;
const PERSONAL_CALLBACK: i64 = 5;
const CAMPAIGN_CALLBACK: i64 = 6;
const READY: i64 = 1;
const MISSED_CALLBACK: i64 = 8;
const AGENT_CALL_BACK_ERROR: i64 = 47;

fn set(cluster: &Cluster, option: &str) {
    cluster.ctl(&["settings", "set", option]).fine();
}

/// Waits until a node shows the record so.
fn until_shown(cluster: &Cluster, node: &str, handle: u64, wanted: &[(&str, Value)]) {
    let mut door = cluster.http(node);
    until(&format!("{node} shows record {handle} with {wanted:?}"), || {
        let answer = door.send("GET", &format!("/records/{handle}"), &[], "");
        answer.is_ok_and(|answer| wanted.iter().all(|(name, value)| answer.attribute(name) == *value))
    });
}

#[test]
fn a_record_that_is_held_too_long_returns_by_itself_over_the_death_of_its_primary() {
    let mut cluster = Cluster::start();
    declare(&cluster, DECLARED);
    load(&cluster, GROUP);
    let (killed, survivor) = (cluster.primary(), cluster.other(cluster.primary()));
    let mut ann = Agent::new(&cluster, "ann", survivor, true);
    let mut bob = Agent::new(&cluster, "bob", survivor, true);
    let handle = ann.ask(ADD, &json!({ "GSW_PHONE": "+99981" })).handle();

    // The time runs while no node is primary.
    let held = ann.preview(GROUP).unwrap();
    assert_eq!(held.handle, handle);
    set(&cluster, "retrieved_timeout=1");
    cluster.kill(killed);
    until_shown(&cluster, survivor, handle, &[("GSW_RECORD_STATUS", json!(READY)), ("GSW_ATTEMPTS", json!(0))]);
    set(&cluster, "retrieved_timeout=1800");
    cluster.start_node(killed, &[]);

    // Another attempt is another one: a late report of the first does not end it.
    let again = bob.preview(GROUP).unwrap();
    assert!(again.handle == handle && again.guid != held.guid, "{held:?}, {again:?}");
    let processed = format!("/records/{handle}?req=RecordProcessed");
    let late = ann.ask(&processed, &json!({ "GSW_CALL_RESULT": "Answer", "GSW_CALL_ATTEMPT_GUID": held.guid }));
    assert_eq!(late.verdict(), (409, "CONFLICT".to_owned()), "{late:?}");

    // A pending reschedule is carried out.
    let at = "12/24/2035 10:00";
    let rescheduled = bob.ask(&format!("/records/{handle}?req=RecordReschedule"), &json!({ "GSW_DATE_TIME": at }));
    assert_eq!(rescheduled.status, 200, "{rescheduled:?}");
    set(&cluster, "retrieved_timeout=1");
    let carried_out = [
        ("GSW_RECORD_STATUS", json!(READY)),
        ("GSW_RECORD_TYPE", json!(CAMPAIGN_RESCHEDULED)),
        ("GSW_DATE_TIME", json!(at)),
    ];
    until_shown(&cluster, survivor, handle, &carried_out);
    assert_eq!(bob.preview(GROUP), None, "the record waits for its time");
    cluster.assert_equal();
}

#[test]
fn callbacks_that_are_not_fetched_become_everybodys_and_then_missed() {
    let cluster = Cluster::start();
    declare(&cluster, DECLARED);
    load(&cluster, GROUP);
    set(&cluster, "personal_callback_grace=0"); // for ever
    let mut dave = Agent::new(&cluster, "dave", "b", true);
    let due = "01/02/2020 10:00";
    let added = dave.ask(ADD, &json!({ "GSW_PHONE": "+99982", "GSW_DATE_TIME": due, "GSW_AGENT_ID": "carl" }));
    let personal = added.handle();
    until_shown(&cluster, "a", personal, &[("GSW_RECORD_TYPE", json!(PERSONAL_CALLBACK))]);
    set(&cluster, "personal_callback_grace=1");
    let overdue = [("GSW_RECORD_TYPE", json!(CAMPAIGN_CALLBACK)), ("GSW_CALL_RESULT", json!(AGENT_CALL_BACK_ERROR))];
    until_shown(&cluster, "a", personal, &overdue);
    let fetched = dave.preview(GROUP).unwrap();
    assert_eq!(fetched.handle, personal);
    dave.report(&fetched, "Answer");

    let missed = dave.ask(ADD, &json!({ "GSW_PHONE": "+99983", "GSW_DATE_TIME": due })).handle();
    until_shown(&cluster, "a", missed, &[("GSW_RECORD_STATUS", json!(READY))]);
    set(&cluster, "callback_expiry=1");
    until_shown(&cluster, "a", missed, &[("GSW_RECORD_STATUS", json!(MISSED_CALLBACK))]);
    assert_eq!(dave.preview(GROUP), None);
    cluster.assert_equal();
}
