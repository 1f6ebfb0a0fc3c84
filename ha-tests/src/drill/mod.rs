//! The harness of the drills: a group under the load of clients whose calls are all recorded, rounds in which something befalls
//! it, and the judgement.
//!
//! Never does anything to a group itself: that is what the drills are for, a file each in `ha-tests/drills/`. Called by them.
//!
//! | file | job |
//! | --- | --- |
//! | `run` | a drill, its rounds, what must hold after each |
//! | `stage` | the group under load, and the words for what befalls it |
//! | `recorder`, `caller`, `call` | clients and the history of their calls |
//! | `clocks` | wall clocks that jump |
//! | `disks`, `power_cut` | disks that misbehave, and the power that is cut |
//! | `verdict`, `roles` | what is wrong with a history, with claims of the role |
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
