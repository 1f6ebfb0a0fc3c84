//! TLS that failed between this command and a port: the side that refused, the reason, and the file or setting to look at.
//!
//! The only words for such a fault, of control ports and of HTTPS front ends alike. Never opens a connection: `call` and
//! `http_client` know the cause in words, and the options name our files. A node that refuses TLS runs, so its operator looks at
//! certificates and not at the network.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Our files, as the command line names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OurFiles {
    /// The authority that every port must come from.
    pub(crate) ca: PathBuf,
    /// The certificate that ports see.
    pub(crate) certificate: PathBuf,
}

/// A port with TLS, and the words for its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    Control,
    FrontEnd,
}

impl Port {
    /// The setting of the node with the port's certificate.
    fn certificate(self) -> &'static str {
        match self {
            Self::Control => "control.tls.certificate",
            Self::FrontEnd => "http_proxy.tls_certificate",
        }
    }

    /// The setting of the node with the authority of certificates like ours.
    fn ca(self) -> &'static str {
        match self {
            Self::Control => "control.tls.ca",
            Self::FrontEnd => "http_proxy.client_ca",
        }
    }

    /// The option that names the port.
    fn option(self) -> &'static str {
        match self {
            Self::Control => "--endpoints",
            Self::FrontEnd => "--proxies",
        }
    }
}

/// The begin of a cause where we refused the certificate of the port.
const BY_US: &str = "invalid peer certificate: ";
/// The begin of a cause where the port refused, by an alert.
const BY_THE_PORT: &str = "received fatal alert: ";

/// The side that refused, with the library's word.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Refused {
    ByUs(String),
    ByThePort(String),
}

/// A handshake that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsFault {
    refused: Refused,
    port: Port,
    ca: Option<PathBuf>,
    certificate: Option<PathBuf>,
}

impl TlsFault {
    /// The fault of a broken transport, by the words of its cause; none: TLS is not the cause.
    pub(crate) fn of(cause: &str) -> Option<Self> {
        let behind = |begin: &str| cause.split_once(begin).map(|(_, word)| word.to_owned());
        let refused = behind(BY_US).map(Refused::ByUs).or_else(|| behind(BY_THE_PORT).map(Refused::ByThePort))?;
        Some(Self { refused, port: Port::Control, ca: None, certificate: None })
    }

    /// The same fault, which names our files.
    pub(crate) fn naming(self, ours: &OurFiles) -> Self {
        Self { ca: Some(ours.ca.clone()), certificate: Some(ours.certificate.clone()), ..self }
    }

    /// The same fault, of an HTTPS front end.
    pub(crate) fn of_front_end(self, ca: &Path, certificate: Option<&Path>) -> Self {
        Self { port: Port::FrontEnd, ca: Some(ca.to_owned()), certificate: certificate.map(Path::to_owned), ..self }
    }
}

/// An option with its file.
fn named(option: &str, file: Option<&Path>) -> String {
    file.map_or_else(|| option.to_owned(), |file| format!("{option} {}", file.display()))
}

impl fmt::Display for TlsFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("TLS failed: ")?;
        match &self.refused {
            Refused::ByUs(word) => by_us(self, word, out),
            Refused::ByThePort(alert) => by_the_port(self, alert, out),
        }
    }
}

fn by_us(fault: &TlsFault, word: &str, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (setting, option) = (fault.port.certificate(), fault.port.option());
    if word.starts_with("UnknownIssuer") || word.starts_with("BadSignature") {
        let ca = named("--ca", fault.ca.as_deref());
        write!(out, "the port's certificate does not come from the authority in {ca} ({word}): ")?;
        write!(out, "look at {setting} of the node, or name its authority by --ca")
    } else if word.contains("not valid for name") {
        write!(out, "the port's certificate has other names than {option} ({word}): ")?;
        out.write_str("use one of its names, or make it with --host (`ocsctl cert node`)")
    } else {
        write!(out, "the port's certificate cannot be used ({word}): look at {setting} of the node")
    }
}

/// The node tells the reason by an alert alone; its own log says more.
fn by_the_port(fault: &TlsFault, alert: &str, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (setting, option) = (fault.port.ca(), fault.port.option());
    let why = match alert {
        // A signature that does not fit comes of another authority under the same name.
        "UnknownCA" | "DecryptError" => format!("it does not come from an authority in {setting} of the node"),
        "CertificateExpired" => "it has expired, or is not yet valid, by the node's clock".to_owned(),
        "CertificateRequired" => "the port sees none: give --cert and --key".to_owned(),
        "NoApplicationProtocol" => {
            let kind = if fault.port == Port::Control { "no control port" } else { "no HTTP front end" };
            return write!(out, "this is {kind} (NoApplicationProtocol): look at {option}");
        }
        _ => "the node's log says why".to_owned(),
    };
    let certificate = named("--cert", fault.certificate.as_deref());
    write!(out, "the port refuses our certificate, {certificate} ({alert}): {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_side_that_refused_is_named_with_its_reason_and_the_file_to_look_at() {
        let ours = OurFiles { ca: "c/ca.pem".into(), certificate: "c/operator.pem".into() };
        for (cause, parts) in [
            (
                "invalid peer certificate: UnknownIssuer",
                ["does not come from the authority in --ca c/ca.pem (UnknownIssuer)", "control.tls.certificate"],
            ),
            (
                "invalid peer certificate: BadSignature",
                ["the authority in --ca c/ca.pem", "name its authority by --ca"],
            ),
            (
                "invalid peer certificate: certificate not valid for name \"10.0.0.9\"; certificate is only valid for DnsName(\"a\")",
                ["has other names than --endpoints", "10.0.0.9"],
            ),
            ("invalid peer certificate: certificate expired", ["cannot be used (certificate expired)", "of the node"]),
            (
                "connection error: received fatal alert: UnknownCA",
                ["refuses our certificate, --cert c/operator.pem (UnknownCA)", "control.tls.ca of the node"],
            ),
            ("received fatal alert: DecryptError", ["--cert c/operator.pem", "control.tls.ca of the node"]),
            ("received fatal alert: CertificateRequired", ["--cert", "give --cert and --key"]),
            ("received fatal alert: CertificateExpired", ["c/operator.pem", "it has expired"]),
            ("received fatal alert: BadCertificate", ["c/operator.pem (BadCertificate)", "log says why"]),
            ("received fatal alert: NoApplicationProtocol", ["no control port", "--endpoints"]),
        ] {
            let line = TlsFault::of(cause).unwrap().naming(&ours).to_string();
            assert!(line.starts_with("TLS failed: ") && !line.contains("unreachable"), "{line}");
            assert!(parts.iter().all(|part| line.contains(part)), "{cause}: {line}");
        }
        let without = TlsFault::of("received fatal alert: UnknownCA").unwrap().to_string();
        assert!(without.contains("our certificate, --cert (UnknownCA)"), "{without}");
    }

    #[test]
    fn an_https_front_end_has_the_same_words_with_its_own_settings() {
        let shown = |cause: &str, certificate: Option<&str>| {
            let fault = TlsFault::of(cause).unwrap();
            fault.of_front_end(Path::new("ca.pem"), certificate.map(Path::new)).to_string()
        };
        let (us, port) = ("invalid peer certificate: UnknownIssuer", "received fatal alert: UnknownCA");
        let line = shown(us, None);
        assert!(line.starts_with("TLS failed: the port's certificate does not come from the authority in --ca ca.pem"));
        assert!(line.contains("look at http_proxy.tls_certificate of the node"), "{line}");
        let line = shown(port, Some("alice.pem"));
        assert!(line.contains("refuses our certificate, --cert alice.pem (UnknownCA)"), "{line}");
        assert!(line.contains("http_proxy.client_ca of the node"), "{line}");
        let line = shown("received fatal alert: CertificateRequired", None);
        assert!(line.contains("--cert (CertificateRequired): the port sees none: give --cert and --key"), "{line}");
        assert!(shown("received fatal alert: NoApplicationProtocol", None).contains("no HTTP front end"));
    }

    #[test]
    fn other_broken_transports_are_no_fault_of_tls() {
        for cause in ["Connection refused (os error 111)", "received corrupt message of type InvalidContentType", ""] {
            assert_eq!(TlsFault::of(cause), None, "{cause}");
        }
    }
}
