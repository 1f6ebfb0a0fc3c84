//! Bounds of Raft's messages: the core refuses a message on which raft-rs would panic, or from which raft-rs would keep something
//! for ever.
//!
//! [`check`] is pure. A refusal is one of two kinds: a message that no release sends, and a message that contradicts the durable
//! log here, which is evidence that one of the two disks is old. Never changes Raft's state. Called by `step_one`.

use ocs_proto::peer::{ConfChangeV2, Entry, RaftMessage};
use prost::Message as _;
use raft::eraftpb::{EntryType, MessageType};
use raft_log::Disk;

use super::{Core, ENTRY_BYTES_MAX};
use crate::{
    RaftId,
    bounds::{INDEX_MAX, TERM_MAX, all, is_id, mark},
    eraft::kind_from_wire,
    members, reads,
};

/// Terms that a message may be ahead. A term is an election: an absence of half a year, with an election a second, is within the
/// limit, and no peer can use up the terms that are left.
const TERM_JUMP_MAX: u64 = 1 << 24;
/// Bytes that name a round, or that say why a vote is asked for.
const CONTEXT_BYTES_MAX: usize = 256;
/// Bytes beside an entry's data.
const ENTRY_CONTEXT_BYTES_MAX: usize = 4096;
/// Ids that one change of the membership names.
const CHANGES_MAX: usize = 64;
/// Priorities are 0 and the witness's -1.
const PRIORITY_MAX: i64 = 16;
/// Rounds that wait at a leader for a quorum's answer.
const ROUNDS_MAX: usize = 1024;

/// A message and a durable log that cannot both be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// A leader knows that this node had entries which are not here.
    #[error("it counts entry {commit} as durable here, and this log ends with {last}")]
    CommitBeyondLog {
        /// The commit index that the leader tells, as acknowledged by this node.
        commit: u64,
        /// The last index here.
        last: u64,
    },
    /// An entry that is committed here is another one in the log of a leader.
    #[error("it has another entry {index} than the one committed here: of term {theirs}, not {ours}")]
    CommittedEntry {
        /// Which.
        index: u64,
        /// Its term here.
        ours: u64,
        /// Its term there.
        theirs: u64,
    },
    /// A follower of this leader acknowledges, or knows committed, an entry that this leader does not have.
    #[error("it follows this node and has entries up to {theirs}, and this log ends with {last}")]
    FollowerBeyondLog {
        /// The follower's index.
        theirs: u64,
        /// The last index here.
        last: u64,
    },
}

impl Contradiction {
    /// Whether the other side leads.
    pub(super) fn is_of_a_leader(self) -> bool {
        !matches!(self, Self::FollowerBeyondLog { .. })
    }
}

/// Why a message is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// No release sends such a message.
    #[error("{0}")]
    Malformed(&'static str),
    /// The message contradicts the log here.
    #[error(transparent)]
    Contradiction(#[from] Contradiction),
}

impl From<&'static str> for Refusal {
    fn from(why: &'static str) -> Self {
        Self::Malformed(why)
    }
}

/// A core's knowledge when a message comes.
pub(super) struct Known<'a> {
    id: RaftId,
    term: u64,
    /// 0: none.
    leader: RaftId,
    leads: bool,
    commit: u64,
    last: u64,
    /// The log is durable up to its end, as whenever a candidate asks for votes.
    settled: bool,
    /// Rounds that wait for a quorum.
    rounds: usize,
    /// The term of an entry here; none: not here.
    term_of: &'a dyn Fn(u64) -> Option<u64>,
}

/// Messages refused since the start.
#[derive(Debug, Default)]
pub(super) struct Refused {
    malformed: u64,
}

impl<D: Disk> Core<D> {
    /// Whether raft-rs may see a message. The core counts malformed messages, with a warning at each power of two, and reports a
    /// contradiction to operators.
    pub(super) fn admits(&mut self, message: &RaftMessage) -> bool {
        let log = &self.raw.raft.raft_log;
        let known = Known {
            id: self.config.id,
            term: self.term(),
            leader: self.leader(),
            leads: self.leads(),
            commit: self.commit(),
            last: self.last_index(),
            settled: self.settled(),
            rounds: self.raw.raft.pending_read_count(),
            term_of: &|index| log.term(index).ok().filter(|term| *term > 0),
        };
        let Err(refusal) = check(message, &known) else { return true };
        match refusal {
            Refusal::Malformed(why) => self.refused.note(message, why),
            Refusal::Contradiction(contradiction) => self.contradicted(message, contradiction),
        }
        false
    }

    /// Nothing of the log is on its way to the disk.
    fn settled(&self) -> bool {
        let raft = &self.raw.raft;
        let written = self.pending.iter().all(|pending| pending.last.is_none());
        written && raft.snap().is_none() && raft.raft_log.persisted == self.last_index() && !self.beginning_anew()
    }

    /// Messages of peers that were refused because no release sends them.
    pub fn refused(&self) -> u64 {
        self.refused.malformed
    }
}

impl Refused {
    fn note(&mut self, message: &RaftMessage, why: &'static str) {
        self.malformed += 1;
        if self.malformed.is_power_of_two() {
            let (from, kind, count) = (message.from, message.kind, self.malformed);
            tracing::warn!(from, kind, count, "a message of a peer was refused: {why}");
        }
    }
}

/// Looks at a message before raft-rs does.
///
/// # Errors
/// Why the message is refused.
pub(super) fn check(message: &RaftMessage, known: &Known<'_>) -> Result<(), Refusal> {
    use MessageType as Type;
    let kind = kind_from_wire(message.kind).ok_or("a kind of message that stays at home")?;
    shape(kind, message, known)?;
    if kind == Type::MsgReadIndex {
        return Ok(round(message, known)?);
    }
    if message.term < known.term {
        return Ok(()); // raft-rs looks no further
    }
    match kind {
        Type::MsgAppend => {
            led(message, known)?;
            append(message)?;
            appended(message, known)
        }
        Type::MsgSnapshot => {
            led(message, known)?;
            snapshot(message, known)
        }
        Type::MsgHeartbeat => {
            led(message, known)?;
            heartbeat(message, known)
        }
        Type::MsgAppendResponse => response(message, known),
        Type::MsgRequestVote | Type::MsgRequestPreVote => Ok(candidate(message)?),
        Type::MsgRequestVoteResponse => Ok(vote(message, known)?),
        Type::MsgTimeoutNow | Type::MsgReadIndexResp => Ok(by_the_leader(message, known)?),
        _ => Ok(()),
    }
}

/// The rules for every message: its sender, its numbers, and the contents of its kind.
fn shape(kind: MessageType, message: &RaftMessage, known: &Known<'_>) -> Result<(), &'static str> {
    use MessageType as Type;
    let entries = match kind {
        Type::MsgAppend => 0..=usize::MAX,
        Type::MsgReadIndex | Type::MsgReadIndexResp => 1..=1,
        _ => 0..=0,
    };
    // raft-rs takes a message without a term as its own node's, and looks at no term then
    let terms = if kind == Type::MsgReadIndex { 0..=0 } else { 1..=TERM_MAX };
    let near = known.last == 0 || message.term <= known.term.saturating_add(TERM_JUMP_MAX);
    let numbers = [message.index, message.commit, message.reject_hint];
    all(&[
        (is_id(message.from), "a sender that cannot be"),
        (members::number(message.from) != members::number(known.id), "a sender under this node's own number"),
        (terms.contains(&message.term), "a term that cannot be"),
        (near, "a term too far ahead"),
        (message.log_term <= TERM_MAX && message.commit_term <= TERM_MAX, "a term of an entry that cannot be"),
        (numbers.iter().all(|index| *index <= INDEX_MAX), "an index that cannot be"),
        (entries.contains(&message.entries.len()), "entries in a message that has none, or not one"),
        (message.snapshot.is_some() == (kind == Type::MsgSnapshot), "a mark in a message that has none, or none"),
        (message.request_snapshot == 0, "a request for a snapshot"),
        (message.context.len() <= CONTEXT_BYTES_MAX, "a context that is too long"),
        (message.priority.abs_diff(0) <= PRIORITY_MAX.unsigned_abs(), "a priority that cannot be"),
    ])
}

/// A term has one leader.
fn led(message: &RaftMessage, known: &Known<'_>) -> Result<(), &'static str> {
    let same = message.term == known.term;
    all(&[
        (!(same && known.leads), "a second leader of this node's term"),
        (!same || known.leader == 0 || known.leader == message.from, "a second leader of a term"),
    ])
}

/// Entries that follow one another, of terms that a leader of this term can have.
fn append(message: &RaftMessage) -> Result<(), &'static str> {
    all(&[
        // a leader's log begins above 0; raft-rs takes an index beyond the log for one of term 0
        (message.index > 0 && message.log_term > 0, "entries that follow nothing"),
        (message.log_term <= message.term, "entries that follow one of a later term"),
    ])?;
    let mut before = (message.index, message.log_term);
    for entry in &message.entries {
        all(&[
            (entry.index == before.0 + 1, "entries with a gap"),
            (entry.index <= INDEX_MAX, "an entry at an index that cannot be"),
            (before.1 <= entry.term && entry.term <= message.term, "an entry of a term that cannot be"),
            (entry.data.len() <= ENTRY_BYTES_MAX, "an entry that is too long"),
            (entry.context.len() <= ENTRY_CONTEXT_BYTES_MAX, "an entry with too long a context"),
        ])?;
        payload(entry)?;
        before = (entry.index, entry.term);
    }
    Ok(())
}

/// The kinds of entries that a log has, and changes of the membership that can be decided.
fn payload(entry: &Entry) -> Result<(), &'static str> {
    if entry.kind == EntryType::EntryNormal as u32 {
        return Ok(());
    }
    if entry.kind != EntryType::EntryConfChangeV2 as u32 {
        return Err("an entry of a kind that no log has");
    }
    let change =
        ConfChangeV2::decode(entry.data.clone()).map_err(|_| "an entry that is no change of the membership")?;
    let context = members::context(&change);
    all(&[
        (change.changes.len() <= CHANGES_MAX, "too many changes of the membership at once"),
        (change.changes.iter().all(|single| is_id(single.node_id)), "a change for a node that cannot be"),
        (context.id == 0 || is_id(context.id), "a new node that cannot be"),
        (context.paused_for.is_none_or(|id| id == 0 || is_id(id)), "a pause for a node that cannot be"),
    ])
}

/// An entry committed here is the same in every leader's log.
fn appended(message: &RaftMessage, known: &Known<'_>) -> Result<(), Refusal> {
    let follows = (message.index, message.log_term);
    let entries = message.entries.iter().map(|entry| (entry.index, entry.term));
    let committed = std::iter::once(follows).chain(entries).take_while(|(index, _)| *index <= known.commit);
    for (index, theirs) in committed {
        same_entry(index, theirs, known)?;
    }
    Ok(())
}

fn same_entry(index: u64, theirs: u64, known: &Known<'_>) -> Result<(), Refusal> {
    match (known.term_of)(index) {
        Some(ours) if ours != theirs => Err(Contradiction::CommittedEntry { index, ours, theirs }.into()),
        _ => Ok(()),
    }
}

fn snapshot(message: &RaftMessage, known: &Known<'_>) -> Result<(), Refusal> {
    let given = message.snapshot.as_ref().ok_or("no mark")?;
    mark(given)?;
    if given.term > message.term {
        return Err("a mark of a later term".into());
    }
    if given.index <= known.commit { same_entry(given.index, given.term, known) } else { Ok(()) }
}

/// A leader tells a follower no commit index above the follower's acknowledged index.
fn heartbeat(message: &RaftMessage, known: &Known<'_>) -> Result<(), Refusal> {
    if message.commit > known.last {
        return Err(Contradiction::CommitBeyondLog { commit: message.commit, last: known.last }.into());
    }
    Ok(())
}

/// An answer to this leader's entries is about entries of this leader's log.
fn response(message: &RaftMessage, known: &Known<'_>) -> Result<(), Refusal> {
    if message.term > known.term || !known.leads {
        return Ok(());
    }
    let theirs = message.index.max(message.commit);
    if theirs > known.last {
        return Err(Contradiction::FollowerBeyondLog { theirs, last: known.last }.into());
    }
    Ok(all(&[(!message.reject || message.reject_hint <= message.index, "a hint beyond what was refused")])?)
}

/// A candidate's log ends at or above its commit index. Its last term may be later than the term of the request: a fetched state
/// can be ahead of the term known beside it, and the answer tells that term.
fn candidate(message: &RaftMessage) -> Result<(), &'static str> {
    all(&[
        (message.index > 0 && message.log_term > 0, "a candidate without a log"),
        (message.commit <= message.index, "a candidate that knows more committed than it has"),
        (message.commit_term <= message.log_term, "a candidate that knows a later term committed than it has"),
    ])
}

/// A candidate asks for votes once its log is durable; raft-rs asserts a durable log where the votes are enough.
fn vote(message: &RaftMessage, known: &Known<'_>) -> Result<(), &'static str> {
    all(&[(message.reject || known.settled || known.leads, "a vote that was not asked for yet")])
}

fn by_the_leader(message: &RaftMessage, known: &Known<'_>) -> Result<(), &'static str> {
    let leads = message.term == known.term && message.from == known.leader;
    all(&[(leads, "a word of a leader from a node that is not known to lead")])
}

/// A follower's question to a quorum: raft-rs takes its name out of the only entry.
fn round(message: &RaftMessage, known: &Known<'_>) -> Result<(), &'static str> {
    let asked_by = message.entries.first().and_then(|entry| reads::asked_by(&entry.data));
    all(&[
        (asked_by == Some(message.from), "a question under another node's name"),
        (known.rounds < ROUNDS_MAX, "too many questions at once"),
    ])
}

#[cfg(test)]
mod tests;
