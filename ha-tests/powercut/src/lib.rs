//! A disk that misbehaves on command: an in-memory file system, mounted by FUSE, for the drills.
//!
//! It keeps what was written apart from what was synced, page by page, and every change of a directory until that directory is
//! synced. A power cut keeps or loses each of these by chance, from a seed; what fsync or fdatasync acknowledged is never
//! lost. It also fails syncs, is slow, is full, and flips bits. Never used by the product.
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
