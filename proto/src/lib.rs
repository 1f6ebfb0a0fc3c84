//! The wire: messages between processes, generated from the `.proto` files beside this crate.
//!
//! Never contains logic. Called by every crate that communicates with another process.

#![allow(missing_docs, clippy::all, unreachable_pub)] // generated code: the .proto files carry the documentation

/// Modules nested like the packages, because generated code names its neighbours by relative path.
mod ocs {
    pub mod outbound {
        pub mod v1 {
            tonic::include_proto!("ocs.outbound.v1");
        }
    }
    pub mod link {
        pub mod v1 {
            tonic::include_proto!("ocs.link.v1");
        }
    }
    pub mod peer {
        pub mod v1 {
            tonic::include_proto!("ocs.peer.v1");
        }
    }
    pub mod v1 {
        tonic::include_proto!("ocs.v1");
    }
}

/// The link between HTTP Proxy and its node.
pub use ocs::link::v1 as link;
/// The outbound protocols: requests, commands, replies.
pub use ocs::outbound::v1 as outbound;
/// The messages between nodes.
pub use ocs::peer::v1 as peer;
/// The control API, `ocs.v1`.
pub use ocs::v1 as control;

/// The encoded descriptor set, for server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
