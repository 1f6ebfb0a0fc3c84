//! The first engine: a pair of data nodes and a witness, whose log orders all updates.
//!
//! An update is stamped by the primary, proposed to `consensus`, and decided by `records` on the state in `store`; a backup sends
//! the update to the primary. Never contains a rule of records, and never knows HTTP. Called by `dispatch` and `node`, and by the
//! simulator for its pure parts.

mod batch;
mod clocks;
mod engine;
#[cfg(any(test, feature = "fakes"))]
pub mod fakes;
mod forward;
mod group;
mod leadership;
pub mod machine;
mod outward;
mod stamp;
pub mod stamping;
mod state_reader;
mod tokens;
mod traced;

pub use batch::{DoorConfig, PrimaryDoor, heard, wall_us};
pub use clocks::{heard_ago, offset_us, walls};
pub use engine::{Attempts, Door, Pair};
pub use forward::{ForwardResult, ForwardTo, Forwarded};
pub use group::RaftGroup;
pub use leadership::{Primary, follow, primary_of, standing, standing_of};
pub use outward::{Outward, WitnessDoor};
pub use stamp::{StampClock, odd_clocks};
pub use state_reader::{DueCounts, ListTally, PreviewCounts, StateCheck, StateReader};
pub use tokens::{ApiToken, ApiTokens};
