//! Orders of operators over the control port: one line of the log for each order, with the caller's address and the name of its
//! certificate, before the order is executed.
//!
//! Never looks into a request: its path names the order. Called by `control`; the entrance names the caller.

use axum::Router;
use entrance::Caller;
use http::Request;
use tower::util::MapRequestLayer;

/// The service whose calls may be orders.
const SERVICE: &str = "/ocs.v1.Control/";
/// Calls that change the group or this node, or take its state away. Every other call reads, or is a client's update.
const ORDERS: [&str; 16] = [
    "Switchover",
    "Pause",
    "Upgrade",
    "GiveUp",
    "ForcePrimary",
    "SetMode",
    "SetSettings",
    "CreateBackup",
    "DeleteList",
    "RemoveDoNotCall",
    "ApplyDeclaration",
    "ControlGroup",
    "Reload",
    "ProxyRestart",
    "Drain",
    "TlsReload",
];

/// The same routes; each order is logged.
pub fn logged(routes: Router) -> Router {
    routes.layer(MapRequestLayer::new(|request: Request<axum::body::Body>| {
        if let Some(order) = order(request.uri().path()) {
            log(order, request.extensions().get());
        }
        request
    }))
}

/// The order that a call's path names.
fn order(path: &str) -> Option<&str> {
    path.strip_prefix(SERVICE).filter(|call| ORDERS.contains(call))
}

fn log(order: &str, caller: Option<&Caller>) {
    let principal = caller.and_then(|caller| caller.principal.as_deref()).unwrap_or("without a certificate");
    let address = caller.map_or_else(|| "unknown".to_owned(), |caller| caller.address.to_string());
    tracing::info!(order, principal, address, "operator order");
}

#[cfg(test)]
mod tests {
    use ocs_proto::FILE_DESCRIPTOR_SET;

    use super::*;

    #[test]
    fn calls_that_change_something_are_orders_and_reads_are_none() {
        assert_eq!(order("/ocs.v1.Control/ForcePrimary"), Some("ForcePrimary"));
        for path in ["/ocs.v1.Control/Status", "/grpc.health.v1.Health/Check", "/ocs.v1.Control/", "ForcePrimary"] {
            assert_eq!(order(path), None, "{path}");
        }
    }

    #[test]
    fn every_order_is_a_call_of_the_service() {
        for order in ORDERS {
            assert!(FILE_DESCRIPTOR_SET.windows(order.len()).any(|window| window == order.as_bytes()), "{order}");
        }
    }
}
