//! The link between HTTP Proxy and its node: length-delimited protobuf frames on a Unix socket pair.
//!
//! [`codec`] and [`stream`] are shared by both ends; [`client`] is HTTP Proxy's end. Never sends a request twice.

pub(crate) mod client;
pub mod codec;
pub mod stream;
mod version;

pub use codec::{FRAME_BYTES_MAX, FrameReader, FrameWriter, LinkError, write_batches};
pub use version::{LINK_VERSIONS, LINK_WITH_ECHO, LINK_WITH_LISTENERS, LinkVersions};
