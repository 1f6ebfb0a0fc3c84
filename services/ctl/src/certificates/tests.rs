//! Certificates of a development authority: kept while good, made anew otherwise.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn nodes(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn certificates_are_made_once_and_then_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(ensure(dir.path(), &nodes(&["a", "b"]), 365).unwrap(), ["ca", "a", "b", "operator"]);
    let before = fs::read(dir.path().join("a.pem")).unwrap();
    assert_eq!(ensure(dir.path(), &nodes(&["a", "b", "w"]), 365).unwrap(), ["w"]);
    assert_eq!(fs::read(dir.path().join("a.pem")).unwrap(), before);
}

#[test]
fn an_expiring_certificate_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    ensure(dir.path(), &nodes(&["a"]), 0).unwrap();
    assert_eq!(ensure(dir.path(), &nodes(&["a"]), 365).unwrap(), ["a", "operator"]);
}

#[test]
fn a_certificate_of_another_authority_or_key_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    ensure(dir.path(), &nodes(&["a", "b"]), 365).unwrap();
    fs::copy(dir.path().join("b.key"), dir.path().join("a.key")).unwrap();
    assert_eq!(ensure(dir.path(), &nodes(&["a", "b"]), 365).unwrap(), ["a"]);
    fs::remove_file(dir.path().join("ca.key")).unwrap();
    assert_eq!(ensure(dir.path(), &nodes(&["a", "b"]), 365).unwrap(), ["ca", "a", "b", "operator"]);
}

#[test]
fn keys_are_readable_by_their_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    ensure(dir.path(), &nodes(&["a"]), 365).unwrap();
    for key in ["ca.key", "a.key"] {
        assert_eq!(fs::metadata(dir.path().join(key)).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_name_that_is_a_path_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["../a", "ca", "operator", "", "a/b", "-x"] {
        assert!(matches!(ensure(dir.path(), &nodes(&[name]), 1), Err(Failure::Usage(_))), "{name}");
    }
}

#[test]
fn a_valid_certificate_of_the_authority_with_other_names_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    ensure(dir.path(), &nodes(&["x"]), 365).unwrap();
    let order = |days| issue::Order { dir: dir.path(), days, force: true };
    let wanted = issue::orders(&nodes(&["a"]), &nodes(&["10.77.0.1"])).unwrap();
    let content =
        |name: &str| (fs::read(dir.path().join(name)).unwrap(), fs::metadata(dir.path().join(name)).unwrap().len());
    issue::nodes(order(365), &wanted).unwrap();
    let before = ["a.pem", "a.key"].map(content);
    assert_eq!(
        ensure(dir.path(), &nodes(&["a"]), 365).unwrap(),
        Vec::<String>::new(),
        "it names the node, and is good"
    );
    // About to end, and a name that is not the node's.
    issue::nodes(order(1), &wanted).unwrap();
    let soon = ["a.pem", "a.key"].map(content);
    assert_ne!(before, soon);
    fs::copy(dir.path().join("a.pem"), dir.path().join("b.pem")).unwrap();
    fs::copy(dir.path().join("a.key"), dir.path().join("b.key")).unwrap();
    for node in ["a", "b"] {
        let refused = ensure(dir.path(), &nodes(&["c", node]), 365).unwrap_err().to_string();
        assert!(refused.contains(&format!("{node}.pem: is a valid certificate of this authority")), "{refused}");
        assert!(refused.contains("`ocsctl cert node ") && refused.ends_with("--force`"), "{refused}");
        assert_eq!([format!("{node}.pem"), format!("{node}.key")].map(|name| content(&name)), soon);
    }
    assert!(!dir.path().join("c.pem").exists(), "nothing is made where something is refused");
}

#[test]
fn the_names_of_a_development_certificate_are_told_from_others_by_every_byte() {
    let dir = tempfile::tempdir().unwrap();
    ensure(dir.path(), &nodes(&["a"]), 365).unwrap();
    assert!(Pair::read(dir.path(), "a").has_development_names("a"));
    assert!(!Pair::read(dir.path(), "a").has_development_names("b"));
    assert!(development_names(&"x".repeat(200)).is_none());
}
