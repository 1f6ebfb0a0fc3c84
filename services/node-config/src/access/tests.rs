//! Ports without a guard, in directories of this and of earlier releases; and rights that make no sense.

use std::fs;

use chassis::tls::TlsFiles;
use tempfile::TempDir;

use super::*;
use crate::{Member, MemberRole};

const DOOR: &str =
    "key http_proxy.auth: other machines reach http_proxy.listen, 0.0.0.0:8080, and nothing says who may ask there";

/// Node a of a group, with its data directory below `home`.
fn config(home: &TempDir, listen: &str, auth: Option<Auth>) -> Config {
    let mut config = Config::default();
    config.node.name = "a".into();
    config.node.data_dir = home.path().join("data");
    let peer = config.peer.listen.to_string();
    config.cluster.nodes = vec![Member { name: "a".into(), role: MemberRole::Data, peer, control: None }];
    config.peer.secret_file = Some("secret".into());
    (config.http_proxy.listen, config.http_proxy.auth) = (listen.into(), auth);
    config
}

fn form(config: &Config, files: &[&str]) {
    fs::create_dir_all(&config.node.data_dir).unwrap();
    files.iter().for_each(|file| fs::write(config.node.data_dir.join(file), "").unwrap());
}

fn refused(config: &Config, forming: bool) -> Option<String> {
    config.refused_door(forming).map(|problem| problem.to_string())
}

fn warned(config: &Config) -> Vec<String> {
    config.access_warnings().iter().map(Warning::to_string).collect()
}

#[test]
fn a_directory_of_this_release_refuses_a_port_that_nobody_guards_and_an_earlier_one_warns() {
    let home = TempDir::new().unwrap();
    let open = config(&home, "0.0.0.0:8080", None);
    assert!(refused(&open, true).is_some_and(|line| line.starts_with(DOOR)), "a group is formed here");
    assert_eq!(refused(&open, false), None, "the group that takes this node in decides");
    assert!(warned(&open)[0].starts_with(DOOR), "{:?}", warned(&open));

    form(&open, &["ocs-node.toml"]);
    assert_eq!([refused(&open, true), refused(&open, false)], [None, None], "formed by an earlier release");
    assert!(warned(&open).len() == 1 && warned(&open)[0].starts_with(DOOR), "{:?}", warned(&open));

    form(&open, &["guarded"]);
    let line = refused(&open, false).unwrap();
    assert!(line.starts_with(DOOR) && line.contains("auth = \"none\"") && !line.contains('\n'), "{line}");
    assert_eq!(warned(&open), Vec::<String>::new());
    for auth in [Auth::None, Auth::Tokens] {
        assert_eq!(refused(&config(&home, "0.0.0.0:8080", Some(auth)), false), None, "{auth:?}");
    }
}

#[test]
fn a_port_on_loopback_needs_no_word_about_credentials() {
    let home = TempDir::new().unwrap();
    for listen in ["127.0.0.1:8080", "127.9.9.9:0", "[::1]:8080", "localhost:8080", ""] {
        let inside = config(&home, listen, None);
        assert_eq!((refused(&inside, true), warned(&inside)), (None, Vec::new()), "{listen}");
    }
    for listen in ["0.0.0.0:0", "[::]:8080", "ocs.example:8080", "10.0.0.1:8080", ":8080"] {
        assert!(refused(&config(&home, listen, None), true).is_some(), "{listen}");
    }
    let mut witness = config(&home, "0.0.0.0:8080", None);
    witness.cluster.nodes[0].role = MemberRole::Witness;
    assert_eq!(refused(&witness, true), None, "a witness has no HTTP Proxy");
}

#[test]
fn operators_have_their_own_certificates_where_this_release_formed_the_group() {
    let home = TempDir::new().unwrap();
    let mut config = config(&home, "", None);
    assert!(!config.operators_required(true), "without control.tls nobody has a certificate");
    config.control.operators = Some(Operators::Required);
    assert!(config.operators_problem().is_some());
    config.control.tls = Some(TlsFiles { ca: "ca".into(), certificate: "a".into(), key: "k".into() });
    assert_eq!(config.operators_problem(), None);
    for (written, of_this_release, of_an_earlier_one) in
        [(None, true, false), (Some(Operators::Required), true, true), (Some(Operators::Any), false, false)]
    {
        config.control.operators = written;
        let required = [true, false].map(|guarded| config.operators_required(guarded));
        assert_eq!(required, [of_this_release, of_an_earlier_one], "{written:?}");
    }
    form(&config, &["ocs-node.toml"]);
    for (written, lines) in [(None, 1), (Some(Operators::Any), 1), (Some(Operators::Required), 0)] {
        config.control.operators = written;
        let warned = warned(&config);
        assert_eq!(warned.len(), lines, "{written:?}");
        assert!(warned.iter().all(|line| line.starts_with("key control.operators: any certificate")), "{warned:?}");
    }
    form(&config, &["guarded"]);
    config.control.operators = Some(Operators::Any);
    assert_eq!(warned(&config), Vec::<String>::new(), "written out");
}

#[test]
fn tokens_over_plain_http_are_warned_of_where_others_may_read_them() {
    let home = TempDir::new().unwrap();
    let plain = config(&home, "0.0.0.0:8080", Some(Auth::Tokens));
    assert!(
        warned(&plain).len() == 1 && warned(&plain)[0].contains("tokens travel in plain text"),
        "{:?}",
        warned(&plain)
    );
    assert_eq!(warned(&config(&home, "127.0.0.1:8080", Some(Auth::Tokens))), Vec::<String>::new());
    let mut https = config(&home, "0.0.0.0:8080", Some(Auth::TokensOrCertificates));
    https.http_proxy.tls_certificate = Some("a.pem".into());
    assert_eq!(warned(&https), Vec::<String>::new());
}
