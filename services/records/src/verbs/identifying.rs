//! Attributes that say the same as the path: a contradiction is refused (spec 5).
//!
//! HTTP Proxy has dropped attributes that equal the path letter by letter; here phones are compared in their form, and a campaign
//! group by its name and its DBID. Never writes. Called by the verbs on phones, customers and campaign groups, before other checks.

use outbound::{Refusal, Request, Resource, key};

use crate::{
    given::{self, bad_value},
    phone_form,
};

/// Refuses a body with another phone or customer than the path. `version`: the rules version that decides.
pub(crate) fn check_identifying(request: &Request, version: u32) -> Result<(), Refusal> {
    let (key, agrees) = match &request.resource {
        Resource::Phone(phone) => {
            let form = phone_form(version, phone);
            (key::PHONE, agrees(request, key::PHONE, |given| phone_form(version, given) == form)?)
        }
        Resource::Customer(customer) => {
            (key::CUSTOMER_ID, agrees(request, key::CUSTOMER_ID, |given| given.trim() == customer.trim())?)
        }
        Resource::Record(_) | Resource::List(_) | Resource::CampaignGroup(_) => return Ok(()),
    };
    if agrees { Ok(()) } else { Err(differs(key, &request.resource)) }
}

/// Refuses a body with another campaign group than the path, whose name and DBID these are.
pub(crate) fn check_group(request: &Request, name: &str, dbid: u32) -> Result<(), Refusal> {
    if !agrees(request, key::CAMPAIGN_GROUP_NAME, |given| given == name)? {
        return Err(differs(key::CAMPAIGN_GROUP_NAME, &request.resource));
    }
    match given::int(request, key::CAMPAIGN_GROUP_DBID, 0, i64::MAX)? {
        Some(given) if given != i64::from(dbid) => Err(differs(key::CAMPAIGN_GROUP_DBID, &request.resource)),
        _ => Ok(()),
    }
}

/// Whether a text is absent or passes.
fn agrees(request: &Request, key: &str, passes: impl Fn(&str) -> bool) -> Result<bool, Refusal> {
    Ok(given::text(request, key, usize::MAX)?.is_none_or(|given| passes(&given)))
}

fn differs(key: &str, resource: &Resource) -> Refusal {
    bad_value(key, &format!("is not {:?}, which the path means", resource.identifier()))
}

#[cfg(test)]
mod tests {
    use outbound::{RULES_WITH_CAMPAIGNS, Value, Verb};

    use super::*;

    fn request(resource: Resource, key: &str, value: impl Into<Value>) -> Request {
        Request {
            verb: Verb::RequestRecordCancel,
            resource,
            attributes: [(key.to_owned(), value.into())].into_iter().collect(),
            tenant: String::new(),
            principal: String::new(),
            idempotency_key: None,
        }
    }

    fn text(text: &str) -> Value {
        Value::text(text)
    }

    #[test]
    fn a_phone_agrees_in_any_spelling_and_a_customer_but_for_blanks_around() {
        let phone = || Resource::Phone("+1 (212) 555-0100".into());
        let customer = || Resource::Customer("K-7 ".into());
        for (resource, key, value, agrees) in [
            (phone(), key::PHONE, text("0012125550100"), true),
            (phone(), key::PHONE, text("+12125550101"), false),
            (Resource::Phone("2125550100".into()), key::PHONE, Value::Int(2_125_550_100), true),
            (phone(), key::CUSTOMER_ID, text("other"), true),
            (customer(), key::CUSTOMER_ID, text(" K-7"), true),
            (customer(), key::CUSTOMER_ID, text("k-7"), false),
            (customer(), key::PHONE, text("+12125550101"), true),
        ] {
            let checked = check_identifying(&request(resource.clone(), key, value.clone()), RULES_WITH_CAMPAIGNS);
            assert_eq!(checked.is_ok(), agrees, "{resource:?} {value:?}");
        }
    }

    #[test]
    fn a_campaign_group_agrees_by_its_name_and_its_dbid() {
        let group = || Resource::CampaignGroup("Renewals@Agents".into());
        for (key, value, agrees) in [
            (key::CAMPAIGN_GROUP_NAME, text("Renewals@Agents"), true),
            (key::CAMPAIGN_GROUP_NAME, text("Renewals@Others"), false),
            (key::CAMPAIGN_GROUP_DBID, Value::Int(101), true),
            (key::CAMPAIGN_GROUP_DBID, text("101"), true),
            (key::CAMPAIGN_GROUP_DBID, Value::Int(102), false),
        ] {
            let checked = check_group(&request(group(), key, value.clone()), "Renewals@Agents", 101);
            assert_eq!(checked.is_ok(), agrees, "{key} {value:?}");
        }
    }
}
