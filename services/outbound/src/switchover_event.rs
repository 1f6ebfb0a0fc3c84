//! Events that acknowledge the commands of a scheduled switchover.
//!
//! The rules answer them, and the primary acts on them.

/// A switchover is scheduled.
pub const SCHEDULED: &str = "SwitchoverScheduled";
/// The scheduled switchover is cancelled.
pub const CANCELLED: &str = "SwitchoverCancelled";
/// The time has come: the primary that proposed the step is to hand over.
pub const BEGUN: &str = "SwitchoverBegun";
/// Another node is primary, or the wanted node was: nothing is left to do.
pub const DONE: &str = "SwitchoverDone";
/// The time passed by too long ago: the schedule is gone.
pub const LAPSED: &str = "SwitchoverLapsed";

/// The key of a pair: the node that has the role, or was to get the role.
pub const TO: &str = "to";
/// The key of a pair: the end of the schedule in words.
pub const DETAILS: &str = "details";
