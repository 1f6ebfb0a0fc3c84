//! Campaigns on real processes: declared, handed out, limited, stopped and due, while the primary is killed, moved and paused.

mod agents;
mod callers;
mod declared;
mod due;
mod limits;
mod refused;
mod stopped;
