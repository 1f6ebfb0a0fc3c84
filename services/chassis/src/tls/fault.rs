//! Why a TLS handshake failed, in words for the log and in a word for a metric. Never decides whether a caller is let in.
//!
//! Called by every listener with TLS. Words of a caller are shown escaped and cut.

use std::{fmt, io};

use rustls::{AlertDescription, CertificateError, Error};

use super::time_text;
use crate::logging::Shown;

/// First byte of a TLS handshake.
const HANDSHAKE: u8 = 0x16;

/// Why a handshake failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandshakeFault {
    /// The caller's certificate has expired, at this time (seconds since 1970) where the time is known.
    Expired(Option<u64>),
    /// The caller's certificate is not yet valid; from when on, where that is known.
    NotYetValid(Option<u64>),
    /// The caller's certificate comes from another authority.
    OtherAuthority,
    /// The caller's certificate names no caller that is known here.
    OtherName,
    /// The caller's certificate is not made for clients.
    OtherPurpose,
    /// The caller shows no certificate.
    NoCertificate,
    /// The caller speaks HTTP without TLS.
    PlainHttp,
    /// The first bytes are no TLS.
    NoTls,
    /// The caller offers no version and cipher suite that this port takes.
    NothingInCommon,
    /// The caller does not accept this port's certificate; the caller's alert.
    RefusedByCaller(AlertDescription),
    /// The caller closed the connection within the handshake.
    Closed,
    /// Anything else.
    Other(String),
}

/// Judges the first byte of a connection at a port that speaks TLS.
///
/// # Errors
/// [`HandshakeFault::PlainHttp`] or [`HandshakeFault::NoTls`].
pub fn first_byte(byte: u8) -> Result<(), HandshakeFault> {
    match byte {
        HANDSHAKE => Ok(()),
        method if method.is_ascii_alphabetic() => Err(HandshakeFault::PlainHttp),
        _ => Err(HandshakeFault::NoTls),
    }
}

impl HandshakeFault {
    /// The fault behind the error of an acceptor.
    pub fn of(error: &io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(fault) => Self::of_library(fault),
            None if is_end(error.kind()) => Self::Closed,
            None => Self::Other(error.to_string()),
        }
    }

    fn of_library(error: &Error) -> Self {
        match error {
            Error::InvalidCertificate(fault) => Self::of_certificate(fault),
            Error::NoCertificatesPresented => Self::NoCertificate,
            Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => Self::NoTls,
            Error::PeerIncompatible(_) => Self::NothingInCommon,
            Error::NoApplicationProtocol => {
                Self::Other("the caller speaks none of this port's protocols (ALPN)".to_owned())
            }
            Error::AlertReceived(AlertDescription::CloseNotify) => Self::Closed,
            Error::AlertReceived(alert) => Self::RefusedByCaller(*alert),
            other => Self::Other(other.to_string()),
        }
    }

    fn of_certificate(fault: &CertificateError) -> Self {
        match fault {
            CertificateError::Expired => Self::Expired(None),
            CertificateError::ExpiredContext { not_after, .. } => Self::Expired(Some(not_after.as_secs())),
            CertificateError::NotValidYet => Self::NotYetValid(None),
            CertificateError::NotValidYetContext { not_before, .. } => Self::NotYetValid(Some(not_before.as_secs())),
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::OtherAuthority,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Self::OtherName,
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => Self::OtherPurpose,
            other => Self::Other(Error::InvalidCertificate(other.clone()).to_string()),
        }
    }

    /// All reasons.
    pub const REASONS: [&str; 12] = [
        "expired",
        "not_yet_valid",
        "other_authority",
        "other_name",
        "other_purpose",
        "no_certificate",
        "plain_http",
        "no_tls",
        "nothing_in_common",
        "refused_by_caller",
        "closed",
        "other",
    ];

    /// The reason as the label of a metric; one of [`Self::REASONS`].
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Expired(_) => "expired",
            Self::NotYetValid(_) => "not_yet_valid",
            Self::OtherAuthority => "other_authority",
            Self::OtherName => "other_name",
            Self::OtherPurpose => "other_purpose",
            Self::NoCertificate => "no_certificate",
            Self::PlainHttp => "plain_http",
            Self::NoTls => "no_tls",
            Self::NothingInCommon => "nothing_in_common",
            Self::RefusedByCaller(_) => "refused_by_caller",
            Self::Closed => "closed",
            Self::Other(_) => "other",
        }
    }
}

fn is_end(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

impl fmt::Display for HandshakeFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired(Some(at)) => write!(out, "TLS: the caller's certificate expired at {}", time_text(*at)),
            Self::Expired(None) => out.write_str("TLS: the caller's certificate has expired"),
            Self::NotYetValid(Some(from)) => {
                write!(out, "TLS: the caller's certificate is not valid before {}", time_text(*from))
            }
            Self::NotYetValid(None) => out.write_str("TLS: the caller's certificate is not yet valid"),
            Self::OtherAuthority => out.write_str("TLS: the caller's certificate comes from another authority"),
            Self::OtherName => out.write_str("TLS: its certificate names no configured node"),
            Self::OtherPurpose => out.write_str("TLS: the caller's certificate is not made for clients (clientAuth)"),
            Self::NoCertificate => out.write_str("TLS: the caller shows no certificate"),
            Self::PlainHttp => out.write_str("plain HTTP at a port that speaks TLS"),
            Self::NoTls => out.write_str("the first bytes are no TLS"),
            Self::NothingInCommon => out.write_str(
                "TLS: no version or cipher suite in common: this port takes TLS 1.2 and 1.3 with AEAD suites",
            ),
            Self::RefusedByCaller(alert) => write!(out, "TLS: the caller does not accept this certificate ({alert:?})"),
            Self::Closed => out.write_str("TLS: the caller closed the connection within the handshake"),
            Self::Other(text) => write!(out, "TLS: {}", Shown(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(error: Error) -> HandshakeFault {
        HandshakeFault::of(&io::Error::new(io::ErrorKind::InvalidData, error))
    }

    #[test]
    fn each_fault_of_a_handshake_has_its_own_reason() {
        let certificate = Error::InvalidCertificate;
        for (error, reason) in [
            (certificate(CertificateError::Expired), "expired"),
            (certificate(CertificateError::NotValidYet), "not_yet_valid"),
            (certificate(CertificateError::UnknownIssuer), "other_authority"),
            (certificate(CertificateError::BadSignature), "other_authority"),
            (certificate(CertificateError::NotValidForName), "other_name"),
            (certificate(CertificateError::InvalidPurpose), "other_purpose"),
            (certificate(CertificateError::Revoked), "other"),
            (Error::NoCertificatesPresented, "no_certificate"),
            (Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType), "no_tls"),
            (Error::PeerIncompatible(rustls::PeerIncompatible::Tls12NotOffered), "nothing_in_common"),
            (Error::AlertReceived(AlertDescription::UnknownCA), "refused_by_caller"),
            (Error::AlertReceived(AlertDescription::CloseNotify), "closed"),
            (Error::General("x".into()), "other"),
        ] {
            let fault = of(error.clone());
            assert!(fault.reason() == reason && HandshakeFault::REASONS.contains(&reason), "{error}: {fault:?}");
            assert!(!fault.to_string().contains('\n'), "{fault}");
        }
        assert_eq!(HandshakeFault::of(&io::ErrorKind::UnexpectedEof.into()), HandshakeFault::Closed);
        assert_eq!(HandshakeFault::of(&io::ErrorKind::ConnectionReset.into()), HandshakeFault::Closed);
    }

    #[test]
    fn words_of_a_caller_are_escaped_and_cut() {
        let shown = of(Error::General(format!("a\u{1b}[2J\n{}", "x".repeat(1000)))).to_string();
        assert!(!shown.contains(['\n', '\u{1b}']) && shown.len() < 200, "{shown}");
    }

    #[test]
    fn the_first_byte_tells_http_from_garbage() {
        assert_eq!(first_byte(0x16), Ok(()));
        for method in [b'G', b'P', b'o'] {
            assert_eq!(first_byte(method), Err(HandshakeFault::PlainHttp));
        }
        for byte in [0, 0x80, b' ', b'1'] {
            assert_eq!(first_byte(byte), Err(HandshakeFault::NoTls));
        }
    }
}
