//! The replay window for clients without keys: the next change ends the window, through an HTTP Proxy and behind a balancer.

use ocs_ha_tests::{Balancer, Client, Cluster};

const ADD: &str = "/lists/demo?req=AddRecord";

/// A group whose list `demo` has a field `interested`.
fn started() -> Cluster {
    let cluster = Cluster::start();
    std::fs::write(cluster.path("demo.csv"), "contact_info,interested\n+99951900,no\n").unwrap();
    cluster.ctl(&["list", "create", "demo", "--from", "demo.csv"]).fine();
    cluster
}

fn the_last_of_three_updates_counts(door: &mut Client, phone: &str) {
    let added = door.post(ADD, &format!(r#"{{"GSW_PHONE":"{phone}"}}"#));
    assert_eq!(added.status, 200, "{added:?}");
    let record = format!("/records/{}", added.handle());
    for interested in ["yes", "no", "yes"] {
        let body = format!(r#"{{"interested":"{interested}"}}"#);
        let updated = door.post(&format!("{record}?req=UpdateCallCompletionStats"), &body);
        assert_eq!((updated.status, updated.header("idempotent-replayed")), (200, None), "{updated:?}");
    }
    assert_eq!(door.get(&record).attribute("interested"), "yes");
}

fn a_phone_that_was_stopped_meanwhile_is_refused(door: &mut Client, phone: &str) {
    let body = format!(r#"{{"GSW_PHONE":"{phone}"}}"#);
    let added = door.post(ADD, &body);
    assert_eq!(added.status, 200, "{added:?}");
    let stopped = door.post(&format!("/records/{}?req=DoNotCall", added.handle()), "");
    assert_eq!(stopped.status, 200, "{stopped:?}");
    let again = door.post(ADD, &body);
    assert_eq!(again.verdict(), (409, "DO_NOT_CALL".to_owned()), "{again:?}");
}

#[test]
fn a_phone_whose_entry_was_made_and_taken_back_is_added_anew() {
    let cluster = started();
    for (node, phone) in [("a", "+99951907"), ("b", "+99951908")] {
        let (mut door, body) = (cluster.http(node), format!(r#"{{"GSW_PHONE":"{phone}"}}"#));
        let added = door.post(ADD, &body);
        assert_eq!(added.status, 200, "{added:?}");
        assert_eq!(door.post(&format!("/records/{}?req=DoNotCall", added.handle()), "").status, 200);
        cluster.ctl(&["dnc", "remove", phone]).fine();
        let again = door.post(ADD, &body);
        assert_eq!((again.status, again.header("idempotent-replayed")), (200, None), "{again:?}");
        assert_ne!(again.handle(), added.handle());
        let repeated = door.post(ADD, &body);
        assert_eq!((repeated.header("idempotent-replayed"), repeated.handle()), (Some("true"), again.handle()));
    }
    cluster.assert_equal();
}

#[test]
fn three_updates_of_a_record_without_a_key_end_with_the_third() {
    let cluster = started();
    the_last_of_three_updates_counts(&mut cluster.http("a"), "+99951901");
    the_last_of_three_updates_counts(&mut cluster.http("b"), "+99951902");
    a_phone_that_was_stopped_meanwhile_is_refused(&mut cluster.http("a"), "+99951903");
    a_phone_that_was_stopped_meanwhile_is_refused(&mut cluster.http("b"), "+99951904");
    cluster.assert_equal();
}

#[test]
fn behind_haproxy_three_updates_of_a_record_without_a_key_end_with_the_third() {
    if let Some(why) = Balancer::missing() {
        eprintln!("skipped: {why}");
        return;
    }
    let cluster = started();
    let balancer = Balancer::start(&cluster);
    let mut door = Client::new(balancer.address());
    the_last_of_three_updates_counts(&mut door, "+99951905");
    a_phone_that_was_stopped_meanwhile_is_refused(&mut door, "+99951906");
    cluster.assert_equal();
}
