//! The admin port: `/metrics`, `/livez`, `/readyz`, `/primary`, `/backup`, over HTTP.
//!
//! Never changes anything and never serves a record. Listens on loopback unless configured; off loopback with mutual TLS,
//! which whoever gives the listener has checked.

use std::sync::Arc;

use axum::{
    Router,
    extract::{RawQuery, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{MethodFilter, MethodRouter, get, on},
};
use chassis::tasks::Tasks;
use rustls::ServerConfig;
use tokio::net::TcpListener;

use crate::{
    entrance::Entrance,
    health::{Check, Health},
    metrics::{Metrics, Sources},
};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the admin port shows. Cheap to clone.
#[derive(Clone)]
pub struct Admin {
    /// Answers the health checks.
    pub health: Health,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What is read at each scrape.
    pub sources: Sources,
}

impl Admin {
    /// Serves on a bound listener until the process stops. TLS, where given, must offer `http/1.1`.
    pub(crate) fn serve(
        self,
        entrance: Entrance,
        listener: TcpListener,
        tls: Option<Arc<ServerConfig>>,
        tasks: &Tasks,
    ) {
        entrance.serve(listener, tls, self.router(), tasks);
    }

    fn router(self) -> Router {
        Router::new()
            .route("/metrics", get(page))
            .route("/livez", check(|_| Check::Live))
            .route("/readyz", check(readiness))
            .route("/primary", check(|_| Check::Primary))
            .route("/backup", check(|_| Check::Backup))
            .with_state(self)
    }
}

/// `?now` asks without the grace.
fn readiness(query: Option<&str>) -> Check {
    let now = |query: &str| query.split('&').any(|pair| pair == "now" || pair.starts_with("now="));
    if query.is_some_and(now) { Check::ReadyNow } else { Check::Ready }
}

/// A check answers OPTIONS as it answers GET: that is what load balancers send by default.
fn check(which: fn(Option<&str>) -> Check) -> MethodRouter<Admin> {
    let methods = MethodFilter::GET.or(MethodFilter::HEAD).or(MethodFilter::OPTIONS);
    on(methods, async move |State(admin): State<Admin>, RawQuery(query): RawQuery| {
        let (ok, body) = admin.health.check(which(query.as_deref())).await;
        let code = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        (code, [(header::CONTENT_TYPE, "application/json")], body).into_response()
    })
}

async fn page(State(admin): State<Admin>) -> Response {
    ([(header::CONTENT_TYPE, OPENMETRICS)], admin.metrics.scrape(&admin.sources)).into_response()
}

#[cfg(test)]
mod tests;
