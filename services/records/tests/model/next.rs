//! The next record of a campaign group (spec 9, The next record).

use std::cmp::Reverse;

use outbound::{Value, key};

use crate::{
    config::FIRST_GROUP,
    model::{Answer, Model, State, int},
    readings,
    record::{Held, READY, RETRIEVED, Record},
    time::{self, DAY_S},
};

impl Model {
    pub fn preview(&mut self, group: usize, agent: &str) -> Answer {
        if ![State::Loaded, State::Running].contains(&self.states[group]) {
            return Answer::Refused(vec!["CONFLICT"]);
        }
        if let Some(at) = self.held_longest(group, agent) {
            let mut keys = self.preview_keys(at, group);
            keys.push((key::MESSAGE, Value::text("held")));
            return Answer::Done("PreviewRecord", keys, Vec::new());
        }
        let Some(at) = self.next(group, agent) else {
            return Answer::Done("PreviewRecordEmpty", group_keys(group), vec![key::RECORD_HANDLE]);
        };
        self.hand_out(at, group, agent);
        Answer::Done("PreviewRecord", self.preview_keys(at, group), vec![key::MESSAGE])
    }

    /// The record that an agent with so many records gets again.
    fn held_longest(&self, group: usize, agent: &str) -> Option<usize> {
        let max = self.config.groups[group].holds_max;
        let holds =
            |record: &Record| record.agent == agent && record.held.as_ref().is_some_and(|held| held.group == group);
        let held: Vec<usize> = (0..self.records.len()).filter(|at| holds(&self.records[*at])).collect();
        let is_full = max > 0 && !agent.is_empty() && held.len() >= max;
        let since = |at: &usize| self.records[*at].held.as_ref().map(|held| held.since_us);
        held.into_iter().filter(|_| is_full).min_by_key(since)
    }

    fn preview_keys(&self, at: usize, group: usize) -> Vec<(&'static str, Value)> {
        let record = &self.records[at];
        let mut keys = group_keys(group);
        keys.extend([
            (key::RECORD_HANDLE, int(record.handle)),
            (key::PHONE, Value::text(&record.phone)),
            (key::ATTEMPTS, Value::Int(record.attempt)),
            (key::CALL_RESULT, Value::Int(record.result)),
            (key::CALLING_LIST, Value::text(self.list(record).name)),
            (key::CHAIN_ID, int(record.chain)),
            (key::CHAIN_N, int(record.n)),
        ]);
        keys.extend(self.date_time(record).map(|text| (key::DATE_TIME, text)));
        keys.extend(record.is_callback().then_some((key::RECORD_TYPE, Value::Int(record.kind))));
        keys
    }

    fn hand_out(&mut self, at: usize, group: usize, agent: &str) {
        self.count(at, Some(self.config.groups[group].campaign));
        let now_us = self.now_us;
        let record = &mut self.records[at];
        record.ready();
        record.status = RETRIEVED;
        record.agent_before = std::mem::replace(&mut record.agent, agent.to_owned());
        record.held = Some(Held {
            since_us: now_us,
            touched_us: now_us,
            group,
            pending: None,
            attempts_set: false,
            guid: String::new(),
        });
    }

    /// The next record of a group. Records met on Do-Not-Call, or held back by a limit, are passed over on a copy: which of them
    /// are met before the answer stands is not said, so the state follows what the rules did to them.
    fn next(&mut self, group: usize, agent: &str) -> Option<usize> {
        let campaign = self.config.groups[group].campaign;
        let mut copy = self.clone();
        loop {
            let next = copy.candidates(campaign, agent);
            let passed = next.iter().copied().find(|at| copy.pass_over(*at, campaign));
            if passed.is_none() {
                return self.choose(&next, group);
            }
        }
    }

    /// Takes a record out of the way that Do-Not-Call stops, or that a limit or its attempts hold back (conditions 6, 2, 7); false:
    /// the record may be handed out.
    fn pass_over(&mut self, at: usize, campaign: usize) -> bool {
        if self.is_stopped(&self.records[at]) {
            let chain = self.others(at);
            self.records[at].stop();
            if !readings::A_MARK_FREES_THE_CHAIN_AT_ONCE {
                chain.into_iter().for_each(|other| self.records[other].limited_s = Some(i64::MAX));
            }
            return true;
        }
        let until_s = self.passed_until(at, campaign);
        self.records[at].limited_s = until_s;
        until_s.is_some()
    }

    /// The time until which a limit, or the number of its attempts, holds a record back that is met.
    pub fn passed_until(&self, at: usize, campaign: usize) -> Option<i64> {
        let of_attempts = || self.has_all_attempts(at).then(|| self.now_s() + readings::ALL_ATTEMPTS_PAUSE_S);
        self.limited_until(at, campaign).or_else(of_attempts)
    }

    /// The records that may come next: one callback, or the first record of every list.
    fn candidates(&self, campaign: usize, agent: &str) -> Vec<usize> {
        let lists = self.config.campaigns[campaign].lists.iter().filter(|(_, weight)| *weight > 0);
        let lists: Vec<usize> = lists.map(|(list, _)| *list).collect();
        let dialable: Vec<usize> =
            (0..self.records.len()).filter(|at| lists.contains(&self.records[*at].list) && self.is_met(*at)).collect();
        let first_of = |is_meant: &dyn Fn(&Record) -> bool| {
            let meant = dialable.iter().copied().filter(|at| is_meant(&self.records[*at]));
            meant.min_by_key(|at| (self.records[*at].due_s.unwrap_or(0), self.records[*at].handle))
        };
        let agents = first_of(&|record| record.is_personal() && record.agent == agent);
        let anybodys = || first_of(&|record| record.is_callback() && !record.is_personal());
        if let Some(callback) = agents.or_else(anybodys) {
            return vec![callback];
        }
        let general = |list: &usize| {
            let of_list = dialable.iter().copied().filter(|at| self.records[*at].list == *list);
            let general = of_list.filter(|at| !self.records[*at].is_callback());
            general.min_by_key(|at| (self.records[*at].chain, self.records[*at].n))
        };
        lists.iter().filter_map(general).collect()
    }

    /// Smooth weighted round robin among the lists of these records; no turn for a callback.
    fn choose(&mut self, next: &[usize], group: usize) -> Option<usize> {
        let first = *next.first()?;
        if self.records[first].is_callback() {
            return Some(first);
        }
        let lists = self.config.campaigns[self.config.groups[group].campaign].lists.clone();
        let has_one = |list: usize| next.iter().any(|at| self.records[*at].list == list);
        let taking: Vec<_> = lists.into_iter().filter(|(list, _)| has_one(*list)).collect();
        for (list, weight) in &taking {
            *self.weights.entry((group, *list)).or_insert(0) += weight;
        }
        let (chosen, _) = *taking.iter().min_by_key(|(list, _)| Reverse(self.weights[&(group, *list)]))?;
        let sum: i64 = taking.iter().map(|(_, weight)| weight).sum();
        *self.weights.entry((group, chosen)).or_insert(0) -= sum;
        next.iter().copied().find(|at| self.records[*at].list == chosen)
    }

    /// Conditions 1 to 5.
    fn is_met(&self, at: usize) -> bool {
        let record = &self.records[at];
        let comes_first = |other: &usize| self.records[*other].n > record.n || !self.may_be_dialled(*other);
        self.may_be_dialled(at) && self.others(at).iter().all(comes_first)
    }

    /// Whether condition 7 fails.
    fn has_all_attempts(&self, at: usize) -> bool {
        let record = &self.records[at];
        let max = self.list(record).attempts_max;
        max != 0 && record.attempt >= max
    }

    /// Conditions 1 to 4.
    fn may_be_dialled(&self, at: usize) -> bool {
        let record = &self.records[at];
        let is_over = |until_s: Option<i64>| until_s.is_none_or(|until_s| until_s <= self.now_s());
        let is_dialled = record.status == READY && (2..=6).contains(&record.kind);
        let is_due = !record.is_callback() || record.due_s.is_none_or(|due_s| due_s <= self.now_s());
        let is_free = is_over(record.paused_s) && is_over(record.limited_s);
        is_dialled && is_due && is_free && self.is_open_now(record) && self.is_freed_by_chain(at)
    }

    /// Condition 3.
    fn is_open_now(&self, record: &Record) -> bool {
        let list = self.list(record);
        if record.is_callback() && list.callbacks_any_time {
            return true;
        }
        let local_s = time::local(self.zone_of(record), self.now_s());
        let second = local_s.rem_euclid(DAY_S);
        let is_in_window = if record.from <= record.till {
            record.from <= second && second < record.till
        } else {
            second >= record.from || second < record.till
        };
        let hours = self.config.hours[time::weekday(local_s) as usize - 1];
        let is_working = hours.is_some_and(|(from, till)| (from..till).contains(&second))
            && time::date_text(local_s) != self.config.closed;
        is_in_window && (!list.has_calendar || is_working)
    }

    /// Condition 4.
    fn is_freed_by_chain(&self, at: usize) -> bool {
        let record = &self.records[at];
        let due_s = |record: &Record| record.due_s.unwrap_or(0);
        self.others(at).into_iter().map(|other| &self.records[other]).all(|other| {
            let is_waited_for = other.status == READY && other.is_callback();
            let comes_later = record.is_callback() && due_s(other) >= due_s(record);
            other.status != RETRIEVED && (!is_waited_for || comes_later)
        })
    }
}

fn group_keys(group: usize) -> Vec<(&'static str, Value)> {
    vec![(key::CAMPAIGN_GROUP_DBID, int(u64::from(FIRST_GROUP) + group as u64))]
}
