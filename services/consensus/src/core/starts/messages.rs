//! The messages about starts, and the table of evidence that some of them wait for.
//!
//! Called by [`super`] and by the driver, which sends and writes them.

use ocs_proto::peer::{Head, PeerFrame, StartAnswer, StartCheck};

use crate::{RaftId, evidence::Evidence};

/// A question or an answer about a start, on its way to a peer.
#[derive(Debug, Clone, PartialEq)]
pub enum StartMessage {
    /// To a voter that is to confirm this node's start.
    Check(StartCheck),
    /// To a node that asked.
    Answer(StartAnswer),
}

impl StartMessage {
    /// The frame with this message.
    pub fn into_frame(self, head: Head) -> PeerFrame {
        let frame = PeerFrame { head: Some(head), ..PeerFrame::default() };
        match self {
            Self::Check(check) => PeerFrame { start_check: Some(check), ..frame },
            Self::Answer(answer) => PeerFrame { start_answer: Some(answer), ..frame },
        }
    }
}

/// A table to be made durable before some answers leave.
#[derive(Debug)]
pub struct EvidenceWrite {
    /// The table.
    pub evidence: Evidence,
    /// Answers that wait for it.
    pub then: Vec<(RaftId, StartMessage)>,
}
