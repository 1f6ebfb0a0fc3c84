//! The role that a certificate gives its holder: a node of the group, or an operator. A pure function of the certificate.
//!
//! The marker is a URI among the subject alternative names: `urn:ocs:node:NAME` or `urn:ocs:operator:NAME`. A certificate without
//! a marker, as earlier releases and other authorities make them, is that of the node in its first DNS name. Never decides what
//! a role may do, and never checks the authority: the handshake has done so.

use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;

/// The beginning of the marker of a node.
pub const NODE_URI: &str = "urn:ocs:node:";
/// The beginning of the marker of an operator.
pub const OPERATOR_URI: &str = "urn:ocs:operator:";

/// Longest name, bytes: a label of a DNS name.
const NAME_BYTES_MAX: usize = 63;

/// The role of a certificate's holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// The node of this name.
    Node(String),
    /// The operator of this name.
    Operator(String),
    /// Neither: no marker and no DNS name, markers that contradict each other, or a malformed certificate.
    Other,
}

/// The role of a certificate's holder.
pub fn role_of(certificate: &CertificateDer<'_>) -> Role {
    let Ok(parsed) = EndEntityCert::try_from(certificate) else { return Role::Other };
    let marked: Vec<Role> = parsed.valid_uri_names().filter_map(marker).collect();
    match marked.split_first() {
        Some((role, others)) if others.iter().all(|other| other == role) => role.clone(),
        Some(_) => Role::Other,
        None => parsed
            .valid_dns_names()
            .find(|name| is_of_a_machine(name))
            .map_or(Role::Other, |name| Role::Node(name.to_owned())),
    }
}

/// Whether a text can be the name in a marker: letters, digits, `-`, `_`, `.` and `@`, at most 63.
pub fn is_name(text: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'@');
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(inside)
}

/// The role that a URI names; a marker with a malformed name is a contradiction of its own.
fn marker(uri: &str) -> Option<Role> {
    if let Some(name) = uri.strip_prefix(OPERATOR_URI) {
        return Some(named(name, Role::Operator));
    }
    uri.strip_prefix(NODE_URI).map(|name| named(name, Role::Node))
}

fn named(name: &str, role: fn(String) -> Role) -> Role {
    if is_name(name) { role(name.to_owned()) } else { Role::Other }
}

/// `localhost` names every machine, and a wildcard none in particular.
fn is_of_a_machine(name: &str) -> bool {
    !name.eq_ignore_ascii_case("localhost") && !name.contains('*')
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    fn certificate(names: &[&str], uris: &[&str]) -> CertificateDer<'static> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.subject_alt_names.extend(uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())));
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().clone()
    }

    #[test]
    fn a_marker_names_the_role_and_without_a_marker_the_first_dns_name_is_a_nodes() {
        let (node, operator) = (|name: &str| Role::Node(name.into()), |name: &str| Role::Operator(name.into()));
        for (names, uris, role) in [
            (&["a", "localhost", "127.0.0.1"][..], &[][..], node("a")),
            (&["localhost", "a.example.com", "a"], &[], node("a.example.com")),
            (&["a.example.com", "a"], &["urn:ocs:node:a"], node("a")),
            (&[], &["urn:ocs:operator:alice"], operator("alice")),
            (&["a"], &["urn:ocs:operator:alice"], operator("alice")),
            (&[], &["https://example.com", "urn:ocs:operator:al.ice@example.com"], operator("al.ice@example.com")),
            (&[], &["urn:ocs:operator:alice", "urn:ocs:operator:alice"], operator("alice")),
            (&["a"], &["urn:ocs:operator:alice", "urn:ocs:node:a"], Role::Other),
            (&["a"], &["urn:ocs:operator:alice", "urn:ocs:operator:bob"], Role::Other),
            (&["a"], &["urn:ocs:operator:"], Role::Other),
            (&["a"], &["urn:ocs:operator:a/b"], Role::Other),
            (&["*.example.com", "localhost", "10.0.0.1"], &[], Role::Other),
            (&["10.0.0.1"], &["https://example.com"], Role::Other),
            (&[], &[], Role::Other),
        ] {
            assert_eq!(role_of(&certificate(names, uris)), role, "{names:?} {uris:?}");
        }
        assert_eq!(role_of(&CertificateDer::from(vec![0x30, 0])), Role::Other);
    }

    #[test]
    fn a_name_is_short_and_plain() {
        for name in ["a", "alice", "al.ice@example.com", "node-1", "x_1"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "a b", "a/b", "ä", "a:b", &"x".repeat(64)] {
            assert!(!is_name(name), "{name}");
        }
    }
}
