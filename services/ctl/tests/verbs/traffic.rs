//! Requests through the HTTP Proxies: replay and drill.

use std::{collections::BTreeMap, path::PathBuf};

use crate::{Double, nobody, ocsctl, ocsctl_at};

/// A list of records 1 to 20 whose handles are 101 to 120, and a file with 5 requests for each, interleaved.
pub(super) fn campaign(double: &Double, dir: &tempfile::TempDir) -> PathBuf {
    let row = |id: u32| [id.to_string(), format!("+{id}"), (id + 100).to_string()];
    double.state().lists.insert("demo".to_owned(), (1..=20).map(row).collect());
    let line = |call, id| {
        format!(
            "{{\"record_id\": {id}, \"req\": \"UpdateCallCompletionStats\", \"body\": {{\"GSW_ATTEMPTS\": {call}}}}}\n"
        )
    };
    let lines: String = (1..=5).flat_map(|call| (1..=20).map(move |id| line(call, id))).collect();
    let path = dir.path().join("requests.jsonl");
    std::fs::write(&path, lines).unwrap();
    path
}

#[tokio::test]
async fn a_replay_applies_each_request_once_in_the_order_of_its_record_whatever_the_proxies_do() {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    let file = campaign(&double, &dir);
    (double.state().posts_refused, double.state().posts_cut) = (7, 5);
    let proxies = double.proxies();
    let words = ["replay", file.to_str().unwrap(), "--list", "demo", "--connections", "8", "--report", "json"];
    let words = [&words[..], &["--proxies", &proxies]].concat();
    let ran = ocsctl(&double, &words).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    let report = ran.json();
    assert_eq!((report["requests"].as_u64(), report["succeeded"].as_u64()), (Some(100), Some(100)));
    assert_eq!(report["by_status"]["200"], 100);
    assert_eq!(report["retries"]["503 UNAVAILABLE"], 7);
    assert_eq!((report["retries"]["connection broken"].as_u64(), report["replayed"].as_u64()), (Some(5), Some(5)));
    let mut orders = BTreeMap::<String, Vec<String>>::new();
    for (path, _, body) in &double.state().applied {
        orders.entry(path.clone()).or_default().push(body.clone());
    }
    let order: Vec<_> = (1..=5).map(|call| format!("{{\"GSW_ATTEMPTS\":{call}}}")).collect();
    assert_eq!(orders.len(), 20);
    assert!(orders.values().all(|bodies| *bodies == order));
    // the same file again is the same replay
    assert_eq!(ocsctl(&double, &words).await.json()["replayed"], 100);
    assert_eq!(double.state().applied.len(), 100);
}

#[tokio::test]
async fn a_replay_that_does_not_end_in_success_is_exit_code_1_and_says_which_line() {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    let file = campaign(&double, &dir);
    double.state().posts_refused = u32::MAX;
    let proxies = double.proxies();
    let words = ["replay", file.to_str().unwrap(), "--list", "demo", "--retry-for", "0", "--proxies", &proxies];
    let ran = ocsctl(&double, &words).await;
    assert_eq!((ran.code, ran.err.as_str()), (1, "ocsctl: 100 of 100 requests did not end in success\n"));
    assert!(ran.out.contains("503 UNAVAILABLE: 100"), "{}", ran.out);
}

#[tokio::test]
async fn a_replay_sends_nothing_when_a_line_names_an_unknown_record() {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    let file = campaign(&double, &dir);
    double.state().lists.get_mut("demo").unwrap().pop();
    let proxies = double.proxies();
    let words = ["replay", file.to_str().unwrap(), "--list", "demo", "--proxies", &proxies];
    let ran = ocsctl(&double, &words).await;
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("line 20: the list has no record 20"), "{}", ran.err);
    assert!(double.state().applied.is_empty());
}

#[tokio::test]
async fn https_front_ends_are_replayed_and_drilled_through_with_their_authority_and_with_no_other() {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    let file = campaign(&double, &dir);
    let (ours, foreign) = (dir.path().join("certs"), dir.path().join("foreign"));
    for certs in [&ours, &foreign] {
        let made = ocsctl(&double, &["certs", "--dir", certs.to_str().unwrap(), "--nodes", "a"]).await;
        assert_eq!(made.code, 0, "{}", made.err);
    }
    let (front_end, ca) = (double.https(&ours).await, ours.join("ca.pem"));
    let replay = ["replay", file.to_str().unwrap(), "--list", "demo", "--proxies", &front_end];
    let refused = ocsctl(&double, &replay).await;
    assert_eq!((refused.code, refused.err.contains("needs --ca FILE")), (2, true), "{}", refused.err);
    let other = foreign.join("ca.pem");
    let untrusted = ocsctl(&double, &[&replay[..], &["--ca", other.to_str().unwrap()]].concat()).await;
    assert_eq!((untrusted.code, untrusted.err.contains("https://")), (3, true), "{}", untrusted.err);
    let told = "TLS failed: the port's certificate does not come from the authority in --ca";
    assert!(untrusted.err.contains(told) && untrusted.err.contains("http_proxy.tls_certificate"), "{}", untrusted.err);
    let ran = ocsctl(&double, &[&replay[..], &["--ca", ca.to_str().unwrap(), "-o", "json"]].concat()).await;
    assert_eq!((ran.code, ran.json()["succeeded"].as_u64()), (0, Some(100)), "{}", ran.err);
    let drill = ["drill", "switchover", "--rounds", "1", "--proxies", &front_end, "--ca", ca.to_str().unwrap()];
    let ran = ocsctl(&double, &[&drill[..], &["-o", "json"]].concat()).await;
    assert_eq!((ran.code, ran.json()["lost"].as_u64()), (0, Some(0)), "{}", ran.err);
}

#[tokio::test]
async fn a_front_end_that_asks_for_a_certificate_gets_ours_and_without_one_is_named_with_the_options() {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    let (file, certs) = (campaign(&double, &dir), dir.path().join("certs"));
    let path = |name: &str| certs.join(name).to_str().unwrap().to_owned();
    let made = ocsctl(&double, &["certs", "--dir", &path(""), "--nodes", "a"]).await;
    assert_eq!(made.code, 0, "{}", made.err);
    let front_end = double.https_for_certificates(&certs).await;
    let (ca, cert, key) = (path("ca.pem"), path("operator.pem"), path("operator.key"));
    let replay = ["replay", file.to_str().unwrap(), "--list", "demo", "--proxies", &front_end, "--ca", &ca];
    let without = ocsctl(&double, &replay).await;
    assert_eq!(without.code, 3, "{}", without.err);
    assert!(without.err.contains("the port sees none: give --cert and --key"), "{}", without.err);
    let pair = ["--cert", cert.as_str(), "--key", &key];
    let ran = ocsctl_at(&double.with_tls(&certs).await, &[&replay[..], &pair, &["-o", "json"]].concat()).await;
    assert_eq!((ran.code, ran.json()["succeeded"].as_u64()), (0, Some(100)), "{}", ran.err);
}

#[tokio::test]
async fn the_front_ends_that_nodes_name_are_reached_over_https_where_they_have_a_certificate() {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    let certs = dir.path().join("certs");
    let made = ocsctl(&double, &["certs", "--dir", certs.to_str().unwrap(), "--nodes", "a"]).await;
    assert_eq!(made.code, 0, "{}", made.err);
    let front_end = double.https(&certs).await;
    let address = front_end.trim_start_matches("https://").to_owned();
    double.state().http_addresses = [address.clone(), address];
    double.state().https = true;
    let drill = ["drill", "switchover", "--rounds", "1", "-o", "json"];
    let without = ocsctl(&double, &drill).await;
    assert_eq!((without.code, without.err.contains("needs --ca FILE")), (2, true), "{}", without.err);
    let ran = ocsctl(&double, &[&drill[..], &["--ca", certs.join("ca.pem").to_str().unwrap()]].concat()).await;
    assert_eq!((ran.code, ran.json()["lost"].as_u64()), (0, Some(0)), "{}", ran.err);
}

#[tokio::test]
async fn a_switchover_drill_finds_every_acknowledged_update() {
    let double = Double::start().await;
    let proxies = double.proxies();
    let ran = ocsctl(&double, &["drill", "switchover", "--rounds", "2", "--proxies", &proxies, "-o", "json"]).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    let report = ran.json();
    assert_eq!(
        (report["rounds"].as_u64(), report["lost"].as_u64(), report["duplicates"].as_u64()),
        (Some(2), Some(0), Some(0))
    );
    assert_eq!(report["updates"], report["acknowledged"]);
    assert!(report["unavailable_ms"]["max"].as_f64().unwrap() > 0.0);
}

#[tokio::test]
async fn a_drill_without_proxies_sends_to_the_front_ends_that_the_nodes_name() {
    let double = Double::start().await;
    let ran = ocsctl(&double, &["drill", "switchover", "--rounds", "1", "-o", "json"]).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    let report = ran.json();
    assert_eq!((report["lost"].as_u64(), &report["updates"]), (Some(0), &report["acknowledged"]));
    assert!(!double.state().applied.is_empty());
}

#[tokio::test]
async fn a_drill_is_refused_at_once_where_no_front_end_answers() {
    let double = Double::start().await;
    let gone = nobody().await;
    double.state().http_addresses[1] = gone.clone();
    let drill = ["drill", "switchover", "--rounds", "1"];
    let ran = ocsctl(&double, &drill).await;
    assert_eq!((ran.code, ran.err.contains(&format!("no HTTP front end answers at {gone}"))), (3, true), "{}", ran.err);
    let ran = ocsctl(&double, &[&drill[..], &["--proxies", &format!("http://{gone}")]].concat()).await;
    assert_eq!((ran.code, ran.err.contains("--proxies or OCSCTL_PROXIES")), (3, true), "{}", ran.err);
    assert!(double.state().lists.is_empty(), "nothing was begun");
}

#[tokio::test]
async fn a_drill_fails_when_an_acknowledged_update_is_missing_or_there_twice() {
    for (forgets, twice) in [(Some("+999000000003".to_owned()), false), (None, true)] {
        let double = Double::start().await;
        double.state().forgets = forgets;
        let proxies = double.proxies();
        let words = ["drill", "switchover", "--rounds", "1", "--proxies", &proxies, "-o", "json"];
        let drill = ocsctl(&double, &words);
        let meddle = async {
            while twice && !double.state().lists.values().any(|rows| rows.len() > 5) {
                tokio::task::yield_now().await;
            }
            if twice {
                double.state().lists.values_mut().for_each(|rows| rows.push(rows[0].clone()));
            }
        };
        let (ran, ()) = tokio::join!(drill, meddle);
        assert_eq!(ran.code, 1, "{}", ran.err);
        let report = ran.json();
        let counts = (report["lost"].as_u64(), report["duplicates"].as_u64());
        assert_eq!(counts, if twice { (Some(0), Some(1)) } else { (Some(1), Some(0)) });
    }
}

#[tokio::test]
async fn a_drill_leaves_a_process_alone_that_is_no_node() {
    let double = Double::start().await; // its nodes give this very process as theirs
    let proxies = double.proxies();
    for kind in ["kill", "pause", "partition"] {
        let ran = ocsctl(&double, &["drill", kind, "--rounds", "1", "--proxies", &proxies]).await;
        assert_eq!(ran.code, 1);
        assert!(ran.err.contains("is not an ocsd: it is left alone"), "{kind}: {}", ran.err);
        assert!(double.state().lists.is_empty());
    }
}
