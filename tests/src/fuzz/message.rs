//! Raft messages that no release sends: mostly near the receiver's knowledge, so that they reach deep.

use ocs_proto::peer::{
    ChangeContext, ConfChangeSingle, ConfChangeV2, ConfState, Entry, Head, Member, RaftMessage, SnapshotMark,
};
use prost::Message as _;

use super::input::Input;

/// The knowledge of the receiver that the author of a lie has.
#[derive(Debug, Clone, Default)]
pub(super) struct Target {
    pub(super) id: u64,
    pub(super) term: u64,
    pub(super) leader: u64,
    pub(super) commit: u64,
    pub(super) last: u64,
    pub(super) first: u64,
}

impl Target {
    fn indexes(&self) -> [u64; 4] {
        [self.commit, self.last, self.last, self.first]
    }
}

pub(super) fn head(input: &mut Input<'_>, target: &Target, from: u64) -> Head {
    let members = (0..input.below(4)).map(|_| id(input)).collect();
    Head {
        from,
        term: input.near(&[target.term]),
        data_durable: input.near(&target.indexes()),
        applied: input.near(&target.indexes()),
        members,
        ..Head::default()
    }
}

/// An id: mostly of the group's, of any incarnation.
pub(super) fn id(input: &mut Input<'_>) -> u64 {
    match input.byte() {
        0..200 => input.pick(&[1, 2, 3]),
        200..235 => input.pick(&[1, 2, 3]) | u64::from(input.byte()) << 16,
        235..245 => 0,
        _ => input.number(),
    }
}

pub(super) fn message(input: &mut Input<'_>, target: &Target, from: u64) -> RaftMessage {
    // eraftpb's kinds and two that do not exist; those that go deepest more often
    let kind = match input.byte() {
        byte @ 0..100 => u32::from(byte) % 22,
        100..160 => 3,
        160..190 => 7,
        190..205 => 14,
        _ => input.pick(&[4, 5, 6, 8, 9, 15, 16, 17, 18]),
    };
    let term =
        if kind == 15 && !input.once_in(8) { 0 } else { input.near(&[target.term, target.term, target.term + 1]) };
    let index = input.near(&target.indexes());
    let log_term = input.near(&[target.term, target.term.saturating_sub(1), 1]);
    RaftMessage {
        kind,
        to: target.id,
        from,
        term,
        log_term,
        index,
        entries: entries(input, kind, index, term, from),
        commit: input.near(&target.indexes()),
        commit_term: input.near(&[target.term, 1]),
        snapshot: (kind == 7 || input.once_in(40)).then(|| mark(input, target)),
        request_snapshot: if input.once_in(30) { input.near(&target.indexes()) } else { 0 },
        reject: input.once_in(3),
        reject_hint: input.near(&target.indexes()),
        context: if input.once_in(4) { input.bytes(32).into() } else { prost::bytes::Bytes::new() },
        priority: if input.once_in(20) { input.number().cast_signed() } else { 0 },
    }
}

fn entries(input: &mut Input<'_>, kind: u32, index: u64, term: u64, from: u64) -> Vec<Entry> {
    let count = match kind {
        3 => input.below(5),
        15 | 16 => usize::from(!input.once_in(5)),
        _ => usize::from(input.once_in(30)),
    };
    (1..=count as u64)
        .map(|at| {
            let index = if input.once_in(16) { input.near(&[index]) } else { index.wrapping_add(at) };
            let term = if input.once_in(6) { input.near(&[term, 1]) } else { term };
            match input.below(8) {
                0 => Entry { kind: 2, term, index, data: change(input).into(), ..Entry::default() },
                1 => Entry {
                    kind: u32::from(input.byte()),
                    term,
                    index,
                    data: input.bytes(40).into(),
                    context: input.bytes(8).into(),
                },
                _ => Entry { term, index, data: context(input, from).into(), ..Entry::default() },
            }
        })
        .collect()
}

/// The name of a round, more or less.
fn context(input: &mut Input<'_>, from: u64) -> Vec<u8> {
    let mut name = if input.once_in(6) { input.number() } else { from }.to_be_bytes().to_vec();
    name.extend(input.bytes(17));
    name
}

fn change(input: &mut Input<'_>) -> Vec<u8> {
    if input.once_in(10) {
        return input.bytes(20);
    }
    let singles = (0..input.below(5)).map(|_| {
        let change_type = if input.once_in(10) { input.number() as i32 } else { input.below(3) as i32 };
        ConfChangeSingle { change_type, node_id: id(input) }
    });
    let changes = singles.collect();
    let context = ChangeContext {
        id: if input.once_in(3) { id(input) } else { 0 },
        witness: input.once_in(2),
        token: 7,
        paused_for: input.once_in(3).then(|| id(input)),
        ..ChangeContext::default()
    };
    let context = if input.once_in(4) { input.bytes(12) } else { context.encode_to_vec() };
    ConfChangeV2 { transition: input.below(4) as i32, changes, context: context.into() }.encode_to_vec()
}

pub(super) fn mark(input: &mut Input<'_>, target: &Target) -> SnapshotMark {
    let ids = |input: &mut Input<'_>, count_max: usize| (0..input.below(count_max + 1)).map(|_| id(input)).collect();
    let voters = if input.once_in(4) { ids(input, 5) } else { vec![1, 2, 3] };
    let joint = input.once_in(5);
    let conf_state = ConfState {
        voters,
        learners: if input.once_in(5) { ids(input, 3) } else { Vec::new() },
        voters_outgoing: if joint { ids(input, 4) } else { Vec::new() },
        learners_next: if joint && input.once_in(3) { ids(input, 2) } else { Vec::new() },
        auto_leave: joint && input.once_in(2),
        members: vec![Member { id: id(input), witness: input.once_in(2), token: 3 }],
        paused_for: if input.once_in(6) { id(input) } else { 0 },
        epoch: if input.once_in(10) { input.near(&[1]) } else { 0 },
        single_copy: input.once_in(10),
        ..ConfState::default()
    };
    SnapshotMark {
        index: input.near(&target.indexes()),
        term: input.near(&[target.term, 1]),
        conf_state: (!input.once_in(20)).then_some(conf_state),
    }
}

/// One field of a message that a core sent is changed.
pub(super) fn mutate(input: &mut Input<'_>, target: &Target, message: &mut RaftMessage) {
    let known = target.indexes();
    match input.below(16) {
        0 => message.term = input.near(&[message.term, target.term]),
        1 => message.index = input.near(&[message.index, target.last]),
        2 => message.log_term = input.near(&[message.log_term]),
        3 => message.commit = input.near(&known),
        4 => message.commit_term = input.near(&[message.commit_term]),
        5 => message.reject = !message.reject,
        6 => message.reject_hint = input.near(&known),
        7 => message.kind = u32::from(input.byte()) % 20,
        8 => message.entries.truncate(input.below(3)),
        9 => message.entries.reverse(),
        10 => message.entries.iter_mut().for_each(|entry| entry.term = input.near(&[entry.term])),
        11 => message.entries.iter_mut().for_each(|entry| entry.index = input.near(&[entry.index])),
        12 => message.context = input.bytes(40).into(),
        13 => message.snapshot = Some(mark(input, target)),
        14 => message.entries.iter_mut().for_each(|entry| (entry.kind, entry.data) = (2, change(input).into())),
        _ => message.request_snapshot = input.near(&known),
    }
}
