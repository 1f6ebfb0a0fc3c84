//! The explanation of a record that is not dialable: the first of the seven conditions that fails, and until when (spec 9, The
//! next record).
//!
//! Judges the rows themselves and not the index, so that the explanation also holds while rows are brought up. Never writes.
//! Called by the node's questions.

use std::sync::Arc;

use jiff::Timestamp;
use outbound::{
    Body, CHAIN_RECORDS_MAX, Command, Due, Handle, Origin, RECORD_STATUS, RECORD_TYPE, RULES_WITH_CAMPAIGNS, RequestId,
    record_status,
};

use super::{
    hours::{self, Clock},
    lists::{hours_of, is_callable},
    next::has_all_attempts,
};
use crate::{
    declared::Declared,
    dnc, limits, lookup,
    numbers::OneByOne,
    overlay::Overlay,
    rules::Rules,
    tables::{Class, ListRow, RecordRow},
    turn::{Turn, chain},
    view::View,
    zones,
};

/// Why a record is not dialable now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotDialable {
    /// Number of the condition, 1 to 7 (spec 9, The next record).
    pub condition: u32,
    /// A clause for a person, without a full stop.
    pub reason: String,
    /// The end of the reason, UTC seconds; none: not known, or no end by itself.
    pub until_s: Option<i64>,
}

/// The first condition that a record fails at a time; none: the record is dialable, or there is no such record. Do-Not-Call
/// entries and limits of campaigns count if they hold in every campaign of the record's list.
pub fn why_not_dialable(view: &impl View, handle: Handle, now_us: u64) -> Option<NotDialable> {
    let version = lookup::rules_version(view);
    let record = lookup::record(view, handle)?;
    let list = lookup::list(view, record.list).filter(|list| !list.deleting)?;
    if version < RULES_WITH_CAMPAIGNS {
        return None;
    }
    // the checks of a hand-out read through a turn; this turn never ends, so that nothing is written
    let body = Body::Due(Due { rows_max: 1 });
    let command = Command::new(version, RequestId::default(), now_us, Origin::Control, body);
    let (own, mut numbers, mut events, mut overlay) = (Rules::default(), OneByOne, Vec::new(), Overlay::new(view));
    let declared = overlay.declared().clone();
    let turn = Turn::begin(&command, &mut overlay, &own, &mut numbers, &mut events);
    let members = chain::members(record.list, record.chain_id, &turn);
    let clock = Clock::at(turn.now_s());
    Judge { handle, record, list, declared, members, clock, turn: &turn }.first()
}

/// A judgement under way.
struct Judge<'j, 'o, 'v, V: View> {
    handle: Handle,
    record: RecordRow,
    list: Arc<ListRow>,
    declared: Arc<Declared>,
    /// The records of the chain that take part.
    members: Vec<(Handle, RecordRow)>,
    clock: Clock,
    turn: &'j Turn<'o, 'v, V>,
}

impl<V: View> Judge<'_, '_, '_, V> {
    fn first(mut self) -> Option<NotDialable> {
        let by_itself = self.status().or_else(|| self.time()).or_else(|| self.hours());
        let by_chain = by_itself.or_else(|| self.chain()).or_else(|| self.place());
        by_chain.or_else(|| self.do_not_call()).or_else(|| self.attempts()).or_else(|| self.look())
    }

    /// Condition 1: Ready, of a type that is dialled.
    fn status(&self) -> Option<NotDialable> {
        let RecordRow { record_status: status, record_type, agent_id, .. } = &self.record;
        let name = |names: &outbound::Enumeration, value: i64| names.name_of(value).unwrap_or("unknown");
        if *status == record_status::RETRIEVED && !agent_id.is_empty() {
            return because(1, format!("the record is Retrieved: agent {agent_id:?} holds it"), None);
        }
        if *status != record_status::READY {
            return because(1, format!("the status of the record is {}", name(&RECORD_STATUS, *status)), None);
        }
        let is_dialled = Class::of(&self.record).is_some();
        let no_type = || format!("the type of the record is {}", name(&RECORD_TYPE, *record_type));
        if is_dialled { None } else { because(1, no_type(), None) }
    }

    /// Condition 2: due, and held back by no pause and no limit.
    fn time(&self) -> Option<NotDialable> {
        let now_s = self.clock.now_s();
        let is_later = |at_s: &i64| *at_s > now_s;
        if let Some(due_s) = self.record.dial_sched_time.filter(is_later).filter(|_| chain::is_callback(&self.record)) {
            return because(2, format!("the callback is due at {}", shown(due_s)), Some(due_s));
        }
        if let Some(until_s) = self.record.not_before_s.filter(is_later).filter(|_| self.record.chain_paused) {
            return because(2, "a rejection holds the record and its chain back".to_owned(), Some(until_s));
        }
        let until_s = self.limited_until(&self.record)?;
        because(2, "a contact limit holds the record back".to_owned(), Some(until_s))
    }

    /// Condition 2 for a record whose obstacle is gone without a change of the record: the next look at the record is due later.
    fn look(&self) -> Option<NotDialable> {
        let until_s = self.record.not_before_s.filter(|until_s| *until_s > self.clock.now_s())?;
        because(2, "a preview has passed the record over, and looks at the record again".to_owned(), Some(until_s))
    }

    /// The time at which the limits of a campaign allow a record first; none: a campaign may hand the record out now, or no
    /// campaign has the list.
    fn limited_until(&self, record: &RecordRow) -> Option<i64> {
        let mut until_s = None;
        for campaign in self.campaigns() {
            let limited = limits::check(record, &self.list, campaign, self.turn).err()?;
            until_s = Some(until_s.map_or(limited, |earlier: i64| earlier.min(limited)));
        }
        until_s
    }

    /// DBIDs of the campaigns that have the list.
    fn campaigns(&self) -> Vec<u32> {
        self.declared.campaigns_of(&self.list.name).filter_map(|(campaign, _)| campaign.dbid).collect()
    }

    /// Condition 3: window and calendar are open.
    fn hours(&mut self) -> Option<NotDialable> {
        if is_callable(&self.record, &self.list, &self.declared, &mut self.clock) {
            return None;
        }
        let calendar = hours::calendar_of(&self.list, &self.declared);
        let hours = hours_of(&self.record, calendar);
        let zone = zones::name_under(&self.record, &self.list, &self.declared);
        let until_s = hours.open_next(&zones::zone(zone), self.clock.now_s());
        let reason = if hours.from == hours.till {
            "the window of the record is empty: daily_from and daily_till are equal".to_owned()
        } else if hours.window_is_open(self.clock.local(zone)) {
            format!("the calendar {:?} of the list is closed in {zone}", self.list.calendar)
        } else {
            let [from, till] = [hours.from, hours.till].map(clock_time);
            format!("the window of the record, {from} to {till} in {zone}, is closed")
        };
        because(3, reason, until_s)
    }

    /// Condition 4: no other record of the chain is held or comes first as a callback, and the chain is not too long.
    fn chain(&self) -> Option<NotDialable> {
        if !self.members.iter().any(|(member, _)| *member == self.handle) {
            let reason = format!("the record is not one of the first {CHAIN_RECORDS_MAX} of its chain");
            return because(4, reason, None);
        }
        let mut others = self.members.iter().filter(|(member, _)| *member != self.handle);
        let held = |(_, other): &&(Handle, RecordRow)| other.record_status == record_status::RETRIEVED;
        if let Some((other, _)) = others.clone().find(held) {
            return because(4, format!("record handle {other} of its chain is Retrieved"), None);
        }
        let is_callback = chain::is_callback(&self.record);
        let comes_first = |(_, other): &&(Handle, RecordRow)| {
            chain::is_callback(other) && (!is_callback || due_s(other) < due_s(&self.record))
        };
        let (other, row) = others.find(comes_first)?;
        let due = row.dial_sched_time.map(|due_s| format!(", due at {}", shown(due_s))).unwrap_or_default();
        because(4, format!("record handle {other} of its chain is a callback that comes first{due}"), None)
    }

    /// Condition 5: the lowest chain_n of the chain's records that meet the conditions before.
    fn place(&mut self) -> Option<NotDialable> {
        let before = self.members.iter().filter(|(_, other)| other.chain_n < self.record.chain_n);
        let rivals: Vec<(Handle, RecordRow)> = before.filter(|(_, other)| self.is_rival(other)).cloned().collect();
        let mut rivals = rivals.iter();
        let (other, row) = rivals.find(|(_, other)| is_callable(other, &self.list, &self.declared, &mut self.clock))?;
        because(5, format!("record handle {other} of its chain comes first, with chain_n {}", row.chain_n), None)
    }

    /// Whether another record of the chain meets the conditions 1, 2 and 4, which this record meets.
    fn is_rival(&self, other: &RecordRow) -> bool {
        let is_dialled = other.record_status == record_status::READY && Class::of(other).is_some();
        let is_callback = chain::is_callback(&self.record);
        let is_due = match (is_callback, chain::is_callback(other)) {
            (true, true) => due_s(other) == due_s(&self.record),
            (false, false) => true,
            _ => false,
        };
        let is_paused = || other.not_before_s.is_some_and(|until_s| until_s > self.clock.now_s());
        is_dialled && is_due && !is_paused() && self.limited_until(other).is_none()
    }

    /// Condition 6: neither phone nor customer is on Do-Not-Call.
    fn do_not_call(&self) -> Option<NotDialable> {
        let stops = |record: &RecordRow| {
            let campaigns = self.campaigns();
            let in_campaign = |campaign: &u32| dnc::stops_record(record, &self.list, Some(*campaign), self.turn);
            dnc::stops_record(record, &self.list, None, self.turn)
                || (!campaigns.is_empty() && campaigns.iter().all(in_campaign))
        };
        if !stops(&self.record) {
            return None;
        }
        let without_customer = RecordRow { customer: String::new(), ..self.record.clone() };
        let reason = if stops(&without_customer) {
            format!("phone {} is on the Do-Not-Call list", self.record.contact_info)
        } else {
            format!("customer {:?} is on the Do-Not-Call list", self.record.customer)
        };
        because(6, reason, None)
    }

    /// Condition 7: fewer attempts than the list allows.
    fn attempts(&self) -> Option<NotDialable> {
        let (had, max) = (self.record.attempt, self.list.attempts_max);
        let reason = || format!("the record has had {had} attempts, and the list allows {max}");
        if has_all_attempts(&self.record, &self.list) { because(7, reason(), None) } else { None }
    }
}

fn because(condition: u32, reason: String, until_s: Option<i64>) -> Option<NotDialable> {
    Some(NotDialable { condition, reason, until_s })
}

fn due_s(record: &RecordRow) -> i64 {
    record.dial_sched_time.unwrap_or(0)
}

/// A time as in `2026-12-25T08:00:00Z`.
fn shown(at_s: i64) -> String {
    Timestamp::from_second(at_s).unwrap_or_default().to_string()
}

/// Seconds of the day as in `08:30`.
fn clock_time(second: u32) -> String {
    format!("{:02}:{:02}", second / 3600, second / 60 % 60)
}
