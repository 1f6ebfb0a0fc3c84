//! The node's configuration, checked before a port is bound. HTTP Proxy reads no file but the PEM files named here, and no
//! environment. Called by `run`.

use std::{path::PathBuf, sync::Arc, time::Duration};

use chassis::{
    spans::Sampler,
    tls::{ALPN_HTTP1, HttpsClients, HttpsFiles, LiveCertificate, Source, TlsError},
};
use http::{HeaderName, HeaderValue};
use ocs_proto::link::{Configure, Listener as WireListener};

use crate::{
    charset::Charset,
    credential::Auth,
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
    #[error("{0}")]
    Tls(#[from] TlsError),
}

/// One port.
#[derive(Debug, Clone)]
pub(crate) struct Listener {
    /// `host:port`.
    pub(crate) listen: String,
    /// None: plain HTTP.
    pub(crate) tls: Option<Arc<LiveCertificate>>,
}

impl Listener {
    /// `http` or `https`.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

/// Settings, checked.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) node: HeaderValue,
    /// At least one.
    pub(crate) listeners: Vec<Listener>,
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
    pub(crate) auth: Auth,
    /// The REST interface is served.
    pub(crate) api: bool,
    /// None: no request is traced.
    pub(crate) sampler: Option<Sampler>,
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
            listeners: listeners(configure)?,
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
            auth: auth(&configure.auth)?,
            api: configure.api,
            sampler: Sampler::of_millionths(configure.trace_millionths),
        })
    }

    /// The certificates of all ports.
    pub(crate) fn certificates(&self) -> Vec<Arc<LiveCertificate>> {
        self.listeners.iter().filter_map(|listener| listener.tls.clone()).collect()
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

fn auth(word: &str) -> Result<Auth, SettingsError> {
    Auth::parse(word).ok_or_else(|| key("auth", format!("{word:?} is not known")))
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

/// The ports; a node that names no `listeners` has a single one.
fn listeners(configure: &Configure) -> Result<Vec<Listener>, SettingsError> {
    let single = || WireListener {
        listen: configure.listen.clone(),
        tls_certificate: configure.tls_certificate.clone(),
        tls_key: configure.tls_key.clone(),
        ..WireListener::default()
    };
    let wanted = if configure.listeners.is_empty() { vec![single()] } else { configure.listeners.clone() };
    let with_tls = wanted.iter().filter(|one| !one.tls_certificate.is_empty()).count();
    let usage = |one: &WireListener| if with_tls > 1 { format!("http {}", one.listen) } else { "http".to_owned() };
    let listener = |one: &WireListener| -> Result<Listener, SettingsError> {
        let (usage, listen) = (usage(one), one.listen.clone());
        let source = source(one);
        let tls = source.map(|source| LiveCertificate::open(usage, source, &[ALPN_HTTP1])).transpose()?;
        Ok(Listener { listen, tls })
    };
    wanted.iter().map(listener).collect()
}

/// The files of an HTTPS port; none: plain HTTP.
fn source(listener: &WireListener) -> Option<Source> {
    if listener.tls_certificate.is_empty() && listener.tls_key.is_empty() {
        return None;
    }
    let ca = || PathBuf::from(&listener.client_ca);
    let clients = match (listener.client_ca.is_empty(), listener.client_certificate_required) {
        (true, _) => HttpsClients::Anyone,
        (false, false) => HttpsClients::Optional(ca()),
        (false, true) => HttpsClients::Required(ca()),
    };
    let (certificate, key) = (PathBuf::from(&listener.tls_certificate), PathBuf::from(&listener.tls_key));
    Some(Source::Https(HttpsFiles { certificate, key, clients }))
}
