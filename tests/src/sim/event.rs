//! The events of the simulation, and the node whose process must run for each.
//!
//! Called by `world`.

use consensus::{RaftId, core::StartMessage, evidence::Evidence};
use dispatch::Heard;
use ocs_proto::peer::PeerFrame;
use outbound::RequestId;

use super::{clients::Answer, faults::Fault, operators::Order};

/// A process: the place of its node, and the number of the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) node: usize,
    pub(super) boot: u64,
}

/// An event of a run.
#[allow(clippy::large_enum_variant)] // most events are frames, and those are the large ones
#[derive(Debug, Clone)]
pub(super) enum Event {
    Tick(Who),
    Hurry(Who),
    Frame {
        to: usize,
        frame: PeerFrame,
    },
    Forward {
        to: usize,
        from: Who,
        submission: u64,
        attempt: u64,
        id: RequestId,
        operation: u64,
    },
    Forwarded {
        to: Who,
        submission: u64,
        attempt: u64,
        heard: Heard,
    },
    Disk(Who),
    Apply(Who),
    Persist(Who),
    Batch(Who),
    Wake(Who),
    AskRole(Who),
    Fetch {
        who: Who,
        index_min: u64,
    },
    PeerLost {
        who: Who,
        peer: usize,
        refused: bool,
    },
    AskToJoin(Who),
    JoinAsked {
        to: usize,
        from: Who,
        token: u64,
    },
    Admitted {
        to: Who,
        id: RaftId,
        token: u64,
        epoch: u64,
    },
    Arrive {
        node: usize,
        operation: u64,
    },
    Start(usize),
    Client(usize),
    Again(u64),
    Answer {
        operation: u64,
        answer: Answer,
    },
    Judge(Who),
    /// A table of evidence is durable; the messages that waited for the table leave.
    EvidenceKept {
        who: Who,
        write: Box<(Evidence, Vec<(RaftId, StartMessage)>)>,
    },
    EpochTold {
        to: usize,
        epoch: u64,
    },
    Ordered(Order),
    ChangeRules,
    Caller(usize),
    Campaign,
    Fault(Fault),
    NextFault,
}

impl Event {
    /// The node that must run for the event to happen; while that node is stopped, the event waits.
    pub(super) fn place(&self) -> Option<usize> {
        match self {
            Event::Tick(who)
            | Event::Hurry(who)
            | Event::Disk(who)
            | Event::Apply(who)
            | Event::Persist(who)
            | Event::Batch(who)
            | Event::Wake(who)
            | Event::AskRole(who)
            | Event::Judge(who)
            | Event::EvidenceKept { who, .. }
            | Event::Fetch { who, .. }
            | Event::PeerLost { who, .. }
            | Event::AskToJoin(who)
            | Event::Admitted { to: who, .. }
            | Event::Forwarded { to: who, .. } => Some(who.node),
            Event::Frame { to: node, .. }
            | Event::Forward { to: node, .. }
            | Event::JoinAsked { to: node, .. }
            | Event::EpochTold { to: node, .. }
            | Event::Arrive { node, .. } => Some(*node),
            Event::Start(_)
            | Event::Client(_)
            | Event::Again(_)
            | Event::Answer { .. }
            | Event::Ordered(_)
            | Event::ChangeRules
            | Event::Caller(_)
            | Event::Campaign
            | Event::Fault(_)
            | Event::NextFault => None,
        }
    }

    /// Whether a process reads the event or drops it: the sender learns nothing of that.
    pub(super) fn is_of_a_stream(&self) -> bool {
        matches!(self, Event::Frame { .. } | Event::JoinAsked { .. } | Event::EpochTold { .. })
    }

    /// The life that the event belongs to, where the event ends with that life.
    pub(super) fn life(&self) -> Option<Who> {
        match self {
            Event::Tick(who)
            | Event::Hurry(who)
            | Event::Disk(who)
            | Event::Apply(who)
            | Event::Persist(who)
            | Event::Batch(who)
            | Event::Wake(who)
            | Event::AskRole(who)
            | Event::Judge(who)
            | Event::EvidenceKept { who, .. }
            | Event::Fetch { who, .. }
            | Event::PeerLost { who, .. }
            | Event::AskToJoin(who)
            | Event::Admitted { to: who, .. }
            | Event::Forwarded { to: who, .. } => Some(*who),
            _ => None,
        }
    }
}
