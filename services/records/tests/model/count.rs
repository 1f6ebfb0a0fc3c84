//! Contact limits (spec 9, Contact limits): every attempt of a sequence, looked at anew each time.

use crate::{config::LimitConfig, model::Model, time};

#[derive(Debug, Clone)]
pub struct Attempt {
    pub record: usize,
    pub stamp_us: u64,
    /// Position of the campaign; none: the record was not handed out.
    pub campaign: Option<usize>,
    pub list: usize,
    pub chain: u64,
    pub phone: String,
    pub customer: String,
    pub result: Option<i64>,
}

const SECOND_US: u64 = 1_000_000;
const YEAR_S: i64 = 365 * 86_400;

impl Model {
    /// Counts an attempt: of a campaign at the hand-out, else of none, with the result.
    pub fn count(&mut self, at: usize, campaign: Option<usize>) {
        let record = &self.records[at];
        self.attempts.push(Attempt {
            record: at,
            stamp_us: self.now_us,
            campaign,
            list: record.list,
            chain: record.chain,
            phone: record.phone.clone(),
            customer: record.customer.clone(),
            result: campaign.is_none().then_some(record.result),
        });
    }

    pub fn note_result(&mut self, at: usize) {
        let (since_us, result) = (self.held_since_us(at), self.records[at].result);
        let of_now = |attempt: &&mut Attempt| attempt.record == at && Some(attempt.stamp_us) == since_us;
        if let Some(attempt) = self.attempts.iter_mut().find(of_now) {
            attempt.result = Some(result);
        }
    }

    /// Takes the attempt of a held record back.
    pub fn take_back(&mut self, at: usize) {
        let since_us = self.held_since_us(at);
        self.attempts.retain(|attempt| attempt.record != at || Some(attempt.stamp_us) != since_us);
    }

    fn held_since_us(&self, at: usize) -> Option<u64> {
        self.records[at].held.as_ref().map(|held| held.since_us)
    }

    /// The time until which the limits of a campaign, and of its tenant, hold a record back; none: they allow it.
    pub fn limited_until(&self, at: usize, campaign: usize) -> Option<i64> {
        let limits = self.config.limits.iter();
        limits.filter_map(|limit| self.until_of(limit, at, campaign)).max()
    }

    fn until_of(&self, limit: &LimitConfig, at: usize, campaign: usize) -> Option<i64> {
        let record = &self.records[at];
        let tenant = self.list(record).tenant;
        let binds = limit.campaign.map_or(limit.tenant == tenant, |of| of == campaign);
        if !binds || (limit.per == "customer" && record.customer.is_empty()) {
            return None;
        }
        let is_same = |attempt: &Attempt| {
            let is_of_tenant = self.config.lists[attempt.list].tenant == tenant;
            match limit.per {
                "phone" => is_of_tenant && self.is_same_number(&attempt.phone, &record.phone, tenant),
                "customer" => is_of_tenant && attempt.customer == record.customer,
                _ => (attempt.list, attempt.chain) == (record.list, record.chain),
            }
        };
        let has_list =
            |campaign: usize, list: usize| self.config.campaigns[campaign].lists.iter().any(|(of, _)| *of == list);
        let is_of_campaign = |attempt: &Attempt| match (limit.campaign, attempt.campaign) {
            (None, _) => true,
            (Some(of), None) => has_list(of, attempt.list),
            (Some(of), Some(by)) => of == by,
        };
        let is_of_result = |attempt: &Attempt| {
            limit.results.is_empty() || attempt.result.is_some_and(|result| limit.results.contains(&result))
        };
        let [midnight_s, next_s] = time::day(self.zone_of(record), self.now_s());
        let within_us = u64::try_from(limit.within_s).unwrap() * SECOND_US;
        // the attempt of this very step does not count before the hand-out
        let is_earlier = |attempt: &Attempt| attempt.stamp_us < self.now_us;
        let is_recent = |attempt: &Attempt| match limit.within_s {
            0 => attempt.stamp_us >= u64::try_from(midnight_s).unwrap() * SECOND_US,
            _ => attempt.stamp_us + within_us > self.now_us,
        };
        let counts = |attempt: &&Attempt| {
            let is_in_time = is_earlier(attempt) && is_recent(attempt);
            is_same(attempt) && is_of_campaign(attempt) && is_of_result(attempt) && is_in_time
        };
        let mut stamps: Vec<u64> = self.attempts.iter().filter(counts).map(|attempt| attempt.stamp_us).collect();
        stamps.sort_unstable();
        if stamps.len() < limit.max {
            return None;
        }
        // the attempt after whose end one less than the limit is left
        let Some(last) = stamps.get(stamps.len() - limit.max) else { return Some(self.now_s() + YEAR_S) };
        let end_us = last + within_us;
        let end_s = i64::try_from(end_us / SECOND_US).unwrap() + i64::from(!end_us.is_multiple_of(SECOND_US));
        Some(if limit.within_s == 0 { next_s } else { end_s })
    }
}
