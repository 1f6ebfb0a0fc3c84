//! Domain to wire and back: the only module that knows both shapes.
//!
//! [`records`] has the questions about records. `to_wire` cannot fail; `from_wire` answers [`WireError`] for messages that no node of this release sends.

pub mod records;

use ocs_proto::outbound as wire;

use crate::{
    AcknowledgeEffects, ApplyDeclaration, ApplyDoNotCall, Attributes, Audited, Body, BringUp, COMMAND_FORMAT, Command,
    CreateToken, DeleteRecords, DoNotCallBatch, DoNotCallRow, DoNotCallScope, Done, Due, DueSwitchover, ImportBatch,
    ImportRow, Imported, NewList, Origin, Pairs, RaiseRules, Refusal, RefusalCode, RejectedRow, RemoveDoNotCall, Reply,
    ReplyBody, Request, RequestId, Resource, ResourceType, RevokeToken, RewritePhones, RoleChange, ScheduleSwitchover,
    Sent, Setting, UserField, Value, Verb,
};

/// A message that no node sends.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum WireError {
    /// A mandatory field is absent.
    #[error("the message lacks its {0}")]
    Missing(&'static str),
    /// A name unknown to this release.
    #[error("unknown {what} {name:?}: sent by a newer version?")]
    Unknown {
        /// The kind of name.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A command of a newer format.
    #[error("command format {0} is newer than this node's {COMMAND_FORMAT}: update this node")]
    Format(u32),
}

// === attributes ===

fn value_to_wire(value: Value) -> wire::Value {
    let kind = match value {
        Value::Int(number) => wire::value::Kind::Int(number),
        Value::Str(text) => wire::value::Kind::Str(text),
    };
    wire::Value { kind: Some(kind) }
}

fn pairs_to_wire(pairs: impl IntoIterator<Item = (String, Value)>) -> Vec<wire::Attribute> {
    pairs.into_iter().map(|(key, value)| wire::Attribute { key, value: Some(value_to_wire(value)) }).collect()
}

fn pairs_from_wire(pairs: Vec<wire::Attribute>) -> Result<Vec<(String, Value)>, WireError> {
    pairs.into_iter().map(pair_from_wire).collect()
}

fn pair_from_wire(pair: wire::Attribute) -> Result<(String, Value), WireError> {
    match pair.value.and_then(|value| value.kind) {
        Some(wire::value::Kind::Int(number)) => Ok((pair.key, Value::Int(number))),
        Some(wire::value::Kind::Str(text)) => Ok((pair.key, Value::Str(text))),
        None => Err(WireError::Missing("attribute value")),
    }
}

// === requests ===

impl From<RequestId> for wire::RequestId {
    fn from(id: RequestId) -> Self {
        let RequestId { node, incarnation, token, counter } = id;
        let (token_high, token_low) = halves(token);
        Self { node, incarnation, counter, token_high, token_low }
    }
}

impl From<wire::RequestId> for RequestId {
    fn from(id: wire::RequestId) -> Self {
        let wire::RequestId { node, incarnation, counter, token_high, token_low } = id;
        Self { node, incarnation, token: whole((token_high, token_low)), counter }
    }
}

/// The upper and the lower half of a token: protobuf has no number of 128 bits.
pub const fn halves(token: u128) -> (u64, u64) {
    ((token >> 64) as u64, token as u64)
}

/// The token of two halves.
pub const fn whole((high, low): (u64, u64)) -> u128 {
    ((high as u128) << 64) | low as u128
}

/// A request on the wire; its texts move there.
pub fn request_to_wire(mut request: Request) -> wire::Request {
    let Sent { query_keys, unknown_form, if_match } = std::mem::take(&mut request.attributes.sent);
    wire::Request {
        name: request.verb.name().to_owned(),
        resource: request.resource.kind().word().to_owned(),
        identifier: request.resource.identifier(),
        attributes: pairs_to_wire(request.attributes),
        tenant: request.tenant,
        principal: request.principal,
        idempotency_key: request.idempotency_key.map(Into::into),
        query_keys,
        unknown_form,
        if_match,
    }
}

/// A request from the wire.
pub fn request_from_wire(request: wire::Request) -> Result<Request, WireError> {
    let unknown = |what, name: &str| WireError::Unknown { what, name: name.to_owned() };
    let verb = Verb::parse(&request.name).ok_or_else(|| unknown("request", &request.name))?;
    let kind = ResourceType::parse(&request.resource).ok_or_else(|| unknown("resource", &request.resource))?;
    let resource =
        Resource::new(kind, &request.identifier).ok_or_else(|| unknown("identifier", &request.identifier))?;
    let mut attributes = pairs_from_wire(request.attributes)?.into_iter().collect::<Attributes>();
    let (query_keys, unknown_form, if_match) = (request.query_keys, request.unknown_form, request.if_match);
    attributes.sent = Sent { query_keys, unknown_form, if_match };
    Ok(Request {
        verb,
        resource,
        attributes,
        tenant: request.tenant,
        principal: request.principal,
        idempotency_key: request.idempotency_key.map(|key| key.to_vec()),
    })
}

/// A list to create, on the wire.
pub fn list_to_wire(list: NewList) -> wire::CreateList {
    let fields = list.fields.iter().map(field_to_wire).collect();
    wire::CreateList { name: list.name, time_zone: list.time_zone, fields }
}

/// A list to create, from the wire.
pub fn list_from_wire(list: wire::CreateList) -> NewList {
    let fields = list.fields.into_iter().map(field_from_wire).collect();
    NewList { name: list.name, time_zone: list.time_zone, fields }
}

/// A user-defined field on the wire.
pub fn field_to_wire(field: &UserField) -> wire::UserField {
    wire::UserField {
        column: field.column.clone(),
        kind: field.kind.clone(),
        default: field.default.clone(),
        send_attribute: field.send_attribute.clone(),
    }
}

fn field_from_wire(field: wire::UserField) -> UserField {
    let wire::UserField { column, kind, default, send_attribute } = field;
    UserField { column, kind, default, send_attribute }
}

/// An import batch on the wire.
pub fn batch_to_wire(batch: ImportBatch) -> wire::ImportBatch {
    wire::ImportBatch {
        list: batch.list,
        import_id: batch.import_id.into(),
        first_row: batch.first_row,
        columns: batch.columns,
        rows: batch.rows.into_iter().map(|row| wire::ImportRow { values: row.values }).collect(),
    }
}

/// An import batch from the wire.
pub fn batch_from_wire(batch: wire::ImportBatch) -> ImportBatch {
    ImportBatch {
        list: batch.list,
        import_id: batch.import_id.to_vec(),
        first_row: batch.first_row,
        columns: batch.columns,
        rows: batch.rows.into_iter().map(|row| ImportRow { values: row.values }).collect(),
    }
}

/// A change of the role on the wire.
pub fn change_to_wire(change: RoleChange) -> wire::RoleChange {
    let RoleChange { term, to, reason, pause_ms, ordered } = change;
    wire::RoleChange { term, to, reason, pause_ms, ordered: ordered.map(order_to_wire) }
}

/// A change of the role from the wire.
pub fn change_from_wire(change: wire::RoleChange) -> RoleChange {
    let wire::RoleChange { term, to, reason, pause_ms, ordered } = change;
    RoleChange { term, to, reason, pause_ms, ordered: ordered.map(order_from_wire) }
}

/// An order for the audit on the wire.
pub fn order_to_wire(order: Audited) -> wire::Audited {
    let Audited { node, at_us, after_us, what, about, details, outcome } = order;
    wire::Audited { node, at_us, after_us, what, about, details, outcome }
}

/// An order for the audit from the wire.
pub fn order_from_wire(order: wire::Audited) -> Audited {
    let wire::Audited { node, at_us, after_us, what, about, details, outcome } = order;
    Audited { node, at_us, after_us, what, about, details, outcome }
}

/// Options of the rules on the wire.
pub fn settings_to_wire(settings: Vec<Setting>) -> wire::SetSettings {
    let setting = |Setting { key, value }| wire::Setting { key, value };
    wire::SetSettings { settings: settings.into_iter().map(setting).collect() }
}

/// Options of the rules from the wire.
pub fn settings_from_wire(settings: wire::SetSettings) -> Vec<Setting> {
    let setting = |wire::Setting { key, value }| Setting { key, value };
    settings.settings.into_iter().map(setting).collect()
}

/// A raise of the rules version on the wire.
pub fn raise_to_wire(raise: RaiseRules) -> wire::RaiseRules {
    let RaiseRules { to, settings, release } = raise;
    wire::RaiseRules { to, settings: settings_to_wire(settings).settings, release }
}

/// A raise of the rules version from the wire.
pub fn raise_from_wire(raise: wire::RaiseRules) -> RaiseRules {
    let wire::RaiseRules { to, settings, release } = raise;
    RaiseRules { to, settings: settings_from_wire(wire::SetSettings { settings }), release }
}

/// A command that rewrites phones, on the wire.
pub fn rewrite_to_wire(rewrite: RewritePhones) -> wire::RewritePhones {
    wire::RewritePhones { rows_max: rewrite.rows_max }
}

/// A command that rewrites phones, from the wire.
pub fn rewrite_from_wire(rewrite: wire::RewritePhones) -> RewritePhones {
    RewritePhones { rows_max: rewrite.rows_max }
}

/// A command that deletes records, on the wire.
pub fn delete_to_wire(delete: DeleteRecords) -> wire::DeleteRecords {
    let DeleteRecords { list, rows_max } = delete;
    wire::DeleteRecords { list, rows_max }
}

/// A command that deletes records, from the wire.
pub fn delete_from_wire(delete: wire::DeleteRecords) -> DeleteRecords {
    let wire::DeleteRecords { list, rows_max } = delete;
    DeleteRecords { list, rows_max }
}

/// A removal of a Do-Not-Call entry on the wire.
pub fn remove_to_wire(remove: RemoveDoNotCall) -> wire::RemoveDoNotCall {
    let RemoveDoNotCall { phone, list, customer, tenant, campaign } = remove;
    wire::RemoveDoNotCall { phone, list, customer, tenant, campaign }
}

/// A removal of a Do-Not-Call entry from the wire.
pub fn remove_from_wire(remove: wire::RemoveDoNotCall) -> RemoveDoNotCall {
    let wire::RemoveDoNotCall { phone, list, customer, tenant, campaign } = remove;
    RemoveDoNotCall { phone, list, customer, tenant, campaign }
}

/// An acknowledgement of effects on the wire.
pub fn acknowledge_to_wire(effects: AcknowledgeEffects) -> wire::AcknowledgeEffects {
    wire::AcknowledgeEffects { up_to: effects.up_to }
}

/// An acknowledgement of effects from the wire.
pub fn acknowledge_from_wire(effects: wire::AcknowledgeEffects) -> AcknowledgeEffects {
    AcknowledgeEffects { up_to: effects.up_to }
}

/// A file of declarations on the wire.
pub fn declaration_to_wire(apply: ApplyDeclaration) -> wire::ApplyDeclaration {
    let ApplyDeclaration { declaration, revision, prune } = apply;
    wire::ApplyDeclaration { declaration: Some(declaration), revision, prune }
}

/// A file of declarations from the wire.
pub fn declaration_from_wire(apply: wire::ApplyDeclaration) -> ApplyDeclaration {
    let wire::ApplyDeclaration { declaration, revision, prune } = apply;
    ApplyDeclaration { declaration: declaration.unwrap_or_default(), revision, prune }
}

/// Do-Not-Call entries on the wire.
pub fn entries_to_wire(batch: DoNotCallBatch) -> wire::DoNotCallBatch {
    let DoNotCallBatch { scope, import_id, first_row, source, rows } = batch;
    let DoNotCallScope { tenant, campaign, list } = scope;
    let row = |row: DoNotCallRow| {
        let DoNotCallRow { phone, customer, message, expires_s } = row;
        wire::DoNotCallRow { phone, customer, message, expires_s }
    };
    let rows = rows.into_iter().map(row).collect();
    wire::DoNotCallBatch { tenant, campaign, list, import_id: import_id.into(), first_row, source, rows }
}

/// Do-Not-Call entries from the wire.
pub fn entries_from_wire(batch: wire::DoNotCallBatch) -> DoNotCallBatch {
    let wire::DoNotCallBatch { tenant, campaign, list, import_id, first_row, source, rows } = batch;
    let row = |row: wire::DoNotCallRow| {
        let wire::DoNotCallRow { phone, customer, message, expires_s } = row;
        DoNotCallRow { phone, customer, message, expires_s }
    };
    let rows = rows.into_iter().map(row).collect();
    let scope = DoNotCallScope { tenant, campaign, list };
    DoNotCallBatch { scope, import_id: import_id.to_vec(), first_row, source, rows }
}

/// An application of Do-Not-Call to a list, on the wire.
pub fn application_to_wire(apply: ApplyDoNotCall) -> wire::ApplyDoNotCall {
    let ApplyDoNotCall { list, from_record_id, rows_max } = apply;
    wire::ApplyDoNotCall { list, from_record_id, rows_max }
}

/// An application of Do-Not-Call to a list, from the wire.
pub fn application_from_wire(apply: wire::ApplyDoNotCall) -> ApplyDoNotCall {
    let wire::ApplyDoNotCall { list, from_record_id, rows_max } = apply;
    ApplyDoNotCall { list, from_record_id, rows_max }
}

/// An API token to make, on the wire.
pub fn token_to_wire(token: CreateToken) -> wire::CreateToken {
    let CreateToken { hash, name, note, scopes, lists, tenant, expires_s } = token;
    wire::CreateToken { hash: hash.into(), name, note, scopes, lists, tenant, expires_s }
}

/// An API token to make, from the wire.
pub fn token_from_wire(token: wire::CreateToken) -> CreateToken {
    let wire::CreateToken { hash, name, note, scopes, lists, tenant, expires_s } = token;
    CreateToken { hash: hash.to_vec(), name, note, scopes, lists, tenant, expires_s }
}

/// A switchover to schedule, on the wire.
pub fn schedule_to_wire(asked: ScheduleSwitchover) -> wire::ScheduleSwitchover {
    let ScheduleSwitchover { at_s, to } = asked;
    wire::ScheduleSwitchover { at_s, to }
}

/// A switchover to schedule, from the wire.
pub fn schedule_from_wire(asked: wire::ScheduleSwitchover) -> ScheduleSwitchover {
    let wire::ScheduleSwitchover { at_s, to } = asked;
    ScheduleSwitchover { at_s, to }
}

/// The step of a scheduled switchover on the wire.
pub fn due_switchover_to_wire(due: DueSwitchover) -> wire::DueSwitchover {
    let DueSwitchover { at_s, node, term, why } = due;
    wire::DueSwitchover { at_s, node, term, why }
}

/// The step of a scheduled switchover from the wire.
pub fn due_switchover_from_wire(due: wire::DueSwitchover) -> DueSwitchover {
    let wire::DueSwitchover { at_s, node, term, why } = due;
    DueSwitchover { at_s, node, term, why }
}

// === commands ===

/// An origin on the wire.
pub fn origin_to_wire(origin: Origin) -> wire::Origin {
    match origin {
        Origin::Http => wire::Origin::Http,
        Origin::Control => wire::Origin::Control,
    }
}

/// An origin from the wire.
pub fn origin_from_wire(origin: i32) -> Result<Origin, WireError> {
    match wire::Origin::try_from(origin) {
        Ok(wire::Origin::Http) => Ok(Origin::Http),
        Ok(wire::Origin::Control) => Ok(Origin::Control),
        _ => Err(WireError::Unknown { what: "origin", name: origin.to_string() }),
    }
}

/// The body of a command on the wire; its texts move there.
pub fn body_to_wire(body: Body) -> wire::command::Body {
    match body {
        Body::Request(request) => wire::command::Body::Request(request_to_wire(request)),
        Body::CreateList(list) => wire::command::Body::CreateList(list_to_wire(list)),
        Body::ImportBatch(batch) => wire::command::Body::ImportBatch(batch_to_wire(batch)),
        Body::RoleChange(change) => wire::command::Body::RoleChange(change_to_wire(change)),
        Body::RaiseRules(raise) => wire::command::Body::RaiseRules(raise_to_wire(raise)),
        Body::SetSettings(settings) => wire::command::Body::SetSettings(settings_to_wire(settings)),
        Body::RewritePhones(rewrite) => wire::command::Body::RewritePhones(rewrite_to_wire(rewrite)),
        Body::DeleteList(list) => wire::command::Body::DeleteList(wire::DeleteList { list }),
        Body::DeleteRecords(delete) => wire::command::Body::DeleteRecords(delete_to_wire(delete)),
        Body::RemoveDoNotCall(remove) => wire::command::Body::RemoveDoNotCall(remove_to_wire(remove)),
        Body::AcknowledgeEffects(effects) => wire::command::Body::AcknowledgeEffects(acknowledge_to_wire(effects)),
        Body::ApplyDeclaration(apply) => wire::command::Body::ApplyDeclaration(declaration_to_wire(*apply)),
        Body::DoNotCallBatch(batch) => wire::command::Body::DoNotCallBatch(entries_to_wire(batch)),
        Body::ApplyDoNotCall(apply) => wire::command::Body::ApplyDoNotCall(application_to_wire(apply)),
        Body::Due(due) => wire::command::Body::Due(wire::Due { rows_max: due.rows_max }),
        Body::BringUp(rows) => wire::command::Body::BringUp(wire::BringUp { rows_max: rows.rows_max }),
        Body::CreateToken(token) => wire::command::Body::CreateToken(token_to_wire(token)),
        Body::RevokeToken(token) => wire::command::Body::RevokeToken(wire::RevokeToken { id: token.id }),
        Body::Audited(order) => wire::command::Body::Audited(order_to_wire(order)),
        Body::ScheduleSwitchover(asked) => wire::command::Body::ScheduleSwitchover(schedule_to_wire(asked)),
        Body::CancelSwitchover => wire::command::Body::CancelSwitchover(wire::CancelSwitchover {}),
        Body::DueSwitchover(due) => wire::command::Body::DueSwitchover(due_switchover_to_wire(due)),
    }
}

/// A command on the wire.
pub fn command_to_wire(command: &Command) -> wire::Command {
    wire::Command {
        format: COMMAND_FORMAT,
        rules: command.rules,
        id: Some(command.id.into()),
        stamp_us: command.stamp_us,
        origin: origin_to_wire(command.origin).into(),
        random: command.random.clone().into(),
        tenant: command.tenant.clone(),
        principal: command.principal.clone(),
        address: command.address.clone(),
        body: Some(body_to_wire(command.body.clone())),
    }
}

/// A command from the wire. The caller checks that its rules version is known.
pub fn command_from_wire(command: wire::Command) -> Result<Command, WireError> {
    if command.format > COMMAND_FORMAT {
        return Err(WireError::Format(command.format));
    }
    Ok(Command {
        id: command.id.ok_or(WireError::Missing("request id"))?.into(),
        rules: command.rules,
        stamp_us: command.stamp_us,
        origin: origin_from_wire(command.origin)?,
        random: command.random.to_vec(),
        tenant: command.tenant,
        principal: command.principal,
        address: command.address,
        body: body_from_wire(command.body)?,
    })
}

/// The body of a command from the wire.
pub fn body_from_wire(body: Option<wire::command::Body>) -> Result<Body, WireError> {
    Ok(match body.ok_or(WireError::Missing("body"))? {
        wire::command::Body::Request(request) => Body::Request(request_from_wire(request)?),
        wire::command::Body::CreateList(list) => Body::CreateList(list_from_wire(list)),
        wire::command::Body::ImportBatch(batch) => Body::ImportBatch(batch_from_wire(batch)),
        wire::command::Body::RoleChange(change) => Body::RoleChange(change_from_wire(change)),
        wire::command::Body::RaiseRules(raise) => Body::RaiseRules(raise_from_wire(raise)),
        wire::command::Body::SetSettings(settings) => Body::SetSettings(settings_from_wire(settings)),
        wire::command::Body::RewritePhones(rewrite) => Body::RewritePhones(rewrite_from_wire(rewrite)),
        wire::command::Body::DeleteList(delete) => Body::DeleteList(delete.list),
        wire::command::Body::DeleteRecords(delete) => Body::DeleteRecords(delete_from_wire(delete)),
        wire::command::Body::RemoveDoNotCall(remove) => Body::RemoveDoNotCall(remove_from_wire(remove)),
        wire::command::Body::AcknowledgeEffects(effects) => Body::AcknowledgeEffects(acknowledge_from_wire(effects)),
        wire::command::Body::ApplyDeclaration(apply) => Body::ApplyDeclaration(Box::new(declaration_from_wire(apply))),
        wire::command::Body::DoNotCallBatch(batch) => Body::DoNotCallBatch(entries_from_wire(batch)),
        wire::command::Body::ApplyDoNotCall(apply) => Body::ApplyDoNotCall(application_from_wire(apply)),
        wire::command::Body::Due(due) => Body::Due(Due { rows_max: due.rows_max }),
        wire::command::Body::BringUp(rows) => Body::BringUp(BringUp { rows_max: rows.rows_max }),
        wire::command::Body::CreateToken(token) => Body::CreateToken(token_from_wire(token)),
        wire::command::Body::RevokeToken(token) => Body::RevokeToken(RevokeToken { id: token.id }),
        wire::command::Body::Audited(order) => Body::Audited(order_from_wire(order)),
        wire::command::Body::ScheduleSwitchover(asked) => Body::ScheduleSwitchover(schedule_from_wire(asked)),
        wire::command::Body::CancelSwitchover(wire::CancelSwitchover {}) => Body::CancelSwitchover,
        wire::command::Body::DueSwitchover(due) => Body::DueSwitchover(due_switchover_from_wire(due)),
    })
}

// === replies ===

/// A reply on the wire; the caller keeps the domain reply.
pub fn reply_to_wire(reply: &Reply) -> wire::Reply {
    reply_into_wire(reply.clone())
}

/// A reply on the wire; its texts move there.
pub fn reply_into_wire(reply: Reply) -> wire::Reply {
    let body = match reply.body {
        ReplyBody::Done(done) => {
            let pairs = |attributes| wire::Pairs { attributes: pairs_to_wire(attributes) };
            let records =
                done.records.map(|records| wire::Records { records: records.into_iter().map(pairs).collect() });
            wire::reply::Body::Done(wire::Done {
                event: done.event,
                attributes: pairs_to_wire(done.attributes),
                records,
            })
        }
        ReplyBody::Refused(refusal) => wire::reply::Body::Refused(wire::Refusal {
            code: refusal.code.word().to_owned(),
            message: refusal.message,
            attributes: pairs_to_wire(refusal.attributes),
        }),
        ReplyBody::Imported(imported) => wire::reply::Body::Imported(imported_to_wire(imported)),
        ReplyBody::Again => wire::reply::Body::Again(wire::Again {}),
    };
    wire::Reply { body: Some(body), replayed: reply.replayed, stale: reply.stale }
}

fn imported_to_wire(imported: Imported) -> wire::Imported {
    let row = |row: RejectedRow| wire::RejectedRow { row: row.row, reason: row.reason };
    wire::Imported {
        added: imported.added,
        duplicates: imported.duplicates,
        made_ready: imported.made_ready,
        no_call: imported.no_call,
        rejected: imported.rejected.into_iter().map(row).collect(),
    }
}

/// Records of a page on the wire.
pub fn records_to_wire(records: Vec<Pairs>) -> wire::Records {
    let pairs = |attributes| wire::Pairs { attributes: pairs_to_wire(attributes) };
    wire::Records { records: records.into_iter().map(pairs).collect() }
}

/// Records of a page from the wire.
pub fn records_from_wire(records: wire::Records) -> Result<Vec<Pairs>, WireError> {
    records.records.into_iter().map(|pairs| pairs_from_wire(pairs.attributes)).collect()
}

/// A reply from the wire.
pub fn reply_from_wire(reply: wire::Reply) -> Result<Reply, WireError> {
    let body = match reply.body.ok_or(WireError::Missing("body"))? {
        wire::reply::Body::Done(done) => {
            let pairs =
                |records: wire::Records| records.records.into_iter().map(|pairs| pairs_from_wire(pairs.attributes));
            let records = done.records.map(|records| pairs(records).collect::<Result<_, _>>()).transpose()?;
            ReplyBody::Done(Done { event: done.event, attributes: pairs_from_wire(done.attributes)?, records })
        }
        wire::reply::Body::Refused(refusal) => ReplyBody::Refused(Refusal {
            code: RefusalCode::parse(&refusal.code),
            message: refusal.message,
            attributes: pairs_from_wire(refusal.attributes)?,
        }),
        wire::reply::Body::Imported(imported) => ReplyBody::Imported(imported_from_wire(imported)),
        wire::reply::Body::Again(wire::Again {}) => ReplyBody::Again,
    };
    Ok(Reply { body, replayed: reply.replayed, stale: reply.stale })
}

fn imported_from_wire(imported: wire::Imported) -> Imported {
    let row = |row: wire::RejectedRow| RejectedRow { row: row.row, reason: row.reason };
    Imported {
        added: imported.added,
        duplicates: imported.duplicates,
        made_ready: imported.made_ready,
        no_call: imported.no_call,
        rejected: imported.rejected.into_iter().map(row).collect(),
    }
}
