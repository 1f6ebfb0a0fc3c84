//! The first engine: a pair of data nodes and a witness, whose log orders all updates.
//!
//! An update is stamped by the primary, proposed to `consensus`, and decided by `records` on the state in `store`; a backup sends
//! the update to the primary, or holds it while there is none. Never contains a rule of records, and never knows HTTP. Called by
//! `node`, and by the simulator for its pure parts.

mod batch;
mod clocks;
mod encoded;
#[cfg(any(test, feature = "fakes"))]
pub mod fakes;
mod forward;
mod group;
mod leadership;
pub mod machine;
mod outbound_api;
mod stamp;
mod state_reader;

pub use batch::{DoorConfig, PrimaryDoor, too_early, wall_us};
pub use clocks::{heard_ago, offset_us, walls};
pub use encoded::{EncodedBody, is_whole};
pub use forward::{Forward, ForwardResult, ForwardTo, Forwarded, Hold, HoldConfig, Submission};
pub use group::Group;
pub use leadership::{Leadership, Primary};
pub use outbound_api::OutboundApi;
pub use stamp::{StampClock, odd_clocks};
pub use state_reader::{ListTally, StateReader};
