//! Settings that are allowed and most likely a mistake. Never refuses anything.
//!
//! Called by `main` for `--check`, and by `run` at each start.

#[cfg(test)]
mod tests;

use std::{
    collections::HashSet,
    fmt,
    net::{IpAddr, SocketAddr},
};

use chassis::{
    private::exposed_key,
    tls::{TlsError, check_dates},
};

use super::{Config, HttpPort, address};

/// A setting that is most likely a mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The key, as in `cluster.nodes.0.peer`.
    pub key: String,
    /// The odd setting, and advice.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "key {}: {}", self.key, self.message)
    }
}

impl Config {
    /// Settings that deserve a look though the node starts with them.
    pub fn warnings(&self) -> Vec<Warning> {
        let own = [self.own_peer_entry(), self.own_control_entry()];
        let files = self.backup_place().into_iter().chain(self.https_dates()).chain(self.exposed_keys());
        let own = own.into_iter().flatten().chain(files);
        self.plain_peers().into_iter().chain(own).chain(self.access_warnings()).collect()
    }

    /// Warns of a backup directory that is absent or no directory.
    fn backup_place(&self) -> Option<Warning> {
        let directory = &self.backup.directory;
        let wanted = self.backup.every().is_some() && !directory.as_os_str().is_empty() && !directory.is_dir();
        wanted.then(|| Warning {
            key: "backup.directory".to_owned(),
            message: format!("{} is no directory: no backup is made before it is one", directory.display()),
        })
    }

    /// Clients judge the dates of the certificate, so a wrong date does not stop the node.
    fn https_dates(&self) -> Vec<Warning> {
        let ports = self.proxy().map(|proxy| proxy.ports()).unwrap_or_default();
        let dated = |(prefix, port): (String, HttpPort)| {
            let fault = check_dates(port.tls_certificate.as_deref()?).err()?;
            let dated = matches!(fault, TlsError::Expired { .. } | TlsError::NotYetValid { .. });
            dated.then(|| Warning {
                key: format!("http_proxy.{prefix}tls_certificate"),
                message: format!("{fault}; clients refuse it"),
            })
        };
        ports.into_iter().filter_map(dated).collect()
    }

    /// Warns once of each private key that other users of this machine can read.
    fn exposed_keys(&self) -> Vec<Warning> {
        let own = [("peer.tls", &self.peer.tls), ("control.tls", &self.control.tls), ("admin.tls", &self.admin.tls)];
        let own = own.into_iter().filter_map(|(key, tls)| Some((key.to_owned(), tls.as_ref()?.key.clone())));
        let ports = self.proxy().map(|proxy| proxy.ports()).unwrap_or_default().into_iter();
        let https = ports.filter_map(|(prefix, port)| Some((format!("http_proxy.{prefix}tls_key"), port.tls_key?)));
        let mut seen = HashSet::new();
        let first = own.chain(https).filter(|(_, file)| seen.insert(file.clone()));
        first.filter_map(|(key, file)| Some(Warning { key, message: exposed_key(&file)? })).collect()
    }

    fn plain_peers(&self) -> Option<Warning> {
        let message =
            "peers speak without peer.tls and peer.secret_file: every user of this machine can speak in a node's name";
        self.peers_are_plain().then(|| Warning { key: "peer.tls".to_owned(), message: message.to_owned() })
    }

    /// The other nodes dial this node's own entry: a listener elsewhere is reached only where a network forwards to it.
    fn own_peer_entry(&self) -> Option<Warning> {
        let place = self.own_place()?;
        let (entry, listen) = (&self.cluster.nodes[place].peer, self.peer.listen);
        let why = mismatch(entry, listen)?;
        Some(Warning {
            key: format!("cluster.nodes.{place}.peer"),
            message: format!(
                "the other nodes reach this node at {entry}, but peer.listen is {listen}: {why}, so the group waits for this node \
                 unless something forwards there; correct one of the two"
            ),
        })
    }

    /// `ocsctl` takes a node's name from this entry, and shows it as the node's address.
    fn own_control_entry(&self) -> Option<Warning> {
        let place = self.own_place()?;
        let (entry, listen) = (self.cluster.nodes[place].control.as_ref()?, self.control.listen);
        let why = mismatch(entry, listen)?;
        Some(Warning {
            key: format!("cluster.nodes.{place}.control"),
            message: format!(
                "operators are told to reach this node at {entry}, but control.listen is {listen}: {why}; correct one of the two"
            ),
        })
    }

    fn own_place(&self) -> Option<usize> {
        self.cluster.nodes.iter().position(|member| member.name == self.node.name)
    }
}

/// How an entry differs from the listener's address; none: the entry leads to the listener, or is no address.
fn mismatch(entry: &str, listen: SocketAddr) -> Option<&'static str> {
    let (host, port) = address::split(entry)?;
    if port != listen.port() {
        Some("the ports differ")
    } else if !reaches(host, listen.ip()) {
        Some("the addresses differ")
    } else {
        None
    }
}

/// Whether a caller of this host can reach a listener of this address. A host name may be any address but loopback's.
fn reaches(host: &str, listen: IpAddr) -> bool {
    if listen.is_unspecified() {
        return true;
    }
    if host.eq_ignore_ascii_case("localhost") {
        return listen.is_loopback();
    }
    host.parse::<IpAddr>().map_or(!listen.is_loopback(), |host| host == listen)
}
