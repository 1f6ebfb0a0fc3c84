//! The stored form of replies: the bytes of a reply in the rows that remember requests, keys and import batches.
//!
//! Called by the memories of `once` and by imports.

use outbound::{Refusal, RefusalCode, Reply, wire};
use prost::Message;

/// The stored form of a reply.
pub(crate) fn encode(reply: &Reply) -> Vec<u8> {
    wire::reply_to_wire(reply).encode_to_vec()
}

/// A stored reply; a reply unreadable to this release has an unknown outcome.
pub(crate) fn decode(bytes: &[u8]) -> Reply {
    let reply = Message::decode(bytes).ok().and_then(|reply| wire::reply_from_wire(reply).ok());
    reply.unwrap_or_else(unknown)
}

/// The answer to a request that may have been applied long ago.
pub(crate) fn unknown() -> Reply {
    Reply::refused(Refusal::new(
        RefusalCode::OutcomeUnknown,
        "The request was sent again too late to know whether it was applied",
    ))
}
