//! The common base of every process: configuration, logging, metrics, TLS, tasks, stop. Never contains a word of the domain.
//!
//! Called by the binaries and by their crates. Each module serves a single purpose.

pub mod config;
pub mod descriptors;
pub mod exit;
mod fatal;
pub mod lines;
pub mod logging;
pub mod metrics;
pub mod moment;
pub mod notify;
pub mod orphan;
pub mod private;
pub mod spans;
pub mod stop;
pub mod tasks;
pub mod tls;
pub mod usage;
pub mod visible;
pub mod watcher;

pub use fatal::fatal;
