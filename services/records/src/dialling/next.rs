//! The search for the next record of a campaign group (spec 9, The next record): personal callbacks of the asking agent, then
//! campaign callbacks, then General records by the turns of their lists.
//!
//! The index holds records that meet the conditions 1, 2 and 4 but for the time and the windows; the search meets the others. A
//! candidate that fails a condition leaves the index in the same command, so that no later command meets it again: at most
//! [`DUE_RECORDS_MAX`] such changes a command. The bound limits the command's time for any number of candidates ahead.

use std::sync::Arc;

use outbound::{CHAIN_RECORDS_MAX, DUE_RECORDS_MAX, Handle, declaration::DeclaredCampaign, record_status};

use super::{
    heads::{Head, Heads},
    hours::Clock,
    lists::{self, DialledList},
    pauses::free_paused,
    turns::{self, Contender},
};
use crate::{
    declared::Declared,
    dnc, due,
    event::{Event, HandOutClass},
    groups, hold, limits, lookup,
    tables::{Class, Key, ListRow, RecordRow, Row, dialable},
    turn::{Turn, chain},
    view::View,
};

/// Seconds for which a record with `attempts_max` attempts is passed over: the list may raise the number.
const ATTEMPTS_PAUSE_S: i64 = 3600;
/// Seconds for which a callback is passed over because another callback of its chain comes first, once a command has passed over
/// [`PASSED_OVER_MAX`] of them.
const TIE_PAUSE_S: i64 = 60;
/// Callbacks that a command passes over without a change.
const PASSED_OVER_MAX: u32 = DUE_RECORDS_MAX;

/// A request for the next record.
pub(crate) struct Asker<'a> {
    /// Empty: no agent.
    pub(crate) agent: &'a str,
    pub(crate) campaign: &'a DeclaredCampaign,
    /// DBID of the campaign.
    pub(crate) campaign_dbid: u32,
    /// DBID of the campaign group.
    pub(crate) group: u32,
}

/// The next record, not yet handed out.
pub(crate) struct Candidate {
    pub(crate) handle: Handle,
    pub(crate) record: RecordRow,
    pub(crate) list: Arc<ListRow>,
    pub(crate) class: HandOutClass,
}

/// The command has passed over as many records as a command may change: the search goes on in another command.
#[derive(Debug)]
pub(crate) struct UsedUp;

/// The next record of a group; none: no record is dialable. Frees records whose pause is over, and takes records out of the index
/// that fail a condition; the changes stay, whatever the answer.
pub(crate) fn next<V: View>(
    asker: &Asker<'_>,
    declared: &Declared,
    turn: &mut Turn<'_, '_, V>,
) -> Result<Option<Candidate>, UsedUp> {
    free_paused(DUE_RECORDS_MAX, turn);
    let mut clock = Clock::at(turn.now_s());
    let lists = lists::of(asker.campaign, declared, &mut clock, turn.overlay);
    let mut search =
        Search { asker, declared, clock, lists, changes_left: DUE_RECORDS_MAX, passes_left: PASSED_OVER_MAX };
    match search.callback(turn)? {
        None => search.general(turn),
        found => Ok(found),
    }
}

/// A search under way.
struct Search<'a> {
    asker: &'a Asker<'a>,
    declared: &'a Declared,
    clock: Clock,
    lists: Vec<DialledList>,
    changes_left: u32,
    passes_left: u32,
}

/// The result of a look at a head.
enum Look {
    Found(Box<Candidate>),
    /// The record stays without a change.
    PassedOver,
    /// The record has left the index, and its chain may have another candidate.
    Changed {
        chain_id: u64,
    },
}

/// Why a candidate is not handed out.
enum Obstacle {
    /// The chain has a hundred records before it.
    BeyondChain,
    /// The callback was not handed out in time.
    Expired,
    /// Another callback of the chain is due at the same time and comes first.
    Tie,
    DoNotCall,
    Limit {
        until_s: i64,
    },
    Attempts,
}

impl Search<'_> {
    /// The first callback: the asking agent's own before those of the campaign.
    fn callback<V: View>(&mut self, turn: &mut Turn<'_, '_, V>) -> Result<Option<Candidate>, UsedUp> {
        let own = (!self.asker.agent.is_empty()).then(|| Class::Personal(self.asker.agent.to_owned()));
        let mut heads: Vec<Heads> = Vec::new();
        for class in own.into_iter().chain([Class::Callback]) {
            heads.push(Heads::of(class, self.lists.iter().enumerate(), self.clock.now_s(), turn.overlay));
            while let Some((at, head)) = first_of(&heads) {
                match self.look_at(head.list, head.handle, turn)? {
                    Look::Found(candidate) => return Ok(Some(*candidate)),
                    Look::PassedOver => heads[at].pass(head.cursor, turn.overlay),
                    Look::Changed { chain_id } => {
                        heads[at].pass(head.cursor, turn.overlay);
                        turn.settle();
                        self.offer_chain(head.list, chain_id, &mut heads, turn);
                    }
                }
            }
        }
        Ok(None)
    }

    /// A callback that leaves the index may free another one of its chain, due later or at the same time.
    fn offer_chain<V: View>(&mut self, list: usize, chain_id: u64, heads: &mut [Heads], turn: &Turn<'_, '_, V>) {
        let DialledList { dbid, row, .. } = &self.lists[list];
        for (handle, record) in chain::members(*dbid, chain_id, turn) {
            if lists::is_callable(&record, row, self.declared, &mut self.clock) {
                heads.iter_mut().for_each(|heads| heads.offer(list, handle, &record));
            }
        }
    }

    /// The General record of the list with the next turn among the lists that have a record now.
    fn general<V: View>(&mut self, turn: &mut Turn<'_, '_, V>) -> Result<Option<Candidate>, UsedUp> {
        let mut found = Vec::new();
        let mut contenders = Vec::new();
        for at in 0..self.lists.len() {
            let Some(candidate) = self.general_of(at, turn)? else { continue };
            let DialledList { dbid, weight, .. } = self.lists[at];
            found.push(candidate);
            contenders.push(Contender { list: dbid, weight });
        }
        if contenders.len() <= 1 {
            return Ok(found.pop().map(|candidate| *candidate));
        }
        let mut row = groups::row(turn.overlay, self.asker.group);
        row.turns.retain(|turn| self.lists.iter().any(|list| list.dbid == turn.list));
        let chosen = turns::take(&contenders, &mut row);
        turn.overlay.put(Key::Group(self.asker.group), Row::Group(row));
        Ok(Some(*found.swap_remove(chosen)))
    }

    /// The first General record of a list, by chain_id and chain_n.
    fn general_of<V: View>(&mut self, at: usize, turn: &mut Turn<'_, '_, V>) -> Result<Option<Box<Candidate>>, UsedUp> {
        let list = [(at, &self.lists[at])];
        let mut heads = Heads::of(Class::General, list, self.clock.now_s(), turn.overlay);
        while let Some(head) = heads.first() {
            if let Look::Found(candidate) = self.look_at(at, head.handle, turn)? {
                return Ok(Some(candidate));
            }
            heads.pass(head.cursor, turn.overlay);
        }
        Ok(None)
    }

    /// Looks whether a head can be handed out, and changes a record that cannot.
    fn look_at<V: View>(&mut self, list: usize, handle: Handle, turn: &mut Turn<'_, '_, V>) -> Result<Look, UsedUp> {
        let Some(record) = lookup::record(turn.overlay, handle) else { return Ok(Look::PassedOver) };
        let Some(obstacle) = self.obstacle(list, handle, &record, turn) else {
            let (class, list) = (class_of(&record), self.lists[list].row.clone());
            return Ok(Look::Found(Box::new(Candidate { handle, record, list, class })));
        };
        if matches!(obstacle, Obstacle::Tie) && self.passes_left > 0 {
            self.passes_left -= 1;
            return Ok(Look::PassedOver);
        }
        self.changes_left = self.changes_left.checked_sub(1).ok_or(UsedUp)?;
        let chain_id = record.chain_id;
        put_away(handle, record, &obstacle, turn);
        Ok(Look::Changed { chain_id })
    }

    /// The first obstacle, cheap look-ups first. Do-Not-Call, which is final, comes before a limit.
    fn obstacle<V: View>(
        &mut self,
        list: usize,
        handle: Handle,
        record: &RecordRow,
        turn: &Turn<'_, '_, V>,
    ) -> Option<Obstacle> {
        if is_beyond_chain(handle, record, turn) {
            return Some(Obstacle::BeyondChain);
        }
        if is_expired(record, turn) {
            return Some(Obstacle::Expired);
        }
        if self.has_tie(list, handle, record, turn) {
            return Some(Obstacle::Tie);
        }
        let (row, campaign) = (&self.lists[list].row, self.asker.campaign_dbid);
        let stops = dnc::stops_record(record, row, Some(campaign), turn);
        #[cfg(mutant)]
        let stops = stops && !crate::mutant::on(crate::mutant::Mutant::EntryPassedOver);
        if stops {
            return Some(Obstacle::DoNotCall);
        }
        if let Err(until_s) = limits::check(record, row, campaign, turn) {
            return Some(Obstacle::Limit { until_s });
        }
        has_all_attempts(record, row).then_some(Obstacle::Attempts)
    }

    /// Whether another callback of the chain that is due at the same time has a lower chain_n and may be called now (condition
    /// 5).
    fn has_tie<V: View>(&mut self, list: usize, handle: Handle, record: &RecordRow, turn: &Turn<'_, '_, V>) -> bool {
        if record.chain_n == 0 || !chain::is_callback(record) {
            return false;
        }
        let DialledList { dbid, row, .. } = &self.lists[list];
        let due_s = |record: &RecordRow| record.dial_sched_time.unwrap_or(0);
        chain::members(*dbid, record.chain_id, turn).iter().any(|(other, before)| {
            *other != handle
                && before.chain_n < record.chain_n
                && chain::is_callback(before)
                && due_s(before) == due_s(record)
                && before.not_before_s.is_none()
                && lists::is_callable(before, row, self.declared, &mut self.clock)
        })
    }
}

/// The lowest head of the first class that has any.
fn first_of(heads: &[Heads]) -> Option<(usize, Head)> {
    heads.iter().enumerate().find_map(|(at, heads)| Some((at, heads.first()?)))
}

/// Whether a chain of an earlier release has a hundred records before this one, which then takes no part. A lower chain_n has
/// fewer records before it.
fn is_beyond_chain<V: View>(handle: Handle, record: &RecordRow, turn: &Turn<'_, '_, V>) -> bool {
    record.chain_n >= CHAIN_RECORDS_MAX
        && !chain::members(record.list, record.chain_id, turn).iter().any(|(member, _)| *member == handle)
}

/// Whether a callback is past `callback_expiry`. A callback without a time is due at once, and never expires.
fn is_expired<V: View>(record: &RecordRow, turn: &Turn<'_, '_, V>) -> bool {
    chain::is_callback(record)
        && record.dial_sched_time.is_some()
        && due::is_expired(dialable::due_s(record), &turn.rules, turn.now_us)
}

/// Whether a record has had `attempts_max` attempts (condition 7).
pub(super) fn has_all_attempts(record: &RecordRow, list: &ListRow) -> bool {
    list.attempts_max != 0 && record.attempt >= i64::from(list.attempts_max)
}

/// Takes a candidate out of the index. Finalised records change as by a request; the end of a pause or limit is no column.
fn put_away<V: View>(handle: Handle, record: RecordRow, obstacle: &Obstacle, turn: &mut Turn<'_, '_, V>) {
    let now_s = turn.now_s();
    let until = |until_s: i64| until_s.max(now_s.saturating_add(1));
    match obstacle {
        Obstacle::BeyondChain => turn.overwrite(handle, RecordRow { waits: true, ..record }),
        Obstacle::Expired => {
            turn.change_record(handle, hold::finalised(record, record_status::MISSED_CALLBACK));
            turn.events.push(Event::Missed { records: 1 });
        }
        Obstacle::Tie => turn.overwrite(handle, hold::held_back(record, until(now_s + TIE_PAUSE_S))),
        Obstacle::DoNotCall => {
            turn.change_record(handle, dnc::marked(hold::finalised(record, record_status::UPDATED)));
            turn.events.push(Event::MetOnDoNotCall);
        }
        Obstacle::Limit { until_s } => {
            turn.overwrite(handle, hold::held_back(record, until(*until_s)));
            turn.events.push(Event::HeldBack);
        }
        Obstacle::Attempts => turn.overwrite(handle, hold::held_back(record, until(now_s + ATTEMPTS_PAUSE_S))),
    }
}

fn class_of(record: &RecordRow) -> HandOutClass {
    match Class::of(record) {
        Some(Class::Personal(_)) => HandOutClass::Personal,
        Some(Class::Callback) => HandOutClass::Callback,
        _ => HandOutClass::General,
    }
}
