//! The node's configuration, checked before the port is bound. HTTP Proxy reads no file but the two PEM files named here, and
//! no environment. Called by `run`.

use std::{sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue};
use ocs_proto::link::Configure;
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::{
    charset::Charset,
    guard::Patience,
    link::{LINK_VERSIONS, LINK_WITH_ECHO, LinkVersions},
    networks::Network,
};

/// Values for a node of a release that does not know these settings.
const BODIES_BYTES_MAX: u64 = 256 << 20;
const CONNECTIONS_PER_ADDRESS_MAX: u32 = 1000;
const BALANCERS: [&str; 2] = ["127.0.0.0/8", "::1"];
/// Time limits of a node that names none: of a head, a body, a pause between requests, and an answer that is not taken.
const HEADER_TIMEOUT_MS: u32 = 10_000;
const BODY_TIMEOUT_MS: u32 = 30_000;
const IDLE_TIMEOUT_MS: u32 = 75_000;
const WRITE_TIMEOUT_MS: u32 = 30_000;

/// Why HTTP Proxy cannot run. The configuration is at fault.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error(
        "the node speaks version {0} of the link, this HTTP Proxy {LINK_VERSIONS}: install releases that have one in common"
    )]
    Versions(LinkVersions),
    #[error("{key}: {problem}")]
    Key { key: &'static str, problem: String },
    #[error("{path}: {problem}")]
    Pem { path: String, problem: String },
}

/// Settings, checked.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) node: HeaderValue,
    pub(crate) listen: String,
    pub(crate) tls: Option<Arc<ServerConfig>>,
    pub(crate) advertised_url: Option<String>,
    pub(crate) deadline: Duration,
    pub(crate) patience: Patience,
    pub(crate) body_timeout: Duration,
    pub(crate) body_bytes_max: usize,
    pub(crate) head_bytes_max: usize,
    pub(crate) connections_max: usize,
    pub(crate) connections_per_address_max: usize,
    pub(crate) balancers: Vec<Network>,
    pub(crate) proxy_protocol: bool,
    pub(crate) bodies_bytes_max: usize,
    pub(crate) requests_in_flight_max: usize,
    pub(crate) drain_timeout: Duration,
    pub(crate) encoding: Charset,
    pub(crate) custom_headers: Vec<(HeaderName, HeaderValue)>,
}

impl Settings {
    /// Checks the node's configuration; reads the PEM files.
    pub(crate) fn from_configure(configure: &Configure) -> Result<Self, SettingsError> {
        let theirs = LinkVersions::named(configure.format, configure.format_max);
        let version = LINK_VERSIONS.common(theirs).ok_or(SettingsError::Versions(theirs))?;
        let configure = &completed(configure.clone(), version);
        let bodies_bytes_max = usize::try_from(configure.bodies_bytes_max).unwrap_or(usize::MAX);
        Ok(Self {
            node: HeaderValue::from_str(&configure.node).map_err(|error| key("node", error))?,
            listen: configure.listen.clone(),
            tls: tls(&configure.tls_certificate, &configure.tls_key)?,
            advertised_url: Some(configure.advertised_url.trim_end_matches('/').to_owned())
                .filter(|url| !url.is_empty()),
            deadline: Duration::from_millis(at_least_1("deadline_ms", configure.deadline_ms)?.into()),
            patience: Patience {
                head: ms_or(configure.header_timeout_ms, HEADER_TIMEOUT_MS),
                idle: ms_or(configure.idle_timeout_ms, IDLE_TIMEOUT_MS),
                write: ms_or(configure.write_timeout_ms, WRITE_TIMEOUT_MS),
            },
            body_timeout: ms_or(configure.body_timeout_ms, BODY_TIMEOUT_MS),
            body_bytes_max: at_least_1("body_bytes_max", configure.body_bytes_max)? as usize,
            head_bytes_max: at_least_1("head_bytes_max", configure.head_bytes_max)?.max(8192) as usize,
            connections_max: at_least_1("connections_max", configure.connections_max)? as usize,
            connections_per_address_max: configure.connections_per_address_max as usize,
            balancers: balancers(configure)?,
            proxy_protocol: configure.proxy_protocol,
            bodies_bytes_max: bodies_bytes_max.max(configure.body_bytes_max as usize),
            requests_in_flight_max: at_least_1("requests_in_flight_max", configure.requests_in_flight_max)? as usize,
            drain_timeout: Duration::from_millis(configure.drain_timeout_ms.into()),
            encoding: encoding(&configure.encoding)?,
            custom_headers: custom_headers(configure)?,
        })
    }

    /// `http` or `https`.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

/// Completes the configuration of a node that speaks an older version of the link and does not know every setting.
fn completed(configure: Configure, version: u32) -> Configure {
    if version >= LINK_WITH_ECHO {
        return configure;
    }
    Configure {
        bodies_bytes_max: BODIES_BYTES_MAX,
        connections_per_address_max: CONNECTIONS_PER_ADDRESS_MAX,
        balancers: BALANCERS.map(str::to_owned).to_vec(),
        proxy_protocol: false,
        ..configure
    }
}

fn balancers(configure: &Configure) -> Result<Vec<Network>, SettingsError> {
    configure.balancers.iter().map(|text| text.parse().map_err(|error| key("balancers", error))).collect()
}

fn key(key: &'static str, problem: impl ToString) -> SettingsError {
    SettingsError::Key { key, problem: problem.to_string() }
}

/// A time of so many milliseconds; 0: the node is of a release without this setting.
fn ms_or(ms: u32, default_ms: u32) -> Duration {
    Duration::from_millis(if ms == 0 { default_ms } else { ms }.into())
}

fn at_least_1(name: &'static str, value: u32) -> Result<u32, SettingsError> {
    if value == 0 { Err(key(name, "must be at least 1")) } else { Ok(value) }
}

fn encoding(label: &str) -> Result<Charset, SettingsError> {
    if label.is_empty() {
        return Ok(Charset::UTF_8);
    }
    Charset::for_label(label).ok_or_else(|| key("encoding", format!("{label:?} is not known")))
}

fn custom_headers(configure: &Configure) -> Result<Vec<(HeaderName, HeaderValue)>, SettingsError> {
    let header = |header: &ocs_proto::link::Header| {
        let name = HeaderName::from_bytes(header.name.as_bytes());
        let value = HeaderValue::from_str(&header.value);
        match (name, value) {
            (Ok(name), Ok(value)) => Ok((name, value)),
            _ => Err(key("http_custom_headers", format!("{:?} is no header", header.name))),
        }
    };
    configure.custom_headers.iter().map(header).collect()
}

fn tls(certificate: &str, private_key: &str) -> Result<Option<Arc<ServerConfig>>, SettingsError> {
    if certificate.is_empty() && private_key.is_empty() {
        return Ok(None);
    }
    let pem = |path: &str, problem: String| SettingsError::Pem { path: path.to_owned(), problem };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| pem(certificate, error.to_string()))?;
    let private = PrivateKeyDer::from_pem_file(private_key).map_err(|error| pem(private_key, error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring supports the default versions")
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| pem(certificate, error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(Arc::new(config)))
}
