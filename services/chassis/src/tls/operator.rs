//! The mark of an operator's certificate: a URI among its names. A node's certificate has none.

use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;

/// The begin of the URI; the operator's name follows.
pub const OPERATOR_URI: &str = "urn:ocs:operator:";
const NAME_BYTES_MAX: usize = 64;

/// The operator of a verified certificate; none: the certificate is no operator's.
pub fn operator_name(shown: &[CertificateDer<'_>]) -> Option<String> {
    let leaf = EndEntityCert::try_from(shown.first()?).ok()?;
    let name = leaf.valid_uri_names().find_map(|uri| uri.strip_prefix(OPERATOR_URI))?;
    is_operator_name(name).then(|| name.to_owned())
}

/// Whether a text can be the name of an operator: letters, digits and `.` `_` `@` `-`, so that a line of the log needs no quotes.
pub fn is_operator_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._@-".contains(&byte);
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    fn named(uris: &[&str], dns: &[&str]) -> Option<String> {
        let mut params = CertificateParams::new(dns.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        params.subject_alt_names.extend(uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())));
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        operator_name(&[certificate.der().clone()])
    }

    #[test]
    fn an_operator_is_named_by_the_uri_of_the_certificate_alone() {
        assert_eq!(named(&["urn:ocs:operator:maria@example.com"], &[]), Some("maria@example.com".to_owned()));
        assert_eq!(named(&["https://x", "urn:ocs:operator:m"], &["a"]), Some("m".to_owned()));
        for (uris, dns) in [
            (&["urn:ocs:node:a"][..], &["a"][..]),
            (&[], &["a"]),
            (&[], &["operator"]),
            (&["urn:ocs:operator:"], &[]),
            (&["urn:ocs:operator:maria smith"], &[]),
            (&["urn:ocs:operator:maria%0a"], &[]),
        ] {
            assert_eq!(named(uris, dns), None, "{uris:?} {dns:?}");
        }
        assert_eq!(operator_name(&[]), None);
    }
}
