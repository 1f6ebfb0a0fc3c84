//! The harness of the end-to-end tests: starts groups of real nodes, loads them, kills them, and checks the outcome.
//!
//! Never uses a crate of the product: the tests see only the view of a client, an operator or a disk. Ends only its own
//! processes. Called by the tests and drills beside it. A helper that cannot go on panics: that fails its test.

mod balancer;
pub mod campaign;
mod cluster;
pub mod disk;
pub mod drill;
mod http;
mod load;
mod net;
mod poll;
mod process;
mod settings;
pub mod strangers;

pub use balancer::Balancer;
pub use cluster::{Cluster, Ran, Release, Row, ocsctl, rows};
pub use http::{Answer, Client};
pub use load::{Load, Loaded, Sent, Target};
pub use net::{Cut, Net, OwnNet};
pub use poll::{PATIENCE, until, until_some, until_some_within};
pub use process::{Process, Signal, masked, program, programs_are_in, runs, signal_to};
pub use settings::{NODES, Settings};
