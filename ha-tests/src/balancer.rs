//! A real load balancer in front of a group: Debian's HAProxy or nginx with the shipped configuration, changed in its addresses and
//! files only. The configuration alone routes requests. Called by tests and by the drill `upgrade`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    cluster::Cluster,
    http::Client,
    load::Target,
    poll::until,
    process::{Process, command},
};

/// Path of the program in Debian and others.
const HAPROXY: &str = "/usr/sbin/haproxy";
const NGINX: &str = "/usr/sbin/nginx";
/// One process, which ends with its owner.
const NGINX_ALONE: &str = "daemon off; master_process off;";
/// Directories of nginx, below the group's.
const NGINX_FILES: &str = "client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; \
                           uwsgi_temp_path uwsgi; scgi_temp_path scgi;";
/// Port of the shipped configuration.
const PORT: u16 = 8000;

/// A running balancer. Its process ends with the value.
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
        let file = configuration(cluster, "haproxy.cfg", &[]);
        let mut haproxy: Command = command(Path::new(HAPROXY));
        haproxy.arg("-db").arg("-f").arg(file);
        Self::forwarding(cluster, "haproxy.log", &mut haproxy)
    }

    /// The reason for which nginx does not run on this machine; none: nginx is installed.
    pub fn missing_nginx() -> Option<String> {
        (!Path::new(NGINX).exists()).then(|| format!("{NGINX} is not installed (apt-get install nginx-light)"))
    }

    /// The same as [`Balancer::start`] with nginx.
    ///
    /// # Panics
    /// When no request comes through.
    pub fn start_nginx(cluster: &Cluster) -> Self {
        let files = format!("http {{ {NGINX_FILES}");
        let changes = [("pid /run/ocs-nginx.pid", "pid nginx.pid"), ("http {", files.as_str())];
        let file = configuration(cluster, "nginx.conf", &changes);
        let mut nginx: Command = command(Path::new(NGINX));
        nginx.args(["-g", NGINX_ALONE, "-p"]).arg(cluster.path("")).arg("-c").arg(file);
        Self::forwarding(cluster, "nginx.log", &mut nginx)
    }

    /// Starts a balancer, and waits until a request comes through.
    fn forwarding(cluster: &Cluster, log: &str, balancer: &mut Command) -> Self {
        let process = Process::start(Self::NAME, balancer, &cluster.path(log));
        let balancer = Self { address: format!("{}:{PORT}", cluster.settings().ip), _process: process };
        let forwards = || Client::new(&balancer.address).send("GET", "/livez", &[], "").is_ok_and(|a| a.status == 200);
        until("the balancer forwards", forwards);
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

/// Writes a shipped configuration for the group's address, with these texts replaced.
fn configuration(cluster: &Cluster, name: &str, changes: &[(&str, &str)]) -> PathBuf {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("deploy").join(name);
    let shipped = fs::read_to_string(shipped).unwrap_or_else(|error| panic!("deploy/{name} is shipped: {error}"));
    let text = shipped.replace("127.0.0.1", &cluster.settings().ip);
    let text = changes.iter().fold(text, |text, (from, to)| text.replace(from, to));
    let file = cluster.path(name);
    fs::write(&file, text).expect("a temporary file can be written");
    file
}
