//! Settings that are allowed and most likely not meant. Never refuses anything.
//!
//! Called by `main` for `--check`, and by `run` at each start.

use std::{fmt, net::IpAddr};

use super::{Config, address};

/// One thing that is most likely not meant.
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
        self.plain_peers().into_iter().chain(self.own_entry()).collect()
    }

    fn plain_peers(&self) -> Option<Warning> {
        let message =
            "peers speak without peer.tls and peer.secret_file: every user of this machine can speak in a node's name";
        self.peers_are_plain().then(|| Warning { key: "peer.tls".to_owned(), message: message.to_owned() })
    }

    /// The other nodes dial this node's own entry: a listener elsewhere is reached only where a network forwards to it.
    fn own_entry(&self) -> Option<Warning> {
        let place = self.cluster.nodes.iter().position(|member| member.name == self.node.name)?;
        let (entry, listen) = (&self.cluster.nodes[place].peer, self.peer.listen);
        let (host, port) = address::split(entry)?;
        let why = if port != listen.port() {
            "the ports differ"
        } else if !reaches(host, listen.ip()) {
            "the addresses differ"
        } else {
            return None;
        };
        Some(Warning {
            key: format!("cluster.nodes.{place}.peer"),
            message: format!(
                "the other nodes reach this node at {entry}, but peer.listen is {listen}: {why}, so the group waits for this node \
                 unless something forwards there; correct one of the two"
            ),
        })
    }
}

/// Whether a caller of this host can come out at a listener of this address. A host name may be any address but loopback's.
fn reaches(host: &str, listen: IpAddr) -> bool {
    if listen.is_unspecified() {
        return true;
    }
    if host.eq_ignore_ascii_case("localhost") {
        return listen.is_loopback();
    }
    host.parse::<IpAddr>().map_or(!listen.is_loopback(), |host| host == listen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Member, MemberRole};

    fn warned(peer: &str, listen: &str) -> Vec<String> {
        let mut config = Config::default();
        config.node.name = "b".into();
        let member = |name: &str, peer: &str| Member {
            name: name.into(),
            role: MemberRole::Data,
            peer: peer.into(),
            control: None,
        };
        config.cluster.nodes = vec![member("a", "10.0.0.1:7301"), member("b", peer)];
        config.peer.listen = listen.parse().unwrap();
        config.peer.secret_file = Some("secret".into());
        config.warnings().iter().map(Warning::to_string).collect()
    }

    #[test]
    fn an_own_entry_that_leads_to_the_listener_is_no_matter() {
        for (peer, listen) in [
            ("10.0.0.2:7301", "10.0.0.2:7301"),
            ("10.0.0.2:7301", "0.0.0.0:7301"),
            ("node-b.example:7301", "10.0.0.2:7301"),
            ("localhost:7301", "127.0.0.1:7301"),
            ("[::1]:7301", "[::1]:7301"),
        ] {
            assert_eq!(warned(peer, listen), Vec::<String>::new(), "{peer} {listen}");
        }
    }

    #[test]
    fn an_own_entry_that_leads_elsewhere_is_named() {
        for (peer, listen, why) in [
            ("10.0.0.2:7301", "0.0.0.0:7302", "the ports differ"),
            ("10.0.0.2:7301", "127.0.0.1:7301", "the addresses differ"),
            ("10.0.0.2:7301", "10.0.0.3:7301", "the addresses differ"),
            ("node-b.example:7301", "127.0.0.1:7301", "the addresses differ"),
            ("localhost:7301", "10.0.0.2:7301", "the addresses differ"),
        ] {
            let warned = warned(peer, listen);
            assert_eq!(warned.len(), 1, "{peer} {listen}");
            for part in ["key cluster.nodes.1.peer", peer, listen, why] {
                assert!(warned[0].contains(part), "{part}: {}", warned[0]);
            }
        }
    }

    #[test]
    fn peers_without_any_proof_are_warned_of() {
        let warned = Config::default().warnings();
        assert!(warned.len() == 1 && warned[0].message.contains("peer.secret_file"), "{warned:?}");
    }
}
