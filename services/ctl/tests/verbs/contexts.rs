//! Contexts: a file with addresses and certificates, in place of options and variables.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::{Double, Ran, nobody, ran_with};

/// Runs `ocsctl` with a file of contexts, and these variables beside it.
async fn ocsctl_in(file: &Path, variables: &[(&str, &str)], words: &[&str]) -> Ran {
    let file = ("OCS_CONTEXTS", file.to_str().unwrap());
    ran_with(&[&[file][..], variables].concat(), words).await
}

/// The path of a file of contexts that is not there yet.
fn fresh() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ocs/contexts.toml");
    (dir, file)
}

#[tokio::test]
async fn a_context_is_set_used_shown_and_removed() {
    let (double, (_dir, file)) = (Double::start().await, fresh());
    let endpoints = format!("endpoints={}", double.endpoints());
    let set = ocsctl_in(&file, &[], &["context", "set", "demo", &endpoints]).await;
    assert_eq!((set.code, set.err.as_str()), (0, ""), "{}", set.out);
    let named = ocsctl_in(&file, &[], &["--context", "demo", "role", "-o", "json"]).await;
    assert_eq!((named.code, named.json()["primary"].as_str()), (0, Some("a")), "{}", named.err);
    let by_variable = ocsctl_in(&file, &[("OCS_CONTEXT", "demo")], &["role"]).await;
    assert_eq!(by_variable.code, 0, "{}", by_variable.err);
    assert_eq!(ocsctl_in(&file, &[], &["context", "use", "demo"]).await.code, 0);
    assert_eq!(ocsctl_in(&file, &[], &["role"]).await.code, 0, "the current context counts");
    let list = ocsctl_in(&file, &[], &["context", "list", "-o", "json"]).await.json();
    assert_eq!((list["in_use"].as_str(), list["contexts"][0]["in_use"].as_bool()), (Some("demo"), Some(true)));
    let shown = ocsctl_in(&file, &[], &["context", "show"]).await;
    assert!(shown.out.contains("demo") && shown.out.contains(&double.endpoints().replace(',', ", ")), "{}", shown.out);
    assert_eq!(ocsctl_in(&file, &[], &["context", "remove", "demo"]).await.code, 0);
    let none = ocsctl_in(&file, &[], &["context", "show"]).await;
    assert_eq!((none.code, none.err.contains("no context is in use")), (2, true), "{}", none.err);
    let absent = ocsctl_in(&file, &[], &["--context", "demo", "role"]).await;
    assert_eq!((absent.code, absent.err.contains("no context \"demo\"")), (2, true), "{}", absent.err);
}

#[tokio::test]
async fn options_and_variables_count_before_the_context_and_a_forgotten_variable_is_told() {
    let (double, (_dir, file)) = (Double::start().await, fresh());
    let silent = nobody().await;
    let set = ocsctl_in(&file, &[], &["context", "set", "gone", &format!("endpoints={silent}")]).await;
    assert_eq!(set.code, 0, "{}", set.err);
    ocsctl_in(&file, &[], &["context", "use", "gone"]).await;
    assert_eq!(ocsctl_in(&file, &[], &["role"]).await.code, 3);
    let endpoints = double.endpoints();
    let option = ocsctl_in(&file, &[], &["--endpoints", &endpoints, "role"]).await;
    assert_eq!((option.code, option.err.as_str()), (0, ""));
    let variable = [("OCSCTL_ENDPOINTS", endpoints.as_str())];
    let of_current = ocsctl_in(&file, &variable, &["role"]).await;
    assert_eq!((of_current.code, of_current.err.as_str()), (0, ""));
    let named = ocsctl_in(&file, &variable, &["--context", "gone", "role"]).await;
    let told = "ocsctl: OCSCTL_ENDPOINTS counts before endpoints of the context gone\n";
    assert_eq!((named.code, named.err.as_str()), (0, told));
    fs::write(&file, "nonsense").unwrap();
    let faulty = ocsctl_in(&file, &variable, &["role"]).await;
    assert_eq!(faulty.code, 2, "{}", faulty.err);
    assert!(faulty.err.contains("contexts.toml, line 1: this is no TOML"), "{}", faulty.err);
    let unread = ocsctl_in(&file, &variable, &["--context", "", "role"]).await;
    assert_eq!(unread.code, 0, "without a context the file is not read: {}", unread.err);
    let dir = file.parent().unwrap().to_str().unwrap();
    let certs = ocsctl_in(&file, &[], &["certs", "--dir", dir, "--nodes", "a"]).await;
    assert_eq!(certs.code, 0, "a verb that asks no node needs no context: {}", certs.err);
}

#[tokio::test]
async fn a_context_has_certificates_and_a_key_that_others_can_read_is_told() {
    let (double, (dir, file)) = (Double::start().await, fresh());
    let certs = dir.path().join("certs");
    let path = |name: &str| certs.join(name).to_str().unwrap().to_owned();
    let made = ocsctl_in(&file, &[], &["certs", "--dir", &path(""), "--nodes", "a"]).await;
    assert_eq!(made.code, 0, "{}", made.err);
    let values = [
        format!("endpoints={}", double.with_tls(&certs).await),
        format!("ca={}", path("ca.pem")),
        format!("cert={}", path("operator.pem")),
        format!("key={}", path("operator.key")),
    ];
    let words: Vec<&str> = ["context", "set", "tls"].into_iter().chain(values.iter().map(String::as_str)).collect();
    assert_eq!(ocsctl_in(&file, &[], &words).await.err, "");
    let fine = ocsctl_in(&file, &[], &["--context", "tls", "role"]).await;
    assert_eq!((fine.code, fine.err.as_str()), (0, ""));
    fs::set_permissions(certs.join("operator.key"), fs::Permissions::from_mode(0o640)).unwrap();
    let exposed = ocsctl_in(&file, &[], &["--context", "tls", "role"]).await;
    assert_eq!(exposed.code, 0, "{}", exposed.err);
    assert!(exposed.err.contains("other users can read this private key (mode 0640): chmod 600"), "{}", exposed.err);
}

#[tokio::test]
async fn the_token_of_a_context_is_never_shown() {
    let (double, (dir, file)) = (Double::start().await, fresh());
    let token = dir.path().join("demo.token");
    fs::write(&token, "ocs_secret\n").unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).unwrap();
    let values = [
        format!("endpoints={}", double.endpoints()),
        format!("proxies={}", double.proxies()),
        format!("token_file={}", token.display()),
    ];
    let words: Vec<&str> = ["context", "set", "demo"].into_iter().chain(values.iter().map(String::as_str)).collect();
    let mut shown = Vec::new();
    for words in
        [&words[..], &["context", "show", "demo"], &["context", "show", "demo", "-o", "json"], &["context", "list"]]
    {
        let ran = ocsctl_in(&file, &[], words).await;
        assert_eq!(ran.code, 0, "{}", ran.err);
        shown.push(format!("{}{}", ran.out, ran.err));
    }
    assert!(shown[0].contains("other users can read this API token (mode 0644)"), "{}", shown[0]);
    assert!(shown[1].contains("demo.token"), "{}", shown[1]);
    let drill = ["--context", "demo", "drill", "switchover", "--rounds", "1"];
    let ran = ocsctl_in(&file, &[], &drill).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("other users can read this API token"), "{}", ran.err);
    shown.push(format!("{}{}", ran.out, ran.err));
    assert!(!shown.iter().any(|text| text.contains("ocs_secret")), "{shown:?}");
}
