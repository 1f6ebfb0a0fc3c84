//! The driver: one loop that feeds the core.

/// Everything that can wake the loop.
#[derive(Debug)]
pub enum Event<I, R> {
    /// Commands to be put into the log.
    Propose(Vec<crate::Proposal<I, R>>),
}
