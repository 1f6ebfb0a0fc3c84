//! Campaigns on real processes: declared, handed out, limited, stopped and due, while the primary is killed, moved and paused.

mod callers;
mod declared;
mod due;
mod limits;
mod refused;
mod stopped;
