//! The query of a call: each parameter once, none that the operation does not take (spec 13).

use std::collections::BTreeSet;

use ocs_proto::{
    control::AuditRequest,
    link::{ApiSeriesRequest, ApiSubject},
    outbound::{RecordsQuery as WireQuery, RemoveDoNotCall, records_query::By},
};
use outbound::{CALL_RESULT, Enumeration, RECORD_STATUS, RECORD_TYPE, Refusal, RefusalCode};
use percent_encoding::percent_decode_str;

use crate::from_http::{IDENTIFIER_BYTES_MAX, TENANT_BYTES_MAX, VALUE_BYTES_MAX, shown};

/// Parameters of a query, at most.
const PARAMETERS_MAX: usize = 64;
/// The figures that a node keeps series of: updates of clients and hand-outs, per second; the durations of updates; entries that the
/// slowest connected voter is behind.
pub const SERIES_NAMES: [&str; 5] = ["updates", "latency_p50_ms", "latency_p99_ms", "lag_entries", "hand_outs"];
/// The parameter whose value is a number: a bare `+` in that number is no space.
const PHONE: &str = "phone";

/// The parameters that no part of the translation has taken yet.
#[derive(Debug)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Takes a query apart.
    pub(super) fn of(query: &str) -> Result<Self, Refusal> {
        let pieces: Vec<&str> = query.split('&').filter(|piece| !piece.is_empty()).collect();
        if pieces.len() > PARAMETERS_MAX {
            return Err(Refusal::new(RefusalCode::Limit, format!("more than {PARAMETERS_MAX} parameters")));
        }
        let mut parameters: Vec<(String, String)> = Vec::new();
        for piece in pieces {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            let name = decoded(name, false)?;
            if parameters.iter().any(|(known, _)| *known == name) {
                return Err(bad(format!("{:?} is there twice", shown(&name))));
            }
            let value = decoded(value, name == PHONE)?;
            if value.len() > VALUE_BYTES_MAX {
                return Err(Refusal::new(RefusalCode::Limit, format!("{:?} is too long", shown(&name))));
            }
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    /// The value of a parameter; an empty value counts as absent.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(at).1).filter(|value| !value.is_empty())
    }

    /// The value of a parameter that names a thing: no longer than in a path.
    fn take_name(&mut self, name: &str, bytes_max: usize) -> Result<Option<String>, Refusal> {
        let value = self.take(name);
        match value.as_ref().is_some_and(|value| value.len() > bytes_max) {
            true => Err(Refusal::new(RefusalCode::Limit, format!("{name} may have {bytes_max} bytes"))),
            false => Ok(value),
        }
    }

    /// The tenant of the call; empty: none.
    pub(super) fn tenant(&mut self) -> Result<String, Refusal> {
        Ok(self.take_name("tenant", TENANT_BYTES_MAX)?.unwrap_or_default())
    }

    /// A parameter that is true by its name alone.
    pub(super) fn flag(&mut self, name: &str) -> Result<bool, Refusal> {
        let Some(at) = self.0.iter().position(|(known, _)| known == name) else { return Ok(false) };
        match self.0.swap_remove(at).1.as_str() {
            "" | "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(bad(format!("{name} is true or false"))),
        }
    }

    /// Refuses a parameter that nothing took: a misspelt filter would answer another question.
    pub(super) fn check_all_used(&self) -> Result<(), Refusal> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => Err(bad(format!("{:?} is no parameter of this operation", shown(name)))),
        }
    }

    /// The filter of a page of records: at most one of those that choose the order.
    pub(super) fn records(&mut self, list: &str) -> Result<WireQuery, Refusal> {
        let chain = self.take("chain").map(|text| number(&text, "chain")).transpose()?;
        let due_before = self.take("due_before").map(|text| number(&text, "due_before")).transpose()?;
        let given = [
            self.take_name(PHONE, IDENTIFIER_BYTES_MAX)?.map(By::Phone),
            self.take_name("customer", IDENTIFIER_BYTES_MAX)?.map(By::Customer),
            chain.map(By::Chain),
            due_before.map(By::DueBeforeS),
        ];
        let mut given = given.into_iter().flatten();
        let by = given.next();
        if given.next().is_some() {
            return Err(bad("at most one of phone, customer, chain and due_before may be given".to_owned()));
        }
        Ok(WireQuery {
            list: list.to_owned(),
            by,
            statuses: self.values("status", &RECORD_STATUS)?,
            types: self.values("type", &RECORD_TYPE)?,
            results: self.values("result", &CALL_RESULT)?,
        })
    }

    /// Values of an enumeration by number or name, separated by commas; each once, since every record of a page is compared with all.
    fn values(&mut self, name: &str, enumeration: &Enumeration) -> Result<Vec<i64>, Refusal> {
        let Some(text) = self.take(name) else { return Ok(Vec::new()) };
        let value = |word: &str| enumeration.parse(word.trim());
        let values: Option<BTreeSet<i64>> = text.split(',').map(value).collect();
        let wrong = || bad(format!("{name} is no {}, or several separated by commas", enumeration.name));
        Ok(values.ok_or_else(wrong)?.into_iter().collect())
    }

    /// The wanted rows of the audit.
    pub(super) fn audit(&mut self) -> Result<AuditRequest, Refusal> {
        let since_us = self.take("since_us").map(|text| number(&text, "since_us")).transpose()?;
        let until_us = self.take("until_us").map(|text| number(&text, "until_us")).transpose()?;
        let (principal, what) = (self.take("principal"), self.take("what"));
        Ok(AuditRequest { since_us, until_us, principal, what, rows_max: 0 })
    }

    /// The range of some series, or of all.
    pub(super) fn series(&mut self) -> Result<ApiSeriesRequest, Refusal> {
        let day = match self.take("range").as_deref() {
            None | Some("hour") => false,
            Some("day") => true,
            Some(_) => return Err(bad("range is hour or day".to_owned())),
        };
        let text = self.take("names").unwrap_or_default();
        let names: Vec<String> =
            text.split(',').map(str::trim).filter(|_| !text.is_empty()).map(str::to_owned).collect();
        match names.iter().all(|name| SERIES_NAMES.contains(&name.as_str())) {
            true => Ok(ApiSeriesRequest { day, names }),
            false => Err(bad(format!("names are some of {}, separated by commas", SERIES_NAMES.join(", ")))),
        }
    }

    /// A phone or a customer.
    pub(super) fn subject(&mut self) -> Result<ApiSubject, Refusal> {
        let phone = self.take_name(PHONE, IDENTIFIER_BYTES_MAX)?;
        match (phone, self.take_name("customer", IDENTIFIER_BYTES_MAX)?) {
            (Some(phone), None) => Ok(ApiSubject { phone, customer: String::new() }),
            (None, Some(customer)) => Ok(ApiSubject { phone: String::new(), customer }),
            _ => Err(Refusal::new(RefusalCode::MissingAttribute, "give phone or customer, and not both")),
        }
    }

    /// The entry to take back.
    pub(super) fn removal(&mut self, tenant: &str) -> Result<RemoveDoNotCall, Refusal> {
        let ApiSubject { phone, customer } = self.subject()?;
        let mut scope = |name| self.take_name(name, IDENTIFIER_BYTES_MAX).map(Option::unwrap_or_default);
        let (list, campaign) = (scope("list")?, scope("campaign")?);
        // an entry of a list or of a campaign names no tenant
        let tenant = if list.is_empty() && campaign.is_empty() { tenant.to_owned() } else { String::new() };
        Ok(RemoveDoNotCall { phone, list, customer, tenant, campaign })
    }
}

fn number<T: std::str::FromStr>(text: &str, name: &str) -> Result<T, Refusal> {
    text.trim().parse().map_err(|_| bad(format!("{name} is a whole number")))
}

/// A name or a value without its escapes. In a query `+` is a space, but not in a phone.
fn decoded(text: &str, keeps_plus: bool) -> Result<String, Refusal> {
    let spaced = if keeps_plus { text.to_owned() } else { text.replace('+', " ") };
    let decoded = percent_decode_str(&spaced).decode_utf8().map(|text| text.into_owned());
    decoded.map_err(|_| bad("an escape in the query is not UTF-8".to_owned()))
}

fn bad(message: String) -> Refusal {
    Refusal::new(RefusalCode::BadValue, message)
}
