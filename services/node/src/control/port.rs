//! The control port from the first second on: health and reflection answer at once; until the parts run, the control API answers
//! why the start waits.
//!
//! Never answers a call by itself. Called by `run`.

use std::sync::Arc;

use chassis::{tasks::Tasks, tls::LiveCertificate};
use entrance::Entrance;
use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic_health::server::HealthReporter;

use super::{ControlApi, StartingNode, health};
use crate::{health::Health, startup::LateRoutes};

/// The open port of a node that starts.
pub(crate) struct ControlPort {
    control: LateRoutes,
    health: HealthReporter,
}

impl ControlPort {
    /// Serves on a bound listener until the process stops. TLS, where given, must offer `h2`.
    ///
    /// # Errors
    /// The descriptors of the services are not whole (a build that is broken).
    pub(crate) async fn open(
        entrance: Entrance,
        listener: TcpListener,
        tls: Option<Arc<LiveCertificate>>,
        node: StartingNode,
        tasks: &Tasks,
    ) -> Result<Self, tonic_reflection::server::Error> {
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(ocs_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .build_v1()?;
        let (reporter, service) = health::service().await;
        let control = LateRoutes::new(node.router());
        let always = Routes::new(service).add_service(reflection).prepare().into_axum_router();
        entrance.serve(listener, tls, control.behind(always), tasks);
        Ok(Self { control, health: reporter })
    }

    /// From now on the parts answer.
    pub(crate) fn connect(self, api: ControlApi, checks: Health, tasks: &Tasks) {
        health::follow(self.health, checks, api.sources.role.watch(), tasks);
        self.control.connect(api.router(tasks));
    }
}
