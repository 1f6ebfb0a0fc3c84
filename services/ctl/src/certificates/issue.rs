//! Certificates for production: an authority, nodes, operators. Never replaces a file without an order to do so, and writes nothing
//! before every check has passed. Called by `cert`.
//!
//! A marker among the names tells nodes from operators (`chassis::tls::role`). Keys are readable by their owner alone.

#[cfg(test)]
mod tests;

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
};

use chassis::tls::{
    certificates, end_of_chain, now_s,
    role::{NODE_URI, OPERATOR_URI, Role, is_name, role_of},
    time_text,
};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType, string::Ia5String,
};
use rustls_pki_types::ServerName;
use webpki::EndEntityCert;

use super::{LOCAL_NAMES, cannot_make, is_node_name, params, write_pair};
use crate::failure::Failure;

/// The files of the authority.
const AUTHORITY: &str = "ca";
const DAY_S: u64 = 86_400;
/// Longest name of an authority, bytes.
const AUTHORITY_NAME_MAX: usize = 64;

/// What to make where, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order<'a> {
    /// The directory of the authority and of the new files.
    pub(crate) dir: &'a Path,
    /// Validity from now on.
    pub(crate) days: u32,
    /// Replace files that are there.
    pub(crate) force: bool,
}

/// A pair that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Made {
    /// The authority's, node's or operator's name.
    pub(crate) name: String,
    /// The certificate.
    pub(crate) certificate: PathBuf,
    /// The private key.
    pub(crate) key: PathBuf,
    /// The end of validity, RFC 3339.
    pub(crate) ends: String,
    /// DNS names and addresses.
    pub(crate) hosts: Vec<String>,
}

/// A node, and the further names and addresses by which callers reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeOrder {
    /// Its name.
    pub(crate) node: String,
    /// DNS names and addresses.
    pub(crate) hosts: Vec<String>,
}

/// Makes `ca.pem` and `ca.key`.
pub(crate) fn authority(order: Order<'_>, name: &str) -> Result<Made, Failure> {
    let printable = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    if name.is_empty() || name.len() > AUTHORITY_NAME_MAX || !name.bytes().all(printable) {
        let why =
            format!("cannot be the name of an authority: printable ASCII, at most {AUTHORITY_NAME_MAX} characters");
        return Err(Failure::Usage(format!("--name: {name:?} {why}")));
    }
    may_write(order, AUTHORITY, &Role::Other)?;
    let mut params = params(Vec::new(), name, order.days)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().map_err(cannot_make)?;
    let certificate = params.self_signed(&key).map_err(cannot_make)?;
    put(order, AUTHORITY, Vec::new(), &certificate, &key)
}

/// Makes `NODE.pem` and `NODE.key` for each node, good for servers and clients.
pub(crate) fn nodes(order: Order<'_>, wanted: &[NodeOrder]) -> Result<Vec<Made>, Failure> {
    let signer = Signer::load(order)?;
    for NodeOrder { node, hosts } in wanted {
        if !is_node_name(node) || !is_name(node) {
            return Err(Failure::Usage(format!(
                "`{node}` cannot be the name of a node: letters, digits, hyphens and dots"
            )));
        }
        hosts.iter().try_for_each(|host| check_host(host))?;
        may_write(order, node, &Role::Node(node.clone()))?;
    }
    wanted.iter().map(|one| node(order, &signer, one)).collect()
}

fn node(order: Order<'_>, signer: &Signer, NodeOrder { node, hosts }: &NodeOrder) -> Result<Made, Failure> {
    let mut names = vec![node.clone()];
    for name in hosts.iter().map(String::as_str).chain(LOCAL_NAMES) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    let mut params = params(names.clone(), node, order.days)?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    mark(&mut params, NODE_URI, node)?;
    let (certificate, key) = signer.sign(params)?;
    put(order, node, names, &certificate, &key)
}

/// Makes `NAME.pem` and `NAME.key` of an operator, good for clients alone.
pub(crate) fn operator(order: Order<'_>, name: &str) -> Result<Made, Failure> {
    let signer = Signer::load(order)?;
    if !is_name(name) || name == AUTHORITY || name.starts_with(['.', '-']) {
        let why = "letters, digits, `-`, `_`, `.` and `@`, at most 63";
        return Err(Failure::Usage(format!("`{name}` cannot be the name of an operator: {why}")));
    }
    may_write(order, name, &Role::Operator(name.to_owned()))?;
    let mut params = params(Vec::new(), name, order.days)?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    mark(&mut params, OPERATOR_URI, name)?;
    let (certificate, key) = signer.sign(params)?;
    put(order, name, Vec::new(), &certificate, &key)
}

/// Adds the marker of a role; the certificate is for signatures alone.
fn mark(params: &mut CertificateParams, uri: &str, name: &str) -> Result<(), Failure> {
    let marker = Ia5String::try_from(format!("{uri}{name}")).map_err(cannot_make)?;
    params.subject_alt_names.push(SanType::URI(marker));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    Ok(())
}

/// Assigns each `--host` to its node: `NODE=NAME,…`, or `NAME,…` where there is one node alone.
pub(crate) fn orders(nodes: &[String], hosts: &[String]) -> Result<Vec<NodeOrder>, Failure> {
    let wanted = |node: &String| NodeOrder { node: node.clone(), hosts: Vec::new() };
    let mut orders: Vec<NodeOrder> = nodes.iter().map(wanted).collect();
    for text in hosts {
        let (node, names) = match text.split_once('=') {
            Some((node, names)) => (node, names),
            None if nodes.len() == 1 => (nodes[0].as_str(), text.as_str()),
            None => {
                let line = format!("--host {text}: several nodes are named, so write it as NODE={text}");
                return Err(Failure::Usage(line));
            }
        };
        let Some(order) = orders.iter_mut().find(|order| order.node == node) else {
            return Err(Failure::Usage(format!("--host {text}: `{node}` is none of the nodes ({})", nodes.join(", "))));
        };
        order.hosts.extend(names.split(',').map(|name| name.trim().to_owned()));
    }
    Ok(orders)
}

/// A host is an address or a DNS name, without a port.
fn check_host(host: &str) -> Result<(), Failure> {
    let is_dns_name = matches!(ServerName::try_from(host), Ok(ServerName::DnsName(_)));
    if host.parse::<IpAddr>().is_ok() || is_dns_name {
        return Ok(());
    }
    Err(Failure::Usage(format!("--host: `{host}` is no DNS name and no address: write it without a port and brackets")))
}

/// Fails if a pair of this name is there and may not be replaced, or belongs to another role.
fn may_write(order: Order<'_>, name: &str, role: &Role) -> Result<(), Failure> {
    let (pem, key) = files(order.dir, name);
    let there = [&pem, &key].into_iter().find(|file| fs::symlink_metadata(file).is_ok());
    let Some(there) = there else { return Ok(()) };
    let chain = certificates(&pem).ok().filter(|_| there == &pem);
    let found = chain.as_ref().map(|chain| (role_of(&chain[0]), end_of_chain(chain)));
    let what = match &found {
        Some((Role::Node(node), end)) => format!("the certificate of node {node}{}", until(*end)),
        Some((Role::Operator(operator), end)) => format!("the certificate of operator {operator}{}", until(*end)),
        Some((Role::Other, end)) => format!("a certificate{}", until(*end)),
        None => "a file that is no certificate".to_owned(),
    };
    let file = there.display();
    if !order.force {
        return Err(Failure::Refused(format!(
            "{file} is there, {what}: nothing was written; add --force to replace it and its key, or name another --dir"
        )));
    }
    let same_kind = |found: &Role| std::mem::discriminant(found) == std::mem::discriminant(role);
    match found {
        Some((found, _)) if !same_kind(&found) => Err(Failure::Refused(format!(
            "{file} is {what}, which --force does not replace by one of another kind: take another name, or remove the file"
        ))),
        _ => Ok(()),
    }
}

fn until(end: Option<u64>) -> String {
    end.map(|end| format!(", until {}", time_text(end))).unwrap_or_default()
}

fn files(dir: &Path, name: &str) -> (PathBuf, PathBuf) {
    (dir.join(format!("{name}.pem")), dir.join(format!("{name}.key")))
}

fn put(
    order: Order<'_>,
    name: &str,
    hosts: Vec<String>,
    certificate: &Certificate,
    key: &KeyPair,
) -> Result<Made, Failure> {
    fs::create_dir_all(order.dir).map_err(|error| Failure::file(order.dir, error))?;
    write_pair(order.dir, name, &certificate.pem(), &key.serialize_pem())?;
    let (pem, own_key) = files(order.dir, name);
    let ends = end_of_chain(std::slice::from_ref(certificate.der())).map(time_text).unwrap_or_default();
    Ok(Made { name: name.to_owned(), certificate: pem, key: own_key, ends, hosts })
}

/// The authority of a directory.
struct Signer {
    params: CertificateParams,
    key: KeyPair,
}

impl Signer {
    /// Reads `ca.pem` and `ca.key`; the authority must be made by this tool, and outlive the certificate to be signed.
    fn load(order: Order<'_>) -> Result<Self, Failure> {
        let (pem, key) = files(order.dir, AUTHORITY);
        let (dir, shown) = (order.dir.display(), pem.display());
        if fs::symlink_metadata(&pem).is_err() {
            let line = format!("{shown} is not there: make an authority first, by `ocsctl cert ca --dir {dir}`");
            return Err(Failure::Refused(line));
        }
        let chain = certificates(&pem).map_err(|error| Failure::Refused(error.to_string()))?;
        let text = fs::read_to_string(&key).map_err(|error| Failure::file(&key, error))?;
        let own_key = KeyPair::from_pem(&text).map_err(|error| Failure::file(&key, error))?;
        let foreign = || {
            let why = "was not made by ocsctl: sign requests with the authority's own tools (docs/certificates.md)";
            Failure::Refused(format!("{shown} {why}"))
        };
        let parsed = EndEntityCert::try_from(&chain[0]).map_err(|_| foreign())?;
        let name = common_name(parsed.subject()).ok_or_else(foreign)?;
        if !parsed.subject_public_key_info().as_ref().ends_with(own_key.public_key_raw()) {
            let line = format!("{}: the key does not belong to the authority in {shown}", key.display());
            return Err(Failure::Refused(line));
        }
        let (end, wanted) = (end_of_chain(&chain[..1]).unwrap_or(0), u64::from(order.days) * DAY_S);
        if now_s() + wanted > end {
            return Err(Failure::Refused(ends_before(&shown.to_string(), end, order.days)));
        }
        let mut params = params(Vec::new(), &name, order.days)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok(Self { params, key: own_key })
    }

    fn sign(&self, params: CertificateParams) -> Result<(Certificate, KeyPair), Failure> {
        let key = KeyPair::generate().map_err(cannot_make)?;
        let issuer = Issuer::from_params(&self.params, &self.key);
        let certificate = params.signed_by(&key, &issuer).map_err(cannot_make)?;
        Ok((certificate, key))
    }
}

/// The line about an authority that ends before the certificate under its signature.
fn ends_before(authority: &str, end: u64, wanted: u32) -> String {
    const NEW: &str = "make a new authority in another --dir (docs/certificates.md, \"Another authority\")";
    let (at, left) = (time_text(end), end.saturating_sub(now_s()) / DAY_S);
    match left {
        0 if end <= now_s() => format!("{authority} ended at {at}, and signs no certificate any more: {NEW}"),
        0 => format!("{authority} ends at {at}, within a day, and signs no certificate any more: {NEW}"),
        1 => format!("{authority} ends at {at}, before the {wanted} days of the certificate: give --days 1, or {NEW}"),
        _ => {
            format!(
                "{authority} ends at {at}, before the {wanted} days of the certificate: give --days from 1 to {left}, or {NEW}"
            )
        }
    }
}

/// The common name of a subject that consists of it alone, as authorities of this tool do: DER, without the outer sequence.
fn common_name(subject: &[u8]) -> Option<String> {
    match subject {
        [0x31, _, 0x30, _, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, length, name @ ..]
            if name.len() == usize::from(*length) =>
        {
            String::from_utf8(name.to_vec()).ok()
        }
        _ => None,
    }
}
