//! Dialling: which record a campaign group gets next, and why a record is not dialable (spec 9, The next record).
//!
//! A search reads the index of dialable records ([`crate::Table::Dialable`]), window by window, and takes the first entry of
//! each open window: closed windows, waiting records and finalised records cost no read. Called by previews, and by the node's
//! questions.

mod heads;
mod hours;
mod lists;
mod next;
mod pauses;
mod turns;
mod why;

pub(crate) use next::{Asker, Candidate, UsedUp, next};
pub use why::{NotDialable, why_not_dialable};
