//! An update on its way: its request id, its body as bytes, and its deadline.
//!
//! The node that reads a request gives the id, once, for all attempts (R7 unknown-is-not-failed). Never knows an engine.

use std::sync::atomic::{AtomicU64, Ordering};

use outbound::{Origin, RULES_WITH_SETTINGS, Reply, RequestId};
use tokio::time::Instant;

use crate::EncodedBody;

/// An update on its way, with an id that is unique for ever.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The id of every attempt.
    pub id: RequestId,
    /// The entrance through which the request came.
    pub origin: Origin,
    /// The body; names tenant and principal.
    pub body: EncodedBody,
    /// The end of the wait for a reply.
    pub deadline: Instant,
}

impl Submission {
    /// Puts a submission together.
    ///
    /// # Errors
    /// LIMIT, if its command would be larger than a command may be.
    pub fn new(id: RequestId, origin: Origin, body: EncodedBody, deadline: Instant) -> Result<Self, Reply> {
        body.check_size()?;
        Ok(Self { id, origin, body, deadline })
    }
}

/// Gives request ids: each once, for ever (R7 unknown-is-not-failed).
#[derive(Debug)]
pub struct RequestIds {
    node: u32,
    incarnation: u64,
    token: u128,
    last: AtomicU64,
}

impl RequestIds {
    /// `incarnation` counts the starts of this node's process and never repeats, unless an older copy of the disk is put back;
    /// `token` is the start's own, random and not 0.
    pub fn new(node: u32, incarnation: u64, token: u128) -> Self {
        Self { node, incarnation, token, last: AtomicU64::new(0) }
    }

    /// An id for a group that decides by this version: an older release never sees a token.
    pub fn give(&self, rules_version: u32) -> RequestId {
        let counter = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let token = if rules_version < RULES_WITH_SETTINGS { 0 } else { self.token };
        RequestId { node: self.node, incarnation: self.incarnation, token, counter }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_carry_the_token_of_the_start_once_the_group_decides_by_rules_that_know_it() {
        const TOKEN: u128 = 7 << 64;
        for (rules_version, token) in [(1, 0), (2, TOKEN)] {
            let ids = RequestIds::new(1, 1, TOKEN);
            assert_eq!([ids.give(rules_version).token, ids.give(rules_version).token], [token; 2]);
            assert_eq!(ids.give(rules_version).counter, 3);
        }
    }
}
