//! Raft for a pair and a witness: a sans-IO core, the driver that feeds the core, peer frames, waiters.
//!
//! The only crate that sees raft-rs and slog. The crate knows nothing of records: the state behind the log is a [`Machine`].
//! Called by `node`, and by the simulator.

mod api;
mod apply;
pub mod bounds;
pub mod core;
mod disk;
mod driver;
mod eraft;
mod event;
pub mod evidence;
pub mod force;
mod handle;
pub mod members;
#[cfg(mutant)]
pub mod mutant;
pub mod proof;
mod reads;
pub mod repair;
mod slog_bridge;
mod storage;
mod waiters;
mod witness;
mod write_clock;

pub use api::{
    ApplyBatch, Came, Comparison, Confirmed, FetchedState, JoinAsk, Kind, Machine, MachineError, Observer, PeerStatus,
    Proposal, ProposeError, RaftId, RaftRole, ReadError, Reign, Replies, Stall, StartStanding, Status, TransferError,
    Transport, Versions,
};
pub use apply::PersistPolicy;
pub use core::{JoinError, ModeError, PauseError, RaiseError};
pub use disk::Merged;
pub use driver::{DriverConfig, FORMATS, FRAME_FORMAT, Parts, Running, spawn};
pub use handle::Handle;
pub use reads::Question;
