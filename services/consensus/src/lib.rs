//! Raft for a pair and a witness: a sans-IO core, the durable log, the driver that feeds the core, peer frames, waiters.
//!
//! The only crate that sees raft-rs and slog. It knows nothing of records: the state behind the log is a [`Machine`].
//! Called by `node`, and by the simulator.

mod api;
mod driver;
pub mod log;

pub use api::*;
