//! `[http_proxy]`: the node reads and checks the section, and passes it on. HTTP Proxy reads no configuration itself.

mod auth;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, net::Ipv6Addr, path::PathBuf};

use chassis::tls::{HttpsClients, HttpsFiles};
use encoding_rs::Encoding;
use http_proxy::{
    link::{LINK_VERSIONS, LINK_WITH_LISTENERS},
    networks::Network,
};
use ocs_proto::link::{Configure, Header, Listener};
use serde::{Deserialize, Serialize};

pub use auth::{Auth, CertificateAccess};

use crate::custom_headers;

/// Clients take the URIs of records apart (spec 2).
const NO_BASE: &str = "must be http:// or https:// and a host, with a port at most: URIs of records are this and /records/<handle>, \
                       without a path before it, a query, a fragment or a user";

/// The form in which HTTP Proxy runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunAs {
    /// A child process: a crash or a memory blow-up in HTTP handling cannot take the node along.
    #[default]
    Process,
    /// A task inside the node.
    Task,
}

/// Whether an HTTPS port asks its clients for certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificates {
    /// No client is asked.
    #[default]
    None,
    /// A client without a certificate is served, too; a certificate of another authority is refused.
    Optional,
    /// Only clients with a certificate are served.
    Required,
}

/// One of `http_proxy.listeners`, or the port that the keys of `[http_proxy]` name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpPort {
    /// `host:port`.
    pub listen: String,
    /// PEM file with the certificate chain; with `tls_key`: HTTPS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_certificate: Option<PathBuf>,
    /// PEM file with the private key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_key: Option<PathBuf>,
    /// Whether clients show certificates.
    #[serde(default)]
    pub client_certificates: ClientCertificates,
    /// PEM file with the authority of clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<PathBuf>,
}

impl HttpPort {
    /// The files of an HTTPS port; none: plain HTTP.
    pub fn https(&self) -> Option<HttpsFiles> {
        let (certificate, key) = (self.tls_certificate.clone()?, self.tls_key.clone()?);
        let ca = || self.client_ca.clone().unwrap_or_default();
        let clients = match self.client_certificates {
            ClientCertificates::None => HttpsClients::Anyone,
            ClientCertificates::Optional => HttpsClients::Optional(ca()),
            ClientCertificates::Required => HttpsClients::Required(ca()),
        };
        Some(HttpsFiles { certificate, key, clients })
    }

    /// Each fault: the key, and the problem.
    fn problems(&self) -> Vec<(&'static str, &'static str)> {
        let port = self.listen.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        let (half, https) = (self.tls_certificate.is_some() != self.tls_key.is_some(), self.tls_certificate.is_some());
        let asks = self.client_certificates != ClientCertificates::None;
        let problems = [
            (port.is_none(), "listen", "must be host:port, or empty for no HTTP Proxy"),
            (half, "tls_certificate", "tls_certificate and tls_key belong together"),
            (asks && !https, "client_certificates", "needs HTTPS: give tls_certificate and tls_key"),
            (
                asks && self.client_ca.is_none(),
                "client_ca",
                "is required: name the authority of the clients' certificates",
            ),
            (
                !asks && self.client_ca.is_some(),
                "client_ca",
                "counts only with client_certificates \"optional\" or \"required\"",
            ),
        ];
        problems.into_iter().filter(|(wrong, ..)| *wrong).map(|(_, key, problem)| (key, problem)).collect()
    }

    fn to_wire(&self) -> Listener {
        Listener {
            listen: self.listen.clone(),
            tls_certificate: text(self.tls_certificate.as_ref()),
            tls_key: text(self.tls_key.as_ref()),
            client_ca: text(self.client_ca.as_ref()),
            client_certificate_required: self.client_certificates == ClientCertificates::Required,
        }
    }
}

fn text(path: Option<&PathBuf>) -> String {
    path.map(|path| path.display().to_string()).unwrap_or_default()
}

/// `[http_proxy]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProxySettings {
    /// `host:port` of the HTTP port; empty: no HTTP Proxy, or `listeners` name its ports.
    pub listen: String,
    /// As a process or as a task.
    pub run_as: RunAs,
    /// The program of the process; by default `ocs-http-proxy` beside this program.
    pub program: Option<PathBuf>,
    /// PEM file with the certificate chain; with `tls_key`: HTTPS.
    pub tls_certificate: Option<PathBuf>,
    /// PEM file with the private key.
    pub tls_key: Option<PathBuf>,
    /// Whether clients of the HTTPS port show certificates.
    pub client_certificates: ClientCertificates,
    /// PEM file with the authority of clients.
    pub client_ca: Option<PathBuf>,
    /// Several ports, instead of `listen` and the four keys of its TLS.
    pub listeners: Vec<HttpPort>,
    /// Base of the record URIs, for example of a load balancer: `https://ocs.example.com`. Empty: the name that the client used.
    pub advertised_url: String,
    /// Time limit of the answer to a request.
    pub deadline_ms: u32,
    /// Time limit of a head, from its first byte, and of the first head, from the connection's beginning.
    pub header_timeout_ms: u32,
    /// Time limit of a body.
    pub body_timeout_ms: u32,
    /// How long a connection is kept without a request: longer than balancers keep theirs.
    pub idle_timeout_ms: u32,
    /// Time in which a client takes an answer.
    pub write_timeout_ms: u32,
    /// Largest body.
    pub body_bytes_max: u32,
    /// Largest head: request line and headers.
    pub head_bytes_max: u32,
    /// Bytes of bodies in flight, all connections together; a body beyond is refused with 503.
    pub bodies_bytes_max: u64,
    /// Open connections; further ones are refused and end.
    pub connections_max: u32,
    /// The same for each address; 0: no bound per address.
    pub connections_per_address_max: u32,
    /// Addresses and networks of balancers, behind which many clients stand: `connections_per_address_max` does not count for
    /// them.
    pub balancers: Vec<String>,
    /// Each connection of a balancer begins with a PROXY protocol v2 header; the address in that header counts.
    pub proxy_protocol: bool,
    /// Requests that wait for their reply; further ones are refused with 429.
    pub requests_in_flight_max: u32,
    /// For the requests in flight when HTTP Proxy is asked to end. Absent: see [`ProxySettings::drain_timeout_ms`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain_timeout_ms: Option<u32>,
    /// The Reconnect Timeout: from an end of HTTP Proxy to its next start.
    pub reconnect_timeout_ms: u32,
    /// Charset of answers, and of bodies that name none; empty: UTF-8.
    pub encoding: String,
    /// The credentials that clients need. Absent: none, and a group that this release formed then listens on loopback alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// The REST interface under /api/v1; off loopback with `auth` alone.
    pub api: bool,
    /// Headers that every answer carries, for example X-Frame-Options.
    pub http_custom_headers: BTreeMap<String, String>,
    /// The rights of client certificates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<CertificateAccess>,
}

impl Default for ProxySettings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".into(),
            run_as: RunAs::Process,
            program: None,
            tls_certificate: None,
            tls_key: None,
            client_certificates: ClientCertificates::None,
            client_ca: None,
            listeners: Vec::new(),
            advertised_url: String::new(),
            deadline_ms: 10_000,
            header_timeout_ms: 10_000,
            body_timeout_ms: 30_000,
            idle_timeout_ms: 75_000,
            write_timeout_ms: 30_000,
            body_bytes_max: 1024 * 1024,
            head_bytes_max: 64 * 1024,
            bodies_bytes_max: 256 * 1024 * 1024,
            connections_max: 10_000,
            connections_per_address_max: 1000,
            balancers: vec!["127.0.0.0/8".into(), "::1".into()],
            proxy_protocol: false,
            requests_in_flight_max: 10_000,
            drain_timeout_ms: None,
            reconnect_timeout_ms: 10_000,
            encoding: String::new(),
            auth: None,
            api: false,
            http_custom_headers: BTreeMap::new(),
            certificates: Vec::new(),
        }
    }
}

impl ProxySettings {
    /// Whether there is to be no HTTP Proxy.
    pub fn is_off(&self) -> bool {
        self.listen.is_empty() && self.listeners.is_empty()
    }

    /// For the requests in flight when HTTP Proxy is asked to end: 15 s where the configuration names no time. A configuration that was
    /// read names one, of `limits.drain_timeout_ms` at most.
    pub fn drain_timeout_ms(&self) -> u32 {
        self.drain_timeout_ms.unwrap_or(15_000)
    }

    /// Every port, and its key inside `[http_proxy]`, which ends in a dot unless the key is empty.
    pub fn ports(&self) -> Vec<(String, HttpPort)> {
        if self.listeners.is_empty() {
            let single = (!self.listen.is_empty()).then(|| (String::new(), self.single()));
            return single.into_iter().collect();
        }
        let of_list = |(place, port): (usize, &HttpPort)| (format!("listeners.{place}."), port.clone());
        self.listeners.iter().enumerate().map(of_list).collect()
    }

    /// The addresses of all ports, for display.
    pub fn addresses(&self) -> String {
        self.ports().into_iter().map(|(_, port)| port.listen).collect::<Vec<_>>().join(", ")
    }

    /// The port that the keys of the section name.
    fn single(&self) -> HttpPort {
        HttpPort {
            listen: self.listen.clone(),
            tls_certificate: self.tls_certificate.clone(),
            tls_key: self.tls_key.clone(),
            client_certificates: self.client_certificates,
            client_ca: self.client_ca.clone(),
        }
    }

    /// Whether keys of the single port stand beside `listeners`.
    fn is_named_twice(&self) -> bool {
        let single = !self.listen.is_empty()
            || self.tls_certificate.is_some()
            || self.tls_key.is_some()
            || self.client_ca.is_some()
            || self.client_certificates != ClientCertificates::None;
        single && !self.listeners.is_empty()
    }

    /// Faults of the ports: the key, and the problem.
    fn problems_of_ports(&self) -> Vec<(String, String)> {
        if self.is_named_twice() {
            let message = "stand beside listen, tls_certificate, tls_key, client_certificates or client_ca: move those into one of \
                           the listeners, or take the listeners out";
            return vec![("listeners".to_owned(), message.to_owned())];
        }
        let of_port = |(prefix, port): (String, HttpPort)| {
            let key = move |(key, problem): (&str, &str)| (format!("{prefix}{key}"), problem.to_owned());
            port.problems().into_iter().map(key).collect::<Vec<_>>()
        };
        self.ports().into_iter().flat_map(of_port).collect()
    }

    /// Each fault: the key inside `[http_proxy]`, and the problem. Faults that only HTTP Proxy can find (a name without an
    /// address, a malformed PEM file) show in its status.
    pub fn problems(&self) -> Vec<(String, String)> {
        let mut problems = self.problems_of_ports();
        let mut check = |wrong: bool, key: &str, problem: &str| {
            if wrong {
                problems.push((key.to_owned(), problem.to_owned()));
            }
        };
        check(self.reconnect_timeout_ms < 100, "reconnect_timeout_ms", "must be at least 100 ms");
        check(self.deadline_ms == 0, "deadline_ms", "must be at least 1 ms");
        for (key, limit) in self.timeouts_ms() {
            check(!(100..=3_600_000).contains(&limit), key, "must be 100 to 3600000 ms");
        }
        check(self.connections_max == 0, "connections_max", "must be at least 1");
        check(self.requests_in_flight_max == 0, "requests_in_flight_max", "must be at least 1");
        let bodies = 1..=4 * 1024 * 1024;
        check(!bodies.contains(&self.body_bytes_max), "body_bytes_max", "must be 1 to 4194304 bytes");
        let room = u64::from(self.body_bytes_max)..;
        check(!room.contains(&self.bodies_bytes_max), "bodies_bytes_max", "must be at least body_bytes_max");
        let heads = 8192..=1024 * 1024;
        check(!heads.contains(&self.head_bytes_max), "head_bytes_max", "must be 8192 to 1048576 bytes");
        for problem in self.balancers.iter().filter_map(|text| text.parse::<Network>().err()) {
            check(true, "balancers", &problem.to_string());
        }
        let alone = self.proxy_protocol && self.balancers.is_empty();
        check(alone, "proxy_protocol", "is taken from balancers alone: name their addresses in balancers");
        let charset = self.encoding.is_empty() || Encoding::for_label(self.encoding.as_bytes()).is_some();
        let unknown =
            format!("{:?} is no charset: use a name as in utf-8 or windows-1252, or leave it empty", self.encoding);
        check(!charset, "encoding", &unknown);
        for problem in custom_headers::problems(&self.http_custom_headers) {
            check(true, "http_custom_headers", &problem);
        }
        let url = &self.advertised_url;
        check(!url.is_empty() && !is_base(url), "advertised_url", NO_BASE);
        problems.extend(auth::problems(self).into_iter().map(|(key, problem)| (key.to_owned(), problem)));
        problems
    }

    /// The time limits of a client, each with its key.
    fn timeouts_ms(&self) -> [(&'static str, u32); 4] {
        [
            ("header_timeout_ms", self.header_timeout_ms),
            ("body_timeout_ms", self.body_timeout_ms),
            ("idle_timeout_ms", self.idle_timeout_ms),
            ("write_timeout_ms", self.write_timeout_ms),
        ]
    }

    /// The configuration message for HTTP Proxy. Settings that an older HTTP Proxy would leave out make it refuse the message.
    pub fn configure(&self, node: &str, log_filter: &str) -> Configure {
        let ports: Vec<Listener> = self.ports().into_iter().map(|(_, port)| port.to_wire()).collect();
        let first = ports.first().cloned().unwrap_or_default();
        let is_new = ports.len() > 1 || !first.client_ca.is_empty();
        let header = |(name, value): (&String, &String)| Header { name: name.clone(), value: value.clone() };
        Configure {
            format: if is_new { LINK_WITH_LISTENERS } else { LINK_VERSIONS.min },
            node: node.to_owned(),
            listen: first.listen,
            tls_certificate: first.tls_certificate,
            tls_key: first.tls_key,
            advertised_url: self.advertised_url.clone(),
            deadline_ms: self.deadline_ms,
            body_bytes_max: self.body_bytes_max,
            head_bytes_max: self.head_bytes_max,
            connections_max: self.connections_max,
            requests_in_flight_max: self.requests_in_flight_max,
            drain_timeout_ms: self.drain_timeout_ms(),
            encoding: self.encoding.clone(),
            custom_headers: self.http_custom_headers.iter().map(header).collect(),
            log_filter: log_filter.to_owned(),
            format_max: LINK_VERSIONS.max,
            bodies_bytes_max: self.bodies_bytes_max,
            connections_per_address_max: self.connections_per_address_max,
            balancers: self.balancers.clone(),
            proxy_protocol: self.proxy_protocol,
            log_lines: true,
            listeners: ports,
            header_timeout_ms: self.header_timeout_ms,
            body_timeout_ms: self.body_timeout_ms,
            idle_timeout_ms: self.idle_timeout_ms,
            write_timeout_ms: self.write_timeout_ms,
            auth: self.auth.unwrap_or_default().word().to_owned(),
            api: self.api,
            trace_millionths: 0,
        }
    }
}

/// Whether URIs of records may begin with a text: scheme, host and port alone. Slashes at its end mean nothing.
fn is_base(url: &str) -> bool {
    let authority = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    authority.is_some_and(|authority| is_host_and_port(authority.trim_end_matches('/')))
}

fn is_host_and_port(authority: &str) -> bool {
    let bracketed = authority.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (is_host, port) = match bracketed {
        Some((address, rest)) => (address.parse::<Ipv6Addr>().is_ok(), rest),
        None => {
            let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
            (!host.is_empty() && host.bytes().all(is_of_a_name), port)
        }
    };
    let is_number = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    is_host && (port.is_empty() || port.strip_prefix(':').is_some_and(is_number))
}

const fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}
