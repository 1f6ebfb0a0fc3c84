//! The part of a key that says whose idempotency key or replay window a row is.

use super::bytes::{KeyBytes, KeyParts};

/// The owner of idempotency keys and of a replay window (spec 6, Exactly once).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Scope {
    /// At most 255 bytes; empty: the default tenant.
    pub tenant: String,
    /// At most 255 bytes; empty: not authenticated.
    pub principal: String,
}

impl Scope {
    pub(super) fn encode(&self, bytes: KeyBytes) -> KeyBytes {
        bytes.text(self.tenant.as_bytes()).text(self.principal.as_bytes())
    }

    pub(super) fn decode(parts: &mut KeyParts<'_>) -> Option<Self> {
        Some(Self { tenant: parts.string()?, principal: parts.string()? })
    }
}
