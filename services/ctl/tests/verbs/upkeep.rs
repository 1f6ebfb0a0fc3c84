//! Orders about the process of a node: `reload`, `proxy restart`, `drain`.

use crate::{Double, nobody, ocsctl, ocsctl_at};

#[tokio::test]
async fn every_node_reloads_and_a_fault_of_one_is_named_and_is_the_exit_code() {
    let double = Double::start().await;
    let fine = ocsctl(&double, &["reload"]).await;
    assert_eq!(
        (fine.code, fine.out.as_str()),
        (0, "a: key logging.filter: counts now\nb: key logging.filter: counts now\n"),
        "{}",
        fine.err
    );
    double.state().fault_of_b = Some("/etc/ocs/b.toml, line 3: not TOML".to_owned());
    let faulty = ocsctl(&double, &["reload"]).await;
    assert_eq!(faulty.code, 1);
    assert!(
        faulty.out.contains("a: key logging.filter: counts now\nb: /etc/ocs/b.toml, line 3: not TOML"),
        "{}",
        faulty.out
    );
    assert_eq!(faulty.err, "ocsctl: b: the configuration has a fault, and nothing was changed\n");
    let json = ocsctl(&double, &["reload", "b", "-o", "json"]).await;
    assert_eq!((json.code, json.json()[0]["done"].as_bool()), (1, Some(false)));
    assert_eq!(ocsctl(&double, &["reload", "z"]).await.code, 3);
    let endpoints = format!("{},{}", double.endpoints(), nobody().await);
    assert_eq!(ocsctl_at(&endpoints, &["reload"]).await.code, 3, "a node that does not answer has not reloaded");
}

#[tokio::test]
async fn http_proxies_are_replaced_one_after_the_other_up_to_the_first_that_fails() {
    let double = Double::start().await;
    let both = ocsctl(&double, &["proxy", "restart"]).await;
    assert_eq!(both.code, 0, "{}", both.err);
    assert!(both.out.starts_with("a: another HTTP Proxy listens at 127.0.0.1:8080 (process 7)\nb: "), "{}", both.out);
    assert_eq!(double.state().upkeep, ["restart a", "restart b"]);
    double.state().fault_of_b = Some("the HTTP front end is failed: in use".to_owned());
    let one = ocsctl(&double, &["proxy", "restart", "b"]).await;
    assert_eq!((one.code, one.err.as_str()), (1, "ocsctl: b: the HTTP front end is failed: in use\n"));
}

#[tokio::test]
async fn a_node_is_drained_by_its_name_and_takes_clients_again() {
    let double = Double::start().await;
    let drained = ocsctl(&double, &["drain", "b"]).await;
    assert_eq!(drained.code, 0, "{}", drained.err);
    assert!(drained.out.contains("`ocsctl drain b --undo` ends it"), "{}", drained.out);
    assert_eq!(ocsctl(&double, &["drain", "b", "--undo"]).await.out, "b takes clients again\n");
    assert_eq!(double.state().upkeep, ["drain b", "undo b"]);
    double.state().fault_of_b = Some("this node is primary, and no other node took over".to_owned());
    let refused = ocsctl(&double, &["drain", "b"]).await;
    let said = "ocsctl: b: not drained: this node is primary, and no other node took over\n";
    assert_eq!((refused.code, refused.err.as_str()), (1, said));
    assert_eq!(ocsctl(&double, &["drain"]).await.code, 2, "a node has to be named");
}

#[tokio::test]
async fn words_of_a_node_that_would_act_on_a_terminal_are_shown_as_escapes_and_json_stays_json() {
    let double = Double::start().await;
    let hostile = "\u{1b}[2J\u{202e}x\nocsctl: fine";
    let escaped = "\\u{1b}[2J\\u{202e}x\\nocsctl: fine";
    double.state().fault_of_b = Some(hostile.to_owned());
    double.state().warning_of_b = Some(hostile.to_owned());
    for words in [&["reload"][..], &["drain", "b"], &["proxy", "restart", "b"], &["status"], &["status", "--check"]] {
        let ran = ocsctl(&double, words).await;
        for text in [&ran.out, &ran.err] {
            assert!(!text.chars().any(|letter| letter == '\u{1b}' || letter == '\u{202e}'), "{words:?}: {text:?}");
            assert!(!text.lines().any(|line| line.starts_with("ocsctl: fine")), "{words:?}: {text:?}");
        }
        let flat = format!("{}{}", ran.out, ran.err).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(escaped), "{words:?}: {}{}", ran.out, ran.err);
    }
    let json = ocsctl(&double, &["reload", "-o", "json"]).await;
    assert_eq!(json.json()[1]["faults"][0], hostile, "a program gets what the node said");
    let json = ocsctl(&double, &["drain", "b", "-o", "json"]).await;
    assert!(json.error().1.contains(hostile), "{}", json.err);
}
