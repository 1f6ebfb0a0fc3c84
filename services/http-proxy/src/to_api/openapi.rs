//! The description of the REST interface (OpenAPI 3.1), made from the one table of operations (`from_api::ROUTES`).
//!
//! Never describes an operation that the table lacks. Called once, by the page.

mod described;

use utoipa::openapi::{
    Components, ComponentsBuilder, Content, ContentBuilder, Header, HttpMethod, InfoBuilder, ObjectBuilder,
    OpenApiBuilder, Paths, Ref, RefOr, Required, Response, ResponseBuilder, Schema, SecurityRequirement, Type,
    extensions::Extensions,
    path::{OperationBuilder, Parameter, ParameterBuilder, ParameterIn},
    request_body::{RequestBody, RequestBodyBuilder},
    schema::AdditionalProperties,
    security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use super::examples;
use crate::from_api::{Operation, ROUTES, Route, SERIES_NAMES, VERSION_PREFIX, has_pages};

const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";
/// The scheme of credentials in the description.
const BEARER: &str = "token";

/// The description, as JSON.
pub fn document() -> String {
    let mut paths = Paths::new();
    for route in &ROUTES {
        paths.add_path_operation(format!("{VERSION_PREFIX}{}", route.path), vec![method(route)], operation(route));
    }
    let description = "For what the outbound protocols lack. Errors are problems (RFC 9457) whose member code is that of the \
                       HTTP interface. A cursor stays good over failovers and changes.";
    let info = InfoBuilder::new().title("OCS").version("1").description(Some(description));
    let document = OpenApiBuilder::new()
        .info(info)
        .paths(paths)
        .components(Some(components()))
        .security(Some([SecurityRequirement::new(BEARER, Vec::<String>::new())]))
        .build();
    document.to_json().expect("a description is always JSON")
}

fn method(route: &Route) -> HttpMethod {
    match route.method {
        "POST" => HttpMethod::Post,
        "PATCH" => HttpMethod::Patch,
        "DELETE" => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

fn operation(route: &Route) -> OperationBuilder {
    let scope = [("x-scope", route.scope.word())].into_iter().collect::<Extensions>();
    let mut operation = OperationBuilder::new()
        .operation_id(Some(route.id))
        .summary(Some(route.summary))
        .tag(route.path.split('/').nth(1).unwrap_or_default())
        .parameters(Some(parameters(route)))
        .request_body(body(route))
        .extensions(Some(scope));
    for (status, response) in responses(route) {
        operation = operation.response(status, response);
    }
    operation
}

// === parameters ===

fn parameters(route: &Route) -> Vec<Parameter> {
    let names = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Parameter> = names.map(of_path).collect();
    parameters.push(of_query("tenant", string(), "The tenant; absent: that of the resource or of the credential"));
    if has_pages(route.operation) {
        let limit = integer().minimum(Some(1)).maximum(Some(outbound::PAGE_RECORDS_MAX));
        parameters.push(of_query("limit", limit, "Things of the page at most, 100 where absent"));
        parameters.push(of_query("cursor", string(), "The next of the page before"));
    }
    match route.operation {
        Operation::Records => parameters.extend(filters()),
        Operation::Entries => parameters.extend(subject()),
        Operation::Audit => parameters.extend(rows()),
        Operation::Series => parameters.extend(of_series()),
        Operation::Remove => {
            parameters.extend(subject());
            parameters.push(of_query("list", string(), "The entry of this list alone"));
            parameters.push(of_query("campaign", string(), "The entry of this campaign alone"));
        }
        Operation::Switchover if route.method == "POST" => {
            let boolean = ObjectBuilder::new().schema_type(Type::Boolean);
            parameters.push(of_query("dry_run", boolean, "Shows the candidates and changes nothing"));
        }
        _ => {}
    }
    if route.operation == Operation::PatchRecord {
        parameters.push(of_header("If-Match", "The ETag of the record; 412 where the record has changed since"));
    }
    if route.method == "POST" {
        parameters.push(of_header("Idempotency-Key", "Makes the request exactly-once for a day"));
    }
    parameters
}

fn filters() -> Vec<Parameter> {
    [
        ("phone", string(), "Records of a phone in any of its forms, by handle"),
        ("customer", string(), "Records of a customer, by handle"),
        ("chain", integer(), "Records of a chain, by their position"),
        ("due_before", integer(), "Ready callbacks and retries before this time, UTC seconds"),
        ("status", string(), "Any of these values of record_status, numbers or names, separated by commas"),
        ("type", string(), "Any of these values of record_type"),
        ("result", string(), "Any of these values of call_result"),
    ]
    .map(|(name, schema, means)| of_query(name, schema, means))
    .into()
}

fn rows() -> [Parameter; 4] {
    [
        ("since_us", integer(), "Rows stamped at this time or later, UTC microseconds"),
        ("until_us", integer(), "Rows stamped before this time, UTC microseconds"),
        ("principal", string(), "Rows of this token, certificate or operator"),
        ("what", string(), "Rows of this change or order, in any case, for example CreateToken"),
    ]
    .map(|(name, schema, means)| of_query(name, schema, means))
}

fn of_series() -> [Parameter; 2] {
    let range = string().enum_values(Some(["hour", "day"]));
    let names = format!("Some of {}, separated by commas; absent: all", SERIES_NAMES.join(", "));
    [
        of_query("range", range, "The last hour, in steps of 10 s, where absent; or the last day, in steps of 120 s"),
        of_query("names", string(), &names),
    ]
}

/// A phone or a customer; the example is about a phone.
fn subject() -> [Parameter; 2] {
    let phone = ParameterBuilder::from(of_query("phone", string(), "A phone in any of its forms"));
    [phone.example(Some(examples::phone())).build(), of_query("customer", string(), "A customer id")]
}

fn of_path(name: &str) -> Parameter {
    let is_number = matches!(name, "record_id" | "handle");
    let schema = if is_number { integer().minimum(Some(0)) } else { string() };
    let built = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True);
    built.schema(Some(schema)).example(Some(examples::of_path(name))).build()
}

fn of_query(name: &str, schema: ObjectBuilder, means: &str) -> Parameter {
    let built = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Query).required(Required::False);
    built.description(Some(means)).schema(Some(schema)).build()
}

fn of_header(name: &str, means: &str) -> Parameter {
    let built = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header).required(Required::False);
    built.description(Some(means)).schema(Some(string())).build()
}

// === bodies and answers ===

fn body(route: &Route) -> Option<RequestBody> {
    use Operation as Of;
    let schema = match route.operation {
        Of::AddRecord | Of::PatchRecord | Of::Reschedule | Of::Cancel | Of::StopRecord | Of::Processed => "Record",
        Of::Preview => "Record",
        Of::MakeList | Of::ChangeList => "ListDeclaration",
        Of::MakeCampaign | Of::ChangeCampaign => "Campaign",
        Of::MakeGroup => "CampaignGroupDeclaration",
        Of::Enter => "DoNotCallEntry",
        Of::EnterBatch => "DoNotCallBatch",
        Of::Switchover if route.method == "POST" => "SwitchoverOrder",
        Of::MakeBackup => "BackupOrder",
        _ => return None,
    };
    let schema = Ref::from_schema_name(schema);
    let content = ContentBuilder::new().schema(Some(schema)).example(examples::body(route.operation)).build();
    Some(RequestBodyBuilder::new().content(JSON, content).required(Some(Required::False)).build())
}

fn responses(route: &Route) -> Vec<(&'static str, RefOr<Response>)> {
    use Operation as Of;
    let built = |means: &str, schema: &str| ResponseBuilder::new().description(means).content(JSON, content(schema));
    let one = |status: &'static str, means: &str, schema: &str| (status, RefOr::T(built(means, schema).build()));
    let tagged =
        |means: &str, schema: &str| ("200", RefOr::T(built(means, schema).header("ETag", Header::default()).build()));
    let made = |of: ResponseBuilder| ("201", RefOr::T(of.header("Location", Header::default()).build()));
    let good = match route.operation {
        Of::Lists => one("200", "A page of lists", "ListPage"),
        Of::List => one("200", "The list", "List"),
        Of::Records => one("200", "A page of records", "RecordPage"),
        Of::Record => tagged("The record; its ETag is the version of its row", "Record"),
        Of::PatchRecord => tagged("Changed; the ETag is that of the row as written", "Acknowledgement"),
        Of::Campaigns => one("200", "A page of campaigns", "CampaignPage"),
        Of::Campaign => one("200", "The campaign", "Campaign"),
        Of::Groups => one("200", "A page of campaign groups", "CampaignGroupPage"),
        Of::Group => one("200", "The campaign group", "CampaignGroup"),
        Of::Entries => one("200", "The entries that count now", "DoNotCallPage"),
        Of::AddRecord => made(built("Made; Location names the record", "Record")),
        Of::MakeList | Of::MakeCampaign | Of::MakeGroup => {
            made(built("Made; Location names the resource", "Acknowledgement"))
        }
        Of::EnterBatch => one("200", "The outcome of each entry", "DoNotCallOutcome"),
        Of::Remove => ("204", RefOr::T(ResponseBuilder::new().description("Taken back").build())),
        Of::CancelSwitchover => ("204", RefOr::T(ResponseBuilder::new().description("Cancelled").build())),
        Of::Audit => one("200", "A page of the audit, oldest rows first", "AuditPage"),
        Of::Cluster => one("200", "The node that answers, and its group", "Cluster"),
        Of::History => one("200", "Changes of the role, oldest first", "History"),
        Of::Switchover => one("200", "The outcome, or the plan with its candidates", "SwitchoverReport"),
        Of::Pause | Of::Resume => one("200", "Done", "OrderDone"),
        Of::Series => one("200", "Values at equal distances, oldest first", "Series"),
        Of::Backups | Of::MakeBackup => one("200", "The schedule, and its last backup and failure", "Backups"),
        _ => one("200", "Done", "Acknowledgement"),
    };
    let problem = |status: &'static str, means: &str| {
        (status, RefOr::T(ResponseBuilder::new().description(means).content(PROBLEM, content("Problem")).build()))
    };
    let mut all = vec![good];
    all.extend(PROBLEMS.iter().map(|(status, means)| problem(status, means)));
    all
}

/// Statuses of refusals that any operation may have.
const PROBLEMS: [(&str, &str); 14] = [
    ("400", "A fault of the request"),
    ("401", "No credential that is good"),
    ("403", "The credential does not reach the call"),
    ("404", "No such resource"),
    ("405", "Another method"),
    ("408", "The request was not complete in time"),
    ("409", "The state does not allow the request"),
    ("412", "The record has changed since its ETag was read"),
    ("413", "The body is too large"),
    ("422", "The Idempotency-Key was used with other content"),
    ("429", "Too many requests are under way"),
    ("500", "A bug; the log says more"),
    ("503", "Known not to be applied; try again"),
    ("504", "Not known whether the request was applied"),
];

fn content(schema: &str) -> Content {
    ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build()
}

// === schemas ===

fn components() -> Components {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    let mut built = ComponentsBuilder::new().security_scheme(BEARER, SecurityScheme::Http(bearer));
    for (name, schema) in schemas().into_iter().chain(described::all()) {
        built = built.schema(name, schema);
    }
    built.build()
}

fn schemas() -> Vec<(&'static str, Schema)> {
    vec![
        ("Record", record().into()),
        ("RecordPage", page("Record")),
        ("ListPage", page("List")),
        ("CampaignPage", page("Campaign")),
        ("CampaignGroupPage", page("CampaignGroup")),
        ("DoNotCallEntry", entry().into()),
        ("DoNotCallPage", page("DoNotCallEntry")),
        ("DoNotCallBatch", batch().into()),
        ("DoNotCallOutcome", open([("entered", integer()), ("stood", integer())])),
        ("AuditPage", page("AuditEntry")),
        ("SwitchoverOrder", switchover_order().into()),
        ("BackupOrder", backup_order().into()),
        ("Acknowledgement", open([])),
        ("Problem", problem().into()),
    ]
}

fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn integer() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer)
}

/// An object with these members and any others.
fn open<const N: usize>(members: [(&str, ObjectBuilder); N]) -> Schema {
    let object = ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(true)));
    members.into_iter().fold(object, |object, (name, schema)| object.property(name, schema)).into()
}

/// A page: the things, and the cursor of the next page.
fn page(of: &str) -> Schema {
    let items = utoipa::openapi::ArrayBuilder::new().items(Ref::from_schema_name(of));
    ObjectBuilder::new().property("items", items).property("next", string()).required("items").into()
}

/// Every key of the protocols that a record may have, and fields under keys of their own.
fn record() -> ObjectBuilder {
    let object = ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(true)));
    let object = object.property(outbound::key::RECORD_ID, integer());
    let known = outbound::ATTRIBUTES.iter();
    known.fold(object, |object, spec| match spec.kind {
        outbound::Kind::Int => object.property(spec.key, integer_or_text()),
        outbound::Kind::Str | outbound::Kind::Word(_) => object.property(spec.key, string()),
        outbound::Kind::Number(_) | outbound::Kind::Any => object.property(spec.key, integer_or_text()),
    })
}

/// Requests give a number, its text, or a name; answers give the number.
fn integer_or_text() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type([Type::Integer, Type::String].into_iter().collect::<utoipa::openapi::schema::SchemaType>())
}

fn entry() -> ObjectBuilder {
    [outbound::key::PHONE, outbound::key::CUSTOMER_ID, outbound::key::MESSAGE, outbound::key::CALLING_LIST]
        .into_iter()
        .fold(ObjectBuilder::new(), |object, key| object.property(key, string()))
        .property(outbound::key::CAMPAIGN_NAME, string())
        .property("expires", integer())
        .additional_properties(Some(AdditionalProperties::FreeForm(true)))
}

fn batch() -> ObjectBuilder {
    let entries = utoipa::openapi::ArrayBuilder::new().items(Ref::from_schema_name("DoNotCallEntry"));
    ObjectBuilder::new()
        .property("entries", entries)
        .property(outbound::key::CALLING_LIST, string())
        .property(outbound::key::CAMPAIGN_NAME, string())
        .required("entries")
}

fn switchover_order() -> ObjectBuilder {
    let at = string().description(Some("Schedules the switchover for this moment, as in 2026-12-01T03:00:00Z"));
    ObjectBuilder::new().property("to", string()).property("at", at)
}

fn backup_order() -> ObjectBuilder {
    let boolean = ObjectBuilder::new().schema_type(Type::Boolean);
    let means = "Makes the backup at the primary, too, where another data node could make it";
    ObjectBuilder::new().property("at_primary", boolean.description(Some(means)))
}

fn problem() -> ObjectBuilder {
    ObjectBuilder::new()
        .property("type", string())
        .property("title", string())
        .property("status", integer())
        .property("detail", string())
        .property("code", string())
        .required("code")
        .required("status")
        .additional_properties(Some(AdditionalProperties::FreeForm(true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_of_the_table_is_described_with_its_scope_and_no_other() {
        let document: serde_json::Value = serde_json::from_str(&document()).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        let mut described = 0;
        for route in &ROUTES {
            let operation = &document["paths"][format!("{VERSION_PREFIX}{}", route.path)][route.method.to_lowercase()];
            assert_eq!(
                (&operation["operationId"], &operation["x-scope"]),
                (&route.id.into(), &route.scope.word().into())
            );
            described += 1;
        }
        let methods = ["get", "post", "patch", "delete"];
        let items = document["paths"].as_object().unwrap().values();
        let all: usize = items.map(|item| methods.iter().filter(|method| item.get(**method).is_some()).count()).sum();
        assert_eq!(all, described);
    }

    #[test]
    fn every_schema_that_is_referred_to_is_there() {
        let text = document();
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        for part in text.split("#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
        }
    }
}
