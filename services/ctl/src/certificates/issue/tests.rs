//! Certificates for production: their names, their roles, and the files that are kept.

use std::os::unix::fs::PermissionsExt;

use chassis::tls::{TlsFiles, TlsIdentity, names};
use tempfile::TempDir;

use super::*;

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn order(home: &TempDir) -> Order<'_> {
    Order { dir: home.path(), days: 30, force: false }
}

fn forced(home: &TempDir) -> Order<'_> {
    Order { force: true, ..order(home) }
}

/// A directory with an authority.
fn home() -> TempDir {
    let home = TempDir::new().unwrap();
    authority(Order { days: 3650, ..order(&home) }, "Example Ltd").unwrap();
    home
}

fn chain(home: &TempDir, name: &str) -> Vec<rustls_pki_types::CertificateDer<'static>> {
    certificates(&home.path().join(format!("{name}.pem"))).unwrap()
}

fn node_order(node: &str, hosts: &[&str]) -> NodeOrder {
    NodeOrder { node: node.to_owned(), hosts: words(hosts) }
}

#[test]
fn a_node_answers_to_its_name_and_its_hosts_and_an_operator_is_no_node() {
    let home = home();
    let made = nodes(order(&home), &[node_order("a", &["10.77.0.1", "a.example.com", "2001:db8::1"])]).unwrap();
    assert_eq!(made[0].hosts, words(&["a", "10.77.0.1", "a.example.com", "2001:db8::1", "localhost", "127.0.0.1"]));
    let shown = chain(&home, "a");
    for name in &made[0].hosts {
        assert!(names(&shown, name), "{name}");
    }
    assert!(!names(&shown, "b") && !names(&shown, "10.77.0.2"));
    assert_eq!(role_of(&shown[0]), Role::Node("a".to_owned()));
    operator(order(&home), "alice").unwrap();
    assert_eq!(role_of(&chain(&home, "alice")[0]), Role::Operator("alice".to_owned()));
    assert!(!names(&chain(&home, "alice"), "alice"));
    let files = |name: &str| TlsFiles {
        ca: home.path().join("ca.pem"),
        certificate: home.path().join(format!("{name}.pem")),
        key: home.path().join(format!("{name}.key")),
    };
    assert!(TlsIdentity::load(&files("a")).is_ok_and(|own| own.names("a")));
    assert!(TlsIdentity::load(&files("alice")).is_err(), "an operator's certificate is not good for a server");
    for key in ["ca.key", "a.key", "alice.key"] {
        assert_eq!(fs::metadata(home.path().join(key)).unwrap().permissions().mode() & 0o777, 0o600, "{key}");
    }
}

#[test]
fn nothing_is_overwritten_without_an_order_and_nothing_of_another_kind_with_one() {
    let home = home();
    let file = |name: &str| fs::read(home.path().join(name)).unwrap();
    nodes(order(&home), &[node_order("a", &[])]).unwrap();
    operator(order(&home), "alice").unwrap();
    let before = ["ca.pem", "ca.key", "a.pem", "a.key", "alice.pem", "alice.key"].map(file);
    let refusals = [
        authority(order(&home), "Example Ltd").unwrap_err(),
        nodes(order(&home), &[node_order("b", &[]), node_order("a", &[])]).unwrap_err(),
        operator(order(&home), "alice").unwrap_err(),
        operator(forced(&home), "a").unwrap_err(),
        nodes(forced(&home), &[node_order("alice", &[])]).unwrap_err(),
    ]
    .map(|refusal| refusal.to_string());
    for (refusal, part) in refusals.iter().zip([
        "ca.pem is there, a certificate, until ",
        "a.pem is there, the certificate of node a, until ",
        "alice.pem is there, the certificate of operator alice, until ",
        "a.pem is the certificate of node a, until ",
        "alice.pem is the certificate of operator alice, until ",
    ]) {
        assert!(refusal.contains(part) && !refusal.contains('\n'), "{part}: {refusal}");
    }
    assert!(refusals[1].ends_with("add --force to replace it and its key, or name another --dir"), "{}", refusals[1]);
    assert!(refusals[3].contains("--force does not replace by one of another kind"), "{}", refusals[3]);
    assert_eq!(["ca.pem", "ca.key", "a.pem", "a.key", "alice.pem", "alice.key"].map(file), before);
    assert!(!home.path().join("b.pem").exists(), "the node before the refused one was not made either");
    nodes(forced(&home), &[node_order("a", &[])]).unwrap();
    assert_ne!(file("a.pem"), before[2]);
}

#[test]
fn a_key_without_its_certificate_is_kept_too() {
    let home = home();
    nodes(order(&home), &[node_order("a", &[])]).unwrap();
    fs::remove_file(home.path().join("a.pem")).unwrap();
    let refused = nodes(order(&home), &[node_order("a", &[])]).unwrap_err().to_string();
    assert!(refused.contains("a.key is there, a file that is no certificate: nothing was written"), "{refused}");
}

#[test]
fn an_authority_signs_what_ends_before_it_and_one_of_another_tool_is_named() {
    let home = home();
    let long = Order { days: 3651, ..order(&home) };
    let refused = operator(long, "alice").unwrap_err().to_string();
    assert!(refused.contains("ca.pem ends at ") && refused.contains("before the 3651 days"), "{refused}");
    assert!(refused.contains("give --days from 1 to 36") && !refused.contains("at most"), "{refused}");
    let foreign = TempDir::new().unwrap();
    let refused = operator(order(&foreign), "alice").unwrap_err().to_string();
    assert!(refused.contains("make an authority first, by `ocsctl cert ca --dir "), "{refused}");
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::OrganizationName, "Example Ltd");
    let key = KeyPair::generate().unwrap();
    fs::write(foreign.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(foreign.path().join("ca.key"), key.serialize_pem()).unwrap();
    let refused = operator(order(&foreign), "alice").unwrap_err().to_string();
    assert!(refused.contains("was not made by ocsctl"), "{refused}");
    fs::copy(foreign.path().join("ca.key"), home.path().join("ca.key")).unwrap();
    let refused = operator(order(&home), "alice").unwrap_err().to_string();
    assert!(refused.contains("the key does not belong to the authority"), "{refused}");
}

#[test]
fn an_authority_of_development_signs_for_production_too() {
    let home = TempDir::new().unwrap();
    super::super::ensure(home.path(), &words(&["x"]), 365).unwrap();
    nodes(order(&home), &[node_order("a", &["10.77.0.1"])]).unwrap();
    assert!(names(&chain(&home, "a"), "10.77.0.1"));
}

#[test]
fn each_host_goes_to_its_node() {
    let orders =
        |nodes: &[&str], hosts: &[&str]| super::orders(&words(nodes), &words(hosts)).map_err(|no| no.to_string());
    assert_eq!(
        orders(&["a", "b"], &["a=10.0.0.1,a.example.com", "b=10.0.0.2", "a=x"]).unwrap(),
        [node_order("a", &["10.0.0.1", "a.example.com", "x"]), node_order("b", &["10.0.0.2"])]
    );
    assert_eq!(orders(&["a"], &["10.0.0.1, x"]).unwrap(), [node_order("a", &["10.0.0.1", "x"])]);
    assert!(orders(&["a", "b"], &["10.0.0.1"]).unwrap_err().contains("write it as NODE=10.0.0.1"));
    assert!(orders(&["a", "b"], &["c=10.0.0.1"]).unwrap_err().contains("`c` is none of the nodes (a, b)"));
    for wrong in ["10.0.0.1:7401", "[::1]", "*.example.com", "", "a b"] {
        assert!(check_host(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn names_that_cannot_be_are_refused() {
    let home = home();
    for name in ["ca", "", "../a", "a b", "-x"] {
        assert!(matches!(nodes(order(&home), &[node_order(name, &[])]), Err(Failure::Usage(_))), "{name}");
        assert!(matches!(operator(order(&home), name), Err(Failure::Usage(_))), "{name}");
    }
    for name in ["", "zwölf", &"x".repeat(65)] {
        assert!(matches!(authority(forced(&home), name), Err(Failure::Usage(_))), "{name}");
    }
}

#[test]
fn an_authority_that_is_at_its_end_is_named_and_no_impossible_number_of_days() {
    let day = |days: i64| ends_before("ca.pem", now_s().saturating_add_signed(days * DAY_S as i64 + 100), 365);
    assert!(day(30).contains("give --days from 1 to 30, or make a new authority"), "{}", day(30));
    assert!(day(1).contains("give --days 1, or make a new authority"), "{}", day(1));
    for (left, part) in [(0, "within a day, and signs no certificate any more"), (-2, "ca.pem ended at ")] {
        let line = day(left);
        assert!(line.contains(part) && !line.contains("--days") && line.contains("make a new authority"), "{line}");
    }
}
