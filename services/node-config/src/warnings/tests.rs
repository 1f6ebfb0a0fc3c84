//! Settings that are allowed, and the warning for each.

use chassis::tls::TlsFiles;

use super::*;
use crate::{Member, MemberRole};

fn warned(peer: &str, listen: &str) -> Vec<String> {
    let mut config = Config::default();
    config.node.name = "b".into();
    let member =
        |name: &str, peer: &str| Member { name: name.into(), role: MemberRole::Data, peer: peer.into(), control: None };
    config.cluster.nodes = vec![member("a", "10.0.0.1:7301"), member("b", peer)];
    config.peer.listen = listen.parse().unwrap();
    config.peer.secret_file = Some("secret".into());
    config.warnings().iter().map(Warning::to_string).collect()
}

#[test]
fn an_own_entry_that_leads_to_the_listener_is_no_matter() {
    for (peer, listen) in [
        ("10.0.0.2:7301", "10.0.0.2:7301"),
        ("10.0.0.2:7301", "0.0.0.0:7301"),
        ("node-b.example:7301", "10.0.0.2:7301"),
        ("localhost:7301", "127.0.0.1:7301"),
        ("[::1]:7301", "[::1]:7301"),
    ] {
        assert_eq!(warned(peer, listen), Vec::<String>::new(), "{peer} {listen}");
    }
}

#[test]
fn an_own_entry_that_leads_elsewhere_is_named() {
    for (peer, listen, why) in [
        ("10.0.0.2:7301", "0.0.0.0:7302", "the ports differ"),
        ("10.0.0.2:7301", "127.0.0.1:7301", "the addresses differ"),
        ("10.0.0.2:7301", "10.0.0.3:7301", "the addresses differ"),
        ("node-b.example:7301", "127.0.0.1:7301", "the addresses differ"),
        ("localhost:7301", "10.0.0.2:7301", "the addresses differ"),
    ] {
        let warned = warned(peer, listen);
        assert_eq!(warned.len(), 1, "{peer} {listen}");
        for part in ["key cluster.nodes.1.peer", peer, listen, why] {
            assert!(warned[0].contains(part), "{part}: {}", warned[0]);
        }
    }
}

/// The warnings of a configuration whose peers have a secret.
fn with(change: impl FnOnce(&mut Config)) -> Vec<String> {
    let mut config = Config::default();
    config.peer.secret_file = Some("secret".into());
    change(&mut config);
    config.warnings().iter().map(Warning::to_string).collect()
}

#[test]
fn an_own_control_entry_that_leads_elsewhere_is_named() {
    let entry = |control: &str| {
        with(|config| {
            config.node.name = "a".into();
            config.control.listen = "127.0.0.1:7401".parse().unwrap();
            let (peer, control) = (config.peer.listen.to_string(), Some(control.to_owned()));
            config.cluster.nodes = vec![Member { name: "a".into(), role: MemberRole::Data, peer, control }];
        })
    };
    assert_eq!(entry("127.0.0.1:7401"), Vec::<String>::new());
    let warned = entry("127.0.0.1:7402");
    assert!(warned.len() == 1 && warned[0].starts_with("key cluster.nodes.0.control: "), "{warned:?}");
    assert!(warned[0].contains("127.0.0.1:7402, but control.listen is 127.0.0.1:7401: the ports differ"), "{warned:?}");
}

#[test]
fn a_directory_for_scheduled_backups_that_is_not_there_is_named() {
    let home = tempfile::tempdir().unwrap();
    let at = |directory: std::path::PathBuf, every: &str| {
        with(|config| (config.backup.directory, config.backup.every) = (directory, every.into()))
    };
    assert_eq!(at(home.path().to_owned(), "24h"), Vec::<String>::new());
    assert_eq!(at(home.path().join("none"), ""), Vec::<String>::new(), "no backup is made by itself");
    let warned = at(home.path().join("none"), "24h");
    assert!(warned.len() == 1 && warned[0].contains("none is no directory"), "{warned:?}");
}

#[test]
fn an_https_certificate_that_has_expired_is_named_with_its_date() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("https.pem");
    let mut params = rcgen::CertificateParams::new(vec!["a".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (rcgen::date_time_ymd(2001, 1, 1), rcgen::date_time_ymd(2002, 2, 3));
    let key = rcgen::KeyPair::generate().unwrap();
    std::fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
    let warned = with(|config| {
        config.node.name = "a".into();
        let peer = config.peer.listen.to_string();
        config.cluster.nodes = vec![Member { name: "a".into(), role: MemberRole::Data, peer, control: None }];
        config.http_proxy.tls_certificate = Some(file);
    });
    assert!(warned.len() == 1 && warned[0].starts_with("key http_proxy.tls_certificate: "), "{warned:?}");
    assert!(warned[0].contains("expired at 2002-02-03"), "{warned:?}");
}

#[test]
fn peers_without_any_proof_are_warned_of() {
    let warned = Config::default().warnings();
    assert!(warned.len() == 1 && warned[0].message.contains("peer.secret_file"), "{warned:?}");
}

#[test]
fn a_private_key_that_others_can_read_is_named_once_and_refuses_nothing() {
    use std::{fs, os::unix::fs::PermissionsExt};

    let home = tempfile::tempdir().unwrap();
    let key = home.path().join("a.key");
    fs::write(&key, "key").unwrap();
    let warned = |mode: u32| {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        let tls = TlsFiles { ca: "ca.pem".into(), certificate: "a.pem".into(), key: key.clone() };
        with(|config| {
            (config.peer.tls, config.control.tls, config.admin.tls) = (Some(tls.clone()), Some(tls.clone()), Some(tls))
        })
    };
    assert_eq!(warned(0o600), Vec::<String>::new());
    for mode in [0o640, 0o644] {
        let warned = warned(mode);
        assert_eq!(warned.len(), 1, "one line for one file: {warned:?}");
        let remedy = format!("chmod 600 {}", key.display());
        assert!(warned[0].starts_with("key peer.tls: ") && warned[0].ends_with(&remedy), "{warned:?}");
    }
}
