//! A REST path to a domain question: pure translation by the table of operations, or a refusal (spec 13).
//!
//! Never does IO, never asks the node, and never judges a credential. Bodies of records are read as bodies of requests are
//! (`from_http`). Called by `serve`, once a call.

mod cursor;
mod declared;
mod entries;
mod foreign_page;
mod object;
mod parameters;
mod routes;

use chassis::moment;
use http::Method;
use ocs_proto::{
    control::{PauseRequest, ScheduleSwitchoverRequest, SwitchoverRequest},
    link::{
        ApiCall, ApiDeclare, ApiEmpty, ApiMakeBackup, ApiName, ApiOrder, ApiRequest, api_call::Asked, api_order::Order,
    },
};
use outbound::{
    AccessScope, Attributes, Handle, RecordName, Refusal, RefusalCode, Request, Resource, Value, Verb,
    declaration::Declaration, key, wire,
};
use percent_encoding::percent_decode_str;
use prost::Message;

use self::parameters::Parameters;
pub use self::{
    cursor::text as cursor_text,
    parameters::SERIES_NAMES,
    routes::{Operation, ROUTES, Route},
};
use crate::from_http::{self, Incoming, Rejected};

/// The prefix of all that is served beside the protocols' resources.
const PREFIX: &str = "/api";
/// The prefix of the operations.
pub const VERSION_PREFIX: &str = "/api/v1";
/// Takes the place of a handle that only the node knows; no record has this handle.
const UNKNOWN: Handle = Handle(u64::MAX);

/// A call, translated.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The row of the table.
    pub route: &'static Route,
    /// The question, the request or the order; none, once the call was handed over.
    pub asked: Option<Asked>,
    /// The tenant that the query names; empty: none.
    pub tenant: String,
    /// Things of a page, at most; 0: the answer has no pages.
    pub limit: u32,
    /// The place behind a page; empty: the first page.
    pub cursor: Vec<u8>,
    /// Of a call that is no request.
    pub idempotency_key: Vec<u8>,
    /// The identifier of a declared thing that is to be made, for its `Location`; empty: nothing is made, or its identifier is the
    /// answer's.
    pub made: String,
    /// The call only asks for the plan of an order.
    pub plans: bool,
}

impl Call {
    /// Whether the audit may keep the call: an order, a change by an administrator, or a batch of Do-Not-Call entries. Asked before
    /// [`Call::take_message`].
    pub(crate) fn is_audited(&self) -> bool {
        self.route.scope == AccessScope::Admin || matches!(self.asked, Some(Asked::Enter(_)))
    }

    /// The message for the node, without id, sender and deadline. The route and the made thing stay for the answer.
    pub(crate) fn take_message(&mut self) -> ApiCall {
        ApiCall {
            tenant: std::mem::take(&mut self.tenant),
            limit: self.limit,
            cursor: std::mem::take(&mut self.cursor).into(),
            idempotency_key: std::mem::take(&mut self.idempotency_key).into(),
            asked: self.asked.take(),
            ..ApiCall::default()
        }
    }
}

/// The translation of a call.
#[derive(Debug)]
pub enum Translated {
    /// A call for the node.
    Call(Box<Call>),
    /// `OPTIONS`: the methods of the path.
    Options(&'static str),
}

/// Whether a path is of this interface.
pub fn is_under(path: &str) -> bool {
    path.strip_prefix(PREFIX).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Translates one call.
///
/// # Errors
/// BAD_RESOURCE, METHOD, or a fault of query, header or body.
pub fn from_api(incoming: &Incoming<'_>) -> Result<Translated, Rejected> {
    let segments = segments(incoming.path)?;
    let allow = routes::allow(&segments);
    if allow.is_empty() {
        let message = format!("No such path. {VERSION_PREFIX} has those that /api/openapi.json describes");
        return Err(Refusal::new(RefusalCode::BadResource, message).into());
    }
    if *incoming.method == Method::OPTIONS {
        return Ok(Translated::Options(allow));
    }
    let Some(route) = routes::find(incoming.method.as_str(), &segments) else {
        let message = format!("{} is not allowed here; allowed: {allow}", from_http::shown(incoming.method.as_str()));
        let refusal = Refusal::new(RefusalCode::Method, message);
        return Err(Rejected { refusal, verb: None, allow: Some(allow) });
    };
    foreign_page::check(incoming.method, incoming.headers)?;
    let mut parameters = Parameters::of(incoming.query.unwrap_or_default())?;
    let call = call(incoming, route, &segments, &mut parameters)?;
    parameters.check_all_used()?;
    Ok(Translated::Call(Box::new(call)))
}

/// The segments behind the prefix, their escapes undone.
fn segments(path: &str) -> Result<Vec<String>, Refusal> {
    let refuse = |message: &str| Refusal::new(RefusalCode::BadResource, message);
    let rest = path.strip_prefix(VERSION_PREFIX).and_then(|rest| rest.strip_prefix('/'));
    let rest = rest.ok_or_else(|| refuse("No such path. Valid: /api/, /api/openapi.json, /api/v1/<path>"))?;
    let decoded = |segment: &str| percent_decode_str(segment).decode_utf8().map(|text| text.into_owned());
    let segments: Result<Vec<String>, _> = rest.split('/').map(decoded).collect();
    let segments = segments.map_err(|_| refuse("a segment of the path is not UTF-8"))?;
    if segments.iter().any(|segment| segment.len() > from_http::IDENTIFIER_BYTES_MAX) {
        let message = format!("a segment of the path may have {} bytes", from_http::IDENTIFIER_BYTES_MAX);
        return Err(Refusal::new(RefusalCode::Limit, message));
    }
    Ok(segments)
}

/// The parts of a call that its translation reads.
struct Parts<'a, 'p> {
    incoming: &'a Incoming<'a>,
    route: &'static Route,
    segments: &'a [String],
    parameters: &'p mut Parameters,
    tenant: String,
}

fn call(
    incoming: &Incoming<'_>,
    route: &'static Route,
    segments: &[String],
    parameters: &mut Parameters,
) -> Result<Call, Refusal> {
    if route.method != "GET" {
        object::check_conditions(incoming.headers, route.operation == Operation::PatchRecord)?;
    }
    if !takes_body(route) {
        object::check_absent(incoming)?;
    }
    let tenant = parameters.tenant()?;
    let (limit, cursor) = if has_pages(route.operation) { page(parameters)? } else { (0, Vec::new()) };
    let idempotency_key = from_http::idempotency_key(incoming.headers)?.unwrap_or_default();
    let mut parts = Parts { incoming, route, segments, parameters, tenant: tenant.clone() };
    let asked = parts.asked()?;
    let (made, plans) = (made(route.operation, &asked), plans(&asked));
    Ok(Call { route, asked: Some(asked), tenant, limit, cursor, idempotency_key, made, plans })
}

/// Whether the answer of an operation comes in pages.
pub const fn has_pages(operation: Operation) -> bool {
    use Operation::{Audit, Campaigns, Groups, Lists, Records};
    matches!(operation, Lists | Records | Campaigns | Groups | Audit)
}

/// Whether an operation reads a body. The plan of a switchover may name its target there.
fn takes_body(route: &Route) -> bool {
    match route.operation {
        Operation::Pause | Operation::Resume | Operation::CancelSwitchover | Operation::Remove => false,
        Operation::Switchover => true,
        _ => route.method != "GET",
    }
}

/// Limit and cursor of a page.
fn page(parameters: &mut Parameters) -> Result<(u32, Vec<u8>), Refusal> {
    let limit = match parameters.take("limit") {
        None => outbound::PAGE_RECORDS_DEFAULT,
        Some(text) => {
            let limit = text.parse::<u32>().ok().filter(|limit| (1..=outbound::PAGE_RECORDS_MAX).contains(limit));
            limit.ok_or_else(|| bad(format!("limit is a number from 1 to {}", outbound::PAGE_RECORDS_MAX)))?
        }
    };
    let cursor = match parameters.take("cursor") {
        None => Vec::new(),
        Some(text) => cursor::bytes(&text).ok_or_else(|| bad("cursor is none that a page gave".to_owned()))?,
    };
    Ok((limit, cursor))
}

fn bad(message: String) -> Refusal {
    Refusal::new(RefusalCode::BadValue, message)
}

/// The identifier of a declared thing that a call makes.
fn made(operation: Operation, asked: &Asked) -> String {
    let Asked::Declare(ApiDeclare { declaration: Some(declaration), makes: true }) = asked else {
        return String::new();
    };
    let Declaration { lists, campaigns, campaign_groups, .. } = declaration;
    match operation {
        Operation::MakeList => lists.first().map(|list| list.name.clone()),
        Operation::MakeCampaign => campaigns.first().map(|campaign| campaign.name.clone()),
        Operation::MakeGroup => campaign_groups.first().map(|group| format!("{}@{}", group.campaign, group.group)),
        _ => None,
    }
    .unwrap_or_default()
}

/// Whether an order is only planned.
fn plans(asked: &Asked) -> bool {
    matches!(asked, Asked::Order(ApiOrder { order: Some(Order::Switchover(SwitchoverRequest { dry_run: true, .. })) }))
}

impl Parts<'_, '_> {
    fn asked(&mut self) -> Result<Asked, Refusal> {
        use Operation as Of;
        Ok(match self.route.operation {
            Of::Lists => Asked::Lists(ApiName::default()),
            Of::List => Asked::Lists(self.named(1)),
            Of::Campaigns => Asked::Campaigns(ApiName::default()),
            Of::Campaign => Asked::Campaigns(self.named(1)),
            Of::Groups => Asked::Groups(ApiName::default()),
            Of::Group => Asked::Groups(self.named(1)),
            Of::Record => Asked::Record(wire::records::name_to_wire(self.record()?)),
            Of::Records => Asked::Records(self.parameters.records(&self.segments[1])?),
            Of::AddRecord => {
                let list = Resource::List(self.segments[1].clone());
                self.request(Verb::AddRecord, list, None)?
            }
            Of::PatchRecord => self.on_record(Verb::PatchRecord)?,
            Of::Reschedule => self.on_record(Verb::RecordReschedule)?,
            Of::Cancel => self.on_record(Verb::RequestRecordCancel)?,
            Of::StopRecord => self.on_record(Verb::DoNotCall)?,
            Of::Processed => self.on_record(Verb::RecordProcessed)?,
            Of::Load => self.on_group(Verb::LoadCampaign)?,
            Of::Start => self.on_group(Verb::StartDialing)?,
            Of::Stop => self.on_group(Verb::StopDialing)?,
            Of::Unload => self.on_group(Verb::UnloadCampaign)?,
            Of::Preview => self.on_group(Verb::PreviewRecordRequest)?,
            Of::Entries => Asked::DoNotCall(self.parameters.subject()?),
            Of::Remove => Asked::Remove(self.parameters.removal(&self.tenant)?),
            Of::Enter => self.enter()?,
            Of::EnterBatch => Asked::Enter(entries::batch(&object::of(self.incoming)?, &self.tenant)?),
            Of::MakeList | Of::ChangeList | Of::MakeCampaign | Of::ChangeCampaign | Of::MakeGroup => self.declare()?,
            Of::Cluster => order(Order::Cluster(ApiEmpty {})),
            Of::History => order(Order::History(ApiEmpty {})),
            Of::Backups => order(Order::Backups(ApiEmpty {})),
            Of::MakeBackup => order(Order::MakeBackup(self.make_backup()?)),
            Of::Audit => order(Order::Audit(self.parameters.audit()?)),
            Of::Series => order(Order::Series(self.parameters.series()?)),
            Of::Pause => order(Order::Pause(PauseRequest { paused: true })),
            Of::Resume => order(Order::Pause(PauseRequest { paused: false })),
            Of::Switchover => order(self.switchover()?),
            Of::CancelSwitchover => order(Order::ScheduleSwitchover(ScheduleSwitchoverRequest {
                cancel: true,
                ..ScheduleSwitchoverRequest::default()
            })),
        })
    }

    fn named(&self, at: usize) -> ApiName {
        ApiName { name: self.segments[at].clone() }
    }

    /// The record of the path: `/records/{handle}`, or `/lists/{list}/records/{record_id}`.
    fn record(&self) -> Result<RecordName, Refusal> {
        let (list, number) = match self.segments[0].as_str() {
            "records" => (None, &self.segments[1]),
            _ => (Some(self.segments[1].clone()), &self.segments[3]),
        };
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        if !digits {
            let message = "a record is named by its handle, or by its record_id in a list, in decimal digits";
            return Err(Refusal::new(RefusalCode::BadResource, message));
        }
        let unknown = || Refusal::new(RefusalCode::RecordNotFound, format!("no record has the number {number}"));
        let number = number.parse().map_err(|_| unknown())?;
        Ok(match list {
            None => RecordName::Handle(Handle(number)),
            Some(list) => RecordName::InList { list, record_id: number },
        })
    }

    /// A request on the record of the path. Only the node knows the handle of a record that is named by its list.
    fn on_record(&self, verb: Verb) -> Result<Asked, Refusal> {
        match self.record()? {
            RecordName::Handle(handle) => self.request(verb, Resource::Record(handle), None),
            name => self.request(verb, Resource::Record(UNKNOWN), Some(name)),
        }
    }

    fn on_group(&self, verb: Verb) -> Result<Asked, Refusal> {
        self.request(verb, Resource::CampaignGroup(self.segments[1].clone()), None)
    }

    fn request(&self, verb: Verb, resource: Resource, record: Option<RecordName>) -> Result<Asked, Refusal> {
        object::check_json(self.incoming)?;
        let mut request = from_http::of_body(self.incoming, resource, verb, self.tenant.clone())?;
        check_record_id(&request.attributes, record.as_ref())?;
        request.attributes = without(request.attributes, key::RECORD_ID);
        if verb == Verb::PatchRecord {
            request.attributes.sent.if_match = object::if_match(self.incoming.headers)?;
        }
        let record = record.map(wire::records::name_to_wire);
        Ok(Asked::Request(ApiRequest { request: wire::request_to_wire(request).encode_to_vec().into(), record }))
    }

    /// An entry of a client marks the records that match; an entry of a campaign, or with an end, is an operator's.
    fn enter(&self) -> Result<Asked, Refusal> {
        let object = object::of(self.incoming)?;
        if object.contains_key(key::CAMPAIGN_NAME) || object.contains_key(entries::EXPIRES) {
            return Ok(Asked::Enter(entries::one(&object, &self.tenant)?));
        }
        let resource = Resource::Phone(String::new());
        let request = from_http::of_body(self.incoming, resource, Verb::DoNotCall, self.tenant.clone())?;
        let request = entries::about(request)?;
        Ok(Asked::Request(ApiRequest { request: wire::request_to_wire(request).encode_to_vec().into(), record: None }))
    }

    fn declare(&self) -> Result<Asked, Refusal> {
        use Operation as Of;
        let object = object::of(self.incoming)?;
        let name = self.segments.get(1).map(String::as_str);
        let kind = match self.route.operation {
            Of::MakeList | Of::ChangeList => declared::LIST,
            Of::MakeCampaign | Of::ChangeCampaign => declared::CAMPAIGN,
            _ => declared::GROUP,
        };
        let declaration = declared::thing(&kind, object, name)?;
        Ok(Asked::Declare(ApiDeclare { declaration: Some(declaration), makes: name.is_none() }))
    }

    /// GET, and POST with `dry_run`, only show the candidates. With a time the switchover is scheduled: a misspelt key must not hand the
    /// role over at once.
    fn switchover(&mut self) -> Result<Order, Refusal> {
        let plans = self.route.method == "GET";
        let dry_run = self.parameters.flag("dry_run")? || plans;
        let object = object::of(self.incoming)?;
        object::check_keys(&object, &["to", "at"])?;
        let to = object::text(&object, "to")?.unwrap_or_default();
        let Some(at) = object::text(&object, "at")? else {
            return Ok(Order::Switchover(SwitchoverRequest { to, dry_run }));
        };
        let at_s = moment::seconds_of(&at).map_err(|why| bad(format!("at: {}", from_http::shown(&why))))?;
        Ok(Order::ScheduleSwitchover(ScheduleSwitchoverRequest { at_s, to, dry_run, cancel: false }))
    }

    fn make_backup(&self) -> Result<ApiMakeBackup, Refusal> {
        let object = object::of(self.incoming)?;
        object::check_keys(&object, &["at_primary"])?;
        Ok(ApiMakeBackup { at_primary: object::flag(&object, "at_primary")? })
    }
}

fn order(order: Order) -> Asked {
    Asked::Order(ApiOrder { order: Some(order) })
}

/// Refuses a record_id that differs from that of the path; the same number repeats the path (spec 5).
fn check_record_id(attributes: &Attributes, of_path: Option<&RecordName>) -> Result<(), Refusal> {
    let (Some(given), Some(RecordName::InList { record_id, .. })) = (attributes.get(key::RECORD_ID), of_path) else {
        return Ok(());
    };
    let is_same = match given {
        Value::Int(number) => u64::try_from(*number) == Ok(*record_id),
        Value::Str(text) => text.trim().parse() == Ok(*record_id),
    };
    if is_same { Ok(()) } else { Err(bad(format!("{} differs from the {record_id} of the path", key::RECORD_ID))) }
}

/// Attributes without a key.
fn without(mut attributes: Attributes, key: &str) -> Attributes {
    if attributes.get(key).is_none() {
        return attributes;
    }
    let sent = std::mem::take(&mut attributes.sent);
    let mut others: Attributes = attributes.into_iter().filter(|(name, _)| name != key).collect();
    others.sent = sent;
    others
}

/// The request that a call carries, for tests; none: the call is none.
pub fn request_of(call: &Call) -> Option<Request> {
    let Some(Asked::Request(asked)) = &call.asked else { return None };
    let request = ocs_proto::outbound::Request::decode(asked.request.clone()).ok()?;
    wire::request_from_wire(request).ok()
}
