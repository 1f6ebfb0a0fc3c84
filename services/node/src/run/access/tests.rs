//! Data directories that a process may use, and the one line about the others.

use super::*;

#[test]
fn a_user_is_named_where_the_machine_knows_a_name() {
    let accounts = "root:x:0:0:root:/root:/bin/sh\nocs:x:997:997::/var/lib/ocs:/usr/sbin/nologin\nbroken\n";
    assert_eq!(named(accounts, 997), Some("ocs".into()));
    assert_eq!(named(accounts, 5), None);
}

#[test]
fn one_line_says_owner_mode_user_and_what_to_do() {
    let user = |uid, name: &str| User { uid, name: Some(name.into()) };
    let denied = Denied {
        path: "/var/lib/ocs/a/lock".into(),
        data_dir: "/var/lib/ocs/a".into(),
        missing: Missing::Use,
        owner: user(0, "root"),
        mode: 0o600,
        user: user(997, "ocs"),
        uid: 997,
        gid: 996,
    };
    assert_eq!(
        denied.to_string(),
        "/var/lib/ocs/a/lock: permission denied: it belongs to root (uid 0) and has mode 0600, but ocsd runs as ocs (uid 997); \
         give the data directory to that user (`chown -R 997:996 /var/lib/ocs/a`), or start ocsd as root (uid 0)"
    );
}

#[test]
fn a_parent_in_which_nothing_can_be_made_or_passed_through_is_named_with_its_own_remedy() {
    let user = |uid| User { uid, name: None };
    let denied = |missing| Denied {
        path: "/var/lib/ocs".into(),
        data_dir: "/var/lib/ocs/a".into(),
        missing,
        owner: user(0),
        mode: 0o700,
        user: user(997),
        uid: 997,
        gid: 996,
    };
    let make = denied(Missing::Make).to_string();
    assert!(make.starts_with("/var/lib/ocs: permission denied: it belongs to uid 0"), "{make}");
    assert!(make.contains("/var/lib/ocs/a is not there") && !make.contains("chown"), "{make}");
    assert!(make.contains("`install -d -o 997 -g 996 -m 700 /var/lib/ocs/a`"), "{make}");
    let pass = denied(Missing::Pass).to_string();
    assert!(pass.contains("`chmod o+x /var/lib/ocs`") && !pass.contains("chown"), "{pass}");
}

#[test]
fn a_directory_of_this_user_and_one_that_is_not_there_yet_are_fine() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(check(home.path()), Ok(()));
    assert_eq!(check(&home.path().join("below/a")), Ok(()));
}
