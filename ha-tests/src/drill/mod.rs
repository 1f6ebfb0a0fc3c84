//! The harness of the drills: a group under the load of clients whose calls are all recorded, rounds with a fault, and the
//! judgement.
//!
//! Never harms a group itself: the drills do, a file each in `ha-tests/drills/`. Called by them.
//!
//! | file | job |
//! | --- | --- |
//! | `run` | a drill, its rounds, the checks after each |
//! | `stage` | the group under load, and the words for its faults |
//! | `recorder`, `caller`, `call` | clients and the history of their calls |
//! | `clocks` | wall clocks that jump |
//! | `disks`, `power_cut` | disks that misbehave, and the power that is cut |
//! | `verdict`, `roles` | the faults in a history, in claims of the role |
//! | `report` | figures, bars, lines, JSON |

mod call;
mod caller;
mod clocks;
mod disks;
mod power_cut;
mod recorder;
mod report;
mod roles;
mod run;
mod stage;
mod verdict;

pub use call::{Attempt, Call, Clock, Ended};
pub use caller::Caller;
pub use clocks::Clocks;
pub use disks::Disks;
pub use power_cut::PowerCut;
pub use recorder::{Load, Recorder};
pub use report::{Bar, Report};
pub use roles::{Claim, RoleWatch};
pub use run::{Drill, Options, Plain, Round, Scenario, run};
pub use stage::{DATA, Excuse, Stage};
pub use verdict::Verdict;
