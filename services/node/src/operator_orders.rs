//! Orders of operators over the control port: one line of the log for each order, with the caller's address and the name of its
//! certificate, before the order is executed; and the certificate that a change needs.
//!
//! Never looks into a request: its path names the order. Called by `control`; the entrance names the caller.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::State,
    middleware::{self, Next},
    response::Response,
};
use chassis::lines::Causes;
use entrance::Caller;
use http::Request;
use tonic::Status;
use tower::util::MapRequestLayer;

use crate::credentials::{Reason, RefusalCounts};

/// The service whose calls may be orders.
const SERVICE: &str = "/ocs.v1.Control/";
/// The nature of a call that is more than a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nature {
    /// Changes the group or this node: needs an operator, and has a line.
    Change,
    /// A part of a long file of rows: needs an operator; the file has too many parts for lines.
    Rows,
    /// Takes the whole state away: has a line, and any certificate of the authority may make the call.
    Copy,
}

/// Every call that is more than a look. Any certificate of the authority may make the others.
const CALLS: [(&str, Nature); 23] = [
    ("Switchover", Nature::Change),
    ("ScheduleSwitchover", Nature::Change),
    ("Pause", Nature::Change),
    ("Upgrade", Nature::Change),
    ("GiveUp", Nature::Change),
    ("ForcePrimary", Nature::Change),
    ("SetMode", Nature::Change),
    ("SetSettings", Nature::Change),
    ("CreateList", Nature::Change),
    ("DeleteList", Nature::Change),
    ("RemoveDoNotCall", Nature::Change),
    ("ApplyDeclaration", Nature::Change),
    ("ControlGroup", Nature::Change),
    ("CreateToken", Nature::Change),
    ("RevokeToken", Nature::Change),
    ("Reload", Nature::Change),
    ("ProxyRestart", Nature::Change),
    ("Drain", Nature::Change),
    ("TlsReload", Nature::Change),
    ("Import", Nature::Rows),
    ("EnterDoNotCall", Nature::Rows),
    ("ApplyDoNotCall", Nature::Rows),
    ("CreateBackup", Nature::Copy),
];

/// The call that a path names, and its nature; none: a look.
fn call(path: &str) -> Option<(&'static str, Nature)> {
    let name = path.strip_prefix(SERVICE)?;
    CALLS.into_iter().find(|(call, _)| *call == name)
}

/// Lines of the log about refused changes, a minute.
static REFUSED: Causes = Causes::new(6);

/// The same routes; each order is logged.
pub fn logged(routes: Router) -> Router {
    routes.layer(MapRequestLayer::new(|request: Request<Body>| {
        if let Some(order) = order(request.uri().path()) {
            log(order, request.extensions().get());
        }
        request
    }))
}

/// The same routes; a change needs an operator's certificate, and its refusals are counted.
pub(crate) fn restricted(routes: Router, refused: Arc<RefusalCounts>) -> Router {
    routes.layer(middleware::from_fn_with_state(refused, permit))
}

async fn permit(State(refused): State<Arc<RefusalCounts>>, request: Request<Body>, next: Next) -> Response {
    let lacks = lacks_right(request.uri().path(), request.extensions().get());
    match lacks {
        Some(why) => {
            refused.add(Reason::Operator, 1);
            Status::permission_denied(why).into_http::<Body>()
        }
        None => next.run(request).await,
    }
}

/// Why a caller may not make a call; none: the call reads, or the caller is an operator.
fn lacks_right(path: &str, caller: Option<&Caller>) -> Option<String> {
    let (change, _) = call(path).filter(|(_, nature)| *nature != Nature::Copy)?;
    if caller.is_some_and(|caller| caller.operator) {
        return None;
    }
    let (principal, address) = who(caller);
    if let Some(more) = REFUSED.line("operator") {
        tracing::warn!(order = change, principal, address, "refused: a change needs an operator's certificate{more}");
    }
    let caller = caller.and_then(|caller| caller.principal.as_deref());
    let caller = caller.map_or_else(|| "has none".to_owned(), |name| format!("has that of {name:?}"));
    Some(format!(
        "{change} needs an operator's certificate, and this caller {caller} (`ocsctl cert operator NAME` makes one)"
    ))
}

/// The order that a call's path names.
fn order(path: &str) -> Option<&'static str> {
    call(path).filter(|(_, nature)| *nature != Nature::Rows).map(|(name, _)| name)
}

fn log(order: &str, caller: Option<&Caller>) {
    let (principal, address) = who(caller);
    tracing::info!(order, principal, address, "operator order");
}

/// Name and address of a caller.
fn who(caller: Option<&Caller>) -> (&str, String) {
    let principal =
        caller.and_then(|caller| caller.principal.as_deref()).unwrap_or("without a certificate that names it");
    (principal, caller.map_or_else(|| "unknown".to_owned(), |caller| caller.address.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_change_something_are_orders_and_reads_are_none() {
        assert_eq!(order("/ocs.v1.Control/ForcePrimary"), Some("ForcePrimary"));
        assert_eq!(order("/ocs.v1.Control/CreateBackup"), Some("CreateBackup"));
        for path in [
            "/ocs.v1.Control/Import",
            "/ocs.v1.Control/Status",
            "/grpc.health.v1.Health/Check",
            "/ocs.v1.Control/",
            "ForcePrimary",
        ] {
            assert_eq!(order(path), None, "{path}");
        }
    }

    /// Calls that only read.
    const READS: [&str; 18] = [
        "GetRole",
        "WatchRole",
        "Status",
        "History",
        "PreviewImport",
        "ShowList",
        "Export",
        "GetRecord",
        "Verify",
        "ShowSettings",
        "DoNotCall",
        "PreviewDoNotCall",
        "PlanDeclaration",
        "ShowDeclaration",
        "ShowGroups",
        "ListTokens",
        "Audit",
        "ShowConfig",
    ];

    #[test]
    fn every_call_of_the_service_reads_or_needs_an_operator() {
        let definition = include_str!("../../../proto/ocs/v1/control.proto");
        let calls = definition.lines().filter_map(|line| line.trim_start().strip_prefix("rpc ")?.split('(').next());
        let calls: Vec<&str> = calls.collect();
        assert!(calls.len() > 30, "{calls:?}");
        for call in &calls {
            let more = CALLS.iter().any(|(known, _)| known == call);
            assert!(READS.contains(call) != more, "{call}: does it read, or change something?");
        }
        for known in CALLS.iter().map(|(name, _)| name).chain(&READS) {
            assert!(calls.contains(known), "{known} is no call");
        }
    }

    #[test]
    fn a_change_needs_an_operators_certificate_and_a_read_needs_none() {
        let caller = |principal: Option<&str>, operator| {
            let address = "10.0.0.9:4711".parse().unwrap();
            Some(Caller { address, principal: principal.map(Into::into), operator })
        };
        let node = caller(Some("a"), false);
        let why = lacks_right("/ocs.v1.Control/ForcePrimary", node.as_ref()).unwrap();
        assert!(
            why.starts_with("ForcePrimary needs an operator's certificate, and this caller has that of \"a\" ("),
            "{why}"
        );
        for nobody in [None, caller(None, false)] {
            assert!(lacks_right("/ocs.v1.Control/Switchover", nobody.as_ref()).is_some());
            assert_eq!(lacks_right("/ocs.v1.Control/CreateBackup", nobody.as_ref()), None);
        }
        assert_eq!(lacks_right("/ocs.v1.Control/ForcePrimary", caller(Some("maria"), true).as_ref()), None);
        for read in ["/ocs.v1.Control/Status", "/grpc.health.v1.Health/Check", "/ocs.v1.Control/", "ForcePrimary"] {
            assert_eq!(lacks_right(read, node.as_ref()), None, "{read}");
        }
    }
}
