//! The admin port: `/metrics`, `/livez`, `/healthz`, `/readyz`, `/primary`, `/backup`, over HTTP; and the health port, which
//! answers the checks alone.
//!
//! Never changes anything and never serves a record. The admin port listens on loopback unless configured; off loopback with mutual
//! TLS, which the creator of the listener has checked. With TLS, `/livez` and `/metrics` are answered on loopback without TLS too: the
//! end of a certificate must be visible where no certificate works any more. The health port has no TLS, since a kubelet has no client
//! certificate.

use std::sync::Arc;

use axum::{
    Router,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{MethodFilter, MethodRouter, get, on},
};
use chassis::metrics::Format;
use serde_json::json;

use crate::{
    health::{Check, Health},
    metrics::{Metrics, Sources},
    startup::{LateRoutes, Startup},
};

/// Paths that a node which starts answers with 200: the process runs.
const LIVE: [&str; 2] = ["/livez", "/healthz"];
/// Paths that a node which starts answers with 503, beside `/metrics`.
const NOT_YET: [&str; 3] = ["/readyz", "/primary", "/backup"];
const METRICS: &str = "/metrics";

/// The sources of the admin port's answers. Cheap to clone.
#[derive(Clone)]
pub struct Admin {
    /// Answers the health checks.
    pub health: Health,
    /// The counters of this process.
    pub metrics: Arc<Metrics>,
    /// The values that each scrape reads.
    pub sources: Sources,
}

impl Admin {
    /// The routes of the admin port while the node runs.
    pub(crate) fn router(self) -> Router {
        checks().route(METRICS, get(page)).with_state(self)
    }

    /// The routes of the health port while the node runs.
    pub(crate) fn health_router(self) -> Router {
        checks().with_state(self)
    }
}

fn checks() -> Router<Admin> {
    Router::new()
        .route("/livez", check(|_| Check::Live))
        .route("/healthz", check(|_| Check::Live))
        .route("/readyz", check(readiness))
        .route("/primary", check(|_| Check::Primary))
        .route("/backup", check(|_| Check::Backup))
}

/// The routes of the admin port until the parts run: the process lives, is not ready, and says why its start waits.
pub(crate) fn starting_router(node: &str, startup: &Startup) -> Router {
    starting(node, startup, &[METRICS])
}

/// The same for the health port.
pub(crate) fn starting_health_router(node: &str, startup: &Startup) -> Router {
    starting(node, startup, &[])
}

/// `beside`: further paths that are answered with 503.
fn starting(node: &str, startup: &Startup, beside: &[&'static str]) -> Router {
    let (node, startup): (Arc<str>, Startup) = (node.into(), startup.clone());
    let state = move |ok: bool| -> MethodRouter {
        let (node, startup) = (node.clone(), startup.clone());
        on(checked_methods(), move || async move {
            answer(ok, json!({"ok": ok, "node": &*node, "role": "unknown", "state": startup.state()}).to_string())
        })
    };
    let live = LIVE.into_iter().fold(Router::new(), |router, path| router.route(path, state(true)));
    NOT_YET.iter().chain(beside).fold(live, |router, path| router.route(path, state(false)))
}

/// The routes that callers on loopback reach without TLS at a port with TLS.
pub(crate) fn local_router(routes: &LateRoutes) -> Router {
    let other = || async { (StatusCode::FORBIDDEN, "without TLS, only /livez and /metrics are answered here\n") };
    Router::new().route_service("/livez", routes.clone()).route_service("/metrics", routes.clone()).fallback(other)
}

/// Checks answer OPTIONS as they answer GET: load balancers send OPTIONS by default.
fn checked_methods() -> MethodFilter {
    MethodFilter::GET.or(MethodFilter::HEAD).or(MethodFilter::OPTIONS)
}

/// `?now` asks without the grace.
fn readiness(query: Option<&str>) -> Check {
    let now = |query: &str| query.split('&').any(|pair| pair == "now" || pair.starts_with("now="));
    if query.is_some_and(now) { Check::ReadyNow } else { Check::Ready }
}

fn check(which: fn(Option<&str>) -> Check) -> MethodRouter<Admin> {
    on(checked_methods(), async move |State(admin): State<Admin>, RawQuery(query): RawQuery| {
        let (ok, body) = admin.health.check(which(query.as_deref())).await;
        answer(ok, body)
    })
}

fn answer(ok: bool, body: String) -> Response {
    let code = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// The format is the one that the scraper prefers; answers of both formats differ, so caches must know.
async fn page(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    let accepted: Vec<&str> = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let format = Format::accepted(Some(&accepted.join(",")));
    let about = [(header::CONTENT_TYPE, format.content_type()), (header::VARY, "Accept")];
    (about, admin.metrics.scrape(&admin.sources, format)).into_response()
}

#[cfg(test)]
mod tests;
