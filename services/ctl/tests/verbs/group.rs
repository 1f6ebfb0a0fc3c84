//! The report of `ocsctl` on the group, and its exit codes.

use ocs_proto::control::UpgradeReply;

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
async fn a_switchover_is_scheduled_shown_and_cancelled_and_moves_nothing_now() {
    let double = Double::start().await;
    let at = "2026-12-01T04:00:00+01:00";
    let dry = ocsctl(&double, &["switchover", "b", "--at", at, "--dry-run"]).await;
    assert_eq!((dry.code, double.state().scheduled.clone()), (0, None), "{}", dry.err);
    let ran = ocsctl(&double, &["switchover", "b", "--at", at, "-o", "json"]).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    let shown = ran.json();
    assert_eq!((&shown["done"], &shown["scheduled_switchover"]["at"]), (&true.into(), &"2026-12-01T03:00:00Z".into()));
    assert_eq!(double.state().primary, "a");
    let status = ocsctl(&double, &["status"]).await;
    assert!(status.out.contains("switchover to b scheduled for 2026-12-01T03:00:00Z"), "{}", status.out);
    let again = ocsctl(&double, &["switchover", "--to", "b", "--at", at]).await;
    assert_eq!((again.code, again.err.contains("scheduled already")), (1, true), "{}", again.err);
    let cancelled = ocsctl(&double, &["switchover", "--cancel"]).await;
    assert_eq!((cancelled.code, cancelled.out.contains("cancelled: ")), (0, true), "{}", cancelled.err);
    let nothing = ocsctl(&double, &["switchover", "--cancel"]).await;
    assert_eq!((nothing.code, nothing.err.contains("No switchover is scheduled")), (1, true), "{}", nothing.err);
}

#[tokio::test]
async fn a_local_time_without_a_zone_is_no_time_for_a_switchover() {
    let double = Double::start().await;
    for (time, why) in [("2026-12-01T03:00:00", "has no zone"), ("tonight", "is no moment")] {
        let ran = ocsctl(&double, &["switchover", "--at", time]).await;
        assert_eq!((ran.code, ran.err.contains(why)), (2, true), "{}", ran.err);
    }
    for words in [&["--cancel", "--at", "2026-12-01T03:00:00Z"][..], &["b", "--to", "b"]] {
        assert_eq!(ocsctl(&double, &[&["switchover"][..], words].concat()).await.code, 2, "{words:?}");
    }
    let state = double.state();
    assert_eq!((state.primary.as_str(), &state.scheduled), ("a", &None));
}

#[tokio::test]
async fn a_refused_order_to_lead_alone_shows_what_the_node_has_and_why_not() {
    let double = Double::start().await;
    let ran = ocsctl(&double, &["force-primary", "b", "--accept-loss"]).await;
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(
        ran.err.contains("last index of its log is 120") && ran.err.contains("use `ocsctl switchover`"),
        "{}",
        ran.err
    );
    assert_eq!(ocsctl(&double, &["force-primary", "x"]).await.code, 3, "a node that nobody knows");
}

#[tokio::test]
async fn the_end_of_single_copy_says_what_the_mode_still_lacks() {
    let double = Double::start().await;
    let ran = ocsctl(&double, &["mode", "set", "witness"]).await;
    assert_eq!((ran.code, ran.out.contains("still missing: witness w")), (0, true), "{}", ran.err);
    let refused = ocsctl(&double, &["mode", "set", "three"]).await;
    assert_eq!((refused.code, refused.err.contains("witness w has not joined yet")), (1, true), "{}", refused.err);
    assert_eq!(ocsctl(&double, &["mode", "set", "single-copy"]).await.code, 2);
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
async fn verify_fails_when_the_nodes_stand_still_at_different_indexes() {
    let double = Double::start().await;
    double.state().entries_of_b_more = 3;
    let ran = ocsctl(&double, &["verify", "-o", "json"]).await;
    assert_eq!((ran.code, ran.json()["equal"].as_bool()), (1, Some(false)), "{}", ran.out);
    assert!(ran.err.contains("a stands still behind another node (a at index 9, b at index 12)"), "{}", ran.err);
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
    let alone = ocsctl_at(&endpoint, &["--ca", &ca, "role"]).await;
    assert_eq!(alone.code, 0, "the operator's pair beside the authority: {}", alone.err);
    let plain = ocsctl_at(&endpoint, &["role"]).await;
    assert_eq!(plain.code, 3);
    assert!(plain.err.contains("TLS") && plain.err.contains("--ca --cert --key"), "{}", plain.err);
    let other = path("a.key");
    let mixed = ocsctl_at(&endpoint, &["--ca", &ca, "--cert", &cert, "--key", &other, "role"]).await;
    assert_eq!(mixed.code, 2);
    assert!(mixed.err.contains("b.pem and --key") && mixed.err.contains("do not belong together"), "{}", mixed.err);
    let foreign = tempfile::tempdir().unwrap();
    let path = |name: &str| foreign.path().join(name).to_str().unwrap().to_owned();
    ocsctl(&double, &["certs", "--dir", &path(""), "--nodes", "b"]).await;
    let (cert, key) = (path("b.pem"), path("b.key"));
    let ran = ocsctl_at(&endpoint, &["--ca", &ca, "--cert", &cert, "--key", &key, "role"]).await;
    assert_eq!(ran.code, 3, "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("refuses our certificate, ") && ran.err.contains(&cert), "{}", ran.err);
    for verb in [&["role"][..], &["status"], &["reload", "a"], &["list", "show"], &["settings", "show"], &["verify"]] {
        let ran = ocsctl_at(&endpoint, &[&["--ca", &ca, "--cert", &cert, "--key", &key][..], verb].concat()).await;
        assert_eq!(ran.code, 3, "{verb:?}: {}{}", ran.out, ran.err);
        let said = format!("{}{}", ran.out, ran.err).split_whitespace().collect::<Vec<_>>().join(" ");
        let one_name = said.contains("TLS failed: the port refuses our certificate, --cert");
        assert!(one_name && !said.contains("unreachable ("), "{verb:?}: {said}");
    }
    let their_ca = path("ca.pem");
    for verb in [&["role"][..], &["reload", "a"], &["status"]] {
        let ran = ocsctl_at(&endpoint, &[&["--ca", their_ca.as_str()][..], verb].concat()).await;
        assert_eq!(ran.code, 3, "{verb:?}: {}{}", ran.out, ran.err);
        let said = format!("{}{}", ran.out, ran.err).split_whitespace().collect::<Vec<_>>().join(" ");
        for part in ["TLS failed: the port's certificate does not come from the authority in --ca", their_ca.as_str()] {
            assert!(said.contains(part), "{verb:?}, {part}: {}{}", ran.out, ran.err);
        }
        assert!(!said.contains("unreachable ("), "{verb:?}: {}{}", ran.out, ran.err);
    }
}

#[tokio::test]
async fn an_authority_without_a_pair_of_ours_is_wrong_usage_that_names_the_files_and_the_way_to_make_them() {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    let ca = dir.path().join("ca.pem").to_str().unwrap().to_owned();
    let alone = ocsctl(&double, &["--ca", &ca, "status"]).await;
    assert_eq!(alone.code, 2, "{}", alone.err);
    for part in ["operator.pem and ", "operator.key are not there", "--cert and --key", "`ocsctl cert operator NAME"] {
        assert!(alone.err.contains(part), "{part}: {}", alone.err);
    }
    let half = ocsctl(&double, &["--key", "alice.key", "status"]).await;
    assert_eq!(half.code, 2, "{}", half.err);
    assert!(half.err.contains("--ca (the authority, ca.pem) and --cert ("), "{}", half.err);
}

#[tokio::test]
async fn a_pause_is_shown_and_keeps_drills_from_killing_until_it_is_resumed() {
    let double = Double::start().await;
    assert_eq!(ocsctl(&double, &["pause"]).await.code, 0);
    let status = ocsctl(&double, &["status", "-o", "json"]).await.json();
    assert_eq!(status["nodes"][1]["failover_paused"], true, "{status}");
    assert!(ocsctl(&double, &["role"]).await.out.contains("automatic failover is paused"));
    let drill = ocsctl(&double, &["drill", "kill"]).await;
    assert_eq!(drill.code, 1);
    assert!(drill.err.contains("failover is paused"), "{}", drill.err);
    assert_eq!(ocsctl(&double, &["resume"]).await.code, 0, "one node that has settled it is enough");
    assert!(!double.state().paused);
    double.state().primary.clear();
    assert_eq!(ocsctl(&double, &["pause"]).await.code, 4);
    let refused = ocsctl(&double, &["resume"]).await;
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("a is not the primary"), "{}", refused.err);
}

#[tokio::test]
async fn the_history_is_a_line_for_each_change() {
    let double = Double::start().await;
    let shown = ocsctl(&double, &["history", "-o", "json"]).await.json();
    assert_eq!((shown["changes"][0]["to"].as_str(), shown["confirmed"].as_bool()), (Some("a"), Some(true)));
    assert!(ocsctl(&double, &["history"]).await.out.contains("formed"));
}

#[tokio::test]
async fn a_node_that_is_heard_is_replaced_only_live_and_the_primary_never() {
    let double = Double::start().await;
    for (words, why) in [
        (&["node", "replace", "a"][..], "a is the primary"),
        (&["node", "replace", "b"], "b runs and is heard"),
        (&["node", "replace", "x"], "no node \"x\""),
    ] {
        let ran = ocsctl(&double, words).await;
        assert_eq!(ran.code, 1, "{words:?}");
        assert!(ran.err.contains(why), "{}", ran.err);
    }
    let ran = ocsctl(&double, &["node", "replace", "b", "--live", "-o", "json"]).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!((ran.json()["old_id"].as_u64(), ran.json()["new_id"].as_u64()), (Some(2), Some(0x1_0002)));
}

#[tokio::test]
async fn a_node_whose_start_is_not_confirmed_is_not_ready_and_is_replaced_live() {
    let double = Double::start().await;
    let wait = ["wait", "--for", "ready", "--timeout", "10"];
    assert_eq!(ocsctl(&double, &wait).await.code, 0);
    double.state().unconfirmed = true;
    let waited = ocsctl(&double, &["wait", "--for", "ready", "--timeout", "1"]).await;
    assert_eq!(waited.code, 1);
    assert!(waited.err.contains("not ready: b: the other voters have not confirmed its start"), "{}", waited.err);
    let refused = ocsctl(&double, &["node", "replace", "b"]).await;
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("`ocsctl node replace b --live`"), "{}", refused.err);
    let ran = ocsctl(&double, &["node", "replace", "b", "--live"]).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(ocsctl(&double, &wait).await.code, 0);
}

#[tokio::test]
async fn a_node_of_an_older_release_is_named_where_it_does_not_know_an_order() {
    let double = Double::start().await;
    let ran = ocsctl(&double, &["upgrade", "finalize"]).await;
    assert_eq!((ran.code, ran.err.lines().count()), (1, 1), "{}", ran.err);
    let primary = double.endpoints().split(',').next().unwrap().to_owned();
    let told =
        format!("node {primary} runs a release that does not know this order: replace it first (docs/upgrade.md)");
    assert!(ran.err.contains(&told), "{}", ran.err);
}

#[tokio::test]
async fn an_upgrade_that_is_under_way_is_no_success_and_one_that_is_done_says_so() {
    let double = Double::start().await;
    let first = UpgradeReply { formats: 1, formats_newest: 2, rules: 1, rules_newest: 2, ..UpgradeReply::default() };
    let reason = "being raised: ask `ocsctl status`".to_owned();
    let raised = UpgradeReply { formats: 2, rules: 2, done: true, ..first.clone() };
    for (reply, code, told) in [
        (UpgradeReply { reason, ..first.clone() }, 1, "upgrade finalize: being raised: ask `ocsctl status`"),
        (UpgradeReply { done: true, ..first }, 0, "raised: formats 1 to 2, rules 1 to 2"),
        (raised, 0, "nothing to do: formats 2, rules 2"),
    ] {
        double.state().upgrade = Some(reply);
        let ran = ocsctl(&double, &["upgrade", "finalize"]).await;
        assert_eq!(ran.code, code, "{}{}", ran.out, ran.err);
        assert!(format!("{}{}", ran.out, ran.err).contains(told), "{}{}", ran.out, ran.err);
    }
}

#[tokio::test]
async fn help_names_every_verb_that_the_documents_use() {
    let ran = ocsctl(&Double::start().await, &["--help"]).await;
    assert_eq!(ran.code, 0);
    for verb in ["status", "switchover", "upgrade", "wait", "backup"] {
        assert!(ran.out.lines().any(|line| line.trim_start().starts_with(&format!("{verb} "))), "{verb}: {}", ran.out);
    }
}

#[tokio::test]
async fn certificates_are_read_again_by_every_node_and_one_that_was_kept_is_exit_code_1() {
    let double = Double::start().await;
    let ran = ocsctl(&double, &["tls", "reload", "-o", "json"]).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    let shown = ran.json();
    let of = |node: usize| shown["nodes"][node]["certificates"][0].clone();
    assert_eq!((of(0)["usage"].as_str(), of(0)["changed"].as_bool()), (Some("peer"), Some(true)), "{shown}");
    assert_eq!(of(1)["ends"], "2033-05-18T03:33:20Z");
    double.state().certificate_fault = "b.key: the key does not belong to the certificate in b.pem".to_owned();
    let ran = ocsctl(&double, &["tls", "reload"]).await;
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("b: the certificate for peer was kept: b.key: the key does not belong"), "{}", ran.err);
    assert!(ran.out.contains("changed") && ran.out.contains("kept: b.key"), "{}", ran.out);
    let endpoints = format!("{},{}", double.endpoints(), nobody().await);
    double.state().certificate_fault.clear();
    assert_eq!(ocsctl_at(&endpoints, &["tls", "reload"]).await.code, 3, "a node that did not answer");
    let one = ocsctl_at(&endpoints, &["tls", "reload", "b", "-o", "json"]).await;
    assert_eq!(one.code, 0, "the other nodes were not asked: {}", one.err);
    let nodes = one.json()["nodes"].as_array().unwrap().clone();
    assert_eq!((nodes.len(), nodes[0]["node"].as_str()), (1, Some("b")));
    assert_eq!(ocsctl(&double, &["tls", "reload", "z"]).await.code, 3);
}

/// `ocsctl cert …` in a directory.
async fn cert(double: &Double, home: &str, words: &[&str]) -> crate::Ran {
    ocsctl(double, &[&["cert"][..], words, &["--dir", home]].concat()).await
}

#[tokio::test]
async fn certificates_for_production_open_a_control_port_under_the_names_that_were_asked_for() {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let home = path("");
    let early = cert(&double, &home, &["node", "a"]).await;
    assert_eq!(
        (early.code, early.err.contains("make an authority first, by `ocsctl cert ca")),
        (1, true),
        "{}",
        early.err
    );
    assert_eq!(cert(&double, &home, &["ca", "--name", "Example Ltd"]).await.code, 0);
    let made = cert(&double, &home, &["node", "a", "b", "--host", "a=10.77.0.1,a.example.com", "-o", "json"]).await;
    assert_eq!(made.code, 0, "{}", made.err);
    let hosts = serde_json::json!(["a", "10.77.0.1", "a.example.com", "localhost", "127.0.0.1"]);
    assert_eq!(made.json()["made"][0]["hosts"], hosts);
    assert_eq!(cert(&double, &home, &["operator", "alice"]).await.code, 0);
    let endpoint = double.with_tls(dir.path()).await;
    let (ca, own, key) = (path("ca.pem"), path("alice.pem"), path("alice.key"));
    let ran = ocsctl_at(&endpoint, &["--ca", &ca, "--cert", &own, "--key", &key, "role", "-o", "json"]).await;
    assert_eq!((ran.code, ran.json()["primary"].as_str()), (0, Some("a")), "{}", ran.err);
    let refused = cert(&double, &home, &["node", "a"]).await;
    assert_eq!(refused.code, 1);
    for part in ["a.pem is there, the certificate of node a, until ", "nothing was written", "--force"] {
        assert!(refused.err.contains(part), "{part}: {}", refused.err);
    }
    for wrong in
        [&["node", "a", "b", "--host", "x"][..], &["node", "a", "--host", "c=x"], &["node", "a", "--host", "h:1"]]
    {
        assert_eq!(cert(&double, &home, wrong).await.code, 2, "{wrong:?}");
    }
}
