//! Why a node does not start or does not go on, and the exit code for that. One line each.

use std::{io, net::SocketAddr, path::PathBuf};

use chassis::{exit, tls::TlsError};
use consensus::force::ForceError;
use data_dir::DataDirError;
use node_config::Problem;
use pair::machine::UnknownRules;
use peers::{BootstrapError, PeersError, SecretError};
use raft_log::LogError;
use store::StoreError;

use super::access::Denied;
use crate::versions;

/// Why the node ends.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration does not name this node.
    #[error("node.name {0:?} is none of cluster.nodes")]
    Unnamed(String),
    /// A certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The secret of the group cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A port cannot be bound.
    #[error("cannot listen for {name} on {address}: {source}; free the port or change {name}.listen")]
    Listen {
        /// The port's name.
        name: &'static str,
        /// The configured address.
        address: SocketAddr,
        /// The reason.
        source: io::Error,
    },
    /// The peers' port, or the certificate for it.
    #[error(transparent)]
    Peers(#[from] PeersError),
    /// This process may not use the data directory.
    #[error(transparent)]
    Denied(#[from] Box<Denied>),
    /// The data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The group was not formed.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The state.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The state needs room to open, and the disk has none.
    #[error("the disk is full and the state does not open ({source}): make room in {} and start this node again", directory.display())]
    FullDisk {
        /// The data directory.
        directory: PathBuf,
        /// The step that failed.
        source: StoreError,
    },
    /// The group decides by rules that this release does not know.
    #[error(transparent)]
    Rules(#[from] UnknownRules),
    /// An operator's order that this node lead alone cannot be executed.
    #[error("the order to lead alone cannot be executed: {0}")]
    Force(#[from] ForceError),
    /// The group uses versions that this release does not know.
    #[error(
        "the group writes formats {formats} and decides by rules {rules}; this release {} knows formats up to {} and rules up to {}: install \
         release {release} or a newer one on this node",
        env!("CARGO_PKG_VERSION"), versions::NEWEST.formats, versions::NEWEST.rules
    )]
    Versions {
        /// The group's formats.
        formats: u32,
        /// The group's rules.
        rules: u32,
        /// The release that raised them.
        release: String,
    },
    /// The system.
    #[error("cannot {doing}: {source}")]
    Io {
        /// The failed step.
        doing: &'static str,
        /// The reason.
        source: io::Error,
    },
    /// The group that has taken this node in was formed by a release with credentials, and this node opens a port to everybody.
    #[error("{0}")]
    OpenDoor(Problem),
    /// A broken build.
    #[error("the descriptors of the control API are not whole: {0}")]
    Reflection(String),
    /// A part without which the node cannot go on has ended; the part's own line says why.
    #[error("fatal error, see above; shutting down")]
    PartFailed,
}

impl RunError {
    /// The exit code: 75 where the cause passes by itself, 2 where an operator must fix the cause, 74 where the disk is at fault,
    /// else 1.
    pub fn exit_code(&self) -> u8 {
        if self.passes() {
            return exit::TEMPORARY;
        }
        match self {
            Self::Unnamed(_)
            | Self::Tls(_)
            | Self::Secret(_)
            | Self::Bootstrap(_)
            | Self::Denied(_)
            | Self::Versions { .. }
            | Self::OpenDoor(_)
            | Self::Log(LogError::ForeignCluster { .. } | LogError::ForeignNode { .. })
            | Self::Store(StoreError::ForeignCluster { .. } | StoreError::ForeignNode { .. })
            | Self::Rules(_) => exit::USAGE,
            Self::DataDir(DataDirError::Io { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied => {
                exit::USAGE
            }
            Self::DataDir(DataDirError::Io { .. })
            | Self::Log(_)
            | Self::Store(_)
            | Self::FullDisk { .. }
            | Self::Force(_) => exit::IO,
            Self::DataDir(_) => exit::USAGE,
            Self::Listen { .. } | Self::Peers(_) | Self::Io { .. } | Self::Reflection(_) | Self::PartFailed => {
                exit::FAILED
            }
        }
    }

    /// A certificate becomes valid, or a tool writes or renews its files, and a process that is just ending gives back its lock and its ports.
    fn passes(&self) -> bool {
        match self {
            Self::Tls(error) => error.passes(),
            Self::DataDir(DataDirError::Locked { .. }) => true,
            Self::Listen { source, .. } | Self::Peers(PeersError::Bind { source, .. }) => {
                matches!(source.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_by_itself_is_told_from_what_a_person_must_mend() {
        let path = PathBuf::from("d");
        let listen = |kind: io::ErrorKind| {
            let address = SocketAddr::from(([127, 0, 0, 1], 1));
            RunError::Listen { name: "admin", address, source: kind.into() }
        };
        let young = TlsError::NotYetValid { file: path.clone(), from: "2030-01-01".into() };
        let over = TlsError::Expired { file: path.clone(), since: "2020-01-01".into() };
        let foreign = TlsError::OtherCa { file: path.clone(), ca: path.clone() };
        let locked = DataDirError::Locked { path: path.clone(), holder: String::new() };
        let io = |kind: io::ErrorKind| DataDirError::Io { doing: "open", path: path.clone(), source: kind.into() };
        let peers =
            PeersError::Bind { listen: SocketAddr::from(([127, 0, 0, 1], 1)), source: io::ErrorKind::AddrInUse.into() };
        let door = Problem { key: "http_proxy.auth".into(), message: "no".into(), passes: false };
        for (error, code) in [
            (RunError::Tls(young), exit::TEMPORARY),
            (RunError::Tls(over), exit::TEMPORARY),
            (RunError::Tls(TlsError::Unreadable { file: path.clone(), reason: "not there".into() }), exit::TEMPORARY),
            (RunError::Tls(TlsError::KeyMismatch { key: path.clone(), certificate: path.clone() }), exit::TEMPORARY),
            (RunError::Tls(foreign), exit::USAGE),
            (RunError::DataDir(locked), exit::TEMPORARY),
            (RunError::DataDir(DataDirError::Restoring { path: path.clone() }), exit::USAGE),
            (RunError::DataDir(io(io::ErrorKind::PermissionDenied)), exit::USAGE),
            (RunError::DataDir(io(io::ErrorKind::Other)), exit::IO),
            (RunError::Log(LogError::ForeignNode { file: "0.log".into(), found: 2, expected: 1 }), exit::USAGE),
            (RunError::Peers(peers), exit::TEMPORARY),
            (RunError::OpenDoor(door), exit::USAGE),
            (listen(io::ErrorKind::AddrInUse), exit::TEMPORARY),
            (listen(io::ErrorKind::PermissionDenied), exit::FAILED),
        ] {
            assert_eq!(error.exit_code(), code, "{error}");
        }
    }
}
