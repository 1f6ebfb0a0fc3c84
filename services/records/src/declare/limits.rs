//! Contact limits (spec 9, Contact limits).

use outbound::{
    CALL_RESULT,
    declaration::{DeclaredLimit, DeclaredResults},
};

use super::{
    Faults,
    item::{Item, Pairs, Shown, missing, number, path, set, tenant, text},
};

/// Contact limits, at most: each hand-out asks every one.
pub(super) const LIMITS_MAX: usize = 100;
/// Highest count of attempts that a limit may allow: a check reads so many.
const ATTEMPTS_MAX: u32 = 1_000;
/// Longest time of a limit, seconds: a year. Attempts are kept as long.
const WITHIN_MAX_S: u32 = 366 * 24 * 3600;
/// What a limit counts by.
const PER: [&str; 3] = ["phone", "customer", "chain"];

impl Shown for DeclaredLimit {
    const WORD: &'static str = "contact limit";

    fn name(&self) -> String {
        self.name.clone()
    }

    fn pairs(&self) -> Pairs {
        let results = self.results.iter().flat_map(|results| &results.results);
        let results: Vec<&str> = results.filter_map(|result| CALL_RESULT.name_of(*result)).collect();
        let within = match self.within {
            Some(0) => "day".to_owned(),
            within => text(&within),
        };
        vec![
            ("campaign", text(&self.campaign)),
            ("tenant", text(&self.tenant)),
            ("max", text(&self.max)),
            ("per", text(&self.per)),
            ("within", within),
            ("results", results.join(", ")),
        ]
    }
}

impl Item for DeclaredLimit {
    const KIND: &'static str = "contact_limits";

    fn take(&mut self, named: Self) {
        set(&mut self.campaign, named.campaign);
        set(&mut self.tenant, named.tenant);
        set(&mut self.max, named.max);
        set(&mut self.per, named.per);
        set(&mut self.within, named.within);
        set(&mut self.results, named.results);
    }

    fn complete(&mut self, faults: &mut Faults) {
        let of_campaign = !self.campaign.get_or_insert_default().is_empty();
        self.tenant = tenant(self.tenant.take());
        if of_campaign && self.tenant.as_deref().is_some_and(|tenant| !tenant.is_empty()) {
            faults.add(path(self, "tenant"), "is for limits without a campaign");
        }
        match (self.max, self.within) {
            (None, _) => missing(self, "max", faults),
            (_, None) => missing(self, "within", faults),
            _ => {
                self.max = number(self, "max", self.max, 1, (1, ATTEMPTS_MAX), faults);
                self.within = number(self, "within", self.within, 0, (0, WITHIN_MAX_S), faults);
            }
        }
        let per = self.per.take().unwrap_or_else(|| PER[0].to_owned());
        let known = PER.iter().find(|word| word.eq_ignore_ascii_case(per.trim())).map(|word| (*word).to_owned());
        if known.is_none() {
            faults.add(path(self, "per"), format!("is {per:?}, and must be one of {}", PER.join(", ")));
        }
        self.per = known;
        complete_results(self, faults);
    }
}

/// Writes the results in their order, each once.
fn complete_results(limit: &mut DeclaredLimit, faults: &mut Faults) {
    let mut results = limit.results.take().unwrap_or_default().results;
    results.sort_unstable();
    results.dedup();
    for result in results.iter().filter(|result| !CALL_RESULT.contains(**result)) {
        faults.add(path(limit, "results"), format!("{result} is no call_result"));
    }
    limit.results = Some(DeclaredResults { results });
}
