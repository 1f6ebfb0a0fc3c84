//! Whether the disks of this node and of the other nodes may be trusted (R12 disks-are-evidence). Other voters confirm a start
//! before the node votes, acknowledges or campaigns. No node follows a leader whose log contradicts the node's committed entries.
//!
//! Decides with [`Evidence`] alone: no clock but ticks, no disk. Called by `core`.

mod messages;
#[cfg(mutant)]
mod mistaken;

use std::collections::{BTreeMap, BTreeSet};

pub use messages::{EvidenceWrite, StartMessage};
use ocs_proto::peer::{Head, RaftMessage, Reign, StartAnswer, StartCheck, StartVerdict};
use prost::Message as _;
use raft::eraftpb::{Entry, Message, MessageType};
use raft_log::Disk;

use super::{Core, Output, Write, bounds::Contradiction};
use crate::{
    RaftId, StartStanding,
    evidence::{Evidence, Known, Start, Token, number},
};

/// Ticks between two checks while the start is not confirmed.
const CHECK_TICKS: u32 = 2;
/// Ticks between two checks of voters that have not answered yet, once the start is confirmed.
const LATE_CHECK_TICKS: u32 = 20;
/// Ticks for which a leader's log must end below the commit index here to count as a contradiction: heads come late.
const SHORT_TICKS: u32 = 60;
/// Ticks for which the only voter listens for a node that knows better.
const ALONE_TICKS: u32 = 20;
/// Ticks for which a start with enough confirmations listens for a voter that knows better. Longer than [`LIVING_TICKS`]: a voter
/// that still takes an earlier process of this node for alive answers neither yes nor no.
const LISTEN_TICKS: u32 = 40;
/// Ticks of silence after which a stream counts as ended, even without news of its end.
const LIVING_TICKS: u32 = 30;

/// A voter that has confirmed a start.
#[derive(Debug, Clone, Copy)]
struct Confirmer {
    /// The voter's id at the confirmation: under a newer id the voter does not remember the start.
    id: RaftId,
    /// The voter's own start was confirmed by then. The disk of an unconfirmed voter may be an older copy, whose memory of the
    /// start goes once the newest copy is put back. Such a yes counts, since nodes that start together confirm each other, but
    /// this node asks that voter again.
    lasting: bool,
    /// In the membership that the voter knows, both nodes are voters, and together a quorum.
    enough: bool,
}

/// This node's part in the confirming of starts.
#[derive(Debug)]
pub(super) struct Starts {
    evidence: Evidence,
    own: Start,
    standing: StartStanding,
    /// By the number of a node: the voters that have confirmed this start.
    yes: BTreeMap<u16, Confirmer>,
    /// The last answer other than yes, by node number.
    waiting: BTreeMap<u16, String>,
    /// Confirmed starts of running processes, by Raft id, and the ticks since their last frame.
    living: BTreeMap<RaftId, (Token, u32)>,
    /// Numbers of the nodes of a release without starts: they count as a yes until the formats are raised, and remember nothing.
    older: BTreeSet<u16>,
    ticks: u32,
    /// The tick at which the confirmations were enough for the first time.
    enough_at: Option<u32>,
    messages: Vec<(RaftId, StartMessage)>,
    answers: Vec<(RaftId, StartMessage)>,
    /// The end of its log that each peer told, the highest of its newest term: frames come late.
    ends: BTreeMap<RaftId, (u64, u64)>,
    /// Ticks since the leader's log was first seen to end below the commit index here; 0: the leader's log reaches that index. A
    /// fetched state may be ahead of every head in flight.
    short_ticks: u32,
    /// A vote was counted or granted since the table was last handed out with a write.
    vote_noted: bool,
    contradiction: String,
    /// This node must not follow: its committed entries contradict the leader.
    frozen: bool,
    /// A term in which this node leads and its opening entry is not proposed yet.
    to_open: bool,
    /// The table is to be made durable at once, though no answer waits for it.
    kept: bool,
}

impl Starts {
    pub(super) fn new(evidence: Evidence, own: Start) -> Self {
        Self {
            evidence,
            own,
            standing: StartStanding::Asking(String::new()),
            yes: BTreeMap::new(),
            waiting: BTreeMap::new(),
            living: BTreeMap::new(),
            older: BTreeSet::new(),
            ticks: 0,
            enough_at: None,
            messages: Vec::new(),
            answers: Vec::new(),
            ends: BTreeMap::new(),
            short_ticks: 0,
            vote_noted: false,
            contradiction: String::new(),
            frozen: false,
            to_open: false,
            kept: false,
        }
    }
}

impl Starts {
    /// Whether the node of an id has confirmed this start, under that id or a newer one.
    fn confirmed_by(&self, id: RaftId) -> bool {
        self.yes.get(&number(id)).is_some_and(|by| by.id >= id)
    }

    /// Whether the node of an id, at its confirmation of this start, counted both nodes as a quorum of voters.
    fn is_enough_with(&self, id: RaftId) -> bool {
        self.yes.get(&number(id)).is_some_and(|by| by.enough)
    }

    /// As [`Starts::confirmed_by`], by a voter whose own start was confirmed.
    fn remembered_by(&self, id: RaftId) -> bool {
        self.yes.get(&number(id)).is_some_and(|by| by.lasting && by.id >= id)
    }
}

impl<D: Disk> Core<D> {
    /// How far the other voters have confirmed this node's start.
    pub fn start_standing(&self) -> StartStanding {
        self.starts.as_ref().map_or(StartStanding::Confirmed, |starts| starts.standing.clone())
    }

    /// Whether this node may take part: its start is confirmed, and no entry committed here contradicts the leader.
    pub fn confirmed(&self) -> bool {
        #[cfg(mutant)]
        if crate::mutant::on(crate::mutant::Mutant::StartNotConfirmed) {
            return true;
        }
        self.starts.as_ref().is_none_or(|starts| starts.standing == StartStanding::Confirmed && !starts.frozen)
    }

    /// Why this node's log, or that of a peer, contradicts the other one; empty: nothing does.
    pub fn contradiction(&self) -> &str {
        self.starts.as_ref().map_or("", |starts| &starts.contradiction)
    }

    /// Whether this node follows no leader, since the leader contradicts the entries committed here.
    pub fn frozen(&self) -> bool {
        self.starts.as_ref().is_some_and(|starts| starts.frozen)
    }

    /// The table of evidence.
    pub fn evidence(&self) -> Option<&Evidence> {
        self.starts.as_ref().map(|starts| &starts.evidence)
    }

    /// The token of this start.
    pub fn start_token(&self) -> Option<Token> {
        self.starts.as_ref().map(|starts| starts.own.token)
    }

    /// The evidence in a leader's head about the voters, at the pace of heartbeats.
    pub fn evidence_to_tell(&self) -> Vec<ocs_proto::peer::VoterEvidence> {
        let Some(starts) = self.starts.as_ref().filter(|_| self.leads()) else { return Vec::new() };
        // the only voter leads in a term before that term is durable; the term of a durable entry is durable
        let durable = self.log_range().2;
        let term = self.raw.raft.raft_log.term(durable).unwrap_or(0);
        let own = Known { start: Some(starts.own), term, index: self.commit().min(durable) };
        starts.evidence.told((self.config.id, own), &self.raw.store().conf_state().voters)
    }

    // === this node's start ===

    /// Asks the voters that have not confirmed this start, and looks whether enough have.
    pub(super) fn tick_starts(&mut self) {
        self.note_acknowledged();
        let Some(starts) = &mut self.starts else { return };
        starts.living.values_mut().for_each(|(_, quiet)| *quiet += 1);
        starts.ticks += 1;
        if starts.short_ticks > 0 {
            starts.short_ticks = starts.short_ticks.saturating_add(1);
        }
        let pace = if starts.standing == StartStanding::Confirmed { LATE_CHECK_TICKS } else { CHECK_TICKS };
        if starts.ticks % pace == 1 && !matches!(starts.standing, StartStanding::Old(_)) {
            self.ask_for_confirmation();
        }
        self.settle_start();
    }

    fn ask_for_confirmation(&mut self) {
        let (term, last_index) = (self.raw.raft.hard_state().term, self.log_range().2);
        let others = self.other_voters();
        let is_voter = self.is_voter(self.config.id);
        let Some(starts) = &mut self.starts else { return };
        let check = starts.evidence.check_of(starts.own, term, last_index);
        // another node's membership may count this node since that node's yes
        let may_count = !is_voter && matches!(starts.standing, StartStanding::Asking(_));
        let is_open = |id: &RaftId| !starts.remembered_by(*id) || (may_count && !starts.is_enough_with(*id));
        let open: Vec<RaftId> = others.into_iter().filter(is_open).collect();
        starts.messages.extend(open.into_iter().map(|id| (id, StartMessage::Check(check.clone()))));
    }

    /// Every other voter of the known membership. With at most one known voter every other configured node too, since a later
    /// membership may have more voters.
    fn other_voters(&self) -> Vec<RaftId> {
        let conf = self.raw.store().conf_state();
        let own = number(self.config.id);
        let known: BTreeSet<RaftId> = conf.voters.iter().chain(&conf.voters_outgoing).copied().collect();
        let configured = self.config.kinds.iter().map(|(id, _)| *id);
        let unnamed =
            configured.filter(|id| known.len() <= 1 && known.iter().all(|voter| number(*voter) != number(*id)));
        unnamed.chain(known.iter().copied()).filter(|id| number(*id) != own).collect()
    }

    /// A refusal that an earlier start of this node heard holds for this start too.
    pub(super) fn recall_refusal(&mut self) {
        let (term, last) = (self.raw.raft.hard_state().term, self.log_range().2);
        let Some(starts) = &mut self.starts else { return };
        let check = starts.evidence.check_of(starts.own, term, last);
        if let Some(known) = starts.evidence.lacking(&check) {
            let lacking = known.lacking(&check.starts, term, last);
            starts.standing = StartStanding::Old(format!("a voter knew more of this disk than it holds: {lacking}"));
        }
    }

    /// Settles this start: confirmed once this node and the voters that confirmed the start are a quorum, and every other voter has
    /// confirmed too or had two seconds to refuse. The voters of a quorum may all have missed the entries that this disk lost.
    pub(super) fn settle_start(&mut self) {
        let others = self.other_voters();
        let own = number(self.config.id);
        let Some(starts) = &self.starts else { return };
        let conf = self.raw.store().conf_state();
        let remembers = |id: RaftId| number(id) == own || starts.remembered_by(id);
        let said_yes = |id: RaftId| {
            number(id) == own || starts.confirmed_by(id) || (self.formats() <= 1 && starts.older.contains(&number(id)))
        };
        // a node that is no voter now may know an older start, and be a voter again
        let configured = self.config.kinds.iter().map(|(id, _)| id);
        let by_all = others.iter().chain(configured).all(|id| remembers(*id));
        let enough = match conf.voters.len() {
            0 => others.iter().any(|id| said_yes(*id)),
            // the only voter needs no confirmation, but nodes that are present refuse an older copy of its disk
            1 if conf.voters == [self.config.id] => {
                others.iter().all(|id| said_yes(*id)) || starts.ticks >= ALONE_TICKS
            }
            // this node was no voter yet: a voter of that time may be gone, while a later membership counts this node
            _ if !self.is_voter(self.config.id) => self.is_quorum(said_yes) || starts.yes.values().any(|by| by.enough),
            _ => self.is_quorum(said_yes),
        };
        let missing = || {
            let reason = |id: &RaftId| match starts.waiting.get(&number(*id)) {
                Some(reason) => format!("{}: {reason}", number(*id)),
                None => format!("{}: no answer", number(*id)),
            };
            let open: Vec<String> = others.iter().filter(|id| !said_yes(**id)).map(reason).collect();
            open.join(", ")
        };
        let enough_at = starts.enough_at.or(enough.then_some(starts.ticks)).filter(|_| enough);
        let heard = conf.voters.len() <= 1
            || others.iter().all(|id| said_yes(*id))
            || enough_at.is_some_and(|since| starts.ticks - since >= LISTEN_TICKS);
        let standing = match &starts.standing {
            StartStanding::Asking(_) if enough && heard => Some(StartStanding::Confirmed),
            StartStanding::Asking(_) => Some(StartStanding::Asking(missing())),
            _ => None,
        };
        let Some(starts) = &mut self.starts else { return };
        starts.enough_at = enough_at;
        if let Some(standing) = standing {
            starts.standing = standing;
        }
        if by_all {
            starts.evidence.confirmed_by_all(starts.own);
        }
    }

    fn on_start_answer(&mut self, head: &Head, answer: StartAnswer) {
        let from = head.from;
        let Some(starts) = &mut self.starts else { return };
        if answer.token[..] != starts.own.token {
            return; // of a former start
        }
        if let Some(reign) = answer.contradicting.first() {
            let why = format!("the log of {from:#x} has another leader in term {}, {:#x}", reign.term, reign.leader);
            return self.contradict(why, false);
        }
        match answer.verdict() {
            StartVerdict::Yes => {
                let lasting = !head.unconfirmed || starts.remembered_by(from);
                starts.yes.insert(number(from), Confirmer { id: from, lasting, enough: answer.enough });
                starts.waiting.remove(&number(from));
            }
            StartVerdict::Wait => {
                drop(starts.waiting.insert(number(from), "another process of this node still speaks".to_owned()));
            }
            StartVerdict::No => self.on_refused_start(from, &answer),
            StartVerdict::Unspecified => {}
        }
        self.settle_start();
    }

    /// A voter knows facts that this disk lacks. Before the start is confirmed the disk is old; later the two histories
    /// contradict each other, and neither process ends.
    fn on_refused_start(&mut self, from: RaftId, answer: &StartAnswer) {
        let (term, last) = (self.raw.raft.hard_state().term, self.log_range().2);
        let Some(starts) = &mut self.starts else { return };
        let known = answer.known.as_ref().map(Known::from_wire).unwrap_or_default();
        if starts.evidence.is_outdated(&known) {
            let reason = "its own disk is old: it names a start that every voter has left behind".to_owned();
            return drop(starts.waiting.insert(number(from), reason));
        }
        let check = starts.evidence.check_of(starts.own, term, last);
        let lacking = known.lacking(&check.starts, term, last);
        let why = format!("voter {from:#x} knows more of this disk than it holds: {lacking}");
        match starts.standing {
            StartStanding::Asking(_) => {
                tracing::error!("this node's disk is an older copy of itself: {why}");
                starts.standing = StartStanding::Old(why);
                starts.evidence.refused(known);
                starts.kept = true;
            }
            StartStanding::Confirmed => self.contradict(why, false),
            StartStanding::Old(_) => {}
        }
    }

    // === the starts of others ===

    /// Notes which start of a peer sent a frame, and whether the peer's release knows starts at all.
    pub(super) fn hear_start(&mut self, head: &Head) {
        let Some(starts) = &mut self.starts else { return };
        if head.formats_max == 0 {
            starts.older.insert(number(head.from));
            return self.settle_start();
        }
        starts.older.remove(&number(head.from));
        // an unconfirmed start keeps no other start out: its disk may be a copy
        if let Ok(token) = <Token>::try_from(&head.start[..])
            && !head.unconfirmed
        {
            match starts.living.get(&head.from) {
                Some((other, quiet)) if *other != token && *quiet < LIVING_TICKS => {}
                _ => drop(starts.living.insert(head.from, (token, 0))),
            }
        }
    }

    /// The stream of a node's process ended.
    pub(super) fn start_ended(&mut self, node: u16) {
        if let Some(starts) = &mut self.starts {
            starts.living.retain(|id, _| number(*id) != node);
        }
    }

    fn on_start_check(&mut self, from: RaftId, check: &StartCheck) {
        let Some(start) = check.start.as_ref().and_then(Start::from_wire) else { return };
        self.note_acknowledged();
        let counted = self.matched(from).unwrap_or(0);
        let enough = self.is_voter(from) && self.is_quorum(|id| id == from || id == self.config.id);
        let Some(starts) = &mut self.starts else { return };
        let mut answer = StartAnswer { token: start.to_wire().token, enough, ..StartAnswer::default() };
        answer.contradicting = starts.evidence.contradicting(&check.reigns);
        let another =
            starts.living.get(&from).is_some_and(|(token, quiet)| *token != start.token && *quiet < LIVING_TICKS);
        let checked = starts.evidence.check(from, check, counted);
        #[cfg(mutant)]
        let checked = starts.mistaken(from, check, checked);
        let mut told = "";
        let verdict = match checked {
            _ if another => StartVerdict::Wait,
            Ok(()) => {
                starts.evidence.confirm(from, start);
                starts.living.insert(from, (start.token, 0));
                StartVerdict::Yes
            }
            Err(known) => {
                answer.known = Some(known.to_wire(from));
                told = "the disk of a node is an older copy of itself: it lacks what this node knows of it";
                StartVerdict::No
            }
        };
        answer.verdict = verdict.into();
        let answered = (from, StartMessage::Answer(answer.clone()));
        match verdict {
            StartVerdict::Yes => starts.answers.push(answered),
            _ => starts.messages.push(answered), // a refusal needs no table
        }
        if !told.is_empty() && starts.waiting.insert(number(from), told.to_owned()).is_none() {
            tracing::error!(from, known = ?answer.known, "{told}");
        }
        if let Some(reign) = answer.contradicting.first() {
            let why =
                format!("the log of {from:#x} has another leader in term {} than {:#x}", reign.term, reign.leader);
            self.contradict(why, false);
        }
    }

    // === evidence ===

    /// Notes the committed indexes that peers have acknowledged to this leader.
    fn note_acknowledged(&mut self) {
        if !self.leads() || self.starts.is_none() {
            return;
        }
        let (term, commit) = (self.term(), self.commit());
        let own = self.config.id;
        let counted = self.raw.raft.prs().iter().filter(|(id, progress)| **id != own && progress.matched > 0);
        let matched: Vec<(RaftId, u64)> = counted.map(|(id, progress)| (*id, progress.matched.min(commit))).collect();
        matched.into_iter().for_each(|(id, index)| self.note_evidence(id, term, index));
    }

    fn note_evidence(&mut self, id: RaftId, term: u64, index: u64) {
        if let Some(starts) = &mut self.starts {
            starts.evidence.note(id, term, index);
        }
    }

    /// Whether this node has confirmed the start that speaks under an id; none: its release has no starts.
    pub fn keeps(&self, id: RaftId, start: Option<Token>) -> bool {
        let Some(starts) = &self.starts else { return true };
        start.is_none() || start == starts.evidence.of(id).start.map(|kept| kept.token)
    }

    /// Whether a message of this frame counts here. A promise counts only from the start that is confirmed here: the sender's
    /// next start must show the noted promises. The leader tells of a start that another voter confirmed.
    pub(super) fn is_kept(&self, head: &Head, message: &RaftMessage) -> bool {
        let Some(starts) = &self.starts else { return true };
        let kinds = [MessageType::MsgAppendResponse, MessageType::MsgRequestVoteResponse, MessageType::MsgRequestVote];
        let promises = !message.reject && kinds.iter().any(|kind| message.kind == *kind as u32);
        !promises
            || starts.older.contains(&number(head.from))
            || <Token>::try_from(&head.start[..]).is_ok_and(|token| self.keeps(head.from, Some(token)))
    }

    /// Notes a vote for this candidate, and the term in which another candidate voted for itself.
    pub(super) fn note_votes(&mut self, message: &RaftMessage) {
        let kind = message.kind;
        let granted = kind == MessageType::MsgRequestVoteResponse as u32 && !message.reject;
        let asked = kind == MessageType::MsgRequestVote as u32;
        if granted || asked {
            self.note_evidence(message.from, message.term, 0);
            if let Some(starts) = &mut self.starts {
                starts.vote_noted = true;
            }
        }
    }

    /// The table goes along with a write whose promises are votes, and with the first one of a new leader.
    pub(super) fn evidence_of_votes(&mut self) -> Option<Evidence> {
        let starts = self.starts.as_mut()?;
        std::mem::take(&mut starts.vote_noted).then(|| starts.evidence.clone())
    }

    /// Forgets replaced ids: the core drops their frames.
    pub(super) fn forget_former(&mut self) {
        let Some(starts) = &self.starts else { return };
        let former: Vec<RaftId> = starts.evidence.voters().filter(|id| self.is_former(*id)).collect();
        if let Some(starts) = &mut self.starts {
            starts.evidence.forget(&former);
        }
    }

    // === contradictions ===

    /// Looks at a frame before Raft does. False: the frame holds nothing for Raft.
    pub(super) fn may_step(&mut self, head: &Head) -> bool {
        if !self.confirmed() || head.unconfirmed {
            return false;
        }
        if let Some(starts) = &mut self.starts {
            let end = starts.ends.entry(head.from).or_default();
            *end = (*end).max((head.term, head.last_index));
        }
        if head.term == self.term() && head.from == self.leader() && head.from != self.config.id {
            self.hear_leader(head);
        }
        self.confirmed()
    }

    fn hear_leader(&mut self, head: &Head) {
        let commit = self.commit();
        let Some(starts) = &mut self.starts else { return };
        starts.evidence.learn(&head.evidence);
        let highest = starts.ends.get(&head.from).filter(|(term, _)| *term == head.term).map_or(0, |(_, last)| *last);
        if highest == 0 || highest >= commit {
            starts.short_ticks = 0;
        } else if starts.short_ticks >= SHORT_TICKS {
            let (leader, term) = (head.from, head.term);
            let why = format!(
                "leader {leader:#x} of term {term} has entries up to {highest}, entry {commit} is committed here"
            );
            self.contradict(why, true);
        } else {
            starts.short_ticks = starts.short_ticks.max(1);
        }
    }

    /// A message contradicts the log here and is dropped. Where the sender leads, this node follows no leader any more.
    pub(super) fn contradicted(&mut self, message: &RaftMessage, contradiction: Contradiction) {
        let leads = contradiction.is_of_a_leader();
        let sender = if leads { "leader" } else { "node" };
        let why = format!("{sender} {:#x} of term {}: {contradiction}", message.from, message.term);
        self.contradict(why, leads);
    }

    /// Reports two histories once; the report stands until an operator decides. `freeze`: this node follows no leader any more.
    fn contradict(&mut self, why: String, freeze: bool) {
        let Some(starts) = &mut self.starts else {
            return tracing::error!("contradiction: {why}");
        };
        if starts.contradiction.is_empty() {
            tracing::error!("contradiction: {why}; an operator decides which of the two is to be replaced");
            starts.contradiction = why;
        }
        if freeze && !std::mem::replace(&mut starts.frozen, true) {
            self.forget_leader();
        }
    }

    // === reigns ===

    /// The opening entry of a reign names the leader and its start.
    pub(super) fn open_reign(&mut self) {
        let Some(token) = self.start_token() else { return };
        let reign = Reign { term: self.term(), leader: self.config.id, token: token.to_vec().into() };
        let mut message = Message::default();
        message.set_msg_type(MessageType::MsgPropose);
        message.from = self.config.id;
        let entry = Entry { context: reign.encode_to_vec().into(), ..Default::default() };
        message.set_entries(vec![entry].into());
        if let Err(fault) = self.raw.raft.step(message) {
            tracing::debug!(%fault, "the opening entry of this reign was not proposed");
        }
    }

    pub(super) fn note_reign_of(&mut self, entry: &Entry) {
        if entry.context.is_empty() || !entry.data.is_empty() {
            return;
        }
        let Some(starts) = &mut self.starts else { return };
        if let Ok(reign) = Reign::decode(&entry.context[..])
            && reign.term == entry.term
        {
            starts.evidence.opened(reign);
        }
    }

    // === outgoing messages ===

    /// Questions leave at once, answers after the table that they need. A confirmed start is durable here before its node hears
    /// of it.
    pub(super) fn take_start_messages(&mut self, output: &mut Output) {
        let Some(starts) = &mut self.starts else { return };
        output.starts.append(&mut starts.messages);
        if !starts.answers.is_empty() || std::mem::take(&mut starts.kept) {
            let then = std::mem::take(&mut starts.answers);
            output.evidence = Some(EvidenceWrite { evidence: starts.evidence.clone(), then });
        }
    }

    /// Takes a frame's check, answer and start.
    pub(super) fn step_starts(&mut self, head: &Head, check: Option<StartCheck>, answer: Option<StartAnswer>) {
        if let Some(check) = check {
            self.on_start_check(head.from, &check);
        }
        if let Some(answer) = answer {
            self.on_start_answer(head, answer);
        }
        self.hear_start(head);
    }

    /// A leader begins: the opening entry is proposed once the event is over.
    pub(super) fn reign_began(&mut self) {
        if let Some(starts) = &mut self.starts {
            (starts.to_open, starts.vote_noted) = (true, true);
        }
    }

    pub(super) fn open_reign_if_due(&mut self) {
        if self.leads() && self.starts.as_mut().is_some_and(|starts| std::mem::take(&mut starts.to_open)) {
            self.open_reign();
        }
    }

    /// A write that carries the table of the votes.
    pub(super) fn with_evidence(&mut self, mut write: Write) -> Write {
        write.evidence = self.evidence_of_votes();
        write
    }
}
