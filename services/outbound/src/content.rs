//! The content of a request: what two requests must share to be the same (spec 6, "Exactly once").

use sha2::{Digest, Sha256};

use crate::{Request, Value};

/// SHA-256 of name, resource and sorted attributes, cut to 16 bytes.
pub type ContentHash = [u8; 16];

impl Request {
    /// The hash of this request's content. Tenant, principal and idempotency key are not part of it.
    pub fn content(&self) -> ContentHash {
        let mut hasher = Sha256::new();
        field(&mut hasher, self.verb.name().as_bytes());
        field(&mut hasher, self.resource.kind().word().as_bytes());
        field(&mut hasher, self.resource.identifier().as_bytes());
        for (key, value) in self.attributes.iter() {
            field(&mut hasher, key.as_bytes());
            match value {
                Value::Int(number) => field(&mut hasher, &[&[0], number.to_be_bytes().as_slice()].concat()),
                Value::Str(text) => field(&mut hasher, &[&[1], text.as_bytes()].concat()),
            }
        }
        cut(hasher)
    }

    /// The hash of this request's content under a name that somebody gave it.
    pub fn content_under(&self, name: &[u8]) -> ContentHash {
        let mut hasher = Sha256::new();
        field(&mut hasher, &self.content());
        field(&mut hasher, name);
        cut(hasher)
    }
}

fn cut(hasher: Sha256) -> ContentHash {
    let digest = hasher.finalize();
    let mut hash = [0; 16];
    hash.copy_from_slice(&digest[..16]);
    hash
}

/// Length first, so that no two sequences of fields run into the same bytes.
fn field(hasher: &mut Sha256, bytes: &[u8]) {
    hasher.update((bytes.len() as u64).to_be_bytes());
    hasher.update(bytes);
}
