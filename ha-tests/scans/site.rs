//! A group at which strangers are let, and its state before and after: open ports, processes, memory.

use std::{
    net::TcpStream,
    time::{Duration, Instant},
};

use ocs_ha_tests::{
    Cluster, Release, program,
    strangers::{Port, ports, resident_bytes},
};

/// A process may grow by less than this.
const GROWTH_BYTES_MAX: u64 = 8 << 20;
const CONNECT: Duration = Duration::from_secs(5);
/// Memory that was freed goes back to the system within this time.
const SETTLES: Duration = Duration::from_secs(10);

/// A group whose node `b` speaks HTTPS, and what its processes were when the strangers came.
pub(crate) struct Site {
    cluster: Cluster,
    ports: Vec<Port>,
    /// Name, pid and resident bytes.
    processes: Vec<(String, u32, u64)>,
}

impl Site {
    /// Forms the group, and warms it up with a client that is in order.
    pub(crate) fn start() -> Self {
        let mut cluster = Cluster::prepare(&[]);
        let (certs, programs) = (cluster.settings().certs(), program("ocsd"));
        let programs = programs.parent().expect("a program lies in a directory").to_owned();
        let set = vec![
            format!("http_proxy.tls_certificate=\"{}/b.pem\"", certs.display()),
            format!("http_proxy.tls_key=\"{}/b.key\"", certs.display()),
        ];
        cluster.install("b", &Release { programs, set });
        cluster.form();
        cluster.create_list("demo");
        let mut client = cluster.http("a");
        for number in 0..2000 {
            let added = client.post("/lists/demo?req=AddRecord", &format!(r#"{{"GSW_PHONE":"+9995{number:07}"}}"#));
            assert_eq!(added.status, 200, "{added:?}");
        }
        let ports = ports(&cluster);
        let mut site = Self { cluster, ports, processes: Vec::new() };
        site.processes = site.processes_now();
        site
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    pub(crate) fn ports(&self) -> &[Port] {
        &self.ports
    }

    fn processes_now(&mut self) -> Vec<(String, u32, u64)> {
        let mut processes = Vec::new();
        for node in ["a", "b"] {
            let proxy = self.cluster.proxy_pid(node).expect("HTTP Proxy runs");
            for (name, pid) in
                [(node.to_owned(), self.cluster.node(node).pid()), (format!("{node}'s HTTP Proxy"), proxy)]
            {
                processes.push((name, pid, resident_bytes(pid)));
            }
        }
        processes
    }

    /// A line about the growth of each process.
    ///
    /// # Panics
    /// When a port does not serve, a process is another one, or has grown too much.
    pub(crate) fn unharmed(mut self) -> String {
        for (name, address) in &self.ports {
            assert!(TcpStream::connect_timeout(address, CONNECT).is_ok(), "{name} is closed");
        }
        assert_eq!(self.cluster.http("a").get("/livez").status, 200);
        assert_eq!(self.cluster.admin("a").get("/livez").status, 200);
        self.cluster.wait_back();
        let until = Instant::now() + SETTLES;
        while Instant::now() < until && self.grown().iter().any(|(_, growth)| *growth >= GROWTH_BYTES_MAX) {
            std::thread::sleep(SETTLES / 20);
        }
        let mut lines = Vec::new();
        for (name, growth) in self.grown() {
            assert!(growth < GROWTH_BYTES_MAX, "{name} has grown by {growth} bytes");
            lines.push(format!("{name} +{} KiB", growth >> 10));
        }
        lines.join(", ")
    }

    /// The growth of each process since the beginning, bytes.
    ///
    /// # Panics
    /// When a process is another one.
    fn grown(&mut self) -> Vec<(String, u64)> {
        let now = self.processes_now();
        let pairs = self.processes.iter().zip(now);
        let growth = |((name, pid, before), (_, now, bytes)): (&(String, u32, u64), (String, u32, u64))| {
            assert_eq!(*pid, now, "{name} was restarted");
            (name.clone(), bytes.saturating_sub(*before))
        };
        pairs.map(growth).collect()
    }
}
