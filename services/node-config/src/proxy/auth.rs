//! `http_proxy.auth` and `http_proxy.certificates`: the credentials of clients.

use outbound::AccessScopes;
use serde::{Deserialize, Serialize};

use super::{ClientCertificates, HttpPort, ProxySettings};
use crate::address::leaves_the_machine;

/// `http_proxy.auth`: the credentials that clients of HTTP need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// None: every client that reaches the port may ask for everything.
    #[default]
    None,
    /// An API token of the group.
    Tokens,
    /// A client certificate that `http_proxy.certificates` names.
    Certificates,
    /// Either.
    TokensOrCertificates,
}

impl Auth {
    /// The word of the configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Tokens => "tokens",
            Self::Certificates => "certificates",
            Self::TokensOrCertificates => "tokens_or_certificates",
        }
    }

    /// Whether API tokens are taken.
    pub const fn takes_tokens(self) -> bool {
        matches!(self, Self::Tokens | Self::TokensOrCertificates)
    }

    /// Whether client certificates are taken.
    pub const fn takes_certificates(self) -> bool {
        matches!(self, Self::Certificates | Self::TokensOrCertificates)
    }
}

/// `[[http_proxy.certificates]]`: the rights of a client certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateAccess {
    /// Name of the certificate: its first DNS name, or the name in its marker; the principal of its requests.
    pub name: String,
    /// `read`, `update`, `admin`.
    pub scopes: Vec<String>,
    /// The tenant of its requests; empty: any.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tenant: String,
}

/// Each fault: the key inside `[http_proxy]`, and the problem.
pub(super) fn problems(proxy: &ProxySettings) -> Vec<(&'static str, String)> {
    const KEY: &str = "certificates";
    let mut problems = Vec::new();
    let taken = proxy.auth.is_some_and(Auth::takes_certificates);
    let asks = |(_, port): &(String, HttpPort)| port.client_certificates != ClientCertificates::None;
    if taken && !proxy.is_off() && !proxy.ports().iter().any(asks) {
        let message = "no port asks for client certificates: set client_certificates and client_ca of an HTTPS port";
        problems.push(("auth", message.to_owned()));
    }
    let beyond = proxy.ports().into_iter().find(|(_, port)| leaves_the_machine(&port.listen));
    if proxy.api
        && proxy.auth.unwrap_or_default() == Auth::None
        && let Some((prefix, port)) = beyond
    {
        let message = format!(
            "other machines reach {prefix}listen, {}, and the REST interface declares lists and orders switchovers: set auth = \"tokens\" \
             or \"certificates\", or listen on loopback",
            port.listen
        );
        problems.push(("api", message));
    }
    match (taken, proxy.certificates.is_empty()) {
        (true, true) => {
            problems.push((KEY, "is empty, so no certificate may ask: name each with its scopes".to_owned()))
        }
        (false, false) => {
            problems.push((KEY, "count with auth = \"certificates\" or \"tokens_or_certificates\" alone".to_owned()))
        }
        _ => {}
    }
    for (place, CertificateAccess { name, scopes, .. }) in proxy.certificates.iter().enumerate() {
        let twice = proxy.certificates[..place].iter().any(|earlier| earlier.name == *name);
        match AccessScopes::parse(scopes.iter().map(String::as_str)) {
            _ if name.is_empty() => problems.push((KEY, "a certificate has a name: its first DNS name".to_owned())),
            _ if twice => problems.push((KEY, format!("{name:?} is there twice"))),
            Err(word) => problems.push((KEY, format!("{name:?}: {word:?} is no scope: read, update, admin"))),
            Ok(_) if scopes.is_empty() => problems.push((KEY, format!("{name:?} has no scope: read, update, admin"))),
            Ok(_) => {}
        }
    }
    problems
}
