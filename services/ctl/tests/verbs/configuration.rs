//! The configuration of nodes: `config show`, `config diff` and `config check`.

use std::{fs, os::unix::fs::PermissionsExt};

use ocs_proto::control::PendingKey;

use crate::{Double, nobody, ocsctl, ocsctl_at};

#[tokio::test]
async fn the_configuration_in_use_is_shown_by_node_with_the_source_of_each_value() {
    let double = Double::start().await;
    let ran = ocsctl(&double, &["config", "show", "b"]).await;
    assert!(ran.code == 0 && ran.out.starts_with("b (data node), /etc/ocs/b.toml\nKEY"), "{}{}", ran.out, ran.err);
    let all = ocsctl(&double, &["config", "show", "-o", "json"]).await.json();
    assert_eq!((&all[0]["node"], &all[1]["node"]), (&"a".into(), &"b".into()));
    let hold = serde_json::json!({"key": "limits.hold_time_ms", "value": 5000, "source": "default"});
    assert_eq!(all[1]["keys"][1], hold);
    let given = ocsctl(&double, &["config", "show", "a", "--given", "-o", "json"]).await.json();
    let keys = given[0]["keys"].as_array().unwrap();
    assert_eq!((keys.len(), &keys[0]["key"]), (1, &"control.listen".into()));
    let endpoints = format!("{},{}", double.endpoints(), nobody().await);
    let ran = ocsctl_at(&endpoints, &["config", "show", "-o", "json"]).await;
    assert_eq!((ran.code, ran.json().as_array().unwrap().len()), (3, 2), "{}", ran.err);
}

#[tokio::test]
async fn differences_between_nodes_and_to_the_files_are_told_and_addresses_are_left_out_by_name() {
    let double = Double::start().await;
    let same = ocsctl(&double, &["config", "diff", "--exit-code"]).await;
    assert_eq!(same.code, 0, "{}", same.err);
    for part in [
        "the configurations in use on a, b are the same",
        "left out, as each node has its own: control.listen",
        "each node uses what its file",
    ] {
        assert!(same.out.contains(part), "{part}: {}", same.out);
    }
    let pending = PendingKey {
        key: "http_proxy.encoding".to_owned(),
        in_use: "\"\"".to_owned(),
        next: "\"utf-8\"".to_owned(),
        needs: vec!["reload".to_owned(), "proxy restart".to_owned()],
    };
    (double.state().hold_time_ms_of_b, double.state().pending_of_b) = (Some(4000), vec![pending]);
    let json = ocsctl(&double, &["config", "diff", "-o", "json"]).await;
    assert_eq!(json.code, 0, "{}", json.err);
    let json = json.json();
    assert_eq!(json["between_nodes"][0]["values"], serde_json::json!({"a": 5000, "b": 4000}));
    assert_eq!(
        (&json["left_out"], &json["nodes"]),
        (&serde_json::json!(["control.listen"]), &serde_json::json!(["a", "b"]))
    );
    assert_eq!(json["on_disk"][0]["needs"], serde_json::json!(["reload", "proxy restart"]));
    let differ = ocsctl(&double, &["config", "diff", "--exit-code"]).await;
    assert_eq!((differ.code, differ.err.as_str()), (1, "ocsctl: the configurations differ\n"));
    double.state().fault_of_b = Some("b.toml, line 3: not TOML".to_owned());
    let faulty = ocsctl(&double, &["config", "diff"]).await;
    assert!(faulty.out.contains("b: b.toml, line 3: not TOML"), "{}", faulty.out);
    assert_eq!(ocsctl_at(&nobody().await, &["config", "diff"]).await.code, 3);
}

#[tokio::test]
async fn a_file_is_checked_by_ocsd_without_a_node() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("ocsd");
    let script = "#!/bin/sh\necho \"ocsd: $*\" >&2\nexit \"$(cat \"$3\")\"\n";
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let file = dir.path().join("a.toml");
    let (program, named) = (program.to_str().unwrap(), file.to_str().unwrap());
    let nobody = nobody().await;
    for (status, code) in [("0", 0), ("2", 2), ("75", 1)] {
        fs::write(&file, status).unwrap();
        let words = ["config", "check", named, "--set", "node.name=a", "--ocsd", program, "-o", "json"];
        let ran = ocsctl_at(&nobody, &words).await;
        assert_eq!(ran.code, code, "{status}: {}{}", ran.out, ran.err);
        let json = ran.json();
        assert_eq!(json["fine"].as_bool(), Some(code == 0));
        if code != 0 {
            assert_eq!(json["faults"][0], format!("--check --config {named} --set node.name=a"));
        }
    }
}
