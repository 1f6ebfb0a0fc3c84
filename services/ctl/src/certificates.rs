//! A development certificate authority, and a certificate for each node and for the operator. Never overwrites a certificate that is still good.
//! Called by `certs`.

mod operator;
#[cfg(test)]
mod tests;

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

pub(crate) use operator::OPERATOR;

use crate::failure::Failure;

const DAY: Duration = Duration::from_secs(86_400);
/// The authority outlives every certificate of a node.
const AUTHORITY_DAYS: u32 = 7300;
/// Clocks of machines that talk to each other may differ.
const BACKDATED: Duration = DAY;
/// A certificate this close to its end is made anew (or a tenth of its life, if that is shorter).
const RENEW_BEFORE_MAX: Duration = Duration::from_secs(7 * 86_400);
/// Every node answers to these too.
const LOCAL_NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

/// Makes `ca.pem`, `ca.key`, and `NODE.pem`, `NODE.key` for each node, and the operator's pair, valid for `days`, wherever they are absent, about to
/// expire, or not of this authority. Returns the names of the new pairs.
pub(crate) fn ensure(dir: &Path, nodes: &[String], days: u32) -> Result<Vec<String>, Failure> {
    for node in nodes {
        check_name(node)?;
    }
    fs::create_dir_all(dir).map_err(|error| Failure::file(dir, error))?;
    let mut made = Vec::new();
    let params = authority_params()?;
    let key = match load_authority(dir) {
        Some(key) => key,
        None => {
            made.push("ca".to_owned());
            make_authority(dir, &params)?
        }
    };
    let issuer = Issuer::from_params(&params, key);
    let renew_before = RENEW_BEFORE_MAX.min(DAY * days / 10);
    for node in nodes {
        if !good(dir, node, renew_before) {
            make_node(dir, node, days, &issuer)?;
            made.push(node.clone());
        }
    }
    if operator::ensure(dir, days, renew_before, &issuer)? {
        made.push(OPERATOR.to_owned());
    }
    Ok(made)
}

/// A node's name becomes a DNS name and a file name.
fn check_name(node: &str) -> Result<(), Failure> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    let file_of_another = node == "ca" || node == OPERATOR;
    if node.is_empty() || file_of_another || node.starts_with(['.', '-']) || !node.bytes().all(plain) {
        return Err(Failure::Usage(format!("--nodes: `{node}` cannot be the name of a node")));
    }
    Ok(())
}

fn authority_params() -> Result<CertificateParams, Failure> {
    let mut params = params(Vec::new(), "ocs development authority", AUTHORITY_DAYS)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn params(names: Vec<String>, common_name: &str, days: u32) -> Result<CertificateParams, Failure> {
    let mut params = CertificateParams::new(names).map_err(cannot_make)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    let now = rcgen::date_time_ymd(1970, 1, 1) + since_1970();
    params.not_before = now - BACKDATED;
    params.not_after = now + DAY * days;
    Ok(params)
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// The authority's key, if key and certificate are there and belong to each other.
fn load_authority(dir: &Path) -> Option<KeyPair> {
    let key = KeyPair::from_pem(&fs::read_to_string(dir.join("ca.key")).ok()?).ok()?;
    let certificate = CertificateDer::from_pem_file(dir.join("ca.pem")).ok()?;
    let anchor = anchor_from_trusted_cert(&certificate).ok()?;
    let ours = anchor.subject_public_key_info.as_ref().ends_with(key.public_key_raw());
    ours.then_some(key)
}

fn make_authority(dir: &Path, params: &CertificateParams) -> Result<KeyPair, Failure> {
    let key = KeyPair::generate().map_err(cannot_make)?;
    let certificate = params.self_signed(&key).map_err(cannot_make)?;
    write_pair(dir, "ca", &certificate.pem(), &key.serialize_pem())?;
    Ok(key)
}

fn make_node(dir: &Path, node: &str, days: u32, issuer: &Issuer<'_, KeyPair>) -> Result<(), Failure> {
    let names = std::iter::once(node).chain(LOCAL_NAMES).map(str::to_owned).collect();
    let mut params = params(names, node, days)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().map_err(cannot_make)?;
    let certificate = params.signed_by(&key, issuer).map_err(cannot_make)?;
    write_pair(dir, node, &certificate.pem(), &key.serialize_pem())
}

/// Whether a node's pair is there, signed by the authority in place, in both roles, for its names, and not about to end.
fn good(dir: &Path, node: &str, renew_before: Duration) -> bool {
    let read = |name: String| CertificateDer::from_pem_file(dir.join(name)).ok();
    let (Some(authority), Some(own)) = (read("ca.pem".to_owned()), read(format!("{node}.pem"))) else { return false };
    let (Ok(anchor), Ok(certificate)) = (anchor_from_trusted_cert(&authority), EndEntityCert::try_from(&own)) else {
        return false;
    };
    let key = fs::read_to_string(dir.join(format!("{node}.key"))).ok().and_then(|pem| KeyPair::from_pem(&pem).ok());
    let own_key = key.is_some_and(|key| {
        let info = certificate.subject_public_key_info();
        info.as_ref().ends_with(key.public_key_raw())
    });
    let valid_at = |usage, at| {
        let time = UnixTime::since_unix_epoch(at);
        certificate
            .verify_for_usage(ALL_VERIFICATION_ALGS, std::slice::from_ref(&anchor), &[], time, usage, None, None)
            .is_ok()
    };
    let named = |name: &str| {
        ServerName::try_from(name).is_ok_and(|name| certificate.verify_is_valid_for_subject_name(&name).is_ok())
    };
    let valid = [since_1970(), since_1970() + renew_before]
        .into_iter()
        .all(|at| valid_at(KeyUsage::server_auth(), at) && valid_at(KeyUsage::client_auth(), at));
    own_key && valid && std::iter::once(node).chain(LOCAL_NAMES).all(named)
}

/// The key first, so that a certificate never stands without it.
fn write_pair(dir: &Path, name: &str, certificate: &str, key: &str) -> Result<(), Failure> {
    write(&dir.join(format!("{name}.key")), key, 0o600)?;
    write(&dir.join(format!("{name}.pem")), certificate, 0o644)
}

/// Whole or not at all, and never readable by others in between.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let part = path.with_extension("part");
    let written = || -> std::io::Result<()> {
        let _ = fs::remove_file(&part); // a file left by an interrupted run would keep its mode
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&part)?;
        file.write_all(text.as_bytes())?;
        fs::rename(&part, path)
    };
    written().map_err(|error| Failure::file(path, error))
}

fn cannot_make(error: rcgen::Error) -> Failure {
    Failure::Refused(format!("cannot make a certificate: {error}"))
}
