//! The configuration of a test's group: an address of its own on loopback, certificates, small files, short pauses. Called by
//! `cluster`.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::net::Net;

/// The nodes, in the order that gives them their numbers; the last is the witness.
pub const NODES: [&str; 3] = ["a", "b", "w"];

/// The place of a test's group.
#[derive(Debug, Clone)]
pub struct Settings {
    /// An address of loopback that no other group has, so that every port is free.
    pub ip: String,
    /// Certificates, configuration, data, logs.
    pub dir: PathBuf,
    /// The network of the group's nodes, each under its own address.
    pub net: Option<Net>,
}

impl Settings {
    /// For a group below `dir`.
    pub(crate) fn new(dir: &Path, net: Option<Net>) -> Self {
        static GROUPS: AtomicU32 = AtomicU32::new(1);
        let (pid, group) = (process::id(), GROUPS.fetch_add(1, Ordering::Relaxed));
        let ip = format!("127.{}.{}.{}", 1 + pid / 250 % 250, 1 + pid % 250, 1 + group % 250);
        Self { ip, dir: dir.to_owned(), net }
    }

    /// A node's address for a purpose: `peer`, `control`, `admin` or `http`.
    pub fn address(&self, node: &str, purpose: &str) -> String {
        let base = match purpose {
            "peer" => 7301,
            "control" => 7401,
            "admin" => 7501,
            "http" => 8080,
            other => panic!("no node listens for {other}"),
        };
        let number = NODES.iter().position(|name| *name == node).expect("a, b or w");
        let host = self.net.as_ref().map_or_else(|| self.ip.clone(), |net| net.address(node));
        format!("{host}:{}", base + number)
    }

    /// A node's configuration file.
    pub fn config(&self, node: &str) -> PathBuf {
        self.dir.join(format!("{node}.toml"))
    }

    /// A node's data directory.
    pub fn data(&self, node: &str) -> PathBuf {
        self.dir.join("data").join(node)
    }

    /// A node's log.
    pub fn log(&self, node: &str) -> PathBuf {
        self.dir.join(format!("{node}.log"))
    }

    /// The directory of the certificates.
    pub fn certs(&self) -> PathBuf {
        self.dir.join("certs")
    }

    pub(crate) fn write_config(&self, node: &str) {
        fs::write(self.config(node), self.text(node)).expect("a temporary file can be written");
    }

    fn text(&self, node: &str) -> String {
        let mut members = String::new();
        for name in NODES {
            let role = if name == "w" { "witness" } else { "data" };
            let (peer, control) = (self.address(name, "peer"), self.address(name, "control"));
            writeln!(
                members,
                "  {{ name = \"{name}\", role = \"{role}\", peer = \"{peer}\", control = \"{control}\" }},"
            )
            .expect("a String takes every line");
        }
        let (data, certs) = (self.data(node), self.certs());
        let address = |purpose| self.address(node, purpose);
        format!(
            r#"[node]
name = "{node}"
data_dir = "{data}"
disk_reserve_bytes = 1048576

[cluster]
id = "test"
nodes = [
{members}]

[peer]
listen = "{peer}"
tls = {{ ca = "{certs}/ca.pem", certificate = "{certs}/{node}.pem", key = "{certs}/{node}.key" }}

[control]
listen = "{control}"

[admin]
listen = "{admin}"

[http_proxy]
listen = "{http}"
drain_timeout_ms = 3000
reconnect_timeout_ms = 200

[log]
segment_bytes = 4194304

[limits]
drain_timeout_ms = 5000
"#,
            data = data.display(),
            certs = certs.display(),
            peer = address("peer"),
            control = address("control"),
            admin = address("admin"),
            http = address("http"),
        )
    }
}
