//! The versions by which the cluster writes and decides (R13 versions-are-replicated): formats of frames, logs and rows, and the
//! rules.
//!
//! Both versions stand in the membership, so that the witness has them too and no restart forgets them; versions only go up. The
//! meaning of a version is defined elsewhere. Called by the driver and the node.

use ocs_proto::peer::ChangeContext;
use raft_log::Disk;

use super::Core;
use crate::members;

/// Why the cluster's versions were not raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RaiseError {
    /// Only a primary changes them.
    #[error("this node is not the primary")]
    NotPrimary,
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopped,
}

impl<D: Disk> Core<D> {
    /// The version of the formats that the cluster writes and sends, from 1.
    pub fn formats(&self) -> u32 {
        self.raw.store().conf_state().formats.max(1)
    }

    /// The rules version that the cluster is to decide by, from 1.
    pub fn rules_wanted(&self) -> u32 {
        self.raw.store().conf_state().rules_wanted.max(1)
    }

    /// Raises the versions. False until the change is committed: the caller repeats the call. The caller has checked that every
    /// member knows them.
    ///
    /// # Errors
    /// [`RaiseError`]: nothing was begun.
    pub fn raise(&mut self, formats: u32, rules_wanted: u32) -> Result<bool, RaiseError> {
        if !self.serving() {
            return Err(RaiseError::NotPrimary);
        }
        if self.formats() >= formats && self.rules_wanted() >= rules_wanted {
            return Ok(true);
        }
        if !self.changing() {
            let context = ChangeContext {
                formats: Some(formats.max(self.formats())),
                rules_wanted: Some(rules_wanted.max(self.rules_wanted())),
                release: env!("CARGO_PKG_VERSION").to_owned(),
                ..ChangeContext::default()
            };
            self.propose_change(&members::setting(self.config.id, &context));
        }
        Ok(false)
    }
}
