//! The texts of a row of the audit, out of a command and its reply.
//!
//! Pure. Takes no text of a record, and no message of a refusal about Do-Not-Call, which may repeat a phone.

use outbound::{
    AccessScope, ApplyDoNotCall, Body, Command, CreateToken, DoNotCallBatch, DoNotCallScope, RemoveDoNotCall, Reply,
    ReplyBody, Request, Value, switchover_event,
};

use crate::tables::AuditRow;

/// The outcome of a change that was made.
const DONE: &str = "done";
/// The outcome of a scheduled switchover whose time passed by.
const LAPSED: &str = "lapsed";
/// Letters of a phone that stay visible, at its end.
const PHONE_LETTERS_SHOWN: usize = 2;
/// Differences of a declaration that a row names; their texts may be cut earlier.
const DIFFERENCES_MAX: usize = 20;

/// The row of a command; none: the command is not audited. `differences`: those that a declaration has made.
pub(super) fn row_of(command: &Command, reply: &Reply, differences: &[String]) -> Option<AuditRow> {
    let (what, about, details) = match &command.body {
        Body::Request(request) => of_request(request)?,
        Body::CreateList(list) => ("CreateList", list.name.clone(), String::new()),
        Body::DeleteList(list) => ("DeleteList", list.clone(), counts(reply, &["records"])),
        Body::ImportBatch(batch) => ("Import", first_piece(batch.first_row, &batch.list)?, imported(reply)),
        Body::SetSettings(settings) => {
            let keys: Vec<&str> = settings.iter().map(|setting| setting.key.as_str()).collect();
            ("SetSettings", keys.join(", "), changed_settings(reply))
        }
        Body::RaiseRules(raise) => ("RaiseRules", format!("rules version {}", raise.to), String::new()),
        Body::ApplyDeclaration(apply) => ("ApplyDeclaration", pruning(apply.prune), listed(differences)),
        Body::CreateToken(token) => ("CreateToken", token.name.clone(), of_token(token, reply)),
        Body::RevokeToken(token) => ("RevokeToken", token.id.clone(), text(reply, "name")),
        Body::RemoveDoNotCall(remove) => ("RemoveDoNotCall", of_removal(remove), counts(reply, &["removed"])),
        Body::DoNotCallBatch(batch) => {
            ("EnterDoNotCall", first_piece(batch.first_row, &scope(&batch.scope))?, of_entries(batch, reply))
        }
        Body::ApplyDoNotCall(apply) => ("ApplyDoNotCall", of_application(apply)?, String::new()),
        Body::ScheduleSwitchover(asked) => {
            ("ScheduleSwitchover", asked.to.clone(), text(reply, switchover_event::DETAILS))
        }
        Body::CancelSwitchover => {
            ("CancelSwitchover", text(reply, switchover_event::TO), text(reply, switchover_event::DETAILS))
        }
        Body::DueSwitchover(_) => of_ended_switchover(reply)?,
        Body::RoleChange(_)
        | Body::RewritePhones(_)
        | Body::DeleteRecords(_)
        | Body::AcknowledgeEffects(_)
        | Body::Due(_)
        | Body::BringUp(_)
        | Body::Audited(_) => return None,
    };
    let (outcome, why) = outcome_of(&command.body, reply);
    let details = if why.is_empty() { details } else { why };
    Some(AuditRow { what: what.to_owned(), about, details, outcome: outcome.to_owned(), ..AuditRow::default() })
}

/// The end of a scheduled switchover, under the name of an order by hand; none: the switchover goes on.
fn of_ended_switchover(reply: &Reply) -> Option<(&'static str, String, String)> {
    let has_ended = [switchover_event::DONE, switchover_event::LAPSED].contains(&event(reply));
    has_ended.then(|| ("Switchover", text(reply, switchover_event::TO), text(reply, switchover_event::DETAILS)))
}

/// A request that controls a campaign group. Updates of records are too many for an audit.
fn of_request(request: &Request) -> Option<(&'static str, String, String)> {
    let is_audited = request.verb.scope() == AccessScope::Admin;
    is_audited.then(|| (request.verb.name(), request.resource.identifier(), String::new()))
}

/// The subject of the first piece of a file; none: a later piece, of which a file has thousands.
fn first_piece(first_row: u64, about: &str) -> Option<String> {
    (first_row <= 1).then(|| about.to_owned())
}

/// The outcome, and why a change was refused.
fn outcome_of(body: &Body, reply: &Reply) -> (&'static str, String) {
    match &reply.body {
        ReplyBody::Refused(refusal) => {
            let is_quoted = !matches!(body, Body::RemoveDoNotCall(_) | Body::DoNotCallBatch(_));
            (refusal.code.word(), if is_quoted { refusal.message.clone() } else { String::new() })
        }
        ReplyBody::Done(done) if done.event == switchover_event::LAPSED => (LAPSED, String::new()),
        ReplyBody::Done(_) | ReplyBody::Imported(_) | ReplyBody::Again => (DONE, String::new()),
    }
}

/// The acknowledging event; empty: the reply is none.
fn event(reply: &Reply) -> &str {
    match &reply.body {
        ReplyBody::Done(done) => &done.event,
        _ => "",
    }
}

fn pairs(reply: &Reply) -> &[(String, Value)] {
    match &reply.body {
        ReplyBody::Done(done) => done.attributes.as_slice(),
        _ => &[],
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Int(number) => number.to_string(),
        Value::Str(text) => text.clone(),
    }
}

/// The value of a pair of the reply; empty: the reply has none.
fn text(reply: &Reply, name: &str) -> String {
    let found = pairs(reply).iter().find(|(known, _)| known == name);
    found.map(|(_, value)| shown(value)).unwrap_or_default()
}

/// Pairs of the reply, as `records 5`.
fn counts(reply: &Reply, names: &[&str]) -> String {
    let is_named = |(name, _): &&(String, Value)| names.contains(&name.as_str());
    let found = pairs(reply).iter().filter(is_named).map(|(name, value)| format!("{name} {}", shown(value)));
    found.collect::<Vec<_>>().join(", ")
}

/// An acknowledgement has every changed option twice, with its old and with its new value.
fn changed_settings(reply: &Reply) -> String {
    let changed = |pair: &[(String, Value)]| match pair {
        [(name, old), (_, new)] => Some(format!("{name}: {:?} -> {:?}", shown(old), shown(new))),
        _ => None,
    };
    pairs(reply).chunks(2).filter_map(changed).collect::<Vec<_>>().join("; ")
}

fn pruning(prune: bool) -> String {
    if prune { "with --prune".to_owned() } else { String::new() }
}

fn listed(differences: &[String]) -> String {
    let named = differences.iter().take(DIFFERENCES_MAX).map(String::as_str).collect::<Vec<_>>().join("; ");
    match differences.len() {
        0 => "nothing to change".to_owned(),
        1..=DIFFERENCES_MAX => named,
        all => format!("{all} changes, among them: {named}"),
    }
}

fn imported(reply: &Reply) -> String {
    match &reply.body {
        ReplyBody::Imported(imported) => format!(
            "first rows: {} added, {} duplicates, {} rejected",
            imported.added,
            imported.duplicates,
            imported.rejected.len()
        ),
        _ => String::new(),
    }
}

/// The source is the name of a file.
fn of_entries(batch: &DoNotCallBatch, reply: &Reply) -> String {
    format!("from {}; {}", batch.source, imported(reply))
}

/// Scopes and bounds of a token. Neither its text nor its hash.
fn of_token(token: &CreateToken, reply: &Reply) -> String {
    let lists = if token.lists.is_empty() { "all lists".to_owned() } else { token.lists.join(", ") };
    let tenant = if token.tenant.is_empty() { String::new() } else { format!("; tenant {}", token.tenant) };
    format!("id {}; {}; {lists}{tenant}", text(reply, "id"), token.scopes.join(","))
}

fn scope(scope: &DoNotCallScope) -> String {
    let DoNotCallScope { tenant, campaign, list } = scope;
    match (list.as_str(), campaign.as_str(), tenant.as_str()) {
        ("", "", "") => "all lists".to_owned(),
        ("", "", tenant) => format!("all lists of tenant {tenant}"),
        ("", campaign, _) => format!("campaign {campaign}"),
        (list, ..) => format!("list {list}"),
    }
}

/// The subject of an entry that is taken back, without the customer and with the end of the phone alone.
fn of_removal(remove: &RemoveDoNotCall) -> String {
    let RemoveDoNotCall { phone, list, customer, tenant, campaign } = remove.clone();
    let held = scope(&DoNotCallScope { tenant, campaign, list });
    if customer.is_empty() { format!("{} for {held}", masked(&phone)) } else { format!("a customer for {held}") }
}

/// The end of a phone; the rest are stars, in a number that tells nothing about the phone.
fn masked(phone: &str) -> String {
    let letters: Vec<char> = phone.trim().chars().collect();
    let end: &[char] =
        if letters.len() > 2 * PHONE_LETTERS_SHOWN { &letters[letters.len() - PHONE_LETTERS_SHOWN..] } else { &[] };
    format!("***{}", end.iter().collect::<String>())
}

/// None: the list is looked at in pieces, of which the first has a row.
fn of_application(apply: &ApplyDoNotCall) -> Option<String> {
    (apply.from_record_id == 0).then(|| apply.list.clone())
}
