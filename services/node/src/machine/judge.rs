//! Which state is wrong when digests differ: checks this node's state against a replay of the log from the last state on which
//! the nodes agreed, and against the rows on disk.
//!
//! Never looks at the other node: each node judges itself, by the same rules. Reads everything, so never runs on a thread that
//! others wait for. Called by the node's judge ([`crate::run`]).

use consensus::{Comparison, MachineError};
use ocs_proto::peer::Entry;
use records::{Overlay, Rules, decide_on};
use store::{StateSnapshot, StoreError};

use super::{RecordsReader, entry};

/// A node's finding about its own state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The state is wrong, and why.
    Wrong(String),
    /// No check shows the state wrong.
    Sound,
}

/// The digest of a state after a replay of entries.
///
/// # Errors
/// An entry that this version does not know, or rows that cannot be read.
pub fn replay(from: &StateSnapshot, entries: &[Entry], rules: &Rules) -> Result<u128, MachineError> {
    let unread = |error: StoreError| MachineError::Store(error.to_string());
    let state = from.for_replay().map_err(unread)?;
    let mut overlay = Overlay::new(&state);
    let mut events = Vec::new();
    for entry in entries {
        for command in entry::commands(entry)? {
            decide_on(&command, &mut overlay, rules, &mut events);
        }
        events.clear();
    }
    let changes = overlay.into_changes();
    state.digest_after(&changes).map_err(unread)
}

/// Judges this node's state. `agreed`: a state whose digest equalled the peer's, and the entries from there to the index where
/// the digests differ; none: that state is too old.
pub fn judge(
    state: &RecordsReader,
    agreed: Option<(&StateSnapshot, &[Entry])>,
    rules: &Rules,
    at: &Comparison,
) -> Finding {
    if let Some((from, entries)) = agreed
        && let Ok(replayed) = replay(from, entries, rules)
        && replayed != at.ours
    {
        let (since, index) = (from.applied().index, at.index);
        return Finding::Wrong(format!(
            "what the log makes of index {since}, where the nodes agreed, is not what stands at {index}"
        ));
    }
    rows(state)
}

/// Whether the rows on disk are those that were written.
pub fn rows(state: &RecordsReader) -> Finding {
    found(state.verify_paced(|_| true)).unwrap_or(Finding::Sound)
}

/// The finding of a verification; none: broken off.
pub fn found(verified: Result<Option<store::Verified>, store::StoreError>) -> Option<Finding> {
    match verified {
        Err(error) => Some(Finding::Wrong(format!("its rows cannot be read: {error}"))),
        Ok(None) => None,
        Ok(Some(verified)) if !verified.equal() => Some(Finding::Wrong(format!(
            "its rows on disk at index {} are not those that were written",
            verified.index
        ))),
        Ok(Some(_)) => Some(Finding::Sound),
    }
}
