//! Trust and credential of a loader's clients. Reads both files before the first connection is opened.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio_rustls::TlsConnector;

use crate::Failure;

/// HTTPS and API token of the clients; by default plain HTTP without a token.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Access {
    /// HTTPS: PEM file with the authority of the port's certificate, which must have the host of the address
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// File with an API token, for the header Authorization of each request
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// The authority of an HTTPS port, and the name that the port's certificate must have.
pub(super) struct Trust {
    pub(super) connector: TlsConnector,
    pub(super) name: ServerName<'static>,
}

impl Access {
    /// The trust in an HTTPS port at `host:port`; none: plain HTTP.
    pub(super) fn trust(&self, address: &str) -> Result<Option<Trust>, Failure> {
        let Some(ca) = &self.tls_ca else { return Ok(None) };
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots(ca)?)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Some(Trust { connector: TlsConnector::from(Arc::new(config)), name: name_in(address)? }))
    }

    /// The header line of the token with its end; empty: without a token.
    pub(super) fn authorization(&self) -> Result<String, Failure> {
        let Some(file) = &self.token_file else { return Ok(String::new()) };
        let wrong = |why: &str| Failure::from(format!("--token-file: {}: {why}", file.display()));
        let text = fs::read_to_string(file).map_err(|error| wrong(&error.to_string()))?;
        let token = text.trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(wrong("there is no token in it"));
        }
        Ok(format!("Authorization: Bearer {token}\r\n"))
    }
}

/// The authorities in a PEM file; at least one.
fn roots(ca: &Path) -> Result<RootCertStore, Failure> {
    let wrong = |why: &str| Failure::from(format!("--tls-ca: {}: {why}", ca.display()));
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_file_iter(ca).map_err(|error| wrong(&error.to_string()))? {
        let authority = authority.map_err(|error| wrong(&error.to_string()))?;
        roots.add(authority).map_err(|error| wrong(&error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("there is no certificate in it"));
    }
    Ok(roots)
}

/// The host of `host:port`: a DNS name or an IP address; an IPv6 address stands in brackets.
fn name_in(address: &str) -> Result<ServerName<'static>, Failure> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let name = ServerName::try_from(host.to_owned());
    name.map_err(|_| Failure::from(format!("--address: {address:?} has no host that a certificate could name")))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::{Cli, Task};

    fn parse(options: &[&str]) -> Access {
        let words = ["ocs-bench", "http", "--address", "h:1", "--label", "x", "--clients", "1", "--round", "1"];
        match Cli::try_parse_from(words.iter().chain(options).copied()).unwrap().task {
            Task::Http { access, .. } => access,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn requests_are_plain_and_without_a_token_unless_the_options_say_otherwise() {
        let plain = parse(&[]);
        assert!(plain.trust("h:1").unwrap().is_none());
        assert_eq!(plain.authorization().unwrap(), "");
        let both = parse(&["--tls-ca", "ca.pem", "--token-file", "token"]);
        assert_eq!(both.tls_ca.as_deref(), Some(Path::new("ca.pem")));
        assert_eq!(both.token_file.as_deref(), Some(Path::new("token")));
    }

    #[test]
    fn a_certificate_must_name_the_host_of_the_address() {
        for (address, is_ip, host) in [
            ("127.0.0.1:8443", true, "127.0.0.1"),
            ("[::1]:8443", true, "::1"),
            ("localhost:8443", false, "localhost"),
            ("a.example.com:443", false, "a.example.com"),
        ] {
            let name = name_in(address).unwrap();
            assert_eq!((matches!(name, ServerName::IpAddress(_)), &*name.to_str()), (is_ip, host), "{address}");
        }
        assert!(name_in(":8443").is_err() && name_in("a b:8443").is_err());
    }

    #[test]
    fn a_file_without_a_certificate_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        let told = |file: &Path| parse(&["--tls-ca", file.to_str().unwrap()]).trust("h:1").err().unwrap().to_string();
        assert!(told(&file).starts_with(&format!("--tls-ca: {}: ", file.display())));
        fs::write(&file, "no certificate\n").unwrap();
        assert!(told(&file).ends_with("ca.pem: there is no certificate in it"));
    }

    #[test]
    fn a_token_is_the_text_of_its_file_without_the_line_end() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        let access = parse(&["--token-file", file.to_str().unwrap()]);
        assert!(access.authorization().is_err(), "no file");
        for (text, line) in [
            ("ocs_1\n", Some("Authorization: Bearer ocs_1\r\n")),
            (" ocs_1", Some("Authorization: Bearer ocs_1\r\n")),
            ("ocs_1\r\nHost: x\n", None),
            (" \n", None),
        ] {
            fs::write(&file, text).unwrap();
            assert_eq!(access.authorization().ok().as_deref(), line, "{text:?}");
        }
    }
}
