//! A node's memory of its own starts and of every other voter (R12 disks-are-evidence).
//!
//! A data directory that is put back from an older copy looks whole to its own node. The other voters know better: each of them
//! keeps the newest confirmed start of the node, the highest term in which the node voted or acknowledged, and the highest
//! committed index that the node acknowledged. A disk that lacks one of the three is old. Facts are never taken back: evidence of
//! any age is true. Pure but for [`EvidenceFile`]. Called by the core, the driver and the simulator.

mod file;
mod table;

pub use file::EvidenceFile;
pub(crate) use table::number;
pub use table::{Evidence, Known, Start, Token};
