//! The certificate of the operator, beside those of the nodes: `ocsctl` shows it by default (see `cluster`).

use std::{fs, path::Path, time::Duration};

use chassis::tls::role::{OPERATOR_URI, Role, role_of};
use rcgen::{ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose, SanType};
use rustls_pki_types::{CertificateDer, UnixTime, pem::PemObject};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::{cannot_make, params, since_1970, write_pair};
use crate::failure::Failure;

/// Name of the operator, and of the pair of files; no node's name.
pub(crate) const OPERATOR: &str = "operator";

/// Makes `operator.pem` and `operator.key`, valid for `days`, unless a good pair is there. True: the pair is new.
pub(super) fn ensure(
    dir: &Path,
    days: u32,
    renew_before: Duration,
    issuer: &Issuer<'_, KeyPair>,
) -> Result<bool, Failure> {
    if is_good(dir, renew_before).is_some() {
        return Ok(false);
    }
    let uri = format!("{OPERATOR_URI}{OPERATOR}").try_into().map_err(cannot_make)?;
    let mut params = params(Vec::new(), OPERATOR, days)?;
    params.subject_alt_names = vec![SanType::URI(uri)];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().map_err(cannot_make)?;
    let certificate = params.signed_by(&key, issuer).map_err(cannot_make)?;
    write_pair(dir, OPERATOR, &certificate.pem(), &key.serialize_pem()).map(|()| true)
}

/// Some: the pair is there, signed by the authority in place, of an operator, and not about to end.
fn is_good(dir: &Path, renew_before: Duration) -> Option<()> {
    let read = |name: &str| CertificateDer::from_pem_file(dir.join(name)).ok();
    let (authority, own) = (read("ca.pem")?, read("operator.pem")?);
    let (anchor, certificate) = (anchor_from_trusted_cert(&authority).ok()?, EndEntityCert::try_from(&own).ok()?);
    let key = KeyPair::from_pem(&fs::read_to_string(dir.join("operator.key")).ok()?).ok()?;
    let is_own_key = certificate.subject_public_key_info().as_ref().ends_with(key.public_key_raw());
    let is_valid_at = |at| {
        let (time, usage) = (UnixTime::since_unix_epoch(at), KeyUsage::client_auth());
        let anchors = std::slice::from_ref(&anchor);
        certificate.verify_for_usage(ALL_VERIFICATION_ALGS, anchors, &[], time, usage, None, None).is_ok()
    };
    let is_valid = is_valid_at(since_1970()) && is_valid_at(since_1970() + renew_before);
    let is_operator = matches!(role_of(&own), Role::Operator(_));
    (is_own_key && is_valid && is_operator).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificates::ensure as ensure_all;

    #[test]
    fn the_operators_certificate_is_made_once_and_names_an_operator() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(ensure_all(dir.path(), &["a".to_owned()], 365).unwrap(), ["ca", "a", OPERATOR]);
        let certificate = CertificateDer::from_pem_file(dir.path().join("operator.pem")).unwrap();
        assert_eq!(role_of(&certificate), Role::Operator(OPERATOR.to_owned()));
        assert_eq!(ensure_all(dir.path(), &["a".to_owned()], 365).unwrap(), Vec::<String>::new());
        fs::copy(dir.path().join("a.pem"), dir.path().join("operator.pem")).unwrap();
        fs::copy(dir.path().join("a.key"), dir.path().join("operator.key")).unwrap();
        assert_eq!(ensure_all(dir.path(), &["a".to_owned()], 365).unwrap(), [OPERATOR], "a node's is none");
    }
}
