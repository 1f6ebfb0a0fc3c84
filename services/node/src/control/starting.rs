//! The control API of a node that starts: `Status` names the state of the start, every other call is unavailable.
//!
//! Never knows a part of the running node. Called by the control port.

use std::{
    collections::HashMap,
    future::{Ready, ready},
    sync::Arc,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::post,
};
use ocs_proto::control::{GetRoleReply, Role, StatusReply, StatusRequest};
use tonic::{Status, server::UnaryService};
use tonic_prost::ProstCodec;

use super::About;
use crate::{role::Roster, startup::Startup};

/// The only call that has an answer.
const STATUS: &str = "/ocs.v1.Control/Status";

/// The status of a node whose parts do not run yet. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct StartingNode {
    /// The state of the start.
    pub(crate) startup: Startup,
    /// The nodes of the group.
    pub(crate) roster: Roster,
    /// The mode of the configuration.
    pub(crate) mode: &'static str,
    /// Facts that stay while the process runs.
    pub(crate) about: Arc<About>,
}

impl StartingNode {
    pub(super) fn router(self) -> Router {
        Router::new().route(STATUS, post(status)).fallback(unavailable).with_state(self)
    }

    fn status(&self) -> StatusReply {
        let (own, starting) = (self.roster.own(), self.startup.state());
        let controls = self.roster.members().iter().filter(|member| !member.control.is_empty());
        let role = GetRoleReply {
            role: Role::Unknown.into(),
            node: own.name.clone(),
            mode: self.mode.to_owned(),
            ..GetRoleReply::default()
        };
        StatusReply {
            role: Some(role),
            cluster: self.about.cluster.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            http_proxy: "stopped".to_owned(),
            warnings: vec![starting.clone()],
            uptime_ms: u64::try_from(self.about.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            control_address: own.control.clone(),
            controls: controls.map(|member| (member.name.clone(), member.control.clone())).collect::<HashMap<_, _>>(),
            starting,
            ..StatusReply::default()
        }
    }
}

impl UnaryService<StatusRequest> for StartingNode {
    type Response = StatusReply;
    type Future = Ready<Result<tonic::Response<StatusReply>, Status>>;

    fn call(&mut self, _: tonic::Request<StatusRequest>) -> Self::Future {
        ready(Ok(tonic::Response::new(self.status())))
    }
}

async fn status(State(node): State<StartingNode>, request: Request) -> Response {
    let mut grpc = tonic::server::Grpc::new(ProstCodec::<StatusReply, StatusRequest>::default());
    grpc.unary(node, request).await.into_response()
}

async fn unavailable(State(node): State<StartingNode>) -> Response {
    Status::unavailable(format!("this node is starting: {}", node.startup.state())).into_http::<Body>()
}
