//! Settings that are allowed and most likely a mistake. Never refuses anything.
//!
//! Called by `main` for `--check`, and by `run` at each start.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use chassis::tls::{TlsError, check_dates};

use super::{Config, address};

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
        let files = [self.backup_place(), self.https_dates()];
        self.plain_peers().into_iter().chain(own.into_iter().flatten()).chain(files.into_iter().flatten()).collect()
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
    fn https_dates(&self) -> Option<Warning> {
        let fault = check_dates(self.proxy()?.tls_certificate.as_deref()?).err()?;
        let dated = matches!(fault, TlsError::Expired { .. } | TlsError::NotYetValid { .. });
        dated.then(|| Warning {
            key: "http_proxy.tls_certificate".to_owned(),
            message: format!("{fault}; clients refuse it"),
        })
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

    /// The warnings of a configuration whose peers have a secret.
    fn with(change: impl FnOnce(&mut Config)) -> Vec<String> {
        let mut config = Config::default();
        config.peer.secret_file = Some("secret".into());
        change(&mut config);
        config.warnings().iter().map(Warning::to_string).collect()
    }

    #[test]
    fn an_own_control_entry_that_leads_elsewhere_is_named() {
        let entry = |control: &str| {
            with(|config| {
                config.node.name = "a".into();
                config.control.listen = "127.0.0.1:7401".parse().unwrap();
                let (peer, control) = (config.peer.listen.to_string(), Some(control.to_owned()));
                config.cluster.nodes = vec![Member { name: "a".into(), role: MemberRole::Data, peer, control }];
            })
        };
        assert_eq!(entry("127.0.0.1:7401"), Vec::<String>::new());
        let warned = entry("127.0.0.1:7402");
        assert!(warned.len() == 1 && warned[0].starts_with("key cluster.nodes.0.control: "), "{warned:?}");
        assert!(
            warned[0].contains("127.0.0.1:7402, but control.listen is 127.0.0.1:7401: the ports differ"),
            "{warned:?}"
        );
    }

    #[test]
    fn a_directory_for_scheduled_backups_that_is_not_there_is_named() {
        let home = tempfile::tempdir().unwrap();
        let at = |directory: std::path::PathBuf, every: &str| {
            with(|config| (config.backup.directory, config.backup.every) = (directory, every.into()))
        };
        assert_eq!(at(home.path().to_owned(), "24h"), Vec::<String>::new());
        assert_eq!(at(home.path().join("none"), ""), Vec::<String>::new(), "no backup is made by itself");
        let warned = at(home.path().join("none"), "24h");
        assert!(warned.len() == 1 && warned[0].contains("none is no directory"), "{warned:?}");
    }

    #[test]
    fn an_https_certificate_that_has_expired_is_named_with_its_date() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("https.pem");
        let mut params = rcgen::CertificateParams::new(vec!["a".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (rcgen::date_time_ymd(2001, 1, 1), rcgen::date_time_ymd(2002, 2, 3));
        let key = rcgen::KeyPair::generate().unwrap();
        std::fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        let warned = with(|config| {
            config.node.name = "a".into();
            let peer = config.peer.listen.to_string();
            config.cluster.nodes = vec![Member { name: "a".into(), role: MemberRole::Data, peer, control: None }];
            config.http_proxy.tls_certificate = Some(file);
        });
        assert!(warned.len() == 1 && warned[0].starts_with("key http_proxy.tls_certificate: "), "{warned:?}");
        assert!(warned[0].contains("expired at 2002-02-03"), "{warned:?}");
    }

    #[test]
    fn peers_without_any_proof_are_warned_of() {
        let warned = Config::default().warnings();
        assert!(warned.len() == 1 && warned[0].message.contains("peer.secret_file"), "{warned:?}");
    }
}
