//! The ports for operators and monitoring, open from the beginning: until the parts run, the ports tell why the start waits.
//!
//! Never decides an answer. Called by `run`.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Instant,
};

use chassis::{descriptors, notify, tasks::Tasks};
use entrance::{Entrance, Limits, Protocol, Refusals};
use node_config::Config;
use tokio::net::TcpListener;

use super::{RunError, open, roster};
use crate::{
    admin::{self, Admin},
    certificates::Certificates,
    control::{About, ControlApi, ControlPort, StartingNode},
    metrics::Metrics,
    startup::{LateRoutes, Startup},
};

/// The first and the last state of a start.
pub(super) const OPENING: &str = "opening log and state";
/// The state of a start that waits for the group to take this node in.
pub(super) const JOINING: &str = "waiting to join";

/// Open ports of a node that starts.
pub(super) struct Ports {
    /// The state that the ports tell for now.
    pub(super) startup: Startup,
    /// Facts that stay while the process runs.
    pub(super) about: Arc<About>,
    /// The certificates of this node.
    pub(super) certificates: Certificates,
    control: ControlPort,
    admin: LateRoutes,
    /// None: this node has no health port.
    health: Option<LateRoutes>,
    refusals: Vec<(&'static str, Arc<Refusals>)>,
}

impl Ports {
    /// Binds the ports and answers. The supervisor hears that the process is ready for requests.
    pub(super) async fn open(config: &Config, certificates: Certificates, tasks: &Tasks) -> Result<Self, RunError> {
        let control = listen("control", config.control.listen)?;
        let admin = listen("admin", config.admin.listen)?;
        let health = config.health.listen.map(|address| listen("health", address)).transpose()?;
        let limits = Limits::fitting(descriptors::limits().soft);
        let startup = Startup::new(OPENING);
        let control_entrance = Entrance::new("control", Protocol::Grpc, limits);
        let first = LateRoutes::new(admin::starting_router(&config.node.name, &startup));
        let admin_entrance =
            Entrance::new("admin", Protocol::Http1, limits).answering_locally(admin::local_router(&first));
        let mut refusals = vec![("admin", admin_entrance.refusals()), ("control", control_entrance.refusals())];
        let about = Arc::new(About {
            cluster: config.cluster.id.clone(),
            started: Instant::now(),
            options: records::options_of(&open::rules(config)).to_vec(),
            advice: OnceLock::new(),
        });
        let (startup_told, about_told) = (startup.clone(), about.clone());
        let node =
            StartingNode { startup: startup_told, roster: roster(config), mode: config.mode(), about: about_told };
        admin_entrance.serve(admin, certificates.admin(), first.behind(axum::Router::new()), tasks);
        let health = health.map(|listener| {
            let routes = LateRoutes::new(admin::starting_health_router(&config.node.name, &startup));
            let entrance = Entrance::new("health", Protocol::Http1, limits);
            refusals.push(("health", entrance.refusals()));
            entrance.serve(listener, None, routes.behind(axum::Router::new()), tasks);
            routes
        });
        let control = ControlPort::open(control_entrance, control, certificates.control(), node, tasks)
            .await
            .map_err(|source| RunError::Reflection(source.to_string()))?;
        notify::ready();
        notify::status(OPENING);
        Ok(Self { startup, about, certificates, control, admin: first, health, refusals })
    }

    /// Adds the refused connections and requests of the ports to the metrics.
    pub(super) fn count_refusals(&self, metrics: &Metrics) {
        self.refusals.iter().for_each(|(port, refusals)| metrics.count_refusals(port, refusals.clone()));
    }

    /// From now on the parts answer.
    pub(super) fn connect(self, control: ControlApi, admin: Admin, tasks: &Tasks) {
        self.control.connect(control, admin.health.clone(), tasks);
        if let Some(health) = self.health {
            health.connect(admin.clone().health_router());
        }
        self.admin.connect(admin.router());
        self.startup.say("running");
    }
}

fn listen(name: &'static str, address: SocketAddr) -> Result<TcpListener, RunError> {
    entrance::listen(address).map_err(|source| RunError::Listen { name, address, source })
}
