//! TLS that failed between this command and a port: the side that refused, the reason, and the file or setting to look at.
//!
//! Never opens a connection: `call` knows the cause in words, and `cluster` knows our files. A node that refuses TLS runs, so its
//! operator looks at certificates and not at the network.

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
    ours: Option<OurFiles>,
}

impl TlsFault {
    /// The fault of a broken transport, by the words of its cause; none: TLS is not the cause.
    pub(crate) fn of(cause: &str) -> Option<Self> {
        let behind = |begin: &str| cause.split_once(begin).map(|(_, word)| word.to_owned());
        let refused = behind(BY_US).map(Refused::ByUs).or_else(|| behind(BY_THE_PORT).map(Refused::ByThePort))?;
        Some(Self { refused, ours: None })
    }

    /// The same fault, which names our files.
    pub(crate) fn naming(self, ours: &OurFiles) -> Self {
        Self { ours: Some(ours.clone()), ..self }
    }

    fn ca(&self) -> String {
        named("--ca", self.ours.as_ref().map(|ours| ours.ca.as_path()))
    }

    fn certificate(&self) -> String {
        named("--cert", self.ours.as_ref().map(|ours| ours.certificate.as_path()))
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
    if word.starts_with("UnknownIssuer") || word.starts_with("BadSignature") {
        let ca = fault.ca();
        write!(out, "the port's certificate does not come from the authority in {ca} ({word}): ")?;
        out.write_str("look at control.tls.certificate of the node, or name its authority by --ca")
    } else if word.contains("not valid for name") {
        write!(out, "the port's certificate has other names than --endpoints ({word}): ")?;
        out.write_str("use one of its names, or make it with --host (`ocsctl cert node`)")
    } else {
        write!(out, "the port's certificate cannot be used ({word}): look at control.tls.certificate of the node")
    }
}

/// The node tells the reason by an alert alone; its own log says more.
fn by_the_port(fault: &TlsFault, alert: &str, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    let why = match alert {
        // A signature that does not fit comes of another authority under the same name.
        "UnknownCA" | "DecryptError" => "it does not come from an authority in control.tls.ca of the node",
        "CertificateExpired" => "it has expired, or is not yet valid, by the node's clock",
        "CertificateRequired" => "the port sees none: give --cert and --key",
        "NoApplicationProtocol" => {
            return out.write_str("this is no control port (NoApplicationProtocol): look at --endpoints");
        }
        _ => "the node's log says why",
    };
    write!(out, "the port refuses our certificate, {} ({alert}): {why}", fault.certificate())
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
    fn other_broken_transports_are_no_fault_of_tls() {
        for cause in ["Connection refused (os error 111)", "received corrupt message of type InvalidContentType", ""] {
            assert_eq!(TlsFault::of(cause), None, "{cause}");
        }
    }
}
