//! The addresses of a sandbox: free ports of loopback, as the system gives them. Called by `sandbox`.

use std::{io, net::TcpListener};

use serde::{Deserialize, Serialize};

use super::{DATA_NODES, NODES};
use crate::failure::Failure;

const LOOPBACK: &str = "127.0.0.1";

/// The ports of all nodes, in the order of [`NODES`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Addresses {
    peer: Vec<u16>,
    control: Vec<u16>,
    admin: Vec<u16>,
    http: Vec<u16>,
}

/// A purpose of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Node to node.
    Peer,
    /// Operators.
    Control,
    /// Monitoring.
    Admin,
    /// Clients; not on the witness.
    Http,
}

impl Addresses {
    /// Ports that no program has now.
    pub(super) fn free() -> Result<Self, Failure> {
        let mut held = Vec::new(); // all at once: the system gives none of them twice
        Self::drawn(&mut held).map_err(|error| Failure::Refused(format!("no free port on {LOOPBACK}: {error}")))
    }

    fn drawn(held: &mut Vec<TcpListener>) -> io::Result<Self> {
        let mut ports = |count: usize| (0..count).map(|_| free_port(held)).collect::<io::Result<Vec<u16>>>();
        let nodes = NODES.len();
        Ok(Self { peer: ports(nodes)?, control: ports(nodes)?, admin: ports(nodes)?, http: ports(DATA_NODES)? })
    }

    /// Whether no program has one of these ports.
    pub(super) fn are_free(&self) -> bool {
        let mut ports = self.peer.iter().chain(&self.control).chain(&self.admin).chain(&self.http);
        ports.all(|port| TcpListener::bind((LOOPBACK, *port)).is_ok())
    }

    /// host:port of a node; none: the node has no such port.
    pub(super) fn of(&self, node: &str, purpose: Purpose) -> Option<String> {
        let place = NODES.iter().position(|name| *name == node)?;
        let ports = match purpose {
            Purpose::Peer => &self.peer,
            Purpose::Control => &self.control,
            Purpose::Admin => &self.admin,
            Purpose::Http => &self.http,
        };
        ports.get(place).map(|port| format!("{LOOPBACK}:{port}"))
    }

    /// The control addresses of all nodes.
    pub(super) fn endpoints(&self) -> Vec<String> {
        NODES.into_iter().filter_map(|node| self.of(node, Purpose::Control)).collect()
    }

    /// Base URLs of the HTTP front ends.
    pub(super) fn proxies(&self) -> Vec<String> {
        let url = |node| Some(format!("http://{}", self.of(node, Purpose::Http)?));
        NODES.into_iter().filter_map(url).collect()
    }
}

fn free_port(held: &mut Vec<TcpListener>) -> io::Result<u16> {
    let listener = TcpListener::bind((LOOPBACK, 0))?;
    let port = listener.local_addr()?.port();
    held.push(listener);
    Ok(port)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_node_has_ports_of_its_own_and_the_witness_none_for_clients() {
        let addresses = Addresses::free().unwrap();
        let purposes = [Purpose::Peer, Purpose::Control, Purpose::Admin, Purpose::Http];
        let all: Vec<String> =
            NODES.iter().flat_map(|node| purposes.map(|purpose| addresses.of(node, purpose))).flatten().collect();
        assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (11, 11));
        assert_eq!(addresses.of("w", Purpose::Http), None);
        assert_eq!((addresses.endpoints().len(), addresses.proxies().len()), (3, 2));
    }

    #[test]
    fn an_address_that_another_program_has_is_not_free() {
        let addresses = Addresses::free().unwrap();
        let taken = TcpListener::bind(addresses.endpoints()[0].as_str());
        assert!(!addresses.are_free());
        drop(taken);
    }
}
