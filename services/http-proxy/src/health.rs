//! The checks of load balancers: `/livez`, `/readyz`, `/primary`, `/backup` (spec 2). GET, HEAD and OPTIONS; 200 or 503.
//!
//! Never decides about the node's health: only `/livez` is answered here, the other checks by the node. Called by `serve`.

use std::time::Duration;

use http::{Method, StatusCode};
use ocs_proto::link::HealthKind;

use crate::{link::client::Link, to_http::Answer};

/// The node answers within this, or is not healthy. A confirmed role takes at most 200 ms (R5 leader-is-not-primary).
const PATIENCE: Duration = Duration::from_secs(1);
const METHODS: &str = "GET, HEAD, OPTIONS";
/// The paths of all checks.
pub(crate) const PATHS: [&str; 4] = ["/livez", "/readyz", "/primary", "/backup"];

/// One of the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// This process answers: no peer, not even the node, is asked.
    Live,
    /// The node decides.
    Node(HealthKind),
}

/// The check that a path and query name.
pub(crate) fn check(path: &str, query: Option<&str>) -> Option<Check> {
    match path {
        "/livez" => Some(Check::Live),
        "/readyz" if is_now(query) => Some(Check::Node(HealthKind::ReadyNow)),
        "/readyz" => Some(Check::Node(HealthKind::Ready)),
        "/primary" => Some(Check::Node(HealthKind::Primary)),
        "/backup" => Some(Check::Node(HealthKind::Backup)),
        _ => None,
    }
}

fn is_now(query: Option<&str>) -> bool {
    query.is_some_and(|query| query.split('&').any(|part| part == "now" || part.starts_with("now=")))
}

/// Answers a check. A check never ends the connection.
pub(crate) async fn answer(check: Check, method: &Method, link: &Link) -> Answer {
    if ![Method::GET, Method::HEAD, Method::OPTIONS].contains(method) {
        return Answer::new(StatusCode::METHOD_NOT_ALLOWED, verdict(false, "method")).allowing(Some(METHODS));
    }
    let (ok, body) = match check {
        Check::Live => (true, verdict(true, "live")),
        Check::Node(kind) => of_node(kind, link).await,
    };
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let answer = Answer::new(status, body);
    if *method == Method::OPTIONS { answer.allowing(Some(METHODS)) } else { answer }
}

async fn of_node(kind: HealthKind, link: &Link) -> (bool, String) {
    if link.lost().is_cancelled() || link.drain().is_cancelled() {
        return (false, verdict(false, "HTTP Proxy is ending"));
    }
    match link.health(kind, PATIENCE).await {
        Some(reply) if reply.body.is_empty() => (reply.ok, verdict(reply.ok, "node")),
        Some(reply) => (reply.ok, reply.body),
        None => (false, verdict(false, "the node does not answer")),
    }
}

fn verdict(ok: bool, reason: &str) -> String {
    format!("{{\"ok\":{ok},\"reason\":\"{reason}\"}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_is_a_check() {
        assert!(PATHS.iter().all(|path| check(path, None).is_some()));
    }
}
