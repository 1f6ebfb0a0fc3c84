//! The group's health and failures, as people and programs read them.

use crate::{Double, nobody, ocsctl, ocsctl_at};

#[tokio::test]
async fn a_check_ends_with_the_code_of_what_it_found() {
    let double = Double::start().await;
    let check = ["status", "--check"];
    let whole = ocsctl(&double, &check).await;
    assert_eq!((whole.code, whole.err.as_str()), (0, ""), "{}", whole.out);
    double.state().warning_of_b = Some("disk full: this node is up".to_owned());
    let degraded = ocsctl(&double, &check).await;
    assert_eq!((degraded.code, degraded.err.as_str()), (5, "ocsctl: degraded: b: disk full: this node is up\n"));
    assert_eq!(ocsctl(&double, &["status"]).await.code, 0, "without --check a primary is enough");
    double.state().warning_of_b = None;
    let endpoints = format!("{},{}", double.endpoints(), nobody().await);
    assert_eq!(ocsctl_at(&endpoints, &check).await.code, 5, "a node does not answer");
    double.state().primary.clear();
    assert_eq!(ocsctl(&double, &check).await.code, 4);
    assert_eq!(ocsctl_at(&nobody().await, &check).await.code, 3);
}

#[tokio::test]
async fn what_is_not_visible_from_here_is_not_said_to_be_gone() {
    let double = Double::start().await;
    let b = double.endpoints().split(',').nth(1).unwrap().to_owned();
    let endpoints = format!("{},{b}", nobody().await);
    let ran = ocsctl_at(&endpoints, &["status"]).await;
    assert_eq!(ran.code, 0, "a quorum told b who is primary: {}", ran.err);
    let flat = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
    let told = "No primary visible from here (1 of 2 nodes answered); b reports that a is primary";
    assert!(flat.contains(told), "{}", ran.out);
    assert_eq!(ocsctl_at(&endpoints, &["status", "--check"]).await.code, 5);
    let none = ocsctl_at(&nobody().await, &["status"]).await;
    assert!(none.err.contains("no primary visible from here (0 of 1 nodes answered)"), "{}", none.err);
}

#[tokio::test]
async fn every_failure_is_json_of_one_schema_where_results_are() {
    let double = Double::start().await;
    double.state().no_candidate = true;
    for (words, code, part) in [
        (&["switchover", "-o", "json"][..], "refused", "nobody can take over"),
        (&["-o", "json", "record", "get", "15"], "refused", "There is no record 15"),
        (&["list", "show", "--nonsense", "--format=json"], "usage", "--nonsense"),
        (&["drill", "pause", "--report", "json"], "refused", "is not an ocsd"),
    ] {
        let ran = ocsctl(&double, words).await;
        let (word, message) = ran.error();
        assert!(word == code && message.contains(part), "{words:?}: {}", ran.err);
        assert_eq!(ran.out, "", "{words:?}");
    }
    let nobody = ocsctl_at(&nobody().await, &["list", "show", "-o", "json"]).await;
    assert_eq!(nobody.error().0, "unreachable");
    double.state().primary.clear();
    let none = ocsctl(&double, &["status", "--check", "-o", "json"]).await;
    assert_eq!((none.error().0.as_str(), none.json()["health"].as_str()), ("no_primary", Some("no_primary")));
}

#[tokio::test]
async fn every_line_of_status_and_role_fits_80_columns() {
    let double = Double::start().await;
    double.state().paused = true;
    double.state().warning_of_b = Some("disk full: ".to_owned() + &"a very long reason ".repeat(20));
    let endpoints = format!("{},{}", double.endpoints(), nobody().await);
    for words in [&["status"][..], &["role"], &["history"], &["verify"], &["switchover", "--dry-run"]] {
        let ran = ocsctl_at(&endpoints, words).await;
        let wide = ran.out.lines().find(|line| line.chars().count() > 80);
        assert_eq!(wide, None, "{words:?}: {}", ran.out);
    }
}
