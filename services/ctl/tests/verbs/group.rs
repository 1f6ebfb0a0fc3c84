//! What `ocsctl` says of the group, and its exit codes.

use crate::{Double, nobody, ocsctl, ocsctl_at};

#[tokio::test]
async fn a_group_that_nobody_answers_for_is_exit_code_3_and_still_shown() {
    let ran = ocsctl_at(&nobody().await, &["status"]).await;
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert!(ran.out.contains("unreachable"), "{}", ran.out);
    assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
}

#[tokio::test]
async fn a_group_without_a_primary_is_exit_code_4() {
    let double = Double::start().await;
    double.state().primary.clear();
    for verb in [&["status"][..], &["role"], &["switchover"], &["wait", "--for", "primary", "--timeout", "0.2"]] {
        assert_eq!(ocsctl(&double, verb).await.code, 4, "{verb:?}");
    }
}

#[tokio::test]
async fn a_wrong_command_line_is_exit_code_2() {
    let double = Double::start().await;
    for words in [&["frobnicate"][..], &["replay", "x.jsonl"], &["--ca", "x", "status"], &["certs", "--dir", "x"]] {
        assert_eq!(ocsctl(&double, words).await.code, 2, "{words:?}");
    }
}

#[tokio::test]
async fn status_shows_a_node_that_does_not_answer_beside_those_that_do() {
    let double = Double::start().await;
    let endpoints = format!("{},{}", double.endpoints(), nobody().await);
    let ran = ocsctl_at(&endpoints, &["status", "-o", "json"]).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    let shown = ran.json();
    assert_eq!(shown["primary"], "a");
    let roles: Vec<_> = (0..3).map(|node| shown["nodes"][node]["role"].as_str()).collect();
    assert_eq!(roles, [Some("primary"), Some("backup"), None]);
    assert_eq!(shown["nodes"][2]["reachable"], false);
}

#[tokio::test]
async fn a_switchover_moves_the_primary_and_a_dry_run_does_not() {
    let double = Double::start().await;
    let dry = ocsctl(&double, &["switchover", "--dry-run"]).await;
    assert_eq!((dry.code, double.state().primary.clone()), (0, "a".to_owned()), "{}", dry.err);
    let ran = ocsctl(&double, &["switchover"]).await;
    assert_eq!((ran.code, double.state().primary.clone()), (0, "b".to_owned()), "{}", ran.err);
}

#[tokio::test]
async fn a_refused_switchover_names_the_candidates() {
    let double = Double::start().await;
    double.state().no_candidate = true;
    for words in [&["switchover"][..], &["switchover", "--dry-run"]] {
        let ran = ocsctl(&double, words).await;
        assert_eq!(ran.code, 1);
        assert!(ran.err.contains("b: 1200 entries behind"), "{}", ran.err);
    }
}

#[tokio::test]
async fn verify_fails_when_the_nodes_differ() {
    let double = Double::start().await;
    assert_eq!(ocsctl(&double, &["verify"]).await.code, 0);
    double.state().digest_of_b = "ee".to_owned();
    let ran = ocsctl(&double, &["verify", "-o", "json"]).await;
    assert_eq!((ran.code, ran.json()["equal"].as_bool()), (1, Some(false)));
}

#[tokio::test]
async fn development_certificates_open_a_control_port_with_mutual_tls_and_nothing_else_does() {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let made = ocsctl(&double, &["certs", "--dir", &path(""), "--nodes", "a,b"]).await;
    assert_eq!(made.code, 0, "{}", made.err);
    let endpoint = double.with_tls(dir.path()).await;
    let (ca, cert, key) = (path("ca.pem"), path("b.pem"), path("b.key"));
    let ran = ocsctl_at(&endpoint, &["--ca", &ca, "--cert", &cert, "--key", &key, "role", "-o", "json"]).await;
    assert_eq!((ran.code, ran.json()["primary"].as_str()), (0, Some("a")), "{}", ran.err);
    assert_eq!(ocsctl_at(&endpoint, &["role"]).await.code, 3);
    let foreign = tempfile::tempdir().unwrap();
    let path = |name: &str| foreign.path().join(name).to_str().unwrap().to_owned();
    ocsctl(&double, &["certs", "--dir", &path(""), "--nodes", "b"]).await;
    let (cert, key) = (path("b.pem"), path("b.key"));
    let ran = ocsctl_at(&endpoint, &["--ca", &ca, "--cert", &cert, "--key", &key, "role"]).await;
    assert_eq!(ran.code, 3, "{}{}", ran.out, ran.err);
}
