//! The outcome of one call to one node, and whether another node may be asked instead. Never makes a call itself. Called by
//! `cluster` and the verbs.

#[cfg(test)]
mod tests;
mod tls_fault;

use std::{error::Error as _, fmt};

use chassis::visible::visible;
use ocs_proto::outbound::{Done, Imported, Refusal, Reply, reply::Body, value::Kind};
use tonic::{Code, Status};

pub(crate) use self::tls_fault::{OurFiles, TlsFault};
use crate::failure::Failure;

/// The status of a node of an older release has no words.
const OLDER: &str = "runs a release that does not know this order: replace it first (docs/upgrade.md)";
/// Of a port that closed a connection without TLS, or before we knew whether TLS is spoken.
const CLOSED: &str =
    ": the port closed the connection at once; with TLS it wants --ca --cert --key, without it none of them";

/// Why one call to one node brought no result.
#[derive(Debug)]
pub(crate) enum CallError {
    /// No connection, or a broken one; the text says which.
    Unreachable(String),
    /// Connected, and one of the two sides refused the other's certificate: the port runs.
    Tls(TlsFault),
    /// Connected, and no answer in time.
    TimedOut,
    /// The node answered with a gRPC status other than OK.
    Status(Status),
    /// The node answered with a refusal of the outbound protocols.
    Refused(Refusal),
    /// The answer has no meaning to this version.
    Malformed,
}

impl CallError {
    /// Whether the same call may succeed later or at another node.
    pub(crate) fn retry(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Tls(_) | Self::TimedOut => true,
            Self::Status(status) => {
                matches!(
                    status.code(),
                    Code::Unavailable
                        | Code::DeadlineExceeded
                        | Code::Aborted
                        | Code::ResourceExhausted
                        | Code::FailedPrecondition // a witness has no records
                        | Code::Unimplemented
                )
            }
            Self::Refused(refusal) => matches!(refusal.code.as_str(), "UNAVAILABLE" | "OUTCOME_UNKNOWN" | "BUSY"),
            Self::Malformed => false,
        }
    }

    /// Whether the call may have been applied although this error came back.
    pub(crate) fn maybe_applied(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::TimedOut | Self::Malformed => true,
            Self::Tls(_) => false, // no request gets past a handshake that failed
            Self::Status(status) => matches!(status.code(), Code::DeadlineExceeded | Code::Aborted),
            Self::Refused(refusal) => refusal.code == "OUTCOME_UNKNOWN",
        }
    }

    /// How telling the error is among the answers of several nodes: the higher, the more.
    pub(crate) fn weight(&self) -> u8 {
        match self {
            Self::Status(status) if matches!(status.code(), Code::FailedPrecondition | Code::Unimplemented) => 0,
            Self::Unreachable(_) | Self::TimedOut => 1,
            Self::Tls(_) => 2,
            Self::Status(_) => 3,
            Self::Refused(_) | Self::Malformed => 4,
        }
    }

    /// Whether no word of a node came back.
    pub(crate) fn is_silence(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Tls(_) | Self::TimedOut)
    }

    /// Whether no connection was ever complete: another attempt finds the same.
    pub(crate) fn is_unconnected(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Tls(_))
    }

    /// The state of a node without an answer, for a table.
    pub(crate) fn state(&self) -> &'static str {
        if matches!(self, Self::Tls(_)) { "TLS failed" } else { "unreachable" }
    }

    /// Whether the port closed the connection without a word that was read.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self, Self::Unreachable(why) if why.ends_with(CLOSED))
    }

    /// The same error, which names our files where they may be at fault; none: this connection has no TLS.
    pub(crate) fn naming(self, ours: Option<&OurFiles>) -> Self {
        let Some(ours) = ours else { return self };
        match self {
            Self::Tls(fault) => Self::Tls(fault.naming(ours)),
            Self::Unreachable(why) => Self::Unreachable(match why.strip_suffix(CLOSED) {
                Some(cause) => format!(
                    "{cause}: the port closed the connection, as a port does that refuses our certificate, {}: the node's log says why",
                    ours.certificate.display()
                ),
                None => why,
            }),
            other => other,
        }
    }

    /// As the end of a verb.
    pub(crate) fn into_failure(self, address: &str) -> Failure {
        let line = match &self {
            Self::Status(status) if status.code() == Code::Unimplemented => format!("node {address} {OLDER}"),
            error => format!("{address}: {error}"),
        };
        match self {
            Self::Unreachable(_) | Self::Tls(_) | Self::TimedOut => Failure::Unreachable(line),
            Self::Status(status) if status.code() == Code::Unavailable => Failure::NoPrimary(line),
            Self::Refused(refusal) if refusal.code == "UNAVAILABLE" => Failure::NoPrimary(sentence(&refusal)),
            Self::Refused(refusal) => Failure::Refused(sentence(&refusal)),
            Self::Status(_) | Self::Malformed => Failure::Refused(line),
        }
    }
}

/// A status as a person reads it. Servers and proxies also send statuses without a message.
fn words(status: &Status) -> String {
    match status.code() {
        Code::Unimplemented => format!("it {OLDER}"),
        code if status.message().is_empty() => format!("gRPC status {code:?}, without a message"),
        _ => visible(status.message()).into_owned(),
    }
}

/// One line: a node's words may hold any letter.
fn sentence(refusal: &Refusal) -> String {
    format!("{} ({})", visible(&refusal.message), visible(&refusal.code))
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) => write!(f, "unreachable ({why})"),
            Self::Tls(fault) => write!(f, "{fault}"),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::Status(status) => f.write_str(&words(status)),
            Self::Refused(refusal) => f.write_str(&sentence(refusal)),
            Self::Malformed => f.write_str("an answer that this version does not understand"),
        }
    }
}

impl From<Status> for CallError {
    /// A status with a source was made here, from a broken transport; other statuses come from the node.
    fn from(status: Status) -> Self {
        let Some(source) = status.source() else { return Self::Status(status) };
        let cause = innermost(source);
        TlsFault::of(&cause).map_or_else(|| Self::Unreachable(transport_fault(&cause)), Self::Tls)
    }
}

/// The cause behind all causes, in words.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(next) = innermost.source() {
        innermost = next;
    }
    innermost.to_string()
}

/// A port that speaks TLS answers plain HTTP/2 by an alert, whose first bytes are the length of no frame; a port that does not
/// answers TLS by bytes of no TLS record.
fn transport_fault(cause: &str) -> String {
    if cause.contains("frame with invalid size") {
        "this port speaks TLS: give --ca --cert --key".to_owned()
    } else if cause.contains("InvalidContentType") {
        "this port does not speak TLS: leave --ca --cert --key out, and the context that names them (--context \"\")"
            .to_owned()
    } else if ["broken pipe", "connection reset", "connection closed"].iter().any(|end| cause.contains(end)) {
        format!("{cause}{CLOSED}") // the alert came too late to be read
    } else {
        cause.to_owned()
    }
}

/// The acknowledging event of a reply.
pub(crate) fn done(reply: Option<Reply>) -> Result<Done, CallError> {
    match reply.and_then(|reply| reply.body) {
        Some(Body::Done(done)) => Ok(done),
        Some(Body::Refused(refusal)) => Err(CallError::Refused(refusal)),
        _ => Err(CallError::Malformed),
    }
}

/// The number under a key of an acknowledging event.
pub(crate) fn number(done: &Done, key: &str) -> Option<i64> {
    let pair = done.attributes.iter().find(|pair| pair.key == key)?;
    match pair.value.as_ref()?.kind.as_ref()? {
        Kind::Int(number) => Some(*number),
        Kind::Str(_) => None,
    }
}

/// The outcome of an import batch.
pub(crate) fn imported(reply: Option<Reply>) -> Result<Imported, CallError> {
    match reply.and_then(|reply| reply.body) {
        Some(Body::Imported(imported)) => Ok(imported),
        Some(Body::Refused(refusal)) => Err(CallError::Refused(refusal)),
        _ => Err(CallError::Malformed),
    }
}
