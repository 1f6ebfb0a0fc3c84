//! Certificates, and the TLS configurations made of them. The only module with rustls's types; ring is named explicitly.
//!
//! Never trusts a system store and never skips a check: only the configured CA authenticates a peer. Called by every listener
//! and every connection between processes.

mod dates;
mod fault;
mod live;
pub mod role;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, InconsistentKeys, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
    sign::{CertifiedKey, SingleCertAndKey},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, TrustAnchor, UnixTime, pem::PemObject};
use serde::{Deserialize, Serialize};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use self::role::{Role, role_of};
pub use self::{
    dates::{end_of_chain, now_s, time_text},
    fault::{HandshakeFault, first_byte},
    live::{CertificateState, LOOK_EVERY, LiveCertificate, Look, Reload, Source, look_at},
};

/// HTTP/2 as an application protocol, for gRPC.
pub const ALPN_H2: &[u8] = b"h2";
/// HTTP/1.1 as an application protocol.
pub const ALPN_HTTP1: &[u8] = b"http/1.1";

/// The files of a process's own certificate: three PEM files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The authority of every certificate of the group.
    pub ca: PathBuf,
    /// The process's own certificate, followed by intermediate certificates.
    pub certificate: PathBuf,
    /// The private key of that certificate.
    pub key: PathBuf,
}

/// Why a certificate cannot be used. Each error displays as one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// The file is unreadable, or has no certificate or key.
    #[error("{}: {reason}", file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// The certificate has expired.
    #[error("{}: the certificate expired at {since}: make a new one", file.display())]
    Expired {
        /// Which.
        file: PathBuf,
        /// The end of validity, UTC.
        since: String,
    },
    /// The certificate is not yet valid.
    #[error("{}: the certificate is not valid before {from}: check this machine's clock", file.display())]
    NotYetValid {
        /// Which.
        file: PathBuf,
        /// The beginning of validity, UTC.
        from: String,
    },
    /// The certificate comes from another authority.
    #[error("{}: the certificate does not come from the authority in {}", file.display(), ca.display())]
    OtherCa {
        /// Which.
        file: PathBuf,
        /// The configured authority.
        ca: PathBuf,
    },
    /// The key belongs to another certificate.
    #[error("{}: the key does not belong to the certificate in {}", key.display(), certificate.display())]
    KeyMismatch {
        /// The key's file.
        key: PathBuf,
        /// The certificate's file.
        certificate: PathBuf,
    },
    /// Any other fault of the certificate.
    #[error("{}: the certificate cannot be used: {reason}", file.display())]
    Unusable {
        /// Which.
        file: PathBuf,
        /// Why.
        reason: String,
    },
}

impl TlsError {
    /// Whether the fault passes without a change of the configuration: a certificate becomes valid, or a tool writes or renews
    /// its files, one after the other.
    pub fn passes(&self) -> bool {
        match self {
            Self::Expired { .. } | Self::NotYetValid { .. } | Self::Unreadable { .. } | Self::KeyMismatch { .. } => {
                true
            }
            Self::OtherCa { .. } | Self::Unusable { .. } => false,
        }
    }
}

/// The clients that may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clients {
    /// Only clients with a certificate of the same authority.
    WithCertificate,
    /// Any client.
    Anyone,
}

/// The certificates that an HTTPS listener asks of its clients, and the file of their authority.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum HttpsClients {
    /// No certificate.
    #[default]
    Anyone,
    /// A client without a certificate is served, too; a certificate of another authority is refused.
    Optional(PathBuf),
    /// Only clients with a certificate.
    Required(PathBuf),
}

/// The files of an HTTPS listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpsFiles {
    /// The listener's own certificate, followed by intermediate certificates.
    pub certificate: PathBuf,
    /// The private key of that certificate.
    pub key: PathBuf,
    /// The clients' certificates.
    pub clients: HttpsClients,
}

/// A process's certificate, key and authority, checked against each other. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TlsIdentity {
    roots: Arc<RootCertStore>,
    own: Arc<CertifiedKey>,
}

impl TlsIdentity {
    /// Reads the three files and checks them at the present time.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let authorities = certificates(&files.ca)?;
        let own = own_key(&files.certificate, &files.key)?;
        verify(&own.cert, &authorities, files)?;
        Ok(Self { roots: Arc::new(roots(&files.ca)?), own: Arc::new(own) })
    }

    /// The configuration of a listener. `alpn` in order of preference, as in `&[ALPN_H2]`.
    pub fn server_config(&self, clients: Clients, alpn: &[&[u8]]) -> Arc<ServerConfig> {
        let verifier = match clients {
            Clients::Anyone => None,
            Clients::WithCertificate => Some(verifier(&self.roots, true)),
        };
        listener(&self.own, verifier, alpn)
    }

    /// The configuration of a connection: shows this certificate, trusts only the authority. The connection's server name is that
    /// of the peer.
    pub fn client_config(&self, alpn: &[&[u8]]) -> Arc<ClientConfig> {
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("ring has the default versions")
            .with_root_certificates(self.roots.clone())
            .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(self.own.clone())));
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Arc::new(config)
    }

    /// Whether this process's own certificate is valid for `name`.
    pub fn names(&self, name: &str) -> bool {
        names(&self.own.cert, name)
    }
}

/// Checks that the files of an HTTPS listener are readable, and that certificate and key belong together.
///
/// # Errors
/// See [`TlsError`]. Clients check the validity of the certificate themselves.
pub fn check_https(files: &HttpsFiles) -> Result<(), TlsError> {
    https(files, &[]).map(drop)
}

/// The certificate of an HTTPS listener, and the configuration made of it.
fn https(files: &HttpsFiles, alpn: &[&[u8]]) -> Result<(Arc<CertifiedKey>, Arc<ServerConfig>), TlsError> {
    let own = Arc::new(own_key(&files.certificate, &files.key)?);
    let verifier = match &files.clients {
        HttpsClients::Anyone => None,
        HttpsClients::Optional(ca) => Some(verifier(&Arc::new(roots(ca)?), false)),
        HttpsClients::Required(ca) => Some(verifier(&Arc::new(roots(ca)?), true)),
    };
    let config = listener(&own, verifier, alpn);
    Ok((own, config))
}

/// A listener's configuration: TLS 1.2 and 1.3, and ring's cipher suites, all of which are AEAD.
fn listener(
    own: &Arc<CertifiedKey>,
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    alpn: &[&[u8]],
) -> Arc<ServerConfig> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring has the default versions");
    let verifies = verifier.is_some();
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(own.clone())));
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    if verifies {
        // A resumed session would not check the client's certificate again: an expired certificate would pass for days.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Arc::new(config)
}

fn verifier(roots: &Arc<RootCertStore>, required: bool) -> Arc<dyn ClientCertVerifier> {
    let builder = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider());
    let builder = if required { builder } else { builder.allow_unauthenticated() };
    builder.build().expect("the store has an authority and no revocation list")
}

/// The authorities in a file; at least one.
fn roots(ca: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(ca)? {
        roots.add(authority).map_err(|error| unusable(ca, &error))?;
    }
    Ok(roots)
}

/// The configuration of a connection that shows no certificate and trusts only the authorities in one file.
///
/// # Errors
/// See [`TlsError`].
pub fn trusting(ca: &Path, alpn: &[&[u8]]) -> Result<Arc<ClientConfig>, TlsError> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring has the default versions")
        .with_root_certificates(roots(ca)?)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

/// As [`trusting`], and shows a certificate to a peer that asks for one; the authority of that certificate stays unchecked.
///
/// # Errors
/// See [`TlsError`].
pub fn showing(ca: &Path, certificate: &Path, key: &Path, alpn: &[&[u8]]) -> Result<Arc<ClientConfig>, TlsError> {
    let own = Arc::new(own_key(certificate, key)?);
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring has the default versions")
        .with_root_certificates(roots(ca)?)
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own)));
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

/// Checks that a certificate and a key are readable and belong together; the authority stays unchecked.
///
/// # Errors
/// See [`TlsError`].
pub fn check_pair(certificate: &Path, key: &Path) -> Result<(), TlsError> {
    own_key(certificate, key).map(drop)
}

/// Checks that a process's own certificate is valid now; the authority stays unchecked.
///
/// # Errors
/// [`TlsError::Expired`], [`TlsError::NotYetValid`], or the error of reading the file.
pub fn check_dates(certificate: &Path) -> Result<(), TlsError> {
    let chain = certificates(certificate)?;
    let leaf = EndEntityCert::try_from(&chain[0]).map_err(|error| unusable(certificate, &error))?;
    // Without an authority no certificate passes, but webpki checks the dates first.
    let (usage, algorithms) = (KeyUsage::client_auth(), webpki::ALL_VERIFICATION_ALGS);
    let verified = leaf.verify_for_usage(algorithms, &[], &[], UnixTime::now(), usage, None, None);
    match verified.err().and_then(|error| out_of_time(&error, certificate)) {
        Some(fault) => Err(fault),
        None => Ok(()),
    }
}

/// Whether the peer's certificate is valid for a name (a DNS name of its subject alternative names).
pub fn names(shown: &[CertificateDer<'_>], name: &str) -> bool {
    let (Some(leaf), Ok(name)) = (shown.first(), ServerName::try_from(name)) else { return false };
    EndEntityCert::try_from(leaf).is_ok_and(|leaf| leaf.verify_is_valid_for_subject_name(&name).is_ok())
}

/// The name of the peer's certificate, for messages: that of its role, else its first DNS name. None: no such name, or no
/// certificate.
pub fn name_shown(shown: &[CertificateDer<'_>]) -> Option<String> {
    let certificate = shown.first()?;
    match role_of(certificate) {
        Role::Node(name) | Role::Operator(name) => Some(name),
        Role::Other => {
            let leaf = EndEntityCert::try_from(certificate).ok()?;
            leaf.valid_dns_names().next().map(str::to_owned)
        }
    }
}

/// The certificates of a PEM file, the process's own first.
///
/// # Errors
/// [`TlsError::Unreadable`].
pub fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(&read(file)?)
        .collect::<Result<_, _>>()
        .map_err(|_| unreadable(file, &NO_PEM))?;
    if found.is_empty() {
        return Err(unreadable(file, &"there is no certificate in it (PEM expected)"));
    }
    Ok(found)
}

/// Of a file that is half written, or of another kind.
const NO_PEM: &str = "its PEM is cut off or malformed";

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn own_key(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let chain = certificates(certificate)?;
    let private = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|error| match error {
        rustls_pki_types::pem::Error::NoItemsFound => unreadable(key, &"there is no private key in it (PEM expected)"),
        _ => unreadable(key, &NO_PEM),
    })?;
    CertifiedKey::from_der(chain, private, &provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            TlsError::KeyMismatch { key: key.to_owned(), certificate: certificate.to_owned() }
        }
        rustls::Error::InvalidCertificate(_) => unusable(certificate, &error),
        error => unreadable(key, &error),
    })
}

/// Checks a chain for both uses: a node is a server to some peers and a client to others.
fn verify(chain: &[CertificateDer<'_>], authorities: &[CertificateDer<'_>], files: &TlsFiles) -> Result<(), TlsError> {
    let anchors: Vec<TrustAnchor<'_>> = authorities
        .iter()
        .map(anchor_from_trusted_cert)
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(&files.ca, &error))?;
    let (leaf, intermediates) = chain.split_first().expect("a certified key has a certificate");
    let leaf = EndEntityCert::try_from(leaf).map_err(|error| unusable(&files.certificate, &error))?;
    for (purpose, usage) in [("serverAuth", KeyUsage::server_auth()), ("clientAuth", KeyUsage::client_auth())] {
        leaf.verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &anchors,
            intermediates,
            UnixTime::now(),
            usage,
            None,
            None,
        )
        .map_err(|error| verdict(&error, purpose, files))?;
    }
    Ok(())
}

fn verdict(error: &webpki::Error, purpose: &str, files: &TlsFiles) -> TlsError {
    let (file, ca) = (files.certificate.clone(), files.ca.clone());
    if let Some(fault) = out_of_time(error, &file) {
        return fault;
    }
    match error {
        webpki::Error::UnknownIssuer | webpki::Error::InvalidSignatureForPublicKey => TlsError::OtherCa { file, ca },
        webpki::Error::RequiredEkuNotFoundContext(_) => {
            unusable(&file, &format!("it is not made for {purpose} (extended key usage)"))
        }
        other => unusable(&file, other),
    }
}

fn out_of_time(error: &webpki::Error, file: &Path) -> Option<TlsError> {
    let file = file.to_owned();
    match error {
        webpki::Error::CertExpired { not_after, .. } => {
            Some(TlsError::Expired { file, since: time_text(not_after.as_secs()) })
        }
        webpki::Error::CertNotValidYet { not_before, .. } => {
            Some(TlsError::NotYetValid { file, from: time_text(not_before.as_secs()) })
        }
        _ => None,
    }
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(file).map_err(|error| unreadable(file, &format!("cannot be read: {error}")))
}

fn unreadable(file: &Path, reason: &impl ToString) -> TlsError {
    TlsError::Unreadable { file: file.to_owned(), reason: reason.to_string() }
}

fn unusable(file: &Path, reason: &impl ToString) -> TlsError {
    TlsError::Unusable { file: file.to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests;
