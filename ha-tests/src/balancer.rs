//! A real load balancer in front of a group: Debian's HAProxy with the shipped configuration, changed in its addresses only.
//! The configuration alone routes requests. Called by tests and by the drill `upgrade`.

use std::{fs, path::Path, process::Command};

use crate::{
    cluster::Cluster,
    http::Client,
    load::Target,
    poll::until,
    process::{Process, command},
};

/// Path of the program in Debian and others.
const HAPROXY: &str = "/usr/sbin/haproxy";
/// Port of the shipped configuration.
const PORT: u16 = 8000;

/// A running HAProxy. Its process ends with the value.
#[derive(Debug)]
pub struct Balancer {
    address: String,
    _process: Process,
}

impl Balancer {
    /// The balancer's name in histories and reports, beside the nodes' names.
    pub const NAME: &'static str = "haproxy";

    /// The reason for which no balancer runs on this machine; none: HAProxy is installed.
    pub fn missing() -> Option<String> {
        (!Path::new(HAPROXY).exists()).then(|| format!("{HAPROXY} is not installed (apt-get install haproxy)"))
    }

    /// Starts HAProxy in front of both HTTP Proxies, and waits until a request comes through.
    ///
    /// # Panics
    /// When no request comes through.
    pub fn start(cluster: &Cluster) -> Self {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("deploy/haproxy.cfg");
        let shipped = fs::read_to_string(shipped).expect("deploy/haproxy.cfg is shipped");
        let (ip, file) = (&cluster.settings().ip, cluster.path("haproxy.cfg"));
        fs::write(&file, shipped.replace("127.0.0.1", ip)).expect("a temporary file can be written");
        let mut haproxy: Command = command(Path::new(HAPROXY));
        haproxy.arg("-db").arg("-f").arg(file);
        let process = Process::start(Self::NAME, &mut haproxy, &cluster.path("haproxy.log"));
        let balancer = Self { address: format!("{ip}:{PORT}"), _process: process };
        let forwards = || Client::new(&balancer.address).send("GET", "/livez", &[], "").is_ok_and(|a| a.status == 200);
        until("HAProxy forwards", forwards);
        balancer
    }

    /// host:port for clients.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A target whose clients know no node.
    pub fn target(&self) -> Target {
        Target { home: Self::NAME.to_owned(), addresses: vec![self.address.clone()] }
    }
}
