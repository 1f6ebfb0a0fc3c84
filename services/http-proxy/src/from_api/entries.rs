//! Do-Not-Call entries of a body: the subject of a client's request, and batches of an operator.

use ocs_proto::outbound::{DoNotCallBatch, DoNotCallRow};
use outbound::{DO_NOT_CALL_ROWS_MAX, Refusal, RefusalCode, Request, Resource, key};
use serde_json::{Map, Value};

use super::{object, without};

/// UTC seconds from which on an entry counts as absent.
pub(super) const EXPIRES: &str = "expires";
/// The rows of a batch.
const ENTRIES: &str = "entries";
/// Where the entries come from, for a person.
const SOURCE: &str = "rest";

/// Members of an entry, and of the scope of one or of several. A misspelt scope would have entries hold for the whole tenant.
const OF_ENTRY: [&str; 4] = [key::PHONE, key::CUSTOMER_ID, key::MESSAGE, EXPIRES];
const OF_SCOPE: [&str; 2] = [key::CAMPAIGN_NAME, key::CALLING_LIST];

type Object = Map<String, Value>;

/// The request on the phone or the customer that its body names.
pub(super) fn about(request: Request) -> Result<Request, Refusal> {
    let named = |key: &str| request.attributes.str(key).map(str::to_owned).filter(|text| !text.trim().is_empty());
    let (resource, key) = match (named(key::PHONE), named(key::CUSTOMER_ID)) {
        (Some(phone), None) => (Resource::Phone(phone), key::PHONE),
        (None, Some(customer)) => (Resource::Customer(customer), key::CUSTOMER_ID),
        _ => return Err(neither()),
    };
    let attributes = without(request.attributes, key);
    Ok(Request { resource, attributes, ..request_without(request.verb, request.tenant, request.idempotency_key) })
}

/// A request whose resource and attributes are still to be set.
fn request_without(verb: outbound::Verb, tenant: String, idempotency_key: Option<Vec<u8>>) -> Request {
    let resource = Resource::Phone(String::new());
    Request { verb, resource, attributes: Default::default(), tenant, principal: String::new(), idempotency_key }
}

/// A batch of one entry.
pub(super) fn one(object: &Object, tenant: &str) -> Result<DoNotCallBatch, Refusal> {
    object::check_keys(object, &[&OF_ENTRY[..], &OF_SCOPE].concat())?;
    let row = row(object)?;
    scoped(object, tenant, vec![row])
}

/// A batch; the scope beside `entries` holds for all of them.
pub(super) fn batch(object: &Object, tenant: &str) -> Result<DoNotCallBatch, Refusal> {
    object::check_keys(object, &[&[ENTRIES][..], &OF_SCOPE].concat())?;
    let missing = || Refusal::new(RefusalCode::MissingAttribute, "the body has no array \"entries\"");
    let entries = object.get(ENTRIES).and_then(Value::as_array).ok_or_else(missing)?;
    if entries.is_empty() || entries.len() > DO_NOT_CALL_ROWS_MAX as usize {
        let message = format!("a batch has 1 to {DO_NOT_CALL_ROWS_MAX} entries");
        return Err(Refusal::new(RefusalCode::Limit, message));
    }
    let row = |entry: &Value| match entry {
        Value::Object(members) => object::check_keys(members, &OF_ENTRY).and_then(|()| row(members)),
        _ => Err(Refusal::new(RefusalCode::BadValue, "an entry is an object")),
    };
    scoped(object, tenant, entries.iter().map(row).collect::<Result<_, _>>()?)
}

/// The node gives the batch its id.
fn scoped(object: &Object, tenant: &str, rows: Vec<DoNotCallRow>) -> Result<DoNotCallBatch, Refusal> {
    let text = |name| object::text(object, name).map(Option::unwrap_or_default);
    let (campaign, list) = (text(key::CAMPAIGN_NAME)?, text(key::CALLING_LIST)?);
    let tenant = if campaign.is_empty() && list.is_empty() { tenant.to_owned() } else { String::new() };
    Ok(DoNotCallBatch { tenant, campaign, list, first_row: 1, source: SOURCE.to_owned(), rows, ..Default::default() })
}

fn row(object: &Object) -> Result<DoNotCallRow, Refusal> {
    let text = |name| object::text(object, name).map(Option::unwrap_or_default);
    let (phone, customer) = (text(key::PHONE)?, text(key::CUSTOMER_ID)?);
    if phone.is_empty() == customer.is_empty() {
        return Err(neither());
    }
    let expires_s = match object.get(EXPIRES) {
        None | Some(Value::Null) => None,
        Some(value) => {
            let wrong = || Refusal::new(RefusalCode::BadValue, "expires is a number of UTC seconds");
            Some(value.as_i64().ok_or_else(wrong)?)
        }
    };
    Ok(DoNotCallRow { phone, customer, message: text(key::MESSAGE)?, expires_s })
}

fn neither() -> Refusal {
    Refusal::new(RefusalCode::MissingAttribute, "give GSW_PHONE or GSW_CUSTOMER_ID, and not both")
}
