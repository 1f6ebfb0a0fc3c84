//! A disk that misbehaves on command: an in-memory file system, mounted by FUSE, for the drills.
//!
//! Unsynced writes are kept apart from synced ones, page by page, and so is every change of a directory until that directory is
//! synced. A power cut keeps or loses each of these by chance, from a seed; writes that fsync or fdatasync acknowledged are
//! never lost. The disk also fails syncs, is slow, is full, and flips bits. Never used by the product.
//!
//! | file | job |
//! | --- | --- |
//! | `content` | one file's bytes, live and durable |
//! | `tree` | names, live and durable; the power cut |
//! | `calls` | FUSE's calls on the tree |
//! | `mounted` | mounting, and the commands |

mod calls;
mod content;
mod mounted;
mod tree;

pub use mounted::{Mounted, missing};
pub use tree::Lost;
