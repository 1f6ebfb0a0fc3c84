//! A development certificate authority, and a certificate for each node and for the operator. Never overwrites a certificate
//! that is still good, nor one that another command made. Called by `certs`; the certificates of production are in `issue`.

pub(crate) mod issue;
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
    let missing: Vec<&String> = nodes.iter().filter(|node| !good(dir, node, renew_before)).collect();
    missing.iter().try_for_each(|node| may_replace(dir, node))?;
    for node in missing {
        make_node(dir, node, days, &issuer)?;
        made.push(node.clone());
    }
    if operator::ensure(dir, days, renew_before, &issuer)? {
        made.push(OPERATOR.to_owned());
    }
    Ok(made)
}

/// Fails if a node's certificate is valid, of the authority in place, and has other names than this module gives.
fn may_replace(dir: &Path, node: &str) -> Result<(), Failure> {
    let pair = Pair::read(dir, node);
    let foreign = pair.is_valid_at(since_1970()) && !pair.has_development_names(node);
    if !foreign {
        return Ok(());
    }
    let (file, dir) = (dir.join(format!("{node}.pem")), dir.display());
    Err(Failure::Refused(format!(
        "{}: is a valid certificate of this authority with other names, and this command does not replace it: use `ocsctl cert node \
         {node} --dir {dir} --host NAME,... --force`",
        file.display()
    )))
}

/// A node's name becomes a DNS name and a file name.
fn check_name(node: &str) -> Result<(), Failure> {
    if is_node_name(node) {
        return Ok(());
    }
    Err(Failure::Usage(format!("--nodes: `{node}` cannot be the name of a node")))
}

fn is_node_name(node: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    let file_of_another = node == "ca" || node == OPERATOR;
    !node.is_empty() && !file_of_another && !node.starts_with(['.', '-']) && node.bytes().all(plain)
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

/// Whether a node's pair is there, signed by the authority in place, in both roles, for its name, and not about to end. A pair with
/// further names is another command's, and good without those of this module.
fn good(dir: &Path, node: &str, renew_before: Duration) -> bool {
    let pair = Pair::read(dir, node);
    let valid = [since_1970(), since_1970() + renew_before].into_iter().all(|at| pair.is_valid_at(at));
    pair.has_own_key() && valid && pair.names(node)
}

/// A node's files, as far as they can be read.
struct Pair {
    authority: Option<CertificateDer<'static>>,
    own: Option<CertificateDer<'static>>,
    key: Option<KeyPair>,
}

impl Pair {
    fn read(dir: &Path, node: &str) -> Self {
        let read = |name: String| CertificateDer::from_pem_file(dir.join(name)).ok();
        let key = fs::read_to_string(dir.join(format!("{node}.key"))).ok();
        Self {
            authority: read("ca.pem".to_owned()),
            own: read(format!("{node}.pem")),
            key: key.and_then(|pem| KeyPair::from_pem(&pem).ok()),
        }
    }

    fn certificate(&self) -> Option<EndEntityCert<'_>> {
        EndEntityCert::try_from(self.own.as_ref()?).ok()
    }

    /// Signed by the authority, in both roles, and valid at this time since 1970.
    fn is_valid_at(&self, at: Duration) -> bool {
        let anchor = self.authority.as_ref().and_then(|authority| anchor_from_trusted_cert(authority).ok());
        let (Some(anchor), Some(certificate)) = (anchor, self.certificate()) else { return false };
        let (anchors, time) = ([anchor], UnixTime::since_unix_epoch(at));
        [KeyUsage::server_auth(), KeyUsage::client_auth()].into_iter().all(|usage| {
            certificate.verify_for_usage(ALL_VERIFICATION_ALGS, &anchors, &[], time, usage, None, None).is_ok()
        })
    }

    fn has_own_key(&self) -> bool {
        let (Some(certificate), Some(key)) = (self.certificate(), &self.key) else { return false };
        certificate.subject_public_key_info().as_ref().ends_with(key.public_key_raw())
    }

    fn names(&self, name: &str) -> bool {
        let (Some(certificate), Ok(name)) = (self.certificate(), ServerName::try_from(name)) else { return false };
        certificate.verify_is_valid_for_subject_name(&name).is_ok()
    }

    /// Whether the names are just those that this module gives to a node: the extension is compared byte by byte.
    fn has_development_names(&self, node: &str) -> bool {
        let (Some(own), Some(names)) = (&self.own, development_names(node)) else { return false };
        own.windows(names.len()).any(|part| part == names)
    }
}

/// The extension subjectAltName of a node's certificate, DER; none: a name is too long for the short form of a length.
fn development_names(node: &str) -> Option<Vec<u8>> {
    const OID: [u8; 5] = [0x06, 0x03, 0x55, 0x1d, 0x11];
    const ADDRESS: [u8; 6] = [0x87, 4, 127, 0, 0, 1];
    let short = |length: usize| u8::try_from(length).ok().filter(|length| *length < 0x80);
    let mut names = Vec::new();
    for name in [node, "localhost"] {
        names.extend([0x82, short(name.len())?]);
        names.extend(name.as_bytes());
    }
    names.extend(ADDRESS);
    let (inner, outer) = (short(names.len())?, short(names.len() + 2)?);
    Some([&OID[..], &[0x04, outer, 0x30, inner], names.as_slice()].concat())
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
