//! Deliberate mistakes in the comparing of starts, for the simulator to find. Compiled in by `--cfg mutant` alone.

use ocs_proto::peer::StartCheck;

use super::Starts;
use crate::{
    RaftId,
    evidence::Known,
    mutant::{Mutant, on},
};

impl Starts {
    /// The mistakes of a voter that compares only a part of its evidence.
    pub(super) fn mistaken(&self, from: RaftId, check: &StartCheck, checked: Result<(), Known>) -> Result<(), Known> {
        let known = self.evidence.of(from);
        let listed = known.start.is_none_or(|kept| check.starts.iter().any(|start| start.token[..] == kept.token));
        let same = known.start.is_some_and(|kept| check.start.as_ref().is_some_and(|own| own.token[..] == kept.token));
        let parts = |start: bool, term: bool, index: bool| match start && term && index {
            true => Ok(()),
            false => Err(known),
        };
        let (start, term, index) = (listed, known.term <= check.term, known.index <= check.last_index);
        if same {
            Ok(())
        } else if on(Mutant::StartsNotCompared) {
            parts(true, term, index)
        } else if on(Mutant::TermsNotCompared) {
            parts(start, true, index)
        } else if on(Mutant::IndexesNotCompared) {
            parts(start, term, true)
        } else {
            checked
        }
    }
}
