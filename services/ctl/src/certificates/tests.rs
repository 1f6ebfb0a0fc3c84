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
    assert_eq!(ensure(dir.path(), &nodes(&["a"]), 365).unwrap(), ["a"]);
}

#[test]
fn a_certificate_of_another_authority_or_key_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    ensure(dir.path(), &nodes(&["a", "b"]), 365).unwrap();
    fs::copy(dir.path().join("b.key"), dir.path().join("a.key")).unwrap();
    assert_eq!(ensure(dir.path(), &nodes(&["a", "b"]), 365).unwrap(), ["a"]);
    fs::remove_file(dir.path().join("ca.key")).unwrap();
    assert_eq!(ensure(dir.path(), &nodes(&["a", "b"]), 365).unwrap(), ["ca", "a", "b"]);
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
