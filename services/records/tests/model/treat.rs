//! Treatments (spec 9, Treatments).

use crate::{
    config::TreatmentConfig,
    model::Model,
    time::{self, DAY_S},
};

/// The change of a record after its attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    Retry {
        personal: bool,
        due_s: i64,
    },
    /// With the time of the next record, if the treatment gives a time.
    NextInChain(Option<i64>),
    AssignToGroup,
    AgentError,
    /// Updated; the rest of the chain stays open.
    UpdateRecord,
    /// Updated, and the rest of the chain too; as without a treatment.
    UpdateChain,
}

impl Model {
    /// The fate of a record after its attempt, and its new cell of the column `treatments`.
    pub fn fate(&self, at: usize, personally: bool) -> (Fate, Option<String>) {
        self.treatment(at, personally).map_or((Fate::UpdateChain, None), |(fate, cell)| (fate, Some(cell)))
    }

    /// Whether the record's list treats its result at all.
    pub fn is_treated(&self, at: usize) -> bool {
        let record = &self.records[at];
        self.list(record).treatments.iter().any(|of| self.config.treatments[*of].result == record.result)
    }

    fn treatment(&self, at: usize, personally: bool) -> Option<(Fate, String)> {
        let record = &self.records[at];
        let list = self.list(record);
        if list.attempts_max > 0 && record.attempt >= list.attempts_max {
            return None;
        }
        let cell: Vec<i64> = record.treatments.split('.').filter_map(|part| part.parse().ok()).collect();
        let done = match cell.as_slice() {
            [result, step, times] if *result == record.result => (*step, *times),
            _ => (0, 0),
        };
        // every time of every step, in their order
        let of_result = list.treatments.iter().map(|of| &self.config.treatments[*of]);
        let mut times: Vec<(i64, i64, &TreatmentConfig)> = of_result
            .filter(|treatment| treatment.result == record.result)
            .flat_map(|treatment| (1..=treatment.attempts.max(1)).map(move |time| (treatment.number, time, treatment)))
            .collect();
        times.sort_by_key(|(number, time, _)| (*number, *time));
        let (number, time, treatment) = times.into_iter().find(|(number, time, _)| (*number, *time) > done)?;
        let personal = personally && !record.agent.is_empty();
        let fate = self.fate_of(treatment, time, personal, self.zone_of(record));
        Some((fate, format!("{}.{number}.{time}", record.result)))
    }

    fn fate_of(&self, treatment: &TreatmentConfig, time: i64, personal: bool, zone: &str) -> Fate {
        let wait_s = self.now_s() + treatment.interval_s + (time - 1) * treatment.increment_s;
        let date_s = || self.date_of(&treatment.at, zone);
        match treatment.action {
            "RetryIn" => Fate::Retry { personal, due_s: wait_s },
            "Cycle" => Fate::Retry { personal, due_s: self.now_s() },
            "RetryAtDate" => Fate::Retry { personal, due_s: date_s() },
            "NextInChain" => Fate::NextInChain(None),
            "NextInChainAfter" => Fate::NextInChain(Some(wait_s)),
            "NextInChainAtDate" => Fate::NextInChain(Some(date_s())),
            "AssignToGroup" => Fate::AssignToGroup,
            "MarkAsAgentError" => Fate::AgentError,
            "MarkDB" => Fate::UpdateRecord,
            "MarkAllChain" => Fate::UpdateChain,
            action => panic!("no action {action}"),
        }
    }

    /// The first instant, not past, that a text names: a date, or the time of a day. A past date is now.
    fn date_of(&self, at: &str, zone: &str) -> i64 {
        let (date, clock) = at.split_once('T').map_or((None, at), |(date, clock)| (Some(date), clock));
        let (hour, minute) = clock.split_once(':').unwrap();
        let second = hour.parse::<i64>().unwrap() * 3600 + minute.parse::<i64>().unwrap() * 60;
        let today = time::local(zone, self.now_s()).div_euclid(DAY_S);
        let is_meant = |day: &i64| match date {
            Some(date) => time::date_text(day * DAY_S) == date,
            None => time::instant(zone, day * DAY_S + second) >= self.now_s(),
        };
        let day = (today - 60..today + 60).filter(|day| date.is_some() || *day >= today).find(is_meant).unwrap();
        time::instant(zone, day * DAY_S + second).max(self.now_s())
    }
}
