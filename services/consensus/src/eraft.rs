//! raft-rs's structures to our own wire and back, field by field by setters.
//!
//! The only room that knows `eraftpb`, together with `core` and `storage`. Foreign bytes are never decoded by
//! its library (architecture, raft-rs): this room maps fields that prost has already decoded.

use ocs_proto::peer::{ConfState as WireConfState, Entry as WireEntry, RaftMessage, SnapshotMark};
use prost::Message as _;
use raft::eraftpb::{ConfState, Entry, EntryType, Message, MessageType, Snapshot};

/// Messages that a peer may send. Proposals and transfers are a node's own business: raft-rs would forward them
/// silently (architecture, raft-rs).
const CROSS: [MessageType; 12] = [
    MessageType::MsgAppend,
    MessageType::MsgAppendResponse,
    MessageType::MsgRequestVote,
    MessageType::MsgRequestVoteResponse,
    MessageType::MsgSnapshot,
    MessageType::MsgHeartbeat,
    MessageType::MsgHeartbeatResponse,
    MessageType::MsgTimeoutNow,
    MessageType::MsgReadIndex,
    MessageType::MsgReadIndexResp,
    MessageType::MsgRequestPreVote,
    MessageType::MsgRequestPreVoteResponse,
];

/// The kind of a message; none if a peer may not send it.
pub(crate) fn kind_from_wire(kind: u32) -> Option<MessageType> {
    CROSS.into_iter().find(|known| *known as u32 == kind)
}

/// An entry for our own log and wire.
pub(crate) fn entry_to_wire(entry: &Entry) -> WireEntry {
    WireEntry {
        kind: entry.get_entry_type() as u32,
        term: entry.term,
        index: entry.index,
        data: entry.data.clone(),
        context: entry.context.clone(),
    }
}

/// An entry for raft-rs.
pub(crate) fn entry_from_wire(entry: WireEntry) -> Entry {
    let mut mapped = Entry::default();
    let kind = if entry.kind == EntryType::EntryConfChangeV2 as u32 {
        EntryType::EntryConfChangeV2
    } else {
        EntryType::EntryNormal
    };
    mapped.set_entry_type(kind);
    mapped.term = entry.term;
    mapped.index = entry.index;
    mapped.data = entry.data;
    mapped.context = entry.context;
    mapped
}

/// A membership for our own log and wire.
pub(crate) fn conf_state_to_wire(state: &ConfState) -> WireConfState {
    let sorted = |ids: &[u64]| {
        let mut ids = ids.to_vec();
        ids.sort_unstable(); // raft-rs keeps them in hash sets
        ids
    };
    WireConfState {
        voters: sorted(&state.voters),
        learners: sorted(&state.learners),
        voters_outgoing: sorted(&state.voters_outgoing),
        learners_next: sorted(&state.learners_next),
        auto_leave: state.auto_leave,
        ..WireConfState::default() // raft-rs knows ids only; see `members`
    }
}

/// A membership for raft-rs.
pub(crate) fn conf_state_from_wire(state: &WireConfState) -> ConfState {
    let mut mapped = ConfState::default();
    mapped.voters.clone_from(&state.voters);
    mapped.learners.clone_from(&state.learners);
    mapped.voters_outgoing.clone_from(&state.voters_outgoing);
    mapped.learners_next.clone_from(&state.learners_next);
    mapped.auto_leave = state.auto_leave;
    mapped
}

/// A snapshot for raft-rs: the mark alone, since the state itself is fetched beside Raft. Its data is our whole membership,
/// of which raft-rs knows the ids only.
pub(crate) fn snapshot_from_mark(mark: &SnapshotMark) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let metadata = snapshot.mut_metadata();
    metadata.index = mark.index;
    metadata.term = mark.term;
    let conf_state = mark.conf_state.clone().unwrap_or_default();
    metadata.set_conf_state(conf_state_from_wire(&conf_state));
    snapshot.data = conf_state.encode_to_vec().into();
    snapshot
}

/// The mark of a snapshot.
pub(crate) fn mark_of(snapshot: &Snapshot) -> SnapshotMark {
    let metadata = snapshot.get_metadata();
    let ids_only = || conf_state_to_wire(metadata.get_conf_state());
    let whole = WireConfState::decode(snapshot.data.clone()).ok().filter(|_| !snapshot.data.is_empty());
    SnapshotMark { index: metadata.index, term: metadata.term, conf_state: Some(whole.unwrap_or_else(ids_only)) }
}

/// Whether a message brings entries to a follower.
pub(crate) fn has_entries(message: &RaftMessage) -> bool {
    message.kind == MessageType::MsgAppend as u32 && !message.entries.is_empty()
}

/// A message for the wire; none: a kind that stays at home.
pub(crate) fn message_to_wire(message: Message) -> Option<RaftMessage> {
    CROSS.contains(&message.get_msg_type()).then(|| RaftMessage {
        kind: message.get_msg_type() as u32,
        to: message.to,
        from: message.from,
        term: message.term,
        log_term: message.log_term,
        index: message.index,
        entries: message.entries.iter().map(entry_to_wire).collect(),
        commit: message.commit,
        commit_term: message.commit_term,
        snapshot: message.snapshot.as_ref().map(mark_of),
        request_snapshot: message.request_snapshot,
        reject: message.reject,
        reject_hint: message.reject_hint,
        context: message.context,
        priority: message.priority,
    })
}

/// A message for raft-rs; none if a peer may not send its kind.
pub(crate) fn message_from_wire(message: RaftMessage) -> Option<Message> {
    let mut mapped = Message::default();
    mapped.set_msg_type(kind_from_wire(message.kind)?);
    mapped.to = message.to;
    mapped.from = message.from;
    mapped.term = message.term;
    mapped.log_term = message.log_term;
    mapped.index = message.index;
    mapped.set_entries(message.entries.into_iter().map(entry_from_wire).collect::<Vec<_>>().into());
    mapped.commit = message.commit;
    mapped.commit_term = message.commit_term;
    if let Some(mark) = &message.snapshot {
        mapped.set_snapshot(snapshot_from_mark(mark));
    }
    mapped.request_snapshot = message.request_snapshot;
    mapped.reject = message.reject;
    mapped.reject_hint = message.reject_hint;
    mapped.context = message.context;
    mapped.priority = message.priority;
    Some(mapped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_the_wire_field_by_field() {
        let message = RaftMessage {
            kind: MessageType::MsgAppend as u32,
            to: 2,
            from: 1,
            term: 3,
            log_term: 4,
            index: 5,
            entries: vec![WireEntry { kind: 0, term: 3, index: 6, data: vec![7].into(), context: vec![8].into() }],
            commit: 9,
            commit_term: 10,
            snapshot: Some(SnapshotMark { index: 11, term: 12, conf_state: Some(WireConfState::default()) }),
            request_snapshot: 13,
            reject: true,
            reject_hint: 14,
            context: vec![15].into(),
            priority: -1,
        };
        let there = message_from_wire(message.clone()).expect("an append may come from a peer");
        assert_eq!(message_to_wire(there), Some(message));
    }

    #[test]
    fn proposals_and_transfers_are_dropped_from_the_wire() {
        for kind in [MessageType::MsgPropose, MessageType::MsgTransferLeader, MessageType::MsgHup] {
            assert!(message_from_wire(RaftMessage { kind: kind as u32, ..Default::default() }).is_none());
        }
        assert!(message_from_wire(RaftMessage { kind: 77, ..Default::default() }).is_none());
    }
}
