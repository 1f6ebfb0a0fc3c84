//! The state behind the log in the simulator: the real rules over a map, with a store's knowledge besides its rows.
//!
//! Makes no decision itself. Called by the simulated nodes, and by the reference that they are compared with.

use std::sync::Arc;

use consensus::core::GENESIS;
use ocs_proto::{
    outbound::Command as WireCommand,
    peer::{Commands, ConfState, Entry, SnapshotMark},
};
use outbound::{
    Body, Command, Effect, Origin, RULES_FIRST, RULES_WITH_OUTBOX, Reply, ReplyBody, Request, RequestId, key,
    wire::command_from_wire,
};
use prost::Message;
use records::{Change, Changes, Event, Key, MapView, Overlay, Row, Rules, Table, decide, decide_on, digest_of_changes};

use super::requests;

/// Seed of the digest; the same on every node.
pub(super) const CLUSTER_KEY: u64 = 7;
/// An entry that is no change of the membership.
const NORMAL: u32 = 0;
/// The state has this stamp at the beginning.
const STAMP_FIRST_US: u64 = 1_700_000_000_000_000;
/// The true time when a run begins, microseconds since 1970.
pub(super) const NOON_US: u64 = STAMP_FIRST_US + 1_000_000;

/// The result of one command, as the reference saw it.
#[derive(Debug)]
pub(super) struct Decided {
    pub(super) command: Command,
    pub(super) reply: Reply,
    /// The operation that the request belongs to.
    pub(super) operation: Option<u64>,
    /// The command changed anything: no repetition of a known request.
    pub(super) new: bool,
    /// A record was added or changed.
    pub(super) effect: bool,
    /// Numbers of the effects that the command left in the outbox.
    pub(super) kept: Vec<u64>,
    /// The settings subscribe to the command's effect.
    pub(super) subscribed: bool,
}

impl Decided {
    /// The command has passed over as many records as a command may, and is proposed again.
    pub(super) fn asks_again(&self) -> bool {
        self.reply.body == ReplyBody::Again
    }

    /// The command was done, and is no repetition of one that was done before.
    pub(super) fn is_done(&self) -> bool {
        let done = matches!(self.reply.body, ReplyBody::Done(_) | ReplyBody::Imported(_));
        done && self.new && !self.reply.replayed
    }
}

/// All rows, the index up to which they stand, and their digest.
#[derive(Debug, Clone)]
pub(super) struct SimState {
    pub(super) map: MapView,
    pub(super) mark: SnapshotMark,
    pub(super) digest: u128,
    /// The simulator knows that the state differs from the log.
    pub(super) wrong: bool,
}

/// The options before the raise, the same on every node: windows short enough to be left behind in a run.
pub(super) fn rules() -> Rules {
    Rules { request_window_us: 20_000_000, replay_window_us: 500_000, ..Rules::default() }
}

impl SimState {
    /// The content of every data node before the first entry: two lists with a few records.
    pub(super) fn first() -> Self {
        thread_local! {
            static FIRST: SimState = SimState::build();
        }
        FIRST.with(Clone::clone)
    }

    fn build() -> Self {
        let mark = SnapshotMark { index: GENESIS.0, term: GENESIS.1, conf_state: None };
        let mut state = Self { map: MapView::default(), mark, digest: 0, wrong: false };
        for (counter, body) in requests::first_commands().into_iter().enumerate() {
            let id = RequestId { node: 9, incarnation: 0, token: 0, counter: counter as u64 + 1 };
            let stamp_us = STAMP_FIRST_US + counter as u64;
            let decided = state.decide(Command::new(RULES_FIRST, id, stamp_us, Origin::Control, body));
            assert!(decided.is_done(), "a first command was not done: {decided:?}");
        }
        state
    }

    /// The same under the mark with which a group begins.
    pub(super) fn first_of(mark: &SnapshotMark) -> Self {
        Self { mark: mark.clone(), ..Self::first() }
    }

    /// The same without an index: the state of a node whose store is lost.
    pub(super) fn lost() -> Self {
        Self { mark: SnapshotMark::default(), ..Self::first() }
    }

    /// The version that the group decides by.
    pub(super) fn rules_version(&self) -> u32 {
        records::settings(&self.map).map_or(RULES_FIRST, |settings| settings.rules_version())
    }

    /// Applies entries as one batch, as the node's machine does. `conf_state`: the membership behind the last of them; `own`:
    /// the options of the node's file.
    pub(super) fn apply(
        &mut self,
        entries: &[Entry],
        conf_state: Option<ConfState>,
        own: &Rules,
    ) -> Vec<(RequestId, Reply)> {
        let (mut replies, mut events) = (Vec::new(), Vec::new());
        let mut overlay = Overlay::new(&self.map);
        for entry in entries {
            for command in commands(entry) {
                replies.push((command.id, decide_on(&command, &mut overlay, own, &mut events)));
            }
        }
        let changes = overlay.into_changes();
        self.digest = self.digest.wrapping_add(digest_of_changes(CLUSTER_KEY, &changes));
        self.map.apply(&changes);
        self.move_to(entries.last());
        self.mark.conf_state = conf_state;
        replies
    }

    /// Applies one entry, a command at a time.
    pub(super) fn apply_one(&mut self, entry: &Entry) {
        commands(entry).into_iter().for_each(|command| drop(self.decide(command)));
        self.move_to(Some(entry));
    }

    /// Decides a command; the caller moves the mark behind the last command of an entry.
    pub(super) fn decide(&mut self, command: Command) -> Decided {
        let subscribed = self.keeps_effects() && command.rules >= RULES_WITH_OUTBOX;
        let (reply, changes, events) = decide(&command, &self.map, &rules());
        let number = |change: &Change| match (&change.key, &change.new) {
            (Key::Outbox(number), Some(_)) => Some(*number),
            _ => None,
        };
        self.digest = self.digest.wrapping_add(digest_of_changes(CLUSTER_KEY, &changes));
        self.map.apply(&changes);
        let operation = match &command.body {
            Body::Request(request) => operation_of(request),
            _ => None,
        };
        let effect =
            |event: &Event| matches!(event, Event::Effect(Effect::RecordAdded { .. } | Effect::RecordChanged { .. }));
        Decided {
            new: !changes.0.is_empty(),
            operation,
            effect: events.iter().any(effect),
            kept: changes.0.iter().filter_map(number).collect(),
            subscribed,
            command,
            reply,
        }
    }

    /// Whether the settings subscribe to added and changed records.
    fn keeps_effects(&self) -> bool {
        let settings = records::settings(&self.map);
        settings.is_some_and(|settings| settings.value("outbox_effects").is_some_and(|effects| !effects.is_empty()))
    }

    /// The last number of an effect in the outbox.
    pub(super) fn last_effect(&self) -> u64 {
        records::outbox_mark(&self.map).last
    }

    /// A record becomes another one, in a column on which nothing depends here. `applied`: the digest includes the change, as
    /// of an entry that was applied wrongly; else a disk made the change.
    pub(super) fn spoil(&mut self, row: u64, applied: bool) {
        let records = self.map.table(Table::Record);
        let Some((key, old)) = records.get(row as usize % records.len().max(1)).cloned() else { return };
        let Row::Record(mut record) = old.clone() else { return };
        Arc::make_mut(&mut record).email_subject.push('?');
        let changes = Changes(vec![Change { key, old: Some(old), new: Some(Row::Record(record)) }]);
        if applied {
            self.digest = self.digest.wrapping_add(digest_of_changes(CLUSTER_KEY, &changes));
        }
        self.map.apply(&changes);
        self.wrong = true;
    }

    pub(super) fn move_to(&mut self, entry: Option<&Entry>) {
        if let Some(entry) = entry {
            (self.mark.index, self.mark.term) = (entry.index, entry.term);
        }
    }
}

/// Every request of the simulation carries the number of its operation as its reference.
pub(super) fn operation_of(request: &Request) -> Option<u64> {
    request.attributes.int(key::REFERENCE_ID).map(i64::unsigned_abs)
}

/// The commands of an entry.
pub(super) fn commands(entry: &Entry) -> Vec<Command> {
    if entry.kind != NORMAL || entry.data.is_empty() {
        return Vec::new();
    }
    let all = Commands::decode(entry.data.clone()).expect("an entry of the simulation is a list of commands");
    let one = |bytes| command_from_wire(WireCommand::decode(bytes).expect("a command")).expect("a command we know");
    all.commands.into_iter().map(one).collect()
}
